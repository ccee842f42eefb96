"""Look at all that a study asks for before any work starts: it fails in its first seconds, if at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bitwatt.errors import RequestError
from bitwatt.formats import parse_precision
from bitwatt.study.plan import StudyPlan
from bitwatt.study.results import DataRecord
from bitwatt.study.stages import Subject
from bitwatt.study.subject import build_network, load_data, network_digest

if TYPE_CHECKING:
    from torch import nn

    from bitwatt.datasets import Data


@dataclass(frozen=True)
class Checked:
    """What a plan names, found and in order. subjects: by network and seed."""

    subjects: Mapping[tuple[str, int], Subject]
    data: DataRecord


def check_plan(plan: StudyPlan, data_dir: Path | None) -> Checked:
    """Find the networks and the data of a plan, and try every network at every precision on a few images.

    Raises `RequestError` (of it `UnsupportedError`) for an unknown name, weights that are NaN or infinite, a
    network that does not fit its data or the tile, or cannot be lowered; `DataError` for damaged data.
    """
    # Networks first: a misspelt one is said before any data is read or fetched.
    networks = {(name, seed): build_network(name, seed) for name in plan.networks for seed in plan.seeds}
    digests = {key: network_digest(key[0], network) for key, network in networks.items()}
    data = load_data(plan.data, data_dir, plan.held_out)
    for name in plan.networks:
        _try(plan, name, networks[name, plan.seeds[0]], data)
    where = str(data_dir) if data_dir else None
    return Checked(
        {
            key: Subject(key[0], digest, plan.data, data.sha256, plan.held_out, where)
            for key, digest in digests.items()
        },
        DataRecord(
            name=data.name,
            train=len(data.train),
            test=len(data.test),
            sha256=data.sha256,
            source=data.source,
        ),
    )


def _try(plan: StudyPlan, name: str, network: nn.Module, data: Data) -> None:
    import torch

    from bitwatt.costing import cost
    from bitwatt.hardware.workload import fitting
    from bitwatt.program import lower
    from bitwatt.quantization import quantize

    example = data.test.images[:1]
    try:
        with torch.no_grad():
            logits = network.eval()(example)
    except RuntimeError as error:
        raise RequestError(
            f"network '{name}' does not take the images of '{plan.data}', {tuple(example.shape[1:])}: {error}"
        ) from None
    if logits.ndim != 2 or logits.shape[1] < data.classes:
        raise RequestError(
            f"network '{name}' must give at least {data.classes} logits an image for '{plan.data}', "
            f"got shape {tuple(logits.shape)} for one image"
        )
    for precision in map(parse_precision, plan.precisions):
        quantised = quantize(network, precision, calibration=example)
        program = lower(quantised, example=example, network=name)
        for preset in (plan.tile.preset, *plan.other_presets):
            tile = fitting(plan.tile.tile(precision, preset), program)
            cost(program, tile, technology=plan.technology)
