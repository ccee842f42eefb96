"""Characterises blocks in a liberty library: synthesis, timing, activity and power, to a table.

Blocks are synthesised several at once and cached by digest; measurements are cached too, by the digests of
netlist and stimulus and `METHOD`, which changes whenever a figure would.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bitwatt.errors import RequestError
from bitwatt.technology.activity import simulate
from bitwatt.technology.cache import load_entry, store_entry
from bitwatt.technology.liberty import Library
from bitwatt.technology.netlist import Netlist, read_netlist
from bitwatt.technology.plan import SynthesisPlan, plan_synthesis
from bitwatt.technology.power import block_power
from bitwatt.technology.synthesis import Synthesis, synthesize_all
from bitwatt.technology.table import BlockCost, Table
from bitwatt.technology.timing import analyze_timing

#: The method of measurement; raise it with every change of `activity`, `timing` or `power` that moves a
#: figure.
METHOD = 1


@dataclass(frozen=True)
class BlockSpec:
    """A block to characterise: its RTL and the operands it is measured with.

    `rtlil` is yosys RTLIL text whose module `top` has one clock port `clock` (None for a block without
    registers). `stimulus` gives every other input port its integer in each cycle, shape (cycles,) or
    (streams, cycles), and `description` says in words what the operands are. The first `warmup` cycles are
    not measured. With `clock_gating`, registers with an enable are clocked through the library's clock gates.
    """

    name: str
    rtlil: str = field(repr=False)
    top: str
    clock: str | None
    stimulus: Mapping[str, npt.NDArray[Any]] = field(repr=False, hash=False)
    description: str
    warmup: int = 0
    clock_gating: bool = False


def characterize(
    blocks: Mapping[str, BlockSpec],
    library: Library,
    clock_hz: float,
    *,
    technology: str,
    workers: int | None = None,
) -> Table:
    """Characterise blocks in a library for a clock; `technology` names the table.

    `workers` processes synthesise at once (default: the machine's cores). Raises `RequestError` for a block
    whose key and name differ or whose stimulus does not fit it, `ToolError` when synthesis fails, `DataError`
    when a block cannot be mapped to the library.
    """
    for key, spec in blocks.items():
        if key != spec.name:
            raise RequestError(
                f"the block under '{key}' calls itself '{spec.name}'; the two must be the same"
            )
    plans = [
        plan_synthesis(spec.name, spec.rtlil, spec.top, library, clock_hz, clock_gating=spec.clock_gating)
        for spec in blocks.values()
    ]
    syntheses = synthesize_all(plans, workers=workers)
    costs = {
        spec.name: _measure(spec, plan, synthesis)
        for spec, plan, synthesis in zip(blocks.values(), plans, syntheses, strict=True)
    }
    return Table(
        technology=technology,
        library=library.name,
        library_sha256=library.sha256,
        voltage_v=library.voltage_v,
        clock_hz=clock_hz,
        tool=plans[0].tool if plans else "",
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        blocks=costs,
    )


def stimulus_sha256(spec: BlockSpec) -> str:
    """Digest of a block's operands: ports, shapes and values."""
    digest = hashlib.sha256(f"warmup {spec.warmup}\n".encode())
    for port in sorted(spec.stimulus):
        values = np.asarray(spec.stimulus[port])
        digest.update(f"{port} {values.shape}\n".encode())
        # Text, so that one sequence of values has one digest whatever type of integer holds it.
        digest.update(" ".join(map(str, values.ravel().tolist())).encode())
    return digest.hexdigest()


def _measure(spec: BlockSpec, plan: SynthesisPlan, synthesis: Synthesis) -> BlockCost:
    stimulus = stimulus_sha256(spec)
    key = "\n".join((plan.digest, stimulus, str(spec.clock), str(METHOD)))
    digest = hashlib.sha256(key.encode()).hexdigest()
    entry = load_entry("measurement", digest)
    if entry is None:
        netlist = read_netlist(synthesis.netlist_json, spec.top, plan.library, spec.clock)
        entry = _figures(spec, netlist)
        store_entry("measurement", digest, entry)
    return BlockCost(
        name=spec.name,
        rtl_sha256=plan.rtl_sha256,
        script_sha256=plan.script_sha256,
        stimulus=spec.description,
        stimulus_sha256=stimulus,
        **entry,
    )


def _figures(spec: BlockSpec, netlist: Netlist) -> dict[str, float | int]:
    activity = simulate(netlist, spec.stimulus, warmup=spec.warmup)
    timing = analyze_timing(netlist)
    power = block_power(activity, timing)
    return {
        "area_um2": netlist.area_um2,
        "cells": len(netlist.instances),
        "registers": sum(instance.cell.flip_flop is not None for instance in netlist.instances),
        "delay_s": timing.delay_s,
        "leakage_w": power.leakage_w,
        "combinational_j": power.combinational_j,
        "register_j": power.register_j,
        "input_net_j": power.input_net_j,
        "clock_pin_j": power.clock_j,
        "clock_net_j": power.clock_net_j,
        "cycles": activity.transitions,
    }
