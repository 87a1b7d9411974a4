"""Servers that tests end completely, with their kept-alive connections, and one that can come back."""

from __future__ import annotations

import abc
import contextlib
import socket
import threading
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from oracle.chain.local.ports import reserve


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, handler: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), handler)

    def end(self) -> None:
        """Refuse connections, and end the open ones."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # the client rejects the certificate or was killed; the tests assert elsewhere what matters


class Switched(abc.ABC):
    """A server that can be switched off and on. As a context manager, it starts when entered and ends when left."""

    def __init__(self) -> None:
        self._server: Server | None = None
        self._kept: socket.socket | None = None
        self._port = 0

    @abc.abstractmethod
    def _listen(self, port: int) -> Server:
        """Return a new server."""

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def up(self) -> None:
        """Start to listen, always on the same port, which no other process gets while nothing listens there."""
        if self._kept is None:
            self._kept = reserve()
            self._port = int(self._kept.getsockname()[1])
        self._server = self._listen(self._port)
        name = type(self).__name__
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name=name, daemon=True).start()

    def down(self) -> None:
        """Refuse connections, and end the open ones."""
        server, self._server = self._server, None
        if server is not None:
            server.end()
