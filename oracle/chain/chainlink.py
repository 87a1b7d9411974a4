"""Feeds read through Chainlink's interface, which our adapters have too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oracle.chain.contract import read
from oracle.chain.hub import aggregator_interface
from oracle.chain.rpc import Rpc
from oracle.core.concurrency import together
from oracle.core.errors import ChainUnavailable, ContractRejected


@dataclass(frozen=True, slots=True)
class LatestRound:
    """The result of `latestRoundData`. Times in unix seconds; `answer` in units of 10^-decimals."""

    round_id: int
    answer: int
    started_at: int
    updated_at: int
    answered_in_round: int


class ChainlinkFeed:
    """One feed on one chain.

    Args:
        rpc: Closed with the feed.
        address: The feed's address, checksummed.
    """

    def __init__(self, rpc: Rpc, address: str) -> None:
        self._rpc = rpc
        self._address = address

    async def latest(self) -> tuple[int, LatestRound]:
        """Return the number of an answer's digits behind the point, and the latest round, both of the latest block.

        A proxy may point to another feed, with other decimals, from one block to the next.

        Raises:
            ChainUnavailable: No answer, or none now.
            DeploymentError: There is no feed at the address.
            WrongChain: The endpoint serves another chain.
        """
        block = await self._rpc.block_number()
        decimals, found = await together(self._read("decimals", block), self._read("latestRoundData", block))
        return int(decimals), LatestRound(*found.values())

    async def close(self) -> None:
        """Close its connections."""
        await self._rpc.close()

    async def _read(self, function: str, block: int) -> Any:
        try:
            return await read(self._rpc, aggregator_interface(), self._address, function, block=block)
        except ContractRejected as error:
            # A feed without an answer reverts; it may have one later.
            raise ChainUnavailable(f"{function} reverts: {error}") from error
