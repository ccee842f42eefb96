"""A search of the tiny network, the whole way: found, stopped, resumed, and each point made again."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from bitwatt.costing import cost
from bitwatt.errors import RequestError
from bitwatt.hardware import Tile
from bitwatt.program import evaluate, load
from bitwatt.program.ops import Conv2d, Linear
from bitwatt.study.events import EpochDone, Event
from bitwatt.study.search import NothingFound, SearchPlan, read_search_file, run_search
from bitwatt.study.search.space import REFERENCE, Design, Space
from bitwatt.study.search.subjects import look_at
from bitwatt.study.search.training import do_trial
from bitwatt.study.subject import load_data
from bitwatt.study.worker import Message, Task, result_of

HERE = Path(__file__).parents[1]
PLAN = SearchPlan.of(
    name="tiny",
    network="tiny:sized_network",
    data="tiny:bars",
    objectives="accuracy,energy,area",
    precisions="fixed8,fixed4,binary",
    widths="0.5,1",
    depths="1,2",
    neurons="4,16",
    budget="energy=25nJ",
    trials=5,
    pretraining={"epochs": 4, "batch_size": 32, "learning_rate": 0.1},
    retraining={"epochs": 2, "batch_size": 32},
)


class Inline:
    """A worker in this process: torch is loaded here already."""

    limit = 1

    def __init__(self) -> None:
        self._task: Task | None = None

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None:
        self._task = None

    @property
    def is_free(self) -> bool:
        return self._task is None

    @property
    def is_busy(self) -> bool:
        return self._task is not None

    def give(self, task: Task) -> None:
        self._task = task

    def messages(self) -> Iterator[tuple[Task, Message]]:
        task, events = self._task, []
        assert task is not None
        outcome = result_of(do_trial, task, events.append)
        self._task = None
        for message in (*events, outcome):
            yield task, message


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    run_search(PLAN, folder, pool=Inline(), command="bitwatt search tiny.toml")
    return folder


@pytest.fixture(scope="module")
def record(searched: Path) -> dict:  # type: ignore[type-arg]
    return json.loads((searched / "search.json").read_text())


def test_every_point_is_what_its_program_does(searched: Path, record: dict) -> None:  # type: ignore[type-arg]
    test, held_out = load_data("tiny:bars", None, 0.0).test, load_data("tiny:bars", None, PLAN.held_out).test
    assert sum(record["looked_at"].values()) == PLAN.trials
    for point in record["points"]:
        program = load(searched / point["program"])
        assert evaluate(program, test).correct == point["test"]["correct"]
        assert evaluate(program, held_out).correct == point["validation"]["correct"]
        tile = Tile(program.precision, **point["tile"])
        found = cost(program, tile)
        assert (found.energy_j, found.area_mm2) == (point["energy_j"], point["area_mm2"])
        assert dict(found.memory_bytes) == point["memory_bytes"]
        assert point["within_budget"] == (point["energy_j"] <= PLAN.budget["energy"])
    best = record["points"][record["best"]]
    within = [point for point in record["points"] if point["within_budget"]]
    assert best["validation"]["accuracy"] == max(point["validation"]["accuracy"] for point in within)
    least = record["points"][record["as_accurate_as_float"]["energy"]]
    assert least["validation"]["accuracy"] >= record["reference"]["validation"]["accuracy"]
    assert 0.5 < least["saving"]["energy_of_best_float"] <= least["saving"]["energy"] < 1


def test_again_nothing_is_trained_and_more_trials_go_on(searched: Path, record: dict) -> None:  # type: ignore[type-arg]
    events: list[Event] = []
    again = run_search(
        PLAN, searched, pool=Inline(), command="bitwatt search tiny.toml", listen=events.append
    )
    assert again == record
    assert not [event for event in events if isinstance(event, EpochDone)]
    more = PLAN.model_copy(update={"trials": 6})
    assert sum(run_search(more, searched, pool=Inline())["looked_at"].values()) == 6


def test_optuna_opens_it_as_it_is(searched: Path) -> None:
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{searched / 'study.db'}")
    complete = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    assert len({tuple(trial.params.values()) for trial in complete}) >= PLAN.trials
    assert study.metric_names == ["accuracy", "energy", "area"]
    assert all(len(trial.values) == 3 for trial in complete)


def test_a_point_is_made_again_from_its_line(record: dict, tmp_path: Path) -> None:  # type: ignore[type-arg]
    point = record["points"][record["as_accurate_as_float"]["area"]]
    begun, options = "bitwatt search tiny.toml ", {}
    assert point["command"].startswith(begun)
    words = shlex.split(point["command"].removeprefix(begun))
    options = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    values = PLAN.model_dump(exclude={"budget", *options}) | options
    again = run_search(SearchPlan.of(**values), tmp_path, pool=Inline())
    (made,) = again["points"]
    for name in ("program_sha256", "validation", "test", "energy_j", "area_mm2", "tile"):
        assert made[name] == point[name]


NARROWED = PLAN.model_copy(
    update={
        "name": "narrowed",
        "objectives": ("accuracy", "energy", "memory"),
        "precisions": ("fixed8",),
        "widths": (1.0,),
        "depths": (2,),
        "budget": {},
        "neurons": (4,),
        "trials": 4,
        "pretraining": {"epochs": 2, "batch_size": 32, "learning_rate": 0.1},
        "retraining": {"epochs": 1, "batch_size": 32},
        "slack": 1.0,
        "pruner": "none",
        "layer_precisions": True,
    }
)


def test_layers_are_narrowed_and_each_point_is_made_again_from_its_line(tmp_path: Path) -> None:
    record = run_search(NARROWED, tmp_path / "first", pool=Inline(), command="bitwatt search")
    known = optuna.load_study(study_name="narrowed", storage=f"sqlite:///{tmp_path / 'first' / 'study.db'}")
    asked = [trial.user_attrs["layers"] for trial in known.trials if "layers" in trial.user_attrs]
    # Of the three layers with weights the last has most: alone, then with the one before it.
    own = "fixed4:fixed8"
    assert asked[:2] == [{"6": own}, {"2": own}]
    assert {"2": own, "6": own} in asked
    narrowed = [point for point in record["points"] if "layers" in point]
    assert narrowed
    for point in narrowed:
        program = load(tmp_path / "first" / point["program"])
        formats = {op.name: str(op.weight_format) for op in program.ops if isinstance(op, Conv2d | Linear)}
        layers = {name: precision.split(":")[0] for name, precision in point["layers"].items()}
        assert formats == dict.fromkeys(formats, "fixed8") | layers
        found = cost(program, Tile(point["tile_precision"], **point["tile"]))
        assert (found.energy_j, dict(found.memory_bytes)) == (point["energy_j"], point["memory_bytes"])
    # One tile, of the widest operands: all cost the same energy, and only memory differs.
    assert {point["tile_precision"] for point in narrowed} == {"fixed8"}
    assert len({point["energy_j"] for point in record["points"]}) == 1
    again = run_search(NARROWED, tmp_path / "first", pool=Inline(), command="bitwatt search")
    assert again == record

    point = narrowed[0]
    words = shlex.split(point["command"].removeprefix("bitwatt search "))
    assert words.pop() == "--no-layer-precisions"
    options = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    changes = {**options, "layer_precisions": False}
    values = NARROWED.model_dump(exclude={"budget", *changes}) | changes
    (made,) = run_search(SearchPlan.of(**values), tmp_path / "second", pool=Inline())["points"]
    for name in ("program_sha256", "layers", "validation", "test", "energy_j", "memory_bytes", "tile"):
        assert made[name] == point[name], name


def test_what_is_said_of_layers_is_looked_at_first(tmp_path: Path) -> None:
    for layers, message in (
        ({"fc9": "fixed4:fixed8"}, "layers: pattern 'fc9' matches no layer; the nearest is"),
        ({"0": "fixed8:e4m3"}, "no format of a tile holds e4m3 and fixed8 together"),
    ):
        with pytest.raises(RequestError, match=message):
            run_search(PLAN.model_copy(update={"layers": layers, "precisions": ("fixed8",)}), tmp_path)
    with pytest.raises(RequestError, match="a layer's own precision saves memory alone"):
        SearchPlan.of(network="lenet", data="mnist-small", layer_precisions=True)
    with pytest.raises(RequestError, match="layers: give PATTERN=PRECISION, with commas between"):
        SearchPlan.of(network="lenet", data="mnist-small", layers="fc1")


def test_killed_it_goes_on(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(HERE)!r}, {str(Path(__file__).parent)!r}]; import test_run as t;"
        f"t.run_search(t.PLAN, {str(tmp_path)!r}, workers=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    programs = tmp_path / "artifacts"
    until = time.monotonic() + 120
    while (
        process.poll() is None and time.monotonic() < until and not list(programs.glob("*-program.bitwatt"))
    ):
        time.sleep(0.01)
    process.kill()
    assert process.wait() < 0, "it was over before it could be killed"
    before = {path.name: path.read_bytes() for path in programs.glob("*-float.safetensors")}
    events: list[Event] = []
    found = run_search(PLAN, tmp_path, pool=Inline(), listen=events.append)
    assert sum(found["looked_at"].values()) == PLAN.trials
    trained = {event.stage for event in events if isinstance(event, EpochDone)}
    assert before
    assert len([stage for stage in trained if "float" in stage]) <= 4 - len(before)


def test_a_budget_that_nothing_meets_names_the_nearest_before_any_work(tmp_path: Path) -> None:
    plan = PLAN.model_copy(update={"budget": {"energy": 1e-12}})
    with pytest.raises(RequestError) as refused:
        run_search(plan, tmp_path)
    assert str(refused.value).startswith(
        "no network of the space meets the budget energy=1 pJ. The nearest is "
    )
    assert "tiny:sized_network*0.5^1 at " in str(refused.value)
    assert not (tmp_path / "study.db").exists()
    assert not (tmp_path / "logs").exists()


def test_an_accuracy_that_nothing_reaches_names_the_nearest(tmp_path: Path) -> None:
    still = {"epochs": 1, "batch_size": 256, "learning_rate": 1e-6}
    change = {
        "budget": {"accuracy": 1.0},
        "precisions": ("fixed4",),
        "pretraining": still,
        "retraining": still,
    }
    hopeful = PLAN.model_copy(update={**change, "trials": 1, "slack": 1.0})
    with pytest.raises(NothingFound) as failed:
        run_search(hopeful, tmp_path / "hopeful", pool=Inline())
    assert str(failed.value).startswith(
        "no network that was trained has an accuracy of 100.00%; the nearest is "
    )
    kept = json.loads((tmp_path / "hopeful" / "search.json").read_text())
    assert kept["best"] is None
    assert [point["within_budget"] for point in kept["points"]] == [False] * len(kept["points"])
    sober = hopeful.model_copy(update={"slack": 0.0})
    with pytest.raises(NothingFound, match=r"no network was trained in full \(1 were looked at\)"):
        run_search(sober, tmp_path / "sober", pool=Inline())


def test_another_search_in_the_folder_is_refused(searched: Path) -> None:
    plan = PLAN.model_copy(update={"widths": (1.0,)})
    with pytest.raises(RequestError, match="holds a search with other space"):
        run_search(plan, searched)


def test_what_the_network_cannot_do_is_said(tmp_path: Path) -> None:
    for change, message in (
        ({"network": "lenet"}, r"network 'lenet\*0.5\^1': the depth of 'lenet' is no choice; "),
        ({"network": "tiny:network"}, "network 'tiny:network': the function has no argument 'width'"),
        ({"rows": (128,)}, "no tile of the search's space can be costed: technology 'nangate45' has not "),
        ({"precisions": ("float32",)}, "search: precisions holds nothing but float32"),
    ):
        with pytest.raises(RequestError, match=message):
            run_search(PLAN.model_copy(update=change), tmp_path)


def test_tiles_within_the_budget_are_all_that_there_are() -> None:
    subjects = look_at(PLAN, None)
    space = Space(PLAN, subjects.works, subjects.program)
    assert len(space.tiles(REFERENCE)) == 2
    for design in space.designs:
        tiles = space.tiles(design)
        assert tiles
        assert all(one.costs["energy"] <= PLAN.budget["energy"] for one in tiles)
        assert space.costs(design)["energy"] == min(one.costs["energy"] for one in tiles)
    small = space.costs(Design(0.5, 1, "fixed4"))["energy"]
    assert small < space.costs(Design(1.0, 1, "fixed4"))["energy"]


def test_the_shipped_search_of_alex_runs_on_a_small_network(tmp_path: Path) -> None:
    path = HERE.parents[1] / "studies" / "search-alex.toml"
    plan = read_search_file(path)
    assert (plan.network, plan.data, plan.budget) == ("alex", "cifar10", {"energy": pytest.approx(27e-6)})
    short = {"epochs": 2, "batch_size": 32}
    small = {"network": "tiny:sized_network", "data": "tiny:bars", "widths": "1", "trials": 2}
    plan = read_search_file(path, {**small, "pretraining": short, "retraining": short})
    found = run_search(plan, tmp_path, pool=Inline())
    assert sum(found["looked_at"].values()) == 2
    assert found["points"]
