"""Where figures come from. Two kinds of source under one heading are listed apart, and said to be two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bitwatt.report.records import Point

KINDS: dict[str, str] = {
    "measured": "counted or timed on a run of the thing itself",
    "synthesised": "from the gates that a synthesis tool made of the tile's RTL",
    "table": "looked up in a table that somebody published or measured, named beside it",
    "scaled": "converted from another technology or size by a stated rule",
    "assumed": "a value that somebody chose, not one that was found",
    "published": "printed in the study that is cited, not a result of bitwatt",
}
"""The kinds of source, and what each means."""

UNSTATED = "unstated"
"""Stands where a source names none of the kinds."""

_WORDS = re.compile(r"\b(measured|synthesi[sz]ed|tables?|scaled|assumed|published)\b", re.IGNORECASE)
_ONE_WORD = {"synthesized": "synthesised", "tables": "table"}


@dataclass(frozen=True)
class Source:
    """One statement of where a quantity comes from, and the rows (network, precision) it is true of.

    `covers_all`: every row has this source for this quantity.
    """

    quantity: str
    text: str
    kinds: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]
    covers_all: bool

    @property
    def statement(self) -> str:
        """The text without the kind that may stand at its head, for where the kind stands beside it."""
        head, colon, rest = self.text.partition(":")
        return rest.strip() if colon and kinds_in(head) == (head.strip().lower(),) else self.text

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions it is true of, in the order of the table."""
        return tuple(dict.fromkeys(precision for _, precision in self.rows))


def kinds_in(text: str) -> tuple[str, ...]:
    """The kinds that a statement names, in the order of `KINDS`; `unstated` where it names none."""
    found = {_ONE_WORD.get(word.lower(), word.lower()) for word in _WORDS.findall(text)}
    return tuple(kind for kind in KINDS if kind in found) or (UNSTATED,)


def sources(points: Sequence[Point]) -> tuple[Source, ...]:
    """Every statement in the records, by quantity and then by text; a point without one is `unstated`."""
    quantities = list(dict.fromkeys(q for point in points for q in (*REQUIRED, *point.provenance)))
    every_row = {(point.network, point.precision) for point in points}
    found = []
    for quantity in quantities:
        rows: dict[str, dict[tuple[str, str], None]] = {}
        for point in points:
            rows.setdefault(point.provenance.get(quantity, ""), {})[point.network, point.precision] = None
        if set(rows) == {""} and quantity not in REQUIRED:
            continue
        for text, where in rows.items():
            found.append(Source(quantity, text, kinds_in(text), tuple(where), set(where) == every_row))
    return tuple(found)


REQUIRED = ("accuracy", "energy", "area")
"""Quantities of which a report says so when their source is not stated."""


def mixed(found: Sequence[Source]) -> tuple[str, ...]:
    """Quantities whose rows rest on different kinds of source, so that they compare unlike with unlike."""
    kinds: dict[str, set[tuple[str, ...]]] = {}
    for source in found:
        kinds.setdefault(source.quantity, set()).add(source.kinds)
    return tuple(quantity for quantity, seen in kinds.items() if len(seen) > 1)
