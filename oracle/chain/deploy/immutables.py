"""The immutables of a contract as they follow from its constructor's arguments and its address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from oracle.chain.compiled import Compiled
from oracle.core.formats import from_hex, keccak

ADAPTER_VERSION = 2
"""Chainlink's version of the adapters' interface, as the constructor of `ZkAggregator` sets it."""

_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")


def expected_immutables(
    name: str, arguments: Mapping[str, Any], address: str, chain_id: int, contracts: Mapping[str, Compiled]
) -> dict[str, bytes]:
    """Return the immutables that a contract has, by the variable's name, as words of 32 bytes.

    Args:
        name: The contract's name.
        arguments: The constructor's arguments, by name. For an adapter, what its factory tells it, and its decimals.
        address: The contract's address.
        contracts: This release's contracts, by name.

    Returns:
        Nothing for a contract that has none, or is not known here.
    """
    make = _MAKERS.get(name)
    return {} if make is None else make(arguments, address, chain_id, contracts)


def _hub(
    arguments: Mapping[str, Any], address: str, chain_id: int, contracts: Mapping[str, Compiled]
) -> dict[str, bytes]:
    return {
        "changeDelay": _word(arguments["changeDelay_"]),
        "aggregatorFactory": _address(arguments["factory"]),
        "lens": _address(arguments["lens_"]),
        "_aggregatorCodeHash": keccak(contracts["ZkAggregator"].bytecode),
        **_eip712("ZkOracle", "2", address, chain_id),
    }


def _claims(
    arguments: Mapping[str, Any], address: str, chain_id: int, contracts: Mapping[str, Compiled]
) -> dict[str, bytes]:
    return {"_changeDelay": _word(arguments["delay"]), **_eip712("ClaimRegistry", "1", address, chain_id)}


def _registry(
    arguments: Mapping[str, Any], address: str, chain_id: int, contracts: Mapping[str, Compiled]
) -> dict[str, bytes]:
    return {"_changeDelay": _word(arguments["changeDelay_"])}


def _updates(
    arguments: Mapping[str, Any], address: str, chain_id: int, contracts: Mapping[str, Compiled]
) -> dict[str, bytes]:
    return {"_hub": _address(arguments["hub_"])}


def _split(
    arguments: Mapping[str, Any], address: str, chain_id: int, contracts: Mapping[str, Compiled]
) -> dict[str, bytes]:
    return {
        "_inputCount": _word(arguments["inputs"]),
        "_outputCount": _word(arguments["outputs"]),
        "_clip": _word(arguments["bound"]),
    }


def _adapter(
    arguments: Mapping[str, Any], address: str, chain_id: int, contracts: Mapping[str, Compiled]
) -> dict[str, bytes]:
    return {
        "_hub": _address(arguments["hub"]),
        "_feedId": arguments["feedId"],
        "_decimals": _word(arguments["decimals"]),
        "_version": _word(ADAPTER_VERSION),
        "_mode": _word(arguments["mode"]),
        "_bound": _word(arguments["bound"]),
        "_uptimeFeed": _address(arguments["uptimeFeed"]),
        "_grace": _word(arguments["grace"]),
    }


_Maker = Callable[[Mapping[str, Any], str, int, Mapping[str, Compiled]], dict[str, bytes]]

_MAKERS: dict[str, _Maker] = {
    "ZkOracle": _hub,
    "ClaimRegistry": _claims,
    "ZkFeedRegistry": _registry,
    "Erc7412Updates": _updates,
    "SplitVerifier": _split,
    "ZkAggregator": _adapter,
}


def _eip712(name: str, version: str, address: str, chain_id: int) -> dict[str, bytes]:
    """Return the immutables of OpenZeppelin's `EIP712`."""
    hashed_name, hashed_version = keccak(name.encode()), keccak(version.encode())
    this = _address(address)
    return {
        "_cachedDomainSeparator": keccak(_DOMAIN + hashed_name + hashed_version + _word(chain_id) + this),
        "_cachedChainId": _word(chain_id),
        "_cachedThis": this,
        "_hashedName": hashed_name,
        "_hashedVersion": hashed_version,
        "_name": _short_string(name),
        "_version": _short_string(version),
    }


def _short_string(text: str) -> bytes:
    """Return a text as OpenZeppelin's `ShortString`: left-aligned, with its length in the last byte."""
    raw = text.encode()
    return raw.ljust(31, b"\0") + bytes([len(raw)])


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big", signed=value < 0)


def _address(text: str) -> bytes:
    return from_hex(text).rjust(32, b"\0")
