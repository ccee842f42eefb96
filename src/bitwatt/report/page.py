"""The page: one `report.html` that opens from disk, asks no network for anything, and explains itself.

Facts are put in words by `prose`, drawn by `scatter`, and laid out by `page.html`, with `page.css` and
`page.js` inlined. Every value from the records is escaped: by Jinja2 in the template, markupsafe in the SVG.
A content security policy allows this page's own script alone (by its digest) and no connection at all.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from bitwatt.report import prose, published
from bitwatt.report.atomic import write_atomic
from bitwatt.report.comparison import Comparison, compare
from bitwatt.report.components import COMPONENTS, Component, component, stacking_order
from bitwatt.report.facts import REFERENCE, Facts, Group, facts
from bitwatt.report.provenance import KINDS
from bitwatt.report.quantities import Unit, hundredths, percent, points, si, significant, unit_for, whole
from bitwatt.report.rows import LayerCost, Part, Row
from bitwatt.report.scatter import accuracy_energy_svg


@dataclass(frozen=True)
class Stack:
    """A chart of stacked bars: one bar a row, one segment a component."""

    key: str
    title: str
    unit: Unit
    rows: tuple[Row, ...]
    parts: Callable[[Row], Sequence[Part]]
    total: Callable[[Row], float]
    show: Callable[[float], str]

    @property
    def largest(self) -> float:
        """The longest bar's value."""
        return max(map(self.total, self.rows)) or 1.0

    @property
    def components(self) -> tuple[Component, ...]:
        """The components that any bar has, in stacking order."""
        return tuple(
            map(component, stacking_order(part.name for row in self.rows for part in self.parts(row)))
        )

    def value(self, row: Row, key: str) -> float | None:
        """One component's value in one row, None where the row has none."""
        return next((part.value for part in self.parts(row) if part.name == key), None)

    @property
    def sentence(self) -> str:
        """How arithmetic and buffers share the total."""
        return prose.shares_sentence(self.rows, self.parts, self.key)

    def tip(self, row: Row) -> str:
        """All of a bar's parts, for a pointer or the keyboard."""
        lines = [f"{row.precision}\t{self.show(self.total(row))}"]
        for part in self.parts(row):
            value = f"{self.show(part.value)}, {percent(part.share)}"
            lines.append(f"{component(part.name).label}\t{value}")
        return "\n".join(lines)


@dataclass(frozen=True)
class View:
    """One group as the template wants it."""

    group: Group
    label: str
    slug: str
    headline: str
    choice: str | None
    steps: tuple[str, ...]
    trades: tuple[str, ...]
    wide: Markup
    narrow: Markup
    energy: Unit
    power: Unit
    time: Unit
    memory: Unit
    stacks: tuple[Stack, ...]
    comparison: Comparison | None
    layers: tuple[str, ...]
    layer_notes: Mapping[str, str]
    csv: str

    @property
    def one_seed(self) -> bool:
        """Whether every row was trained with one seed alone."""
        return all(len(row.seeds) == 1 for row in self.group.rows)


def render_page(results: Mapping[str, Any], within: float = 0.01) -> str:
    """The page as HTML text, a function of the records alone.

    within: the loss of accuracy, as a share, that the headline's choice accepts. Raises `DataError` where the
    records are not what schema 1 says.
    """
    found = facts(results, within)
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        hundredths=hundredths,
        percent=percent,
        points=points,
        si=si,
        significant=significant,
        tied=tied,
        whole=whole,
    )
    return environment.from_string(_asset("page.html")).render(
        facts=found,
        results=found.results,
        views=[_view(group, found, number) for number, group in enumerate(found.groups)],
        title=_title(found),
        data=prose.data_phrase(found.results.data),
        tile=prose.tile_sentences(found.results.tile, found.results.technology),
        cautions=prose.cautions(found),
        command=prose.command(found),
        trained=list(dict.fromkeys(stage for point in found.results.points for stage in point.epochs)),
        seeds=sorted({point.seed for point in found.results.points}),
        kinds=KINDS,
        components=COMPONENTS,
        components_by=component,
        reference=REFERENCE,
        published=published,
        bits_sentence=bits_sentence,
        style=Markup(_asset("page.css")),
        script=Markup(script),
        script_digest=digest,
    )


