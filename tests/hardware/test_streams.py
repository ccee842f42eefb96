"""Words packed into rows and unpacked; rows repeated without being copied."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitwatt.hardware.streams import RowStream, once, pack, row_bytes, unpack


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_unpacking_undoes_packing(bits, words, rows, seed):
    written = np.random.default_rng(seed).integers(0, 2**bits, (rows, words))
    packed = pack((written, bits))
    assert packed.shape == (rows, row_bytes(bits * words))
    np.testing.assert_array_equal(unpack(packed, bits, words), written)


def test_fields_follow_each_other_from_the_lowest_bit():
    packed = pack((np.array([[1, -2]]), 3), (np.array([[0b10]]), 2))
    assert int.from_bytes(packed.tobytes(), "little") == 0b10_110_001


def test_a_field_wider_than_64_bits_extends_the_sign():
    (row,) = pack((np.array([[-3]]), 77))
    assert int.from_bytes(row.tobytes(), "little") == 2**77 - 3


@pytest.mark.parametrize(
    "bits, size",
    [(1, 1), (8, 1), (9, 2), (17, 4), (32, 4), (33, 8), (64, 8), (65, 12), (88, 12), (2048, 256)],
)
def test_rows_take_the_bytes_of_verilators_ports(bits, size):
    assert row_bytes(bits) == size


def test_blocks_are_repeated_one_after_the_other():
    stream = RowStream(np.array([[1], [2], [3], [4]]), block=2, repeats=3)
    assert len(stream) == 12
    assert stream.expanded()[:, 0].tolist() == [1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4]


def test_no_rows_are_none():
    stream = once(np.zeros((0, 5), dtype=np.int64))
    assert len(stream) == 0
    assert stream.expanded().shape == (0, 5)
    assert pack((stream.rows, 3)).shape == (0, 2)
