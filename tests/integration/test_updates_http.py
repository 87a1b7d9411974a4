"""Tests of `GET /v1/update/FEED` over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import aiohttp
import pytest
from structlog.testing import capture_logs

from oracle.core.stages import KeptReport
from oracle.web.listener import Limits
from oracle.web.updates import NothingNewer, NothingNow, ServedUpdate, UpdateEvents, serve_updates

FEED_ID = b"\1" * 32
UPDATE = ServedUpdate(KeptReport("eth", FEED_ID, 7, -(2**127) + 1, 1_000, b"\xab" * 5_000), 1_300, "0xhub", 1)
TOKENS = {"desk": b"d" * 32, "other": b"o" * 16}


class Counted(UpdateEvents):
    def __init__(self) -> None:
        self.feeds: list[str] = []
        self.refusals = 0

    def served(self, feed: str) -> None:
        self.feeds.append(feed)

    def refused(self) -> None:
        self.refusals += 1


class Window:
    """A server and a client of it.

    Attributes:
        says: What there is of any feed.
        asked: The feeds that were looked for.
        port: The server's port, while it is open.
    """

    def __init__(self) -> None:
        self.says: ServedUpdate | Exception = UPDATE
        self.asked: list[str] = []
        self.port = 0
        self.events = Counted()

    async def find(self, feed: str) -> ServedUpdate:
        self.asked.append(feed)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    @asynccontextmanager
    async def open(
        self, *, callers: dict[str, bytes] | None = None, rate: int = 100, limits: Limits | None = None
    ) -> AsyncIterator[Callable[..., Awaitable[Answer]]]:
        feeds = {"eth": FEED_ID, "btc": b"\2" * 32}
        tokens = {name: partial(bytes, token) for name, token in (callers or {}).items()}
        server = serve_updates(
            ("127.0.0.1", 0), feeds, self.find, callers=tokens, max_per_minute=rate, events=self.events,
            limits=limits,
        )  # fmt: skip
        async with server as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            self.port = port

            async def get(path: str = "/v1/update/eth", token: str | None = None, **headers: str) -> Answer:
                given = headers if token is None else {"Authorization": f"Bearer {token}", **headers}
                async with client.get(path, headers=given) as answer:
                    return Answer(answer.status, answer.headers, await answer.text())

            yield get


class Answer:
    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        self.status, self.headers, self.text = status, headers, text

    def __getitem__(self, header: str) -> str:
        return self.headers[header]


@pytest.fixture
def window() -> Window:
    return Window()


async def test_anyone_gets_a_public_models_report_by_the_feeds_name_or_id(window: Window) -> None:
    async with window.open() as get:
        for path in ("/v1/update/eth", f"/v1/update/0x{FEED_ID.hex()}"):
            answer = await get(path)
            assert answer.status == 200
            assert f'"calldata": "0x{"ab" * 5_000}"' in answer.text
            assert f'"answer": "{-(2**127) + 1}"' in answer.text
            assert answer["Cache-Control"] == "public, max-age=1"
            assert answer["Access-Control-Allow-Origin"] == "*"
    assert window.asked == ["eth", "eth"] == window.events.feeds


async def test_a_report_that_the_caller_has_is_not_sent_again(window: Window) -> None:
    async with window.open() as get:
        tag = (await get())["ETag"]
        again = await get(**{"If-None-Match": tag})
        assert (again.status, again.text, again["ETag"]) == (304, "", tag)
        window.says = replace(UPDATE, kept=replace(UPDATE.kept, calldata=b"\xac"))
        other = await get(**{"If-None-Match": tag})
        assert other.status == 200 and other["ETag"] != tag
    assert len(window.events.feeds) == 2, "what was not sent is not counted as served"


async def test_where_there_is_nothing_the_answer_says_why_and_is_not_cached(window: Window) -> None:
    async with window.open() as get:
        window.says = NothingNewer()
        answer = await get()
        assert (answer.status, answer.text, answer["Cache-Control"]) == (204, "", "no-store")
        window.says = NothingNow("no report was made yet; read the chain")
        answer = await get()
        assert (answer.status, answer["Cache-Control"], answer["Retry-After"]) == (503, "no-store", "2")
        assert "no report was made yet" in answer.text
        answer = await get("/v1/update/sol")
        assert answer.status == 404 and "no such feed is pulled" in answer.text and "eth" in answer.text
        for path in ("/", "/v1/update", "/v1/update/eth/", "/metrics", "/v1/update/..%2Feth", "/v1/update/ETH"):
            assert (await get(path)).status == 404, path
    assert window.events.feeds == []


async def test_only_known_callers_get_a_private_models_report(window: Window) -> None:
    strangers = [
        None, "", "d", "d" * 31, "d" * 33, "D" * 32, "d" * 32 + " x", "o" * 32, "ä" * 32, "d" * 32 + "o" * 16
    ]  # fmt: skip
    async with window.open(callers=TOKENS) as get:
        for token in strangers:
            for path in ("/v1/update/eth", "/v1/update/sol"):
                answer = await get(path, token)
                assert answer.status == 401, token
                assert answer["WWW-Authenticate"] == "Bearer"
                assert "eth" not in answer.text, "a stranger does not even learn which feeds there are"
        assert (await get(Authorization="Basic " + "d" * 32)).status == 401
        assert window.asked == []
        for token in ("d" * 32, "o" * 16):
            answer = await get(token=token)
            assert answer.status == 200
            assert answer["Cache-Control"] == "private, no-store" and answer["Vary"] == "Authorization"
            assert "Access-Control-Allow-Origin" not in answer.headers
        assert (await get("/v1/update/sol", "d" * 32)).status == 404


async def test_strangers_cannot_use_up_the_share_of_a_known_caller(window: Window) -> None:
    async with window.open(callers=TOKENS, rate=5) as get:
        said = [(await get(token="guess")).status for _ in range(20)]
        assert said[:5] == [401] * 5 and set(said[5:]) == {429}, "guesses are limited, too"
        assert [(await get(token="d" * 32)).status for _ in range(6)] == [200] * 5 + [429]
        assert (await get(token="o" * 16)).status == 200, "one caller's share is not another's"
        answer = await get(token="d" * 32)
        assert (answer.status, answer["Retry-After"]) == (429, "12")
    assert window.events.refusals == 22


async def test_an_address_that_asks_too_often_is_refused_and_the_log_is_not_filled(window: Window) -> None:
    with capture_logs() as logs:
        async with window.open(rate=10) as get:
            statuses = [(await get(token="s3cret")).status for _ in range(40)]
    assert statuses == [200] * 10 + [429] * 30
    assert len(window.asked) == 10
    told = [line for line in logs if line["event"] == "requests for updates refused"]
    assert len(told) == 1 and "s3cret" not in str(logs)


async def test_connections_are_bounded(window: Window) -> None:
    async with window.open(limits=Limits(connections=2, head_s=0.2, request_s=0.3)) as get:
        assert (await get()).status == 200
        held = [await asyncio.open_connection("127.0.0.1", window.port) for _ in range(4)]
        ended = [await asyncio.wait_for(reader.read(), 60) for reader, _ in held]
        assert ended == [b""] * 4, "a connection without a request ends"
        for _, writer in held:
            writer.close()
        assert (await get()).status == 200
