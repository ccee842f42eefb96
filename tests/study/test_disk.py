"""A full disk ends a study in one sentence, leaves nothing half written, and loses nothing finished."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import chains
import pytest
from engine import PLAN, run_engine
from kills import results_in

from bitwatt.errors import BitwattError
from bitwatt.study.disk import disk_errors
from bitwatt.study.event_log import event_log
from bitwatt.study.events import Event, Failed, Notice

FULL = "the disk cannot be written: No space left on device"

# In a process of its own, whose folder is a file system of two megabytes that fills up after the given event.
_STUDY_ON_A_SMALL_DISK = """
import json, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import engine
from bitwatt.errors import BitwattError
from bitwatt.study.disk import disk_errors
from bitwatt.study.event_log import event_log

folder, ballast, seen = Path({folder!r}), Path({folder!r}, "ballast"), []

def fill(event):
    seen.append(type(event).__name__)
    if seen.count({kind!r}) == 3 and seen[-1] == {kind!r}:
        try:
            with open(ballast, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        except OSError:
            pass

try:
    with disk_errors(), event_log(folder / "events.jsonl", fill) as tell:
        engine.run_engine(folder, listen=tell)
    said = None
except BitwattError as error:
    said = str(error)
partial = [path.name for path in folder.rglob("*partial*")]
lines = (folder / "events.jsonl").read_bytes().decode().splitlines(keepends=True)
ballast.unlink()
with event_log(folder / "events.jsonl", None) as tell:
    engine.run_engine(folder, listen=tell)
whole = [bool(json.loads(line)) for line in lines if line.endswith("\\n")]
print(json.dumps([said, partial, len(whole) == len(lines), (folder / "results.json").read_text()]))
"""


def _in_a_namespace(folder: Path) -> list[str]:
    """The command that runs what follows with a small file system at `folder`."""
    user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    mount = 'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"'
    return ["unshare", *user, "--mount", "sh", "-c", mount, str(folder)]


def _no_namespace() -> str | None:
    if shutil.which("unshare") is None:
        return "unshare is not installed (Debian's package util-linux)"
    tried = subprocess.run([*_in_a_namespace(Path("/mnt")), "true"], capture_output=True, text=True)
    return f"no small file system can be mounted: {tried.stderr.strip()}" if tried.returncode else None


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("undisturbed")
    run_engine(folder)
    return results_in(folder)


@pytest.mark.parametrize("kind", ["EpochDone", "Finished"])
def test_a_disk_that_fills_up(kind: str, undisturbed: bytes, tmp_path: Path) -> None:
    missing = _no_namespace()
    if missing is not None:
        pytest.skip(missing)
    code = _STUDY_ON_A_SMALL_DISK.format(tests=str(Path(__file__).parent), folder=str(tmp_path), kind=kind)
    done = subprocess.run(
        [*_in_a_namespace(tmp_path), sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said, partial, has_whole_lines, results = json.loads(done.stdout)
    assert said is not None
    # Whoever writes next is the first to notice: the database, a worker, or the log.
    assert said.startswith(
        (FULL, "the study's database, study.db in the folder, cannot be read or written: ")
    )
    assert "\n" not in said
    assert partial == []
    assert has_whole_lines
    assert results.encode() == undisturbed


def test_a_worker_without_room_ends_the_study_and_not_its_point(undisturbed: bytes, tmp_path: Path) -> None:
    events: list[Event] = []
    with pytest.raises(BitwattError) as ended:
        run_engine(tmp_path, work=chains.full_disk_work, listen=events.append)
    assert str(ended.value) == (
        f"{FULL} (checkpoint). What is finished is kept; make room, and the same command goes on"
    )
    assert not [event for event in events if isinstance(event, Failed)]
    run_engine(tmp_path)
    assert results_in(tmp_path) == undisturbed


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_errors_of_the_disk_are_said(number: int) -> None:
    with pytest.raises(BitwattError) as said, disk_errors():
        raise OSError(number, os.strerror(number))
    assert str(said.value).startswith(f"the disk cannot be written: {os.strerror(number)}. ")


def test_other_errors_are_not_the_disks() -> None:
    with pytest.raises(FileNotFoundError), disk_errors():
        Path("/nowhere/at/all").read_bytes()


def test_half_a_line_of_the_log_is_dropped(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    with event_log(log, None) as tell:
        tell(Notice("first"))
    with open(log, "a") as file:
        file.write('{"time": 17')
    with event_log(log, None) as tell:
        tell(Notice("second"))
    assert [json.loads(line)["text"] for line in log.read_text().splitlines()] == ["first", "second"]


def test_out_of_memory_is_the_points_failure_and_the_others_go_on(tmp_path: Path) -> None:
    events: list[Event] = []
    results, _, _ = run_engine(tmp_path, work=chains.hungry_work, listen=events.append)
    reasons = {event.stage: event.reason for event in events if isinstance(event, Failed)}
    assert reasons == {
        f"toy {precision}, seed {seed}": "it ran out of memory; try fewer workers"
        for precision in ("fixed8", "fixed4")
        for seed in PLAN.seeds
    }
    assert [(p.precision, p.seed) for p in results.points] == [
        (precision, seed) for seed in PLAN.seeds for precision in ("float32", "binary")
    ]
