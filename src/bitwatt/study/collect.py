"""Results out of what is kept: the points of the plan, in its order, whatever order they were done in."""

from __future__ import annotations

from collections.abc import Mapping

import bitwatt
from bitwatt.study.plan import StudyPlan
from bitwatt.study.results import DataRecord, PointRecord, Results, TileRecord
from bitwatt.study.stages import Stages
from bitwatt.study.store import Store


def collect(
    plan: StudyPlan, data: DataRecord, stages: Stages, store: Store, failures: Mapping[str, str]
) -> Results:
    """The results of the points that are finished."""
    points = []
    for stage in stages.points:
        kept = store.kept(stage)
        if kept is not None:
            points += [PointRecord.model_validate(record) for record in kept.record["points"]]
    tile = plan.tile.tile(plan.precisions[0])
    return Results(
        bitwatt=bitwatt.__version__,
        study=plan.name,
        network=", ".join(plan.networks),
        data=data,
        technology=plan.technology,
        tile=TileRecord(
            preset=plan.tile.preset,
            neurons=tile.neurons,
            synapses=tile.synapses,
            rows=tile.rows,
            clock_hz=tile.clock_hz,
            buffers=tile.buffers,
            clock_gating=tile.clock_gating,
        ),
        recipes=plan.recipes(),
        threads=plan.threads,
        planned_points=len(stages.points) * len(stages.points[0].presets),
        failed_points=[point.label for point in stages.points if point.digest in failures],
        points=points,
    )
