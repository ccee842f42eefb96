"""The page of a search, from its records alone: those that are kept in results/."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bitwatt.cli.app import run
from bitwatt.errors import DataError, RequestError
from bitwatt.report.search_facts import precision_text, search_facts
from bitwatt.report.search_page import render_search_page
from bitwatt.report.search_records import check_search, read_search

KEPT = Path(__file__).parents[2] / "results" / "search-lenet"


@pytest.fixture
def record() -> dict[str, Any]:
    return read_search(KEPT)


def test_every_point_stands_in_the_table_with_its_command(record: dict[str, Any]) -> None:
    page = render_search_page(record)
    assert page.count("<tr data-row=") == 1 + len(record["points"])
    for place, point in enumerate(record["points"], start=1):
        assert f'{place}: {point["network"]}<small class="own">{point["precision"]}' in page
        assert point["command"] in page
        assert f"{100 * point['test']['accuracy']:.2f}</td>" in page
    assert record["data"]["sha256"] in page
    for text in record["provenance"].values():
        assert text.split(":")[0].split("'")[0] in page


def test_what_was_chosen_and_saved_is_said(record: dict[str, Any]) -> None:
    facts = search_facts(check_search(record))
    places = [choice.found and choice.found.place - 1 for choice in facts.choices]
    assert places == [record["best"], *record["as_accurate_as_float"].values()]
    cheapest = record["points"][record["as_accurate_as_float"]["energy"]]
    saved = f"{100 * cheapest['saving']['energy']:.1f}"
    assert f"for {saved}\N{NO-BREAK SPACE}% less energy" in render_search_page(record)


def test_the_front_of_the_picture_is_of_accuracy_and_energy(record: dict[str, Any]) -> None:
    facts = search_facts(check_search(record))
    assert len({row.precision for row in facts.rows}) == len(facts.rows)
    for row in facts.rows:
        beaten = any(
            other.energy_j <= row.energy_j
            and other.accuracy.mean >= row.accuracy.mean
            and (other.energy_j, other.accuracy.mean) != (row.energy_j, row.accuracy.mean)
            for other in facts.rows
        )
        assert row.on_front != beaten
    assert facts.choice is facts.rows[1 + record["best"]]


def test_a_page_asks_no_network_and_names_are_escaped(record: dict[str, Any]) -> None:
    record = copy.deepcopy(record)
    record["points"][0]["network"] = "<script>alert(1)</script>"
    page = render_search_page(record)
    assert "<script>alert" not in page
    assert not re.search(r"(src|href)=\"(?!#)", page)
    assert "default-src 'none'" in page


def test_layers_of_their_own_and_two_tiles_are_told_apart(record: dict[str, Any]) -> None:
    record = copy.deepcopy(record)
    own = {"layers": {"fc1": "fixed4:fixed8"}, "tile_precision": "fixed8", "precision": "fixed8"}
    mixed = {**record["points"][0], **own}
    wider = copy.deepcopy(record["points"][0])
    wider["tile"]["neurons"] = 32
    record["points"] += [mixed, wider]
    page = render_search_page(record)
    assert precision_text(mixed) == "fixed8; fc1: fixed4:fixed8"
    several = {"precision": "fixed8", "layers": {"a": "fixed4", "b": "fixed6", "c": "fixed4"}}
    assert precision_text(several) == "fixed8; a, c: fixed4; b: fixed6"
    assert "fixed8; fc1: fixed4:fixed8 (tile fixed8)</small>" in page
    labels = [row.precision for row in search_facts(check_search(record)).rows]
    assert labels[-2:] == ["fixed8 and 1 narrower", "fixed6 on 32"]


def test_nothing_found_is_said(record: dict[str, Any]) -> None:
    nothing = {**record, "best": None, "as_accurate_as_float": dict.fromkeys(record["as_accurate_as_float"])}
    page = render_search_page(nothing)
    assert "No network that was found is as accurate as lenet in float32" in page
    assert page.count('<td colspan="5">none</td>') == 4


@pytest.mark.parametrize(
    "change, message",
    [
        ({"schema": 2}, "search: schema must be 1, got 2; upgrade bitwatt, or search again"),
        ({"best": 99}, "search: best is 99, and there are 7 points"),
        ({"points": []}, "search: points: list should have at least 1 item after validation, not 0, got []"),
        ({"reference": 1}, "search: reference: input should be a valid dictionary or instance of "),
    ],
)
def test_records_that_are_none_are_refused(record: dict[str, Any], change: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        check_search({**record, **change})
    assert str(caught.value).startswith(message)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RequestError, match=r"no search at .*: give the folder that `bitwatt search --out` wrote"
    ):
        read_search(tmp_path)
    (tmp_path / "search.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        read_search(tmp_path)


def test_bitwatt_report_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "search.json").write_text((KEPT / "search.json").read_text())
    assert run(["report", str(tmp_path)]) == 0
    assert "Best within the budget: 1; saved: 95.1 % energy" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page == render_search_page(read_search(tmp_path))
    assert (
        run(["report", str(tmp_path / "search.json"), "--json", "--out", str(tmp_path / "other.html")]) == 0
    )
    assert json.loads(capsys.readouterr().out) == read_search(tmp_path)
    assert (tmp_path / "other.html").read_text() == page
    assert run(["report", str(tmp_path), str(KEPT)]) == 2
    assert "a search has a page of its own; give one folder alone" in capsys.readouterr().err
