"""Characterises blocks in a liberty library: synthesis, timing, activity and power, to a table.

Blocks are synthesised several at once and cached by digest, then measured several at once; measurements are
cached too, by the digests of netlist and stimulus and `METHOD`, which changes whenever a figure would.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bitwatt.cache import cache_folder
from bitwatt.errors import RequestError
from bitwatt.technology.activity import simulate
from bitwatt.technology.cache import load_entry, store_entry
from bitwatt.technology.glitches import measure_glitches
from bitwatt.technology.liberty import Library, parse_liberty
from bitwatt.technology.netlist import Netlist, read_netlist
from bitwatt.technology.plan import (
    SCRIPT,
    TARGET_SHARE,
    SynthesisPlan,
    plan_synthesis,
    without_source_locations,
)
from bitwatt.technology.power import block_power
from bitwatt.technology.synthesis import Synthesis, synthesize_all
from bitwatt.technology.table import BlockCost, BlockInputs, Table
from bitwatt.technology.timing import analyze_timing

#: The method of measurement; raise it with every change of `activity`, `timing`, `power` or `glitches` that
#: moves a figure.
METHOD = 3

GLITCH_CYCLES = 100
"""Cycles simulated with cell delays: enough for the ratio of changes, whose spread over operands is small."""


def method_sha256() -> str:
    """Digest of how blocks are synthesised and measured: the script, its target and `METHOD`."""
    return hashlib.sha256(f"{METHOD} {GLITCH_CYCLES} {TARGET_SHARE}\n{SCRIPT}".encode()).hexdigest()


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
    listen: Callable[[str], None] | None = None,
) -> Table:
    """Characterise blocks in a library for a clock; `technology` names the table.

    `workers` processes synthesise, then measure, at once (default: the machine's cores); `listen` is told in
    a line what was done. Raises `RequestError` for a block whose key and name differ or whose stimulus does
    not fit it, `ToolError` when synthesis fails, `DataError` when a block cannot be mapped to the library.
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
    tell = listen or (lambda _line: None)
    missing = sum(load_entry("synthesis", digest) is None for digest in {plan.digest for plan in plans})
    tell(
        f"{len(plans)} blocks in {library.name}: {missing} to synthesise, the others are in {cache_folder()}"
    )
    syntheses = synthesize_all(plans, workers=workers, listen=tell)
    costs = _measure_all(list(blocks.values()), plans, syntheses, workers, tell)
    return Table(
        technology=technology,
        library=library.name,
        library_sha256=library.sha256,
        voltage_v=library.voltage_v,
        clock_hz=clock_hz,
        tool=plans[0].tool if plans else "",
        method_sha256=method_sha256(),
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


def block_inputs(spec: BlockSpec) -> BlockInputs:
    """The digests of a block's RTL and operands, as its table entry has them."""
    rtl = hashlib.sha256(without_source_locations(spec.rtlil).encode()).hexdigest()
    return BlockInputs(rtl, stimulus_sha256(spec))


def _measure_all(
    specs: Sequence[BlockSpec],
    plans: Sequence[SynthesisPlan],
    syntheses: Sequence[Synthesis],
    workers: int | None,
    tell: Callable[[str], None],
) -> dict[str, BlockCost]:
    stimuli = [stimulus_sha256(spec) for spec in specs]
    digests = [
        hashlib.sha256("\n".join((plan.digest, stimulus, str(spec.clock), str(METHOD))).encode()).hexdigest()
        for spec, plan, stimulus in zip(specs, plans, stimuli, strict=True)
    ]
    entries = [load_entry("measurement", digest) for digest in digests]
    missing = [index for index, entry in enumerate(entries) if entry is None]
    missing.sort(key=lambda index: len(syntheses[index].netlist_json), reverse=True)  # the longest first
    jobs = [(specs[index], syntheses[index].netlist_json, digests[index]) for index in missing]
    if missing:
        tell(f"{len(missing)} blocks to measure")
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    if workers > 1:
        library = plans[0].library
        with ProcessPoolExecutor(
            workers, initializer=_use_library, initargs=(library.text, library.source)
        ) as pool:
            found = list(pool.map(_measure_job, jobs))
    else:
        found = [_measure(*job, plans[0].library) for job in jobs]
    for index, entry in zip(missing, found, strict=True):
        entries[index] = entry
    return {
        spec.name: BlockCost(
            name=spec.name,
            rtl_sha256=plan.rtl_sha256,
            script_sha256=plan.script_sha256,
            stimulus=spec.description,
            stimulus_sha256=stimulus,
            **(entry or {}),
        )
        for spec, plan, stimulus, entry in zip(specs, plans, stimuli, entries, strict=True)
    }


_library: Library | None = None


def _use_library(text: str, source: str) -> None:
    """In a worker: read the library, once."""
    global _library
    _library = parse_liberty(text, source)


def _measure_job(job: tuple[BlockSpec, str, str]) -> dict[str, float | int]:
    if _library is None:
        raise RuntimeError("the worker was not given its library")
    return _measure(*job, _library)


def _measure(spec: BlockSpec, netlist_json: str, digest: str, library: Library) -> dict[str, float | int]:
    entry = _figures(spec, read_netlist(netlist_json, spec.top, library, spec.clock))
    store_entry("measurement", digest, entry)
    return entry


def _figures(spec: BlockSpec, netlist: Netlist) -> dict[str, float | int]:
    activity = simulate(netlist, spec.stimulus, warmup=spec.warmup)
    timing = analyze_timing(netlist)
    power = block_power(activity, timing)
    glitches = measure_glitches(activity, timing, GLITCH_CYCLES)
    return {
        "area_um2": netlist.area_um2,
        "cells": len(netlist.instances),
        "registers": sum(instance.cell.flip_flop is not None for instance in netlist.instances),
        "delay_s": timing.delay_s,
        "leakage_w": power.leakage_w,
        "combinational_j": power.combinational_j,
        "register_j": power.register_j,
        "input_net_j": power.input_net_j,
        "glitch_j": glitches.combinational_j(power) - power.combinational_j,
        "clock_pin_j": power.clock_j,
        "clock_net_j": power.clock_net_j,
        "cycles": activity.transitions,
    }
