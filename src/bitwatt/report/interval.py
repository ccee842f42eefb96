"""How far an accuracy may lie from what so many test images show."""

from __future__ import annotations

from math import sqrt

Z_95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution: 95 % lies within +-Z_95."""


def wilson(share: float, count: int, z: float = Z_95) -> tuple[float, float]:
    """Limits of the interval of a share seen on `count` images, at 95 % unless another `z` is given.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc.
    22 (1927). Unlike share +- z * sqrt(share * (1 - share) / count) it stays in 0..1 and holds near 1, where
    accuracies are.
    """
    centre = share + z * z / (2 * count)
    half = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def difference(first: float, first_count: int, second: float, second_count: int) -> tuple[float, float]:
    """Limits at 95 % of `first - second`, from their Wilson intervals.

    R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of
    eleven methods", Statistics in Medicine 17 (1998), method 10. Two precisions seen on the same images are
    not independent but agree on most of them, so that the true interval is narrower: this one errs on the
    side of "cannot be told apart".
    """
    low_1, high_1 = wilson(first, first_count)
    low_2, high_2 = wilson(second, second_count)
    gap = first - second
    return (
        gap - sqrt((first - low_1) ** 2 + (high_2 - second) ** 2),
        gap + sqrt((high_1 - first) ** 2 + (second - low_2) ** 2),
    )
