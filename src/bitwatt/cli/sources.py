"""Where costs come from, for people: each statement once, however many figures rest on it."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

_COUNTS = re.compile(
    r"\d+ cells, |\d+ (?=macros)| of \d+ x \d+ bits|(?<=from 16) to \d+(?= bits)|synthesised: "
)
"""What differs from one figure to the next of the same source."""


def source_lines(*costs: tuple[Mapping[str, str], Container[str]]) -> list[str]:
    """A line each for a heading and for every distinct statement, after the names of what rests on it.

    costs: by figure where it comes from, and which of the figures are components. Counts of cells and macros
    and the details of operands are left out; JSON has them.
    """
    said: dict[str, dict[str, None]] = {}
    for provenance, components in costs:
        for name, text in provenance.items():
            head, operands, detail = text.partition("; operands ")
            statements = head.split("; ") if name in components else [head]
            if operands:
                statements.append(f"operands {detail.split('; ')[0]}")
            for statement in statements:
                said.setdefault(_COUNTS.sub("", statement), {})[name.replace("_", " ")] = None
    everything = {
        name.replace("_", " ") for provenance, known in costs for name in provenance if name in known
    }
    return [
        "sources (each figure's in full: --json)",
        *(
            f"- {'every component' if everything <= set(names) else ', '.join(names)}: {statement}"
            for statement, names in said.items()
        ),
    ]
