"""What a study leaves (`results.json`, schema 1), read and checked before anything is drawn from it.

The check is of what a report relies on: fields, types, signs, and that parts sum to their totals. Fields it
does not know are left alone, so that a file with more in it still makes a report.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bitwatt.errors import DataError, RequestError

SCHEMA = 1
"""The version of `results.json` that this reads."""

SUM_TOLERANCE = 1e-9
"""Relative; sums are of a dozen doubles, which differ by the order in which they were added."""

ROUNDING = 1e-3
"""How far `accuracy` may lie from correct / count: files may carry it rounded."""

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Memory(_Record):
    """Bytes: of the weights, the biases, and the largest set of activations alive at once."""

    weights: Count
    biases: Count
    activations_peak: Count


class Layer(_Record):
    """What one layer takes for one image. macs: products; utilisation: share of weight blocks at work."""

    name: str
    kind: str | None = None
    cycles: Count | None = None
    energy_j: NotNegative | None = None
    macs: Count | None = None
    utilisation: NotNegative | None = None


class Point(_Record):
    """One network at one precision, trained with one seed.

    epochs: by stage of the training. arithmetic: that each layer was executed in, a line a layer. preset,
    technology: None, the study's own.
    """

    network: str
    precision: str
    weights: str
    activations: str
    seed: int
    accuracy: Annotated[float, Field(ge=0, le=1)]
    correct: Count
    count: Annotated[int, Field(ge=1)]
    memory_bytes: Memory
    cycles: Count
    runtime_s: NotNegative
    energy_j: NotNegative
    power_w: NotNegative
    area_mm2: NotNegative
    energy_j_by_component: dict[str, NotNegative] = {}
    area_mm2_by_component: dict[str, NotNegative] = {}
    by_layer: list[Layer] = []
    provenance: dict[str, str] = {}
    epochs: dict[str, Count] = {}
    arithmetic: list[str] = []
    technology: str | None = None
    preset: str | None = None


class Data(_Record):
    """The data set: its name, numbers of training and test images, digest, and where the images are from."""

    name: str
    train: Count
    test: Count
    sha256: str = ""
    source: str = ""


class Results(_Record):
    """A whole study. tile: keys that are read are in `prose.tile_sentences`; recipes: shown as they stand.

    planned_points may be more than there are points while a study runs, or where some failed.
    """

    schema_version: Annotated[int, Field(alias="schema")]
    bitwatt: str
    study: str = ""
    network: str
    data: Data
    technology: str
    tile: dict[str, Any]
    points: list[Point]
    recipes: dict[str, Any] = {}
    planned_points: Count | None = None
    failed_points: list[str] = []
    command: str | None = None


def read_results(path: str | Path) -> dict[str, Any]:
    """The records in `path`, a `results.json` or a study's folder, checked.

    Raises `RequestError` where there is no such file, `DataError` where it is not JSON or not what schema 1
    says; both name the file, and the second the field, what it must be and what it is.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "results.json"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RequestError(
            f"no results at {path}: give the folder that `bitwatt study --out` wrote, or a results.json"
        ) from None
    except (OSError, UnicodeDecodeError) as failure:
        raise DataError(f"{path} cannot be read: {failure}") from failure
    try:
        results = json.loads(text)
    except json.JSONDecodeError as failure:
        raise DataError(
            f"{path} is not JSON: {failure.msg} at line {failure.lineno}, column {failure.colno} "
            f"of {len(text)} characters. Run the study again: finished points are re-used"
        ) from failure
    check_results(results, str(path))
    checked: dict[str, Any] = results
    return checked


def check_results(results: Mapping[str, Any], where: str = "results") -> Results:
    """The records as typed values; `where` begins each message. Raises `DataError`."""
    if not isinstance(results, Mapping):
        raise DataError(f"{where}: expected an object with 'schema' and 'points', got {_shown(results)}")
    version = results.get("schema")
    if version != SCHEMA:
        raise DataError(
            f"{where}: schema must be {SCHEMA}, got {_shown(version)}. "
            "A newer bitwatt may have written it: upgrade, or run the study again"
        )
    if results.get("points") == []:
        raise DataError(f"{where}: no point is finished yet. The same command goes on with the study")
    try:
        checked = Results.model_validate(dict(results))
    except ValidationError as failure:
        raise DataError(f"{where}: {explained(failure)}") from None
    seen: dict[tuple[object, ...], int] = {}
    for index, point in enumerate(checked.points):
        _check_sums(point, f"{where}: points[{index}] ({point.network}, {point.precision})")
        key = (point.network, point.precision, point.seed, point.technology, point.preset)
        if key in seen:
            raise DataError(
                f"{where}: points[{index}] repeats points[{seen[key]}]: "
                f"{point.network}, {point.precision}, seed {point.seed}"
            )
        seen[key] = index
    return checked


def _check_sums(point: Point, where: str) -> None:
    if point.correct > point.count:
        raise DataError(f"{where}: correct is {point.correct} of count {point.count}")
    if abs(point.correct / point.count - point.accuracy) > ROUNDING:
        raise DataError(
            f"{where}: accuracy is {point.accuracy}, but {point.correct} of {point.count} are correct"
        )
    for field, parts, total in (
        ("energy_j", point.energy_j_by_component, point.energy_j),
        ("area_mm2", point.area_mm2_by_component, point.area_mm2),
    ):
        summed = math.fsum(parts.values())
        if parts and not math.isclose(summed, total, rel_tol=SUM_TOLERANCE):
            raise DataError(f"{where}: {field}_by_component sums to {summed:g}, {field} is {total:g}")


def explained(failure: ValidationError) -> str:
    """The first thing that is wrong: the field, what it must be, and what it is."""
    errors = failure.errors()
    first = errors[0]
    place = ""
    for step in first["loc"]:
        place += f"[{step}]" if isinstance(step, int) else f".{step}"
    got = "" if first["type"] == "missing" else f", got {_shown(first['input'])}"
    more = f" ({len(errors) - 1} more like this)" if len(errors) > 1 else ""
    return f"{place.lstrip('.')}: {first['msg'][0].lower()}{first['msg'][1:]}{got}{more}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
