"""The whole way on a tiny network: train, quantise, lower, evaluate, cost, keep. The first file to read."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from bitwatt.errors import BitwattError
from bitwatt.program import evaluate, load
from bitwatt.study import StudyPlan, run_study
from bitwatt.study.results import json_schema
from bitwatt.study.subject import load_data
from bitwatt.training import Recipe

PLAN = StudyPlan(
    name="tiny",
    networks=("tiny:network",),
    data="tiny:bars",
    precisions=("float32", "fixed8", "binary"),
    pretraining=Recipe(epochs=6, batch_size=32, learning_rate=0.1),
    retraining=Recipe(epochs=3, batch_size=32, learning_rate=0.02),
)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    run_study(PLAN, folder, workers=1)
    return folder


def test_every_precision_learns_and_is_costed(studied: Path) -> None:
    results = json.loads((studied / "results.json").read_text())
    assert [point["precision"] for point in results["points"]] == ["float32", "fixed8", "binary"]
    for point in results["points"]:
        assert point["accuracy"] == point["correct"] / point["count"] >= 0.9
        assert point["energy_j"] == sum(point["energy_j_by_component"].values()) > 0
        assert point["energy_j"] == sum(layer["energy_j"] for layer in point["by_layer"])
        assert point["area_mm2"] == sum(point["area_mm2_by_component"].values()) > 0
    energies = [point["energy_j"] for point in results["points"]]
    assert energies == sorted(energies, reverse=True)


def test_a_residual_network_is_costed_on_a_tile_that_adds_residuals(tmp_path: Path) -> None:
    plan = PLAN.model_copy(update={"networks": ("tiny:residual_network",), "precisions": ("fixed8",)})
    (point,) = run_study(plan, tmp_path, workers=1).points
    assert point.accuracy >= 0.9
    assert point.energy_j > 0


def test_results_are_what_the_published_schema_says(studied: Path) -> None:
    shipped = json.loads(files("bitwatt.study").joinpath("results.schema.json").read_text())
    assert shipped == json_schema(), "write it again: python -m bitwatt.study.results"
    jsonschema.Draft202012Validator.check_schema(shipped)
    results = json.loads((studied / "results.json").read_text())
    jsonschema.validate(results, shipped)
    results["points"][0]["accuracy"] = 1.5
    with pytest.raises(jsonschema.ValidationError, match=r"1\.5 is greater than the maximum of 1"):
        jsonschema.validate(results, shipped)


def test_the_kept_program_gives_the_reported_accuracy(studied: Path, tmp_path: Path) -> None:
    data = load_data(PLAN.data, None, 0.0)
    results = json.loads((studied / "results.json").read_text())
    programs = list((studied / "artifacts").iterdir())
    found = 0
    for path in programs:
        try:
            program = load(path)
        except BitwattError:  # the float weights
            continue
        point = next(p for p in results["points"] if p["precision"] == program.precision)
        assert evaluate(program, data.test).correct == point["correct"]
        found += 1
    assert (found, len(programs)) == (3, 4)


@pytest.mark.parametrize("workers", [2, 4])
def test_again_elsewhere_on_more_workers_the_bytes_are_the_same(
    studied: Path, tmp_path: Path, workers: int
) -> None:
    run_study(PLAN, tmp_path, workers=workers)
    assert (tmp_path / "results.json").read_bytes() == (studied / "results.json").read_bytes()


def test_killed_in_real_training_the_bytes_are_the_same(studied: Path, tmp_path: Path) -> None:
    here = str(Path(__file__).parent)
    code = (
        f"import sys; sys.path.insert(0, {here!r}); from pathlib import Path; import test_tiny as t;"
        f"t.run_study(t.PLAN, Path({str(tmp_path)!r}), workers=1)"
    )
    moments = random.Random(5)
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", code])
        begun = time.time()
        artifacts = tmp_path / "artifacts"
        while process.poll() is None and not (artifacts.exists() and artifacts.stat().st_mtime > begun):
            time.sleep(0.005)
        time.sleep(moments.uniform(0.0, 0.4))
        process.kill()
        process.wait()
    run_study(PLAN, tmp_path, workers=1)
    assert (tmp_path / "results.json").read_bytes() == (studied / "results.json").read_bytes()


def test_another_preset_is_costed_and_nothing_is_trained(studied: Path, tmp_path: Path) -> None:
    events: list[object] = []
    both = PLAN.model_copy(update={"other_presets": ("hashemi2017",)})
    results = run_study(both, studied, workers=1, listen=events.append)
    assert [(p.precision, p.preset) for p in results.points] == [
        (precision, preset) for precision in PLAN.precisions for preset in ("modern", "hashemi2017")
    ]
    assert not [event for event in events if type(event).__name__ == "EpochDone"]
    # And back: what was there is there still.
    run_study(PLAN, studied, workers=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": ("lenett",)}, "unknown network 'lenett'; did you mean 'lenet'? Allowed: "),
        ({"data": "mnist-smal"}, "unknown data set 'mnist-smal'; did you mean 'mnist-small'? Allowed: "),
        ({"technology": "nangate54"}, "unknown technology 'nangate54'; did you mean 'nangate45'? Allowed: "),
        (
            {"networks": ("tiny:broken_network",)},
            "network 'tiny:broken_network': '0.weight' holds NaN or infinite weights",
        ),
        (
            {"networks": ("tiny:no_network",)},
            "network 'tiny:no_network' must return a torch.nn.Module, got str",
        ),
        (
            {"networks": ("tiny:nothing",)},
            "network 'tiny:nothing': cannot find the function 'nothing' in the module 'tiny' (",
        ),
        (
            {"networks": ("tiny:wide_network",)},
            "network 'tiny:wide_network' does not take the images of 'tiny:bars', (1, 8, 8): ",
        ),
        (
            {"networks": ("lenet*wide",)},
            "network 'lenet*wide': after '*' stands a width such as 0.5, got 'wide'",
        ),
    ],
)
def test_what_is_wrong_is_said_before_any_work(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(BitwattError) as refused:
        run_study(PLAN.model_copy(update=change), tmp_path)
    assert str(refused.value).startswith(message)
    assert not (tmp_path / "study.db").exists()


def test_a_layer_that_cannot_be_lowered_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(BitwattError, match="Tanh"):
        run_study(PLAN.model_copy(update={"networks": ("tiny:unsupported_network",)}), tmp_path)
    assert not (tmp_path / "study.db").exists()
