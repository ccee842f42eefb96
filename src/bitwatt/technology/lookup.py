"""Liberty's lookup tables: a scalar, a line or a surface, interpolated linearly.

Between the points the value is interpolated (bilinearly on a surface); outside, the outermost segment is
extended, as OpenSTA and abc do. Liberty leaves extrapolation to the tool.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from bitwatt.errors import DataError


@dataclass(frozen=True)
class LookupTable:
    """Values over up to two axes, in the library's own units.

    `variables` names each axis (for example `input_net_transition`), `axes` gives its points, and
    `values` has one row for each point of the first axis.
    """

    variables: tuple[str, ...]
    axes: tuple[tuple[float, ...], ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, slew: float, load: float) -> float:
        """The value for a transition time and an output load; an axis that is neither is held at zero."""
        points = tuple(
            load if "capacitance" in variable else slew if "transition" in variable else 0.0
            for variable in self.variables
        )
        return self.interpolate(*points)

    def interpolate(self, *point: float) -> float:
        """The value at one coordinate for each axis."""
        if not self.axes:
            return self.values[0][0]
        if len(self.axes) == 1:
            low, share = _segment(self.axes[0], point[0])
            row = self.values[0]
            return row[low] if len(row) == 1 else row[low] * (1 - share) + row[low + 1] * share
        (x, u), (y, v) = _segment(self.axes[0], point[0]), _segment(self.axes[1], point[1])
        near, far = self.values[x], self.values[min(x + 1, len(self.values) - 1)]
        y2 = min(y + 1, len(near) - 1)
        return (near[y] * (1 - v) + near[y2] * v) * (1 - u) + (far[y] * (1 - v) + far[y2] * v) * u


def lookup_table(
    where: str, variables: tuple[str, ...], axes: tuple[tuple[float, ...], ...], values: tuple[float, ...]
) -> LookupTable:
    """A table from the flat list of values that liberty gives.

    Raises `DataError` naming `where` when the number of values does not fit the axes, or an axis does not
    rise.
    """
    sizes = [len(axis) for axis in axes]
    if len(axes) > 2:
        raise DataError(f"{where}: tables of {len(axes)} axes are not supported; at most 2")
    if len(variables) != len(axes):
        raise DataError(f"{where}: {len(axes)} axes but {len(variables)} variables ({', '.join(variables)})")
    for axis in axes:
        if not axis or any(a >= b for a, b in pairwise(axis)):
            raise DataError(f"{where}: an axis must rise, got {axis}")
    expected = 1
    for size in sizes:
        expected *= size
    if len(values) != expected:
        raise DataError(f"{where}: {expected} values expected for axes of {sizes} points, got {len(values)}")
    columns = sizes[-1] if sizes else 1
    rows = tuple(values[start : start + columns] for start in range(0, len(values), columns))
    return LookupTable(variables, axes, rows)


def _segment(axis: tuple[float, ...], x: float) -> tuple[int, float]:
    """The index of the segment's lower point, and how far along it `x` lies (beyond [0, 1] off the axis)."""
    if len(axis) == 1:
        return 0, 0.0
    low = min(max(bisect_right(axis, x) - 1, 0), len(axis) - 2)
    return low, (x - axis[low]) / (axis[low + 1] - axis[low])
