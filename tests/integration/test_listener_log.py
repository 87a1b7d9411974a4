"""A listener's log: what anybody sends does not fill it, and what is our mistake is there to be found."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from oracle.web.listener import listening


async def test_what_is_no_http_does_not_fill_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    async with listening(web.Application(), ("127.0.0.1", 0), "network") as port:
        with capture_logs() as logs:
            for _ in range(20):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
                assert b" 400 " in await reader.readline()
                writer.close()
    assert capfd.readouterr() == ("", "")
    assert [(each["event"], each["listener"]) for each in logs] == [("a request is not HTTP", "network")]


async def test_a_mistake_of_ours_is_logged_with_its_place(capfd: pytest.CaptureFixture[str]) -> None:
    async def fails(request: web.Request) -> web.Response:
        raise ZeroDivisionError

    application = web.Application()
    application.router.add_get("/", fails)
    async with listening(application, ("127.0.0.1", 0), "network") as port:
        with capture_logs() as logs:
            async with aiohttp.ClientSession() as session:
                for _ in range(3):
                    assert (await session.get(f"http://127.0.0.1:{port}/")).status == 500
    assert capfd.readouterr() == ("", "")
    [line] = logs
    assert line["log_level"] == "error" and line["exc_info"][0] is ZeroDivisionError
