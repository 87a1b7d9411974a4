"""A JSON-RPC proxy that misbehaves as it is told, per method: what a node, or the way to it, may do.

    with FaultProxy(chain.rpc_url) as proxy:
        proxy.on("eth_getTransactionReceipt", Delay(2.0))
        proxy.on("*", Status(429), times=3)
        ...
        proxy.clear()

It runs in a thread of its own, so that tests of any kind can use it, with daemons in other processes behind it.
Requests for which there is no fault go through unchanged; a batch goes through whole, with the fault of its first
request that has one. A websocket goes through too, at the same port, until `cut` closes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeAlias

import aiohttp
from aiohttp import web

ANY = "*"


@dataclass(frozen=True)
class Delay:
    """The answer comes, late. In seconds."""

    seconds: float


@dataclass(frozen=True)
class Drop:
    """The connection ends without an answer.

    Attributes:
        forward: Whether the node gets the request all the same: the answer alone is lost.
    """

    forward: bool = False


@dataclass(frozen=True)
class Status:
    """An HTTP status instead of an answer."""

    code: int
    text: str = ""


@dataclass(frozen=True)
class Result:
    """This result, whatever the node says. The node is not asked."""

    value: Any


@dataclass(frozen=True)
class Error:
    """A JSON-RPC error. The node is not asked."""

    code: int
    message: str
    data: Any = None


@dataclass(frozen=True)
class Body:
    """These bytes, whatever was asked."""

    content: bytes


@dataclass(frozen=True)
class Rewrite:
    """The node's result, changed: called with the parameters and the result."""

    change: Callable[[list[Any], Any], Any]


Fault: TypeAlias = Delay | Drop | Status | Result | Error | Body | Rewrite


@dataclass
class _Rule:
    fault: Fault
    left: float
    when: Callable[[list[Any]], bool]


@dataclass
class FaultProxy:
    """A proxy in front of one node. A context manager.

    Args:
        upstream: The node's URL.
        port: To listen on, at 127.0.0.1; 0: any free one.

    Attributes:
        calls: Each method that was asked for, in order, faults included.
    """

    upstream: str
    port: int = 0
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rules: dict[str, list[_Rule]] = {}
        self._lock = threading.Lock()
        self._sockets: set[web.WebSocketResponse] = set()
        self._started = threading.Event()
        self._failed: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="faultproxy", daemon=True)

    # --- what is to go wrong -----------------------------------------------------------------------------------

    def on(
        self,
        method: str,
        fault: Fault,
        *,
        times: float = float("inf"),
        when: Callable[[list[Any]], bool] = lambda params: True,
    ) -> None:
        """Let a method go wrong from now on. The rule that was made last comes first.

        Args:
            method: Its name; "*": any.
            times: How often, until the rule is spent.
            when: Of the parameters, which requests are meant.
        """
        with self._lock:
            self._rules.setdefault(method, []).insert(0, _Rule(fault, times, when))

    def clear(self, method: str | None = None) -> None:
        """Let all be well again, or one method."""
        with self._lock:
            if method is None:
                self._rules.clear()
            else:
                self._rules.pop(method, None)

    def count(self, method: str) -> int:
        """How often a method was asked for."""
        return self.calls.count(method)

    def cut(self) -> None:
        """Close all websockets."""

        async def close() -> None:
            for socket in list(self._sockets):
                await socket.close()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)

    # --- life --------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(20)
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._failed = error
            self._started.set()
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        async with aiohttp.ClientSession() as self._session:
            application = web.Application(client_max_size=64 << 20)
            application.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", self.port)
            await site.start()
            self.port = runner.addresses[0][1]
            self._started.set()
            await self._stop.wait()
            await runner.cleanup()
            # Answers that are still delayed.
            late = asyncio.all_tasks() - {asyncio.current_task()}
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # --- one request -------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request)
        body = await request.read()
        asked = json.loads(body)
        each = asked if isinstance(asked, list) else [asked]
        self.calls.extend(one.get("method", "") for one in each)
        fault, one = next(((fault, one) for one in each if (fault := self._fault(one)) is not None), (None, each[0]))
        if isinstance(fault, Delay):
            await asyncio.sleep(fault.seconds)
        elif isinstance(fault, Drop):
            if fault.forward:
                await self._forward(body)
            if request.transport is not None:
                request.transport.close()
            return web.Response()
        elif isinstance(fault, Status):
            return web.Response(status=fault.code, text=fault.text)
        elif isinstance(fault, Body):
            return web.Response(body=fault.content, content_type="application/json")
        elif isinstance(fault, Result):
            return _answer(one, result=fault.value)
        elif isinstance(fault, Error):
            error = {"code": fault.code, "message": fault.message}
            return _answer(one, error=error if fault.data is None else error | {"data": fault.data})
        status, answer = await self._forward(body)
        if isinstance(fault, Rewrite):
            found = json.loads(answer)
            if "result" in found:
                found["result"] = fault.change(one.get("params", []), found["result"])
            answer = json.dumps(found).encode()
        return web.Response(status=status, body=answer, content_type="application/json")

    def _fault(self, one: dict[str, Any]) -> Fault | None:
        method, params = one.get("method", ""), one.get("params", [])
        with self._lock:
            for rule in [*self._rules.get(method, []), *self._rules.get(ANY, [])]:
                if rule.left > 0 and rule.when(params):
                    rule.left -= 1
                    return rule.fault
        return None

    async def _forward(self, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(self.upstream, data=body, headers=headers) as answer:
                return answer.status, await answer.read()
        except aiohttp.ClientError:
            return 502, b""

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        below = web.WebSocketResponse()
        await below.prepare(request)
        self._sockets.add(below)
        try:
            async with self._session.ws_connect(self.upstream) as above:
                ways = [asyncio.ensure_future(_copy(above, below)), asyncio.ensure_future(_copy(below, above))]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except aiohttp.ClientError:
            pass
        finally:
            self._sockets.discard(below)
            await below.close()
        return below


async def _copy(source: Any, sink: Any) -> None:
    async for message in source:
        if message.type == aiohttp.WSMsgType.TEXT:
            with contextlib.suppress(ConnectionError):
                await sink.send_str(message.data)
        elif message.type == aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)


def _answer(asked: dict[str, Any], **said: Any) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": asked.get("id"), **said})
