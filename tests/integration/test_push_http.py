"""Tests of `POST /push/FEED/SOURCE` over real connections, some of which behave badly."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from oracle.config import PushSourceConfig
from oracle.core.errors import ConfigError
from oracle.core.types import Kind
from oracle.sources.push.authentication import NONCE, SIGNATURE, TIMESTAMP, signature
from oracle.sources.push.source import PushSource
from oracle.web.listener import Limits, listening
from oracle.web.push import serve_pushes
from oracle.web.tls import Certificate
from tests.integration.servers import certificate

KEY = b"0123456789abcdef0123456789abcdef"
VALUE = b'{"value": "2345.67"}'


@pytest.fixture
async def source(tmp_path: Path) -> PushSource:
    file = tmp_path / "key"
    file.write_bytes(KEY)
    file.chmod(0o600)
    settings = {"type": "push", "name": "desk", "max_age": 60, "key_file": file, "max_per_minute": 5}
    return PushSource(PushSourceConfig.model_validate(settings), feed="eth", measure=Kind.RELATIVE)


@pytest.fixture
async def port(source: PushSource) -> AsyncIterator[int]:
    def find(feed: str, name: str) -> PushSource | None:
        return source if (feed, name) == ("eth", "desk") else None

    async with serve_pushes(("127.0.0.1", 0), find, 256) as port:
        yield port


@pytest.fixture
async def client(port: int) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as made:
        yield made


def headers(body: bytes = VALUE, nonce: str = "a-nonce-of-this") -> dict[str, str]:
    timestamp = str(int(time.time()))
    return {TIMESTAMP: timestamp, NONCE: nonce, SIGNATURE: signature(KEY, "/push/eth/desk", timestamp, nonce, body)}


async def test_a_push_arrives_and_each_refusal_has_its_status(
    client: aiohttp.ClientSession, source: PushSource
) -> None:
    async def status(body: bytes = VALUE, path: str = "/push/eth/desk", **given: str) -> int:
        async with client.post(path, data=body, headers=headers(body, **given)) as answer:
            assert KEY.decode() not in await answer.text()
            if answer.status != 204:
                assert answer.headers["Content-Type"].startswith(("application/json", "text/plain"))
            return answer.status

    assert await status() == 204
    assert str((await source.read()).value) == "2345.67"
    assert await status() == 409
    assert (await client.post("/push/eth/desk", data=VALUE)).status == 401
    assert await status(b"nonsense", nonce="another-01") == 400
    assert await status(b'{"value": "-1"}', nonce="another-02") == 422
    for path in ("/push/eth/other", "/push/btc/desk", "/push/eth", "/", "/metrics", "/push/eth/desk/more"):
        assert await status(path=path, nonce="another-03") == 404, path
    assert (await client.get("/push/eth/desk")).status == 405
    assert await status(b'{"value": "' + b"1" * 300 + b'"}', nonce="another-04") == 413
    for index in range(2):
        assert await status(nonce=f"filling-{index}") == 204
    answer = await client.post("/push/eth/desk", data=VALUE, headers=headers(nonce="one-too-many"))
    assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
    await source.close()
    assert await status(nonce="another-05") == 401


async def test_a_push_may_be_packed_and_in_any_charset(client: aiohttp.ClientSession, source: PushSource) -> None:
    async def status(body: bytes, nonce: str, **given: str) -> int:
        # What is signed is the body itself, however it travels.
        packed = zlib.compress(body) if given.get("Content-Encoding") == "deflate" else body
        async with client.post("/push/eth/desk", data=packed, headers=headers(body, nonce=nonce) | given) as answer:
            return answer.status

    assert await status(VALUE, "packed-01", **{"Content-Encoding": "deflate"}) == 204
    assert await status(VALUE.decode().encode("utf-16"), "packed-02") == 204
    assert await status(VALUE, "packed-03", **{"Content-Type": "application/json; charset=iso-8859-1"}) == 204
    assert await status(VALUE, "packed-04", **{"Content-Type": "application/json; charset=utf-7"}) == 400
    assert await status(VALUE, "packed-05", **{"Content-Encoding": "gzip"}) == 400
    assert await status(VALUE + b" " * 1_000_000, "packed-06", **{"Content-Encoding": "deflate"}) == 413


async def test_the_documented_way_to_push_is_one(
    tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (project_root / "docs" / "operations.md").read_text()
    [code] = [block.split("```")[0] for block in text.split("```python\n")[1:] if "X-Oracle-Signature" in block]
    key = tmp_path / "desk.key"
    key.write_bytes(KEY + b"\n")
    key.chmod(0o600)
    config = PushSourceConfig.model_validate({"type": "push", "name": "desk", "max_age": 60, "key_file": key})
    source = PushSource(config, feed="eth-usd", measure=Kind.RELATIVE)
    monkeypatch.chdir(tmp_path)
    async with serve_pushes(("127.0.0.1", 0), lambda feed, name: source, 256) as port:
        await asyncio.to_thread(exec, code.replace(":9465", f":{port}"), {})
    assert capsys.readouterr().out.endswith("204\n")
    assert str((await source.read()).value) == "2345.67"


async def test_an_endless_body_is_cut_off(client: aiohttp.ClientSession) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    answer = await client.post("/push/eth/desk", data=endless(), headers=headers())
    assert answer.status == 413


async def test_a_body_that_does_not_come_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.web.bodies.BODY_DEADLINE_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /push/eth/desk HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{")
    await writer.drain()
    assert (await reader.readline()).split()[1] == b"408"
    writer.close()


async def test_an_address_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        with pytest.raises(ConfigError, match=r"\[push\] listen: 127\.0\.0\.1:\d+ can't be bound"):
            async with serve_pushes(address, lambda feed, name: None, 256):
                pass


def test_a_push_is_logged_without_its_secret_and_refusals_not_each_time(
    source: PushSource, capsys: pytest.CaptureFixture[str]
) -> None:
    async def many() -> None:
        async with (
            serve_pushes(("127.0.0.1", 0), lambda feed, name: source, 256) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
        ):
            for _ in range(20):
                await client.post("/push/eth/desk", data=VALUE, headers={SIGNATURE: "s3cret"})

    asyncio.run(many())
    said = capsys.readouterr()
    assert (said.out + said.err).count("push refused") == 1
    assert "s3cret" not in said.out + said.err


# --- connections that cost something ---


async def dribble(port: int, head: bytes) -> asyncio.StreamReader:
    """Open a connection that sends this much, and then waits."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    await writer.drain()
    KEPT.append(writer)
    return reader


