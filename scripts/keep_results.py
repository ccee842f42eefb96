"""Keeps what is published of the studies of `studies/paper.toml`: their records, and small trained programs.

    python scripts/keep_results.py runs/paper

Of every study in that folder that is finished, the records go to results/paper/NAME.json. Of LeNet and ALEX,
the programs of the first seed go to where `bw.networks.pretrained` loads them from; results/paper/programs
points there. A study that is not finished is told of and left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from bitwatt.networks.pretrained import path_of

RESULTS = Path(__file__).parents[1] / "results" / "paper"
SMALL = ("lenet", "alex")


def keep(study: Path) -> None:
    """Keep one study's records and programs, if it is finished."""
    found = json.loads((study / "results.json").read_text())
    finished, planned = len(found["points"]), found["planned_points"]
    if finished < planned:
        print(f"{study.name}: {finished} of {planned} points are finished; not kept")
        return
    RESULTS.mkdir(parents=True, exist_ok=True)
    programs = keep_programs(found, study / "artifacts")
    shutil.copyfile(study / "results.json", RESULTS / f"{study.name}.json")
    print(f"{study.name}: {finished} points and {programs} programs kept")


def keep_programs(found: dict[str, Any], artifacts: Path) -> int:
    """Copy the programs of the small networks' first seed: those whose digest the records name."""
    wanted = {
        point["program_sha256"]: path_of(point["network"], point["precision"])
        for point in found["points"]
        if point["network"] in SMALL and point["seed"] == found["points"][0]["seed"]
    }
    missing = dict(wanted)
    for path in artifacts.iterdir():
        place = missing.pop(hashlib.sha256(path.read_bytes()).hexdigest(), None)
        if place is not None:
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, place)
            link = RESULTS / "programs"
            if not link.is_symlink():
                link.symlink_to(os.path.relpath(place.parent, RESULTS))
    if missing:
        names = ", ".join(place.stem for place in missing.values())
        sys.exit(f"'{artifacts}' lacks {names}; run the study again")
    return len(wanted)


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
