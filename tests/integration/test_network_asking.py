"""Tests of asking members about themselves, over real HTTP: whatever answers, there is a line that says what it was."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from oracle.config import MemberConfig
from oracle.core import http
from oracle.core.errors import ConfigError
from oracle.network.asking import AskedMember, ask_members, trusted
from oracle.network.messages import NetworkStatus, RefusalCode, Refused
from tests.integration.servers import certificate, self_signed

KEY = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
STATUS = NetworkStatus(KEY, 1, KEY, 1, 1, b"\1" * 32, 7, 1_000.25, ("reporter",), "1.0")

ELSE = "answers, but not as a member does: "

Handler = Callable[[web.Request], Any]


@asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve a handler on this machine, and return its base URL."""
    application = web.Application()
    application.router.add_get("/v1/network", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "localhost", 0, ssl_context=context)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        yield f"http{'s' if context else ''}://localhost:{port}"
    finally:
        await runner.cleanup()


async def asked(url: str, **options: Any) -> AskedMember:
    [found] = await ask_members([MemberConfig(name="beta", reporter=KEY, url=url)], **{"timeout_s": 5.0} | options)
    return found


async def test_a_member_says_who_it_is_and_what_time_it_is() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(STATUS.to_json())

    times = iter([1_000.0, 1_000.5])
    async with serving(handler) as url:
        found = await asked(url, clock=lambda: next(times))
    assert (found.status, found.problem, found.member.name) == (STATUS, "", "beta")
    assert found.ahead == (-0.25, 0.25)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda: web.Response(status=404), ELSE + "it answers 404, and does not say why"),
        (
            lambda: web.Response(status=302, headers={"Location": "/v1/network"}),
            ELSE + "it answers 302",
        ),
        (
            lambda: web.json_response(Refused(RefusalCode.TOO_MANY, "later").to_json(), status=429),
            "does not say who it",
        ),
        (lambda: web.Response(text="<html>"), ELSE),
        (lambda: web.json_response({"reporter": 1}), ELSE),
        (lambda: web.json_response(STATUS.to_json() | {"time": "now"}), ELSE),
        (
            lambda: web.Response(body=b"x" * (65 << 10)),
            ELSE + "its answer has more than 65,536 bytes",
        ),
    ],
)
async def test_something_else_answers(answer: Callable[[], web.Response], says: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return answer()

    async with serving(handler) as url:
        found = await asked(url)
    assert found.status is None and not found.is_silent
    assert found.problem.startswith(says)


async def test_nobody_answers() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        found = await asked(url)
    assert found.is_silent and found.problem.startswith("does not answer: ")


async def test_a_member_that_takes_too_long_is_silent() -> None:
    over = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    async with serving(handler) as url:
        found = await asked(url, timeout_s=0.05)
        over.set()
    assert found.is_silent and found.problem == "does not answer: no answer in time"


async def test_a_certificate_is_checked(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(STATUS.to_json())

    context = self_signed(tmp_path)
    async with serving(handler, context) as url:
        assert (await asked(url)).problem.startswith("does not answer: ")
        assert (await asked(url, authorities=trusted(tmp_path / "self-signed.pem"))).status == STATUS


def test_authorities_that_can_t_be_read(tmp_path: Path) -> None:
    assert trusted(None) is http.SYSTEM_TRUST
    with pytest.raises(ConfigError, match=r"\[network\] ca_file .*: can't be read: No such file"):
        trusted(tmp_path / "none.pem")
    (tmp_path / "bad.pem").write_text(json.dumps({}))
    with pytest.raises(ConfigError, match=r"\[network\] ca_file .*: is not a PEM file of certificates"):
        trusted(tmp_path / "bad.pem")
    assert trusted(certificate(tmp_path)).context
