"""The blocks of which a tile is made, one of each kind, to be synthesised and measured.

A neuron is `synapses` weight blocks, one adder_tree, one accumulator and one output_stage, which is measured
without pooling, and again as `output_stage_max` and `output_stage_average`. Binary weights have no
weight_block: their negations are part of the adder tree, so their adder_tree block stands for both.

A buffer of flip-flops is represented by a small one, BUFFER_BITS wide, under three loads: `buffer` idles
(its clock alone), `buffer_read` reads a row in each cycle, `buffer_write` writes one in each cycle.
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

from bitwatt.formats import Binary, Precision
from bitwatt.hardware import stimulus
from bitwatt.hardware.operands import Operands, synthetic_operands
from bitwatt.hardware.pipeline import pipeline_stages
from bitwatt.hardware.rtl.accumulator import accumulator
from bitwatt.hardware.rtl.adder_tree import adder_tree
from bitwatt.hardware.rtl.buffers import FlipFlopMemory
from bitwatt.hardware.rtl.output_stage import output_stage
from bitwatt.hardware.rtl.weight_block import weight_block

BUFFER_BITS = 16
"""Width of the buffer that stands for all widths."""

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


def blocks(
    precision: Precision,
    synapses: int = 16,
    fan_in: int = 8192,
    rows: int = 64,
    operands: Operands | None = None,
) -> Mapping[str, Block]:
    """Every kind of block of a tile, by name.

    operands: what a neuron is fed; synthetic where None. Raises `RequestError` for sizes that cannot be
    built, or operands of another number of synapses.
    """
    fed = operands or synthetic_operands(precision, synapses)
    streams = stimulus.neuron(precision, synapses, fan_in, fed)
    stages = pipeline_stages(precision, synapses)
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
        accumulator(precision, synapses, fan_in),
        streams["accumulator"],
        f"{fed.description}; " + ("its sums" if own_sums else f"a new sum each {stimulus.GROUPS} cycles"),
        2,
    )
    found["output_stage"] = _block(
        "output_stage",
        output_stage(precision, fan_in),
        streams["output_stage"],
        f"{fed.description}; {totals} in each cycle, ReLU, no pooling",
        2,
    )
    for pooling in stimulus.WINDOWS:
        name = f"output_stage_{pooling.name.lower()}"
        found[name] = replace(
            found["output_stage"],
            name=name,
            stimulus=stimulus.pooled(streams["output_stage"], precision, pooling),
            description=f"{found['output_stage'].description}, but every result folded into the "
            f"{pooling.name.lower()} of {stimulus.WINDOWS[pooling]}",
        )
    idle = _block(
        "buffer",
        FlipFlopMemory(rows, BUFFER_BITS),
        stimulus.buffer(rows, BUFFER_BITS, "idle"),
        "filled with uniform random words, then neither read nor written",
        rows + 1,
    )
    found["buffer"] = idle
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
