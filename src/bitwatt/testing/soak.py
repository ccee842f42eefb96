"""Thousands of drawn networks: `python -m bitwatt.testing.soak --count 5000 --start 1000`.

Each is checked as `network_suite` does it; those that differ are printed, with the seeds that draw them
again. With `--exports` each is also run by onnxruntime and compiled by gcc, as `export_suite` does it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch

from bitwatt.errors import BitwattError
from bitwatt.testing.conformance import ConformanceError
from bitwatt.testing.drawn_networks import DrawnNetwork, draw_network
from bitwatt.testing.export_suite import ExportReport, check_c, check_onnx
from bitwatt.testing.network_suite import check_network, module_is_exact

BATCH = 50
"""Networks of one call of gcc."""


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 where every network passes, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bitwatt.testing.soak", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many networks")
    parser.add_argument("--start", type=int, default=0, help="seed of the first")
    parser.add_argument("--exports", action="store_true", help="also run every network in ONNX and in C99")
    options = parser.parse_args(arguments)
    if options.exports and (find_spec("onnxruntime") is None or shutil.which("gcc") is None):
        parser.error("--exports needs gcc and onnxruntime (pip install 'bitwatt[onnx]')")
    torch.set_num_threads(1)
    began, failed, modules, report = time.perf_counter(), 0, 0, ExportReport()
    batch: list[DrawnNetwork] = []
    for done in range(1, options.count + 1):
        seed, failures = options.start + done - 1, []
        try:
            drawn = draw_network(seed)
            modules += module_is_exact(check_network(drawn))
            if options.exports:
                batch.append(drawn)
                check_onnx(drawn, report)
        except (ConformanceError, BitwattError) as error:
            failures.append(f"seed {seed}: {error}")
        if len(batch) == BATCH or done == options.count:
            failures += _c_failures(batch, report)
            batch = []
        failed += len(failures)
        sys.stdout.writelines(f"{failure}\n" for failure in failures)
        sys.stdout.flush()
        if done % 100 == 0:
            sys.stderr.write(f"{done} networks, {failed} failed\n")
    exports = f"exports {report}; " if options.exports else ""
    sys.stdout.write(
        f"{options.count} networks from seed {options.start}: {failed} failed; of {modules} the module was "
        f"exact too; {exports}{time.perf_counter() - began:.0f} s\n"
    )
    return 1 if failed else 0


def _c_failures(batch: list[DrawnNetwork], report: ExportReport) -> Iterator[str]:
    """What differs in C; where something does, each network is compiled by itself, so that all are named."""
    if not _fails(batch, report):
        return
    for drawn in batch:
        message = _fails([drawn], report)
        if message:
            yield f"seed {drawn.seed}: {message}"


def _fails(batch: list[DrawnNetwork], report: ExportReport) -> str:
    """What `check_c` says."""
    with tempfile.TemporaryDirectory(prefix="bitwatt-soak-") as folder:
        try:
            check_c(batch, report, Path(folder))
        except (ConformanceError, BitwattError) as error:
            return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(main())
