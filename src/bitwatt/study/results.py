"""`results.json`, schema 1: what a study leaves for the report, and for anyone else.

Nothing in it depends on when, where, how often interrupted or on how many processes the study ran.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataRecord(_Record):
    """The data: its name, where it came from, how many training and test images, SHA-256 of its content."""

    name: str
    train: Count
    test: Count
    sha256: Sha256
    source: str


class TileRecord(_Record):
    """The tile of the study's points; the width of everything in it follows from a point's precision."""

    preset: str
    neurons: Annotated[int, Field(ge=1)]
    synapses: Annotated[int, Field(ge=1)]
    rows: Annotated[int, Field(ge=1)]
    clock_hz: Annotated[float, Field(gt=0)]
    buffers: str
    clock_gating: bool


class MemoryRecord(_Record):
    """Bytes of weights and biases at their true width, and of the most activations alive at once."""

    weights: Count
    biases: Count
    activations_peak: Count


class LayerRecord(_Record):
    """What one pass of the tile takes for one image. utilisation: share of the multipliers that work."""

    name: str
    kind: str
    order: str | None = None
    macs: Count
    cycles: Count
    utilisation: Annotated[float, Field(ge=0, le=1)]
    energy_j: Amount
    energy_j_by_component: dict[str, Amount]


class PointRecord(_Record):
    """One network at one precision, from one seed, on the tile of one preset.

    accuracy: correct / count, of the integer program on the test images. runtime_s, energy_j, power_w: for
    one image. epochs: of the float training and of the training at this precision. arithmetic: in which the
    program was executed, a line a layer, and the bound that proves it exact. provenance: by quantity.
    """

    network: str
    precision: str
    weights: str
    activations: str
    seed: Count
    preset: str
    technology: str
    accuracy: Annotated[float, Field(ge=0, le=1)]
    correct: Count
    count: Annotated[int, Field(ge=1)]
    memory_bytes: MemoryRecord
    cycles: Count
    runtime_s: Amount
    energy_j: Amount
    power_w: Amount
    area_mm2: Amount
    energy_j_by_component: dict[str, Amount]
    area_mm2_by_component: dict[str, Amount]
    by_layer: list[LayerRecord]
    epochs: dict[Literal["pretraining", "retraining"], Count]
    arithmetic: list[str]
    program_sha256: Sha256
    provenance: dict[str, str]


class Results(_Record):
    """A study's results. `points` may be fewer than `planned_points` while it runs or where some failed."""

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    bitwatt: str
    study: str
    network: str
    data: DataRecord
    technology: str
    tile: TileRecord
    recipes: dict[str, Any]
    threads: Annotated[int, Field(ge=1)]
    planned_points: Count
    failed_points: list[str]
    points: list[PointRecord]

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return self.model_dump(mode="json", by_alias=True)

    def text(self) -> str:
        """As it is written: keys in the order of the schema, floats by their shortest exact decimal."""
        return json.dumps(self.as_json(), indent=1, allow_nan=False) + "\n"


def write_results(results: Results, path: Path) -> None:
    """Write `results.json`, whole or not at all: a reader never sees half of it."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.write(results.text())
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def json_schema() -> dict[str, Any]:
    """The JSON schema of `results.json`, as shipped in `results.schema.json`."""
    schema = Results.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://bitwatt.dev/results-{SCHEMA}.schema.json",
        "title": f"What a bitwatt study leaves: results.json, schema {SCHEMA}",
        **{key: value for key, value in schema.items() if key != "title"},
    }


if __name__ == "__main__":  # the file `results.schema.json`
    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