KEPT: list[asyncio.StreamWriter] = []


@pytest.fixture(autouse=True)
async def hung_up() -> AsyncIterator[None]:
    yield
    for writer in KEPT:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    KEPT.clear()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return the bytes until the other side ends the connection, which has to happen soon."""
    try:
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""


@pytest.mark.attack
@pytest.mark.parametrize("tls", [False, True])
async def test_connections_that_say_nothing_end_and_take_no_more_than_their_share(
    source: PushSource, tmp_path: Path, tls: bool
) -> None:
    file = certificate(tmp_path)
    theirs = Certificate(file, file, "push") if tls else None
    trusting = ssl.create_default_context(cafile=file) if tls else True
    limits = Limits(connections=3, head_s=1.0, request_s=1.2)
    async with serve_pushes(
        ("127.0.0.1", 0), lambda feed, name: source, 256, certificate=theirs, limits=limits
    ) as port:
        with capture_logs() as logs:
            begun = (b"", b"\x16", b"\x16\3\1\2") if tls else (b"", b"POST /pu", b"POST /push/eth/desk HTTP/1.1\r\nHo")
            slow = [await dribble(port, head) for head in begun]
            assert await ended(await dribble(port, b"")) == b"", "one too many"
            for each in slow:
                assert b" 200 " not in await ended(each)
        assert [line["at_once"] for line in logs if line["event"] == "connections refused"] == [3]
        url = f"{'https' if tls else 'http'}://localhost:{port}"
        async with aiohttp.ClientSession(url) as client, asyncio.timeout(60):
            for attempt in itertools.count():  # a busy machine may be too slow for these limits
                with contextlib.suppress(aiohttp.ClientError):
                    given = headers(nonce=f"there-is-room-{attempt}")
                    answer = await client.post("/push/eth/desk", data=VALUE, headers=given, ssl=trusting)
                    break
        assert answer.status == 204, "and then there is room again"


@pytest.mark.attack
async def test_a_client_that_does_not_read_its_answer_does_not_keep_its_place() -> None:
    async def large(request: web.Request) -> web.Response:
        return web.Response(body=bytes(32 << 20))

    application = web.Application()
    application.router.add_get("/", large)
    limits = Limits(connections=1, head_s=0.2, request_s=0.3)
    async with listening(application, ("127.0.0.1", 0), "web", limits=limits) as port:
        await dribble(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(60):
            while not (await ended(await dribble(port, b"GET /none HTTP/1.0\r\n\r\n"))).startswith(b"HTTP/1"):
                pass  # refused, until the first one is ended


@pytest.mark.attack
async def test_a_connection_that_is_kept_and_not_used_ends(source: PushSource) -> None:
    limits = Limits(head_s=0.1, request_s=0.2)
    async with serve_pushes(("127.0.0.1", 0), lambda feed, name: source, 256, limits=limits) as port:
        reader = await dribble(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST /push/eth/desk HTTP/1.1\r\nX: ")
        assert (await ended(reader)).startswith(b"HTTP/1.1 404")


async def test_a_certificate_is_used_and_replaced_while_it_is_in_use(source: PushSource, tmp_path: Path) -> None:
    file = certificate(tmp_path)
    used = Certificate(file, file, "push")
    async with serve_pushes(("127.0.0.1", 0), lambda feed, name: source, 256, certificate=used) as port:

        async def push(nonce: str) -> int:
            trusting = ssl.create_default_context(cafile=file)
            async with aiohttp.ClientSession(f"https://localhost:{port}") as one:
                pushed = await one.post("/push/eth/desk", data=VALUE, headers=headers(nonce=nonce), ssl=trusting)
                return pushed.status

        assert await push("the-first-one") == 204
        with pytest.raises(aiohttp.ClientError):
            async with aiohttp.ClientSession() as plain:
                await plain.post(f"http://localhost:{port}/push/eth/desk", data=VALUE)
        certificate(tmp_path)
        assert await push("the-second-one") == 204, "the new one is there without a restart"
        file.write_bytes(b"rubbish")
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        async with aiohttp.ClientSession(f"https://localhost:{port}") as client:
            assert (await client.get("/", ssl=old)).status == 404, "the one before is still there"
        certificate(tmp_path)
        assert await push("the-third-one") == 204, "whatever was wrong in between"


def test_a_certificate_that_will_not_do_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other, gone = certificate(tmp_path / "a"), certificate(tmp_path / "b", b"s3cret"), tmp_path / "gone.pem"
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"no certificate")
    rubbish.chmod(0o600)
    for chain, key, what in [
        (gone, one, r"\[push\] tls_certificate .*gone.pem: can't be read: No such file"),
        (one, gone, r"\[push\] tls_key .*gone.pem: can't be read: No such file"),
        (rubbish, one, "is not a PEM file"),
        (one, rubbish, "is not a PEM file"),
        (one, other, "is encrypted, and nobody is there to ask"),
    ]:
        with pytest.raises(ConfigError, match=what):
            Certificate(chain, key, "push")
    third = certificate(tmp_path / "b")
    with pytest.raises(ConfigError, match="is not the key of"):
        Certificate(one, third, "push")
    one.chmod(0o644)
    with pytest.raises(ConfigError, match="everybody may use it; run `chmod 640"):
        Certificate(one, one, "push")
