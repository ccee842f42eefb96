"""Studies on a Ray cluster of several nodes, of which one is killed; and clusters that are not there."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import chains
import pytest
from engine import PLAN, run_engine
from kills import results_in

from bitwatt.cli.app import run
from bitwatt.errors import RequestError
from bitwatt.study.artifacts import FolderArtifacts
from bitwatt.study.events import EpochDone, Event, Failed, Notice, Started
from bitwatt.study.ray_pool import connected

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="ray is not installed (the extra `ray`)"
    ),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of its threads and sockets
]


LONGER = PLAN.model_copy(
    update={"precisions": ("float32", "fixed8"), "pretraining": {"epochs": 12}, "retraining": {"epochs": 4}}
)


class Machines:
    """A cluster of a head, on which nothing is done, and two nodes of one core."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as Simulated

        self._cluster = Simulated(initialize_head=True, head_node_args={"num_cpus": 0})
        self.address = self._cluster.address
        self.nodes = [self.add() for _ in range(2)]

    def add(self) -> object:
        return self._cluster.add_node(num_cpus=1)

    def kill(self, node: object) -> None:
        self._cluster.remove_node(node, allow_graceful=False)

    def end(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # whatever token this machine may have
        made = Machines()
        yield made
        made.end()


def test_a_node_is_killed_and_the_results_are_those_of_one_process(
    machines: Machines, tmp_path: Path
) -> None:
    busy: set[str] = set()
    notices: list[str] = []
    going_on: list[Started] = []

    def kill_one(event: Event) -> None:
        if isinstance(event, EpochDone):
            busy.add(event.stage)
            if len(busy) == 2 and len(machines.nodes) == 2:  # both nodes are in the middle of something
                machines.kill(machines.nodes.pop())
        elif isinstance(event, Notice):
            notices.append(event.text)
        elif isinstance(event, Started) and event.first_epoch > 0:
            going_on.append(event)

    with connected(machines.address) as cluster:
        _, execution, _ = run_engine(
            tmp_path / "cluster",
            plan=LONGER,
            listen=kill_one,
            pool=lambda store: cluster.pool(None, 1, chains.steady_work, store.artifacts),
        )
    assert len(machines.nodes) == 1
    assert len(notices) == len(going_on) == 1
    assert notices[0].endswith("; another goes on from its last epoch")
    assert execution.failures == {}
    run_engine(tmp_path / "here", plan=LONGER)
    assert results_in(tmp_path / "cluster") == results_in(tmp_path / "here")


def test_what_fails_on_the_cluster_fails_as_it_does_here(machines: Machines, tmp_path: Path) -> None:
    """fixed4 raises; binary's process is killed, and begun again twice before it is given up."""
    events: list[Event] = []
    with connected(machines.address) as cluster:
        results, _, _ = run_engine(
            tmp_path,
            plan=PLAN.model_copy(update={"seeds": (0,)}),
            listen=events.append,
            pool=lambda store: cluster.pool(1, 1, chains.failing_work, store.artifacts),
        )
    reasons = {event.stage: event.reason for event in events if isinstance(event, Failed)}
    killed = "its process on the cluster was killed, as by a system without memory"
    assert reasons == {
        "toy fixed4, seed 0": "training diverged: the loss became nan",
        "toy binary, seed 0": killed,
    }
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices == [f"toy binary, seed 0: {killed}; another goes on from its last epoch"] * 2
    assert [point.precision for point in results.points] == ["float32", "fixed8"]


def test_a_cluster_with_too_few_cores_is_refused(machines: Machines, tmp_path: Path) -> None:
    with connected(machines.address) as cluster, pytest.raises(RequestError) as refused:
        cluster.pool(None, 64, chains.chain_work, FolderArtifacts(tmp_path))
    assert str(refused.value).endswith("cores; a point of this study takes 64")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no address"])
def test_a_cluster_that_is_not_there_is_said_in_one_line(
    address: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    subject = ["--network", "tiny:network", "--data", "tiny:bars", "--precisions", "fixed8"]
    assert run(["study", *subject, "--out", str(tmp_path), "--ray", address]) == 2
    last = capfd.readouterr().err
    assert last.startswith(f"bitwatt: the Ray cluster '{address}' cannot be reached: ")
    assert last.endswith(
        "--ray takes HOST:PORT of a running cluster (ray start --head), 'auto', or 'local'\n"
    )
    assert last.count("\n") == 1
