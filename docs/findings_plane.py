"""The plane of widths in words and tables. Imported by `findings.py`."""

from __future__ import annotations

from findings_kept import NEW, accuracy, anchor, caption, label, table

from bitwatt.report.plane import Plane, hurts, narrowest_unhurt
from bitwatt.report.quantities import percent, points, significant
from bitwatt.report.rows import Row

GONE = "all hurt"


def picture(found: Plane) -> str:
    """Where its picture is, from docs/."""
    return f"figures/findings/plane-{anchor(found.group.network)}.svg"


def begins(found: Plane) -> str:
    """Where each axis begins to hurt with the other at its widest, in a sentence."""
    widest_weights, widest_inputs = found.weights[-1], found.inputs[-1]
    told = (
        f"{label(found.group.network)}'s plane ([below](#the-plane)): with inputs of `{widest_inputs}` the "
        f"weights {_first_hurt(found.column(widest_inputs), 'weights')}; with weights of `{widest_weights}` "
        f"the inputs {_first_hurt(found.line(widest_weights), 'activations')}"
    )
    cheapest = found.cheapest_unhurt
    if cheapest is None:
        return told + "."
    return (
        f"{told}. The cheapest pair that does not hurt is `{cheapest.weights}:{cheapest.activations}`, with "
        f"{percent(cheapest.energy_j / found.reference.energy_j)} of float32's energy."
    )


def _first_hurt(rows: tuple[Row, ...], axis: str) -> str:
    """Narrowest first: the first from the wide end that hurts, and by how much."""
    for row in reversed(rows):
        if hurts(row) and row.against is not None:
            return f"begin to hurt at `{getattr(row, axis)}` ({points(row.against.accuracy)} points)"
    return f"do not hurt down to `{getattr(rows[0], axis)}`"


def section(found: Plane) -> str:
    """The picture, and how far each axis may go at each width of the other."""
    study, name = found.group.study, label(found.group.network)
    planned, done = study.planned_points or 0, len(study.points)
    progress = "" if done == planned else f" {done} of {planned} points are finished."
    rows = list(found.rows.values())
    counts = {len(row.seeds) for row in rows}
    spread = max((row.accuracy.spread for row in rows if not hurts(row)), default=0.0)
    seeds = f"{min(counts)} to {max(counts)} seeds" if len(counts) > 1 else f"seeds: {min(counts)}"
    if max(counts) > 1:
        seeds += f", at most {100 * spread:.2f} points apart where nothing hurts"
    epochs = dict(rows[0].epochs)
    return "\n\n".join(
        [
            f"### The plane of {name}",
            f"![Accuracy and energy of {name} at each width of weights and of inputs]({picture(found)})",
            f"Float32: {accuracy(found.reference)} %, {significant(1e6 * found.reference.energy_j)} µJ. "
            f"Tile: `{NEW}`. {epochs['pretraining']:.0f} epochs of float, then {epochs['retraining']:.0f} at "
            f"each pair; {seeds}. {caption(study.data)} With so many test images a loss of less than "
            f"{points(found.resolution).lstrip('+')} points cannot be told from none.{progress}",
            "How narrow each axis may be before it hurts, by the width of the other:",
            _limits("inputs", "weights", [(i, narrowest_unhurt(found.column(i))) for i in found.inputs]),
            _limits("weights", "activations", [(w, narrowest_unhurt(found.line(w))) for w in found.weights]),
            f"{sum(map(hurts, rows))} of {len(rows)} pairs hurt.",
        ]
    )


def _limits(given: str, axis: str, limits: list[tuple[str, Row | None]]) -> str:
    other = "inputs" if axis == "activations" else axis
    cells = [f"`{getattr(row, axis)}`" if row else GONE for _, row in limits]
    return table((given, *(f"`{name}`" for name, _ in limits)), [(f"narrowest {other}", *cells)])
