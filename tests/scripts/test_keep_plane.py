"""What is published of a plane: whole seeds, without layers, and where its costs are from."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(tmp_path: Path):
    spec = importlib.util.spec_from_file_location("keep_plane", ROOT / "scripts" / "keep_plane.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.RESULTS = tmp_path / "results" / "plane"
    return module


def study(folder: Path, *seeds: int) -> Path:
    point = {
        "technology": "my.json",
        "by_layer": [1],
        "arithmetic": ["exact"],
        "area_mm2_by_component": {"sb": 1.0},
        "provenance": {"accuracy": "measured", "energy": "long", "area": "long"},
    }
    results = {"network": "lenet", "planned_points": 6, "points": [point | {"seed": seed} for seed in seeds]}
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_seeds_that_are_not_as_far_as_the_first_are_left_out(script, tmp_path: Path, capsys) -> None:
    kept = json.loads(script.keep(study(tmp_path, 0, 0, 1, 1, 2)).read_text())
    assert capsys.readouterr().out == "lenet.json: 4 of 6 points kept\n"
    assert kept["planned_points"] == 6
    assert [point["seed"] for point in kept["points"]] == [0, 0, 1, 1]
    assert kept["points"][0] == {
        "technology": "my.json",
        "seed": 0,
        "provenance": {
            "accuracy": "measured",
            "energy": "the schedule's events times unit energies; every block's source is in my.json",
            "area": "every block's source is in my.json",
        },
    }


def test_nothing_finished_is_said(script, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=f"no point of '{tmp_path}' is finished"):
        script.keep(study(tmp_path))
