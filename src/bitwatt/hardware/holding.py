"""Which formats hold which: a tile computes with its own, and runs any layer whose formats they hold.

Numbers here are a format's integers, in units of its `unit_exponent`, as a program has them. Everything
follows from `decode` and `encode`, so that it is right for formats that are added as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from bitwatt.errors import UnsupportedError
from bitwatt.formats import FORMATS, Fixed, Float32, Format
from bitwatt.formats.base import EXHAUSTIBLE_BITS


@lru_cache(maxsize=4096)
def holds(outer: Format, inner: Format) -> bool:
    """Whether every integer of `inner` is one of `outer`.

    A power-of-two scale between the two would not help: what a format here holds at some scale, it holds
    as it is.
    """
    if inner == outer:
        return True
    integers = _integers(inner)
    if integers is None or isinstance(outer, Float32):
        return _are_wholes_within(inner, outer)
    return np.array_equal(_nearest(outer, integers), integers)


@lru_cache(maxsize=4096)
def rounds_alike(outer: Format, inner: Format) -> bool:
    """Whether `outer`'s nearest, kept between the ends of `inner`, is always `inner`'s nearest.

    So it is where `outer` has no further integer between two neighbours of `inner`, and their ties go to the
    same one: both are seen at the middle of every two neighbours.
    """
    if inner == outer:
        return True
    integers = _integers(inner)
    if integers is None or isinstance(outer, Float32):
        return _are_wholes_within(inner, outer)
    if not holds(outer, inner):
        return False
    middles = (integers[1:] + integers[:-1]) / 2
    return np.array_equal(_nearest(outer, middles), _nearest(inner, middles))


def join(held: Iterable[Format], alike: Iterable[Format] = ()) -> Format:
    """The format that holds all of `held`, and rounds as each of `alike` does.

    It is the narrowest of theirs where one of them does, else of all there are. Raises `UnsupportedError`
    where none does.
    """
    return _join(frozenset(held), frozenset(alike))


@lru_cache(maxsize=1024)
def _join(held: frozenset[Format], alike: frozenset[Format]) -> Format:
    def holds_all(outer: Format) -> bool:
        return all(holds(outer, inner) for inner in held) and all(rounds_alike(outer, one) for one in alike)

    own = sorted(held | alike, key=lambda one: (one.bits, str(one)))
    others = sorted(_candidates(), key=lambda one: one.bits)
    found = next((outer for outer in chain(own, others) if holds_all(outer)), None)
    if found is None:
        names = " and ".join(map(str, own))
        raise UnsupportedError(
            f"no format of a tile holds {names} together; give the layers formats that one does"
        )
    return found


def _candidates() -> Iterator[Format]:
    yield from FORMATS
    for bits in range(2, 33):
        yield Fixed(bits)
        yield Fixed(bits, signed=False)


def _integers(format_: Format) -> NDArray[np.float64] | None:
    """Ascending; None where they are too many to list, and all the wholes between its ends (or float32's)."""
    if format_.bits > EXHAUSTIBLE_BITS:
        return None
    return np.unique(format_.integers(format_.codes())).astype(np.float64)


def _nearest(format_: Format, integers: NDArray[np.float64]) -> NDArray[np.float64]:
    unit = format_.unit_exponent
    return np.ldexp(format_.quantize(np.ldexp(integers, unit)), -unit)


def _are_wholes_within(inner: Format, outer: Format) -> bool:
    """For formats of too many code words to go through: fixed point's are all wholes from end to end."""
    return (
        isinstance(inner, Fixed)
        and isinstance(outer, Fixed)
        and outer.smallest_integer <= inner.smallest_integer
        and inner.largest_integer <= outer.largest_integer
    )
