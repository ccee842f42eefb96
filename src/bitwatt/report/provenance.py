"""Where figures come from. Kinds of source under one heading are listed apart, and said to be several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bitwatt.report.components import COMPONENTS
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

REQUIRED = ("accuracy", "energy", "area")
"""Quantities of which a report says so when their source is not stated."""

_WORDS = re.compile(r"\b(measured|synthesi[sz]ed|tables?|scaled|assumed|published)\b", re.IGNORECASE)
_ONE_WORD = {"synthesized": "synthesised", "tables": "table"}
_KEY = "|".join(component.key for component in COMPONENTS)
# Before the components that a part of a statement is about: `; bin, bout: table ...`.
_PART = re.compile(rf"; (?=(?:{_KEY})(?:, (?:{_KEY}))*: )")


@dataclass(frozen=True)
class Statement:
    """What is said of a quantity, and the precisions it is said of."""

    text: str
    precisions: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The text, divided where it goes on to other components; without a kind at its head."""
        head, colon, rest = self.text.partition(": ")
        text = rest if colon and kinds_in(head) == (head.lower(),) else self.text
        return tuple(_PART.split(text))


@dataclass(frozen=True)
class Source:
    """All statements of one kind of source for one quantity."""

    quantity: str
    kinds: tuple[str, ...]
    statements: tuple[Statement, ...]

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions it is the source for."""
        return tuple(dict.fromkeys(p for statement in self.statements for p in statement.precisions))


def kinds_in(text: str) -> tuple[str, ...]:
    """The kinds that a statement names, in the order of `KINDS`; `unstated` where it names none."""
    found = {_ONE_WORD.get(word.lower(), word.lower()) for word in _WORDS.findall(text)}
    return tuple(kind for kind in KINDS if kind in found) or (UNSTATED,)


def sources(points: Sequence[Point]) -> tuple[Source, ...]:
    """Every statement in the records, by quantity and kinds; a point that has none is `unstated`."""
    quantities = dict.fromkeys([*REQUIRED, *(q for point in points for q in point.provenance)])
    found = []
    for quantity in quantities:
        if quantity not in REQUIRED and not any(point.provenance.get(quantity) for point in points):
            continue
        said: dict[str, dict[str, None]] = {}
        for point in points:
            said.setdefault(point.provenance.get(quantity, ""), {})[point.precision] = None
        by_kinds: dict[tuple[str, ...], list[Statement]] = {}
        for text, precisions in said.items():
            by_kinds.setdefault(kinds_in(text), []).append(Statement(text, tuple(precisions)))
        found += [Source(quantity, kinds, tuple(same)) for kinds, same in by_kinds.items()]
    return tuple(found)


def mixed(found: Sequence[Source]) -> tuple[str, ...]:
    """Quantities whose rows rest on different kinds of source, so that they compare unlike with unlike."""
    quantities = [source.quantity for source in found]
    return tuple(quantity for quantity in dict.fromkeys(quantities) if quantities.count(quantity) > 1)
