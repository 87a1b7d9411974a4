"""Tests that ether is made on Anvil only: no other node is even asked."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.chain.local.funding import Funding, fund
from oracle.chain.rpc import Rpc
from oracle.chain.transport.endpoint import Endpoint
from oracle.core.errors import ConfigError

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
MISSING = {"error": {"code": -32601, "message": "the method does not exist"}}
DENIED = {"error": {"code": -32600, "message": "this method needs another plan"}}


@pytest.mark.parametrize(
    ("client", "adds"),
    [
        ({"result": "Geth/v1.16.1/linux-amd64/go1.24"}, DENIED),
        ({"result": "anvil-proxy/1"}, {"result": None}),
        ({"result": "Reth/anvil/1"}, {"result": None}),
        ({"result": "anvil/v1.7.1"}, MISSING),
        (MISSING, {"result": None}),
    ],
)
async def test_nobody_makes_ether_elsewhere(client: Any, adds: Any) -> None:
    asked = []

    class Node:
        async def make_request(self, method: str, params: list[Any]) -> Any:
            asked.append(method)
            return {"web3_clientVersion": client, "anvil_addBalance": adds}.get(method, {"result": "0x7a69"})

        async def disconnect(self) -> None: ...

    endpoint = Endpoint("https://node.example/v3/key", 31337)
    endpoint._provider = Node()  # type: ignore[assignment]
    with pytest.raises(ConfigError, match=f"not a local chain of Anvil: nobody can make ether there, send {ADDRESS}"):
        await fund(Rpc(endpoint), [Funding(ADDRESS, 1)])
    assert ("anvil_addBalance" in asked) == (client == {"result": "anvil/v1.7.1"})
