"""Transactions of a local chain's own accounts, sent and mined. Anvil answers a hash before it has mined the block."""

from __future__ import annotations

from oracle.chain.local.mining import mined, receipt_of

__all__ = ["mined", "receipt_of"]
