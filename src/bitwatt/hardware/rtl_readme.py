"""The README of exported RTL: ports, what the streams carry, timing; made from the component itself."""

from __future__ import annotations

from collections.abc import Iterator

from amaranth.hdl import Value
from amaranth.lib import data
from amaranth.lib.wiring import In

import bitwatt
from bitwatt.hardware.passes import compile_passes
from bitwatt.hardware.pipeline import bypass_latency_cycles, latency_cycles, pipeline_stages
from bitwatt.hardware.pooling import DIVIDE_CYCLES, Pooling
from bitwatt.hardware.rtl.layout import layer_descriptor, parameter_layout, tile_signature
from bitwatt.hardware.rtl.placement import port_name
from bitwatt.hardware.schedule import HANDOVER_CYCLES
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import RESIDUAL_FRACTION
from bitwatt.program.program import Program

_STREAMS = {
    "layers": "descriptors, one a pass",
    "bin_rows": "rows of inputs, for Bin",
    "sb_rows": "rows of weights, for SB: weight n * synapses + s belongs to neuron n and input s",
    "parameters": "a row of biases and shifts for a group of neurons",
    "divisors": "by what a row of means is divided: the count of a window; float32: 1 / count",
    "residual_rows": "rows of residuals, one for each visit of a group of neurons",
    "out_rows": "rows of outputs, from Bout",
}
_FLAGS = {
    "bin_read": "a row of Bin is read in this cycle",
    "sb_read": "a row of SB is read in this cycle",
    "bout_write": "a row of Bout is written in this cycle",
    "bout_read": "a row of Bout is read in this cycle",
}
_TEMPLATE = """\
# {precision} tile

{neurons} neurons x {synapses} synapses, buffers of {rows} rows, accumulators for up to {fan_in} products.
Weights are {weights}, activations {activations}. The top is `rtl/tile.v`. Made by bitwatt {version}.
{buffers}

## Ports

The clock is `clk`; `rst` is synchronous and high. On every stream a word moves in a cycle in which both
`valid` and `ready` are high; what is offered stays until then. In a row, the first word is in the lowest
bits.

{ports}

## A descriptor (`layers_payload`)

Counts are stored less one. The loops are `outer` x `inner` visits of `depth` rows; `window` visits make one
output of a pooling window. How long Bin and SB hold a row: 0, until it is read; 1, for the inner loop; 2, for
the pass. `pooling`: {poolings}.{options}

{descriptor}

## A row of parameters (`parameters_payload`)

{parameters}

## Timing

Registers on the way from Bin and SB to Bout: {stages}.

From the cycle in which an output's last rows are read to that in which Bout is written: {latency} cycles,
{maximum} behind a maximum, {mean} behind a mean; in a pooling pass {bypass}, {bypass_maximum} and
{bypass_mean}.

With a row of every stream offered in each cycle, and outputs taken at once, a pass takes a cycle for each row
that is read from Bin, its pauses, that latency, and {handover} more.{pauses}
{passes}"""

_PAUSES = """ Pauses: between windows of means
{divide} cycles, less those that a window takes; between wide results one for each slice but the first."""

_BUFFERS = {
    "sram": """
Each buffer is two banks of a single-port memory, by the lowest bit of a row's number (`bank_0`, `bank_1`):
put your macros there. A row is not written in the cycle in which its bank is read.
""",
    "flops": "",
}
_RESIDUAL = """
`residual`: a row of `residual_rows` is added to each row of sums, or of Bin, behind the shift."""
_ALIGNMENT = """ Its unit is
2**(`residual_shift` - {fraction}) of the results'."""
_CLIP = """
`clips`: results are kept within `low` and `high`, code words."""

_PASSES = """
## The program `{network}`

{table}

`tb/` plays them and checks every row and every pass's cycles; from this folder:

    verilator --binary --timing -y rtl -y tb -Itb tb/testbench.v && obj_dir/Vtestbench
    iverilog -g2012 -y rtl -y tb -I tb -s testbench -o bench tb/testbench.v && vvp bench
"""


def readme(tile: Tile, program: Program | None) -> str:
    """The text, in Markdown."""
    precision = tile.precision
    latency, bypass = (
        {pooling: count(tile, pooling) for pooling in Pooling}
        for count in (latency_cycles, bypass_latency_cycles)
    )
    stages = pipeline_stages(tile)
    return _TEMPLATE.format(
        precision=precision,
        neurons=tile.neurons,
        synapses=tile.synapses,
        rows=tile.rows,
        fan_in=tile.fan_in,
        weights=precision.weights,
        activations=precision.activations,
        version=bitwatt.__version__,
        ports=_table(("port", "direction", "bits", "what"), _ports(tile)),
        buffers=_BUFFERS[tile.buffers],
        options=_options(tile),
        poolings=", ".join(f"{pooling.value} {pooling.name.lower()}" for pooling in Pooling),
        descriptor=_table(("field", "bits"), _fields(layer_descriptor(tile))),
        parameters=_table(("field", "bits"), _fields(parameter_layout(tile))),
        stages=", ".join(f"{name.replace('_', ' ')} {count}" for name, count in stages.items()),
        latency=latency[Pooling.NONE],
        maximum=latency[Pooling.MAX],
        mean=latency[Pooling.AVERAGE],
        bypass=bypass[Pooling.NONE],
        bypass_maximum=bypass[Pooling.MAX],
        bypass_mean=bypass[Pooling.AVERAGE],
        handover=HANDOVER_CYCLES,
        pauses="" if precision.is_float else _PAUSES.format(divide=DIVIDE_CYCLES),
        passes=""
        if program is None
        else _PASSES.format(network=program.network, table=_passes(tile, program)),
    )


def _options(tile: Tile) -> str:
    text = _RESIDUAL if tile.residual else ""
    if tile.residual and not tile.precision.is_float:
        text += _ALIGNMENT.format(fraction=RESIDUAL_FRACTION)
    return text + (_CLIP if tile.clip else "")


def _ports(tile: Tile) -> Iterator[tuple[object, ...]]:
    yield "clk", "in", 1, "clock, rising edge"
    yield "rst", "in", 1, "reset"
    signature = tile_signature(tile)
    for path, member, value in signature.flatten(signature.create()):
        name = port_name(path)
        flow = "in" if member.flow == In else "out"
        stream = next((stream for stream in _STREAMS if name == f"{stream}_payload"), None)
        yield name, flow, len(Value.cast(value)), _STREAMS[stream] if stream else _FLAGS.get(name, "")


def _fields(layout: data.StructLayout, prefix: str = "", start: int = 0) -> Iterator[tuple[object, ...]]:
    for name, field in layout:
        low = start + field.offset
        if isinstance(field.shape, data.StructLayout):
            yield from _fields(field.shape, f"{prefix}{name}.", low)
            continue
        what = f"{prefix}{name}"
        if isinstance(field.shape, data.ArrayLayout):
            what += f": {field.shape.length} words of {field.width // field.shape.length} bits"
        yield what, f"{low + field.width - 1}:{low}"


def _passes(tile: Tile, program: Program) -> str:
    return _table(
        ("pass", "order", "cycles", "rows of Bin", "rows of SB", "rows out"),
        (
            (
                step.plan.work.name,
                step.plan.order if step.plan.work.kind == "weighted" else "pooling",
                step.plan.cycles,
                step.plan.events.bin_writes,
                step.plan.events.sb_writes,
                step.plan.events.bout_writes,
            )
            for step in compile_passes(program, tile)
        ),
    )


def _table(head: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
