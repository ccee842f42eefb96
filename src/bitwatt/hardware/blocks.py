"""The blocks of which a tile is made, one of each kind, to be synthesised and measured.

A neuron is `synapses` weight blocks, one adder_tree, one accumulator and one output_stage, which is measured
without pooling, and again as `output_stage_max` and `output_stage_average`, and where a tile has residuals as
`output_stage_residual`. Binary weights have no weight_block: their negations are part of the adder tree, so
their adder_tree block stands for both.

A buffer of flip-flops is represented by a small one, BUFFER_BITS wide, under three loads: `buffer` idles
(its clock alone), `buffer_read` reads a row in each cycle, `buffer_write` writes one in each cycle. Of a
buffer of SRAM, `bank_select` is what chooses between its two banks, BUFFER_BITS wide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Module, Value
from amaranth.lib import wiring
from numpy.typing import NDArray

from bitwatt.formats import Binary
from bitwatt.hardware import stimulus
from bitwatt.hardware.operands import Operands, synthetic_operands
from bitwatt.hardware.pipeline import pipeline_stages
from bitwatt.hardware.rtl.accumulator import accumulator
from bitwatt.hardware.rtl.adder_tree import adder_tree
from bitwatt.hardware.rtl.buffers import BankSelect, FlipFlopMemory
from bitwatt.hardware.rtl.output_stage import output_stage
from bitwatt.hardware.rtl.weight_block import weight_block
from bitwatt.hardware.tile import Tile

BUFFER_BITS = 16
"""Width of the parts of a buffer that stand for all widths."""

_SOURCE = re.compile(r'^\s*attribute \\src "[^"\n]*"\n', re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """RTL of one block and the operands it is measured with.

    rtlil: yosys RTLIL text whose module `top` has one clock port, `clock`; the same for the same arguments,
    wherever the sources lie. stimulus: for each other input port its word in each cycle, unsigned, shape
    (cycles,). The first `warmup` cycles fill the pipeline and are not to be measured.
    """

    name: str
    rtlil: str = field(repr=False)
    top: str
    clock: str
    stimulus: Mapping[str, NDArray[Any]] = field(repr=False, hash=False)
    description: str
    warmup: int = 0


def blocks(tile: Tile, operands: Operands | None = None) -> Mapping[str, Block]:
    """Every kind of block of a tile, by name; but its control (`control_block`).

    operands: what a neuron is fed; synthetic where None. Raises `RequestError` for operands of another number
    of synapses.
    """
    precision, synapses = tile.precision, tile.synapses
    fed = operands or synthetic_operands(precision, synapses)
    streams = stimulus.neuron(tile, fed)
    stages = pipeline_stages(tile)
    own_sums = fed.starts is not None
    totals = "one of its sums" if own_sums else f"the sum of {stimulus.GROUPS} tree sums"
    found = {}
    if not isinstance(precision.weights, Binary):
        found["weight_block"] = _block(
            "weight_block",
            weight_block(precision),
            streams["weight_block"],
            fed.description,
            stages["weight_block"] + 1,
        )
    found["adder_tree"] = _block(
        "adder_tree",
        adder_tree(precision, synapses),
        streams["adder_tree"],
        fed.description,
        stages["adder_tree"] + 1,
    )
    found["accumulator"] = _block(
        "accumulator",
        accumulator(precision, synapses, tile.fan_in),
        streams["accumulator"],
        f"{fed.description}; " + ("its sums" if own_sums else f"a new sum each {stimulus.GROUPS} cycles"),
        2,
    )
    found["output_stage"] = _block(
        "output_stage",
        output_stage(tile),
        streams["output_stage"],
        f"{fed.description}; {totals} in each cycle, ReLU, no pooling",
        stages["output_stage"] + 1,
    )
    for pooling in stimulus.WINDOWS:
        name = f"output_stage_{pooling.name.lower()}"
        found[name] = replace(
            found["output_stage"],
            name=name,
            stimulus=stimulus.pooled(streams["output_stage"], tile, pooling),
            description=f"{found['output_stage'].description}, but every result folded into the "
            f"{pooling.name.lower()} of {stimulus.WINDOWS[pooling]}",
        )
    if tile.residual:
        found["output_stage_residual"] = replace(
            found["output_stage"],
            name="output_stage_residual",
            stimulus=stimulus.with_residual(streams["output_stage"]),
            description=f"{found['output_stage'].description}, and to each a residual is added, one of the "
            "activations",
        )
    return found | (_flip_flop_buffers(tile.rows) if tile.buffers == "flops" else _bank_select())


def _bank_select() -> dict[str, Block]:
    return {
        "bank_select": _block(
            "bank_select",
            BankSelect(BUFFER_BITS),
            stimulus.bank_select(BUFFER_BITS),
            "a row of uniform random words in each cycle, of one bank and the other in turn",
            2,
        )
    }


def _flip_flop_buffers(rows: int) -> dict[str, Block]:
    idle = _block(
        "buffer",
        FlipFlopMemory(rows, BUFFER_BITS),
        stimulus.buffer(rows, BUFFER_BITS, "idle"),
        "filled with uniform random words, then neither read nor written",
        rows + 1,
    )
    found = {"buffer": idle}
    for load in ("read", "write"):
        found[f"buffer_{load}"] = replace(
            idle,
            name=f"buffer_{load}",
            stimulus=stimulus.buffer(rows, BUFFER_BITS, load),
            description=f"filled with uniform random words, then one row after another {load} in each cycle",
        )
    return found


def _block(
    name: str, component: wiring.Component, streams: Mapping[str, NDArray[Any]], description: str, warmup: int
) -> Block:
    return Block(name, rtlil_text(component, name), name, "clk", streams, description, warmup)


def rtlil_text(component: wiring.Component, top: str) -> str:
    """RTLIL of a component as module `top`, without source locations and without a reset (none needs it)."""
    m = Module()
    m.domains.sync = clock = ClockDomain("sync", reset_less=True)
    m.submodules.block = component
    ports = [Value.cast(value) for _, _, value in component.signature.flatten(component)]
    return _SOURCE.sub("", str(rtlil.convert(m, name=top, ports=[clock.clk, *ports])))
