"""Accuracy against energy as inline SVG: values escaped as they go in, colours left to the style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from markupsafe import Markup

from bitwatt.report.axes import AccuracyAxis, EnergyAxis, accuracy_axis, energy_axis
from bitwatt.report.labels import Box, Mark, label_marks
from bitwatt.report.quantities import percent, points, si
from bitwatt.report.rows import Row

_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 18.0, 26.0, 50.0
_LABEL_HEIGHT = 16.0
_CHARACTER = 8.4
"""Width of a character of a label, generously, so that the places chosen hold in any font."""


class Plotted(Protocol):
    """Rows to draw: a study's group, or what a search found. front: rows on it, the cheapest first."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """All of them."""

    @property
    def front(self) -> tuple[Row, ...]:
        """Those on the front, cheapest first."""

    @property
    def choice(self) -> Row | None:
        """The one that is pointed out."""

    @property
    def reference(self) -> Row | None:
        """The one that savings are counted against."""


def accuracy_energy_svg(group: Plotted, width: float, height: float, name: str) -> Markup:
    """The picture of one group: energy on a log axis, the Pareto front. `name`: its accessible name."""
    rows = [row for row in group.rows if row.energy_j > 0]
    x, y = energy_axis(rows), accuracy_axis(rows or group.rows)
    frame = Box(_LEFT, _TOP, width - _RIGHT, height - _BOTTOM)
    body = [_grid(frame, x, y), _front(frame, x, y, group), *_points(frame, x, y, group, rows)]
    return Markup(
        '<svg class="scatter" viewBox="0 0 {w:g} {h:g}" role="group" aria-label="{name}">{body}</svg>'
    ).format(w=width, h=height, name=name, body=Markup("").join(body))


def tip(row: Row, group: Plotted) -> str:
    """What a pointer or the keyboard shows of a point: `label TAB value` lines below the precision's name."""
    interval = f"{percent(row.accuracy.low, 2)} to {percent(row.accuracy.high, 2)}"
    lines = [row.precision, f"accuracy\t{percent(row.accuracy.mean, 2)}", f"95 % interval\t{interval}"]
    if len(row.seeds) > 1:
        lines.append(f"spread of {len(row.seeds)} seeds\t{points(row.accuracy.spread).lstrip('+')} points")
    lines.append(f"energy an image\t{si(row.energy_j, 'J')}")
    if row.against is not None and row is not group.reference:
        lines.append(f"energy saved\t{percent(row.against.energy)}")
    if row.on_front:
        lines.append("no other is cheaper and more accurate")
    return "\n".join(lines)


def _at(frame: Box, x: EnergyAxis, y: AccuracyAxis, energy_j: float, accuracy: float) -> tuple[float, float]:
    return (
        frame.left + x.at(energy_j) * (frame.right - frame.left),
        frame.bottom - y.at(accuracy) * (frame.bottom - frame.top),
    )


def _grid(frame: Box, x: EnergyAxis, y: AccuracyAxis) -> Markup:
    parts = []
    for share, text in y.ticks():
        _, level = _at(frame, x, y, x.low, share)
        parts.append(
            Markup(
                '<line class="grid" x1="{l:.1f}" x2="{r:.1f}" y1="{v:.1f}" y2="{v:.1f}"/>'
                '<text class="tick" x="{tx:.1f}" y="{ty:.1f}" text-anchor="end">{text}</text>'
            ).format(l=frame.left, r=frame.right, v=level, tx=frame.left - 8, ty=level + 4, text=text)
        )
    for energy, text in x.ticks():
        place, _ = _at(frame, x, y, energy, y.low)
        parts.append(
            Markup(
                '<line class="grid" x1="{v:.1f}" x2="{v:.1f}" y1="{t:.1f}" y2="{b:.1f}"/>'
                '<text class="tick" x="{v:.1f}" y="{ty:.1f}" text-anchor="middle">{text}</text>'
            ).format(v=place, t=frame.top, b=frame.bottom, ty=frame.bottom + 18, text=text)
        )
    stretched = ", stretched towards 100" if y.stretched else ""
    parts.append(
        Markup(
            '<text class="axis" x="{l:.1f}" y="14">accuracy, %{s} '
            '<tspan class="hint">(higher is better)</tspan></text>'
            '<text class="axis" x="{r:.1f}" y="{b:.1f}" text-anchor="end">energy an image, {u}, log scale '
            '<tspan class="hint">(left is better)</tspan></text>'
        ).format(l=2, r=frame.right, b=frame.bottom + 40, u=x.unit.symbol, s=stretched)
    )
    return Markup("").join(parts)


def _front(frame: Box, x: EnergyAxis, y: AccuracyAxis, group: Plotted) -> Markup:
    # Steps: with this energy to spend, the best accuracy to be had.
    path = ""
    for row in group.front:
        if row.energy_j > 0:
            across, down = _at(frame, x, y, row.energy_j, row.accuracy.mean)
            path += f"H{across:.1f}V{down:.1f}" if path else f"M{across:.1f},{down:.1f}"
    if path:
        path += f"H{frame.right:.1f}"
    return Markup('<path class="front" d="{}"/>').format(path)


def _points(frame: Box, x: EnergyAxis, y: AccuracyAxis, group: Plotted, rows: Sequence[Row]) -> list[Markup]:
    def level(row: Row, accuracy: float) -> float:
        return _at(frame, x, y, row.energy_j, accuracy)[1]

    marks = [
        Mark(
            *_at(frame, x, y, row.energy_j, row.accuracy.mean),
            level(row, row.accuracy.high),
            level(row, row.accuracy.low),
            row.precision,
        )
        for row in rows
    ]
    front = [_at(frame, x, y, row.energy_j, row.accuracy.mean) for row in group.front if row.energy_j > 0]
    bounds = Box(frame.left, 18, frame.right + 14, frame.bottom)
    drawn = []
    for row, mark, label in zip(
        rows, marks, label_marks(marks, front, _CHARACTER, _LABEL_HEIGHT, bounds), strict=True
    ):
        about = tip(row, group)
        seeds = Markup("").join(
            Markup('<circle class="seed" cx="{:.1f}" cy="{:.1f}" r="2"/>').format(
                mark.x, level(row, accuracy)
            )
            for accuracy in (row.accuracy.by_seed if len(row.seeds) > 1 else ())
        )
        classes = " ".join(
            ["point", *(["on-front"] if row.on_front else []), *(["choice"] if row is group.choice else [])]
        )
        drawn.append(
            Markup(
                '<g class="{classes}" tabindex="0" role="img" aria-label="{spoken}" data-tip="{about}" '
                'data-row="{precision}"><line class="whisker" x1="{px:.1f}" x2="{px:.1f}" y1="{low:.1f}" '
                'y2="{high:.1f}"/>{seeds}<circle class="ring" cx="{px:.1f}" cy="{py:.1f}" r="10"/>'
                '<circle class="dot" cx="{px:.1f}" cy="{py:.1f}" r="5.5"/>'
                '<text class="label" x="{tx:.1f}" y="{ty:.1f}" text-anchor="{anchor}">{precision}</text></g>'
            ).format(
                classes=classes,
                spoken=about.replace("\t", " ").replace("\n", ", "),
                about=about,
                precision=row.precision,
                px=mark.x,
                py=mark.y,
                low=mark.bottom,
                high=mark.top,
                seeds=seeds,
                anchor=label.anchor,
                tx=label.x,
                ty=label.y + 4,
            )
        )
    return drawn
