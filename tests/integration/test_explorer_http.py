"""Tests of the explorer's server over real connections."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from oracle.app.explore import Explored, explore_until_stopped, explorer_served
from oracle.core.errors import ConfigError


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Return a folder of built pages."""
    (tmp_path / "pages" / "assets").mkdir(parents=True)
    (tmp_path / "pages" / "index.html").write_text("<!doctype html>")
    (tmp_path / "pages" / "assets" / "index-abc.js").write_text("1")
    (tmp_path / "secret").write_text("not for readers")
    return tmp_path / "pages"


async def test_pages_run_nothing_but_their_own_files(pages: Path) -> None:
    shown = Explored(endpoints=("http://node.lan:8545/key", "https://a.example"))
    async with explorer_served(shown, ("127.0.0.1", 0), pages) as url, aiohttp.ClientSession() as client:
        async with client.get(url) as page:
            assert (page.status, page.content_type, await page.text()) == (200, "text/html", "<!doctype html>")
            policy = dict(each.split(" ", 1) for each in page.headers["Content-Security-Policy"].split("; "))
            assert page.headers["Cache-Control"] == "no-cache"
            assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        # A reader may name any endpoint with TLS; one without is of this machine, or was named here.
        assert policy["connect-src"].split() == [
            "'self'", "https:", "http://127.0.0.1:*", "http://localhost:*", "http://node.lan:8545",
        ]  # fmt: skip
        async with client.get(f"{url}assets/index-abc.js") as script:
            assert (script.content_type, script.headers["Cache-Control"]) == ("text/javascript", "no-cache")
            known = script.headers["ETag"]
        async with client.get(f"{url}assets/index-abc.js", headers={"If-None-Match": known}) as again:
            assert (again.status, await again.read()) == (304, b"")
        async with client.get(f"{url}config.json") as config:
            assert (await config.json())["endpoints"] == list(shown.endpoints)


@pytest.mark.attack
async def test_there_is_nothing_else(pages: Path) -> None:
    async with explorer_served(Explored(), ("127.0.0.1", 0), pages) as url, aiohttp.ClientSession() as client:
        paths = ("../secret", "..%2fsecret", "%2e%2e/secret", "assets/../../secret", "/secret", "assets", "assets/")
        for path in paths:
            async with client.get(URL(url + path, encoded=True)) as found:
                assert found.status == 404, path
                assert "Content-Security-Policy" in found.headers
                assert "not for readers" not in await found.text()
        for method in ("POST", "PUT", "DELETE"):
            async with client.request(method, url, data="a claim") as refused:
                assert refused.status == 405


async def test_it_serves_until_it_is_stopped(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.app.explore.explorer_files", lambda shown, folder: {"index.html": b"here"})
    stop, told = asyncio.Event(), []

    def tell(url: str) -> None:
        told.append(url)
        stop.set()

    await explore_until_stopped(Explored(), "127.0.0.1:0", tell, stop)
    (url,) = told
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get(url)
    with pytest.raises(ConfigError, match="--listen: 'here' is not an address to listen on"):
        await explore_until_stopped(Explored(), "here", told.append)
