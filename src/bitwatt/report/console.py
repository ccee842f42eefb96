"""The table in the terminal, and the same facts as plain values for machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group as Lines
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bitwatt.report.facts import REFERENCE, Facts, Group, Records, facts
from bitwatt.report.prose import cautions, headline, on_data
from bitwatt.report.quantities import percent, significant, unit_for
from bitwatt.report.rows import Row


def console_table(results: Records, within: float = 0.01) -> Lines:
    """A table for each network of one study or several, with the answer below it, for `rich`'s `print`.

    Fits in 80 columns. Raises `DataError` where the records are not what schema 1 says.
    """
    found = facts(results, within)
    return Lines(*_lines(found))


def summary(results: Records, within: float = 0.01) -> dict[str, Any]:
    """The table's facts as JSON values: SI units in names, accuracies and savings as shares.

    Raises `DataError` where the records are not what schema 1 says.
    """
    found = facts(results, within)
    return {
        "data": ", ".join(dict.fromkeys(study.data.name for study in found.studies)),
        "groups": [
            {
                "network": group.network,
                "data": group.study.data.name,
                "technology": group.technology,
                "preset": group.preset,
                "headline": headline(group),
                "within": group.within,
                "choice": group.choice.precision,
                "rows": [_values(row) for row in group.rows],
                "provenance": [
                    {
                        "quantity": source.quantity,
                        "kinds": list(source.kinds),
                        "statements": [
                            {"text": said.text, "precisions": list(said.precisions)}
                            for said in source.statements
                        ],
                    }
                    for source in group.sources
                ],
            }
            for group in found.groups
        ],
        "cautions": list(cautions(found)),
    }


def _values(row: Row) -> dict[str, Any]:
    saving = row.against
    return {
        "precision": row.precision,
        "seeds": list(row.seeds),
        "accuracy": row.accuracy.mean,
        "accuracy_interval": [row.accuracy.low, row.accuracy.high],
        "accuracy_spread": row.accuracy.spread,
        "memory_bytes": row.memory_bytes,
        "area_mm2": row.area_mm2,
        "power_w": row.power_w,
        "runtime_s": row.runtime_s,
        "energy_j": row.energy_j,
        "pareto": row.on_front,
        "saving": saving
        and {"energy": saving.energy, "power": saving.power, "area": saving.area, "memory": saving.memory},
    }


def _lines(found: Facts) -> Iterator[Table | Text]:
    for index, group in enumerate(found.groups):
        if index:
            yield Text()
        yield _table(group, f"{on_data(group, found)}")
        yield Text(headline(group), style="bold")
    yield Text("* no other precision is both cheaper and more accurate", style="dim")


def _table(group: Group, title: str) -> Table:
    rows = group.rows
    energy = unit_for([row.energy_j for row in rows], "J")
    power = unit_for([row.power_w for row in rows], "W")
    memory = unit_for([row.memory_bytes for row in rows], "B")
    # A title of the user's own may hold rich's markup.
    table = Table(title=escape(title), title_justify="left", pad_edge=False, padding=(0, 1), box=None)
    table.add_column("precision", overflow="fold")
    for label in (
        "accuracy\n%",
        "±95 %\npoints",
        f"memory\n{memory.symbol}",
        "area\nmm²",
        f"power\n{power.symbol}",
        f"energy\n{energy.symbol}/image",
        "saving\n",
    ):
        table.add_column(label, justify="right", no_wrap=True)
    for row in rows:
        half = (row.accuracy.high - row.accuracy.low) / 2
        table.add_row(
            Text(row.precision + ("*" if row.on_front else "")),
            f"{100 * row.accuracy.mean:.2f}",
            f"{100 * half:.2f}",
            memory.of(row.memory_bytes),
            significant(row.area_mm2),
            power.of(row.power_w),
            energy.of(row.energy_j),
            _saving(row),
            style="bold" if row is group.choice else None,
        )
    return table


def _saving(row: Row) -> str:
    if row.against is None:
        return f"no {REFERENCE}"
    return "reference" if row.precision == REFERENCE else percent(row.against.energy)
