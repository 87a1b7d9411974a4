"""Transactions of a local chain's own accounts, sent and mined. Anvil answers a hash before it has mined the block."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from oracle.core.errors import ChainUnavailable

__all__ = ["mined", "receipt_of"]

_NUDGE_S = 5.0
"""Seconds after which the node is asked to mine: under load, one was seen to forget that it mines at once."""

_LOOK_S = 0.002


def mined(ask: Callable[..., Any], transaction: Mapping[str, Any], within_s: float = 60.0) -> dict[str, Any]:
    """Send a transaction, and return its receipt once it has one.

    A trace, a call or a snapshot that is asked for before the receipt may not see the transaction.

    Args:
        ask: Makes a JSON-RPC call, such as `Anvil.rpc`.
        transaction: The fields of `eth_sendTransaction`.
        within_s: Seconds that mining may take.

    Raises:
        ChainUnavailable: It was not mined in time, or the node refuses it.
    """
    return receipt_of(ask, ask("eth_sendTransaction", dict(transaction)), within_s)


def receipt_of(ask: Callable[..., Any], tx_hash: str, within_s: float = 60.0) -> dict[str, Any]:
    """Return the receipt of a transaction that was sent, once it has one. See `mined`."""
    # Poll for the receipt: a call that waits inside the node was seen to hang.
    begun = time.monotonic()
    nudge_at = begun + _NUDGE_S
    while (found := ask("eth_getTransactionReceipt", tx_hash)) is None:
        now = time.monotonic()
        if now > begun + within_s:
            raise ChainUnavailable(f"{tx_hash} was not mined within {within_s:g} s: {ask('txpool_content')}"[:2_000])
        if now > nudge_at:
            ask("evm_mine")
            nudge_at += _NUDGE_S
        time.sleep(_LOOK_S)
    receipt: dict[str, Any] = found
    return receipt
