"""Transactions of a local chain's own accounts, sent and mined. Anvil answers a hash before it has mined the block."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any


def mined(ask: Callable[..., Any], transaction: Mapping[str, Any], within_s: float = 30.0) -> dict[str, Any]:
    """Send a transaction, and return its receipt once it has one. `ask` makes a JSON-RPC call, such as `Anvil.rpc`.

    A trace, a call or a snapshot that is asked for before the receipt may not see the transaction.
    """
    return receipt_of(ask, ask("eth_sendTransaction", dict(transaction)), within_s)


def receipt_of(ask: Callable[..., Any], tx_hash: str, within_s: float = 30.0) -> dict[str, Any]:
    """Return the receipt of a transaction that was sent, once it has one."""
    # Poll for the receipt: a call that waits inside the node was seen to hang.
    begun = time.monotonic()
    nudge_at = begun + 5
    while (found := ask("eth_getTransactionReceipt", tx_hash)) is None:
        assert time.monotonic() < begun + within_s, f"not mined: {ask('txpool_content')}"[:2_000]
        if time.monotonic() > nudge_at:  # a node under load was seen to forget that it mines at once
            ask("evm_mine")
            nudge_at += 5
    receipt: dict[str, Any] = found
    return receipt
