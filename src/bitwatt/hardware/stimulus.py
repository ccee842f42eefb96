"""What the operands of a neuron make of each block's input ports, cycle by cycle.

A stimulus gives for each port an unsigned word a cycle: int64 where words have fewer than 64 bits, Python
integers where they have more. Blocks work in every cycle, so energy a cycle is energy an operation.
"""

from __future__ import annotations

from functools import partial, reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitwatt.errors import RequestError
from bitwatt.formats import Binary, Precision
from bitwatt.hardware.operands import Operands
from bitwatt.hardware.pipeline import output_registers
from bitwatt.hardware.pooling import Pooling, divisor_word
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import (
    LEFT_SHIFTS,
    RESIDUAL_FRACTION,
    accumulator_bits,
    product_bits,
    shift_bits,
    span_of,
    sum_bits,
)

GROUPS = 25
"""Tree sums in one output: a window of 400 inputs over 16 synapses, between LeNet's and ALEX's layers."""

Words = NDArray[Any]
Streams = dict[str, Words]


def neuron(tile: Tile, operands: Operands) -> dict[str, Streams]:
    """Streams of weight_block, adder_tree, accumulator and output_stage, by block and port.

    The weight block is fed the first lane. Raises `RequestError` for operands of another number of synapses.
    """
    precision, synapses = tile.precision, tile.synapses
    w, a = operands.weights, operands.activations
    if w.shape[1] != synapses:
        raise RequestError(f"operands are for {w.shape[1]} synapses, the block has {synapses}")
    cycles = len(w)
    made = _float32 if precision.is_float else partial(_integers, precision)
    products, sums, totals = made(w, a, operands.starts)
    on, load = _held(1, cycles), (np.arange(cycles) % GROUPS == 0).astype(np.int64)
    if operands.starts is not None:
        load = operands.starts.astype(np.int64)
    terms = _words(products, product_bits(precision.weights, precision.activations))
    if isinstance(precision.weights, Binary):
        tree = {**_lanes("weights", w), **_lanes("activations", a)}
    else:
        tree = _lanes("terms", terms)
    return {
        "weight_block": {"weight": w[:, 0], "activation": a[:, 0], "enable": on},
        "adder_tree": {**tree, "enable": on},
        "accumulator": {"term": _words(sums, sum_bits(precision, synapses)), "load": load, "enable": on},
        "output_stage": _output_stage(tile, totals, a[:, 0]),
    }


WINDOWS = {Pooling.MAX: 4, Pooling.AVERAGE: 9}
"""Elements of the pooling windows that are measured: 2 x 2 and 3 x 3."""


def pooled(output_stage: Streams, tile: Tile, pooling: Pooling) -> Streams:
    """The output stage's streams with every result folded into a window of `WINDOWS[pooling]`."""
    precision, size, registers = tile.precision, WINDOWS[pooling], output_registers(tile)
    # A result is folded behind the registers that take it; a mean is begun behind its last element.
    place = (np.arange(len(output_stage["enable"])) - registers) % size
    ends = np.zeros_like(place)
    if pooling == Pooling.AVERAGE:
        ends[size + registers :: size] = 1
        if precision.is_float:  # both registers of the multiplication
            ends[size + registers + 1 :: size] = 1
    return output_stage | {
        "pooling": _held(pooling, len(place)),
        "pool_enable": _held(1, len(place)),
        "pool_first": (place == 0).astype(np.int64),
        "divisor": _held(divisor_word(precision, size), len(place)),
        "divide": ends,
    }


def with_residual(output_stage: Streams) -> Streams:
    """The output stage's streams with a residual added to every result."""
    return output_stage | {"add_residual": np.ones_like(output_stage["add_residual"])}


