import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from bitwatt.report.console import console_table, summary

Make = Callable[..., dict[str, Any]]


def shown(results: dict[str, Any], width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(console_table(results))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_fits_in_80_columns(results: dict[str, Any]) -> None:
    lines = [line.rstrip() for line in shown(results).splitlines()]
    assert lines[0] == "LeNet on mnist-small"
    assert lines[1].split() == ["accuracy", "±95", "%", "memory", "area", "power", "energy", "saving"]
    assert lines[2].split() == ["precision", "%", "points", "MB", "mm²", "mW", "µJ/image"]
    assert lines[3].split() == ["float32", "98.30", "0.57", "1.72", "3.51", "584", "58.2", "reference"]
    assert lines[6].split() == ["fixed8*", "98.25", "0.58", "0.433", "0.327", "41.8", "4.16", "92.8", "%"]
    assert lines[10].startswith("fixed4 takes 2.9 % of float32's energy")
    assert max(map(len, lines)) <= 80


def test_each_precision_is_one_line(results: dict[str, Any]) -> None:
    # fixed4 starts a second line: the answer.
    first_words = [line.split()[0].rstrip("*") for line in shown(results).splitlines()[3:-1]]
    names = [p["precision"] for p in results["points"]]
    assert [word for word in first_words if word in names] == [*names, "fixed4"]


def test_without_float32_no_saving_is_shown(make_results: Make, make_point: Make) -> None:
    text = shown(make_results(make_point("fixed8", 1960, 2e-6), make_point("fixed4:fixed8", 1950, 1e-6)))
    assert text.count("no float32") == 2
    assert "fixed4:fixed8*" in text


def test_markup_in_a_name_is_text(make_results: Make, make_point: Make) -> None:
    records = make_results(make_point("[red]x[/red]", 1960, 2e-6, network="[bold]net[/bold]"))
    text = shown(records)
    assert "[bold]net[/bold] on mnist-small" in text
    assert "[red]x[/red]" in text


def test_the_same_as_values(results: dict[str, Any]) -> None:
    found = json.loads(json.dumps(summary(results), allow_nan=False))
    (group,) = found["groups"]
    assert (group["network"], group["preset"], group["choice"]) == ("lenet", "modern", "fixed4")
    fixed8 = group["rows"][3]
    assert fixed8["energy_j"] == results["points"][3]["energy_j"]
    assert fixed8["saving"]["energy"] == pytest.approx(1 - 4.158e-6 / 58.177e-6, abs=1e-3)
    assert fixed8["pareto"] is True
    assert group["provenance"][0] == {
        "quantity": "accuracy",
        "kinds": ["measured"],
        "statements": [
            {"text": "measured: tile-order float program on 2000 test images", "precisions": ["float32"]},
            {
                "text": "measured: integer program on 2000 test images",
                "precisions": ["fixed32", "fixed16", "fixed8", "fixed4", "pow2", "binary"],
            },
        ],
    }
