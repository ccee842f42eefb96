"""Runs synthesis plans: each in a process of its own, several at once, results cached by the plan's digest.

A process of its own because abc can take the interpreter with it (some CCS libraries make it crash), and a
process group of its own so that nothing of it outlives this process, however it ends: see `_RUN_SCRIPT`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitwatt.errors import ToolError
from bitwatt.technology.cache import load_entry, store_entry
from bitwatt.technology.plan import SynthesisPlan

# Standard input is a pipe that nobody writes to and that closes when this process ends, even by SIGKILL. A
# watcher waits for that and then kills the group, abc included. It is a process, not a thread: yosys keeps
# the interpreter to itself. It holds neither output, so that the end of the run is seen without it.
_RUN_SCRIPT = """\
import os, signal
if os.fork() == 0:
    os.close(1)
    os.close(2)
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)
from pyosys import libyosys as ys
ys.run_pass('script synthesis.ys', ys.Design())
"""
_LAST_LINES = 12


@dataclass(frozen=True)
class Synthesis:
    """What synthesis leaves: the netlist, as yosys JSON and as Verilog, and the area by yosys' own count."""

    digest: str
    netlist_json: str
    verilog: str
    yosys_area_um2: float


def synthesize(
    plan: SynthesisPlan, *, timeout_s: float = 1800.0, listen: Callable[[str], None] | None = None
) -> Synthesis:
    """Run one plan, or take its result from the cache; `listen` is told in a line what was run.

    Raises `ToolError` with yosys' or abc's last lines when the run fails or takes longer than `timeout_s`;
    nothing is cached then.
    """
    entry = load_entry("synthesis", plan.digest)
    if entry is None:
        begun = time.monotonic()
        entry = _run(plan, timeout_s)
        if listen is not None:
            listen(f"synthesised {plan.name} in {time.monotonic() - begun:.1f} s")
        store_entry("synthesis", plan.digest, entry)
    return Synthesis(plan.digest, **entry)


def synthesize_all(
    plans: Iterable[SynthesisPlan],
    *,
    workers: int | None = None,
    timeout_s: float = 1800.0,
    listen: Callable[[str], None] | None = None,
) -> tuple[Synthesis, ...]:
    """Run plans on `workers` processes at once (default: the machine's cores); results in the plans' order.

    Equal plans run once. Raises as `synthesize`, for the first plan that fails.
    """
    ordered = list(plans)
    distinct = {plan.digest: plan for plan in reversed(ordered)}
    # The longest first, as near as the length of its RTL tells, so that none is left over at the end.
    largest_first = sorted(distinct.values(), key=lambda plan: len(plan.rtlil), reverse=True)
    with ThreadPoolExecutor(max_workers=workers or os.cpu_count() or 1) as pool:
        futures = {
            plan.digest: pool.submit(synthesize, plan, timeout_s=timeout_s, listen=listen)
            for plan in largest_first
        }
        try:
            return tuple(futures[plan.digest].result() for plan in ordered)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run(plan: SynthesisPlan, timeout_s: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bitwatt-synthesis-") as name:
        folder = Path(name)
        (folder / "design.rtlil").write_text(plan.rtlil)
        (folder / "cells.lib").write_text(plan.library.text)
        (folder / "synthesis.ys").write_text(plan.script)
        returncode, output = _run_group(folder, plan, timeout_s)
        wanted = ("stat.json", "netlist.json", "netlist.v")
        if returncode != 0 or not all((folder / file).is_file() for file in wanted):
            raise ToolError(_failure(plan, returncode, output))
        statistics = json.loads((folder / "stat.json").read_text())
        return {
            "netlist_json": (folder / "netlist.json").read_text(),
            "verilog": (folder / "netlist.v").read_text(),
            "yosys_area_um2": float(
                statistics["modules"][f"\\{plan.top}"].get("area", 0.0)
            ),  # absent where nothing is left,
        }


def _run_group(folder: Path, plan: SynthesisPlan, timeout_s: float) -> tuple[int, str]:
    """Run the script in `folder`, in a process group that is gone afterwards; exit status and output."""
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN_SCRIPT],
            cwd=folder,
            text=True,
            errors="replace",
            stdin=reading,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ToolError(
                f"synthesis of '{plan.name}' took longer than {timeout_s:g} s and was stopped"
            ) from None
        finally:
            # The group's number is its own as long as its watcher lives, which is until now.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    finally:
        os.close(reading)
        os.close(writing)
    return process.returncode, output


def _failure(plan: SynthesisPlan, returncode: int, output: str) -> str:
    how = f"killed by signal {-returncode}" if returncode < 0 else f"exit status {returncode}"
    abc = re.search(r"return code (\d+)", output)
    blame = (
        f"abc, which {plan.tool} runs, failed (exit status {abc[1]})"
        if abc
        else f"{plan.tool} failed ({how})"
    )
    lines = [line for line in output.splitlines() if line.strip()][-_LAST_LINES:]
    return f"synthesis of '{plan.name}' with {plan.library.name}: {blame}; its last lines:\n" + "\n".join(
        lines
    )
