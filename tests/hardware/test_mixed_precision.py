"""Programs whose layers have precisions of their own, on the tile of the widest operands: bits and cycles."""

import numpy as np
import pytest
import torch
from drawn import Drawing

import bitwatt as bw
from bitwatt.errors import RequestError
from bitwatt.formats import Fixed, parse_precision
from bitwatt.hardware.cosim import cosimulate
from bitwatt.hardware.passes import compile_passes
from bitwatt.hardware.schedule import schedule
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widest import is_mixed, widest
from bitwatt.hardware.workload import fitting
from bitwatt.program import ops

MIXES = [
    # the program's precision, its three layers', and the tile that they need: family by family
    ("fixed8", ("fixed8", "fixed4:fixed8", "fixed8"), "fixed8", False),
    ("fixed8", ("fixed4", "fixed3:fixed6", "fixed8"), "fixed8", True),
    ("ternary:fixed8", ("binary:fixed8", "ternary:fixed8", "fixed3:fixed8"), "fixed3:fixed8", False),
    ("pow2:fixed8", ("pow2-3:fixed6", "binary:fixed8", "pow2:fixed8"), "pow2:fixed8", True),
    ("fixed4:ufixed4", ("fixed4:ufixed4", "fixed4", "fixed4:ufixed4"), "fixed4:fixed5", True),
    ("fixed8:e3m2", ("fixed4:e2m2", "fixed8:e3m2", "e2m1:e3m2"), "fixed8:e3m2", True),
]


def network(default, layers, lanes=4):
    """A convolution and a fused maximum, a residual, a sum of activations and a mean, and logits."""
    drawing = Drawing(np.random.default_rng(3), default, (2, 4, 4))
    of = [parse_precision(name) for name in layers]
    drawing.precision = of[0]
    drawing.convolution(3, (3, 3), padding=(1, 1))
    drawing.add(ops.Relu)
    shortcut = drawing.add(ops.MaxPool2d, kernel=(2, 2), stride=(2, 2))
    drawing.precision = of[1]
    drawing.with_residual(shortcut, 3, (3, 3), 1, padding=(1, 1))
    drawing.plus(shortcut, 1)
    drawing.add(ops.AvgPool2d, kernel=(2, 2), stride=(1, 1))
    drawing.precision = of[2]
    drawing.hidden(5)
    drawing.logits(3)
    drawing.precision = parse_precision(default)
    program = drawing.program(lanes=lanes)
    return program, torch.from_numpy(drawing.images(2))


@pytest.mark.parametrize(
    "default, layers, wanted, bounds", MIXES, ids=[mix[2] + str(mix[3]) for mix in MIXES]
)
def test_the_widest_tile_makes_the_programs_integers(default, layers, wanted, bounds):
    program, images = network(default, layers)
    assert is_mixed(program)
    assert widest(program) == parse_precision(wanted)
    tile = fitting(Tile(default, neurons=2, synapses=4, rows=8, fan_in=64), program)
    assert (tile.precision, tile.clip, tile.residual) == (parse_precision(wanted), bounds, True)
    report = cosimulate(program, images, simulator="amaranth", tile=tile)
    assert report.agrees
    assert report.cycles == schedule(program, tile).cycles


def test_a_wider_tile_than_it_needs_runs_it_too():
    program, images = network(*MIXES[1][:2])
    tile = Tile("fixed12:fixed10", neurons=3, synapses=4, rows=8, fan_in=64, residual=True, clip=True)
    assert cosimulate(program, images, simulator="amaranth", tile=tile).agrees


def test_results_do_saturate_where_the_tile_alone_would_not():
    """Without the bounds another number would come out: what the tests above rest on."""
    program, images = network(*MIXES[1][:2])
    tile = Tile("fixed8", neurons=2, synapses=4, rows=8, fan_in=64, residual=True, clip=True)
    first = compile_passes(program, tile)[0]
    assert (first.descriptor["clips"], first.descriptor["low"], first.descriptor["high"]) == (1, 0xF8, 7)
    made = {name: value.numpy() for name, value in bw.program.trace(program, images).items()}
    rounded = next(op.name for op in program.ops if isinstance(op, ops.Requantize))
    assert (made[rounded] == 7).sum() > 5
    assert made[rounded].max() == 7


REFUSED = [
    (
        "fixed4:fixed8",
        ("fixed8", "fixed4:fixed8", "fixed4:fixed8"),
        "layer 'conv2d1' has fixed8 weights, not all of which are among the tile's fixed4: build a tile of "
        "wider weights",
    ),
    (
        "fixed8:fixed4",
        ("fixed8", "fixed8", "fixed8"),
        "layer 'conv2d1' rounds to fixed8 and the tile's output stages to fixed4, which differ between its "
        "ends: build a tile of activations that round alike",
    ),
    (
        "fixed8",
        ("fixed8:fixed4", "fixed8", "fixed8"),
        "layer 'conv2d1' saturates at the ends of fixed4 and the tile's output stages only at those of "
        "fixed8: build Tile(..., clip=True)",
    ),
]


@pytest.mark.parametrize("precision, layers, message", REFUSED)
def test_what_a_tile_cannot_run_of_it_is_refused_by_name(precision, layers, message):
    program, _ = network(precision, layers)
    with pytest.raises(RequestError) as caught:
        schedule(program, Tile(precision, residual=True, synapses=4))
    assert str(caught.value) == message


def test_images_that_the_tile_does_not_hold_are_refused():
    drawing = Drawing(np.random.default_rng(0), "fixed8", (4,))
    drawing.precision = parse_precision("fixed8:fixed4")
    drawing.hidden(3)
    drawing.logits(2)
    with pytest.raises(RequestError) as caught:
        schedule(drawing.program(), Tile("fixed8:fixed4"))
    assert str(caught.value) == (
        "layer 'linear1' reads fixed8 activations, not all of which are among the tile's fixed4: build a "
        "tile of wider activations"
    )


def test_one_precision_is_not_mixed_whatever_its_logits_are():
    for name in ("fixed8", "fixed32", "binary", "float32"):
        program, _ = network(name, (name,) * 3)
        assert not is_mixed(program)
        assert widest(program) == parse_precision(name)


def test_what_the_layers_do_not_use_is_not_needed():
    program, _ = network("fixed16", ("fixed4:fixed8",) * 3)
    assert program.types["x"].format == Fixed(16)  # the images
    assert widest(program) == parse_precision("fixed4:fixed16")
