"""The configuration of a source of the type "onchain"."""

from __future__ import annotations

from typing import Literal

from oracle.core.settings import Address, EndpointsConfig, Seconds
from oracle.sources.config import LiveSourceConfig

__all__ = ["OnchainSourceConfig"]


class OnchainSourceConfig(LiveSourceConfig, EndpointsConfig):
    """A feed of another oracle with Chainlink's interface, on a chain with endpoints of its own.

    Attributes:
        address: The feed's address: Chainlink's proxy, or any contract with `latestRoundData` and `decimals`.
        max_age: How many seconds ago that oracle may have updated the feed. It must be given, because a feed that
            stands still looks like any other.
    """

    type: Literal["onchain"]
    address: Address
    max_age: Seconds
    timeout: Seconds = 10.0

    def _found_origin(self) -> str:
        return f"contract {self.address} on chain {self.chain_id}"
