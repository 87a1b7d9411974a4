"""Hashes, hexadecimal text and addresses, in one place.

`eth_utils` does the work; it is imported on first use, because `oracle --help` has to answer at once.
"""

from __future__ import annotations

__all__ = ["checksum_address", "from_hex", "is_address", "keccak", "to_hex"]


def keccak(data: bytes) -> bytes:
    """Return the Keccak-256 hash of `data`, 32 bytes, as the EVM computes it."""
    from eth_utils.crypto import keccak as hashed

    return bytes(hashed(data))


def to_hex(data: bytes) -> str:
    """Return `data` as text that begins with 0x."""
    return f"0x{data.hex()}"


def from_hex(text: str) -> bytes:
    """Return the bytes of hexadecimal `text`, with or without 0x in front.

    Raises:
        ValueError: It is something else, or has an odd number of digits.
    """
    return bytes.fromhex(text.removeprefix("0x"))


def is_address(text: str) -> bool:
    """Return True if `text` is 0x and 40 hexadecimal digits, whatever their case and their checksum."""
    from eth_utils.address import is_hex_address

    return text.startswith("0x") and bool(is_hex_address(text))


def checksum_address(text: str) -> str:
    """Return the address `text` in the mixed case of EIP-55.

    Raises:
        ValueError: It is no address, or its mixed case is not the checksum's.
    """
    from eth_utils.address import is_checksum_formatted_address, to_checksum_address

    if not is_address(text):
        raise ValueError(f"{text!r} is no address: 0x and 40 hexadecimal digits")
    checked = str(to_checksum_address(text))
    if is_checksum_formatted_address(text) and text != checked:
        raise ValueError(f"{text} has a wrong checksum: is a digit mistyped? Its checksum form is {checked}")
    return checked
