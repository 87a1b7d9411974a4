"""Tests of `GET /v1/readings/HASH` over real connections."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from oracle.core.errors import ConfigError, JournalUnavailable
from oracle.web.listener import Limits
from oracle.web.readings import CLIENT_RATE, TOTAL_RATE, serve_readings
from oracle.web.tls import Certificate
from tests.integration.servers import certificate

KNOWN, BROKEN = b"\1" * 32, b"\2" * 32
BODY = b'{"feeds":[null]}'


class Archive:
    """An archive that knows one hash, and can be slow.

    Attributes:
        asked: What was looked up.
        most: The most look-ups at once.
        gate: Look-ups wait until it is set.
    """

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.most = self.now = 0
        self.gate = threading.Event()
        self.gate.set()
        self.lock = threading.Lock()

    def find(self, wanted: bytes) -> bytes | None:
        with self.lock:
            self.asked.append(wanted)
            self.now += 1
            self.most = max(self.most, self.now)
        self.gate.wait(10)
        with self.lock:
            self.now -= 1
        if wanted == BROKEN:
            raise JournalUnavailable("postgresql://secret-host/: the database is gone")
        return BODY if wanted == KNOWN else None


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture
async def client(archive: Archive) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serve_readings(("127.0.0.1", 0), archive.find) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=aiohttp.TCPConnector(limit=32)) as made,
    ):
        yield made


async def test_what_a_hash_stands_for_is_for_everybody_and_for_ever(client: aiohttp.ClientSession) -> None:
    async with client.get(f"/v1/readings/0x{KNOWN.hex().upper()}") as answer:
        assert (answer.status, await answer.read()) == (200, BODY)
        assert answer.content_type == "application/json"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_what_is_not_known_may_be_known_later(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/readings/0x" + "33" * 32) as answer:
        assert answer.status == 404
        assert answer.headers["Cache-Control"] == "no-store"
        assert "no readings with this hash" in (await answer.json())["error"]


@pytest.mark.parametrize(
    "wanted", ["0x12", "33" * 32, "0x" + "3g" * 32, "0x" + "33" * 33, "..%2f..%2fetc", "0x" + "3" * 63 + "%0a"]
)
async def test_what_is_no_hash_is_not_looked_up(client: aiohttp.ClientSession, archive: Archive, wanted: str) -> None:
    async with client.get(f"/v1/readings/{wanted}") as answer:
        assert answer.status == 400
    assert archive.asked == []


async def test_it_is_only_read(client: aiohttp.ClientSession) -> None:
    for method in ("POST", "PUT", "DELETE"):
        async with client.request(method, f"/v1/readings/0x{KNOWN.hex()}") as answer:
            assert answer.status == 405


async def test_a_database_that_is_gone_is_said_without_its_name(client: aiohttp.ClientSession) -> None:
    with capture_logs() as logs:
        async with client.get(f"/v1/readings/0x{BROKEN.hex()}") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            assert "secret-host" not in await answer.text()
    assert [each["event"] for each in logs] == ["readings not served"]


async def test_a_client_that_asks_too_often_is_told_so_and_costs_no_reading(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CLIENT_RATE < TOTAL_RATE
    monkeypatch.setattr("oracle.web.readings.CLIENT_RATE", 2)  # a busy machine does not ask more slowly than this
    async with (
        serve_readings(("127.0.0.1", 0), archive.find) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=aiohttp.TCPConnector(limit=32)) as client,
    ):

        async def ask() -> int:
            async with client.get(f"/v1/readings/0x{KNOWN.hex()}") as answer:
                return answer.status

        statuses = await asyncio.gather(*(ask() for _ in range(200)))
    assert set(statuses) == {200, 429}
    assert statuses.count(200) == len(archive.asked)


async def test_few_look_ups_are_made_at_once(client: aiohttp.ClientSession, archive: Archive) -> None:
    archive.gate.clear()

    async def ask() -> int:
        async with client.get(f"/v1/readings/0x{KNOWN.hex()}") as answer:
            return answer.status

    asking = asyncio.gather(*(ask() for _ in range(20)))
    async with asyncio.timeout(60):
        while archive.now < 4:  # noqa: ASYNC110
            await asyncio.sleep(0)
    archive.gate.set()
    assert await asking == [200] * 20
    assert archive.most == 4


async def test_it_is_served_with_tls(archive: Archive, tmp_path: Path) -> None:
    file = certificate(tmp_path)
    serving = serve_readings(
        ("127.0.0.1", 0), archive.find, certificate=Certificate(file, file, "readings"), limits=Limits(connections=4)
    )
    async with serving as port, aiohttp.ClientSession() as session:
        url = f"https://localhost:{port}/v1/readings/0x{KNOWN.hex()}"
        async with session.get(url, ssl=ssl.create_default_context(cafile=file)) as answer:
            assert answer.status == 200


async def test_an_address_that_is_taken_is_said(archive: Archive) -> None:
    async with serve_readings(("127.0.0.1", 0), archive.find) as port:
        with pytest.raises(ConfigError, match=rf"\[readings\] listen: 127.0.0.1:{port} can't be bound"):
            async with serve_readings(("127.0.0.1", port), archive.find):
                pass
