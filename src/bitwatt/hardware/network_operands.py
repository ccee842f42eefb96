"""The operands that a network itself gives the tile: its weights and its activations, in the tile's order."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from bitwatt.errors import RequestError
from bitwatt.hardware.operands import Operands
from bitwatt.hardware.passes import TilePass, compile_passes
from bitwatt.hardware.tile import Tile
from bitwatt.program.executor import checked_images, trace
from bitwatt.program.program import Program

RUN_CYCLES = 40
"""Cycles that are taken together, at least: long enough that neighbours matter more than the joints."""

Sums = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows of weights and of activations of sums one after another: (sums, rows a sum, synapses) each."""


def operands_of(
    program: Program, images: torch.Tensor, tile: Tile, cycles: int = 1024, seed: int = 0
) -> Operands:
    """What a neuron is fed while the program runs on the tile, `cycles` cycles or a little more of it.

    Runs of whole sums, each of one neuron at successive places as the tile computes them, drawn from all
    layers in proportion to the cycles they take, in random order. images: reals, (count, *input shape).
    The same arguments give the same operands.

    Raises `RequestError` for images that are none of the program's, fewer than 64 cycles, or a tile that
    cannot run it.
    """
    if cycles < 64:
        raise RequestError(f"operands: needs 64 cycles at least, got {cycles}")
    rng = np.random.default_rng(seed)
    images = checked_images(program, images)
    values = {name: value.numpy() for name, value in trace(program, images).items()}
    steps = [step for step in compile_passes(program, tile) if step.step.weighted is not None]
    busy = np.array([step.plan.busy for step in steps], dtype=float)
    runs: list[Sums] = []
    for step, share in zip(steps, busy / busy.sum(), strict=True):
        source = values[step.step.input]
        wanted = share * cycles
        while wanted > 0:
            image = source[rng.integers(len(source))]
            runs.append(_drawn(step, image, rng, min(wanted, RUN_CYCLES)))
            wanted -= runs[-1][0][..., 0].size
    order = rng.permutation(len(runs))
    ordered = [runs[index] for index in order]
    synapses = tile.synapses
    return Operands(
        weights=np.concatenate([w.reshape(-1, synapses) for w, _ in ordered]),
        activations=np.concatenate([a.reshape(-1, synapses) for _, a in ordered]),
        description=f"measured: {program.network or 'a program'}, {len(images)} images, seed {seed}",
        starts=np.concatenate([_starts(w) for w, _ in ordered]),
    )


def _starts(weights: NDArray[np.int64]) -> NDArray[np.bool_]:
    sums, depth = weights.shape[:2]
    starts: NDArray[np.bool_] = np.arange(sums * depth) % depth == 0
    return starts


def _drawn(step: TilePass, value: NDArray[np.generic], rng: np.random.Generator, cycles: float) -> Sums:
    """Successive sums of one neuron in one layer, of about so many cycles; one sum at least."""
    plan, tile = step.plan, step.tile
    depth, synapses = plan.depth, tile.synapses
    groups = plan.work.groups
    windows = step.inputs(value).rows
    matrix = step.weights.rows.reshape(plan.groups, depth, tile.neurons, synapses)
    count = max(1, int(cycles // depth))
    neurons_of = _neurons_of_groups(step)
    if plan.order == "weights stay":  # one group of neurons at place after place
        group = int(rng.integers(plan.groups))
        places = windows.reshape(groups, -1, depth, synapses)[group * groups // plan.groups]
        first = int(rng.integers(max(len(places) - count, 0) + 1))
        taken = places[first : first + count]
        neuron = int(rng.integers(neurons_of[group]))
        return np.repeat(matrix[group : group + 1, :, neuron], len(taken), axis=0), taken
    # One place, group after group of neurons.
    places = windows.reshape(-1, groups, depth, synapses)
    first = int(rng.integers(max(plan.groups - count, 0) + 1))
    chosen = np.arange(first, min(first + count, plan.groups))
    place = places[int(rng.integers(len(places)))]
    neuron = int(rng.integers(neurons_of[chosen].min()))
    return matrix[chosen, :, neuron], place[chosen * groups // plan.groups]


def _neurons_of_groups(step: TilePass) -> NDArray[np.int64]:
    """How many neurons of each group stand for outputs; the last group's others are left over."""
    plan, neurons = step.plan, step.tile.neurons
    within = np.arange(plan.groups) % (plan.groups // plan.work.groups)
    return np.minimum(plan.work.outputs - within * neurons, neurons)
