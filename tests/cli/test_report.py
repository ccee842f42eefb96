"""`bitwatt report`: one page of one study or of several."""

import json
from pathlib import Path

import pytest

from bitwatt.cli.app import run

INVENTED = Path(__file__).parents[1] / "report" / "fixture" / "invented.json"


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """A folder of two studies: LeNet on two sets of data."""
    for name in ("mnist", "other"):
        records = json.loads(INVENTED.read_text())
        records["data"]["name"] = name
        (tmp_path / "studies" / name).mkdir(parents=True)
        (tmp_path / "studies" / name / "results.json").write_text(json.dumps(records))
    return tmp_path / "studies"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_one_study(studies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(studies / "mnist")]) == 0
    assert said(capsys).startswith("LeNet on mnist accuracy")
    page = (studies / "mnist" / "report.html").read_text()
    assert page.count('<section class="group"') == 1
    for part in ("hashemi2017, 65 nm: area of the tile", "modern, 45 nm: area of the tile",
                 "Published area of the tile beside ours"):  # fmt: skip
        assert part in page


def test_a_folder_of_studies_and_studies_one_by_one(
    studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(studies)]) == 0
    assert "LeNet on mnist accuracy" in said(capsys)
    together = (studies / "report.html").read_text()
    assert together.count('<section class="group"') == 2
    out = studies / "both.html"
    paths = [str(studies / "mnist" / "results.json"), str(studies / "other")]
    assert run(["report", *paths, "--out", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [group["data"] for group in record["groups"]] == ["mnist", "other"]
    assert out.read_text() == together


def test_a_technology_that_is_gone_leaves_the_tiles_out(
    studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = studies / "mnist" / "results.json"
    records = json.loads(path.read_text()) | {"technology": "./gone.json"}
    path.write_text(json.dumps(records))
    assert run(["report", str(path)]) == 0
    assert "the page goes without the tiles by themselves: " in " ".join(capsys.readouterr().err.split())
    assert "area of the tile</h3>" not in (studies / "mnist" / "report.html").read_text()


def test_no_study_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(tmp_path)]) == 2
    assert "no results at" in capsys.readouterr().err
