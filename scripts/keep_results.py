"""Keeps what is published of the studies of `studies/paper.toml`: their records, and small trained programs.

    python scripts/keep_results.py runs/paper

Of every study in that folder the points that are finished go to results/paper/NAME.json; an unfinished study
is kept too, and its record says how many points were planned. Costs are reckoned anew from each point's
program, with the tables of the package as it is. Of LeNet and ALEX, the programs of the first seed go to
where `bw.networks.pretrained` loads them from (results/paper/programs points there). Each is run once more
on the test images, which must be at hand: as many answers must be right as the record says. All answers are
kept in results/paper/answers/NAME.json, so that a slice of them can be tested.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import bitwatt as bw
from bitwatt.formats import parse_precision
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import fitting
from bitwatt.networks.pretrained import path_of
from bitwatt.study.provenance import provenance

RESULTS = Path(__file__).parents[1] / "results" / "paper"
SMALL = ("lenet", "alex")
CARRIED = {"mnist": "mnist-small"}
"""Test images that come with the package, by the data set they are from: slices of them need no download."""


def keep(study: Path) -> None:
    """Keep what is finished of a study."""
    found = json.loads((study / "results.json").read_text())
    finished, planned = len(found["points"]), found["planned_points"]
    if not finished:
        print(f"{study.name}: no point is finished; nothing to keep")
        return
    artifacts = by_digest(study / "artifacts")
    if missing := {point["program_sha256"] for point in found["points"]} - artifacts.keys():
        names = ", ".join(name_of(point) for point in found["points"] if point["program_sha256"] in missing)
        sys.exit(f"'{study / 'artifacts'}' lacks the program of {names}; run the study again")
    found["points"] = [with_costs(point, artifacts, found["data"]["source"]) for point in found["points"]]
    RESULTS.mkdir(parents=True, exist_ok=True)
    programs = keep_programs(found, artifacts, study.name)
    (RESULTS / f"{study.name}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"{study.name}: {finished} of {planned} points and {programs} programs kept")


def by_digest(folder: Path) -> dict[str, Path]:
    """The artifacts of a study by their SHA-256; a study that runs may delete one meanwhile."""
    found = {}
    for path in folder.iterdir():
        try:
            found[hashlib.sha256(path.read_bytes()).hexdigest()] = path
        except FileNotFoundError:
            continue
    return found


def name_of(point: Mapping[str, Any]) -> str:
    """What people are told a point is."""
    return f"{point['network']} {point['precision']}, seed {point['seed']} ({point['preset']})"


def with_costs(point: dict[str, Any], artifacts: Mapping[str, Path], source: str) -> dict[str, Any]:
    """The point with what its program costs today; of the study's tile only the preset may differ."""
    program = loaded(artifacts[point["program_sha256"]])
    precision = parse_precision(point["precision"])
    tile = fitting(Tile.preset(point["preset"], precision), program)
    figures = asdict(bw.cost(program, tile, technology=point["technology"]))
    area = figures.pop("area_provenance")
    stated = provenance(precision.is_float, source, figures.pop("provenance"), area)
    return point | json.loads(json.dumps(figures)) | {"provenance": stated}


@cache
def loaded(path: Path) -> bw.program.Program:
    """A program, read once."""
    return bw.load(path)


def keep_programs(found: dict[str, Any], artifacts: Mapping[str, Path], name: str) -> int:
    """Copy the programs of the small networks' first seed, and keep what each answers to the test images."""
    points = {
        point["precision"]: point
        for point in found["points"]
        if point["network"] in SMALL and point["seed"] == found["points"][0]["seed"]
    }
    if not points:
        return 0
    sets = [found["data"]["name"], *filter(None, [CARRIED.get(found["data"]["name"])])]
    record = RESULTS / "answers" / f"{name}.json"
    earlier = json.loads(record.read_text())["programs"] if record.exists() else {}
    programs = {}
    for precision, point in points.items():
        path, place = artifacts[point["program_sha256"]], path_of(point["network"], precision)
        kept = earlier.get(precision, {})
        if kept.get("program_sha256") == point["program_sha256"]:
            given = kept["answers"]
        else:
            given = {of: answers(loaded(path), of) for of in sets}
        check(point, given[sets[0]], sets[0])
        programs[precision] = {"program_sha256": point["program_sha256"], "answers": given}
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, place)
        link = RESULTS / "programs"
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(place.parent, RESULTS))
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps({"network": found["network"], "programs": programs}, indent=1) + "\n")
    return len(programs)


def answers(program: bw.program.Program, data: str) -> str:
    """The class that the program gives each test image, a digit an image, in the order of the set."""
    images = test_split(data).images
    chosen = (program(images[at : at + 250]).argmax(dim=1) for at in range(0, len(images), 250))
    return "".join(str(int(label)) for batch in chosen for label in batch)


@cache
def test_split(data: str) -> Any:
    """The test images of a data set and their labels, read once."""
    return bw.datasets.load(data).test


def check(point: Mapping[str, Any], given: str, data: str) -> None:
    """As many answers are right as the record says."""
    right = sum(int(one) == int(label) for one, label in zip(given, test_split(data).labels, strict=True))
    if right != point["correct"]:
        sys.exit(f"{name_of(point)}: {right} answers are right, the record says {point['correct']}")


def main(folder: Path) -> None:
    """Keep every study in the folder."""
    studies = sorted(path.parent for path in folder.glob("*/results.json"))
    if not studies:
        sys.exit(f"no studies in '{folder}': bitwatt study studies/paper.toml --out {folder}")
    for study in studies:
        keep(study)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
