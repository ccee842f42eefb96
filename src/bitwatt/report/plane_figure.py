"""The plane of widths as a picture: accuracy and energy an image of each pair, side by side."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bitwatt.errors import RequestError
from bitwatt.report.atomic import write_atomic
from bitwatt.report.figures import DOTS_PER_INCH, METADATA, STYLE, WIDTH_INCHES
from bitwatt.report.plane import Plane
from bitwatt.report.quantities import hundredths, unit_for
from bitwatt.report.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FULL_LOSS = 0.05
"""A loss of accuracy that is drawn as dark as any larger one."""

DARK = 0.75
"""Shades above this take white letters."""

Shade = Callable[[Row], float]


def write_plane_figure(found: Plane, path: Path) -> None:
    """Draw a plane into `path` (.svg, .png or .pdf). Raises `RequestError` for another ending."""
    kind = path.suffix.removeprefix(".")
    if kind not in METADATA:
        raise RequestError(f"the figure {path} must end in {', '.join('.' + name for name in METADATA)}")
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure = _draw(found)
        content = io.BytesIO()
        figure.savefig(content, format=kind, dpi=DOTS_PER_INCH, metadata=METADATA[kind])
    write_atomic(path, content.getvalue())


def _draw(found: Plane) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, 0.9 + 0.27 * len(found.weights)), layout="constrained")
    left, right = figure.subplots(1, 2)
    unit = unit_for([row.energy_j for row in found.rows.values()], "J")
    _panel(left, found, "accuracy, %", "Reds", loss_shade(found),
           {pair: hundredths(row.accuracy.mean, 2) for pair, row in found.rows.items()})  # fmt: skip
    _panel(right, found, f"energy an image, {unit.symbol}", "Blues", energy_shade(found),
           {pair: unit.of(row.energy_j) for pair, row in found.rows.items()})  # fmt: skip
    left.set_ylabel("weights")
    return figure


def loss_shade(found: Plane) -> Shade:
    """0 at float32's accuracy or above, 1 at `FULL_LOSS` below it or more; finer for small losses."""
    reference = found.reference.accuracy.mean
    return lambda row: math.sqrt(min(1.0, max(0.0, (reference - row.accuracy.mean) / FULL_LOSS)))


def energy_shade(found: Plane) -> Shade:
    """0 at the plane's least energy, 1 at its largest, in its logarithm."""
    logs = [math.log(row.energy_j) for row in found.rows.values()]
    low, span = min(logs), (max(logs) - min(logs)) or 1.0
    return lambda row: (math.log(row.energy_j) - low) / span


def _panel(
    axes: Axes, found: Plane, title: str, colours: str, shade: Shade, texts: Mapping[tuple[str, str], str]
) -> None:
    # Rectangles and not an image: the file stays a drawing. A pair that is not finished stays empty.
    axes.set_title(title, loc="left", fontweight="bold")
    shades = [
        [shade(found.rows[w, i]) if (w, i) in found.rows else math.nan for i in found.inputs]
        for w in found.weights
    ]
    axes.pcolormesh(shades, cmap=colours, vmin=0, vmax=1.2, edgecolors="white", linewidth=0.8)
    for y, weights in enumerate(found.weights):
        for x, inputs in enumerate(found.inputs):
            if (weights, inputs) in texts:
                axes.text(
                    x + 0.5, y + 0.5, texts[weights, inputs], ha="center", va="center", fontsize=7,
                    color="white" if shades[y][x] > DARK else "black",
                )  # fmt: skip
    axes.set_xticks([x + 0.5 for x in range(len(found.inputs))], found.inputs, fontsize=7)
    axes.set_yticks([y + 0.5 for y in range(len(found.weights))], found.weights, fontsize=7)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("inputs")
