"""An endpoint that lies in its very bytes: it may be refused, but it must not end the process."""

from __future__ import annotations

import sys

import pytest
from pytest_httpserver import HTTPServer

from oracle.chain.rpc import Rpc
from oracle.errors import ChainUnavailable


@pytest.mark.parametrize("body", [b"[" * 500_000, b'{"result":' * 200_000, b"\xff\xfe", b"", b"<html>"])
async def test_an_answer_that_is_no_json_rpc(httpserver: HTTPServer, body: bytes) -> None:
    httpserver.expect_request("/").respond_with_data(body, content_type="application/json")
    async with Rpc(httpserver.url_for("/"), 31337, attempts=1) as rpc:
        assert sys.getrecursionlimit() <= 1_000, "a library has raised it: deep answers would overflow the stack"
        with pytest.raises(ChainUnavailable):
            await rpc.block_number()
