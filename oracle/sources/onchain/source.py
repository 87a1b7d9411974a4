"""Read the feed of another oracle, with Chainlink's interface, as one source among others."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from oracle.core.concurrency import together
from oracle.core.errors import DataError, OracleError, Retryable, SourceUnavailable
from oracle.core.types import Kind
from oracle.sources.interface import Reading, closed
from oracle.sources.onchain.config import OnchainSourceConfig
from oracle.sources.validation import Checks

__all__ = ["ChainlinkReader", "ChainlinkRound", "OnchainSource"]

MAX_DECIMALS = 36
"""No feed has more decimals; a contract that answers more is not a feed."""


class ChainlinkRound(Protocol):
    """The answer of `latestRoundData`."""

    @property
    def round_id(self) -> int: ...
    @property
    def answer(self) -> int: ...
    @property
    def updated_at(self) -> int: ...
    @property
    def answered_in_round(self) -> int: ...


class ChainlinkReader(Protocol):
    """Something that reads the other oracle's feed, as `oracle.chain.chainlink.ChainlinkFeed` does."""

    async def decimals(self) -> int: ...
    async def latest_round(self) -> ChainlinkRound: ...
    async def close(self) -> None: ...


class OnchainSource:
    """A source that reads the latest answer of another feed, and makes the checks that its consumers should make.

    Args:
        config: The feed's address, and the bounds on its answers.
        feed: The reader of the feed, which is closed with the source.
        measure: The kind of the feed that is reported to.
        name: The source's name, for messages.
        now: The clock, unix seconds.
    """

    def __init__(
        self,
        config: OnchainSourceConfig,
        feed: ChainlinkReader,
        *,
        measure: Kind,
        name: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._checks = Checks.of(config, measure)
        self._feed = feed
        self._name = name
        self._where = f"{name} (feed {config.address} of chain {config.chain_id})"
        self._now = now
        self._closed = False

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._name

    async def read(self) -> Reading:
        """See `Source.read`."""
        if self._closed:
            raise closed(self._name)
        try:
            # Both are read each time: a proxy may point to another feed by now.
            decimals, latest = await together(self._feed.decimals(), self._feed.latest_round())
        except Retryable as error:
            raise SourceUnavailable(f"{self._where}: {error}") from error
        except OracleError as error:
            raise DataError(f"{self._where}: {error}") from error
        if not 0 <= decimals <= MAX_DECIMALS:
            raise DataError(f"{self._where}: answers {decimals} decimals, at most {MAX_DECIMALS} are believed")
        if latest.round_id == 0 or latest.updated_at == 0:
            raise SourceUnavailable(f"{self._where}: has no answer yet")
        if latest.answered_in_round < latest.round_id:
            raise SourceUnavailable(
                f"{self._where}: its answer is of round {latest.answered_in_round}, its round is {latest.round_id}: "
                "the answer is carried over"
            )
        # Digits and exponent: a division would round.
        digits = Decimal(latest.answer).as_tuple()
        value = Decimal((digits.sign, digits.digits, -decimals))
        return Reading(
            self._checks.value(value, f"{self._where}: answer"),
            self._checks.moment(latest.updated_at, int(self._now()), f"{self._where}: updatedAt"),
            self._name,
        )

    async def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
        await self._feed.close()
