"""Trained programs that come with bitwatt: the published study's small networks at every precision.

They are the programs of the first seed of `studies/paper.toml`, kept by `scripts/keep_results.py` in the
folder `trained` beside this file; `results/paper` has the accuracy of each, measured on the test images.
"""

from __future__ import annotations

from pathlib import Path

import bitwatt
from bitwatt.errors import RequestError, unknown_name
from bitwatt.formats import parse_precision

FOLDER = Path(__file__).parent / "trained"
SUFFIX = ".bitwatt"


def pretrained(network: str, precision: str) -> bitwatt.program.Program:
    """The trained program of a network at a precision, as `pretrained("lenet", "binary")`.

    It takes images as its data set has them, (count, *`info(network).input_shape`), and gives logits (count,
    classes), exactly; `bitwatt.evaluate` gives its accuracy.

    Raises:
        RequestError: an unknown precision, or no such program is kept; the message names those that are.
    """
    kept = pretrained_names()
    if not kept:
        raise RequestError(f"no trained programs are kept in '{FOLDER}'; `make results` trains them")
    networks = tuple(dict.fromkeys(name for name, _ in kept))
    if network not in networks:
        raise unknown_name("trained network", network, networks)
    precisions = tuple(of for name, of in kept if name == network)
    wanted = str(parse_precision(precision))
    if wanted not in precisions:
        raise unknown_name(f"precision of a trained {network}", wanted, precisions)
    return bitwatt.load(path_of(network, wanted))


def pretrained_names() -> tuple[tuple[str, str], ...]:
    """Network and precision of every program that `pretrained` loads, in alphabetical order."""
    found = (path.stem.rpartition("-") for path in sorted(FOLDER.glob(f"*{SUFFIX}")))
    return tuple((network, precision.replace("_", ":")) for network, _, precision in found)


def path_of(network: str, precision: str) -> Path:
    """Where that program is kept."""
    return FOLDER / f"{network}-{precision.replace(':', '_')}{SUFFIX}"
