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
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from bitwatt.report import prose, published
from bitwatt.report.atomic import write_atomic
from bitwatt.report.comparison import Comparison, compare
from bitwatt.report.components import COMPONENTS, Component, component, stacking_order
from bitwatt.report.energies import network_energies, precisions
from bitwatt.report.facts import REFERENCE, Facts, Group, Records, facts
from bitwatt.report.provenance import KINDS
from bitwatt.report.quantities import Unit, hundredths, percent, points, si, significant, unit_for, whole
from bitwatt.report.records import Results
from bitwatt.report.rows import LayerCost, Part, Row
from bitwatt.report.scatter import accuracy_energy_svg
from bitwatt.report.tiles import TilePreset, TileRow, design_table, tile_presets

Bar = TypeVar("Bar", Row, TileRow)


@dataclass(frozen=True)
class Stack(Generic[Bar]):
    """A chart of stacked bars: one bar a row, one segment a component."""

    key: str
    title: str
    unit: Unit
    rows: tuple[Bar, ...]
    parts: Callable[[Bar], Sequence[Part]]
    total: Callable[[Bar], float]
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

    def value(self, row: Bar, key: str) -> float | None:
        """One component's value in one row, None where the row has none."""
        return next((part.value for part in self.parts(row) if part.name == key), None)

    def tip(self, row: Bar) -> str:
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
    stacks: tuple[tuple[Stack[Row], str], ...]
    comparison: Comparison | None
    layers: tuple[str, ...]
    layer_notes: Mapping[str, str]
    csv: str

    @property
    def one_seed(self) -> bool:
        """Whether every row was trained with one seed alone."""
        return all(len(row.seeds) == 1 for row in self.group.rows)


@dataclass(frozen=True)
class TileView:
    """The tiles of one preset as the template wants them."""

    preset: TilePreset
    stacks: tuple[Stack[TileRow], ...]


Tiles = Mapping[str, Sequence[Mapping[str, Any]]]
"""By preset the records that `bitwatt tile --json` prints."""


def render_page(results: Records, within: float = 0.01, tiles: Tiles | None = None) -> str:
    """The page as HTML text, a function of the records alone: those of one study, or of several.

    within: the loss of accuracy, as a share, that the headline's choice accepts. tiles: for the part about
    the tile by itself, which is left out without them. Raises `DataError` where the records are not what
    schema 1 says.
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
    views = [_view(group, found, number) for number, group in enumerate(found.groups)]
    presets = tile_presets(tiles or {})
    # Of one network on one tile they stand in its own comparison already.
    energies = network_energies(found.groups) if presets or len(found.groups) > 1 else ()
    studies = found.studies
    return environment.from_string(_asset("page.html")).render(
        facts=found,
        studies=studies,
        views=views,
        subjects={prose.subject(view.group, found): view.slug for view in reversed(views)},
        sourced=_by_sources(views),
        title=_title(found),
        unders=[_under(study, network=len(studies) > 1) for study in studies],
        tile=list(
            dict.fromkeys(line for s in studies for line in prose.tile_sentences(s.tile, s.technology))
        ),
        tile_views=[_tile_view(preset) for preset in presets],
        tile_sentences=prose.preset_sentences(presets),
        design=design_table(presets),
        design_sentences=prose.design_sentences(presets),
        energies=energies,
        energy_rows=precisions(energies),
        cautions=prose.cautions(found),
        command=prose.command,
        trained=list(dict.fromkeys(stage for s in studies for p in s.points for stage in p.epochs)),
        network_label=prose.network_label,
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


def write_page(results: Records, path: str | Path, within: float = 0.01, tiles: Tiles | None = None) -> Path:
    """Write the page to `path` (whole or not at all) and return it.

    Raises `DataError` for records that are not schema 1, `RequestError` where `path` cannot be written.
    """
    path = Path(path)
    write_atomic(path, render_page(results, within, tiles).encode())
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
    networks: dict[str, dict[str, None]] = {}
    for group in found.groups:
        networks.setdefault(group.study.data.name, {})[prose.network_label(group.network)] = None
    return ", ".join(f"{', '.join(names)} on {data}" for data, names in networks.items())


def _by_sources(views: Sequence[View]) -> list[list[View]]:
    """The views, those with the same sources together."""
    together: dict[tuple[object, ...], list[View]] = {}
    for view in views:
        together.setdefault(view.group.sources, []).append(view)
    return list(together.values())


def _under(study: Results, *, network: bool) -> str:
    """What stands below the title: the data, the technology and the seeds of a study."""
    seeds = sorted({point.seed for point in study.points})
    data = f"{study.data.name}, {prose.data_phrase(study.data)}" if network else prose.data_phrase(study.data)
    return (
        f"{data} \N{MIDDLE DOT} tile in {study.technology} \N{MIDDLE DOT} "
        f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    )


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
        stacks=tuple(
            (stack, prose.shares_sentence(rows, stack.parts, stack.key))
            for stack in stacks
            if stack.components
        ),
        comparison=compare(group),
        layers=tuple(dict.fromkeys(layer.name for row in rows for layer in row.layers)),
        layer_notes={layer.name: _layer_note(layer) for row in reversed(rows) for layer in row.layers},
        csv=_csv(group),
    )


def _tile_view(preset: TilePreset) -> TileView:
    energy = unit_for([row.energy_j_per_mac for row in preset.rows], "J")
    return TileView(
        preset,
        (
            Stack(
                "area", "Area of the tile", Unit("mm²", 1.0), preset.rows,
                lambda row: row.area_parts, lambda row: row.area_mm2, lambda mm2: f"{significant(mm2)} mm²",
            ),
            Stack(
                "energy", "Energy of a multiply-accumulate", energy, preset.rows,
                lambda row: row.energy_parts, lambda row: row.energy_j_per_mac,
                lambda joules: si(joules, "J"),
            ),
        ),
    )  # fmt: skip


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
