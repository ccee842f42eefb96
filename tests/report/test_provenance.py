from collections.abc import Callable
from typing import Any

import pytest

from bitwatt.report.facts import facts
from bitwatt.report.provenance import KINDS, UNSTATED, kinds_in

Make = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("measured: integer program", ("measured",)),
        ("Synthesized by yosys; toggle rates assumed", ("synthesised", "assumed")),
        ("assumed, then scaled from tables", ("table", "scaled", "assumed")),
        ("unmeasured and notable", (UNSTATED,)),
        ("", (UNSTATED,)),
    ],
)
def test_kinds_are_read_as_words(text: str, kinds: tuple[str, ...]) -> None:
    assert kinds_in(text) == kinds


def test_every_kind_is_recognised_by_its_name() -> None:
    assert [kinds_in(kind) for kind in KINDS] == [(kind,) for kind in KINDS]


def test_two_statements_for_one_quantity_are_listed_apart(make_results: Make, make_point: Make) -> None:
    here = {"accuracy": "measured", "energy": "synthesised", "area": "synthesised"}
    there = here | {"energy": "assumed"}
    found = facts(
        make_results(
            make_point("float32", 1960, 1e-5, provenance=there),
            make_point("fixed8", 1960, 1e-6, provenance=here),
            make_point("fixed4", 1960, 1e-6, provenance=here),
        )
    )
    assert [(s.quantity, s.kinds, s.precisions, s.covers_all) for s in found.sources] == [
        ("accuracy", ("measured",), ("float32", "fixed8", "fixed4"), True),
        ("energy", ("assumed",), ("float32",), False),
        ("energy", ("synthesised",), ("fixed8", "fixed4"), False),
        ("area", ("synthesised",), ("float32", "fixed8", "fixed4"), True),
    ]
    assert found.mixed == ("energy",)


def test_a_source_that_is_not_stated_is_said_to_be(make_results: Make, make_point: Make) -> None:
    found = facts(make_results(make_point("fixed8", 1960, 1e-6, provenance={"energy": "measured"})))
    assert [(s.quantity, s.kinds) for s in found.sources] == [
        ("accuracy", (UNSTATED,)),
        ("energy", ("measured",)),
        ("area", (UNSTATED,)),
    ]


def test_a_statement_does_not_repeat_the_kind_beside_it(make_results: Make, make_point: Make) -> None:
    texts = {"accuracy": "measured: on 2000 images", "energy": "yosys: synthesised", "area": "table"}
    found = facts(make_results(make_point("fixed8", 1960, 1e-6, provenance=texts)))
    assert [s.statement for s in found.sources] == ["on 2000 images", "yosys: synthesised", "table"]
