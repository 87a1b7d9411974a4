"""Addresses that a person typed."""

from __future__ import annotations

from oracle.core import formats
from oracle.core.errors import ConfigError


def require_address(text: str, where: str) -> str:
    """Return `text` as a checksummed address.

    Args:
        where: The name of the option or key, for the message.

    Raises:
        ConfigError: It is not an address, or one with a wrong checksum.
    """
    try:
        return formats.checksum_address(text)
    except ValueError:
        raise ConfigError(
            f"{where}: {text!r} is not an address: 0x and 40 hex digits (mixed case must be its checksum)"
        ) from None
