"""Links between members of a local network: TCP proxies that delay, count, and can be cut.

Each ordered pair of members has one: the connections that the first opens to the second go through it.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from types import TracebackType
from typing import Self

__all__ = ["MemberLink"]

_CHUNK = 1 << 16
_REQUEST = re.compile(rb"(?:GET|POST) (\S+) HTTP/1\.[01]\r\n")


class MemberLink:
    """A proxy in front of one member, for one other. A context manager.

    While it is cut, connections stay open, or can still be made, but nothing comes through, as when a network loses all
    packets. What was sent meanwhile arrives once the link is healed, late.

    Attributes:
        delay_s: Seconds that each byte takes, in either direction: a round trip takes twice as long.
        requests: The number of requests that went through, by their path. Those in TLS can't be seen.
        bytes: The number of bytes that went through, in both directions.
    """

    def __init__(self, port: int, delay_s: float = 0.0, address: str | None = None) -> None:
        """Prepare a link.

        Args:
            port: The port of the member that it leads to, on this machine. Nothing has to listen there yet.
            delay_s: See the attribute.
            address: The address of this machine that its connections come from, as that member sees them.
        """
        self.delay_s = delay_s
        self.requests: Counter[str] = Counter()
        self.bytes = 0
        self._target = port
        self._address = address
        self._server: asyncio.Server | None = None
        self._port = 0
        self._whole = asyncio.Event()
        self._whole.set()
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The URL that the first member has of the second."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_cut(self) -> bool:
        """True while nothing comes through."""
        return not self._whole.is_set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0, limit=_CHUNK)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.hang_up()
        await asyncio.gather(*self._open, return_exceptions=True)

    def cut(self) -> None:
        """Let nothing through from now on."""
        self._whole.clear()

    def heal(self) -> None:
        """Let everything through again, and first what was sent meanwhile."""
        self._whole.set()

    def hang_up(self) -> None:
        """End all connections."""
        for task in self._open:
            task.cancel()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._carry(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # either side has gone, or the link ends
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes both ways until either side ends. They are read on while others are under way."""
        there_reader, there_writer = await asyncio.open_connection(
            "127.0.0.1", self._target, limit=_CHUNK, local_addr=None if self._address is None else (self._address, 0)
        )
        there: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)
        back: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)
        reading = [
            asyncio.create_task(self._read(reader, there, is_asking=True)),
            asyncio.create_task(self._read(there_reader, back, is_asking=False)),
        ]
        delivering = [
            asyncio.create_task(self._deliver(there, there_writer)),
            asyncio.create_task(self._deliver(back, writer)),
        ]
        try:
            await asyncio.wait(delivering, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*reading, *delivering):
                task.cancel()
            await asyncio.gather(*reading, *delivering, return_exceptions=True)
            there_writer.transport.abort()

    async def _read(
        self, reader: asyncio.StreamReader, under_way: asyncio.Queue[tuple[float, bytes]], *, is_asking: bool
    ) -> None:
        """Put bytes on their way with the times at which they arrive; nothing, when their side has ended."""
        some = b" "
        while some:
            try:
                some = await reader.read(_CHUNK)
            except OSError:
                some = b""
            self.bytes += len(some)
            if is_asking and (found := _REQUEST.match(some)):
                self.requests[found[1].decode("ascii", "replace").partition("?")[0]] += 1
            await under_way.put((asyncio.get_running_loop().time() + self.delay_s, some))

    async def _deliver(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        """Deliver bytes when they arrive, until their side has ended."""
        while True:
            arrives, some = await under_way.get()
            await asyncio.sleep(max(0.0, arrives - asyncio.get_running_loop().time()))
            await self._whole.wait()
            if not some:
                return
            writer.write(some)
            await writer.drain()
