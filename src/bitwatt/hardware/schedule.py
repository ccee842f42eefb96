"""What the tile does in a run: cycles and events of each layer, counted, not estimated.

The RTL does the same, cycle for cycle (`bitwatt.hardware.rtl.tile`): the tests and `bitwatt cosim` compare
them.

A layer's outputs are computed `neurons` at a time; a neuron's window is read `synapses` inputs a cycle, so
one output group at one position takes ceil(reduction / synapses) cycles with partial sums kept in the
accumulators. Both buffers refill over streams of one row a cycle while the tile computes; a buffer row is
free once its last reader has read it, so computing trails the streams by one row and never waits for them.

Two loop orders are built, and the one that streams fewer bits is taken:

* weights stay: for each output group, for each position. SB is filled once a group where the group's rows fit
  in it, else again at each position; Bin is filled for each window of each group.
* inputs stay: for each position, for each output group. Bin is filled once a window where it fits, else again
  for each group; SB is filled once where all groups fit in it, else again at each position. Not built where
  pooling is fused and there is more than one group, since a pooling window would be left half done.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from bitwatt.errors import RequestError
from bitwatt.hardware.holding import holds, rounds_alike
from bitwatt.hardware.pipeline import bypass_latency_cycles, latency_cycles
from bitwatt.hardware.pooling import DIVIDE_CYCLES, Pooling
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import accumulator_bits, wide_slices
from bitwatt.hardware.workload import LayerWork, needs_bounds, workload
from bitwatt.program.program import Program

LoopOrder = Literal["weights stay", "inputs stay"]

HANDOVER_CYCLES = 3
"""Cycles of a pass before its first rows are addressed (taking the descriptor) and after its last result is
written (reading it from Bout, and handing it over)."""


@dataclass(frozen=True)
class Events:
    """How often each thing happens for one image.

    weight_block, adder_tree, accumulator, output_stage: operations on real operands, one for each block and
    cycle in which it works (lanes that padding leaves idle are fed zeros and not counted). residual: elements
    to which the output stage adds one; pool: that it folds into a pooling window. *_reads, *_writes: whole
    rows of a buffer; residual_rows: rows of `neurons` residuals that come from outside, each used at once.
    """

    weight_block: int = 0
    adder_tree: int = 0
    accumulator: int = 0
    output_stage: int = 0
    residual: int = 0
    pool: int = 0
    bin_reads: int = 0
    bin_writes: int = 0
    sb_reads: int = 0
    sb_writes: int = 0
    bout_reads: int = 0
    bout_writes: int = 0
    residual_rows: int = 0

    def __add__(self, other: Events) -> Events:
        return Events(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class LayerSchedule:
    """One pass: its loops, its cycles (`busy` of them with the datapath at work), and its events.

    groups: of neurons, into which the outputs fall. depth: rows of Bin that a window of inputs takes. slices:
    rows of Bout that a group's outputs take. pause: cycles for which nothing is read after a pooling window's
    last row, or after a wide sum's. bin_held: Bin keeps a window for all groups. sb_held: SB keeps a group's
    rows for all positions (weights stay), or all groups' rows for the whole pass (inputs stay).
    """

    work: LayerWork
    order: LoopOrder
    groups: int
    depth: int
    slices: int
    pause: int
    bin_held: bool
    sb_held: bool
    busy: int
    cycles: int
    events: Events


@dataclass(frozen=True)
class Schedule:
    """A network on a tile, for one image."""

    tile: Tile
    layers: tuple[LayerSchedule, ...]

    @property
    def cycles(self) -> int:
        """Clock cycles from the first row in to the last row out."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def events(self) -> Events:
        """Events of all layers."""
        return sum((layer.events for layer in self.layers), Events())

    @property
    def runtime_s(self) -> float:
        """Time for one image, in s."""
        return self.cycles / self.tile.clock_hz


