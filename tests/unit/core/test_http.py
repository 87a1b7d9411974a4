"""Tests of rules for HTTP requests that need no server. Integration tests of the callers cover the others."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import zlib
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from oracle.core import http
from oracle.core.documents import NotJson
from tests.fakehttp import Reply

HOST: Any = SimpleNamespace(host="node.example", port=443, ssl=True)
REQUEST: Any = SimpleNamespace(real_url="https://node.example/s3cret")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (aiohttp.ClientConnectorError(HOST, OSError(errno.ECONNREFUSED, "Connect call failed")), "Connection refused"),
        (aiohttp.ClientConnectorError(HOST, OSError("Multiple exceptions: s3cret")), "no connection"),
        (aiohttp.ClientConnectorDNSError(HOST, socket.gaierror(-2, "Name not known")), "Name not known"),
        (aiohttp.ClientConnectorCertificateError(HOST, ssl.SSLCertVerificationError(1, "self-signed")), "self-signed"),
        (aiohttp.ClientOSError(errno.ECONNRESET, "s3cret"), "Connection reset by peer"),
        (aiohttp.ClientResponseError(REQUEST, (), message="s3cret"), "the answer is not HTTP"),
        (aiohttp.ClientPayloadError("s3cret"), "the answer is cut off or malformed"),
        (aiohttp.InvalidURL("http://s3cret"), "the URL is invalid"),
        (aiohttp.SocketTimeoutError("s3cret"), "no answer in time"),
        (TimeoutError(), "no answer in time"),
        (aiohttp.ClientError("s3cret"), "ClientError"),
    ],
)
def test_reasons_are_words_of_ours_or_the_systems(error: Exception, says: str) -> None:
    assert http.reason(error) == says


@pytest.mark.parametrize("url", ["http://localhost:1/x", "https://u:p@127.0.0.1", "http://[::1]:8545/"])
def test_urls_of_this_machine(url: str) -> None:
    assert http.is_loopback(url)


@pytest.mark.parametrize("url", ["http://localhost.example", "http://127.0.0.1.example", "http://[::1", "nothing"])
def test_urls_elsewhere(url: str) -> None:
    assert not http.is_loopback(url)


def test_a_proxy_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert http.proxy_for("https://node.example") is None
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert http.proxy_for("https://node.example/x") == "http://proxy.example:3128"
    assert http.proxy_for("https://a.inside.example") is None
    assert http.proxy_for("http://node.example") is None
    assert http.proxy_for("https://[::1") is None
    monkeypatch.setenv("all_proxy", "http://any.example")
    assert http.proxy_for("http://node.example") == "http://any.example"


async def test_a_body_is_read_up_to_its_limit() -> None:
    full: Any = Reply(body=b"1234")
    assert await http.read_body(full, 4) == b"1234"
    with pytest.raises(http.BodyTooLarge):
        await http.read_body(full, 3)


async def test_a_session_keeps_no_cookies_and_reads_no_environment() -> None:
    async with http.open_session() as session:
        assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)
        assert not session.trust_env


def test_synchronous_code_may_ask_beside_a_loop() -> None:
    async def asked() -> int:
        await asyncio.sleep(0)
        return 1

    async def beside() -> int:
        return http.run(asked())

    assert http.run(asked()) == asyncio.run(beside()) == 1


def shown(url: str) -> str:
    if url == "https://[::1/":
        raise ValueError
    return url.partition("?")[0]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (http.Answer(200, b""), None),
        (http.Answer(201, b"", "Created"), "HTTP 201 Created"),
        (
            http.Answer(301, b"", "", location="/b?key=s3cret"),
            "HTTP 301: a redirect to https://a.example/b, which is not",
        ),
        (http.Answer(301, b"", "", location="https://[::1/"), "HTTP 301: a redirect to an invalid URL, which is not"),
        (http.Answer(301, b"", "", location="https://a.example/x"), "HTTP 301: a redirect to itself, as servers do"),
        (http.Answer(301, b"", ""), "HTTP 301: it sends elsewhere and does not say where to"),
        (http.Answer(300, b"", ""), "HTTP 300: it offers several documents and names none"),
        (
            http.Answer(304, b"", "Not Modified", location="/b"),
            "HTTP 304 Not Modified: it says that nothing has changed",
        ),
        (http.Answer(429, b"", "", retry_after="1" * 40), "HTTP 429: too many requests: a longer 'poll_interval'"),
        (http.Answer(500, b"", "\x1b[31mred" + "x" * 200), "HTTP 500  [31mredxxx"),
    ],
)
def test_a_status_is_said_as_what_it_is(answer: http.Answer, says: str | None) -> None:
    said = answer.problem("https://a.example/x", shown)
    assert said is None if says is None else said is not None and said.startswith(says)
    assert said is None or (said.isprintable() and len(said) < 200 and "s3cret" not in said)


@pytest.mark.parametrize(
    ("header", "charset"),
    [
        ("", ""),
        ("application/json", ""),
        ("application/json; charset=utf-8", "utf-8"),
        ('text/html; boundary="; charset=x"; Charset="ISO-8859-1"', "ISO-8859-1"),
        ("charset=utf-8", "utf-8"),
        ("application/json; charset", ""),
    ],
)
def test_the_charset_of_a_header(header: str, charset: str) -> None:
    assert http.charset_of(header) == charset


def test_an_answer_is_read_in_its_charset() -> None:
    answer = http.Answer(200, '{"währung": 1}'.encode("latin-1"), content_type="text/json; charset=latin-1")
    assert answer.json() == {"währung": 1}
    assert answer.text() == '{"währung": 1}'
    assert http.Answer(200, answer.body).json(charset="iso-8859-1") == {"währung": 1}
    with pytest.raises(NotJson, match="not text in UTF-8"):
        http.Answer(200, answer.body).json()


async def test_a_packed_body_of_many_members_is_refused() -> None:
    """Each empty member of gzip has 20 bytes, and costs the time of a new one."""
    for members, is_read in ((64, True), (65, False)):
        body = zlib.compress(b"", wbits=31) * members
        reply: Any = Reply(body=body, headers={"Content-Encoding": "gzip"})
        if is_read:
            assert await http.read_body(reply, 10_000) == b""
        else:
            with pytest.raises(http.BodyUnreadable, match="gzip with something behind its end"):
                await http.read_body(reply, 10_000)
