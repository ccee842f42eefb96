"""The catalogue as a table: facts first, then as markdown for the README."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bitwatt.formats.base import Format
from bitwatt.formats.catalogue import CATALOGUE
from bitwatt.formats.precision import Precision, default_activations


@dataclass(frozen=True)
class FormatRow:
    """What the table says of one format; values are before the layer's power-of-two scale."""

    name: str
    family: str
    bits: int
    smallest: float
    largest: float
    unit_exponent: int
    has_zero: bool
    precision: str | None
    """WEIGHTS:ACTIVATIONS of the precision that the bare name stands for; None where it stands for none."""


def format_rows() -> list[FormatRow]:
    """One row for each member of `CATALOGUE`, in its order."""
    return [_row(member) for members in CATALOGUE.values() for member in members]


def markdown_table() -> str:
    """The rows as a markdown table, without a line end after the last.

    `scripts/update_readme.py` puts it into the README, between its markers.
    """
    lines = [
        "| format | family | bits | smallest | largest | unit | zero | as a precision, weights:activations |",
        "|---|---|--:|--:|--:|--:|:-:|---|",
    ]
    for row in format_rows():
        cells = (
            f"`{row.name}`",
            row.family,
            str(row.bits),
            real_text(row.smallest),
            real_text(row.largest),
            real_text(2.0**row.unit_exponent),
            "yes" if row.has_zero else "no",
            f"`{row.precision}`" if row.precision else f"name both, as in `fixed{row.bits}:{row.name}`",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def real_text(value: float) -> str:
    """A value as people write it: exactly where a few digits or a power of two say it, else four digits.

    >>> [real_text(value) for value in (448.0, -(2.0**31), 2.0**31 - 1, 2.0**-16, 3.4028234663852886e38)]
    ['448', '-2^31', '2^31 - 1', '2^-16', '3.403e+38']
    """
    plain = f"{value:g}"
    if float(plain) == value and len(plain) <= 6:
        return plain
    if math.frexp(abs(value))[0] == 0.5:
        return f"{'-' if value < 0 else ''}2^{math.frexp(value)[1] - 1}"
    if value > 0 and value + 1 < 2.0**53 and math.frexp(value + 1)[0] == 0.5:
        return f"2^{math.frexp(value)[1]} - 1"
    return f"{value:.4g}"


def _row(member: Format) -> FormatRow:
    activations = default_activations(member)
    precision = None if activations is None else Precision(member, activations)
    return FormatRow(
        name=str(member),
        family=member.family,
        bits=member.bits,
        smallest=member.smallest,
        largest=member.largest,
        unit_exponent=member.unit_exponent,
        has_zero=bool(member.quantize(0.0) == 0),
        precision=f"{precision.weights}:{precision.activations}" if precision else None,
    )
