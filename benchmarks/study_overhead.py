"""What a point of a study takes beside its training: LeNet at five precisions, nothing trained.

The coordinator (the process that keeps the store, the results and the log) works on one point at a time,
whatever the number of workers: its processor time a point bounds how many points an hour a study can do.

usage: python benchmarks/study_overhead.py [--seeds 10] [--workers 2]
"""

from __future__ import annotations

import argparse
import tempfile
import time

from bitwatt.study import Event, StudyPlan, run_study
from bitwatt.study.events import Finished, Planned

PRECISIONS = ("fixed8", "fixed4", "fixed4:fixed8", "binary", "ternary:fixed8")


def main() -> None:
    """Run the study, and print what a point took in its first half and in its second."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="five points each")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    plan = StudyPlan.of(
        networks="lenet",
        data="mnist-small",
        precisions=PRECISIONS,
        seeds=tuple(range(asked.seeds)),
        pretraining={"epochs": 0},
        retraining={"epochs": 0},
    )
    moments: list[tuple[float, float]] = []

    def listen(event: Event) -> None:
        if isinstance(event, Planned) or (isinstance(event, Finished) and event.accuracy is not None):
            moments.append((time.perf_counter(), time.process_time()))

    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run_study(plan, folder, workers=asked.workers, listen=listen)
    points = len(moments) - 1
    print(f"before the first point: {moments[0][0] - begun:.1f} s")
    for name, first, last in (("first", 0, points // 2), ("second", points // 2, points)):
        wall, processor = (moments[last][i] - moments[first][i] for i in (0, 1))
        count = last - first
        print(
            f"{name} {count} points: {wall / count:.2f} s a point on {asked.workers} workers, "
            f"{1000 * processor / count:.0f} ms of the coordinator's processor time"
        )


if __name__ == "__main__":
    main()
