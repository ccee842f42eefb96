"""Search files, and the whole text of their errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitwatt.errors import RequestError
from bitwatt.formats import parse_precision
from bitwatt.study.search import SearchPlan, read_search_file

WHOLE = """\
[search]
network = "lenet"
data = "mnist-small"
objectives = ["accuracy", "energy"]
widths = [0.5, 1]
neurons = 16
time = "10min"

[search.budget]
energy = "1uJ"
accuracy = "98%"

[search.retraining]
epochs = 5
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "search.toml"
    path.write_text(text)
    return path


def test_a_whole_file_and_options_over_it(tmp_path: Path) -> None:
    plan = read_search_file(written(tmp_path, WHOLE), {"precisions": "fixed8,fixed4"})
    assert (plan.network, plan.costs, plan.widths, plan.neurons) == ("lenet", ("energy",), (0.5, 1.0), (16,))
    assert plan.budget == pytest.approx({"energy": 1e-6, "accuracy": 0.98})
    assert (plan.time_s, plan.precisions, plan.buffers) == (600, ("fixed8", "fixed4"), ("sram",))
    assert plan.recipe(parse_precision("fixed4")).epochs == 5
    assert plan.float_recipe().epochs == 6


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "widths =",
            "witdhs =",
            5,
            "unknown key of [search] 'witdhs'; did you mean 'widths'? Allowed: ",
        ),
        ('"energy"]', '"energie"]', 4, "unknown objective 'energie'; did you mean 'energy'? Allowed: "),
        ('["accuracy", "energy"]', '"energy"', 4, "objectives must be accuracy and at least one of "),
        ('energy = "1uJ"', 'energy = "1 u"', 10, "budget: energy has a unit of pJ, nJ, uJ, mJ, J, as in 1uJ"),
        (
            'energy = "1uJ"',
            'enrgy = "1uJ"',
            10,
            "unknown quantity of a budget 'enrgy'; did you mean 'energy'?",
        ),
        ('time = "10min"', 'time = "10"', 7, "time has a unit of s, min, h, d, as in 10min; got '10'"),
        ("[0.5, 1]", "[0.5, -1]", 5, "widths: input should be greater than 0, got -1"),
        ("epochs = 5", "epoch = 5", 14, "unknown key of [search.retraining] 'epoch'; did you mean 'epochs'?"),
        ("neurons = 16", "neurons = 300", 6, "tile: neurons must be a whole number from 1 to 256, got 300"),
        ('network = "lenet"\n', "", 1, "'network' is missing; a search needs 'network' and 'data'"),
        (
            "neurons = 16",
            'sampler = "tpee"',
            6,
            "sampler: input should be 'tpe', 'nsga2' or 'random', got 'tpee'",
        ),
        ("[search]", "seed = 1\n[search]", 1, "'seed' stands outside the table [search]"),
    ],
)
def test_errors_name_line_and_nearest_key(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    path = written(tmp_path, WHOLE.replace(old, new, 1))
    with pytest.raises(RequestError) as refused:
        read_search_file(path)
    assert str(refused.value).startswith(f"{path}, line {line}: {message}")


def test_a_study_is_no_search(tmp_path: Path) -> None:
    path = written(tmp_path, 'network = "lenet"\n')
    with pytest.raises(RequestError, match=r"has no table \[search\]; a study is run by `bitwatt study "):
        read_search_file(path)


def test_options_are_refused_in_words() -> None:
    with pytest.raises(RequestError) as refused:
        SearchPlan.of(network="lenet", data="mnist-small", objectives="accuracy,size")
    assert str(refused.value).startswith("search: unknown objective 'size'")
    with pytest.raises(RequestError, match=r"^search: trials: input should be greater than or equal to 1"):
        SearchPlan.of(network="lenet", data="mnist-small", trials=0)
