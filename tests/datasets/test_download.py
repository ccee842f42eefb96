"""A download resumes, is checked, appears in one step, and leaves nothing behind when it fails."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bitwatt.datasets.download import RemoteFile, fetch
from bitwatt.errors import DataError, RequestError

CONTENTS = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENTS).hexdigest()
QUICK = (0, 0, 0)


class Server(ThreadingHTTPServer):
    """Serves CONTENTS; `breaks_after` bytes it hangs up, and it notes the range of every request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents = CONTENTS
        self.breaks_after: int | None = None
        self.understands_ranges = True
        self.status = 200
        self.ranges: list[str | None] = []

    def file(self, *paths: str, size: int = len(CONTENTS), sha256: str = DIGEST) -> RemoteFile:
        base = f"http://127.0.0.1:{self.server_address[1]}"
        return RemoteFile("digits.gz", tuple(base + path for path in paths or ("/digits.gz",)), size, sha256)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if self.path == "/gone" or self.server.status != 200:
            self.send_error(404 if self.path == "/gone" else self.server.status)
            return
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if asked and not self.server.understands_ranges:
            first = 0
        body = self.server.contents[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.breaks_after])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def test_whole_file(server, tmp_path):
    path = fetch(server.file(), tmp_path / "new" / "folder", QUICK)
    assert path == tmp_path / "new" / "folder" / "digits.gz"
    assert path.read_bytes() == CONTENTS
    assert [p.name for p in path.parent.iterdir()] == ["digits.gz"]
    assert server.ranges == [None]


def test_progress_goes_to_stderr(server, tmp_path, capsys):
    fetch(server.file(), tmp_path, QUICK)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "downloading digits.gz (1.0 MB)\n"


def test_broken_connection_is_resumed(server, tmp_path):
    server.breaks_after = 400_000
    path = fetch(server.file(), tmp_path, QUICK)
    assert path.read_bytes() == CONTENTS
    assert server.ranges == [None, "bytes=400000-", "bytes=800000-"]


def test_interrupted_download_goes_on_in_the_next_run(server, tmp_path):
    (tmp_path / "digits.gz.part").write_bytes(CONTENTS[:300_000])
    assert fetch(server.file(), tmp_path, QUICK).read_bytes() == CONTENTS
    assert server.ranges == ["bytes=300000-"]


def test_interrupt_keeps_what_came(server, tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bitwatt.datasets.download._sha256", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(server.file(), tmp_path, QUICK)
    assert [(p.name, p.stat().st_size) for p in tmp_path.iterdir()] == [("digits.gz.part", len(CONTENTS))]


def test_server_without_ranges_sends_it_all_again(server, tmp_path):
    server.understands_ranges = False
    (tmp_path / "digits.gz.part").write_bytes(b"x" * 300_000)
    assert fetch(server.file(), tmp_path, QUICK).read_bytes() == CONTENTS


def test_a_part_that_is_too_long_is_not_trusted(server, tmp_path):
    (tmp_path / "digits.gz.part").write_bytes(CONTENTS + b"more")
    assert fetch(server.file(), tmp_path, QUICK).read_bytes() == CONTENTS
    assert server.ranges == [None]


def test_wrong_digest(server, tmp_path):
    server.contents = b"!" + CONTENTS[1:]
    found = hashlib.sha256(server.contents).hexdigest()
    file = server.file()
    with pytest.raises(DataError) as error:
        fetch(file, tmp_path, QUICK)
    assert str(error.value) == (
        f"digits.gz from {file.urls[0]} has SHA-256 {found}, expected {DIGEST}; "
        f"it was thrown away. Try again, or put a good copy at {tmp_path / 'digits.gz'}"
    )
    assert list(tmp_path.iterdir()) == []


def test_wrong_size(server, tmp_path):
    file = server.file(size=len(CONTENTS) + 1)
    with pytest.raises(DataError) as error:
        fetch(file, tmp_path, QUICK)
    assert str(error.value) == (
        f"could not download digits.gz: {file.urls[0]} has a file of 1024000 bytes, expected 1024001; "
        f"got 0 of 1024001 bytes. Check the network, or put the file at {tmp_path / 'digits.gz'} yourself"
    )
    assert list(tmp_path.iterdir()) == []


def test_truncated_again_and_again(server, tmp_path):
    server.understands_ranges, server.breaks_after = False, 1000
    file = server.file()
    with pytest.raises(DataError) as error:
        fetch(file, tmp_path, QUICK)
    assert str(error.value).startswith(
        f"could not download digits.gz: {file.urls[0]} ended early; got 1000 of 1024000 bytes."
    )
    assert len(server.ranges) == 1 + len(QUICK)
    assert list(tmp_path.iterdir()) == []


def test_next_mirror_is_asked(server, tmp_path):
    assert fetch(server.file("/gone", "/digits.gz"), tmp_path, QUICK).read_bytes() == CONTENTS


def test_not_served(server, tmp_path):
    file = server.file("/gone")
    with pytest.raises(DataError) as error:
        fetch(file, tmp_path, QUICK)
    assert f"{file.urls[0]} answered 404 Not Found; got 0 of 1024000 bytes." in str(error.value)
    assert server.ranges == [None]  # asking a second time is of no use
    assert list(tmp_path.iterdir()) == []


def test_overloaded_server_is_asked_again(server, tmp_path):
    server.status = 503
    with pytest.raises(DataError, match=r"failed \(HTTP Error 503: Service Unavailable\)"):
        fetch(server.file(), tmp_path, QUICK)
    assert len(server.ranges) == len(QUICK)
    assert list(tmp_path.iterdir()) == []


def test_no_server(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    file = RemoteFile("digits.gz", ("http://127.0.0.1:1/digits.gz",), 10, DIGEST)
    with pytest.raises(
        DataError, match=r"http://127.0.0.1:1/digits.gz failed \(.*refused.*\); got 0 of 10 bytes"
    ):
        fetch(file, tmp_path, QUICK)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written(server, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(RequestError) as error:
        fetch(server.file(), blocked / "below", QUICK)
    assert str(error.value) == (
        f"data folder {blocked / 'below'} cannot be written (Not a directory); name another with --data-dir"
    )
    assert server.ranges == []
