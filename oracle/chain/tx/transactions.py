"""Signed transactions: made, and read back for what a replacement has to repeat and what it has to exceed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rlp
from rlp.exceptions import RLPException

from oracle.chain.keys.signer import Key
from oracle.chain.tx.fees import Fees
from oracle.core.accounts import account_class
from oracle.core.errors import JournalError
from oracle.core.formats import checksum_address, to_hex
from oracle.core.types import SignedTransaction

_DYNAMIC_FEE = 2
"""The type of EIP-1559's transactions. A first byte of 0xc0 or more begins a legacy transaction's list."""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a transaction without its fees. `to` is empty where it deploys."""

    nonce: int
    gas: int
    to: bytes
    value: int
    data: bytes

    def same_call(self, other: Content) -> bool:
        """Return True if the other makes the same call with the same nonce, whatever it pays."""
        return (self.nonce, self.to, self.value, self.data) == (other.nonce, other.to, other.value, other.data)


async def sign(key: Key, chain_id: int, content: Content, fees: Fees) -> SignedTransaction:
    """Sign a transaction; nothing is sent. Raises as `Key.sign_transaction`."""
    fields: dict[str, Any] = {
        "chainId": chain_id,
        "nonce": content.nonce,
        "gas": content.gas,
        "value": content.value,
        "data": to_hex(content.data),
    }
    if content.to:
        fields["to"] = checksum_address(to_hex(content.to))
    return await key.sign_transaction(fields | fees.fields())


def read(raw: bytes) -> tuple[Content, Fees]:
    """Return content and fees of a signed transaction.

    Raises:
        JournalError: The bytes are not a transaction as this program signs them.
    """
    try:
        if raw[0] == _DYNAMIC_FEE:
            _, nonce, tip, max_fee, gas, to, value, data, *_ = rlp.decode(raw[1:])
            fees = Fees(int.from_bytes(max_fee), int.from_bytes(tip))
        else:
            nonce, price, gas, to, value, data, *_ = rlp.decode(raw)
            fees = Fees(int.from_bytes(price), None)
        content = Content(int.from_bytes(nonce), int.from_bytes(gas), to, int.from_bytes(value), data)
    except (IndexError, TypeError, ValueError, RLPException):
        raise JournalError(
            f"{to_hex(raw[:8])}… is not a signed transaction of this program: is the journal damaged?"
        ) from None
    return content, fees


def signer_of(raw: bytes) -> str | None:
    """Return the checksummed address that signed a transaction; None if there is no valid signature."""
    try:
        return str(account_class().recover_transaction(raw))
    except Exception:  # the library raises its own and others' errors, undocumented
        return None
