"""Folders kept by digest: made once, checked, made again where damaged, and never half there."""

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from bitwatt.errors import DataError, ToolError
from bitwatt.hardware.build_cache import cached


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BITWATT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(text):
    def make(folder):
        (folder / "inside").mkdir()
        (folder / "inside" / "file").write_text(text)

    return make


def read(folder):
    return (folder / "inside" / "file").read_text()


def test_it_is_made_once(folder):
    made = cached("kind", "abc", write("first"))
    assert made == folder / "kind" / "abc"
    assert read(cached("kind", "abc", write("second"))) == "first"
    assert read(cached("kind", "def", write("second"))) == "second"


@pytest.mark.parametrize("damage", ["changed", "missing", "more", "manifest"])
def test_a_damaged_one_is_made_again_and_that_is_said(damage, caplog):
    made = cached("kind", "abc", write("first"))
    match damage:
        case "changed":
            (made / "inside" / "file").write_text("worse")
        case "missing":
            (made / "inside" / "file").unlink()
        case "more":
            (made / "another").write_text("")
        case "manifest":
            (made / "sha256.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert read(cached("kind", "abc", write("second"))) == "second"
    assert caplog.messages == [f"the cache entry {made} is damaged; it is made again"]


def test_nothing_is_kept_of_one_that_fails(folder):
    def make(aside):
        (aside / "half").write_text("")
        raise ToolError("no")

    with pytest.raises(ToolError):
        cached("kind", "abc", make)
    assert list((folder / "kind").iterdir()) == []


def test_of_two_at_once_one_is_kept(folder):
    together = Barrier(2, timeout=10)

    def make(aside):
        write("same")(aside)
        together.wait()

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: cached("kind", "abc", make), range(2)))
    assert made[0] == made[1]
    assert read(made[0]) == "same"
    assert [path.name for path in (folder / "kind").iterdir()] == ["abc"]


def test_a_cache_that_cannot_be_written_is_named(folder):
    folder.write_text("a file where a folder should be")
    with pytest.raises(DataError) as caught:
        cached("kind", "abc", write("first"))
    assert str(caught.value) == (
        f"cannot write the cache folder {folder / 'kind'}: Not a directory; set BITWATT_CACHE to a folder "
        "that can be written"
    )


def test_what_a_killed_process_leaves_is_removed_and_what_others_make_is_not(folder):
    """One was killed, one is under way, one is another machine's, and one is days old."""
    leave = "import os, signal, sys; from bitwatt.hardware.build_cache import cached\n"
    leave += "cached('kind', 'abc', lambda folder: os.kill(os.getpid(), signal.SIGKILL))"
    subprocess.run([sys.executable, "-c", leave], check=False)
    (killed,) = (folder / "kind").iterdir()

    def make(aside):
        assert not killed.exists()
        elsewhere = aside.with_name(".making-elsewhere.1.abc")
        old = aside.with_name(".making-elsewhere.2.abc")
        for each in (elsewhere, old):
            each.mkdir()
        os.utime(old, (0, 0))
        cached("kind", "def", write("second"))
        assert [path.exists() for path in (aside, elsewhere, old)] == [True, True, False]
        write("first")(aside)

    assert read(cached("kind", "abc", make)) == "first"
