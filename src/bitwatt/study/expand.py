"""From a plan to its stages, each with the digest of all that decides its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from bitwatt.formats import parse_precision
from bitwatt.study.digest import costing_digest, digest_of, numerics
from bitwatt.study.plan import StudyPlan
from bitwatt.study.stages import FloatStage, PointStage, Stages, Subject
from bitwatt.technology.technology import technology_digest


def expand(plan: StudyPlan, subjects: Mapping[tuple[str, int], Subject]) -> Stages:
    """The stages of a plan; `subjects` by network and seed (a seed draws the first weights)."""
    floats, points = [], []
    for network in plan.networks:
        for seed in plan.seeds:
            float_stage = _float_stage(plan, subjects[network, seed], seed)
            floats.append(float_stage)
            points += [
                _point_stage(plan, float_stage, precision, method) for method, precision in _trainings(plan)
            ]
    return Stages(tuple(floats), tuple(points))


def _trainings(plan: StudyPlan) -> list[tuple[str, str]]:
    """Methods and precisions of the points of a network and seed: float32, which none trains, stands once."""
    if not plan.methods:
        return [("", precision) for precision in plan.precisions]
    floats = [precision for precision in plan.precisions if parse_precision(precision).is_float]
    others = [precision for precision in plan.precisions if precision not in floats]
    return [("", precision) for precision in floats] + [(m, p) for m in plan.methods for p in others]


def _float_stage(plan: StudyPlan, subject: Subject, seed: int) -> FloatStage:
    recipe = replace(plan.pretraining_recipe(subject.network), seed=seed)
    digest = digest_of("float", subject.identity(), recipe.decisive(), plan.threads, plan.device, numerics())
    return FloatStage(subject, seed, recipe.to_dict(), plan.threads, plan.device, digest)


def _point_stage(plan: StudyPlan, start: FloatStage, precision: str, method: str) -> PointStage:
    is_float = parse_precision(precision).is_float
    recipe = (
        None
        if is_float
        else replace(plan.retraining_recipe(start.subject.network, precision, method), seed=start.seed)
    )
    presets = tuple(dict.fromkeys((plan.tile.preset, *plan.other_presets)))
    decides = ("point", start.digest, precision, recipe.decisive() if recipe else None)
    # Records bear the method's name, so that two methods with one recipe are two points.
    training = digest_of(*decides, method) if method else digest_of(*decides)
    tiles = [
        asdict(plan.tile.tile(precision, preset)) | {"precision": precision, "preset": preset}
        for preset in presets
    ]
    return PointStage(
        subject=start.subject,
        precision=precision,
        seed=start.seed,
        recipe=recipe.to_dict() if recipe else None,
        threads=plan.threads,
        device=plan.device,
        float_digest=start.digest,
        tile=plan.tile,
        presets=presets,
        technology=plan.technology,
        training_digest=training,
        method=method,
        digest=digest_of("cost", training, tiles, technology_digest(plan.technology), costing_digest()),
    )
