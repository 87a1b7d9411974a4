"""Reverts: the data that a contract returns when it refuses a call, put into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from eth_abi.abi import decode as decode_abi
from eth_abi.exceptions import DecodingError

from oracle.core.formats import from_hex, to_hex

_ERROR_STRING = bytes.fromhex("08c379a0")
"""Selector of `Error(string)`, the error of `require` with a text."""

_PANIC = bytes.fromhex("4e487b71")
"""Selector of `Panic(uint256)`."""

_PANICS = {
    0x01: "an assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "a value outside its enum",
    0x32: "an index out of bounds",
    0x41: "too much memory",
}


@dataclass(frozen=True, slots=True)
class Revert:
    """The reason why a contract refused a call.

    Attributes:
        name: The custom error's name; None for `require` texts, panics and reverts without data.
        message: One readable line.
        feed_id: The feed that the error names, if it names one.
    """

    name: str | None
    message: str
    feed_id: bytes | None = None


ErrorDecoder: TypeAlias = Callable[[bytes], Revert | None]
"""Puts revert data into words; returns None if the data is not one of the decoder's errors."""


def describe_revert(data: bytes, decode: ErrorDecoder | None = None) -> Revert:
    """Put revert data into words: custom errors by `decode`, then Solidity's own.

    Args:
        data: The data that the contract returned; may be empty.
    """
    found = decode(data) if decode is not None else None
    if found is not None:
        return found
    if not data:
        return Revert(None, "reverted without a reason")
    if data[:4] == _ERROR_STRING:
        return Revert(None, _error_string(data[4:]))
    if data[:4] == _PANIC and len(data) == 36:
        code = int.from_bytes(data[4:])
        return Revert(None, f"panic {code:#04x}: {_PANICS.get(code, 'see the Solidity manual')}")
    return Revert(None, f"unknown error {to_hex(data[:4])}")


def revert_data(failure: Any) -> bytes | None:
    """Return the revert's data in a node's error object, wherever this node puts it; None if there is none."""
    data = failure.get("data") if isinstance(failure, Mapping) else None
    if isinstance(data, Mapping):  # Hardhat
        data = data.get("data") or data.get("result")
    if not isinstance(data, str):
        return None
    try:
        return from_hex(data.removeprefix("Reverted "))  # "Reverted 0x…": OpenEthereum's way
    except ValueError:
        return None


def _error_string(data: bytes) -> str:
    try:
        return f"reverted: {decode_abi(['string'], data)[0]}"
    except (DecodingError, UnicodeDecodeError):
        return "reverted with a malformed reason"
