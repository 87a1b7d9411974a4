"""Hashes, hexadecimal text, addresses and text of others, in one place.

`eth_utils` does the work. Each function imports it when it is called, because the import takes 0.3 seconds and loads
pydantic: `oracle --help` and modules that only might need an address must not wait for it.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["NOBODY", "checksum_address", "from_hex", "harmless", "is_address", "keccak", "one_line", "to_hex"]

_HEX_DIGITS = re.compile(r"[0-9a-fA-F]*")

_DOES_SOMETHING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for tabs and line feeds, and those that turn the direction of a text."""

NOBODY = "0x" + "00" * 20
"""The zero address: nobody has its key."""


def keccak(data: bytes) -> bytes:
    """Return the Keccak-256 hash of `data`, 32 bytes, as the EVM computes it."""
    from eth_utils.crypto import keccak as keccak_256

    return bytes(keccak_256(data))


def to_hex(data: bytes) -> str:
    """Return `data` as text that begins with 0x."""
    return f"0x{data.hex()}"


def from_hex(text: str) -> bytes:
    """Return the bytes of hexadecimal `text`, with or without 0x in front.

    Raises:
        ValueError: `text` is something else, or has an odd number of digits. The message does not repeat it: it may be
            a secret.
    """
    return bytes.fromhex(text.removeprefix("0x"))


def is_address(text: str) -> bool:
    """Return True if `text` is 0x and 40 hexadecimal digits, whatever their case and their checksum."""
    from eth_utils.address import is_hex_address

    return text.startswith("0x") and bool(is_hex_address(text))


@lru_cache(maxsize=4_096)  # hashing takes a while, and a history has the same few addresses again and again
def checksum_address(text: str) -> str:
    """Return the address `text` in the mixed case of EIP-55.

    An address in lower case or in upper case has no checksum, and is taken as it is.

    Raises:
        ValueError: `text` is not an address, or its mixed case is not the checksum's. The message repeats it and says
            what is wrong.
    """
    from eth_utils.address import is_checksum_formatted_address, to_checksum_address

    if not is_address(text):
        digits = text.removeprefix("0x")
        problem = f"has {len(digits)} digits" if _HEX_DIGITS.fullmatch(digits) else "has characters that are not digits"
        if not text.startswith("0x"):
            problem += " and no 0x in front"
        raise ValueError(f"{text!r} is not an address: it {problem}; an address is 0x and 40 hexadecimal digits")
    checksummed = str(to_checksum_address(text.lower()))
    # The message does not offer the checksum's form: for a mistyped address, that is somebody else's address.
    if is_checksum_formatted_address(text) and text != checksummed:
        raise ValueError(f"{text!r} fails its checksum: a character is mistyped; copy it again from its source")
    return checksummed


def one_line(text: str, most: int) -> str:
    """Return text of others, cut to so many characters, as one line that does nothing to a terminal."""
    plain = "".join(each if each.isprintable() else " " for each in text[:most])
    return plain.encode("utf-8", "backslashreplace").decode()


def harmless(text: str) -> str:
    """Return text of others with its lines, and without what does something to a terminal."""
    return text if text.isprintable() else _DOES_SOMETHING.sub("", text)
