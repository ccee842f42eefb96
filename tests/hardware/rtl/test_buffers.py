import numpy as np
import pytest

from bitwatt.hardware.rtl.buffers import FlipFlopMemory


@pytest.mark.parametrize("rows", [2, 5, 64])
def test_random_reads_and_writes_against_a_list(play_cycles, rows):
    rng = np.random.default_rng(rows)
    cycles = 400
    write, read = rng.integers(0, 2, (2, cycles)).tolist()
    write_row, read_row = rng.integers(0, rows, (2, cycles)).tolist()
    data = rng.integers(0, 2**12, cycles).tolist()
    seen = play_cycles(
        FlipFlopMemory(rows, 12),
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
