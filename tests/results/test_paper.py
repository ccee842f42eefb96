"""The published records: what is kept belongs together, and the kept programs still give the kept answers."""

import hashlib
import json
import os
from pathlib import Path

import pytest
import torch

import bitwatt as bw
from bitwatt.errors import BitwattError
from bitwatt.networks.pretrained import path_of
from bitwatt.report import read_results

PAPER = Path(__file__).parents[2] / "results" / "paper"
ANSWERS = {path.stem: json.loads(path.read_text()) for path in sorted((PAPER / "answers").glob("*.json"))}
PROGRAMS = [(name, precision) for name, of in ANSWERS.items() for precision in of["programs"]]
SLICE = 50


def kept(name: str, precision: str) -> dict[str, object]:
    return ANSWERS[name]["programs"][precision]


@pytest.mark.parametrize("path", sorted(PAPER.glob("*.json")), ids=lambda path: path.stem)
def test_records_are_whole(path: Path) -> None:
    record = read_results(path)
    assert 0 < len(record["points"]) <= record["planned_points"]
    assert record["study"] == path.stem


def test_there_are_programs_to_test() -> None:
    assert PROGRAMS


@pytest.mark.parametrize(("name", "precision"), PROGRAMS)
def test_programs_are_those_of_the_records(name: str, precision: str) -> None:
    digest = hashlib.sha256(path_of(ANSWERS[name]["network"], precision).read_bytes()).hexdigest()
    record = read_results(PAPER / f"{name}.json")
    points = [point for point in record["points"] if point["program_sha256"] == digest]
    assert kept(name, precision)["program_sha256"] == digest
    assert {(point["precision"], point["seed"]) for point in points} == {(precision, points[0]["seed"])}
    given = kept(name, precision)["answers"][record["data"]["name"]]
    assert len(given) == points[0]["count"]


@pytest.mark.parametrize(("name", "precision"), PROGRAMS)
def test_a_slice_of_the_test_images_is_answered_as_it_was(name: str, precision: str) -> None:
    torch.set_num_threads(1)
    program = bw.networks.pretrained(ANSWERS[name]["network"], precision)
    answers = kept(name, precision)["answers"]
    data = "mnist-small" if "mnist-small" in answers else next(iter(answers))
    test = split_of(data)
    found = "".join(map(str, program(test.images[:SLICE]).argmax(dim=1).tolist()))
    assert found == answers[data][:SLICE]


@pytest.mark.parametrize(("name", "precision"), PROGRAMS)
def test_as_many_answers_are_right_as_the_record_says(name: str, precision: str) -> None:
    record = read_results(PAPER / f"{name}.json")
    digest = kept(name, precision)["program_sha256"]
    correct = next(point["correct"] for point in record["points"] if point["program_sha256"] == digest)
    labels = split_of(record["data"]["name"]).labels.tolist()
    given = kept(name, precision)["answers"][record["data"]["name"]]
    assert sum(int(one) == label for one, label in zip(given, labels, strict=True)) == correct


def split_of(data: str):
    """The test images of that data set, where they are carried or $BITWATT_DATA says where data is."""
    if data != "mnist-small" and not os.environ.get("BITWATT_DATA"):
        pytest.skip(f"{data} is not at hand: set BITWATT_DATA to its folder")
    try:
        return bw.datasets.load(data).test
    except BitwattError as error:
        pytest.skip(f"{data} is not at hand: {error}")
