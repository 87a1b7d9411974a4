"""Tests of fetching the public ceremony's files from good, bad and silent servers, and of checking the cache."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from oracle.chain.local.ports import reserved_port
from oracle.cli import oracle as command_line
from oracle.core.errors import ArtifactError, SrsUnavailable
from oracle.proving.srs import ceremony
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.ceremony import ceremony_name, srs_bytes
from oracle.proving.srs.download import Patience
from oracle.proving.srs.files import SrsFile, SrsOrigin

K = 6
SIZE = srs_bytes(K)
CONTENT = K.to_bytes(4, "little") + random.Random(2_016).randbytes(SIZE - 4)
"""A stand-in for the ceremony's file, of its form and size."""

NAME = ceremony_name(K)
CUT = 5_000
HASTY = Patience(deadline_s=20, stall_s=10, attempts=3, first_wait_s=0, longest_wait_s=0)

Handler = Callable[[Request], Response]


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceremony.CEREMONY_SHA256, K, hashlib.sha256(CONTENT).hexdigest())


class Server:
    """A server that answers requests for the file by a list of handlers, one after the other; the last one stays."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.ranges: list[str | None] = []
        self._script: list[Handler] = []
        server.expect_request(f"/{NAME}").respond_with_handler(self._answer)

    def script(self, *handlers: Handler) -> None:
        self._script = list(handlers)

    def _answer(self, request: Request) -> Response:
        self.ranges.append(request.headers.get("Range"))
        handler = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        return handler(request)


@pytest.fixture
def httpserver() -> Iterator[HTTPServer]:
    """Return a server with a thread for each request, because a client that was left waiting comes back."""
    with HTTPServer(threaded=True) as running:
        yield running


@pytest.fixture
def server(httpserver: HTTPServer) -> Server:
    return Server(httpserver)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "srs"


def whole(request: Request) -> Response:
    """Answer like a server that honours ranges."""
    wanted = request.headers.get("Range")
    if wanted is None:
        return Response(CONTENT)
    start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    headers = {"Content-Range": f"bytes {start}-{SIZE - 1}/{SIZE}"}
    return Response(CONTENT[start:], 206, headers)


def without_ranges(request: Request) -> Response:
    return Response(CONTENT)


def cut(request: Request) -> Response:
    """Announce the whole file, and close the connection after a part of it."""
    return Response(iter([CONTENT[:CUT]]), headers={"Content-Length": str(SIZE)})


def status(code: int) -> Handler:
    return lambda request: Response("no", code)


def fetch(folder: Path, server: Server, patience: Patience = HASTY, **options: Any) -> SrsFile:
    return SrsCache(folder, server.url, patience, **options).public_ceremony(K)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def complete(folder: Path) -> bool:
    return files(folder) == {f"public-ceremony-k{K}.srs"} and (
        (folder / f"public-ceremony-k{K}.srs").read_bytes() == CONTENT
    )


PART = f".public-ceremony-k{K}.srs.part"


def test_the_source_is_ezkls() -> None:
    """The address is the one in the pinned release, and the sizes are those of files that ezkl writes."""
    from importlib.metadata import distribution

    library = next(
        path for path in distribution("ezkl").files or [] if path.suffix in (".so", ".pyd") and "ezkl" in path.name
    )
    content = Path(str(distribution("ezkl").locate_file(library))).read_bytes()
    assert f"{ceremony.CEREMONY_URL}/kzg".encode() in content


def test_sizes_are_those_that_ezkl_writes(folder: Path) -> None:
    cache = SrsCache(folder)
    for k in (4, 7):
        made = cache.insecure_local(k)
        assert made.path.stat().st_size == srs_bytes(k)
        assert cache.problem(made) is None


def test_a_file_is_fetched_once(folder: Path, server: Server) -> None:
    server.script(whole)
    told: list[tuple[int, int]] = []
    found = fetch(folder, server, progress=lambda done, total: told.append((done, total)))
    assert (found.k, found.origin) == (K, SrsOrigin.PUBLIC_CEREMONY)
    assert complete(folder)
    assert told[0] == (0, SIZE) and told[-1] == (SIZE, SIZE)
    assert fetch(folder, server) == found
    assert server.ranges == [None]


def test_a_cut_download_goes_on_where_it_was(folder: Path, server: Server) -> None:
    server.script(cut, whole)
    fetch(folder, server)
    assert complete(folder)
    assert server.ranges == [None, f"bytes={CUT}-"]


def test_a_later_call_goes_on_too(folder: Path, server: Server) -> None:
    server.script(cut, status(503))
    with pytest.raises(SrsUnavailable, match=rf"HTTP 503; 5,000 of {SIZE:,} bytes are kept") as refused:
        fetch(folder, server)
    assert refused.value.exit_code == 75
    # An attempt that brought something does not count as failed.
    assert len(server.ranges) == 1 + HASTY.attempts
    assert files(folder) == {PART}
    server.ranges.clear()
    server.script(whole)
    fetch(folder, server)
    assert server.ranges == [f"bytes={CUT}-"]
    assert complete(folder)


def test_a_server_without_ranges_sends_all_again(folder: Path, server: Server) -> None:
    server.script(cut, without_ranges)
    fetch(folder, server)
    assert server.ranges == [None, f"bytes={CUT}-"]
    assert complete(folder)


def test_a_complete_part_is_taken_without_asking(folder: Path, server: Server) -> None:
    folder.mkdir()
    (folder / PART).write_bytes(CONTENT)
    server.script(status(500))
    fetch(folder, server)
    assert server.ranges == []
    assert complete(folder)


@pytest.mark.parametrize("length", [100, SIZE, SIZE + 10])
def test_a_part_of_another_file_costs_one_more_download(folder: Path, server: Server, length: int) -> None:
    folder.mkdir()
    (folder / PART).write_bytes(b"x" * length)
    server.script(whole)
    fetch(folder, server)
    assert server.ranges == {100: ["bytes=100-", None]}.get(length, [None])
    assert complete(folder)


def test_a_range_that_is_refused_or_mistaken(folder: Path, server: Server) -> None:
    def other_part(request: Request) -> Response:
        return Response(CONTENT[1:], 206, {"Content-Range": f"bytes 1-{SIZE - 1}/{SIZE}"})

    for odd in (status(416), other_part):
        server.ranges.clear()
        server.script(cut, odd, whole)
        fetch(folder, server)
        assert server.ranges == [None, f"bytes={CUT}-", None]
        assert complete(folder)
        (folder / f"public-ceremony-k{K}.srs").unlink()


@pytest.mark.attack
def test_another_file_is_not_kept(folder: Path, server: Server) -> None:
    """The file has the same size, and comes from another ceremony."""
    server.script(lambda request: Response(CONTENT[:-1] + b"?"))
    with pytest.raises(ArtifactError, match=r"another file: its SHA-256 is .* Nothing of it is kept; .*--mirror"):
        fetch(folder, server)
    assert files(folder) == set()
    assert len(server.ranges) == 1


@pytest.mark.attack
def test_a_mirror_that_always_appends_something_else_is_given_up(folder: Path, server: Server) -> None:
    def wrong(request: Request) -> Response:
        if "Range" in request.headers:
            return Response(b"?" * (SIZE - CUT), 206, {"Content-Range": f"bytes {CUT}-{SIZE - 1}/{SIZE}"})
        return cut(request)

    server.script(wrong)
    with pytest.raises(ArtifactError, match="another file"):
        fetch(folder, server)
    assert files(folder) == set()
    assert len(server.ranges) == 4


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda request: Response("<html>Please log in</html>"), f"has 26 bytes instead of {SIZE:,}"),
        (lambda request: Response(iter([CONTENT, b"more"])), f"has more than {SIZE:,} bytes"),
        (lambda request: Response(CONTENT[:100]), f"has 100 bytes instead of {SIZE:,}"),
        (lambda request: Response(CONTENT, headers={"Content-Encoding": "gzip"}), "compressed"),
        (status(404), "HTTP 404: the file is not there"),
        (status(403), "HTTP 403"),
    ],
)
def test_what_is_not_the_file_is_not_tried_again(folder: Path, server: Server, answer: Handler, says: str) -> None:
    server.script(answer)
    with pytest.raises(ArtifactError, match=says) as refused:
        fetch(folder, server)
    assert "srs import" in str(refused.value)
    assert files(folder) == set()
    assert len(server.ranges) == 1


def test_an_answer_without_length_that_ends_too_soon_is_continued(folder: Path, server: Server) -> None:
    server.script(lambda request: Response(iter([CONTENT[:CUT]])), whole)
    fetch(folder, server)
    assert server.ranges == [None, f"bytes={CUT}-"]
    assert complete(folder)


def test_a_redirect_is_followed(folder: Path, server: Server, httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"/elsewhere/{NAME}").respond_with_handler(whole)
    server.script(lambda request: Response("", 302, {"Location": f"/elsewhere/{NAME}"}))
    fetch(folder, server)
    assert complete(folder)


def test_a_redirect_in_circles_is_not(folder: Path, server: Server) -> None:
    server.script(lambda request: Response("", 302, {"Location": f"/{NAME}"}))
    with pytest.raises(ArtifactError, match="redirect"):
        fetch(folder, server)


def test_nobody_there(folder: Path) -> None:
    url = f"http://user:secret@127.0.0.1:{reserved_port()}/mirror"
    with pytest.raises(SrsUnavailable, match=r"/mirror/kzg6\.srs.*nothing has arrived") as refused:
        SrsCache(folder, url, HASTY).public_ceremony(K)
    assert "secret" not in str(refused.value)
    assert files(folder) == set()


def test_a_slow_server_meets_the_deadline(folder: Path, server: Server) -> None:
    """It sends a byte now and then, so that no single wait is long."""
    leave = threading.Event()

    def drip(request: Request) -> Response:
        def body() -> Iterator[bytes]:
            for position in range(SIZE):
                yield CONTENT[position : position + 1]
                if leave.wait(0.02):
                    return

        return Response(body(), headers={"Content-Length": str(SIZE)})

    server.script(drip)
    try:
        with pytest.raises(SrsUnavailable, match=r"not complete within 1\.5 s; \d+ of .* are kept"):
            fetch(folder, server, Patience(deadline_s=1.5, first_wait_s=0))
    finally:
        leave.set()
    kept = (folder / PART).read_bytes()
    assert kept and CONTENT.startswith(kept)


def test_a_silent_server_counts_as_cut(folder: Path, server: Server) -> None:
    leave = threading.Event()

    def silent(request: Request) -> Response:
        def body() -> Iterable[bytes]:
            yield CONTENT[:CUT]
            leave.wait(30)

        return Response(body(), headers={"Content-Length": str(SIZE)})

    server.script(silent, whole)
    try:
        fetch(folder, server, Patience(deadline_s=20, stall_s=1, first_wait_s=0))
    finally:
        leave.set()
    assert server.ranges == [None, f"bytes={CUT}-"]
    assert complete(folder)


def test_two_at_once_fetch_it_once(folder: Path, server: Server) -> None:
    first_asked, second_asked, go = threading.Event(), threading.Event(), threading.Event()

    def held(request: Request) -> Response:
        (second_asked if first_asked.is_set() else first_asked).set()
        go.wait(60)
        return whole(request)

    server.script(held)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fetch, folder, server)
        assert first_asked.wait(60)
        second = pool.submit(fetch, folder, server)
        # This is time enough for the second request, if nothing holds it back.
        asked = second_asked.wait(0.5)
        go.set()
        assert not asked
        assert first.result(20) == second.result(20)
    assert len(server.ranges) == 1
    assert complete(folder)


def test_the_command_fetches_from_a_mirror(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.script(cut, whole)
    monkeypatch.chdir(tmp_path)
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "ORACLE_SRS_MIRROR": f"{server.url}/"}
    done = CliRunner(env=environment).invoke(command_line, ["srs", "fetch", str(K), str(K)])
    assert done.exit_code == 0, done.output
    (path,) = done.output.split()
    assert Path(path).is_relative_to(tmp_path) and Path(path).read_bytes() == CONTENT
    verified = CliRunner(env=environment).invoke(command_line, ["srs", "verify", "--json"])
    found = [each for each in json.loads(verified.output) if each["path"] == path]
    assert [(each["origin"], each["problem"]) for each in found] == [("public-ceremony", None)]


class FullDisk:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._written = 0

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        if self._written + len(data) > 1_000:
            raise OSError(28, os.strerror(28))
        self._written += len(data)
        return int(self._file.write(data))


def test_a_disk_that_is_full(folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.script(whole)
    opened = Path.open

    def full(path: Path, mode: str = "r", **options: Any) -> Any:
        found = opened(path, mode, **options)
        return FullDisk(found) if path.name == PART and mode in ("ab", "wb") else found

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(ArtifactError, match=rf"No space left on device\); free {SIZE:,} bytes there"):
            fetch(folder, server)
    assert files(folder) == set()
    fetch(folder, server)
    assert complete(folder)


def test_a_disk_that_is_too_small_is_told_before(folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.script(whole)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage)
    with pytest.raises(ArtifactError, match="No space left"):
        fetch(folder, server)
    assert server.ranges == []


class _Usage:
    free = SIZE - 1


def test_a_folder_that_can_not_be_written(tmp_path: Path, server: Server) -> None:
    (tmp_path / "srs").write_text("a file")
    server.script(whole)
    with pytest.raises(ArtifactError, match="check that it is a writable folder"):
        fetch(tmp_path / "srs", server)


def test_a_wrong_file_in_the_cache_is_replaced(folder: Path, server: Server) -> None:
    cache = SrsCache(folder, server.url, HASTY)
    server.script(whole)
    path = cache.public_ceremony(K).path
    path.write_bytes(CONTENT[:-1] + b"?")
    (found,) = cache.status()
    assert found.origin is SrsOrigin.INSECURE_LOCAL
    assert "is not the public ceremony's file" in (cache.problem(found) or "")
    cache.public_ceremony(K)
    assert complete(folder)
    (found,) = cache.status()
    assert cache.problem(found) is None


def test_a_damaged_local_file_is_told(folder: Path) -> None:
    cache = SrsCache(folder)
    made = cache.insecure_local(4)
    made.path.write_bytes(made.path.read_bytes()[:-1])
    assert "is not an SRS for k = 4" in (cache.problem(cache.status()[0]) or "")
