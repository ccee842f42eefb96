"""The tile as a picture: area and energy of a multiply-accumulate by component, presets side by side."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitwatt.errors import RequestError
from bitwatt.report.atomic import write_atomic
from bitwatt.report.components import component, stacking_order
from bitwatt.report.figures import DOTS_PER_INCH, METADATA, STYLE, WIDTH_INCHES
from bitwatt.report.quantities import Unit, unit_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def write_tile_figure(tiles: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Draw the records of `bitwatt tile --json`, by preset, into `path` (.svg, .png or .pdf).

    A row of two panels a preset: area, and energy a multiply-accumulate at full load. Raises `RequestError`
    where there is no tile, or for another ending.
    """
    kind = path.suffix.removeprefix(".")
    if kind not in METADATA:
        raise RequestError(f"the figure {path} must end in {', '.join('.' + name for name in METADATA)}")
    if not any(tiles.values()):
        raise RequestError("a figure of tiles needs at least one tile")
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure = _draw(tiles)
        content = io.BytesIO()
        figure.savefig(content, format=kind, dpi=DOTS_PER_INCH, metadata=METADATA[kind])
    write_atomic(path, content.getvalue())


def _draw(tiles: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    from matplotlib.figure import Figure

    most = max(len(records) for records in tiles.values())
    figure = Figure(figsize=(WIDTH_INCHES, (0.9 + 0.24 * most) * len(tiles) + 0.5), layout="constrained")
    panels = figure.subplots(len(tiles), 2, squeeze=False)
    shown: dict[str, Any] = {}
    for row, (preset, records) in zip(panels, tiles.items(), strict=True):
        energies = [record["energy_j_per_mac"] for record in records]
        node = f"{preset}, {records[0]['node_nm']:g} nm"
        area = Unit("mm²", 1.0)
        shown |= _bars(row[0], f"{node}: area", records, "area_mm2_by_component", area, names=True)
        unit = unit_for([max(energies)], "J")
        shown |= _bars(
            row[1], f"{node}: energy a MAC", records, "energy_j_per_mac_by_component", unit, names=False
        )
    order = stacking_order(shown)
    figure.legend(
        [shown[key] for key in order], [component(key).label for key in order],
        loc="outside lower left", ncols=5, frameon=False, fontsize=7.5, handlelength=0.9, columnspacing=1.2,
    )  # fmt: skip
    return figure


def _bars(
    axes: Axes, title: str, records: Sequence[Mapping[str, Any]], parts: str, unit: Unit, *, names: bool
) -> dict[str, Any]:
    """One panel of stacked bars; the drawn bars by component."""
    axes.set_title(title, loc="left", fontweight="bold", fontsize=8.5)
    ends = [0.0] * len(records)
    drawn: dict[str, Any] = {}
    for key in stacking_order(records[0][parts]):
        values = [unit.scale * record[parts][key] for record in records]
        drawn[key] = axes.barh(
            range(len(records)), values, left=ends, color=component(key).color, edgecolor="white",
            linewidth=0.25, height=0.72,
        )  # fmt: skip
        ends = [end + value for end, value in zip(ends, values, strict=True)]
    for place, end in enumerate(ends):
        axes.annotate(
            unit.of(end / unit.scale), (end, place), xytext=(3, 0), textcoords="offset points", va="center",
            fontsize=7.5,
        )  # fmt: skip
    axes.set_yticks(range(len(records)), [record["precision"] if names else "" for record in records])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlabel(unit.symbol)
    axes.set_xlim(0, max(ends) * 1.15)
    return drawn
