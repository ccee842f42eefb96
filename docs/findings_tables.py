"""The tables of one network: accuracy, energy, memory, layers. Imported by `findings.py`."""

from __future__ import annotations

from statistics import mean

from findings_kept import NAMES, NEW, OLD, Found, accuracy, area_at_65, caption, energy_at_65, label, table
from findings_targets import difference

from bitwatt.report.published import design_metrics, published
from bitwatt.report.quantities import hundredths, percent, points, significant, whole
from bitwatt.report.rows import Row

LAYERS_AT = ("float32", "fixed8", "fixed4", "binary")
NOT_CONVERGED, NOT_FINISHED = "no convergence", "not finished"


def printed_accuracy(network: str, precision: str) -> str:
    """The published accuracy in %, or why there is none."""
    theirs = published(network, precision)
    if theirs is None:
        return "not in the study"
    return NOT_CONVERGED if theirs.accuracy is None else hundredths(theirs.accuracy, 2)


def accuracy_table(found: Found, network: str) -> str:
    """Published accuracies beside ours, the spread over seeds, and the epochs that each point got."""
    rows = []
    for name in NAMES:
        row = found.row(network, name)
        cells = _accuracy_cells(found, row) if row else (NOT_FINISHED, "", "", "", "")
        rows.append([f"`{name}`", printed_accuracy(network, name), *cells])
    head = ("precision", "published, %", "ours, %", "seeds", "least to most",
            "against float32, points (95 %)", "epochs of float + at the precision")  # fmt: skip
    return f"{table(head, rows)}\n\n{caption(found.group(network).study.data)}"


def _accuracy_cells(found: Found, row: Row) -> tuple[str, ...]:
    values, epochs = row.accuracy.by_seed, dict(row.epochs)
    spread = f"{hundredths(min(values), 2)} to {hundredths(max(values), 2)}" if len(values) > 1 else ""
    first, then = f"{epochs['pretraining']:.0f}", f" + {epochs['retraining']:.0f}"
    if row.precision == "float32":
        return accuracy(row), str(len(values)), spread, "", first
    gained, low, high = difference(row, found.reference(row.network))
    against = f"{points(gained)} ({points(low)} to {points(high)})"
    return accuracy(row), str(len(values)), spread, against, first + then


Energies = tuple[float | None, float | None, float | None]


def energies(found: Found, network: str, precision: str) -> Energies:
    """J an image: published, on the published preset at 65 nm, on the modern one at 45 nm."""
    theirs, old, new = (
        published(network, precision),
        found.row(network, precision, OLD),
        found.row(network, precision),
    )
    return (
        theirs.energy_j if theirs else None,
        energy_at_65(old) if old else None,
        new.energy_j if new else None,
    )


def energy_table(found: Found, network: str) -> str:
    """Energies of an image and what they save against float32: published, and on both presets."""
    base = energies(found, network, "float32")
    rows = []
    for name in NAMES:
        values = energies(found, network, name)
        absent = (
            NOT_CONVERGED if published(network, name) else "not in the study",
            NOT_FINISHED,
            NOT_FINISHED,
        )
        cells = []
        for value, reference, instead, digits in zip(values, base, absent, (4, 3, 3), strict=True):
            cells.append(significant(1e6 * value, digits) if value else instead)
            cells.append(percent(1 - value / reference) if value and reference else "")
        rows.append([f"`{name}`", *cells])
    head = ("precision", "published, µJ", "saved", f"`{OLD}` at 65 nm, µJ", "saved", f"`{NEW}` at 45 nm, µJ",
            "saved")  # fmt: skip
    return table(head, rows)


def misses(found: Found, network: str) -> str:
    """How far the saved shares of energy are from the published ones, on average, in points."""
    base = energies(found, network, "float32")
    told = []
    for preset, place in ((OLD, 1), (NEW, 2)):
        gaps = []
        for name in NAMES[1:]:
            values = energies(found, network, name)
            mine, theirs, of_mine, of_theirs = values[place], values[0], base[place], base[0]
            if mine and theirs and of_mine and of_theirs:
                gaps.append(abs(mine / of_mine - theirs / of_theirs))
        if gaps:
            told.append(f"{100 * mean(gaps):.1f} points on `{preset}`")
    if not told:
        return ""
    return f"{label(network)}'s savings differ from the published ones by {', '.join(told)} on average."


def tile_table(found: Found, network: str) -> str:
    """Area of the tile, and its mean power while it runs a network."""
    rows = []
    for name in NAMES:
        old, new, theirs = found.row(network, name, OLD), found.row(network, name), design_metrics(name)
        if theirs is None or old is None or new is None:
            rows.append([f"`{name}`", *[NOT_FINISHED] * 6])
            continue
        rows.append(
            [
                f"`{name}`",
                f"{theirs.area_mm2:.2f}",
                significant(area_at_65(old)),
                significant(new.area_mm2),
                significant(1e3 * theirs.power_w, 4),
                significant(1e3 * energy_at_65(old) / old.runtime_s),
                significant(1e3 * new.power_w),
            ]
        )
    head = ("precision", "area, mm²: published", f"`{OLD}` at 65 nm", f"`{NEW}` at 45 nm",
            "power, mW: published", f"`{OLD}` at 65 nm", f"`{NEW}` at 45 nm")  # fmt: skip
    return table(head, rows)


def memory_table(found: Found, network: str) -> str:
    """Memory at the formats' true widths, and run time."""
    rows = [
        [
            f"`{row.precision}`",
            *(
                significant(value / 1024)
                for value in (row.weight_bytes, row.bias_bytes, row.activation_bytes)
            ),
            whole(row.cycles),
            significant(1e6 * row.runtime_s),
        ]
        for row in found.group(network).rows
    ]
    head = ("precision", "weights, KiB", "biases, KiB", "activations at once, KiB", "cycles", "run time, µs")
    return table(head, rows)


def layer_table(found: Found, network: str) -> str:
    """Where an image's energy goes, layer by layer, on the modern tile."""
    shown = [row for name in LAYERS_AT if (row := found.row(network, name))]
    rows = []
    for place, layer in enumerate(shown[0].layers):
        costs = [(row.layers[place].energy_j or 0.0, row.energy_j) for row in shown]
        rows.append(
            [
                layer.name,
                whole(layer.macs or 0),
                percent(layer.utilisation or 0, 0),
                *(f"{significant(1e6 * energy)} ({percent(energy / total)})" for energy, total in costs),
            ]
        )
    head = (
        "layer",
        "multiply-accumulates",
        "weight blocks at work",
        *(f"`{row.precision}`, µJ" for row in shown),
    )
    return table(head, rows)
