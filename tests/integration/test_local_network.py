"""Tests of the parts of a local network that open sockets: prices over HTTP, and links between members."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from oracle.app.local_network import MemberLink, PriceServer, Quirks, SourceTrouble
from oracle.app.local_network.process import main


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """Return the port of a server that answers with the body that it was sent."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    application = web.Application(client_max_size=1 << 24)
    application.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as opened:
        yield opened


async def post(session: aiohttp.ClientSession, link: MemberLink, path: str = "/v1/report", body: bytes = b"x") -> bytes:
    async with session.post(link.url + path, data=body) as response:
        return await response.read()


async def test_a_link_carries_and_counts_requests_and_bytes(echo: int, session: aiohttp.ClientSession) -> None:
    async with MemberLink(echo) as link:
        large = b"ab" * 400_000
        assert await post(session, link, body=large) == large
        assert await post(session, link) == b"x"
        assert await post(session, link, "/v1/answer?again") == b"x"
        assert link.requests == {"/v1/report": 2, "/v1/answer": 1}
        assert 2 * len(large) < link.bytes < 2 * len(large) + 4_000


async def test_a_link_delays_each_way(echo: int, session: aiohttp.ClientSession) -> None:
    async with MemberLink(echo) as link:
        await post(session, link)
        link.delay_s = 0.15
        began = time.monotonic()
        await post(session, link)
        assert time.monotonic() - began >= 0.3


async def test_what_is_sent_through_a_cut_link_arrives_once_it_is_healed(
    echo: int, session: aiohttp.ClientSession
) -> None:
    async with MemberLink(echo) as link:
        await post(session, link)
        link.cut()
        sent = asyncio.create_task(post(session, link, body=b"late"))
        done, _ = await asyncio.wait([sent], timeout=0.2)
        assert not done and link.is_cut
        link.heal()
        assert await sent == b"late"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one loopback address")
async def test_a_link_s_connections_come_from_its_own_address(session: aiohttp.ClientSession) -> None:
    callers: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer.get_extra_info("peername")[0])
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    async with MemberLink(server.sockets[0].getsockname()[1], address="127.0.0.77") as link:
        await post(session, link)
    server.close()
    assert callers == ["127.0.0.77"]


async def test_a_link_to_nobody_ends_the_connection(session: aiohttp.ClientSession) -> None:
    async with MemberLink(1) as link:
        with pytest.raises(aiohttp.ClientError):
            await post(session, link)


async def test_a_link_that_ends_ends_its_connections(echo: int, session: aiohttp.ClientSession) -> None:
    async with MemberLink(echo) as link:
        link.cut()
        sent = asyncio.create_task(post(session, link))
        await asyncio.wait([sent], timeout=0.1)
    with pytest.raises(aiohttp.ClientError):
        await sent


async def test_sources_answer_over_http_with_price_and_time(session: aiohttp.ClientSession) -> None:
    prices = PriceServer(lambda feed, now: 250.0, quirks=Quirks(0.0, 0.0), clock=lambda: 1_700_000_000.9)
    async with prices.serving():

        async def read(member: str) -> tuple[int, object]:
            async with session.get(prices.url(member, "one", 0)) as response:
                return response.status, json.loads(await response.read())

        prices.troubles["beta"] = SourceTrouble(offline=True)
        assert await read("alpha") == (200, {"price": 250.0, "time": 1_700_000_000})
        assert (await read("beta"))[0] == 503
        assert prices.asked == {"alpha": 1, "beta": 1}


@pytest.mark.parametrize(
    ("text", "said"), [(None, "no such configuration file"), ("", "chain: "), ("[chain", "is not valid TOML")]
)
def test_a_member_without_a_configuration_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    path = tmp_path / "oracle.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit) as ended:
        main([str(path), "--faulty", "--clock-offset", "-30"])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
