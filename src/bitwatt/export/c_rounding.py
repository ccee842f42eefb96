"""Expressions of C that bring sums, quotients and reals to the grid of a format."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bitwatt.export.c_text import array, identifier, literal
from bitwatt.export.uniform import ends, is_uniform
from bitwatt.formats import Format

WIDE = "wide"
"""The type of sums of more than 64 bits."""


@dataclass
class Source:
    """What functions need that stands before them: helpers, and the grids of formats."""

    helpers: set[str] = field(default_factory=set)
    grids: dict[Format, str] = field(default_factory=dict)

    def use(self, helper: str) -> str:
        """The helper's name, noted."""
        self.helpers.add(helper)
        return helper

    def round_shift(self, sum_type: str, shift: str, format: Format) -> str:
        """The expression that rounds `sum`, of that type, times 2**-shift; a wide one `narrowed` before."""
        reached = "narrow, shift" if sum_type == WIDE else f"sum, {shift}"
        if not is_uniform(format):
            return f"{self.use('grid_shift')}({reached}, {self.grid(format)})"
        width = "32" if sum_type == "int32_t" and format.bits < 32 else "64"
        return f"{self.use('nearest' + width)}({reached}, {_ends(format)})"

    def round_quotient(self, format: Format) -> str:
        """The expression that rounds `sum / count`."""
        if is_uniform(format):
            return f"{self.use('quotient')}(sum, count)"
        return f"{self.use('grid_quotient')}(sum, count, {self.grid(format)})"

    def round_real(self, value: str, format: Format) -> str:
        """The expression that rounds a double."""
        if is_uniform(format):
            return f"{self.use('whole')}({value}, {_ends(format)})"
        return f"{self.use('grid_real')}({value}, {self.grid(format)})"

    def grid(self, format: Format) -> str:
        """The grid's arguments: values, whether their codes are even, how many."""
        name = f"grid_{identifier(str(format))}"
        if format not in self.grids:
            values, even = _values(format)
            self.grids[format] = array("int64_t", name, values) + array("uint8_t", f"{name}_even", even)
        return f"{name}, {name}_even, {len(_values(format)[0])}"


def _ends(format: Format) -> str:
    low, high = ends(format)
    return f"{literal(low)}, {literal(high)}"


def _values(format: Format) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The format's integers, ascending, and whether the code of each is even."""
    codes = format.codes()
    integers = format.integers(codes)
    order = np.argsort(integers, kind="stable")
    return integers[order], codes[order] % 2 == 0
