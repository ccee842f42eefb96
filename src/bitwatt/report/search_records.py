"""What a search leaves (`search.json`, schema 1), read and checked before anything is drawn from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bitwatt.errors import DataError, RequestError
from bitwatt.report.records import Count, Memory, NotNegative, explained

SCHEMA = 1
"""The version of `search.json` that this reads."""

Share = Annotated[float, Field(ge=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Counted(_Record):
    """Correct answers on so many images."""

    accuracy: Share
    correct: Count
    count: Annotated[int, Field(ge=1)]


class SearchedTile(_Record):
    """The tile of a point, as far as it is shown."""

    neurons: int
    synapses: int
    rows: int
    buffers: str
    clock_hz: float


class Costs(_Record):
    """What one image costs. memory_bytes: J, W, s, mm2 and bytes as in a study's records."""

    cycles: Count
    runtime_s: NotNegative
    energy_j: NotNegative
    power_w: NotNegative
    area_mm2: NotNegative
    memory_bytes: Memory
    tile: SearchedTile


class FloatAccuracy(_Record):
    """Of the float network, on the images that were held out."""

    accuracy: Share


class SearchedReference(Costs):
    """The float network that others are measured by."""

    network: str
    precision: str
    validation: FloatAccuracy
    test: Counted


class SearchedPoint(Costs):
    """One network on one tile. layers: those with precisions of their own; tile_precision: then the tile's.

    saving: shares of the float network's. command: what makes it again.
    """

    network: str
    precision: str
    weights: str
    activations: str
    layers: dict[str, str] = {}
    tile_precision: str | None = None
    validation: Counted
    test: Counted
    epochs: Count
    within_budget: bool
    saving: dict[str, float]
    command: str


class SearchedData(_Record):
    """The data, its images for training, for choosing by, and for the test at the end."""

    name: str
    train: Count
    validation: Annotated[int, Field(ge=1)]
    test: Count
    sha256: str = ""
    source: str = ""


class AskedOf(_Record):
    """What is shown of the plan."""

    network: str
    objectives: list[str]
    budget: dict[str, float] = {}
    technology: str
    preset: str


class Search(_Record):
    """A whole search. best, as_accurate_as_float: places among the points, None where there is none."""

    schema_version: Annotated[int, Field(alias="schema")]
    bitwatt: str
    search: str
    plan: AskedOf
    data: SearchedData
    looked_at: dict[str, Count]
    reference: SearchedReference
    best: Count | None
    as_accurate_as_float: dict[str, Count | None]
    points: Annotated[list[SearchedPoint], Field(min_length=1)]
    provenance: dict[str, str] = {}


def read_search(path: str | Path) -> dict[str, Any]:
    """The records in `path`, a `search.json` or a search's folder, checked.

    Raises `RequestError` where there is no such file, `DataError` where it is not JSON or not what schema 1
    says; both name the file, and the second the field.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "search.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(
            f"no search at {path}: give the folder that `bitwatt search --out` wrote"
        ) from None
    except (OSError, UnicodeDecodeError) as failure:
        raise DataError(f"{path} cannot be read: {failure}") from failure
    except json.JSONDecodeError as failure:
        raise DataError(f"{path} is not JSON: {failure.msg} at line {failure.lineno}") from failure
    check_search(record, str(path))
    found: dict[str, Any] = record
    return found


def check_search(record: Mapping[str, Any], where: str = "search") -> Search:
    """The records as typed values; `where` begins each message. Raises `DataError`."""
    version = record.get("schema") if isinstance(record, Mapping) else None
    if version != SCHEMA:
        raise DataError(
            f"{where}: schema must be {SCHEMA}, got {version!r}; upgrade bitwatt, or search again"
        )
    try:
        found = Search.model_validate(dict(record))
    except ValidationError as failure:
        raise DataError(f"{where}: {explained(failure)}") from None
    places = {"best": found.best} | {
        f"as_accurate_as_float.{k}": v for k, v in found.as_accurate_as_float.items()
    }
    for name, place in places.items():
        if place is not None and place >= len(found.points):
            raise DataError(f"{where}: {name} is {place}, and there are {len(found.points)} points")
    return found
