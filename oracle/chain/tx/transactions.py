"""Signed transactions, read back: what a replacement has to repeat, and what it has to exceed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oracle.chain.tx.fees import Fees
from oracle.core.errors import JournalError
from oracle.core.types import SignedTransaction

if TYPE_CHECKING:
    from oracle.chain.keys.signer import Key

_DYNAMIC_FEE = 2
"""EIP-1559's type; anything from 0xc0 on begins a legacy transaction's list."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a transaction does. `to` is empty where it deploys."""

    nonce: int
    gas: int
    to: bytes
    value: int
    data: bytes

    def same_call(self, other: Content) -> bool:
        """Whether the other does the same in the same place, whatever it pays."""
        return (self.nonce, self.to, self.value, self.data) == (other.nonce, other.to, other.value, other.data)


async def sign(key: Key, chain_id: int, content: Content, fees: Fees) -> SignedTransaction:
    """Sign; nothing is sent. Raises as `Key.sign_transaction`."""
    fields: dict[str, Any] = {
        "chainId": chain_id,
        "nonce": content.nonce,
        "gas": content.gas,
        "value": content.value,
        "data": "0x" + content.data.hex(),
    }
    if content.to:
        from eth_utils.address import to_checksum_address

        fields["to"] = to_checksum_address(content.to)
    return await key.sign_transaction(fields | fees.fields())


def read(raw: bytes) -> tuple[Content, Fees]:
    """Content and fees of a signed transaction.

    Raises:
        JournalError: These bytes are none that this program signs.
    """
    import rlp
    from rlp.exceptions import RLPException

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
            f"0x{raw[:8].hex()}… is no signed transaction of this program: is the journal damaged?"
        ) from None
    return content, fees


def signer_of(raw: bytes) -> str | None:
    """Who signed a transaction, as a checksummed address; None if nobody did."""
    from eth_account import Account

    try:
        return str(Account.recover_transaction(raw))
    except Exception:  # the library raises its own and others' errors, undocumented
        return None
