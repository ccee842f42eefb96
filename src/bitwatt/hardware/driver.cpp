// Drives the Verilator model of a tile: runs one pass for many images and writes what left, and what it took.
//
//     driver JOB RESULT FIRST LAST [WAVEFORM]        images FIRST to LAST - 1
//
// JOB, in little-endian 64-bit words: rows that leave for an image; bytes of such a row; the cycles after which
// an image is given up; then for each stream, in the order layers, bin_rows, sb_rows, parameters, divisors and,
// where the tile has it, residual_rows:
// rows, bytes of a row, rows of a block, how often each block is sent, whether each image has rows of its own
// (1) or all share them (0), and where in the file the rows begin. Then the rows.
//
// RESULT, for each image: cycles; rows read from Bin, written into Bin, read from and written into SB, read
// from and written into Bout, rows of residuals taken, as 64-bit words; then the rows that left. Fewer images than
// asked for: the tile hangs in the first one that is missing.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "Vtile.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

[[noreturn]] void fail(const char* what, const char* name) {
    std::fprintf(stderr, "driver: %s: %s\n", name, what);
    std::exit(1);
}

// One input stream of the tile: where its rows are, and which of them is offered.
struct Stream {
    const char* name;
    void* payload;
    CData* valid;
    const CData* ready;
    std::uint64_t rows, bytes, block, repeats, own, offset;
    const char* data = nullptr;
    std::uint64_t row = 0, turn = 0;

    void begin(const char* job, std::uint64_t image) {
        data = job + offset + (own ? image * rows * bytes : 0);
        row = turn = 0;
        offer();
    }
    void offer() {
        *valid = row < rows;
        if (*valid) std::memcpy(payload, data + row * bytes, bytes);
    }
    // True where the tile takes the row in this cycle.
    bool taken() const { return *valid && *ready; }
    void advance() {
        ++row;
        if (row % block == 0 && ++turn < repeats) {
            row -= block;
        } else if (row % block == 0) {
            turn = 0;
        }
        offer();
    }
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) fail("takes JOB RESULT FIRST LAST [WAVEFORM]", argv[0]);
    const int file = open(argv[1], O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) fail("cannot be read", argv[1]);
    void* mapped = mmap(nullptr, status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (mapped == MAP_FAILED) fail("cannot be mapped", argv[1]);
    const char* job = static_cast<const char*>(mapped);
    const auto* header = reinterpret_cast<const std::uint64_t*>(job);
    std::FILE* result = std::fopen(argv[2], "wb");
    if (result == nullptr) fail("cannot be written", argv[2]);

    VerilatedContext context;
    const auto tile = std::make_unique<Vtile>(&context);
#if VM_TRACE
    VerilatedVcdC waveform;
    if (argc > 5) {
        context.traceEverOn(true);
        tile->trace(&waveform, 99);
        waveform.open(argv[5]);
    }
#endif
    const std::uint64_t wanted = header[0], out_bytes = header[1], limit = header[2];
    const std::uint64_t* f = header + 3;
    const auto stream = [&f](const char* name, auto& payload, CData& valid, const CData& ready) {
        if (f[1] != sizeof(payload)) fail("the job's rows are not as wide as the tile's port", name);
        const Stream made{name, &payload, &valid, &ready, f[0], f[1], f[2], f[3], f[4], f[5]};
        f += 6;
        return made;
    };
    Stream streams[] = {
        stream("layers", tile->layers_payload, tile->layers_valid, tile->layers_ready),
        stream("bin_rows", tile->bin_rows_payload, tile->bin_rows_valid, tile->bin_rows_ready),
        stream("sb_rows", tile->sb_rows_payload, tile->sb_rows_valid, tile->sb_rows_ready),
        stream("parameters", tile->parameters_payload, tile->parameters_valid, tile->parameters_ready),
        stream("divisors", tile->divisors_payload, tile->divisors_valid, tile->divisors_ready),
#if TILE_RESIDUAL
        stream("residual_rows", tile->residual_rows_payload, tile->residual_rows_valid, tile->residual_rows_ready),
#endif
    };
    constexpr int kStreams = sizeof streams / sizeof *streams;
    if (out_bytes != sizeof(tile->out_rows_payload)) fail("its rows have another width", "out_rows");

    const auto edge = [&](bool clock) {
        tile->clk = clock;
        tile->eval();
        context.timeInc(1);
#if VM_TRACE
        if (waveform.isOpen()) waveform.dump(context.time());
#endif
    };
    tile->rst = 1;
    edge(false), edge(true);
    tile->rst = 0;
    tile->out_rows_ready = 1;

    std::vector<char> rows(wanted * out_bytes);
    const std::uint64_t last = std::strtoull(argv[4], nullptr, 10);
    for (std::uint64_t image = std::strtoull(argv[3], nullptr, 10); image < last; ++image) {
        for (Stream& s : streams) s.begin(job, image);
        std::uint64_t counts[8] = {};
        auto& [cycles, bin_reads, bin_writes, sb_reads, sb_writes, bout_reads, bout_writes, residual_rows] = counts;
        std::uint64_t left = 0;
        while (left < wanted && cycles < limit) {
            edge(false);
            bin_reads += tile->bin_read;
            sb_reads += tile->sb_read;
            bout_reads += tile->bout_read;
            bout_writes += tile->bout_write;
            if (tile->out_rows_valid) {
                std::memcpy(&rows[left++ * out_bytes], &tile->out_rows_payload, out_bytes);
            }
            bool taken[kStreams];
            for (int i = 0; i < kStreams; ++i) taken[i] = streams[i].taken();
            bin_writes += taken[1];
            sb_writes += taken[2];
            if (kStreams > 5) residual_rows += taken[kStreams - 1];
            edge(true);
            for (int i = 0; i < kStreams; ++i) {
                if (taken[i]) streams[i].advance();
            }
            ++cycles;
        }
        if (left < wanted) break;
        if (std::fwrite(counts, sizeof counts, 1, result) != 1 ||
            std::fwrite(rows.data(), 1, rows.size(), result) != rows.size()) {
            fail("cannot be written", argv[2]);
        }
    }
#if VM_TRACE
    if (waveform.isOpen()) waveform.close();
#endif
    tile->final();
    if (std::fclose(result) != 0) fail("cannot be written", argv[2]);
    return 0;
}
