"""Thousands of drawn networks: `python -m bitwatt.testing.soak --count 5000 --start 1000`.

Each is checked as `network_suite` does it; those that differ are printed, with the seeds that draw them
again.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

from bitwatt.errors import BitwattError
from bitwatt.testing.conformance import ConformanceError
from bitwatt.testing.drawn_networks import draw_network
from bitwatt.testing.network_suite import check_network, module_is_exact


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 where every network passes, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bitwatt.testing.soak", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many networks")
    parser.add_argument("--start", type=int, default=0, help="seed of the first")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    began, failed, modules = time.perf_counter(), 0, 0
    for seed in range(options.start, options.start + options.count):
        try:
            modules += module_is_exact(check_network(draw_network(seed)))
        except (ConformanceError, BitwattError) as error:
            failed += 1
            sys.stdout.write(f"seed {seed}: {error}\n")
            sys.stdout.flush()
        if (seed - options.start + 1) % 100 == 0:
            sys.stderr.write(f"{seed - options.start + 1} networks, {failed} failed\n")
    sys.stdout.write(
        f"{options.count} networks from seed {options.start}: {failed} failed; of {modules} the module was "
        f"exact too; {time.perf_counter() - began:.0f} s\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
