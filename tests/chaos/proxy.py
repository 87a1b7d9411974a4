"""A JSON-RPC endpoint in front of a node. It handles each request in a thread, as a test tells it to.

    with NodeProxy(chain.rpc_url) as proxy:
        proxy.on("eth_getTransactionReceipt", delay(2.0))
        proxy.on(None, http_error(429), times=3)
        ...
        proxy.clear()

A test can take it down, bring it up and point it at another node while a daemon uses it. Websockets pass through it
too, on the same port, until `cut` ends them.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from tests.chaos.httpd import Server, Switched

PATIENCE_S = 60.0


class Dropped(Exception):
    """Raised to end the connection without an answer."""


@dataclass(frozen=True)
class Http:
    """An answer that is not JSON-RPC."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Call:
    """A request on its way to the node."""

    def __init__(self, proxy: NodeProxy, document: dict[str, Any]) -> None:
        self._proxy = proxy
        self._document = document
        self.method: str = document["method"]
        self.params: list[Any] = list(document.get("params") or [])

    def forward(self, params: list[Any] | None = None) -> dict[str, Any]:
        """Return the node's answer, to other parameters than those sent if they are given."""
        document = self._document if params is None else self._document | {"params": params}
        return self._proxy.ask(document)

    def answer(self, result: Any) -> dict[str, Any]:
        """Return an answer with this result, which the node did not give."""
        return {"jsonrpc": "2.0", "id": self._document.get("id"), "result": result}

    def refuse(self, message: str, code: int = -32000, data: str | None = None) -> dict[str, Any]:
        """Return an answer with this error, which the node did not give."""
        error = {"code": code, "message": message} | ({} if data is None else {"data": data})
        return {"jsonrpc": "2.0", "id": self._document.get("id"), "error": error}


Act: TypeAlias = Callable[[Call], dict[str, Any] | Http | None]
"""A function that returns the answer to a request, or None to forward it. It may raise `Dropped`."""


@dataclass(eq=False)
class Rule:
    """A rule for requests of a method or for all (None). It applies `times` times, or until it is removed (None)."""

    method: str | None
    act: Act
    times: int | None
    hits: int = 0
    _hit: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Wait until the rule was applied for the first time."""
        assert self._hit.wait(PATIENCE_S), f"there was no request of {self.method} within {PATIENCE_S:g} s"


class NodeProxy(Switched):
    """An endpoint in front of one node. A context manager.

    Args:
        upstream: The node's URL; a test may replace it while the proxy runs.

    Attributes:
        seen: The number of requests of each method.
        connections: The number of connections that were opened to it.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.seen: Counter[str] = Counter()
        self.connections = 0
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._local = threading.local()
        self._tunnels: set[socket.socket] = set()
        super().__init__()

    @property
    def url(self) -> str:
        """Return the proxy's URL. The proxy ignores the path."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        """Return the same URL for a websocket."""
        return f"ws://127.0.0.1:{self._port}"

    def _listen(self, port: int) -> Server:
        return _Server(self, port)

    def on(self, method: str | None, act: Act, times: int | None = None) -> Rule:
        """Add a rule for the requests of a method, or for all requests. The latest rule comes first."""
        rule = Rule(method, act, times)
        with self._lock:
            self._rules.insert(0, rule)
        return rule

    def off(self, rule: Rule) -> None:
        """Remove a rule."""
        with self._lock, contextlib.suppress(ValueError):
            self._rules.remove(rule)

    def clear(self) -> None:
        """Forward everything."""
        with self._lock:
            self._rules.clear()

    def ask(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the node's answer. Raises: Dropped if it has none."""
        body = json.dumps(document)
        for again in (True, False):
            connection = self._connection()
            try:
                connection.request("POST", "/", body, {"Content-Type": "application/json"})
                found: dict[str, Any] = json.loads(connection.getresponse().read())
                return found
            except (OSError, http.client.HTTPException, ValueError):
                connection.close()
                self._local.connections.pop(self.upstream, None)
                if not again:
                    raise Dropped from None
        raise AssertionError

    def hang_up(self) -> None:
        """Close this thread's connections to nodes."""
        for connection in self._local.__dict__.pop("connections", {}).values():
            connection.close()

    def tunnel(self, below: socket.socket, head: bytes) -> None:
        """Carry a connection's bytes to the node and back, unread, until either side ends it.

        Args:
            head: The bytes that were read from it already.
        """
        where = urlsplit(self.upstream)
        with contextlib.suppress(OSError), socket.create_connection((where.hostname or "", where.port or 80)) as above:
            with self._lock:
                self._tunnels.add(above)
            above.sendall(head)
            back = threading.Thread(target=_copy, args=(above, below), daemon=True)
            back.start()
            _copy(below, above)
            back.join()
            with self._lock:
                self._tunnels.discard(above)

    def cut(self) -> None:
        """End all websockets."""
        with self._lock:
            for above in self._tunnels:
                _end(above)

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connections"):
            self._local.connections = {}
        kept: dict[str, http.client.HTTPConnection] = self._local.connections
        if self.upstream not in kept:
            kept[self.upstream] = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=PATIENCE_S)
        return kept[self.upstream]

    def respond(self, body: bytes) -> bytes | Http:
        """Return the answer to a request. Raises: Dropped."""
        call = Call(self, json.loads(body))
        with self._lock:
            self.seen[call.method] += 1
            rules = [rule for rule in self._rules if rule.method in (None, call.method)]
        for rule in rules:
            with self._lock:
                if rule.times is not None and rule.hits >= rule.times:
                    continue
                rule.hits += 1
            try:
                found = rule.act(call)
            finally:
                rule._hit.set()
            if found is not None:
                return found if isinstance(found, Http) else json.dumps(found).encode()
        return json.dumps(call.forward()).encode()


