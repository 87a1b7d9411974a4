"""Tests of exchanges through ccxt: its own code for two of them, against a server of ours that speaks their APIs."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from oracle.config import ExchangeSourceConfig
from oracle.core import http
from oracle.core.errors import ConfigError, DataError, OracleError, SourceUnavailable, ToolMissing
from oracle.core.trust import Trust
from oracle.core.types import Kind
from oracle.sources.exchange.source import ExchangeSource
from oracle.sources.trace import Trace
from tests.conformance import check_source
from tests.integration.servers import self_signed

NOW = 1_700_000_000
Make = Callable[..., ExchangeSource]

BITSTAMP = {
    "name": "ETH/USD", "market_symbol": "ethusd", "base_currency": "ETH", "base_decimals": 8,
    "counter_currency": "USD", "counter_decimals": 2, "minimum_order_value": "10", "trading": "Enabled",
    "market_type": "SPOT", "description": "Ethereum / U.S. dollar",
}  # fmt: skip
MARKETS = {
    "bitstamp": [BITSTAMP],
    "coinmate": {
        "error": False,
        "data": [
            {
                "name": "ETH_USD", "firstCurrency": "ETH", "secondCurrency": "USD", "priceDecimals": 2,
                "lotDecimals": 8, "minAmount": 0.0002,
            }
        ],
    },
}  # fmt: skip
TICKER = {
    "timestamp": str(NOW - 5), "last": "2345.670", "bid": "2345.5", "ask": "2345.8", "vwap": "2300.123456789",
    "volume": "3563.13819902", "high": "2400", "low": "2300", "open": "2310", "pair": "ETH/USD",
}  # fmt: skip
UNQUOTED = """{"error": false, "errorMessage": null, "data": {"last": 0.1000000000000000055511151231257827, "bid": 0.1,
 "ask": 0.3, "high": 1, "low": 0.01, "amount": 37038.993381, "timestamp": 1699999990}}"""


@pytest.fixture
def make(httpserver: HTTPServer) -> Iterator[Make]:
    """Return a function that makes a source whose exchange is our server."""
    made = []
    httpserver.expect_request("/api/v2/markets/").respond_with_json(MARKETS["bitstamp"])
    httpserver.expect_request("/api/v2/currencies/").respond_with_json([])
    httpserver.expect_request("/api/tradingPairs").respond_with_json(MARKETS["coinmate"])

    def make(
        exchange: str = "bitstamp",
        measure: Kind = Kind.RELATIVE,
        monotonic: Callable[[], float] = time.monotonic,
        **settings: Any,
    ) -> ExchangeSource:
        config = ExchangeSourceConfig.model_validate(
            {"type": "exchange", "exchange": exchange, "symbol": "ETH/USD", "timeout": 30, **settings}
        )
        base = httpserver.url_for("/api")
        options = {
            "urls": {"api": {"public": base, "private": base, "rest": base}},
            "enableRateLimit": False,
            "timeout_on_exit": 0,
        }
        source = ExchangeSource(
            config, measure=measure, name="venue", options=options, now=lambda: NOW + 0.5, monotonic=monotonic
        )
        made.append(source)
        return made[-1]

    yield make
    asyncio.run(_close(made))


async def _close(sources: list[ExchangeSource]) -> None:
    for each in sources:
        await each.close()


def answers(httpserver: HTTPServer, body: Any = TICKER, **options: Any) -> None:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    request = httpserver.expect_request("/api/v2/ticker/ethusd/")
    request.respond_with_data(text, **{"content_type": "application/json", **options})


async def failure(source: ExchangeSource) -> OracleError:
    try:
        with pytest.raises(OracleError) as caught:
            await source.read()
    finally:
        await source.close()
    message = str(caught.value)
    assert message.startswith("venue (")
    assert "\n" not in message and "localhost" not in message
    return caught.value


async def test_an_exchange_source_conforms(httpserver: HTTPServer, make: Make) -> None:
    answers(httpserver)
    await check_source(make)


@pytest.mark.parametrize(("what", "exact"), [("last", "2345.670"), ("mid", "2345.65"), ("vwap", "2300.123456789")])
async def test_what_is_asked_for_is_read_exactly(httpserver: HTTPServer, make: Make, what: str, exact: str) -> None:
    answers(httpserver)
    source = make(what=what, max_age=30)
    reading = await source.read()
    await source.close()
    assert str(reading.value) == exact
    assert (reading.observed_at, reading.source) == (NOW - 5, "venue")


@pytest.mark.parametrize(("what", "exact"), [("last", "0.1000000000000000055511151231257827"), ("mid", "0.2")])
async def test_numbers_without_quotes_do_not_become_floats_on_the_way(
    httpserver: HTTPServer, make: Make, what: str, exact: str
) -> None:
    """They stay exact although ccxt's parser makes floats of them, if it finds a faster parser than Python's."""
    httpserver.expect_request("/api/ticker").respond_with_data(UNQUOTED, content_type="application/json")
    source = make("coinmate", what=what, **({"max_bid_ask_ppm": 1_000_000} if what == "mid" else {}))
    assert str((await source.read()).value) == exact
    await source.close()


@pytest.mark.parametrize(
    ("changes", "error", "what"),
    [
        ({"last": "-1"}, DataError, "last: is -1; a relative feed's values are above zero"),
        ({"last": "0"}, OracleError, "last: "),
        ({"last": "NaN"}, SourceUnavailable, "answered what ccxt can't read"),
        ({"last": None}, DataError, "last: the exchange gives none"),
        ({"last": "1e60"}, DataError, "out of range"),
        ({"last": "5000"}, DataError, "above the configured maximum"),
        ({"timestamp": str(NOW - 31)}, SourceUnavailable, "31 s old"),
        ({"timestamp": str(NOW + 61)}, SourceUnavailable, "61 s ahead"),
        ({"timestamp": None}, DataError, "gives no time with its ticker; leave 'max_age' out"),
    ],
)
async def test_a_ticker_that_is_no_value(
    httpserver: HTTPServer, make: Make, changes: dict[str, Any], error: type[OracleError], what: str
) -> None:
    answers(httpserver, {**TICKER, **changes})
    caught = await failure(make(max_age=30, max=4_000))
    assert isinstance(caught, error)
    assert what in str(caught)


@pytest.mark.parametrize(
    ("book", "what"),
    [
        ({"bid": "2346"}, "the book is crossed: the bid 2346 is above the ask 2345.8"),
        ({"bid": "1", "ask": "999999"}, "the bid 1 and the ask 999999 are more than 50,000 ppm apart"),
        ({"bid": "97.4", "ask": "102.6"}, "are more than 50,000 ppm apart"),
        ({"bid": "0.0000001", "ask": "1"}, "are more than 50,000 ppm apart"),
        ({"bid": "-2", "ask": "-1.99"}, "mid: is -1.995; a relative feed's values are above zero"),
        ({"bid": None}, "bid: the exchange gives none"),
    ],
)
async def test_a_book_that_has_no_middle(
    httpserver: HTTPServer, make: Make, book: dict[str, str | None], what: str
) -> None:
    answers(httpserver, {**TICKER, **book})
    assert what in str(await failure(make(what="mid")))


async def test_how_far_bid_and_ask_may_be_apart_can_be_set(httpserver: HTTPServer, make: Make) -> None:
    answers(httpserver, {**TICKER, "bid": "97.4", "ask": "102.6"})
    source = make(what="mid", max_bid_ask_ppm=52_000)
    assert (await source.read()).value == 100
    await source.close()
    with pytest.raises(ValueError, match=r"'max_bid_ask_ppm' is for what = \"mid\"; this source takes 'last'"):
        make(max_bid_ask_ppm=1)


async def test_a_time_in_seconds_where_milliseconds_are_usual_is_told(
    httpserver: HTTPServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(httpserver)
    source = make()
    monkeypatch.setattr(source._kind, "safe_timestamp", lambda self, data, key: int(data[key]))
    assert "timestamp: 1699999995 is a time in seconds (2023-11-14 22:13 UTC), not in milliseconds" in str(
        await failure(source)
    )


async def test_without_a_time_of_the_exchange_that_of_the_request_counts(httpserver: HTTPServer, make: Make) -> None:
    answers(httpserver, {**TICKER, "timestamp": None})
    source = make()
    assert (await source.read()).observed_at == NOW
    await source.close()


@pytest.mark.parametrize(
    ("body", "options", "what"),
    [
        ("<html>busy</html>", {"status": 503}, "is not available"),
        ("<html>busy</html>", {}, "the exchange gives none"),
        ("", {}, "the exchange gives none"),
        ("[1, 2", {}, "the answer can't be read: it ends in the middle, at line 1, column 5"),
        ('{"last": "1", "last": "2"}', {}, "the answer can't be read: it has the key 'last' twice in one object"),
        ('{"last": NaN}', {}, "the answer can't be read: it has NaN, which is not a number in JSON"),
        ("[]", {}, "the exchange gives none"),
        ("[" * 50_000, {}, "the answer can't be read: it is nested deeper than 201"),
        ("s3cret", {"status": 429}, "limits the rate of requests"),
        ({"status": "error", "reason": "s3cret"}, {"status": 403}, "answered with an error"),
        ("", {"status": 302, "headers": {"Location": "http://x.example/s3cret"}}, "a redirect, which is not followed"),
        (b"\xff" * 100, {}, "the answer can't be read: it is not text in UTF-8: byte 0 can't be read"),
    ],
)
async def test_what_is_no_answer(
    httpserver: HTTPServer, make: Make, body: Any, options: dict[str, Any], what: str
) -> None:
    answers(httpserver, body, **options)
    caught = await failure(make())
    assert isinstance(caught, SourceUnavailable | DataError)
    assert re.search(what, str(caught))
    assert "s3cret" not in str(caught)


@pytest.mark.parametrize("packed", [False, True])
async def test_an_endless_answer_is_cut_off(
    httpserver: HTTPServer, make: Make, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr("oracle.sources.exchange.source.MAX_BODY", 100_000)
    body = json.dumps({**TICKER, "filler": " " * 1_000_000}).encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    answers(httpserver, gzip.compress(body) if packed else body, headers=headers)
    assert "the answer is larger than 100000 bytes" in str(await failure(make()))


async def test_an_exchange_that_says_nothing_is_cut_off(make: Make) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        source = make(timeout=0.2)
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        source._options = {**source._options, "urls": {"api": {"public": base}}}
        assert "no complete answer in time" in str(await failure(source))


async def test_a_market_that_is_not_there(httpserver: HTTPServer, make: Make) -> None:
    source, trace = make(symbol="ETH/USDT"), Trace()
    with pytest.raises(DataError, match="bitstamp has no such market; near ones: ETH/USD"):
        await source.read_traced(trace)
    assert trace.suggestions == ['symbol = "ETH/USD"']
    await source.close()


# --- markets that change while a source is in use ---


class Venue:
    """An exchange whose one market changes. It counts how often its markets were asked for."""

    def __init__(self, httpserver: HTTPServer) -> None:
        self.market, self.asked, self.down = dict(BITSTAMP), 0, False
        httpserver.expect_request("/api/v2/markets/").respond_with_handler(self._markets)
        httpserver.expect_request("/api/v2/currencies/").respond_with_json([])
        httpserver.expect_request(re.compile("/api/v2/ticker/.*/")).respond_with_handler(self._ticker)

    def _markets(self, request: Request) -> Response:
        self.asked += 1
        return Response("busy", 503) if self.down else Response(json.dumps([self.market]))

    def _ticker(self, request: Request) -> Response:
        if request.path == f"/api/v2/ticker/{self.market['market_symbol']}/":
            return Response(json.dumps(TICKER))
        return Response(json.dumps({"status": "error", "reason": "no such pair", "code": "API0001"}), 404)


@pytest.fixture
def venue(httpserver: HTTPServer, make: Make) -> tuple[Venue, ExchangeSource, list[float]]:
    httpserver.clear()
    seconds = [0.0]
    found = Venue(httpserver)
    return found, make(monotonic=lambda: seconds[0]), seconds


async def test_a_market_that_has_another_name_now_is_found_at_once(
    venue: tuple[Venue, ExchangeSource, list[float]],
) -> None:
    found, source, seconds = venue
    await source.read()
    found.market["market_symbol"] = "ethusd-new"
    with pytest.raises(SourceUnavailable):  # the markets are not asked for with every failure
        await source.read()
    assert found.asked == 1
    seconds[0] = 61
    forget(source)
    assert (await source.read()).value == Decimal("2345.67")
    assert found.asked == 2
    await source.close()


async def test_a_market_that_is_gone_is_told_and_may_come_back(
    venue: tuple[Venue, ExchangeSource, list[float]],
) -> None:
    found, source, seconds = venue
    await source.read()
    found.market |= {"name": "ETC/USD", "base_currency": "ETC", "market_symbol": "etcusd"}
    seconds[0] = 61
    forget(source)
    with pytest.raises(DataError, match="has no such market; near ones: ETC/USD"):
        await source.read()
    found.market |= BITSTAMP
    seconds[0] = 122
    forget(source)
    assert (await source.read()).value == Decimal("2345.67")
    await source.close()


async def test_a_market_that_is_halted_is_noticed_without_a_restart(
    venue: tuple[Venue, ExchangeSource, list[float]],
) -> None:
    found, source, seconds = venue
    await source.read()
    found.market["trading"] = "Disabled"
    await renewed(source)
    assert (await source.read()).value == Decimal("2345.67") and found.asked == 1, "what is known is used for a while"
    seconds[0] = 601
    forget(source)
    await source.read()
    await renewed(source)
    with pytest.raises(SourceUnavailable, match="bitstamp does not trade this market now"):
        await source.read()
    found.market["trading"], seconds[0] = "Enabled", 1_202
    forget(source)
    with pytest.raises(SourceUnavailable):
        await source.read()
    await renewed(source)
    await source.read()
    await source.close()


async def test_markets_that_can_not_be_read_again_leave_the_known_ones(
    venue: tuple[Venue, ExchangeSource, list[float]],
) -> None:
    found, source, seconds = venue
    await source.read()
    found.down, seconds[0] = True, 601
    forget(source)
    await source.read()
    await renewed(source)
    assert (await source.read()).value == Decimal("2345.67") and found.asked == 2
    seconds[0] = 662
    forget(source)
    await source.read()
    await renewed(source)
    assert found.asked == 3
    await source.close()


@pytest.mark.attack
async def test_authorities_are_read_again_while_an_exchange_is_in_use(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(b"")
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    monkeypatch.setattr(http, "SYSTEM_TRUST", Trust())
    with HTTPServer(host="localhost", ssl_context=self_signed(tmp_path)) as server:
        Venue(server)
        source = make()
        base = server.url_for("/api")
        source._options = {**source._options, "urls": {"api": {"public": base, "private": base}}}
        with pytest.raises(SourceUnavailable):
            await source.read()
        authorities.write_bytes((tmp_path / "self-signed.pem").read_bytes())
        assert (await source.read()).value == Decimal("2345.67")
        authorities.write_bytes(b"")
        with pytest.raises(SourceUnavailable):
            await source.read()
        await source.close()


async def renewed(source: ExchangeSource) -> None:
    """Wait until the markets were asked for again, if they are being asked for."""
    if source._renewal is not None:
        await source._renewal


def test_an_exchange_that_ccxt_does_not_know(make: Make) -> None:
    with pytest.raises(ConfigError, match="there is no exchange 'bitstmp'; did you mean 'bitstamp'"):
        make("bitstmp")
    with pytest.raises(ConfigError, match=r"there is no exchange 'zzzz'; ccxt knows \d+"):
        make("zzzz")


def test_without_ccxt_one_line_says_what_to_install(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "ccxt" or name.startswith("ccxt.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(ToolMissing, match=r"the source venue reads .* pip install \"verifiable-oracle\[exchanges\]\""):
        make()


async def test_a_mid_of_many_digits_is_exact(httpserver: HTTPServer, make: Make) -> None:
    answers(httpserver, {**TICKER, "bid": "1.00000000000000000000000000000000001", "ask": "1.02"})
    source = make(what="mid")
    reading = await source.read()
    await source.close()
    assert reading.value == Decimal("1.010000000000000000000000000000000005")


def forget(source: ExchangeSource) -> None:
    """Let ccxt forget the answer that it keeps for a second."""
    source._exchange.options["fetchMarkets"]["timestamp"] = 0
