"""The tile a study asks for, at any precision."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bitwatt.formats import Precision
from bitwatt.hardware.tile import Tile


class TilePlan(BaseModel):
    """The tile: a preset, and what is to differ from it (`bitwatt.hardware.Tile` says what each means)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    preset: str = "modern"
    neurons: int | None = None
    synapses: int | None = None
    rows: int | None = None
    clock_hz: Annotated[float | None, Field(strict=False)] = None
    buffers: str | None = None
    clock_gating: bool | None = None

    def tile(self, precision: str | Precision, preset: str | None = None) -> Tile:
        """The tile for a precision; `preset` in place of the plan's own. Raises `RequestError`."""
        changes = {k: v for k, v in self.model_dump(exclude={"preset"}).items() if v is not None}
        return replace(Tile.preset(preset or self.preset, precision), **changes)
