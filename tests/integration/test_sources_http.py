"""Tests of the HTTP source against a real server: a bad answer gives one clear line, and nothing is guessed."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import brotli
import pytest
from pydantic import ValidationError
from pytest_httpserver import HTTPServer
from werkzeug import Response

from oracle.config import HttpSourceConfig
from oracle.core import http
from oracle.core.errors import DataError, OracleError, SourceUnavailable
from oracle.core.trust import Trust
from oracle.core.types import Kind
from oracle.sources.http.source import MAX_BODY, HttpSource
from oracle.sources.trace import Match, Trace
from tests.conformance import check_source
from tests.integration.servers import self_signed

NOW = 1_700_000_000

Make = Callable[..., HttpSource]


@pytest.fixture
def make(httpserver: HTTPServer) -> Make:
    """Return a function that makes a source of the server's `/price`. Its clock stands at NOW."""

    def make(measure: Kind = Kind.RELATIVE, **options: Any) -> HttpSource:
        settings = {
            "type": "http",
            "url": httpserver.url_for("/price"),
            "path": "$.data.price",
            "timeout": 60,  # the machine may be busy; tests of the deadline set their own
            **options,
        }
        config = HttpSourceConfig.model_validate(settings)
        return HttpSource(config, measure=measure, name="venue", now=lambda: NOW + 0.9)

    return make


async def failure(source: HttpSource, scheme: str = "http") -> OracleError:
    """Return the error of one reading."""
    try:
        with pytest.raises(OracleError) as caught:
            await source.read()
    finally:
        await source.close()
    message = str(caught.value)
    assert message.startswith(f"venue ({scheme}://localhost:")
    assert "\n" not in message
    return caught.value


def answer(httpserver: HTTPServer, body: str | bytes, **options: Any) -> None:
    httpserver.expect_request("/price").respond_with_data(body, **{"content_type": "application/json", **options})


async def test_an_http_source_conforms(httpserver: HTTPServer, make: Make) -> None:
    answer(httpserver, '{"data": {"price": 1.5}}')
    await check_source(make)


