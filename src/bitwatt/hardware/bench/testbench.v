// Plays the passes of a program through the tile, and compares every row that leaves it, and the cycles of
// every pass, with what bitwatt says.
//
// sizes.vh gives the sizes of what is read here. passes.hex has one word a pass: for each input stream the first
// row in its file, the rows, the rows of a block, and how often each block is sent; then the first row in
// out_rows.hex, how many rows leave, and in how many cycles. Files are looked for in the current folder's tb/.

`include "sizes.vh"

module testbench;
    logic clk, rst, start, running;
    initial begin
        clk = 0;
        rst = 1;
        #10 rst = 0;
    end
    always #2 clk = ~clk;

    logic [`PASS_WIDTH-1:0] passes [`PASSES];
    logic [`OUT_ROWS_WIDTH-1:0] expected [`OUT_ROWS_ROWS], matters [`OUT_ROWS_ROWS];
    initial begin
        $readmemh("tb/passes.hex", passes);
        $readmemh("tb/out_rows.hex", expected);
        $readmemh("tb/out_rows_that_matter.hex", matters);
    end

    logic [31:0] number, cycles, left, wrong, late;
    wire [`PASS_WIDTH-1:0] job = passes[number];
    localparam OUT = 128 * `STREAMS;
    wire [31:0] out_first = job[OUT+:32], out_rows = job[OUT+32+:32], scheduled = job[OUT+64+:32];

    wire layers_valid, bin_rows_valid, sb_rows_valid, parameters_valid, divisors_valid, out_rows_valid;
    wire layers_ready, bin_rows_ready, sb_rows_ready, parameters_ready, divisors_ready;
    wire [`LAYERS_WIDTH-1:0] layers_payload;
    wire [`BIN_ROWS_WIDTH-1:0] bin_rows_payload;
    wire [`SB_ROWS_WIDTH-1:0] sb_rows_payload;
    wire [`PARAMETERS_WIDTH-1:0] parameters_payload;
    wire [`DIVISORS_WIDTH-1:0] divisors_payload;
    wire [`OUT_ROWS_WIDTH-1:0] out_rows_payload;
    /* verilator lint_off UNUSEDSIGNAL */
    wire bin_read, sb_read, bout_write, bout_read;  // for whoever looks at waveforms
    /* verilator lint_on UNUSEDSIGNAL */

    source #(`LAYERS_WIDTH, `LAYERS_ROWS, "tb/layers.hex") layers_source (
        clk, rst, start, job[0+:128], layers_valid, layers_payload, layers_ready);
    source #(`BIN_ROWS_WIDTH, `BIN_ROWS_ROWS, "tb/bin_rows.hex") bin_rows_source (
        clk, rst, start, job[128+:128], bin_rows_valid, bin_rows_payload, bin_rows_ready);
    source #(`SB_ROWS_WIDTH, `SB_ROWS_ROWS, "tb/sb_rows.hex") sb_rows_source (
        clk, rst, start, job[256+:128], sb_rows_valid, sb_rows_payload, sb_rows_ready);
    source #(`PARAMETERS_WIDTH, `PARAMETERS_ROWS, "tb/parameters.hex") parameters_source (
        clk, rst, start, job[384+:128], parameters_valid, parameters_payload, parameters_ready);
    source #(`DIVISORS_WIDTH, `DIVISORS_ROWS, "tb/divisors.hex") divisors_source (
        clk, rst, start, job[512+:128], divisors_valid, divisors_payload, divisors_ready);
`ifdef RESIDUAL_ROWS_WIDTH
    wire residual_rows_valid, residual_rows_ready;
    wire [`RESIDUAL_ROWS_WIDTH-1:0] residual_rows_payload;
    source #(`RESIDUAL_ROWS_WIDTH, `RESIDUAL_ROWS_ROWS, "tb/residual_rows.hex") residual_rows_source (
        clk, rst, start, job[640+:128], residual_rows_valid, residual_rows_payload, residual_rows_ready);
`endif

    tile dut (.out_rows_ready(1'b1), .*);

    always_ff @(posedge clk) begin
        start <= 0;
        if (rst) begin
            running <= 0;
            number <= 0;
            cycles <= 0;
            left <= 0;
            wrong <= 0;
            late <= 0;
        end else if (!running && !start) begin
            if (number == `PASSES) begin
                if (wrong == 0 && late == 0) $display("PASS: %0d passes, every row and every cycle", number);
                else $fatal(1, "FAIL: %0d rows differ, %0d passes took other cycles", wrong, late);
                $finish;
            end else begin
                start <= 1;
            end
        end
        if (start) begin
            running <= 1;
            cycles <= 0;
            left <= 0;
        end
        if (running) begin
            cycles <= cycles + 1;
            if (out_rows_valid) begin
                left <= left + 1;
                if (((out_rows_payload ^ expected[out_first+left]) & matters[out_first+left]) != 0) begin
                    wrong <= wrong + 1;
                    if (wrong < 10)
                        $display("pass %0d, row %0d: expected %h, got %h", number, left, expected[out_first+left],
                                 out_rows_payload);
                end
                if (left + 1 == out_rows) begin
                    running <= 0;
                    number <= number + 1;
                    if (cycles + 1 != scheduled) begin
                        late <= late + 1;
                        $display("pass %0d: scheduled %0d cycles, took %0d", number, scheduled, cycles + 1);
                    end
                end
            end
            if (cycles > 10 * scheduled + 1000) $fatal(1, "FAIL: pass %0d hangs", number);
        end
    end
endmodule
