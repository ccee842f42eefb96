"""Networks drawn at random: module on the grid, program and reference agree on every bit."""

import pytest
import torch

from bitwatt.program import ops
from bitwatt.testing.conformance import ConformanceError
from bitwatt.testing.drawn_networks import KINDS, NARROW, draw_network
from bitwatt.testing.network_suite import check_network, module_is_exact
from bitwatt.testing.soak import main

COUNT, PARTS = 200, 10


@pytest.mark.parametrize("part", range(PARTS))
def test_module_program_and_reference_agree(part):
    for seed in range(part, COUNT, PARTS):
        check_network(draw_network(seed))


def test_the_drawn_networks_hold_every_operation_and_most_modules_are_exact():
    """So that what passes above says something of each of them."""
    found, exact = set(), 0
    for seed in range(60):
        program = draw_network(seed, precisions=NARROW).program
        found.update(type(op) for op in program.ops)
        exact += module_is_exact(program)
    assert found == set(ops.OPS.values())
    assert exact >= 55


def test_a_network_is_its_seed_and_its_kinds():
    assert str(draw_network(7)) == str(draw_network(7)) != str(draw_network(8))
    plain = {"maps", "add"}
    for seed in range(20):
        program = draw_network(seed, kinds=plain, precisions=["fixed8"]).program
        assert not {type(op) for op in program.ops} & {
            ops.Concat,
            ops.Table,
            ops.Clip,
            ops.Pad,
            ops.MaxPool2d,
        }
        assert len(program.input_shape) == 3
    with pytest.raises(ValueError, match="kinds must be some of"):
        draw_network(0, kinds={"add"})
    assert "features" in KINDS


def test_a_difference_is_seen():
    """The check can fail: a network whose weights were moved behind the program's back."""
    drawn = draw_network(4, precisions=["fixed8"])
    assert drawn.program  # lowered before the change
    *_, (_, last) = drawn.network.weighted_layers()
    with torch.no_grad():
        last.weight.neg_()
    with pytest.raises(ConformanceError, match=r"module differs from the reference\. network 4, "):
        check_network(drawn)


def test_soak(capsys):
    assert main(["--count", "3", "--start", "500"]) == 0
    assert capsys.readouterr().out.startswith("3 networks from seed 500: 0 failed; of ")