@pytest.mark.parametrize(
    ("number", "exact"),
    [
        ("2345.67", "2345.67"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1e-8", "1E-8"),
        ("7", "7"),
    ],
)
async def test_a_number_is_read_exactly(httpserver: HTTPServer, make: Make, number: str, exact: str) -> None:
    answer(httpserver, f'{{"data": {{"price": {number}, "other": [1, 2]}}}}')
    source = make()
    reading = await source.read()
    await source.close()
    assert str(reading.value) == exact
    assert (reading.observed_at, reading.source) == (NOW, "venue")


@pytest.mark.parametrize(
    ("body", "error", "what"),
    [
        ('{"data": {"price": "2345.67"}}', DataError, "$.data.price: is the string '2345.67', not a number"),
        ('{"data": {"price": -1}}', DataError, "$.data.price: is -1; a relative feed's values are above zero"),
        ('{"data": {"price": 0}}', DataError, "$.data.price: is 0; a relative feed's"),
        ('{"data": {"price": -0.0}}', DataError, "a relative feed's values are above zero"),
        ('{"data": {"price": 1e400}}', DataError, "$.data.price: 1e+400 is out of range"),
        ('{"data": {"price": 1e-400}}', DataError, "$.data.price: 1e-400 is out of range"),
        ('{"data": {"price": 1e99999999999999999999}}', DataError, "it has a number that is out of any range"),
        ('{"data": {"price": ' + "9" * 5_000 + "}}", DataError, "it has a number that is out of any range"),
        ('{"data": {"price": NaN}}', DataError, "it has NaN, which is not a number in JSON, at line 1, column 20"),
        ('{"data": {"price": Infinity}}', DataError, "it has Infinity"),
        ('{"data": {"price": 1}, "other": -Infinity}', DataError, "it has -Infinity"),
        ('{"data": {"price": true}}', DataError, "$.data.price: is a boolean, not a number"),
        ('{"data": {"price": null}}', DataError, "$.data.price: is null, not a number"),
        ('{"data": {"price": [1]}}', DataError, "$.data.price: is a list, not a number"),
        ('{"data": {"price": {}}}', DataError, "$.data.price: is an object, not a number"),
        ('{"data": {}}', DataError, "$.data.price: there is no such value in the answer"),
        ("[1]", DataError, "there is no such value"),
        ("1.5", DataError, "there is no such value"),
        ('"text"', DataError, "there is no such value"),
        ("null", DataError, "there is no such value"),
        ("", SourceUnavailable, "the answer can't be read: it is empty"),
        ("  \n", SourceUnavailable, "the answer can't be read: it is empty"),
        ("<!doctype html><title>Sorry</title>", SourceUnavailable, "it is HTML or XML, not JSON"),
        ('{"data": {"price": 1.5', SourceUnavailable, "it ends in the middle, at line 1, column 22"),
        ('{"data": {"price": 1.5}} trailing', SourceUnavailable, "it is not JSON: trailing characters, at line 1"),
        ("{'data': 1}", SourceUnavailable, "it is not JSON: key must be a string, at line 1, column 2"),
        (b'{"data": "\xff\xfe\xfd"}', SourceUnavailable, "it is not text in UTF-8: byte 10 can't be read"),
        ('{"data": {"price": 1.5, "price": 1.5}}', DataError, "it has the key 'price' twice in one object, at line 1"),
        ('{"data": {"price": 1.5}, "x": [{"y": {"z": 1, "z": 2}}]}', DataError, "it has the key 'z' twice"),
        ("[" * 100_000, SourceUnavailable, "it is nested deeper than"),
        (" " * (MAX_BODY + 1), SourceUnavailable, f"the answer is larger than {MAX_BODY} bytes"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_an_answer_that_is_no_value(
    httpserver: HTTPServer, make: Make, body: str | bytes, error: type[OracleError], what: str
) -> None:
    answer(httpserver, body)
    caught = await failure(make())
    assert type(caught) is error
    assert what in str(caught)


@pytest.mark.parametrize("value", ["0", "-12.5"])
async def test_absolute_feeds_may_be_zero_or_negative(httpserver: HTTPServer, make: Make, value: str) -> None:
    answer(httpserver, f'{{"data": {{"price": {value}}}}}')
    source = make(Kind.ABSOLUTE)
    assert (await source.read()).value == Decimal(value)
    await source.close()


async def test_strings_are_read_where_they_are_allowed(httpserver: HTTPServer, make: Make) -> None:
    answer(httpserver, '{"data": {"price": "2345.670"}}')
    source = make(allow_string=True)
    assert str((await source.read()).value) == "2345.670"
    await source.close()


@pytest.mark.parametrize("text", ["", " 1", "1,000", "NaN", "1 USD", "0x1", "1e400", "-1"])
async def test_a_string_must_be_a_plain_number(httpserver: HTTPServer, make: Make, text: str) -> None:
    answer(httpserver, f'{{"data": {{"price": "{text}"}}}}')
    caught = await failure(make(allow_string=True))
    assert type(caught) is DataError


@pytest.mark.parametrize(("value", "what"), [("0.5", "below the configured minimum 1"), ("9.1", "above")])
async def test_bounds(httpserver: HTTPServer, make: Make, value: str, what: str) -> None:
    answer(httpserver, f'{{"data": {{"price": {value}}}}}')
    assert what in str(await failure(make(min=1, max=9)))


async def test_several_matches_are_refused(httpserver: HTTPServer, make: Make) -> None:
    answer(httpserver, '{"data": [{"price": 1}, {"price": 1}]}')
    caught = await failure(make(path="$.data[*].price"))
    assert "$.data[*].price: matches 2 values in the answer; it must match one" in str(caught)


async def test_a_filter_can_choose_one(httpserver: HTTPServer, make: Make) -> None:
    answer(httpserver, '{"data": [{"s": "BTC", "p": 2.5}, {"s": "ETH", "p": 1.25}]}')
    source = make(path="$.data[?@.s == 'ETH'].p")
    assert (await source.read()).value == Decimal("1.25")
    await source.close()


# --- HTTP ---


@pytest.mark.parametrize("status", [500, 503, 429, 404, 401, 204])
async def test_any_other_status_is_no_answer(httpserver: HTTPServer, make: Make, status: int) -> None:
    answer(httpserver, '{"data": {"price": 1.5}}', status=status)
    caught = await failure(make())
    assert type(caught) is SourceUnavailable
    assert f"answered HTTP {status}" in str(caught)


async def test_redirects_are_not_followed(httpserver: HTTPServer, make: Make) -> None:
    location = {"location": "http://elsewhere.example/price?key=s3cret"}
    httpserver.expect_request("/price").respond_with_data(status=302, headers=location)
    caught = await failure(make())
    assert "answered HTTP 302 FOUND: a redirect to http://elsewhere.example/…, which is not followed" in str(caught)
    assert "s3cret" not in str(caught)


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (304, {}, "HTTP 304 NOT MODIFIED: it says that nothing has changed, though nobody asked for changes"),
        (304, {"location": "/price"}, "HTTP 304 NOT MODIFIED: it says that nothing has changed"),
        (300, {}, "HTTP 300 MULTIPLE CHOICES: it offers several documents and names none"),
        (300, {"location": "/a"}, "HTTP 300 MULTIPLE CHOICES: a redirect to http://localhost:"),
        (302, {}, "HTTP 302 FOUND: it sends elsewhere and does not say where to"),
        (307, {"location": "/price"}, "HTTP 307 TEMPORARY REDIRECT: a redirect to itself, as servers do"),
        (429, {"retry-after": "30"}, "HTTP 429 TOO MANY REQUESTS: too many requests: a longer 'poll_interval' makes"),
        (429, {"retry-after": "30"}, "; it asks to wait 30 s"),
        (503, {"retry-after": "7"}, "HTTP 503 SERVICE UNAVAILABLE: it asks to wait 7 s"),
        (503, {"retry-after": "Fri"}, "HTTP 503 SERVICE UNAVAILABLE"),
        (401, {}, "HTTP 401 UNAUTHORIZED: it wants credentials"),
        (204, {}, "HTTP 204 NO CONTENT: there is no document"),
        (206, {}, "HTTP 206 PARTIAL CONTENT: a part of the document"),
    ],
)
async def test_a_status_is_told_as_what_it_is(
    httpserver: HTTPServer, make: Make, status: int, headers: dict[str, str], says: str
) -> None:
    httpserver.expect_request("/price").respond_with_data(
        '{"data": {"price": 1.5}}', status=status, headers={**headers, "set-cookie": "s3cret"}
    )
    caught = await failure(make())
    assert type(caught) is SourceUnavailable
    assert says in str(caught)
    assert "s3cret" not in str(caught)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "deflate": ("deflate", raw_deflate),
    "br": ("br", lambda data: brotli.compress(data, quality=4)),
}


@pytest.mark.parametrize("name", PACKERS)
async def test_a_server_that_always_compresses_is_read(httpserver: HTTPServer, make: Make, name: str) -> None:
    encoding, pack = PACKERS[name]
    answer(httpserver, pack(b'{"data": {"price": 2345.67}}'), headers={"Content-Encoding": encoding})
    source = make()
    assert (await source.read()).value == Decimal("2345.67")
    await source.close()


@pytest.mark.parametrize("name", PACKERS)
async def test_a_bomb_is_refused_before_it_is_unpacked(httpserver: HTTPServer, make: Make, name: str) -> None:
    encoding, pack = PACKERS[name]
    bomb = pack(b'{"data": {"price": 1.5}}' + b" " * 10_000_000)
    assert len(bomb) < 20_000
    answer(httpserver, bomb, headers={"Content-Encoding": encoding})
    assert f"the answer is larger than {MAX_BODY} bytes" in str(await failure(make()))


@pytest.mark.parametrize(
    ("encoding", "body", "says"),
    [
        ("gzip", b'{"data": {"price": 1.5}}', "the answer is no gzip, though it says so"),
        ("br", b'{"data": {"price": 1.5}}', "the answer is no Brotli, though it says so"),
        ("gzip", gzip.compress(b'{"data": {"price": 1.5}}', mtime=0)[:-1], "the answer is gzip that is cut off"),
        ("deflate", zlib.compress(b"1") + b"1", "the answer is deflate with something behind its end"),
        ("gzip, gzip", gzip.compress(b"1", mtime=0), "the answer is compressed several times over"),
        ("zstd", b"1", "the answer is compressed as 'zstd', which is not read here"),
    ],
)
async def test_what_does_not_unpack_is_refused(
    httpserver: HTTPServer, make: Make, encoding: str, body: bytes, says: str
) -> None:
    answer(httpserver, body, headers={"Content-Encoding": encoding})
    caught = await failure(make())
    assert type(caught) is SourceUnavailable
    assert says in str(caught)


@pytest.mark.parametrize(
    ("encoding", "stated", "configured"),
    [
        ("utf-8", "", None),
        ("utf-8-sig", "", None),
        ("utf-8-sig", "charset=utf-8", None),
        ("iso-8859-1", "charset=ISO-8859-1", None),
        ("iso-8859-1", 'charset="latin1"', None),
        ("iso-8859-1", "", "iso-8859-1"),
        ("iso-8859-1", "charset=utf-8", "iso-8859-1"),
        ("utf-16", "", None),
        ("utf-16-le", "", None),
        ("utf-16-be", "charset=utf-16", None),
        ("utf-16-le", "charset=utf-16", None),
        ("utf-32", "charset=utf-8", None),  # its mark decides
        ("utf-32-be", "", None),
        ("windows-1252", "boundary=x; charset=windows-1252", None),
    ],
)
async def test_the_charset_is_the_one_of_the_document(
    httpserver: HTTPServer, make: Make, encoding: str, stated: str, configured: str | None
) -> None:
    body = '{"währung": "€", "data": {"price": 2345.67}}'.replace("€", "e" if "8859" in encoding else "€")
    answer(httpserver, body.encode(encoding), content_type=f"application/json; {stated}")
    source = make(charset=configured)
    assert (await source.read()).value == Decimal("2345.67")
    await source.close()


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ("", "it is not text in UTF-8: byte 3 can't be read; another encoding has to be stated"),
        ("; charset=utf-7", "it is said to be in the charset 'utf-7', which is not read here"),
        ("; charset=us-ascii", "it is not text in ASCII, as is stated: byte 3 can't be read"),
        ("; charset=utf-16", "it is not text in UTF-16-BE, as is stated"),
    ],
)
async def test_no_charset_is_guessed(httpserver: HTTPServer, make: Make, stated: str, says: str) -> None:
    answer(
        httpserver,
        '{"währung": "e", "data": {"price": 1.5}}'.encode("iso-8859-1") + b" ",
        content_type=f"text/json{stated}",
    )
    assert says in str(await failure(make()))


