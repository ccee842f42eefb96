"""Packed programs come back bit for bit, are as small as they should be, and damage is noticed."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitwatt.errors import DataError, RequestError
from bitwatt.export import read_packed, write
from bitwatt.export.packed import from_packed, to_packed
from bitwatt.program import Program
from bitwatt.program.file import to_bytes
from bitwatt.testing.graph_programs import graph_programs
from bitwatt.testing.program_suite import float_programs, integer_programs

BITS = {"float32": 32, "fixed32": 32, "fixed16": 16, "fixed8": 8, "fixed4": 4, "pow2": 6, "binary": 1}
WEIGHTS = 430_500
HEADER = 8192
"""More than the header, the biases and the digest take."""


@pytest.mark.parametrize(("precision", "bits"), BITS.items())
def test_lenet(precision, bits, program, tmp_path):
    made = program("lenet", precision)
    write(made, "packed", tmp_path / "lenet.packed")
    assert 0 < (tmp_path / "lenet.packed").stat().st_size - WEIGHTS * bits / 8 < HEADER
    assert to_bytes(read_packed(tmp_path / "lenet.packed")) == to_bytes(made)


@given(st.one_of(integer_programs(), float_programs(), graph_programs()))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_programs(made: Program):
    assert to_bytes(from_packed(to_packed(made))) == to_bytes(made)


def test_any_damage_is_noticed(program):
    content = to_packed(program("lenet", "binary"))
    for place in range(0, len(content), 997):
        damaged = bytearray(content)
        damaged[place] ^= 1
        with pytest.raises(DataError):
            from_packed(bytes(damaged))
    for length in (0, 5, 12, 40, len(content) // 2, len(content) - 1):
        with pytest.raises(DataError):
            from_packed(content[:length])


def test_messages(tmp_path):
    with pytest.raises(DataError) as error:
        from_packed(b"PK", "archive")
    assert str(error.value) == "'archive' is no packed program of bitwatt: it does not begin with b'bitwatt'"
    with pytest.raises(RequestError, match="cannot read a packed program from"):
        read_packed(tmp_path / "missing")
