"""A JSON-RPC endpoint in front of a node, where a test does what it likes with each request, in a thread of its own.

    with NodeProxy(chain.rpc_url) as proxy:
        proxy.on("eth_getTransactionReceipt", delay(2.0))
        proxy.on(None, http_error(429), times=3)
        ...
        proxy.clear()

It can be taken down and brought up, and be pointed at another node, while a daemon uses it. A websocket goes through
too, at the same port, until `cut` ends it.
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
    """The connection ends without an answer."""


@dataclass(frozen=True)
class Http:
    """An answer that is not JSON-RPC's."""

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
        """The node's answer; with other parameters than were sent, if they are given."""
        document = self._document if params is None else self._document | {"params": params}
        return self._proxy.ask(document)

    def answer(self, result: Any) -> dict[str, Any]:
        """A result that the node did not give."""
        return {"jsonrpc": "2.0", "id": self._document.get("id"), "result": result}

    def refuse(self, message: str, code: int = -32000, data: str | None = None) -> dict[str, Any]:
        """An error that the node did not give."""
        error = {"code": code, "message": message} | ({} if data is None else {"data": data})
        return {"jsonrpc": "2.0", "id": self._document.get("id"), "error": error}


Act: TypeAlias = Callable[[Call], dict[str, Any] | Http | None]
"""What is done with a request: the answer to it, or None to forward it. May raise `Dropped`."""


@dataclass(eq=False)
class Rule:
    """What is done with requests of a method, or of all (None), so many times (None: until it is removed)."""

    method: str | None
    act: Act
    times: int | None
    hits: int = 0
    _hit: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Until it was applied for the first time."""
        assert self._hit.wait(PATIENCE_S), f"there was no request of {self.method} within {PATIENCE_S:g} s"


class NodeProxy(Switched):
    """An endpoint for the tests of one node. A context manager.

    Args:
        upstream: The node's URL; may be replaced while it runs.

    Attributes:
        seen: How many requests there were of each method.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.seen: Counter[str] = Counter()
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._local = threading.local()
        self._tunnels: set[socket.socket] = set()
        super().__init__()

    @property
    def url(self) -> str:
        """Where it answers; the path is of no consequence to it."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        """The same, for a websocket."""
        return f"ws://127.0.0.1:{self._port}"

    def _listen(self, port: int) -> Server:
        return _Server(self, port)

    def on(self, method: str | None, act: Act, times: int | None = None) -> Rule:
        """Do something with requests of a method, or of all. The latest rule comes first."""
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
        """The node's answer. Raises: Dropped if it has none."""
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
        """Let a connection's bytes go to the node and back, unread, until either side ends it.

        Args:
            head: What was read of it already.
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
        """What is answered to a request. Raises: Dropped."""
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
    """Answers a status."""
    return lambda call: Http(status, body)


def refuse(message: str, code: int = -32000, data: str | None = None) -> Act:
    """Answers an error of JSON-RPC."""
    return lambda call: call.refuse(message, code, data)


def answer(result: Any) -> Act:
    """Answers this, whatever the node has."""
    return lambda call: call.answer(result)


def body(content: bytes) -> Act:
    """Answers these bytes, whatever was asked."""
    return lambda call: Http(200, content, (("Content-Type", "application/json"),))


def rewrite(change: Callable[[list[Any], Any], Any]) -> Act:
    """Answers the node's result, changed: called with the parameters and the result."""

    def act(call: Call) -> dict[str, Any]:
        found = call.forward()
        if "result" in found:
            found["result"] = change(call.params, found["result"])
        return found

    return act


def delay(seconds: float) -> Act:
    """Answers what the node does, late."""

    def act(call: Call) -> None:
        threading.Event().wait(seconds)

    return act


def drop(call: Call) -> None:
    """Ends the connection without an answer; the node has heard nothing."""
    raise Dropped


def lose_answer(call: Call) -> None:
    """The node has heard it, but its answer is lost."""
    call.forward()
    raise Dropped


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """All bytes of one connection to another; the end of one is the end of both."""
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
    # Header and body are two packets, of which the second would wait for the first one's receipt.
    disable_nagle_algorithm = True
    server: _Server

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
            self.close_connection = True  # whoever asked is gone

    def do_GET(self) -> None:
        """A websocket begins so; nothing else is asked for in this way."""
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
