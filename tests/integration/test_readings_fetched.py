"""Tests of fetching readings from servers that behave badly: each costs a bounded time and memory, and is named."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from oracle.audit.readings import ReadingsProblem
from oracle.audit.report import ReadingsFault
from oracle.audit.served import RATE, ReadingsClient
from oracle.core.trust import Trust
from oracle.web.listener import listening
from oracle.web.tls import Certificate
from tests.integration.servers import certificate

WANTED = b"\7" * 32
GOOD = b'{"feeds":[null]}'
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def served(answer: Answer, pem: Path | None = None) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_get("/base/v1/readings/{hash}", answer)
    made = None if pem is None else Certificate(pem, pem, "test")
    async with listening(application, ("127.0.0.1", 0), "test", certificate=made) as port:
        yield f"http{'' if pem is None else 's'}://localhost:{port}/base/"


@contextlib.asynccontextmanager
async def raw(say: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve bytes that need not be HTTP, and end each connection with the context."""
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await say(writer)
        writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for each in connections:
            each.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def problem(answer: Answer, *, timeout_s: float = 5.0, most: int = 1_000) -> ReadingsProblem:
    async with served(answer) as url, ReadingsClient(timeout_s=timeout_s) as client:
        with pytest.raises(ReadingsProblem) as caught:
            await client.fetch(url, WANTED, most)
        return caught.value


async def test_readings_are_fetched_by_their_hash_over_one_connection() -> None:
    asked: list[tuple[str, object]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.match_info["hash"], request.transport))
        assert "Cookie" not in request.headers and request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=GOOD, headers={"Set-Cookie": "a=b"})

    async with served(answer) as url, ReadingsClient() as client:
        assert [await client.fetch(url, WANTED, 100) for _ in range(3)] == [GOOD] * 3
    assert {wanted for wanted, _ in asked} == {"0x" + "07" * 32}
    assert len({transport for _, transport in asked}) == 1


async def test_an_authority_of_one_s_own_is_trusted(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=GOOD)

    pem = certificate(tmp_path)
    async with served(answer, pem) as url:
        async with ReadingsClient(Trust(pem)) as client:
            assert await client.fetch(url, WANTED, 100) == GOOD
        async with ReadingsClient() as client:
            with pytest.raises(ReadingsProblem, match="can't be reached"):
                await client.fetch(url, WANTED, 100)


async def test_what_a_server_does_not_have_is_missing() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=404, text="x" * 1_000_000)

    found = await problem(answer)
    assert (found.fault, str(found)) == (ReadingsFault.MISSING, "its server does not have what it signed")


@pytest.mark.parametrize("status", [301, 400, 403, 500])
async def test_no_redirect_is_followed_and_no_error_believed(status: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=GOOD, headers={"Location": "http://169.254.169.254/"})

    found = await problem(answer)
    assert (found.fault, str(found)) == (ReadingsFault.UNREACHABLE, f"its server answers HTTP {status}")


async def test_an_endless_answer_is_cut_off() -> None:
    sent = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while sent < 500_000_000:
                await response.write(b" " * 65_536)
                sent += 65_536
        return response

    found = await problem(answer, most=100_000)
    assert found.fault is ReadingsFault.UNREACHABLE
    assert str(found) == "its answer is larger than the 100000 bytes that readings can have"
    assert sent < 50_000_000


async def test_a_small_answer_that_unpacks_to_a_large_one_stays_small() -> None:
    packed = gzip.compress(b" " * 50_000_000)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    async with served(answer) as url, ReadingsClient() as client:
        with pytest.raises(ReadingsProblem, match="its answer is larger than the 1000000 bytes"):
            await client.fetch(url, WANTED, 1_000_000)


@pytest.mark.parametrize("head", [True, False])
async def test_a_server_that_sends_a_byte_now_and_then_is_given_up(head: bool) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        text = b"HTTP/1.1 200 OK\r\n" + (b"X: y\r\n" * 1_000 if head else b"Content-Length: 900\r\n\r\n" + b" " * 900)
        for each in text:
            writer.write(bytes([each]))
            await writer.drain()
            await asyncio.sleep(0.01)

    async with raw(drip) as url, ReadingsClient(timeout_s=0.3) as client:
        began = time.monotonic()
        with pytest.raises(ReadingsProblem, match=r"has not answered within 0\.3 s"):
            await client.fetch(url, WANTED, 1_000)
        assert time.monotonic() - began < 8, "before the answer's end"


async def test_a_server_that_is_not_there_or_speaks_something_else_is_named() -> None:
    async def rubbish(writer: asyncio.StreamWriter) -> None:
        writer.write(b"\0\1\2 rubbish\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    async with ReadingsClient() as client:
        async with raw(rubbish) as url:
            with pytest.raises(ReadingsProblem, match="can't be reached: the answer is not HTTP"):
                await client.fetch(url, WANTED, 1_000)
        with pytest.raises(ReadingsProblem, match="can't be reached: Connection refused"):
            await client.fetch(url, WANTED, 1_000)


async def test_a_server_that_asks_for_patience_gets_some() -> None:
    asked = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=429, headers={"Retry-After": "0"}) if asked < 3 else web.Response(body=GOOD)

    async with served(answer) as url, ReadingsClient() as client:
        assert await client.fetch(url, WANTED, 100) == GOOD
    assert asked == 3


@pytest.mark.parametrize("after", ["0", "-1", "", "nan", "9" * 5_000])
async def test_patience_has_an_end(after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("oracle.audit.served._pause", sleep)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": after} if after else {})

    found = await problem(answer)
    assert (found.fault, str(found)) == (ReadingsFault.UNREACHABLE, "its server answers HTTP 503")
    assert len(pauses) == 3 and all(0 <= each <= 5 for each in pauses)


async def test_a_server_is_not_asked_oftener_than_it_allows() -> None:
    times: list[float] = []

    async def answer(request: web.Request) -> web.Response:
        times.append(time.monotonic())
        return web.Response(body=GOOD)

    async with served(answer) as url, ReadingsClient() as client:
        began = time.monotonic()
        await asyncio.gather(*(client.fetch(url, WANTED, 100) for _ in range(RATE + 10)))
    assert max(times) - began >= 9 / RATE, "the last ten had to wait for their turn"
