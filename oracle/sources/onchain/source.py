"""Read the feed of another oracle, with Chainlink's interface, as one source among others."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

import structlog

from oracle.core.errors import DataError, OracleError, Retryable, SourceUnavailable
from oracle.core.types import Kind
from oracle.sources.interface import Reading, closed
from oracle.sources.onchain.config import OnchainSourceConfig
from oracle.sources.trace import Match, Trace
from oracle.sources.validation import MAX_CLOCK_SKEW, Checks

__all__ = ["ChainlinkReader", "ChainlinkRound", "OnchainSource"]

log = structlog.get_logger(__name__)

MAX_DECIMALS = 36
"""No feed has more decimals; a contract that answers more is not a feed."""


class ChainlinkRound(Protocol):
    """The answer of `latestRoundData`."""

    @property
    def round_id(self) -> int: ...
    @property
    def answer(self) -> int: ...
    @property
    def started_at(self) -> int: ...
    @property
    def updated_at(self) -> int: ...
    @property
    def answered_in_round(self) -> int: ...


class ChainlinkReader(Protocol):
    """Something that reads the other oracle's feed, as `oracle.chain.chainlink.ChainlinkFeed` does."""

    async def latest(self) -> tuple[int, ChainlinkRound]: ...
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
        self._decimals: int | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._name

    async def read(self) -> Reading:
        """See `Source.read`."""
        return await self.read_traced(Trace())

    async def read_traced(self, trace: Trace) -> Reading:
        """See `Traceable.read_traced`."""
        if self._closed:
            raise closed(self._name)
        try:
            # Both are read each time, and of one block: a proxy may point to another feed from the next block on.
            decimals, latest = await self._feed.latest()
        except Retryable as error:
            raise SourceUnavailable(f"{self._where}: {error}") from error
        except OracleError as error:
            raise DataError(f"{self._where}: {error}") from error
        trace.matches += [
            Match("decimals", str(decimals)),
            Match(
                "latestRoundData",
                f"({latest.round_id}, {latest.answer}, {latest.started_at}, {latest.updated_at}, "
                f"{latest.answered_in_round})",
            ),
        ]
        if not 0 <= decimals <= MAX_DECIMALS:
            raise DataError(f"{self._where}: answers {decimals} decimals, at most {MAX_DECIMALS} are believed")
        now = int(self._now())
        self._check_round(latest, now)
        # Digits and exponent: a division would round.
        digits = Decimal(latest.answer).as_tuple()
        value = Decimal((digits.sign, digits.digits, -decimals))
        reading = Reading(
            self._checks.value(value, f"{self._where}: answer"),
            self._checks.moment(latest.updated_at, now, f"{self._where}: updatedAt"),
            self._name,
        )
        self._note_decimals(decimals)
        return reading

    def _check_round(self, latest: ChainlinkRound, now: int) -> None:
        """Refuse a round that is odd in itself.

        Adapters of other oracles count no rounds: theirs are 0, and so is `answeredInRound`. That says nothing against
        an answer whose value and times are sound.
        """
        if latest.updated_at == 0:
            told = "has no answer yet" if latest.answer == 0 else f"answers {latest.answer}, but never at any time"
            raise SourceUnavailable(f"{self._where}: {told} (updatedAt is 0)")
        if latest.started_at == 0:
            raise SourceUnavailable(f"{self._where}: its round was never begun (startedAt is 0)")
        if latest.started_at > now + MAX_CLOCK_SKEW:
            # It says in what unit the time is, if in another one.
            self._checks.moment(latest.started_at, now, f"{self._where}: startedAt")
        if 0 < latest.answered_in_round < latest.round_id:
            raise SourceUnavailable(
                f"{self._where}: its answer is of round {latest.answered_in_round}, its round is {latest.round_id}: "
                "the answer is carried over"
            )
        # A round may begin by the clocks of those who observe, and be updated by that of the block.
        if latest.started_at > latest.updated_at + MAX_CLOCK_SKEW:
            raise SourceUnavailable(
                f"{self._where}: its round began {latest.started_at - latest.updated_at} s after its answer was "
                "updated: the answer is carried over"
            )

    def _note_decimals(self, decimals: int) -> None:
        """Log a change of the decimals: the proxy points to another feed."""
        if self._decimals not in (None, decimals):
            log.warning("a feed has other decimals now", source=self._where, before=self._decimals, now=decimals)
        self._decimals = decimals

    async def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
        await self._feed.close()