def bank_select(width: int, cycles: int = 512) -> Streams:
    """A row in each cycle, of one bank and the other in turn, uniform random words."""
    rng = np.random.default_rng(0)
    cycle = np.arange(cycles)
    rows = rng.integers(0, 2**width, cycles + 1)
    # A bank's row stays while the other is read.
    return {
        "odd": cycle % 2,
        "enable": np.ones_like(cycle),
        "even_row": rows[(cycle + 1) // 2 * 2],
        "odd_row": rows[cycle // 2 * 2 + 1],
    }


def buffer(rows: int, width: int, load: Literal["idle", "read", "write"] | str, cycles: int = 512) -> Streams:
    """A buffer filled in its first `rows` cycles, then idle, read or written row after row."""
    rng = np.random.default_rng(0)
    cycle = np.arange(rows + 1 + cycles)
    filling = cycle < rows
    after = (~filling).astype(np.int64)
    return {
        "write_enable": filling | (after if load == "write" else 0 * after),
        "write_row": np.where(filling | (load == "write"), cycle % rows, 0),
        "write_data": np.where(filling | (load == "write"), rng.integers(0, 2**width, len(cycle)), 0),
        "read_enable": after if load == "read" else 0 * after,
        "read_row": np.where(filling | (load != "read"), 0, cycle % rows),
    }


def _integers(precision: Precision, w: Words, a: Words, starts: Words | None) -> tuple[Words, Words, Words]:
    """Exact products, tree sums and totals, as Python integers.

    Totals are of sums drawn at random, one a cycle; where sums have starts, of each that comes to its end.
    """
    products = precision.weights.integers(w).astype(object) * precision.activations.integers(a).astype(object)
    sums = products.sum(axis=1)
    if starts is None:
        return products, sums, sum(sums[order] for order in _orders(len(sums)))
    return products, sums, np.array([run.sum() for run in _runs(sums, starts)], dtype=object)


def _float32(w: Words, a: Words, starts: Words | None) -> tuple[Words, Words, Words]:
    """The same in float32, as words; the sums in the adder tree's order."""
    products = w.astype(np.uint32).view(np.float32) * a.astype(np.uint32).view(np.float32)
    level = products
    while level.shape[1] > 1:
        half = (level.shape[1] + 1) // 2
        pairs = level.shape[1] - half
        level = np.concatenate([level[:, :pairs] + level[:, half:], level[:, pairs:half]], axis=1)
    sums = level[:, 0]
    if starts is None:
        total = reduce(np.add, (sums[order] for order in _orders(len(sums))))
    else:
        total = np.array([reduce(np.add, run) for run in _runs(sums, starts)], dtype=np.float32)
    return _float_words(products), _float_words(sums), _float_words(total)


def _float_words(values: NDArray[np.float32]) -> Words:
    return np.ascontiguousarray(values).view(np.uint32).astype(np.int64)


def _runs(sums: Words, starts: Words) -> list[Words]:
    """The terms of each sum that has a beginning and an end."""
    return np.split(sums, np.flatnonzero(starts))[1:-1]


def _orders(cycles: int) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng(1)
    return [rng.permutation(cycles) for _ in range(GROUPS)]


def _output_stage(tile: Tile, totals: Words, activations: Words) -> Streams:
    """Totals with a bias; residuals, where the stage takes them, are some of the activations, not added."""
    precision, bits, cycles = tile.precision, accumulator_bits(tile.precision, tile.fan_in), len(totals)
    off = ("from_buffer", "activation", "pool_first", "pool_enable", "divisor", "divide")
    streams = {"total": _words(totals, bits), **{port: _held(0, cycles) for port in off}}
    enable = _held(2 ** output_registers(tile) - 1, cycles)
    streams |= {"relu": _held(1, cycles), "enable": enable, "pooling": _held(Pooling.NONE, cycles)}
    # A bias belongs to a neuron and stays while its map is computed: a total of another place will do.
    streams["bias"] = _words(np.full(cycles, totals[cycles // 2], dtype=object), bits)
    if not precision.is_float:
        span = span_of(precision.activations)
        excess = max(abs(total) for total in totals).bit_length() - max(-span.least, span.most).bit_length()
        shift = max(excess, -LEFT_SHIFTS) & (2 ** shift_bits(bits) - 1)
        streams |= {"shift": _held(shift, cycles), "wide": _held(0, cycles), "slice": _held(0, cycles)}
    if tile.residual:
        streams |= {"residual": activations[:cycles], "add_residual": _held(0, cycles)}
        if not precision.is_float:  # of the result's own unit
            streams["residual_shift"] = _held(RESIDUAL_FRACTION, cycles)
    if tile.clip:
        # As ReLU6 does, some results end at the upper bound: half of the format's largest.
        format_ = precision.activations
        high = int(format_.encode(3.0 if precision.is_float else format_.largest / 2))
        streams |= {"clips": _held(1, cycles), "low": _held(0, cycles), "high": _held(high, cycles)}
    return streams


def _lanes(port: str, words: Words) -> Streams:
    return {f"{port}__{lane}": words[:, lane] for lane in range(words.shape[1])}


def _held(word: int, cycles: int) -> Words:
    return np.full(cycles, word, dtype=np.int64)


def _words(values: Words, bits: int) -> Words:
    """Two's complement words of `bits` bits."""
    words: Words = values.astype(object) & (2**bits - 1)
    return words if bits > 63 else words.astype(np.int64)
