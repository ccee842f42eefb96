import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitwatt.errors import DataError, RequestError
from bitwatt.report.records import check_results, read_results

Make = Callable[..., dict[str, Any]]


def message(results: Any) -> str:
    with pytest.raises(DataError) as caught:
        check_results(results, "x.json")
    return str(caught.value)


def test_a_file_and_its_folder_are_both_read(tmp_path: Path, results: dict[str, Any]) -> None:
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert read_results(tmp_path) == read_results(tmp_path / "results.json") == results


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        read_results(tmp_path)
    assert str(caught.value) == (
        f"no results at {tmp_path}/results.json: give the folder that `bitwatt study --out` wrote, "
        "or a results.json"
    )


def test_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text('{"schema": 1, "points": [')
    with pytest.raises(DataError) as caught:
        read_results(path)
    assert str(caught.value) == (
        f"{path} is not JSON: Expecting value at line 1, column 26 of 25 characters. "
        "Run the study again: finished points are re-used"
    )


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"results\.json cannot be read: 'utf-8' codec"):
        read_results(path)


def test_another_schema() -> None:
    assert message({"schema": 2}) == (
        "x.json: schema must be 1, got 2. A newer bitwatt may have written it: upgrade, or run the study "
        "again"
    )


def test_not_an_object() -> None:
    assert message([1]) == "x.json: expected an object with 'schema' and 'points', got [1]"


def test_no_points(make_results: Make) -> None:
    assert message(make_results()) == (
        "x.json: no point is finished yet. The same command goes on with the study"
    )


def test_a_field_of_the_wrong_kind(make_results: Make, make_point: Make) -> None:
    point = make_point("fixed8", 1900, 1e-6, runtime_s="soon", cycles=-1)
    assert message(make_results(point)) == (
        "x.json: points[0].cycles: input should be greater than or equal to 0, got -1 (1 more like this)"
    )


def test_a_field_that_is_missing(make_results: Make, make_point: Make) -> None:
    point = make_point("fixed8", 1900, 1e-6)
    del point["memory_bytes"]["biases"]
    assert message(make_results(point)) == "x.json: points[0].memory_bytes.biases: field required"


def test_not_a_number(make_results: Make, make_point: Make) -> None:
    point = make_point("fixed8", 1900, 1e-6, power_w=float("nan"))
    assert message(make_results(point)).startswith("x.json: points[0].power_w: input should be")


def test_parts_that_do_not_sum(make_results: Make, make_point: Make) -> None:
    point = make_point("fixed8", 1900, 1e-6, energy_j_by_component={"sb": 4e-7, "bin": 5e-7})
    assert message(make_results(point)) == (
        "x.json: points[0] (lenet, fixed8): energy_j_by_component sums to 9e-07, energy_j is 1e-06"
    )


def test_more_correct_than_counted(make_results: Make, make_point: Make) -> None:
    point = make_point("fixed8", 2001, 1e-6, accuracy=1.0)
    assert message(make_results(point)) == "x.json: points[0] (lenet, fixed8): correct is 2001 of count 2000"


def test_an_accuracy_that_was_not_counted(make_results: Make, make_point: Make) -> None:
    point = make_point("fixed8", 1900, 1e-6, accuracy=0.98)
    assert message(make_results(point)) == (
        "x.json: points[0] (lenet, fixed8): accuracy is 0.98, but 1900 of 2000 are correct"
    )


def test_a_repeated_point(make_results: Make, make_point: Make) -> None:
    point = make_point("fixed8", 1900, 1e-6)
    assert message(make_results(point, point)) == "x.json: points[1] repeats points[0]: lenet, fixed8, seed 0"


def test_fields_that_are_not_known_are_left_alone(make_results: Make, make_point: Make) -> None:
    check_results(make_results(make_point("fixed8", 1900, 1e-6, later=[1]), later={}))