def http_error(status: int, body: bytes = b"") -> Act:
    """Return an action that answers with an HTTP status."""
    return lambda call: Http(status, body)


def refuse(message: str, code: int = -32000, data: str | None = None) -> Act:
    """Return an action that answers with a JSON-RPC error."""
    return lambda call: call.refuse(message, code, data)


def answer(result: Any) -> Act:
    """Return an action that answers with this result, whatever the node says."""
    return lambda call: call.answer(result)


def body(content: bytes) -> Act:
    """Return an action that answers with these bytes, whatever was asked."""
    return lambda call: Http(200, content, (("Content-Type", "application/json"),))


def rewrite(change: Callable[[list[Any], Any], Any]) -> Act:
    """Return an action that changes the node's result: `change` gets the parameters and the result."""

    def act(call: Call) -> dict[str, Any]:
        found = call.forward()
        if "result" in found:
            found["result"] = change(call.params, found["result"])
        return found

    return act


def delay(seconds: float) -> Act:
    """Return an action that answers as the node does, but late."""

    def act(call: Call) -> None:
        threading.Event().wait(seconds)

    return act


def drop(call: Call) -> None:
    """End the connection without an answer. The node gets nothing."""
    raise Dropped


def lose_answer(call: Call) -> None:
    """Pass the request to the node, and lose its answer."""
    call.forward()
    raise Dropped


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy all bytes of one connection to another. When one ends, end both."""
    with contextlib.suppress(OSError):
        while some := source.recv(1 << 16):
            sink.sendall(some)
    _end(source)
    _end(sink)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Header and body are two packets; without this, the second would wait until the first is acknowledged.
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        with self.server.proxy._lock:
            self.server.proxy.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            found = self.server.proxy.respond(body)
        except Dropped:
            self.close_connection = True
            _end(self.connection)
            return
        answered = found if isinstance(found, Http) else Http(200, found, (("Content-Type", "application/json"),))
        try:
            self.send_response(answered.status)
            for name, value in answered.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answered.body)))
            self.end_headers()
            self.wfile.write(answered.body)
        except OSError:
            self.close_connection = True  # the client has gone

    def do_GET(self) -> None:
        """Start a websocket, the only use of GET here."""
        self.close_connection = True
        head = [self.requestline, *(f"{name}: {value}" for name, value in self.headers.items()), "", ""]
        self.server.proxy.tunnel(self.connection, "\r\n".join(head).encode())

    def finish(self) -> None:
        self.server.proxy.hang_up()
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(Server):
    def __init__(self, proxy: NodeProxy, port: int) -> None:
        self.proxy = proxy
        super().__init__(port, _Handler)
