"""The figures of what feeds cost: measured ones and estimates, kept apart. Amounts are in wei."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from oracle.core.types import SECONDS_A_DAY

__all__ = ["Basis", "CostChange", "CostReport", "Daily", "FeedCost", "Price", "PriceIn", "SpendingLimit"]


class Basis(StrEnum):
    """The ground on which a figure stands."""

    MEASURED = "measured"
    """Transactions that were paid, in a day or more."""
    EXTRAPOLATED = "extrapolated"
    """Transactions that were paid in less than a day, as if the whole day were like that."""
    REPLAYED = "replayed"
    """The journal's answers, with other settings: an estimate, as what was seen between two reports is not kept."""
    AT_LEAST = "at least"
    """The same for a setting that makes more reports due: moves between the journal's answers are not known."""
    BOUND = "bound"
    """The configuration alone: the heartbeat, without a single move. The feed costs no less."""
    GIVEN = "given"
    """Said on the command line."""
    CHAIN = "chain"
    """The chain, now."""


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a unit of gas, and where it is from."""

    wei: float
    basis: Basis


@dataclass(frozen=True, slots=True)
class PriceIn:
    """The price of an ether in another currency.

    Attributes:
        feed: The feed that says it.
        currency: The currency, as the feed's description names it.
        price: The price of an ether.
        observed_at: When it was observed, unix seconds.
    """

    feed: str
    currency: str
    price: float
    observed_at: int


@dataclass(frozen=True, slots=True)
class FeedCost:
    """The cost of a feed, as it was paid.

    Attributes:
        reports: Transactions that carried it, and were paid.
        gas: Its share of their gas: a transaction with several feeds is divided by their number.
        wei: Its share of what was paid.
        shadows: The same of shadow reports.
        shadow_gas: The same of shadow reports.
        shadow_wei: The same of shadow reports.
    """

    reports: int = 0
    gas: float = 0.0
    wei: float = 0.0
    shadows: int = 0
    shadow_gas: float = 0.0
    shadow_wei: float = 0.0

    @property
    def total(self) -> float:
        """The amount that was paid for it, shadow reports included."""
        return self.wei + self.shadow_wei


@dataclass(frozen=True, slots=True)
class Daily:
    """The cost of a day.

    Attributes:
        reports: Reports a day.
        gas: Gas a day.
        wei: Wei a day; None: nobody knows the price.
        basis: The ground on which the number of reports stands.
    """

    reports: float
    gas: float
    wei: float | None
    basis: Basis


@dataclass(frozen=True, slots=True)
class CostChange:
    """The cost of a feed, or of all feeds, with one other setting.

    Attributes:
        feed: The feed; empty: all.
        setting: The setting, as the configuration has it.
        before: The cost of a day as it is: that of `CostReport.daily`, unless only heartbeats can be compared.
        after: The cost of a day with the change: as much less or more than `before` as it is in the replay.
        note: The other things that the change does.
    """

    feed: str
    setting: str
    before: Daily
    after: Daily
    note: str = ""

    @property
    def share(self) -> float | None:
        """The share of the cost that it would take away; below 0: it costs more. None: there is no cost."""
        return 1 - self.after.gas / self.before.gas if self.before.gas else None


@dataclass(frozen=True, slots=True)
class SpendingLimit:
    """The daily limit and what counts of it now.

    Attributes:
        limit: The most that any 24 hours may cost; None: no limit.
        spent: The amount that counts now: paid in the last 24 hours, and set aside.
        set_aside: The part of it that is set aside for transactions under way.
        next_most: The most that the next report may cost.
        dearest: The cost of the dearest 24 hours of the period.
    """

    limit: int | None
    spent: int
    set_aside: int
    next_most: int
    dearest: int


@dataclass(frozen=True, slots=True)
class CostReport:
    """The cost of the feeds.

    Attributes:
        since: The beginning of the period, unix seconds.
        until: Its end.
        price: The price of gas; None: neither the journal, nor the chain, nor the user says it.
        feeds: The cost of each feed in the period, as it was paid.
        fillers: Transfers that used nonces up, and what they did cost.
        assumed: The part of it that is the most that it could cost, as nobody could say what was paid.
        daily: The cost of a day by feed, as it is: measured, extrapolated, or bound by the configuration.
        changes: The cost with other settings.
        limit: The daily limit; None: there is no journal.
        ether: The price of an ether in another currency; None: no feed says it.
    """

    since: float
    until: float
    price: Price | None
    feeds: dict[str, FeedCost] = field(default_factory=dict)
    fillers: tuple[int, float] = (0, 0.0)
    assumed: float = 0.0
    daily: dict[str, Daily] = field(default_factory=dict)
    changes: list[CostChange] = field(default_factory=list)
    limit: SpendingLimit | None = None
    ether: PriceIn | None = None

    @property
    def days(self) -> float:
        """The length of the period."""
        return (self.until - self.since) / SECONDS_A_DAY

    @property
    def paid(self) -> float:
        """The amount that was paid in the period."""
        return sum(each.total for each in self.feeds.values()) + self.fillers[1]
