"""The schedule of one pass on many tiles at once: `bitwatt.hardware.schedule` in arrays.

What does not depend on neurons and rows (a pass's latency, the rows that its logits take) is read off the
scalar schedule of one tile of each kind. The loops are counted here; a property test holds both equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bitwatt.costing.sweep_axes import Floats, Ints
from bitwatt.errors import RequestError
from bitwatt.hardware.pooling import DIVIDE_CYCLES, Pooling
from bitwatt.hardware.schedule import LayerSchedule, pooling_kind, schedule_work
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import LayerWork

KINDS = ("weighted", "pool")
"""The kinds of pass that are counted here."""


@dataclass(frozen=True)
class TileShapes:
    """Of each tile: its kind, and the sizes on which its loops depend."""

    kind: Ints
    neurons: Ints
    synapses: Ints
    rows: Ints
    bin_bits: Ints
    sb_bits: Ints
    is_float: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True)
class PassCounts:
    """Of each tile: the cycles of a pass, those in which its datapath works, and its events by name."""

    cycles: Ints
    busy: Ints
    events: Mapping[str, Ints | int]


@dataclass(frozen=True)
class PassProbe:
    """Of each kind of tile: cycles that are no loop's, and rows of Bout that a group's outputs take."""

    constant: Ints
    slices: Ints


def probe(work: LayerWork, kinds: Sequence[Tile]) -> tuple[PassProbe, dict[int, str]]:
    """A pass on one tile of each kind, and for those that cannot run it why."""
    constant = np.zeros(len(kinds), dtype=np.int64)
    slices = np.ones(len(kinds), dtype=np.int64)
    refused: dict[int, str] = {}
    for index, tile in enumerate(kinds):
        try:
            plan = schedule_work((work,), tile).layers[0]
        except RequestError as error:
            refused[index] = str(error)
            continue
        constant[index] = plan.cycles - plan.busy - _waiting(plan)
        slices[index] = plan.slices
    return PassProbe(constant, slices), refused


def _waiting(plan: LayerSchedule) -> int:
    return plan.pause * (plan.work.pooled_positions * plan.groups - 1) + plan.slices - 1


def count(work: LayerWork, tiles: TileShapes, probed: PassProbe) -> PassCounts:
    """Cycles and events of one pass on every tile."""
    return (_weighted if work.kind == "weighted" else _pool)(work, tiles, probed)


def _weighted(work: LayerWork, tiles: TileShapes, probed: PassProbe) -> PassCounts:
    slices = probed.slices[tiles.kind]
    groups = work.groups * -(-work.outputs // tiles.neurons)
    depth = -(-work.reduction // tiles.synapses)
    busy = work.positions * groups * depth
    bin_writes, sb_writes = _streams(work, groups, depth, tiles)
    rows_out = work.pooled_positions * groups * slices
    computed = work.positions * work.groups * work.outputs
    pause = slices - 1 if work.wide else _division_pause(work, work.window * depth, tiles)
    waiting = pause * (work.pooled_positions * groups - 1) + slices - 1
    return PassCounts(
        cycles=busy + waiting + probed.constant[tiles.kind],
        busy=busy,
        events={
            "weight_block": work.macs,
            "adder_tree": computed * depth,
            "accumulator": computed * depth,
            "output_stage": computed * slices,
            "residual": computed if work.residual else 0,
            **_folded(work, computed),
            "bin_reads": busy,
            "bin_writes": bin_writes,
            "sb_reads": busy,
            "sb_writes": sb_writes,
            "bout_reads": rows_out,
            "bout_writes": rows_out,
        },
    )


def _pool(work: LayerWork, tiles: TileShapes, probed: PassProbe) -> PassCounts:
    groups = -(-work.outputs // np.minimum(tiles.neurons, tiles.synapses))
    rows_out = work.positions * groups
    busy = rows_out * work.window
    elements = work.positions * work.outputs * work.window
    pause = _division_pause(work, np.full_like(groups, work.window), tiles)
    return PassCounts(
        cycles=busy + pause * (rows_out - 1) + probed.constant[tiles.kind],
        busy=busy,
        events={
            "weight_block": 0,
            "adder_tree": 0,
            "accumulator": 0,
            "output_stage": elements,
            "residual": elements if work.residual else 0,
            **_folded(work, elements),
            "bin_reads": busy,
            "bin_writes": busy,
            "sb_reads": 0,
            "sb_writes": 0,
            "bout_reads": rows_out,
            "bout_writes": rows_out,
        },
    )


def _folded(work: LayerWork, elements: int) -> dict[str, int]:
    folded = elements if work.window > 1 else 0
    return {"max_pool": 0 if work.average else folded, "average_pool": folded if work.average else 0}


def _division_pause(work: LayerWork, window_cycles: Ints, tiles: TileShapes) -> Ints:
    if pooling_kind(work) != Pooling.AVERAGE:
        return np.zeros_like(window_cycles)
    return np.where(tiles.is_float, 0, np.maximum(DIVIDE_CYCLES - window_cycles, 0))


def _streams(work: LayerWork, groups: Ints, depth: Ints, tiles: TileShapes) -> tuple[Ints, Ints]:
    """Rows written into Bin and SB, in the loop order that streams fewer bits."""
    fits = depth <= tiles.rows
    group_rows = groups * depth
    all_windows = work.positions * group_rows
    stay_bin, stay_sb = all_windows, np.where(fits, group_rows, group_rows * work.positions)
    flow_bin = np.where(fits, work.positions * depth, all_windows) if work.groups == 1 else all_windows
    flow_sb = np.where(group_rows <= tiles.rows, group_rows, group_rows * work.positions)
    fewer = (
        flow_bin * tiles.bin_bits + flow_sb * tiles.sb_bits
        <= stay_bin * tiles.bin_bits + stay_sb * tiles.sb_bits
    )
    if work.window > 1:  # inputs cannot stay while a pooling window is half done
        fewer &= groups == 1
    return np.where(fewer, flow_bin, stay_bin), np.where(fewer, flow_sb, stay_sb)


def clocked_cycles(
    component: str, work: LayerWork, counts: PassCounts, neurons: Ints, gated: Floats
) -> Floats:
    """`bitwatt.costing.model.clocked_cycles` of every tile; gated: which of them gate their clock."""
    if component in ("weight_blocks", "adder_trees", "accumulators"):
        working: Ints | Floats | int = counts.busy if work.kind == "weighted" else 0
    elif component == "output_stages":
        stage = counts.events["output_stage"]
        taken = stage + counts.events["max_pool"] + counts.events["average_pool"]
        working = np.minimum(counts.cycles, taken / neurons)
    else:
        working = counts.cycles
    return np.where(gated, working, counts.cycles).astype(np.float64)
