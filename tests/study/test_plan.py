"""What a plan asks, its digests, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import pytest

from bitwatt.errors import DataError, RequestError
from bitwatt.formats import PAPER
from bitwatt.study import expand as expanding
from bitwatt.study.expand import expand
from bitwatt.study.plan import StudyPlan
from bitwatt.study.stages import Stages, Subject
from bitwatt.training import Recipe


def plan(**values: object) -> StudyPlan:
    return StudyPlan.of(**({"networks": "lenet", "data": "mnist-small"} | values))


def stages(of: StudyPlan, weights: str = "w", data_digest: str = "d") -> Stages:
    subjects = {
        (network, seed): Subject(network, f"{weights} {seed}", of.data, data_digest)
        for network in of.networks
        for seed in of.seeds
    }
    return expand(of, subjects)


def test_paper_stands_for_seven_precisions_by_default() -> None:
    assert plan().precisions == tuple(map(str, PAPER))


def test_lists_as_text_and_as_lists_are_the_same_plan() -> None:
    assert plan(precisions="fixed8, fixed4:fixed8") == plan(precisions=["fixed8", "fixed4:fixed8"])
    assert plan(seeds=3).seeds == (3,)


def test_the_name_says_networks_and_data() -> None:
    assert plan(networks="alex,alex+").name == "alex-alex+-mnist-small"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"precison": "fixed8"}, "study: unknown key 'precison'; did you mean 'precisions'? Allowed: "),
        ({"seeds": [-1]}, "study: seeds: input should be greater than or equal to 0, got -1"),
        ({"seeds": []}, "study: seeds: value should have at least 1 item after validation, not 0, got []"),
        ({"threads": 0}, "study: threads: input should be greater than or equal to 1, got 0"),
        ({"tile": {"preset": "modren"}}, "study: unknown preset 'modren'; did you mean 'modern'? Allowed: "),
        ({"tile": {"row": 3}}, "study: unknown key 'row'; did you mean 'rows'? Allowed: "),
        (
            {"other_presets": "hashemi"},
            "study: unknown preset 'hashemi'; did you mean 'hashemi2017'? Allowed: ",
        ),
        (
            {"tile": {"rows": 1}},
            "study: tile: rows must be a whole number from 2 to 65536, got 1",
        ),
        (
            {"methods": {"slow": {"epochs": 9}}, "methods_of": {"slwo": {"fixed8": {}}}},
            "study: unknown method 'slwo'; did you mean 'slow'? Allowed: slow",
        ),
        (
            {"methods": {"slow": {}}, "methods_of": {"slow": {"fixed4": {}}}, "precisions": "fixed8"},
            "study: unknown precision of [methods.slow] 'fixed4'; did you mean 'fixed8'? Allowed: fixed8",
        ),
        (
            {"methods": {"slow": {"epochs": -9}}},
            "study: Recipe.epochs must be a whole number from 0 to 100000, got -9",
        ),
        (
            {"retraining_of": {"fixed4": Recipe(epochs=9)}, "precisions": "fixed8"},
            "study: unknown precision of [retraining] 'fixed4'; did you mean 'fixed8'? Allowed: fixed8",
        ),
    ],
)
def test_what_is_wrong_is_said(values: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as refused:
        plan(**values)
    assert str(refused.value).startswith(message)


def test_what_is_missing_is_said() -> None:
    with pytest.raises(RequestError) as refused:
        StudyPlan.of(data="mnist-small")
    assert str(refused.value) == "study: 'networks' is missing; a study needs 'network' and 'data'"


def test_a_float_stage_for_each_network_and_seed_and_a_point_for_each_precision() -> None:
    found = stages(plan(networks="lenet,alex", seeds=[0, 1], precisions="float32,fixed8"))
    assert [stage.label for stage in found.floats] == [
        "lenet float training, seed 0",
        "lenet float training, seed 1",
        "alex float training, seed 0",
        "alex float training, seed 1",
    ]
    assert [(p.subject.network, p.seed, p.precision) for p in found.points] == [
        (network, seed, precision)
        for network in ("lenet", "alex")
        for seed in (0, 1)
        for precision in ("float32", "fixed8")
    ]
    digests = [stage.digest for stage in (*found.floats, *found.points)]
    assert len(set(digests)) == len(digests)


def test_float32_is_not_trained_again_and_seeds_reach_the_recipes() -> None:
    float32, fixed8 = stages(plan(seeds=7, precisions="float32,fixed8")).points
    assert float32.recipe is None
    assert float32.epochs == 0
    assert fixed8.recipe is not None
    assert fixed8.recipe["seed"] == 7


def test_methods_share_the_float_training_and_float32_stands_once() -> None:
    several = {"slow": {"epochs": 9}, "same": {}}
    found = stages(plan(precisions="fixed8,float32,binary", methods=several))
    assert len(found.floats) == 1
    assert [point.label for point in found.points] == [
        "lenet float32, seed 0",
        "lenet, slow fixed8, seed 0",
        "lenet, slow binary, seed 0",
        "lenet, same fixed8, seed 0",
        "lenet, same binary, seed 0",
    ]
    assert {point.float_digest for point in found.points} == {found.floats[0].digest}
    # Each is a point of its own, and none is one of the plan without methods but float32.
    plain = stages(plan(precisions="fixed8,float32,binary"))
    assert len({p.digest for p in (*found.points, *plain.points)}) == 7
    assert found.points[0].digest == plain.points[1].digest
    assert found.points[3].recipe == plain.points[0].recipe


def test_the_digests_of_plans_without_methods_are_those_of_ever() -> None:
    """Taken before plans had methods; whoever changes what is computed raises `digest.NUMERICS`."""
    numerics = {"numerics": 1, "torch": "a version"}
    with mock.patch.object(expanding, "numerics", return_value=numerics):
        found = stages(plan(precisions="float32,fixed8"))
    assert [stage.training_digest[:16] for stage in (*found.floats, *found.points)] == [
        "d8fee829953b6adb",
        "cc727aab5804db6b",
        "7b466b83a8568628",
    ]


BASE = {"precisions": "float32,fixed8,binary"}


@pytest.mark.parametrize(
    ("change", "floats_change", "trainings_change", "points_change"),
    [
        ({"pretraining": Recipe(epochs=1)}, True, [1, 1, 1], [1, 1, 1]),
        ({"threads": 2}, True, [1, 1, 1], [1, 1, 1]),
        ({"retraining": Recipe(epochs=1)}, False, [0, 1, 1], [0, 1, 1]),
        ({"retraining_of": {"binary": Recipe(epochs=1)}}, False, [0, 0, 1], [0, 0, 1]),
        ({"technology": "another"}, False, [0, 0, 0], [1, 1, 1]),
        ({"tile": {"rows": 32}}, False, [0, 0, 0], [1, 1, 1]),
        ({"other_presets": "hashemi2017"}, False, [0, 0, 0], [1, 1, 1]),
        ({"name": "another"}, False, [0, 0, 0], [0, 0, 0]),
    ],
)
def test_a_change_of_the_plan_redoes_what_depends_on_it_and_no_more(
    change: dict[str, object],
    floats_change: bool,
    trainings_change: list[int],
    points_change: list[int],
) -> None:
    before, after = stages(plan(**BASE)), stages(plan(**BASE | change))
    assert (before.floats[0].digest != after.floats[0].digest) == floats_change
    pairs = list(zip(before.points, after.points, strict=True))
    assert [int(b.training_digest != a.training_digest) for b, a in pairs] == trainings_change
    assert [int(b.digest != a.digest) for b, a in pairs] == points_change


def test_another_technology_under_the_same_path_redoes_the_costs(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text("one")
    before = stages(plan(technology=str(path)))
    path.write_text("another")
    after = stages(plan(technology=str(path)))
    assert all(b.digest != a.digest for b, a in zip(before.points, after.points, strict=True))
    assert before.points[0].training_digest == after.points[0].training_digest
    with pytest.raises(DataError, match="cannot read the technology"):
        stages(plan(technology=str(tmp_path / "missing.json")))


@pytest.mark.parametrize("change", [{"weights": "other"}, {"data_digest": "other"}])
def test_other_weights_or_data_of_the_same_name_redo_all(change: dict[str, str]) -> None:
    before, after = stages(plan()), stages(plan(), **change)
    assert not {p.digest for p in before.points} & {p.digest for p in after.points}
    assert before.floats[0].digest != after.floats[0].digest


def test_a_plan_as_json_makes_the_plan_again() -> None:
    made = plan(seeds=[1, 2], tile={"rows": 32}, retraining_of={"fixed8": Recipe(epochs=1)})
    assert StudyPlan.of(**json.loads(json.dumps(made.as_json()))) == made


def test_a_change_of_no_field_of_a_recipe_is_refused() -> None:
    with pytest.raises(RequestError, match="unknown field of a recipe 'epoch'; did you mean 'epochs'\\?"):
        plan(pretraining={"epoch": 3})
