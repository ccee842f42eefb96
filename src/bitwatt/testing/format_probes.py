"""The numbers on which a format is checked: all that matter where they can be listed, a sample where not."""

from __future__ import annotations

import numpy as np

from bitwatt.formats import EXHAUSTIBLE_BITS, Codes, Format, Values

SAMPLE = 50_000
"""Random code words of a format too wide to list."""


def is_narrow(format_: Format) -> bool:
    """True where every code word is listed."""
    return format_.bits <= EXHAUSTIBLE_BITS


def value_table(format_: Format) -> Values:
    """Every value of a format of 16 bits or fewer, once, ascending."""
    return np.unique(format_.decode(format_.codes()))


def sample_codes(format_: Format) -> Codes:
    """Code words that are not reserved: all of them, or the ends of every field and many at random."""
    if is_narrow(format_):
        return format_.codes()
    powers = 2 ** np.arange(format_.bits, dtype=np.int64)
    top = 2**format_.bits - 1
    corners = np.concatenate([[0, top], *(powers + step for step in (-2, -1, 0, 1, 2))])
    # Runs of ones under a high bit: where an exponent field ends, and the sign with each.
    runs = (top - powers + 1) & top
    corners = np.concatenate([corners, *(runs + step for step in (-2, -1, 0, 1))])
    corners = np.concatenate([corners, corners ^ (1 << (format_.bits - 1))])
    random = np.random.default_rng(0).integers(0, top, SAMPLE, endpoint=True, dtype=np.int64)
    codes = np.unique(np.concatenate([corners, random]))
    codes = codes[(codes >= 0) & (codes <= top)]
    valid: Codes = codes[~format_.reserved(codes)]
    return valid


def exactly_between(a: Values, b: Values) -> Values:
    """The midpoint of two neighbouring values: a float64 holds it for formats of 32 bits or fewer."""
    return a / 2 + b / 2


def probes(format_: Format, sample: int = 20_000) -> Values:
    """Numbers to round: values, midpoints, the float64 on either side of each, extremes, random ones."""
    if is_narrow(format_):
        values = value_table(format_)
        middles = exactly_between(values[:-1], values[1:])
    else:
        codes = sample_codes(format_)
        after = np.minimum(codes + 1, 2**format_.bits - 1)
        codes, after = codes[~format_.reserved(after)], after[~format_.reserved(after)]
        values, others = format_.decode(codes), format_.decode(after)
        middles = exactly_between(values, others)
        values, middles = values[np.isfinite(values)], middles[np.isfinite(middles)]
    points = np.concatenate([values, middles])
    random = np.random.default_rng(1)
    inside = random.uniform(format_.smallest, format_.largest, sample)
    # Numbers of every size, and the smaller the likelier, as in a trained network.
    scattered = random.standard_normal(sample) * 2.0 ** random.uniform(-30, 30, sample)
    far = np.array([0.0, -0.0, 5e-324, -5e-324, 1e-300, -1e-300, 1e300, -1e300, np.inf, -np.inf])
    far = np.concatenate([far, np.array([-2.0, -1.5, 1.5, 2.0]) * format_.largest])
    return np.concatenate(
        [points, np.nextafter(points, np.inf), np.nextafter(points, -np.inf), inside, scattered, far]
    )


def neighbours(format_: Format, codes: Codes) -> list[Values]:
    """Values beside those of the codes: the very next ones of the table, or those of the codes beside it."""
    if is_narrow(format_):
        table = value_table(format_)
        index = np.searchsorted(table, format_.decode(codes))
        return [table[np.maximum(index - 1, 0)], table[np.minimum(index + 1, len(table) - 1)]]
    beside = []
    for step in (-2, -1, 1, 2):
        near = np.clip(codes + step, 0, 2**format_.bits - 1)
        values = format_.decode(np.where(format_.reserved(near), codes, near))
        beside.append(np.where(np.isfinite(values), values, format_.decode(codes)))
    return beside
