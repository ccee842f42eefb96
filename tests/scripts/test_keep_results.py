"""What is published of a study: its finished points, costed anew, and the programs that they name."""

import hashlib
import importlib
import importlib.util
import json
from pathlib import Path

import pytest
import torch

import bitwatt as bw

ROOT = Path(__file__).parents[2]
DATA = "mnist-small"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spec = importlib.util.spec_from_file_location("keep_results", ROOT / "scripts" / "keep_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.RESULTS = tmp_path / "results" / "paper"
    monkeypatch.setattr(
        importlib.import_module("bitwatt.networks.pretrained"), "FOLDER", tmp_path / "trained"
    )
    return module


@pytest.fixture(scope="module")
def program():
    torch.set_num_threads(1)
    images = bw.datasets.load(DATA).test.images[:8]
    net = bw.networks.create("lenet", seed=0, width=0.1)
    return bw.lower(
        bw.quantize(net, "binary", calibration=images).eval(), example=images[:1], network="lenet"
    )


@pytest.fixture
def study(program, tmp_path: Path) -> Path:
    """A folder of a study with one of three points finished, whose costs are out of date."""
    folder = tmp_path / "runs" / "lenet"
    (folder / "artifacts").mkdir(parents=True)
    (folder / "artifacts" / "4567").write_bytes(b"weights")
    program.save(folder / "artifacts" / "0123")
    found = bw.evaluate(program, bw.datasets.load(DATA).test)
    point = {
        "network": "lenet",
        "precision": "binary",
        "seed": 3,
        "preset": "hashemi2017",
        "technology": "nangate45",
        "accuracy": found.accuracy,
        "correct": found.correct,
        "count": found.count,
        "energy_j": 1.0,
        "program_sha256": digest(folder / "artifacts" / "0123"),
    }
    results = {"network": "lenet", "data": {"name": DATA, "source": "digits"}, "planned_points": 3}
    (folder / "results.json").write_text(json.dumps(results | {"points": [point]}))
    return folder


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def change(study: Path, **values: object) -> None:
    record = json.loads((study / "results.json").read_text())
    record["points"][0] |= values
    (study / "results.json").write_text(json.dumps(record))


def test_finished_points_are_kept_with_the_costs_of_today(script, study: Path, program, capsys) -> None:
    script.main(study.parent)
    assert capsys.readouterr().out == "lenet: 1 of 3 points and 1 programs kept\n"
    kept = json.loads((script.RESULTS / "lenet.json").read_text())
    (point,) = kept["points"]
    cost = bw.cost(program, bw.Tile.preset("hashemi2017", "binary"))
    assert (kept["planned_points"], point["energy_j"], point["area_mm2"]) == (3, cost.energy_j, cost.area_mm2)
    assert point["by_layer"][0]["cycles"] == cost.by_layer[0]["cycles"]
    assert point["provenance"]["accuracy"] == (
        "measured: exact integer program on the test images; data: digits"
    )

    assert bw.networks.pretrained_names() == (("lenet", "binary"),)
    assert digest(script.RESULTS / "programs" / "lenet-binary.bitwatt") == point["program_sha256"]
    answers = json.loads((script.RESULTS / "answers" / "lenet.json").read_text())
    given = answers["programs"]["binary"]["answers"][DATA]
    labels = bw.datasets.load(DATA).test.labels.tolist()
    assert sum(int(a) == b for a, b in zip(given, labels, strict=True)) == point["correct"]


def test_answers_of_the_same_program_are_not_given_twice(script, study: Path, monkeypatch) -> None:
    script.main(study.parent)
    first = (script.RESULTS / "answers" / "lenet.json").read_text()
    monkeypatch.setattr(script, "answers", None)
    script.main(study.parent)
    assert (script.RESULTS / "answers" / "lenet.json").read_text() == first


def test_a_program_that_does_not_do_what_the_record_says_is_refused(script, study: Path) -> None:
    right = json.loads((study / "results.json").read_text())["points"][0]["correct"]
    change(study, correct=right + 1)
    with pytest.raises(SystemExit, match=rf"{right} answers are right, the record says {right + 1}$"):
        script.main(study.parent)
    assert not (script.RESULTS / "lenet.json").exists()


def test_a_missing_program_is_named(script, study: Path) -> None:
    change(study, program_sha256="another")
    with pytest.raises(SystemExit, match=r"lacks the program of lenet binary, seed 3 \(hashemi2017\); run"):
        script.main(study.parent)


def test_larger_networks_keep_their_records_alone(script, study: Path, capsys) -> None:
    change(study, network="convnet")
    script.main(study.parent)
    assert capsys.readouterr().out == "lenet: 1 of 3 points and 0 programs kept\n"
    assert bw.networks.pretrained_names() == ()
