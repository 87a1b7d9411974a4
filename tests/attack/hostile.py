"""Nodes that keep things back, repeat them, or do without methods; and relays, which call the hub for others."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

from eth_abi.abi import encode as abi_encode

from oracle.chain.local import toolchain
from oracle.chain.local.solc import compile_standard, standard_input
from oracle.chain.transport.endpoint import Endpoint
from oracle.chain.transport.interface import Doubt, EndpointState, MethodMissing
from oracle.chain.transport.reverts import ErrorDecoder
from oracle.core.errors import ContractRejected
from oracle.core.formats import keccak

RELAY = """
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

contract Relay {
    function forward(address to, bytes[] calldata calls) external returns (bool[] memory done) {
        done = new bool[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            (done[i],) = to.call(calls[i]);
        }
    }

    /// The input does not show the calls: each word of them is inverted.
    function hidden(address to, bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; ++i) {
            bytes memory data = calls[i];
            assembly {
                for { let at := 0 } lt(at, mload(data)) { at := add(at, 32) } {
                    let place := add(add(data, 32), at)
                    mstore(place, not(mload(place)))
                }
            }
            (bool done,) = to.call(data);
            require(done);
        }
    }
}
"""


def relay_code() -> bytes:
    """Return the creation code of a relay, which continues if a call that it forwards reverts."""
    output = compile_standard(standard_input({"Relay.sol": RELAY}), toolchain.contracts_solc_version())
    return bytes.fromhex(output["contracts"]["Relay.sol"]["Relay"]["evm"]["bytecode"]["object"])


def relayed(hub: str, calls: Sequence[bytes], *, hidden: bool = False) -> bytes:
    """Return the input of a relay's transaction."""
    name = "hidden" if hidden else "forward"
    sent = [bytes(~byte & 0xFF for byte in call) for call in calls] if hidden else calls
    return keccak(f"{name}(address,bytes[])".encode())[:4] + abi_encode(["address", "bytes[]"], [hub, sent])


class HostileNode:
    """An endpoint whose answers a test changes.

    Args:
        url: The real endpoint.
        logs: Returns other logs than the node's.
        without: Methods that the node does not have.
        meanwhile: Called before each request, with its method.
        remembers: True if the same question is asked of the real endpoint only once: nothing may change on the chain.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "hostile",
        logs: Callable[[list[Any]], list[Any]] | None = None,
        without: Collection[str] = (),
        meanwhile: Callable[[str], None] | None = None,
        remembers: bool = False,
    ) -> None:
        self._real = Endpoint(url)
        self._name = name
        self.logs = logs
        self.without = without
        self.meanwhile = meanwhile
        self._remembered: dict[str, Any] | None = {} if remembers else None

    @property
    def name(self) -> str:
        return self._name

    async def chain_id(self) -> int:
        return await self._real.chain_id()

    async def request(
        self, method: str, params: list[Any], decode: ErrorDecoder | None = None, doubt: Doubt | None = None
    ) -> Any:
        if self.meanwhile is not None:
            self.meanwhile(method)
        if method in self.without:
            raise MethodMissing(f"{self.name} has no {method}", "the method does not exist")
        answer = await self._asked(method, params, decode, doubt)
        return self.logs(list(answer)) if method == "eth_getLogs" and self.logs is not None else answer

    async def states(self) -> Sequence[EndpointState]:
        return await self._real.states()

    def keep_open(self) -> None:
        self._real.keep_open()

    async def close(self) -> None:
        await self._real.close()

    async def _asked(self, method: str, params: list[Any], decode: ErrorDecoder | None, doubt: Doubt | None) -> Any:
        if self._remembered is None:
            return await self._real.request(method, params, decode, doubt)
        key = json.dumps([method, params])
        if key not in self._remembered:
            try:
                self._remembered[key] = await self._real.request(method, params, decode, doubt)
            except ContractRejected as error:
                self._remembered[key] = error
        found = self._remembered[key]
        if isinstance(found, ContractRejected):
            raise found
        return found
