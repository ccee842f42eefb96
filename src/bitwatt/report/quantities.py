"""Numbers as a reader wants them: significant digits, an SI prefix that fits, a true minus sign."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, isfinite, log10

PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
"""SI prefixes by power of ten."""

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Unit:
    """A unit with its prefix, such as µJ: `scale` of them make one of the base unit."""

    symbol: str
    scale: float

    def of(self, value: float, digits: int = 3) -> str:
        """The number alone, in this unit."""
        return significant(value * self.scale, digits)


def unit_for(values: Iterable[float], base: str) -> Unit:
    """One unit for a whole column: its largest value is 1 or more, its smallest 0.01 if that can be.

    A column in one unit can be compared down the page, which one of mixed nJ and µJ cannot.
    """
    sizes = [abs(value) for value in values if value and isfinite(value)]
    if not sizes:
        return Unit(base, 1.0)
    power = _thousands(max(sizes))
    if min(sizes) * 10.0**-power < 0.01:
        power = max(_thousands(min(sizes)), power - 3)
    return Unit(PREFIXES[power] + base, 10.0**-power)


def si(value: float, base: str, digits: int = 3) -> str:
    """Value and unit, such as `3.56 µJ`."""
    unit = unit_for([value], base)
    return f"{unit.of(value, digits)} {unit.symbol}"


def significant(value: float, digits: int = 3) -> str:
    """`value` with so many significant digits and no exponent: 1234 keeps its last, 0.01234 is 0.0123."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(0, digits - 1 - floor(log10(abs(rounded))))
    return _signed(f"{rounded if decimals else value:,.{decimals}f}")


def percent(share: float, decimals: int = 1) -> str:
    """A share in %, such as `93.1 %`; a fraction of a percent is never rounded up to all or nothing."""
    return hundredths(share, decimals) + " %"


def hundredths(share: float, decimals: int = 1) -> str:
    """The number of `percent` alone, for a column whose heading has the sign."""
    text = f"{100 * share:.{decimals}f}"
    if 0 < share < 1 and float(text) in (0.0, 100.0):
        text = f"{100 * share:.{decimals + 2}f}"
    return text.lstrip("-") if float(text) == 0 else _signed(text)


def points(difference: float, decimals: int = 2) -> str:
    """A difference of accuracies in percentage points, with its sign unless it rounds to zero."""
    text = f"{100 * difference:+.{decimals}f}"
    return text.lstrip("+-") if float(text) == 0 else _signed(text)


def whole(value: float) -> str:
    """A count with thousands set apart, such as `12,138`."""
    return _signed(f"{value:,.0f}")


def _thousands(size: float) -> int:
    # Rounded first, so that 999.7 nJ is 1.00 µJ.
    power = 3 * (floor(log10(float(f"{size:.2e}"))) // 3)
    return min(max(power, min(PREFIXES)), max(PREFIXES))


def _signed(text: str) -> str:
    return text.replace("-", MINUS)
