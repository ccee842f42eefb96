"""Which layers are narrowed next, and in which formats."""

from __future__ import annotations

from bitwatt.formats import parse_format
from bitwatt.hardware.workload import LayerWork
from bitwatt.study.search.narrowing import narrower
from bitwatt.study.search.space import Design

KNOWN = [
    parse_format(name) for name in ("fixed16", "fixed8", "fixed4", "fixed3", "binary", "ternary", "pow2")
]
UNIFORM = Design(1.0, 0, "fixed8")


def layer(name: str, weights: int) -> LayerWork:
    kind = "weighted" if weights else "pool"
    return LayerWork(name, kind, 1, 1, 1, 1, 1, 1, False, 1, 1, weights, 1, False)


WORKS = [layer("c1", 50), layer("p", 0), layer("c2", 200), layer("c3", 100), layer("f", 500)]


def layers_of(designs: object) -> list[dict[str, str]]:
    return [dict(one.layers) for one in designs]  # type: ignore[attr-defined]


def test_the_largest_layer_and_all_inner_ones_at_the_two_widest_formats_of_half_the_bits() -> None:
    found = list(narrower(UNIFORM, WORKS, KNOWN))
    assert layers_of(found) == [
        {"f": "fixed4:fixed8"},
        {"c2": "fixed4:fixed8", "c3": "fixed4:fixed8"},
        {"f": "fixed3:fixed8"},
        {"c2": "fixed3:fixed8", "c3": "fixed3:fixed8"},
    ]
    assert {(one.width, one.depth, one.precision) for one in found} == {(1.0, 0, "fixed8")}


def test_then_the_next_largest_too_but_never_all() -> None:
    own = "fixed4:fixed8"
    one = Design(1.0, 0, "fixed8", (("f", own),))
    (two,) = narrower(one, WORKS, KNOWN)
    assert dict(two.layers) == {"f": own, "c2": own}
    (three,) = narrower(two, WORKS, KNOWN)
    assert dict(three.layers) == {"f": own, "c2": own, "c3": own}
    assert not list(narrower(three, WORKS, KNOWN))
    inner = Design(1.0, 0, "fixed8", (("c2", own), ("c3", own)))
    assert not list(narrower(inner, WORKS, KNOWN))


def test_only_formats_that_the_tile_holds() -> None:
    found = narrower(Design(1.0, 0, "pow2"), WORKS, KNOWN)
    # Of fixed3 and ternary, both of half the bits or fewer, 3 is no power of two.
    assert {own for layers in layers_of(found) for own in layers.values()} == {
        "ternary:fixed16",
        "binary:fixed16",
    }


def test_nothing_to_narrow() -> None:
    assert not list(narrower(Design(1.0, 0, "binary"), WORKS, KNOWN))
    assert not list(narrower(UNIFORM, WORKS[:2], KNOWN))
