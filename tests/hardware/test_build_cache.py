"""Folders kept by digest: made once, checked, made again where damaged, and never half there."""

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from bitwatt.errors import DataError, ToolError
from bitwatt.hardware.build_cache import cache_folder, cached


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


def test_where_it_lies(monkeypatch):
    monkeypatch.delenv("BITWATT_CACHE")
    monkeypatch.setenv("HOME", "/somewhere")
    assert str(cache_folder()) == "/somewhere/.cache/bitwatt"
