"""A contract through which anybody relays calls to the hub: submissions are then inside another call's input."""

from __future__ import annotations

from functools import cache

from eth_abi.abi import encode as abi_encode

from oracle.chain.local import toolchain
from oracle.chain.local.solc import compile_standard, standard_input
from oracle.core.formats import keccak

SOURCE = """
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

contract Forwarder {
    function forward(address to, bytes[] calldata calls) external returns (bool[] memory done) {
        done = new bool[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            (done[i],) = to.call(calls[i]);
        }
    }
}
"""


@cache
def creation() -> bytes:
    """Return creation code of a contract that calls others, and continues if one of them reverts."""
    output = compile_standard(standard_input({"Forwarder.sol": SOURCE}), toolchain.contracts_solc_version())
    return bytes.fromhex(output["contracts"]["Forwarder.sol"]["Forwarder"]["evm"]["bytecode"]["object"])


def forwarding(hub: str, *calls: bytes) -> bytes:
    """Return the input that makes the contract forward calls to a hub."""
    return keccak(b"forward(address,bytes[])")[:4] + abi_encode(["address", "bytes[]"], [hub, calls])
