"""Reverts: the data that a contract returns when it refuses a call, put into words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from eth_abi.abi import decode as decode_abi
from eth_abi.exceptions import DecodingError

from oracle.core.formats import to_hex

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


_WHOLE = re.compile(r"0[xX]((?:[0-9a-fA-F]{2})*)")
_ENCODED = re.compile(r"(?<![0-9a-zA-Z])0[xX]((?:[0-9a-fA-F]{64})*[0-9a-fA-F]{8})(?![0-9a-zA-Z])")
"""A selector and whole words, in a text. An address or a hash has another length."""

_REVERT_WORDS = re.compile(
    r"revert|vm execution error|vm exception|(?:invalid|designated|bad) (?:opcode|instruction|jump)|opcode 0x"
    r"|stack underflow|always fail|exit(?:ed)?(?: code)?[ =:\[]*33\b"
)
_REASON = re.compile(r"(?i)revert(?:ed)?(?: reason)?(?: string)?:\s*(.+)$")
_NO_REASONS = frozenset({"", "none", "execution reverted", "custom error", "unknown custom error"})


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


def describe_revert(data: bytes, decode: ErrorDecoder | None = None, said: str = "") -> Revert:
    """Put revert data into words: custom errors by `decode`, then Solidity's own.

    Args:
        data: The data that the contract returned; may be empty.
        said: The node's words, which are used where there is no data.
    """
    found = decode(data) if decode is not None else None
    if found is not None:
        return found
    if not data:
        reason = reason_in(said)
        return Revert(None, f"reverted: {reason}" if reason else "reverted without a reason")
    if data[:4] == _ERROR_STRING:
        return Revert(None, _error_string(data[4:]))
    if data[:4] == _PANIC and len(data) == 36:
        code = int.from_bytes(data[4:])
        return Revert(None, f"panic {code:#04x}: {_PANICS.get(code, 'see the Solidity manual')}")
    return Revert(None, f"unknown error {to_hex(data[:4])}")


def revert_data(failure: Any) -> bytes | None:
    """Return the revert's data in a node's error object, wherever this node puts it; None if there is none.

    It is in `data`, in an object there, or in a text; in the text after a word such as "Reverted".
    """
    if not isinstance(failure, Mapping):
        return None
    message = failure.get("message")
    empty = None
    for text in (*_candidates(failure.get("data"), depth=0), *([message] if isinstance(message, str) else [])):
        if (whole := _WHOLE.fullmatch(text)) is not None:
            if whole.group(1):
                return bytes.fromhex(whole.group(1))
            empty = b""
        elif says_revert(text.lower()) and (inside := _ENCODED.search(text)) is not None:
            return bytes.fromhex(inside.group(1))
    return empty


def says_revert(words: str) -> bool:
    """Return True if a node's words, in lower case, say that code refused to go on, or failed."""
    return _REVERT_WORDS.search(words) is not None


def reason_in(said: str) -> str:
    """Return the reason that a node's words give for a revert; empty if they give none."""
    found = _REASON.search(said)
    reason = found.group(1).strip().strip("'\"").rstrip(".") if found else ""
    return "" if reason.lower().startswith("0x") or reason.lower() in _NO_REASONS else reason


def _candidates(data: Any, depth: int) -> list[str]:
    """Return the texts in an error's data that may be a revert's, the likeliest first."""
    if isinstance(data, str):
        return [data]
    if not isinstance(data, Mapping) or depth > 2:
        return []
    found: list[str] = []
    # Hardhat has "data", ganache "result" or, by transaction, "return"; proxies wrap the node's own error.
    for key in ("data", "result", "return", "originalError", "error", "cause", "message"):
        found += _candidates(data.get(key), depth + 1)
    for key, value in data.items():
        if isinstance(key, str) and len(key) == 66 and isinstance(value, Mapping):
            found += _candidates(value, depth + 1)
    return found


def _error_string(data: bytes) -> str:
    try:
        return f"reverted: {decode_abi(['string'], data)[0]}"
    except (DecodingError, UnicodeDecodeError):
        return "reverted with a malformed reason"