def test_an_unknown_charset_is_told_with_the_configuration(make: Make) -> None:
    with pytest.raises(ValidationError, match="'utf-9' is no charset that is read"):
        make(charset="utf-9")


async def test_headers_are_sent(httpserver: HTTPServer, make: Make) -> None:
    seen: list[dict[str, str]] = []

    def handler(request: Any) -> Response:
        seen.append(dict(request.headers))
        return Response('{"data": {"price": 1.5}}', content_type="application/json")

    httpserver.expect_request("/price").respond_with_handler(handler)
    source = make(headers={"X-Api-Key": "s3cret"})
    await source.read()
    await source.close()
    assert seen[0]["X-Api-Key"] == "s3cret"
    assert seen[0]["Accept-Encoding"] == "gzip, deflate"


async def test_secrets_are_in_neither_messages_nor_logs(
    httpserver: HTTPServer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    httpserver.expect_request("/s3cret/price").respond_with_data(status=500)
    url = httpserver.url_for("/s3cret/price").replace("http://", "http://user:s3cret@")
    caught = await failure(make(url=url + "?key=s3cret", headers={"X": "s3cret"}))
    assert "s3cret" not in str(caught)
    # The server's own log is not the oracle's.
    logged = [record.getMessage() for record in caplog.records if record.name != "werkzeug"]
    assert not any("s3cret" in line for line in logged)


@asynccontextmanager
async def raw_server(behave: Callable[[asyncio.StreamWriter], Any]) -> AsyncIterator[str]:
    """Start a server that answers every connection with what `behave` writes, and return its URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await behave(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://localhost:{port}/price"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def test_a_server_that_drips_is_cut_off(make: Make) -> None:
    dripping, stopped = asyncio.Event(), asyncio.Event()

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 1000000\r\n\r\n")
        dripping.set()
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            stopped.set()

    async with raw_server(drip) as url:
        caught = await failure(make(url=url, timeout=0.2))
        assert type(caught) is SourceUnavailable
        assert "no complete answer within 0.2 s" in str(caught)
        if dripping.is_set():  # on a busy machine the deadline may pass before the request is heard
            await asyncio.wait_for(stopped.wait(), 60)


async def test_a_server_that_says_nothing_is_cut_off(make: Make) -> None:
    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with raw_server(silent) as url:
        assert "no complete answer within 0.1 s" in str(await failure(make(url=url, timeout=0.1)))


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"garbage\r\n\r\n",
        HEAD + b'Content-Length: 100\r\n\r\n{"data": ',
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_a_broken_answer_is_no_answer(make: Make, sent: bytes) -> None:
    async def broken(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()

    async with raw_server(broken) as url:
        caught = await failure(make(url=url))
    assert type(caught) is SourceUnavailable
    cut = b"Length: 100" in sent
    assert ("the answer is cut off or malformed" if cut else "can't be reached") in str(caught)


async def test_a_certificate_that_nobody_vouches_for_is_refused(make: Make, tmp_path: Path) -> None:
    async def price(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b'Content-Length: 24\r\n\r\n{"data": {"price": 1.5}}')
        writer.close()

    server = await asyncio.start_server(price, "127.0.0.1", 0, ssl=self_signed(tmp_path))
    async with server:
        port = server.sockets[0].getsockname()[1]
        caught = await failure(make(url=f"https://localhost:{port}/price"), scheme="https")
    assert type(caught) is SourceUnavailable
    assert "can't be reached" in str(caught) and "CERTIFICATE_VERIFY_FAILED" in str(caught)


async def test_a_closed_port_is_told(make: Make) -> None:
    async with raw_server(lambda writer: asyncio.sleep(0)) as url:
        pass
    caught = await failure(make(url=url))
    assert type(caught) is SourceUnavailable
    assert "can't be reached" in str(caught)


async def test_a_host_that_can_not_exist_is_told(make: Make) -> None:
    source = make(url=f"http://{'a' * 70}.example/price")
    with pytest.raises(SourceUnavailable, match="can't be reached: Name or service not known"):
        await source.read()
    await source.close()


async def test_a_header_of_two_lines_is_told_and_not_sent(httpserver: HTTPServer, make: Make) -> None:
    answer(httpserver, '{"data": {"price": 1.5}}')
    caught = await failure(make(headers={"X-Api-Key": "s3cret\r\nHost: elsewhere"}))
    assert type(caught) is SourceUnavailable
    assert "can't be reached: a header is invalid" in str(caught)


async def test_no_cookie_comes_back(httpserver: HTTPServer, make: Make) -> None:
    answer(httpserver, '{"data": {"price": 1.5}}', headers={"Set-Cookie": "a=b"})
    source = make()
    for _ in range(2):
        await source.read()
    await source.close()
    assert [request.headers.get("Cookie") for request, _ in httpserver.log] == [None, None]


async def test_a_source_recovers(httpserver: HTTPServer, make: Make) -> None:
    httpserver.expect_ordered_request("/price").respond_with_data("", status=500)
    httpserver.expect_ordered_request("/price").respond_with_json({"data": {"price": 1.5}})
    source = make()
    with pytest.raises(SourceUnavailable):
        await source.read()
    assert (await source.read()).value == Decimal("1.5")
    await source.close()


# --- times ---


@pytest.mark.parametrize(
    ("unit", "written", "seconds"),
    [
        ("s", str(NOW - 5), NOW - 5),
        ("s", f"{NOW - 5}.75", NOW - 5),
        ("s", f'"{NOW - 5}"', NOW - 5),
        ("ms", f"{NOW - 5}999", NOW - 5),
        ("us", f"{NOW - 5}999999", NOW - 5),
        ("ns", f"{NOW - 5}999999999", NOW - 5),
        ("iso", '"2023-11-14T22:13:15Z"', NOW - 5),
        ("iso", '"2023-11-14T23:13:15.5+01:00"', NOW - 5),
        ("iso", '"2023-11-14 22:13:15"', NOW - 5),
        ("s", str(NOW + 60), NOW + 60),
    ],
)
async def test_the_sources_own_time_counts(
    httpserver: HTTPServer, make: Make, unit: str, written: str, seconds: int
) -> None:
    answer(httpserver, f'{{"data": {{"price": 1.5, "time": {written}}}}}')
    source = make(timestamp_path="$.data.time", timestamp_unit=unit, max_age=30)
    assert (await source.read()).observed_at == seconds
    await source.close()


@pytest.mark.parametrize(
    ("unit", "written", "error", "what"),
    [
        ("s", str(NOW - 31), SourceUnavailable, "the value is 31 s old; at most 30 s are allowed"),
        ("s", str(NOW + 61), SourceUnavailable, "61 s ahead of this machine's clock"),
        (
            "s",
            f"{NOW}000",
            DataError,
            "is a time in milliseconds (2023-11-14 22:13 UTC), not in seconds; set timestamp_",
        ),
        ("s", f"{NOW}000000", DataError, 'set timestamp_unit = "us"'),
        ("s", f"{NOW}000000000", DataError, 'set timestamp_unit = "ns"'),
        ("ms", str(NOW), DataError, f"{NOW} is a time in seconds (2023-11-14 22:13 UTC), not in milliseconds; set"),
        ("ms", f"{NOW}.5", DataError, 'set timestamp_unit = "s"'),
        ("ns", f"{NOW}000", DataError, 'not in nanoseconds; set timestamp_unit = "ms"'),
        ("s", '"2023-11-14T22:13:15Z"', DataError, 'is an ISO 8601 time, not a unix time; set timestamp_unit = "iso"'),
        ("ms", "0", DataError, "is not a unix time in milliseconds"),
        ("s", f"1{NOW}", DataError, "is not a unix time in seconds"),
        ("s", "-1", DataError, "is not a unix time in seconds"),
        ("s", "true", DataError, "is a boolean, not a unix time"),
        ("s", "null", DataError, "is null, not a unix time"),
        ("s", '"now"', DataError, "'now' is not a plain decimal number"),
        (
            "iso",
            str(NOW),
            DataError,
            f'{NOW} is a unix time in seconds, not an ISO 8601 time; set timestamp_unit = "s"',
        ),
        ("iso", "7", DataError, "is a number, not an ISO 8601 time"),
        ("iso", '"yesterday"', DataError, "'yesterday' is not an ISO 8601 time"),
    ],
)
async def test_a_time_that_cannot_be_believed(
    httpserver: HTTPServer, make: Make, unit: str, written: str, error: type[OracleError], what: str
) -> None:
    answer(httpserver, f'{{"data": {{"price": 1.5, "time": {written}}}}}')
    source = make(timestamp_path="$.data.time", timestamp_unit=unit, max_age=30)
    caught = await failure(source)
    assert type(caught) is error
    assert what in str(caught)


@pytest.mark.parametrize(("unit", "written"), [("ms", str(NOW)), ("s", f"{NOW}000")])
async def test_a_time_in_another_unit_is_refused_although_any_age_is_allowed(
    httpserver: HTTPServer, make: Make, unit: str, written: str
) -> None:
    """In milliseconds, the present in seconds is in January 1970: nothing but its age would tell."""
    answer(httpserver, f'{{"data": {{"price": 1.5, "time": {written}}}}}')
    trace, source = Trace(), make(timestamp_path="$.data.time", timestamp_unit=unit)
    with pytest.raises(DataError, match="set timestamp_unit"):
        await source.read_traced(trace)
    await source.close()
    assert trace.suggestions == [f'timestamp_unit = "{"s" if unit == "ms" else "ms"}"']
    assert [each.where for each in trace.matches] == ["$.data.price", "$.data.time"]


async def test_a_trial_shows_what_was_matched_and_what_was_sought(httpserver: HTTPServer, make: Make) -> None:
    answer(httpserver, '{"data": {"price": "1.50\\u001b[2J", "last": "1.5"}}')
    trace, source = Trace(), make()
    with pytest.raises(DataError):
        await source.read_traced(trace)
    assert trace.matches == [Match("$.data.price", '"1.50\\u001b[2J"')], "it can't move a terminal's cursor"
    assert (trace.sought, trace.suggestions) == ("$.data.price", [])
    await source.close()
    trace, source = Trace(), make(path="$.data.last")
    with pytest.raises(DataError):
        await source.read_traced(trace)
    assert (trace.sought, trace.suggestions) == ("", ["allow_string = true"])
    await source.close()


# --- addresses and certificates that change while a source is in use ---


async def _serving(body: bytes, context: ssl.SSLContext | None = None) -> asyncio.Server:
    """Serve an answer on connections that are kept open."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(answered, "127.0.0.1", 0, ssl=context)


async def test_a_name_that_moves_to_another_address_is_followed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old server goes on to answer on the connection that is open: only its age ends it."""
    old, new = await _serving(b'{"data": {"price": 1}}'), await _serving(b'{"data": {"price": 2}}')
    at, time = [old], [0.0]

    def resolved(host: str, port: Any, *rest: Any, **more: Any) -> list[Any]:
        assert host == "price.example"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", at[0].sockets[0].getsockname()[1]))]

    async with old, new:
        monkeypatch.setattr(socket, "getaddrinfo", resolved)
        monkeypatch.setattr(http, "_clock", lambda: time[0])
        monkeypatch.setattr(http, "ADDRESSES_S", 0.0)
        source = make(url="http://price.example/price")
        assert (await source.read()).value == 1
        at[0] = new
        time[0] = 59
        assert (await source.read()).value == 1, "a young connection is used again"
        time[0] = 61
        assert (await source.read()).value == 2
        await source.close()


@pytest.mark.attack
async def test_authorities_are_read_again_when_their_file_changes(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = self_signed(tmp_path)
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(b"")
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    monkeypatch.setattr(http, "SYSTEM_TRUST", Trust())
    server = await _serving(b'{"data": {"price": 1.5}}', context)
    async with server:
        source = make(url=f"https://localhost:{server.sockets[0].getsockname()[1]}/price")
        with pytest.raises(SourceUnavailable, match="certificate verify failed"):
            await source.read()
        authorities.write_bytes((tmp_path / "self-signed.pem").read_bytes())
        assert (await source.read()).value == Decimal("1.5")
        authorities.write_bytes(b"")
        with pytest.raises(SourceUnavailable, match="certificate verify failed"):
            await source.read()
        await source.close()


async def test_a_missing_time_is_told(httpserver: HTTPServer, make: Make) -> None:
    answer(httpserver, '{"data": {"price": 1.5}}')
    caught = await failure(make(timestamp_path="$.data.time"))
    assert "$.data.time: there is no such value" in str(caught)


@pytest.mark.attack
async def test_a_key_that_the_server_repeats_is_not_shown(httpserver: HTTPServer, make: Make) -> None:
    """Many say which key is wrong. What a trial shows, and an error says, gets into logs and onto pages."""
    key, token = "s3cr3t-key-0123456789", "T0k3n.of.the-header"
    said = {"data": {"price": f"wrong: {key}", token: [f"{key[:30]} and {token}"]}, "ethereum": {"usd": 3}}
    httpserver.expect_request("/price").respond_with_json(said)
    options = {
        "url": httpserver.url_for("/price") + f"?api_key={key}&token=ethereum&key=123456",
        "headers": {"Authorization": f"Bearer {token}", "Accept": "application/json; version=1"},
    }
    for path in ("$.data.price", "$.data.cost"):
        source, trace = make(path=path, **options), Trace()
        with pytest.raises(DataError) as told:
            await source.read_traced(trace)
        await source.close()
        for shown in (str(told.value), repr(trace)):
            assert not any(part in shown for part in (key, key[:12], token))
        assert "wrong: ***" in repr(trace)
    source = make(path="$.ethereum.usd", **options)
    assert (await source.read()).value == 3, "what is asked for is found"
    await source.close()


@pytest.mark.attack
async def test_a_key_that_the_server_repeats_in_its_status_is_not_shown(httpserver: HTTPServer, make: Make) -> None:
    key = "s3cr3t-key-0123456789"
    httpserver.expect_request("/price").respond_with_response(Response("", status=f"401 key {key} is wrong"))
    assert key not in str(await failure(make(headers={"X-Key": key})))
