"""The tile's record: sizes that follow from it, presets, and what is refused."""

from dataclasses import replace

import pytest

from bitwatt.errors import RequestError
from bitwatt.formats import PAPER
from bitwatt.hardware.tile import PRESETS, Tile


def test_the_published_tiles_buffers():
    """Bits of the three buffers of 64 rows, in the order of the paper's precisions."""
    bits = [Tile(precision).buffer_bits for precision in PAPER]
    assert bits == [589_824, 589_824, 294_912, 147_456, 73_728, 131_072, 49_152]


def test_rows_of_the_buffers():
    tile = Tile("pow2", neurons=4, synapses=8)
    assert (tile.bin_bits, tile.sb_bits, tile.bout_bits) == (8 * 16, 4 * 8 * 6, 4 * 16)


def test_a_name_and_a_precision_are_the_same_tile():
    tile = Tile("fixed8")
    assert tile == Tile(tile.precision)
    assert replace(tile, rows=32).rows == 32


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name):
    tile = Tile.preset(name, "fixed8")
    assert (tile.neurons, tile.synapses, tile.rows, tile.clock_hz) == (16, 16, 64, 250e6)
    assert (tile.buffers, tile.clock_gating) == PRESETS[name]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"neurons": 0}, "tile: neurons must be a whole number from 1 to 256, got 0"),
        ({"synapses": 512}, "tile: synapses must be a whole number from 1 to 256, got 512"),
        ({"synapses": 12}, "tile: synapses must be a power of two (the adder tree is binary), got 12"),
        ({"rows": 1}, "tile: rows must be a whole number from 2 to 65536, got 1"),
        ({"rows": 2.5}, "tile: rows must be a whole number from 2 to 65536, got 2.5"),
        ({"neurons": True}, "tile: neurons must be a whole number from 1 to 256, got True"),
        (
            {"rows": 63},
            "tile: rows must be even, since SRAM buffers are two banks that take turns, got 63; take another "
            "number, or buffers='flops'",
        ),
        ({"fan_in": 0}, "tile: fan_in must be a whole number from 1 to 16777216, got 0"),
        ({"clock_hz": 1}, "tile: clock_hz must be from 1e3 to 1e11 Hz, got 1"),
        ({"buffers": "dram"}, "unknown kind of buffers 'dram'; did you mean 'sram'? Allowed: flops, sram"),
    ],
)
def test_what_cannot_be_built_is_refused(change, message):
    with pytest.raises(RequestError) as caught:
        Tile("fixed8", **change)
    assert str(caught.value) == message


def test_an_unknown_preset_is_refused():
    with pytest.raises(RequestError) as caught:
        Tile.preset("modem", "fixed8")
    assert str(caught.value) == (
        "unknown preset 'modem'; did you mean 'modern'? Allowed: modern, hashemi2017"
    )
