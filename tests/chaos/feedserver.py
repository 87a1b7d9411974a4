"""A source of prices over HTTP: a test sets its readings, and can make it misbehave."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import threading
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from tests.chaos.httpd import Server, Switched

Misbehaviour: TypeAlias = Callable[["Answering"], None]
"""A function that answers a request in place of a price."""


class FeedServer(Switched):
    """A server with a reading per feed, `{"price": …, "time": …}` at `/feed`, until another is set. A context manager.

    Attributes:
        fault: Answers in place of the readings, while it is set.
        next: Returns a feed's next reading at each request, if it is set: a source at full speed.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.fault: Misbehaviour | None = None
        self.next: Callable[[str], tuple[str, int] | None] | None = None
        self.asked = 0
        self._readings: dict[str, tuple[str, int]] = {}
        self._certificate = certificate
        super().__init__()

    @property
    def url(self) -> str:
        return f"http{'s' if self._certificate else ''}://127.0.0.1:{self._port}"

    def _listen(self, port: int) -> Server:
        return _Server(self, port, self._certificate)

    def set(self, feed: str, price: str, time: int) -> None:
        """Set the feed's reading from now on."""
        self._readings[feed] = (price, time)

    def reading(self, feed: str) -> tuple[str, int] | None:
        """Return the answer to a request for a feed."""
        if self.next is not None:
            return self.next(feed)
        return self._readings.get(feed)


class Answering(BaseHTTPRequestHandler):
    """A handler of one request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        source = self.server.source
        source.asked += 1
        try:
            if source.fault is not None:
                source.fault(self)
                return
            found = source.reading(urlsplit(self.path).path.strip("/"))
            if found is None:
                self.give(b"", status=404)
            else:
                self.give(json.dumps({"price": found[0], "time": found[1]}).encode())
        except OSError:
            self.close_connection = True  # the client has gone

    def give(self, body: bytes, *, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(Server):
    def __init__(self, source: FeedServer, port: int, certificate: Path | None) -> None:
        self.source = source
        super().__init__(port, Answering)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


def self_signed(folder: Path) -> Path:
    """Return a self-signed certificate and its key, which nobody has a reason to trust."""
    path = folder / "self-signed.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", path, "-out", folder / "crt.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + (folder / "crt.pem").read_text())
    return path


# --- misbehaviours -------------------------------------------------------------------------------------------------


def html(request: Answering) -> None:
    """Answer with a page for people, as a proxy does while the API is down."""
    request.give(b"<html><body>Busy, come back later</body></html>", kind="text/html")


def failing(request: Answering) -> None:
    request.give(b"{}", status=503)


def cut_json(request: Answering) -> None:
    request.give(b'{"price": "10')


def not_a_number(request: Answering) -> None:
    request.give(b'{"price": NaN, "time": 1700000000}')


def key_twice(request: Answering) -> None:
    request.give(b'{"price": "100.60", "price": "1006.0", "time": 1700000000}')


def unchanged(request: Answering) -> None:
    """Answer that nothing has changed, as a cache does that takes our request for somebody else's."""
    request.give(b"", status=304)


def bomb(request: Answering) -> None:
    """Answer with little that unpacks to much."""
    request.give(zlib.compress(b" " * (64 << 20)), Content_Encoding="deflate")


def another_shape(request: Answering) -> None:
    """Answer with what the next version of an API calls the same things."""
    request.give(b'{"data": {"last": "100.60", "at": "2026-11-30T11:30:00Z"}}')


def redirect(request: Answering) -> None:
    request.give(b"", status=302, Location="http://169.254.169.254/latest/meta-data/")


def huge(request: Answering) -> None:
    """Answer with a body that would fill the memory; a client can read as much of it as it wants."""
    request.send_response(200)
    request.send_header("Content-Length", str(1 << 40))
    request.end_headers()
    block = b" " * (1 << 16)
    with contextlib.suppress(OSError):
        while True:
            request.wfile.write(block)


def drip(request: Answering) -> None:
    """Send a byte now and then, so that no single read ever times out."""
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    stopped = threading.Event()
    with contextlib.suppress(OSError):
        while not stopped.wait(0.05):
            request.wfile.write(b" ")
            request.wfile.flush()


def hang_up(request: Answering) -> None:
    request.close_connection = True
    with contextlib.suppress(OSError):
        request.connection.shutdown(socket.SHUT_RDWR)