def write_page(results: Mapping[str, Any], path: str | Path, within: float = 0.01) -> Path:
    """Write the page to `path` (whole or not at all) and return it.

    Raises `DataError` for records that are not schema 1, `RequestError` where `path` cannot be written.
    """
    path = Path(path)
    write_atomic(path, render_page(results, within).encode())
    return path


def bits_sentence(row: Row) -> str:
    """The widths of a row's formats, such as `weights 6, inputs 16 bits`."""
    if row.bits is None:
        return f"weights {row.weights}, inputs {row.activations}"
    weights, inputs = row.bits
    return f"{weights} bits" if weights == inputs else f"weights {weights}, inputs {inputs} bits"


def tied(text: str) -> str:
    """`text` as a page sets it: numbers tied to their units by no-break spaces, curved apostrophes."""
    text = re.sub(r"(?<=\d) (?=%|mm²|[fpnµmkMGT]?(?:J|W|s|B|Hz)\b|points?\b)", "\N{NO-BREAK SPACE}", text)
    return text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")


def _asset(name: str) -> str:
    return files("bitwatt.report").joinpath(name).read_text(encoding="utf-8")


def _title(found: Facts) -> str:
    networks = list(dict.fromkeys(prose.network_label(group.network) for group in found.groups))
    return f"{', '.join(networks)} on {found.results.data.name}"


def _view(group: Group, found: Facts, number: int) -> View:
    label, rows = prose.group_label(group, found), group.rows
    name = f"Accuracy against energy an image of {label}"
    energy = unit_for([row.energy_j for row in rows], "J")
    stacks = (
        Stack(
            "energy", "Energy an image", energy, rows,
            lambda row: row.energy_parts, lambda row: row.energy_j, lambda joules: si(joules, "J"),
        ),
        Stack(
            "area", "Area of the tile", Unit("mm²", 1.0), rows,
            lambda row: row.area_parts, lambda row: row.area_mm2, lambda mm2: f"{significant(mm2)} mm²",
        ),
    )  # fmt: skip
    return View(
        group=group,
        label=label,
        slug=f"g{number}-" + (re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") or "network"),
        headline=prose.headline(group),
        choice=prose.choice_sentence(group),
        steps=tuple(map(prose.step_sentence, group.steps)),
        trades=prose.trade_sentences(group),
        wide=accuracy_energy_svg(group, 860, 430, name),
        narrow=accuracy_energy_svg(group, 400, 400, name),
        energy=energy,
        power=unit_for([row.power_w for row in rows], "W"),
        time=unit_for([row.runtime_s for row in rows], "s"),
        memory=unit_for([row.memory_bytes for row in rows] + [row.activation_bytes for row in rows], "B"),
        stacks=tuple(stack for stack in stacks if stack.components),
        comparison=compare(group, found.results),
        layers=tuple(dict.fromkeys(layer.name for row in rows for layer in row.layers)),
        layer_notes={layer.name: _layer_note(layer) for row in reversed(rows) for layer in row.layers},
        csv=_csv(group),
    )


def _layer_note(layer: LayerCost) -> str:
    macs = f"{whole(layer.macs)} products" if layer.macs else ""
    return ", ".join(note for note in (layer.kind, macs) if note)


def _csv(group: Group) -> str:
    """The table's facts as a `data:` address, so that the page can be asked for them without a server."""
    text = io.StringIO()
    rows = [_csv_row(row) for row in group.rows]
    out = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    return "data:text/csv;charset=utf-8," + quote(text.getvalue())


def _csv_row(row: Row) -> dict[str, str | float]:
    return {
        "network": row.network,
        "precision": row.precision,
        "weights": row.weights,
        "activations": row.activations,
        "seeds": " ".join(map(str, row.seeds)),
        "accuracy": row.accuracy.mean,
        "accuracy_low": row.accuracy.low,
        "accuracy_high": row.accuracy.high,
        "test_images": row.accuracy.count,
        "memory_bytes": row.memory_bytes,
        "area_mm2": row.area_mm2,
        "power_w": row.power_w,
        "runtime_s": row.runtime_s,
        "energy_j": row.energy_j,
        "energy_saving": row.against.energy if row.against else "",
    }
