"""Operands drawn from a network: every sum is one that the network forms, in the tile's order."""

import numpy as np
import pytest
import torch
from drawn import Drawing

from bitwatt.errors import RequestError
from bitwatt.hardware import stimulus
from bitwatt.hardware.network_operands import operands_of
from bitwatt.hardware.operands import Operands
from bitwatt.hardware.schedule import schedule
from bitwatt.hardware.tile import Tile
from bitwatt.program import ops
from bitwatt.program.executor import trace


def drawn(precision: str, groups: int = 1):
    drawing = Drawing(np.random.default_rng(3), precision, (2 * groups, 6, 5))
    drawing.convolution(12 * groups, (3, 2), groups=groups, padding=(1, 0))
    drawing.add(ops.Relu)
    drawing.hidden(9)
    drawing.logits(5)
    program = drawing.program(lanes=4)
    return program, torch.from_numpy(drawing.images(3))


def every_sum(program, images) -> set[int]:
    """All sums of products that the network forms on these images, without biases."""
    values = {name: value.numpy() for name, value in trace(program, images).items()}
    found: set[int] = set()
    for op in program.ops:
        if isinstance(op, ops.Linear):
            found |= set((values[op.input].reshape(len(images), -1) @ op.weight.T).ravel().tolist())
        if isinstance(op, ops.Conv2d):
            x = torch.from_numpy(values[op.input]).to(torch.float64)
            w = torch.from_numpy(op.weight).to(torch.float64)
            made = torch.nn.functional.conv2d(x, w, padding=op.padding, groups=op.groups)
            found |= set(made.to(torch.int64).flatten().tolist())
    return found


def sums(operands: Operands, precision) -> list[int]:
    products = precision.weights.integers(operands.weights) * precision.activations.integers(
        operands.activations
    )
    starts = np.flatnonzero(operands.starts)
    return np.add.reduceat(products.sum(axis=1), starts).tolist()


@pytest.mark.parametrize(("precision", "groups"), [("fixed8", 1), ("fixed4", 2), ("pow2", 1), ("binary", 1)])
def test_every_sum_is_one_of_the_networks(precision: str, groups: int) -> None:
    program, images = drawn(precision, groups)
    tile = Tile(precision, neurons=4, synapses=4, rows=8, fan_in=1024)
    orders = {layer.order for layer in schedule(program, tile).layers}
    assert orders == {"weights stay", "inputs stay"} or precision == "binary", "both orders are drawn from"
    operands = operands_of(program, images, tile, cycles=200)
    assert operands.starts[0]
    assert 200 <= len(operands.weights) < 600
    assert set(sums(operands, tile.precision)) <= every_sum(program, images)


def test_the_same_arguments_give_the_same_operands_and_another_seed_others() -> None:
    program, images = drawn("fixed8")
    tile = Tile("fixed8", neurons=4, synapses=4, rows=8, fan_in=1024)
    first, again, other = (operands_of(program, images, tile, 100, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.weights, again.weights)
    np.testing.assert_array_equal(first.activations, again.activations)
    assert first.weights.shape != other.weights.shape or (first.weights != other.weights).any()


def test_accumulators_load_and_totals_end_where_sums_do() -> None:
    program, images = drawn("fixed8")
    tile = Tile("fixed8", neurons=4, synapses=4, rows=8, fan_in=1024)
    operands = operands_of(program, images, tile, cycles=100)
    streams = stimulus.neuron(tile, operands)
    np.testing.assert_array_equal(streams["accumulator"]["load"], operands.starts)
    totals = streams["output_stage"]["total"]
    assert len(totals) == operands.starts.sum() - 1
    bits = 32
    wrapped = [(total & (2**bits - 1)) for total in sums(operands, tile.precision)[:-1]]
    width = int(totals.max()).bit_length()
    assert [int(t) for t in totals] == [total & (2**width - 1) for total in wrapped]


def test_float32_words_are_those_of_the_values() -> None:
    program, images = drawn("float32")
    tile = Tile("float32", neurons=4, synapses=4, rows=8, fan_in=1024)
    operands = operands_of(program, images, tile, cycles=100)
    weights = np.concatenate([op.weight.ravel() for op in program.ops if hasattr(op, "weight")])
    assert np.isin(operands.weights.astype(np.uint32).view(np.float32), np.append(weights, 0)).all()
    assert stimulus.neuron(tile, operands)["accumulator"]["load"].sum() > 1


def test_too_few_cycles_are_refused() -> None:
    program, images = drawn("fixed8")
    with pytest.raises(RequestError, match="needs 64 cycles at least, got 63"):
        operands_of(program, images, Tile("fixed8", neurons=4, synapses=4, rows=8, fan_in=1024), cycles=63)
