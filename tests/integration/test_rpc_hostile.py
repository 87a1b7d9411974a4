"""Tests of an endpoint with hostile bytes, and of requests that end at any moment: the process must not end or hang."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.transport import jsonrpc
from oracle.core.errors import ChainUnavailable
from tests.chaos.proxy import NodeProxy, drop

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


@pytest.mark.parametrize("body", [b"[" * 500_000, b'{"result":' * 200_000, b"\xff\xfe", b"", b"<html>"])
async def test_an_answer_that_is_no_json_rpc(httpserver: HTTPServer, body: bytes) -> None:
    httpserver.expect_request("/").respond_with_data(body, content_type="application/json")
    async with Rpc(httpserver.url_for("/"), 31337, attempts=1) as rpc:
        assert sys.getrecursionlimit() <= 1_000, "a library has raised it: deep answers would overflow the stack"
        with pytest.raises(ChainUnavailable):
            await rpc.block_number()


def serve(httpserver: HTTPServer, results: dict[str, Any]) -> None:
    """Serve a node that knows these methods. A callable result is called with the parameters."""

    def handle(request: Request) -> Response:
        asked = json.loads(request.get_data())
        result = results[asked["method"]]
        answer = result(asked["params"]) if callable(result) else result
        return Response(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answer}))

    httpserver.expect_request("/").respond_with_handler(handle)


async def test_requests_that_are_cancelled_at_any_moment_hinder_no_other(httpserver: HTTPServer) -> None:
    """The requests run side by side and are cancelled after any number of steps, so that each moment of one is met."""
    serve(httpserver, {"eth_chainId": "0x7a69", "eth_blockNumber": "0x10"})
    async with Rpc(httpserver.url_for("/"), 31337) as rpc:
        for steps in range(40):
            tasks = [asyncio.create_task(rpc.block_number()) for _ in range(6)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert await asyncio.wait_for(rpc.block_number(), 60) == 16


_WEB3_UNDER_CANCELLATIONS = """
import asyncio, os, sys
from web3 import AsyncHTTPProvider


async def main(url):
    provider = AsyncHTTPProvider(url)
    for steps in range(400):
        tasks = [asyncio.create_task(provider.make_request("eth_blockNumber", [])) for _ in range(6)]
        for _ in range(steps % 40):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=0.2)
        last = asyncio.create_task(provider.make_request("eth_blockNumber", []))
        done, _ = await asyncio.wait({last}, timeout=2)
        if not done:
            return "hangs"
        assert last.result()["result"] == "0x10"
    return "answers"


async def report():
    print(await main(sys.argv[1]), flush=True)
    os._exit(0)  # a thread that waits for the lock would keep the process alive


asyncio.run(report())
"""


def test_web3_s_own_provider_hangs_under_the_same_cancellations(httpserver: HTTPServer) -> None:
    """This is why `oracle.chain.transport.jsonrpc` exists. It runs in a child process, because it hangs the process."""
    serve(httpserver, {"eth_blockNumber": "0x10"})
    child = [sys.executable, "-c", _WEB3_UNDER_CANCELLATIONS, httpserver.url_for("/")]
    done = subprocess.run(child, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "hangs", "web3's provider no longer hangs: JsonRpc can go"


async def test_a_closed_endpoint_may_be_used_again(httpserver: HTTPServer) -> None:
    serve(httpserver, {"eth_chainId": "0x7a69", "eth_blockNumber": "0x10"})
    rpc = Rpc(httpserver.url_for("/"), 31337)
    for _ in range(2):
        assert await rpc.block_number() == 16
        await rpc.close()
    await rpc.close()


@pytest.mark.attack
async def test_an_answer_without_end_is_not_read_to_its_end(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonrpc, "MAX_BODY", 1 << 20)
    serve(httpserver, {"eth_chainId": "0x7a69", "eth_getCode": "0x" + "00" * (1 << 20)})
    async with Rpc(httpserver.url_for("/"), 31337) as rpc:
        with pytest.raises(ChainUnavailable, match="answers eth_getCode with more than 1 MiB"):
            await rpc.code(ADDRESS)


async def test_events_that_are_too_many_for_one_answer_are_asked_for_in_parts(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonrpc, "MAX_BODY", 1 << 20)
    asked = []

    def logs(params: list[Any]) -> list[Any]:
        first, last = (int(params[0][key], 16) for key in ("fromBlock", "toBlock"))
        asked.append((first, last))
        return ["x" * (1 << 20)] if last - first > 3 else []

    serve(httpserver, {"eth_chainId": "0x7a69", "eth_getLogs": logs})
    async with Rpc(httpserver.url_for("/"), 31337) as rpc:
        assert await rpc.logs(ADDRESS, 0, 15, chunk=16) == []
    assert asked == [(0, 15), (0, 7), (0, 3), (4, 7), (8, 11), (12, 15)]


@pytest.mark.attack
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(httpserver: HTTPServer, status: int) -> None:
    """A redirect would carry transactions to anyone whom the endpoint names."""
    httpserver.expect_request("/v3/s3cret").respond_with_data("", status=status, headers={"Location": "/elsewhere"})
    serve(httpserver, {"eth_chainId": "0x7a69", "eth_blockNumber": "0x10"})
    async with Rpc(httpserver.url_for("/v3/s3cret"), 31337) as rpc:
        with pytest.raises(ChainUnavailable, match=f"HTTP {status}, a redirect, which is not followed") as caught:
            await rpc.block_number()
    assert "s3cret" not in str(caught.value)
    assert [request.path for request, _ in httpserver.log] == ["/v3/s3cret"]


async def test_connections_are_kept_within_async_with_and_only_there(anvil: Callable[..., Anvil]) -> None:
    with anvil() as chain, NodeProxy(chain.rpc_url) as proxy:
        async with Rpc(proxy.url, 31337) as rpc:
            await rpc.block_number()
            assert proxy.connections == 1
            for _ in range(5):
                await rpc.block_number()
            assert proxy.connections == 1
            # One that was closed while it was idle costs no error, and no attempt.
            proxy.on("eth_blockNumber", drop, times=1)
            assert await Rpc.block_number(rpc) == 0
            await asyncio.gather(*(rpc.block_number() for _ in range(4)))
        before = proxy.connections
        await rpc.block_number()
        await rpc.block_number()
        assert proxy.connections == before + 2


def test_kept_connections_are_of_one_event_loop_and_others_may_ask_too(httpserver: HTTPServer) -> None:
    serve(httpserver, {"eth_chainId": "0x7a69", "eth_blockNumber": "0x10"})
    rpc = Rpc(httpserver.url_for("/"), 31337)

    async def within() -> int:
        async with rpc:
            await rpc.block_number()
            return await asyncio.to_thread(asyncio.run, rpc.block_number())

    for _ in range(2):
        assert asyncio.run(within()) == 16
        assert asyncio.run(rpc.block_number()) == 16
