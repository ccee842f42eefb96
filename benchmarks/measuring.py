"""How these benchmarks measure: ratios of runs timed in turn, and memory in processes of their own."""

from __future__ import annotations

import multiprocessing
import re
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

Run = Callable[[], object]
"""What is timed."""

Maker = Callable[..., Run]
"""Network, batch and name to the run of that name, for as many threads as PyTorch has then."""

WARMING = 2
"""Runs that are not counted: the first ones allocate."""


def seconds(run: Run) -> float:
    """One run's. With one thread the processor's time counts, which other processes disturb less."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    begun = clock()
    run()
    return clock() - begun


def ratios(reference: Run, others: dict[str, Run], repeats: int) -> tuple[float, dict[str, float]]:
    """Median seconds of the reference, and of each other the median ratio to the reference run before it."""
    base: list[float] = []
    found: dict[str, list[float]] = {name: [] for name in others}
    for repeat in range(repeats + WARMING):
        for name, run in others.items():
            first, second = seconds(reference), seconds(run)
            if repeat >= WARMING:
                base.append(first)
                found[name].append(second / first)
    return statistics.median(base), {name: statistics.median(values) for name, values in found.items()}


def peak_megabytes(make: Maker, network: str, batch: int, name: str) -> float | None:
    """By how much this process grows at most in three runs, beyond what it holds when the run is made.

    None where the system does not tell (it is Linux's /proc that does).
    """
    run, clear = make(network, batch, name), Path("/proc/self/clear_refs")
    if not clear.exists():
        return None
    clear.write_text("5")  # the peak starts again
    before = _status("VmRSS")
    for _ in range(3):
        run()
    return (_status("VmHWM") - before) / 1024


def _status(key: str) -> int:
    """Kibibytes."""
    found = re.search(rf"^{key}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found, f"/proc/self/status has no {key}"
    return int(found[1])


def fresh(function: Callable[..., Any], *arguments: object) -> Any:
    """The function's result from a process of its own, with one thread."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return pool.submit(function, *arguments).result()


def measure(
    make: Maker,
    network: str,
    names: Iterable[str],
    *,
    reference: str,
    threads: Iterable[int],
    batch: int,
    repeats: int,
    memory: bool,
) -> dict[str, Any]:
    """What a table shows, fit for JSON: milliseconds of the reference, ratios to it, and megabytes."""
    names = list(names)
    found: dict[str, Any] = {"ms": {}, "ratios": {name: {} for name in names}, "mb": {}}
    for count in threads:
        torch.set_num_threads(count)
        runs = {name: make(network, batch, name) for name in names}
        base, all_ratios = ratios(make(network, batch, reference), runs, repeats)
        found["ms"][str(count)] = 1e3 * base
        for name, ratio in all_ratios.items():
            found["ratios"][name][str(count)] = ratio
    if memory:
        found["mb"] = {
            name: fresh(peak_megabytes, make, network, batch, name) for name in (reference, *names)
        }
    return found


def header(threads: Iterable[int]) -> str:
    counts = "".join(f"{f'{count} thread' + 's' * (count > 1):>11}" for count in threads)
    return f"{'':32}{counts}{'peak MB':>10}"


def lines(found: dict[str, Any], threads: Iterable[int], reference: str = "") -> str:
    """A line a run; the reference's, whose ratio is 1, where it is named."""
    shown = []
    rows = dict(found["ratios"])
    if reference:
        rows = {reference: dict.fromkeys(found["ms"], 1.0), **rows}
    for name, by_threads in rows.items():
        figures = "".join(
            f"{by_threads[str(count)]:11.2f}" if str(count) in by_threads else f"{'':11}" for count in threads
        )
        memory = found["mb"].get(name)
        shown.append(f"{name:32}{figures}" + ("" if memory is None else f"{memory:10.0f}"))
    if reference:
        took = ", ".join(f"{ms:.1f} ms on {count}" for count, ms in found["ms"].items())
        shown[0] += f"   ({took})"
    return "\n".join(shown)