def schedule(program: Program, tile: Tile) -> Schedule:
    """Cycles and events of one image. Raises `RequestError` where the tile cannot run the program."""
    works = workload(program)
    if works[0].formats is None and str(tile.precision) != program.precision:
        raise RequestError(
            f"the program is {program.precision} and the tile {tile.precision}: "
            f"build Tile('{program.precision}')"
        )
    if program.is_float and program.lanes != tile.synapses:
        raise RequestError(
            f"the program adds {program.lanes} lanes at once, which rounds differently from the tile's "
            f"{tile.synapses} synapses: build Tile(..., synapses={program.lanes})"
        )
    return schedule_work(works, tile)


def schedule_work(works: tuple[LayerWork, ...], tile: Tile) -> Schedule:
    """As `schedule`, from shapes alone."""
    for work in works:
        _check_formats(work, tile)
        _check_options(work, tile)
    return Schedule(
        tile, tuple(_weighted(w, tile) if w.kind == "weighted" else _pool(w, tile) for w in works)
    )


def _check_formats(work: LayerWork, tile: Tile) -> None:
    """That the tile's formats hold a layer's own, and that its output stages round as the layer does."""
    own, of = work.formats, tile.precision
    if own is None:
        return
    if own.weights is not None and not holds(of.weights, own.weights):
        raise RequestError(
            f"layer '{work.name}' has {own.weights} weights, not all of which are among the tile's "
            f"{of.weights}: build a tile of wider weights"
        )
    for read in own.reads:
        if not holds(of.activations, read):
            raise RequestError(
                f"layer '{work.name}' reads {read} activations, not all of which are among the tile's "
                f"{of.activations}: build a tile of wider activations"
            )
    if own.rounds is not None and not rounds_alike(of.activations, own.rounds):
        raise RequestError(
            f"layer '{work.name}' rounds to {own.rounds} and the tile's output stages to {of.activations}, "
            "which differ between its ends: build a tile of activations that round alike"
        )
    if needs_bounds(work, tile) and not tile.clip:
        raise RequestError(
            f"layer '{work.name}' saturates at the ends of {own.rounds} and the tile's output stages only at "
            f"those of {of.activations}: build Tile(..., clip=True)"
        )


def _check_options(work: LayerWork, tile: Tile) -> None:
    if work.residual and not tile.residual:
        raise RequestError(
            f"layer '{work.name}' adds a residual and the tile's output stages have no input for one: "
            "build Tile(..., residual=True)"
        )
    if work.clip and not tile.clip:
        raise RequestError(
            f"layer '{work.name}' clips and the tile's output stages have no bounds but the format's: "
            "build Tile(..., clip=True)"
        )
    if work.residual and work.wide:
        raise RequestError(
            f"layer '{work.name}' adds a residual to logits, which leave at the accumulator's width; the "
            "tile's output stages add residuals on the activations' grid alone"
        )


