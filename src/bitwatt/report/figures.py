"""The pictures as files for print: accuracy against energy, and energy and area by component.

Vector or raster, one figure a file, as wide as a page's text; text stays text in SVG and PDF.
The files are functions of the records: no dates and no random identifiers in them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitwatt.errors import RequestError, unknown_name
from bitwatt.report.atomic import write_atomic
from bitwatt.report.axes import AccuracyAxis, EnergyAxis, accuracy_axis, energy_axis
from bitwatt.report.components import component, stacking_order
from bitwatt.report.facts import Facts, Group, Records, facts
from bitwatt.report.labels import Box, Mark, label_marks
from bitwatt.report.prose import on_data
from bitwatt.report.quantities import Unit, unit_for
from bitwatt.report.rows import Part, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "pdf")
"""File formats."""

WIDTH_INCHES = 6.3
SCATTER_INCHES = 3.6
DOTS_PER_INCH = 300
BLUE, GREY, PALE = "#1a5aa0", "#565d66", "#e4e4e4"

# Metadata that would differ between two runs on the same records is left out.
METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {},
}
STYLE: dict[Any, Any] = {
    "font.size": 8.5,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "svg.hashsalt": "bitwatt",
}


def write_figures(
    results: Records, folder: str | Path, formats: Sequence[str] = ("svg",), within: float = 0.01
) -> list[Path]:
    """Write every group's figures into `folder` (made where it is missing) and return their paths.

    Names are `accuracy-energy`, `energy-components` and `area-components`, with the group's number where
    there are several. Raises `RequestError` for an unknown format or a folder that cannot be made or written,
    `DataError` for records that are not schema 1.
    """
    for name in formats:
        if name not in FORMATS:
            raise unknown_name("figure format", name, FORMATS)
    found, folder = facts(results, within), Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise RequestError(f"cannot make the folder {folder}: {failure.strerror}") from None
    import matplotlib

    written = []
    with matplotlib.rc_context(STYLE):
        for number, group in enumerate(found.groups, start=1):
            ending = f"-{number}" if len(found.groups) > 1 else ""
            for name, figure in _figures(group, found):
                for kind in formats:
                    path = folder / f"{name}{ending}.{kind}"
                    content = io.BytesIO()
                    figure.savefig(content, format=kind, dpi=DOTS_PER_INCH, metadata=METADATA[kind])
                    write_atomic(path, content.getvalue())
                    written.append(path)
    return written


def _figures(group: Group, found: Facts) -> list[tuple[str, Figure]]:
    title = f"{on_data(group, found)}"
    drawn = [("accuracy-energy", _accuracy_energy(group, title))]
    energy = unit_for([row.energy_j for row in group.rows], "J")
    if any(row.energy_parts for row in group.rows):
        drawn.append(
            (
                "energy-components",
                _stacked(group, f"{title}: energy an image", energy, lambda r: r.energy_parts),
            )
        )
    if any(row.area_parts for row in group.rows):
        drawn.append(
            ("area-components", _stacked(group, f"{title}: area", Unit("mm²", 1.0), lambda r: r.area_parts))
        )
    return drawn


def _figure(height_inches: float) -> tuple[Figure, Axes]:
    # Not pyplot: it would keep figures alive and choose a backend.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    return figure, figure.add_subplot()


def _plain(text: str) -> str:
    # Matplotlib reads $...$ as mathematics; a user's name is not.
    return text.replace("$", r"\$")


def _accuracy_energy(group: Group, title: str) -> Figure:
    rows = [row for row in group.rows if row.energy_j > 0]
    across, up = energy_axis(rows), accuracy_axis(rows or group.rows)
    figure, axes = _figure(SCATTER_INCHES)
    axes.set_title(_plain(title), loc="left", fontweight="bold")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xticks([across.at(value) for value, _ in across.ticks()], [text for _, text in across.ticks()])
    axes.set_yticks([up.at(value) for value, _ in up.ticks()], [text for _, text in up.ticks()])
    axes.set_xlabel(f"energy an image, {across.unit.symbol} (log scale)")
    axes.set_ylabel("accuracy, %" + (" (stretched towards 100)" if up.stretched else ""))
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    front = [row for row in group.front if row.energy_j > 0]
    steps = [(across.at(row.energy_j), up.at(row.accuracy.mean)) for row in front]
    if steps:
        xs, ys = zip(*steps, (1.0, steps[-1][1]), strict=True)
        axes.step(xs, ys, where="post", color=BLUE, alpha=0.6, linewidth=1.3, zorder=2)
    for row in rows:
        x, y = across.at(row.energy_j), up.at(row.accuracy.mean)
        axes.plot(
            [x, x], [up.at(row.accuracy.low), up.at(row.accuracy.high)], color=GREY, alpha=0.5, linewidth=0.8
        )
        face = BLUE if row.on_front else "white"
        axes.plot([x], [y], "o", markersize=5.5, markerfacecolor=face, markeredgecolor=BLUE, zorder=3)
    _label_points(axes, group, rows, across, up)
    return figure


def _label_points(
    axes: Axes, group: Group, rows: Sequence[Row], across: EnergyAxis, up: AccuracyAxis
) -> None:
    # Placed in points of 1/72 inch on a frame of about the axes' size, y downwards as `labels` has it.
    width, height = 72 * WIDTH_INCHES * 0.9, 72 * SCATTER_INCHES * 0.8

    def at(row: Row) -> tuple[float, float]:
        return across.at(row.energy_j) * width, (1 - up.at(row.accuracy.mean)) * height

    marks = [
        Mark(
            *at(row),
            (1 - up.at(row.accuracy.high)) * height,
            (1 - up.at(row.accuracy.low)) * height,
            row.precision,
        )
        for row in rows
    ]
    front = [at(row) for row in group.front if row.energy_j > 0]
    labels = label_marks(marks, front, 5.0, 11.0, Box(0, 0, width + 6, height))
    for row, mark, label in zip(rows, marks, labels, strict=True):
        axes.annotate(
            _plain(row.precision),
            (mark.x / width, 1 - mark.y / height),
            xytext=(label.x - mark.x, mark.y - label.y),
            textcoords="offset points",
            ha={"start": "left", "middle": "center", "end": "right"}[label.anchor],
            va="center",
            fontweight="bold" if row is group.choice else "normal",
        )


def _stacked(group: Group, title: str, unit: Unit, parts: Callable[[Row], Sequence[Part]]) -> Figure:
    rows = [row for row in group.rows if parts(row)]
    figure, axes = _figure(1.3 + 0.3 * len(rows))
    axes.set_title(_plain(title), loc="left", fontweight="bold")
    ends = [0.0] * len(rows)
    for key in stacking_order(part.name for row in rows for part in parts(row)):
        look = component(key)
        values = [unit.scale * sum(p.value for p in parts(row) if p.name == key) for row in rows]
        axes.barh(
            range(len(rows)), values, left=ends, color=look.color, edgecolor="white", linewidth=0.25,
            height=0.72, label=_plain(look.label),
        )  # fmt: skip
        ends = [end + value for end, value in zip(ends, values, strict=True)]
    for place, end in enumerate(ends):
        axes.annotate(
            unit.of(end / unit.scale), (end, place), xytext=(4, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(range(len(rows)), [_plain(row.precision) for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlabel(unit.symbol)
    axes.set_xlim(0, (max(ends) or 1.0) * 1.1)
    figure.legend(
        loc="outside lower left", ncols=5, frameon=False, fontsize=7.5, handlelength=0.9, columnspacing=1.2
    )
    return figure
