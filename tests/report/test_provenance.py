from collections.abc import Callable
from typing import Any

import pytest

from bitwatt.report.facts import facts
from bitwatt.report.provenance import KINDS, UNSTATED, Statement, kinds_in

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


def test_two_kinds_for_one_quantity_are_listed_apart(make_results: Make, make_point: Make) -> None:
    here = {"accuracy": "measured", "energy": "synthesised", "area": "synthesised"}
    there = here | {"energy": "assumed"}
    found = facts(
        make_results(
            make_point("float32", 1960, 1e-5, provenance=there),
            make_point("fixed8", 1960, 1e-6, provenance=here),
            make_point("fixed4", 1960, 1e-6, provenance=here),
        )
    )
    (group,) = found.groups
    assert [(s.quantity, s.kinds, s.precisions) for s in group.sources] == [
        ("accuracy", ("measured",), ("float32", "fixed8", "fixed4")),
        ("energy", ("assumed",), ("float32",)),
        ("energy", ("synthesised",), ("fixed8", "fixed4")),
        ("area", ("synthesised",), ("float32", "fixed8", "fixed4")),
    ]
    assert group.mixed == ("energy",)


def test_statements_of_one_kind_stand_together_each_with_its_precisions(
    make_results: Make, make_point: Make
) -> None:
    points = [
        make_point(precision, 1960, 1e-6, provenance={"energy": f"synthesised: {cells} cells"})
        for precision, cells in (("float32", 900), ("fixed8", 80), ("fixed4", 80))
    ]
    (group,) = facts(make_results(*points)).groups
    (energy,) = (s for s in group.sources if s.quantity == "energy")
    assert [(s.text, s.precisions) for s in energy.statements] == [
        ("synthesised: 900 cells", ("float32",)),
        ("synthesised: 80 cells", ("fixed8", "fixed4")),
    ]
    assert group.mixed == ()


def test_two_presets_on_different_sources_are_not_mixed(make_results: Make, make_point: Make) -> None:
    found = facts(
        make_results(
            make_point("fixed8", 1960, 1e-6, preset="modern", provenance={"energy": "table"}),
            make_point("fixed8", 1960, 1e-6, preset="hashemi2017", provenance={"energy": "scaled"}),
        )
    )
    assert [group.mixed for group in found.groups] == [(), ()]


def test_a_source_that_is_not_stated_is_said_to_be(make_results: Make, make_point: Make) -> None:
    found = facts(make_results(make_point("fixed8", 1960, 1e-6, provenance={"energy": "measured", "x": ""})))
    assert [(s.quantity, s.kinds) for s in found.groups[0].sources] == [
        ("accuracy", (UNSTATED,)),
        ("energy", ("measured",)),
        ("area", (UNSTATED,)),
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("measured: on 2000 images", ("on 2000 images",)),
        ("yosys: synthesised", ("yosys: synthesised",)),
        ("table", ("table",)),
        ("", ("",)),
        (
            "events; sb: table: CACTI; sha; bin, bout: scaled; control: assumed",
            ("events", "sb: table: CACTI; sha", "bin, bout: scaled", "control: assumed"),
        ),
    ],
)
def test_a_statement_is_divided_by_component_and_loses_a_kind_at_its_head(
    text: str, parts: tuple[str, ...]
) -> None:
    assert Statement(text, ("fixed8",)).parts == parts
