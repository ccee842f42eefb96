"""Keeps a study of `studies/plane-*.toml`: the points of the seeds that are finished, without their layers.

    python scripts/keep_plane.py runs/plane-lenet

The records go to results/plane/NETWORK.json: what `bitwatt.report` reads, an eighth of the size.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results" / "plane"
LEFT_OUT = ("by_layer", "arithmetic", "area_mm2_by_component")


def keep(folder: Path) -> Path:
    """Keep what is finished of the study in `folder`."""
    found = json.loads((folder / "results.json").read_text())
    found["points"] = [shortened(point) for point in of_whole_seeds(found["points"])]
    if not found["points"]:
        sys.exit(f"no point of '{folder}' is finished")
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{found['network']}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{path.name}: {len(found['points'])} of {found['planned_points']} points kept")
    return path


def of_whole_seeds(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points of the seeds that are as far as the first: every pair is a mean over the same seeds."""
    counts = Counter(point["seed"] for point in points)
    return [point for point in points if counts[point["seed"]] == max(counts.values())]


def shortened(point: dict[str, Any]) -> dict[str, Any]:
    """The point without what the plane does not show."""
    blocks = f"every block's source is in {point['technology']}"
    stated = point["provenance"] | {
        "energy": f"the schedule's events times unit energies; {blocks}",
        "area": blocks,
    }
    return {name: value for name, value in point.items() if name not in LEFT_OUT} | {"provenance": stated}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    keep(Path(sys.argv[1]))
