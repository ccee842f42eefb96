import gzip
import logging
import subprocess
import sys

import pytest

from bitwatt.cache import cache_folder
from bitwatt.errors import DataError
from bitwatt.technology.cache import load_entry, store_entry

DIGEST = "ab" + "0" * 62


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BITWATT_CACHE", str(tmp_path))
    return tmp_path


def test_what_is_stored_is_loaded(folder):
    assert cache_folder() == folder
    assert load_entry("kind", DIGEST) is None
    store_entry("kind", DIGEST, {"a": 1, "b": "two"})
    assert load_entry("kind", DIGEST) == {"a": 1, "b": "two"}
    assert load_entry("other", DIGEST) is None


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("BITWATT_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "bitwatt"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda body: body[:-20], "Compressed file ended before the end-of-stream marker was reached"),
        (lambda body: b"not gzip", "Not a gzipped file (b'no')"),
        (
            lambda body: gzip.compress(gzip.decompress(body).replace(b"true", b"null")),
            "its checksum does not fit its content",
        ),
        (lambda body: b"", "its checksum does not fit its content"),
    ],
)
def test_damage_is_noticed_and_said(folder, caplog, damage, reason):
    store_entry("kind", DIGEST, {"value": True})
    path = folder / "kind" / "ab" / f"{DIGEST}.json.gz"
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert load_entry("kind", DIGEST) is None
    assert caplog.messages == [f"the cache entry {path} is damaged ({reason}); it is made again"]
    store_entry("kind", DIGEST, {"value": True})
    assert load_entry("kind", DIGEST) == {"value": True}


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BITWATT_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError) as caught:
        store_entry("kind", DIGEST, {})
    assert str(caught.value) == (
        f"cannot write the cache folder {tmp_path}/file/kind/ab: Not a directory; set BITWATT_CACHE to a "
        f"folder that "
        "can be written"
    )


def test_an_interrupted_write_leaves_nothing(folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store_entry("kind", DIGEST, {"a": 1})
    assert [path for path in folder.rglob("*") if path.is_file()] == []


STORE_AND_LOAD = f"""
from bitwatt.technology.cache import load_entry, store_entry
for _ in range(30):
    store_entry("kind", "{DIGEST}", {{"text": "x" * 10_000}})
    if load_entry("kind", "{DIGEST}") != {{"text": "x" * 10_000}}:
        raise SystemExit("read something else")
"""


def test_several_processes_at_once(folder):
    processes = [subprocess.Popen([sys.executable, "-c", STORE_AND_LOAD]) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