def _weighted(work: LayerWork, tile: Tile) -> LayerSchedule:
    if work.reduction > tile.fan_in:
        raise RequestError(
            f"layer '{work.name}' adds {work.reduction} products and the tile's accumulators are sized for "
            f"{tile.fan_in}: build Tile(..., fan_in={work.reduction})"
        )
    groups = work.groups * -(-work.outputs // tile.neurons)
    depth = -(-work.reduction // tile.synapses)
    slices = output_slices(tile) if work.wide else 1
    busy = work.positions * groups * depth
    order, bin_held, sb_held = _loop_order(work, groups, depth, tile)
    bin_writes, sb_writes = _streamed(work, groups, depth, bin_held, sb_held)
    rows_out = work.pooled_positions * groups * slices
    computed = work.positions * work.groups * work.outputs
    events = Events(
        weight_block=work.macs,
        adder_tree=computed * depth,
        accumulator=computed * depth,
        output_stage=computed * slices,
        residual=computed if work.residual else 0,
        pool=computed if work.window > 1 else 0,
        bin_reads=busy,
        bin_writes=bin_writes,
        sb_reads=busy,
        sb_writes=sb_writes,
        bout_reads=rows_out,
        bout_writes=rows_out,
        residual_rows=work.positions * groups if work.residual else 0,
    )
    pause = slices - 1 if work.wide else _division_pause(work, work.window * depth, tile)
    # Each window but the last is followed by its pause; the last sum's slices leave after it.
    waiting = pause * (work.pooled_positions * groups - 1) + slices - 1
    latency = latency_cycles(tile, pooling_kind(work))
    cycles = busy + waiting + latency + HANDOVER_CYCLES
    return LayerSchedule(work, order, groups, depth, slices, pause, bin_held, sb_held, busy, cycles, events)


def _pool(work: LayerWork, tile: Tile) -> LayerSchedule:
    # A row of Bin feeds as many output stages as it has inputs.
    groups = -(-work.outputs // min(tile.neurons, tile.synapses))
    rows_out = work.positions * groups
    busy = rows_out * work.window
    elements = work.positions * work.outputs * work.window
    events = Events(
        output_stage=elements,
        residual=elements if work.residual else 0,
        pool=elements if work.window > 1 else 0,
        bin_reads=busy,
        bin_writes=busy,
        bout_reads=rows_out,
        bout_writes=rows_out,
        residual_rows=busy if work.residual else 0,
    )
    pause = _division_pause(work, work.window, tile)
    latency = bypass_latency_cycles(tile, pooling_kind(work))
    cycles = busy + pause * (rows_out - 1) + latency + HANDOVER_CYCLES
    return LayerSchedule(work, "inputs stay", groups, 1, 1, pause, False, False, busy, cycles, events)


def pooling_kind(work: LayerWork) -> Pooling:
    """What the output stage does: a window of one element needs no pooling."""
    if work.window == 1:
        return Pooling.NONE
    return Pooling.AVERAGE if work.average else Pooling.MAX


def _division_pause(work: LayerWork, window_cycles: int, tile: Tile) -> int:
    """Means of integers are divided one at a time, so windows end at least DIVIDE_CYCLES apart."""
    divides = pooling_kind(work) == Pooling.AVERAGE and not tile.precision.is_float
    return max(DIVIDE_CYCLES - window_cycles, 0) if divides else 0


def _loop_order(work: LayerWork, groups: int, depth: int, tile: Tile) -> tuple[LoopOrder, bool, bool]:
    """The loop order that streams fewer bits, and whether Bin and SB hold their rows in it."""
    weights_stay: tuple[LoopOrder, bool, bool] = ("weights stay", False, depth <= tile.rows)
    # Groups of channels read windows of their own.
    bin_held = depth <= tile.rows and work.groups == 1
    inputs_stay: tuple[LoopOrder, bool, bool] = ("inputs stay", bin_held, groups * depth <= tile.rows)

    def bits(choice: tuple[LoopOrder, bool, bool]) -> int:
        into_bin, into_sb = _streamed(work, groups, depth, *choice[1:])
        return into_bin * tile.bin_bits + into_sb * tile.sb_bits

    is_possible = work.window == 1 or groups == 1
    return inputs_stay if is_possible and bits(inputs_stay) <= bits(weights_stay) else weights_stay


def _streamed(work: LayerWork, groups: int, depth: int, bin_held: bool, sb_held: bool) -> tuple[int, int]:
    """Rows that are written into Bin and into SB."""
    return (
        work.positions * (1 if bin_held else groups) * depth,
        groups * depth * (1 if sb_held else work.positions),
    )


def output_slices(tile: Tile) -> int:
    """Rows of Bout that one group of logits takes: they leave at the accumulator's width, 32 bits at most."""
    if tile.precision.is_float:
        return 1
    return wide_slices(accumulator_bits(tile.precision, tile.fan_in), tile.precision.activations.bits)
