"""New blocks: a websocket says when to look at the chain again; without one, a pause does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from oracle.chain.transport.urls import mask_url
from oracle.core.backoff import Backoff
from oracle.core.documents import NotJson, parse_json
from oracle.core.errors import ConfigError

log = structlog.get_logger(__name__)

SLOWEST_LOOK_S = 4.0
"""Time between two looks while the websocket is silent: a subscription may be lost without a word."""

_RECONNECT_FIRST_S, _RECONNECT_LAST_S = 1.0, 60.0
_SUBSCRIBE = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})


class Heads:
    """Tells of new blocks. A message of the websocket is a reason to look at the chain; its content is not believed.

    Args:
        ws_url: ws or wss; may hold credentials. None leaves only the pauses.
        reconnect_s: Seconds before a lost connection is tried again; doubled each time.

    Raises:
        ConfigError: The URL is not one.
    """

    def __init__(self, ws_url: str | None = None, *, reconnect_s: float = _RECONNECT_FIRST_S) -> None:
        if ws_url is not None:
            parts = urlsplit(ws_url)
            if parts.scheme not in ("ws", "wss") or not parts.hostname:
                raise ConfigError(f"websocket URL {mask_url(ws_url)} is not one: it must be ws:// or wss:// and a host")
        self._url = ws_url
        self._reconnect_s = reconnect_s
        self._listening: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self.count = 0
        """Number of blocks that the websocket told of so far."""
        self.is_live = False
        """True while a websocket tells of blocks."""

    async def wait(self, seconds: float, since: int) -> None:
        """Wait until there is a block, or a pause is over.

        Args:
            seconds: The pause. It is longer while a websocket tells of blocks.
            since: The value of `count` before the chain was last looked at.
        """
        if self._url is not None and self._listening is None:
            self._listening = asyncio.create_task(self._listen(self._url), name="heads")
        if not self.is_live:
            await asyncio.sleep(seconds)
            return
        if self.count == since:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), max(seconds, SLOWEST_LOOK_S))

    async def close(self) -> None:
        """Stop listening."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, url: str) -> None:
        backoff = Backoff(self._reconnect_s, _RECONNECT_LAST_S)
        is_known = False

        def begun() -> None:
            nonlocal is_known
            is_known = False
            backoff.reset()
            self.is_live = True
            log.info("blocks are told by websocket", endpoint=mask_url(url))

        while True:
            reason = await self._subscription(url, begun)
            if not is_known:
                log.warning(
                    "no blocks by websocket: the chain is asked at intervals", endpoint=mask_url(url), reason=reason
                )
            self.is_live, is_known = False, True
            self._tell()
            await asyncio.sleep(backoff.pause())

    async def _subscription(self, url: str, begun: Callable[[], None]) -> str:
        """Subscribe, and return why the subscription ended. No text of the library is kept: it may hold the URL."""
        try:
            async with connect(url, proxy=None) as socket:
                await socket.send(_SUBSCRIBE)
                async for message in socket:
                    told = parse_json(message)
                    if not isinstance(told, dict):
                        return "it says something that is not JSON-RPC"
                    if told.get("id") == 1:
                        if not isinstance(told.get("result"), str):
                            return "it refuses eth_subscribe"
                        begun()
                    elif told.get("method") == "eth_subscription":
                        self.count += 1
                        self._tell()
        except (OSError, TimeoutError, WebSocketException, NotJson) as error:
            return type(error).__name__
        return "it closed the connection"

    def _tell(self) -> None:
        """Wake all who wait now."""
        self._news.set()
        self._news = asyncio.Event()
