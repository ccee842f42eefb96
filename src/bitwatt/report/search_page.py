"""The page of a search: one `report.html` with the Pareto front, what was chosen, and each point's command.

It has the look of a study's page (`page.css`, `page.js`), and asks no network for anything either.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from bitwatt.report.atomic import write_atomic
from bitwatt.report.page import tied
from bitwatt.report.quantities import hundredths, percent, points, si, significant, unit_for, whole
from bitwatt.report.scatter import accuracy_energy_svg
from bitwatt.report.search_facts import SearchFacts, precision_text, search_facts
from bitwatt.report.search_records import Search, check_search

_UNITS = {"energy": "J", "time": "s", "power": "W", "memory": "B"}
"""Base units of a budget's amounts; areas are in mm2, accuracies shares."""


def render_search_page(record: Mapping[str, Any]) -> str:
    """The page as HTML text, a function of `search.json`'s records alone.

    Raises `DataError` where they are not what schema 1 says.
    """
    found = search_facts(check_search(record))
    search = found.search
    script = _asset("page.js")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        hundredths=hundredths, percent=percent, points=points, si=si, significant=significant, tied=tied,
        whole=whole,
    )  # fmt: skip
    rows = found.rows
    name = f"Accuracy against energy an image of {search.plan.network} and what was found"
    return environment.from_string(_asset("search.html")).render(
        search=search,
        found=found.found,
        choices=found.choices,
        best=found.choices[0].found,
        reference=search.reference,
        row=found.reference,
        headline=_headline(found),
        budget=budget_text(search),
        wide=accuracy_energy_svg(found, 860, 430, name),
        narrow=accuracy_energy_svg(found, 400, 400, name),
        energy=unit_for([one.energy_j for one in rows], "J"),
        memory=unit_for([_memory(one) for one in (search.reference, *search.points)], "B"),
        total_memory=_memory,
        precision_of=lambda point: precision_text({"precision": point.precision, "layers": point.layers}),
        is_mixed=any(point.layers for point in search.points),
        style=Markup(_asset("page.css")),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def write_search_page(record: Mapping[str, Any], path: str | Path) -> Path:
    """Write the page to `path` (whole or not at all) and return it.

    Raises `DataError` for records that are not schema 1, `RequestError` where `path` cannot be written.
    """
    path = Path(path)
    write_atomic(path, render_search_page(record).encode())
    return path


def budget_text(search: Search) -> str:
    """The budget in words; empty where there was none."""
    limits = []
    for name, amount in search.plan.budget.items():
        if name == "accuracy":
            limits.append(f"an accuracy of {percent(amount, 2)} at least")
        elif name == "area":
            limits.append(f"an area of {significant(amount)} mm² at most")
        else:
            limits.append(f"{'an' if name == 'energy' else 'a'} {name} of {si(amount, _UNITS[name])} at most")
    return " and ".join(limits)


def _headline(found: SearchFacts) -> str:
    """What the search is worth, in a sentence."""
    search = found.search
    cheapest = next((c.found for c in found.choices[1:] if "energy" in c.title and c.found), None)
    if cheapest is None:
        return f"No network that was found is as accurate as {search.plan.network} in float32"
    point = cheapest.point
    own = f", {len(point.layers)} of its layers narrower," if point.layers else ""
    return (
        f"{point.network} at {point.precision}{own} is as accurate as {search.plan.network} in float32 on "
        f"the images held out, for {percent(point.saving['energy'])} less energy"
    )


def _memory(one: Any) -> int:
    kept = one.memory_bytes
    return int(kept.weights + kept.biases + kept.activations_peak)


def _asset(name: str) -> str:
    return files("bitwatt.report").joinpath(name).read_text(encoding="utf-8")
