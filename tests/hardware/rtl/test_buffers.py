import numpy as np
import pytest

from bitwatt.hardware.rtl.buffers import BankedMemory, FlipFlopMemory


@pytest.mark.parametrize(
    "kind, rows",
    [(FlipFlopMemory, 2), (FlipFlopMemory, 5), (FlipFlopMemory, 64), (BankedMemory, 2), (BankedMemory, 12)],
)
def test_random_reads_and_writes_against_a_list(play_cycles, kind, rows):
    rng = np.random.default_rng(rows)
    cycles = 400
    write, read = rng.integers(0, 2, (2, cycles)).tolist()
    write_row, read_row = rng.integers(0, rows, (2, cycles)).tolist()
    if kind is BankedMemory:  # whose banks do one thing a cycle
        write = [
            w and not (r and a % 2 == b % 2)
            for w, r, a, b in zip(write, read, write_row, read_row, strict=True)
        ]
    data = rng.integers(0, 2**12, cycles).tolist()
    seen = play_cycles(
        kind(rows, 12),
        {
            "write_enable": write,
            "write_row": write_row,
            "write_data": data,
            "read_enable": read,
            "read_row": read_row,
        },
        ["read_data"],
    )["read_data"]
    words, out, wanted = [0] * rows, 0, []
    for c in range(cycles):
        out = words[read_row[c]] if read[c] else out  # before the write: the old word
        if write[c]:
            words[write_row[c]] = data[c]
        wanted.append(out)
    assert seen == wanted
    assert len(set(seen)) > rows  # rows were overwritten and read again
