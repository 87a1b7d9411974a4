"""The cost of the feeds, computed by pure functions from the configuration and from what the journal has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from oracle.app.cost.figures import Basis, CostChange, CostReport, Daily, FeedCost, Price, PriceIn, SpendingLimit
from oracle.app.cost.gas import BENCHMARK, GasOfReports
from oracle.app.cost.replaying import due_times, grouped
from oracle.config import Config, FeedConfig
from oracle.core.money import Expense, ExpenseKind, Settlement
from oracle.core.stages import SHADOW
from oracle.core.types import SECONDS_A_DAY
from oracle.feeds.observe import due_policy

__all__ = ["FEWEST_REPORTS", "Past", "WhatIf", "cost_of"]

FEWEST_REPORTS = 10
"""Less than a day says nothing of a whole one if it has fewer paid reports of a feed than this."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Settings to try; None: double and half of the present ones.

    Attributes:
        heartbeat: Seconds.
        deviation: ppm on relative feeds, else answer units.
        window_ms: The batch window in milliseconds.
    """

    heartbeat: int | None = None
    deviation: int | None = None
    window_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """A period, as the journal has it.

    Attributes:
        settled: All payments: when, how much, and for which transaction.
        answers: Times and answers of each feed, in the order of time.
        limit: The daily limit, and what counts of it now; None: there is no journal.
        ether: The price of an ether; None: no feed says it.
    """

    settled: Sequence[tuple[float, Settlement, Expense]] = ()
    answers: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    limit: SpendingLimit | None = None
    ether: PriceIn | None = None


def cost_of(
    config: Config,
    feeds: Sequence[FeedConfig],
    past: Past,
    wanted: WhatIf,
    price: Price | None,
    days: float,
    now: float,
) -> CostReport:
    """Return what feeds cost.

    Args:
        config: The configuration.
        feeds: The feeds that are estimated.
        past: The period, as the journal has it.
        wanted: Settings to try.
        price: The price of gas. If it is the chain's, what was paid takes its place.
        days: The days that were looked back.
        now: Unix seconds.
    """
    times = [at for at, _, _ in past.settled] + [each[0][0] for each in past.answers.values() if each]
    since = max(now - days * SECONDS_A_DAY, min(times, default=now))
    known = [(settled, expense) for _, settled, expense in past.settled if settled.tx_hash is not None]
    gas = sum(settled.gas_used for settled, _ in known)
    if gas and (price is None or price.basis is Basis.CHAIN):
        price = Price(sum(settled.paid for settled, _ in known) / gas, Basis.MEASURED)
    fillers = [settled.paid for _, settled, expense in past.settled if not expense.feeds]
    reports = [(len(each.feeds), settled.gas_used) for settled, each in known if each.kind is ExpenseKind.REPORT]
    estimates = _Estimates(
        config, past, GasOfReports.measured(each for each in reports if each[0]) or BENCHMARK, price, since, now
    )
    return CostReport(
        since=since,
        until=now,
        price=price,
        feeds=_shares(past),
        fillers=(len(fillers), sum(fillers)),
        assumed=sum(settled.paid for _, settled, _ in past.settled if settled.tx_hash is None),
        daily={each.name: estimates.as_it_is(each) for each in feeds},
        changes=[*(change for each in feeds for change in estimates.of_feed(each, wanted)),
                 *estimates.of_window(feeds, wanted)],
        limit=past.limit,
        ether=past.ether,
    )  # fmt: skip


def _shares(past: Past) -> dict[str, FeedCost]:
    """Divide what was paid among the feeds: equally among those of a transaction."""
    found: dict[str, FeedCost] = {}
    for _, settled, expense in past.settled:
        for name in expense.feeds:
            feed, _, _ = name.partition(SHADOW)
            had = found.get(feed, FeedCost())
            gas, wei = settled.gas_used / len(expense.feeds), settled.paid / len(expense.feeds)
            if expense.kind is ExpenseKind.SHADOW:
                had = replace(
                    had, shadows=had.shadows + 1, shadow_gas=had.shadow_gas + gas, shadow_wei=had.shadow_wei + wei
                )
            else:
                had = replace(had, reports=had.reports + 1, gas=had.gas + gas, wei=had.wei + wei)
            found[feed] = had
    return found


@dataclass(frozen=True)
class _Estimates:
    """Estimates for one configuration and one period."""

    config: Config
    past: Past
    gas: GasOfReports
    price: Price | None
    since: float
    now: float

    def as_it_is(self, feed: FeedConfig) -> Daily:
        """Return the cost of a day as it is: as was paid if that says enough, or bound by the heartbeat."""
        mine = [(settled, each) for _, settled, each in self.past.settled if feed.name in each.feeds]
        if not mine or self._says_nothing(len(mine)):
            return self._bound(feed.heartbeat)
        basis = Basis.MEASURED if self._days >= 1 else Basis.EXTRAPOLATED
        gas = sum(settled.gas_used / len(each.feeds) for settled, each in mine) / self._days
        wei: float | None = sum(settled.paid / len(each.feeds) for settled, each in mine) / self._days
        if self.price is not None and self.price.basis is Basis.GIVEN:
            wei = self._wei(gas)
        return Daily(len(mine) / self._days, gas, wei, basis)

    def of_feed(self, feed: FeedConfig, wanted: WhatIf) -> Iterator[CostChange]:
        """Return what other heartbeats and deviations, and pulling, would make of a feed's cost."""
        policy = due_policy(feed)
        replayed = self._replayed(feed, feed.heartbeat, policy.deviation, Basis.REPLAYED)
        is_replayed = replayed.basis is not Basis.BOUND
        paid = self.as_it_is(feed)
        before = paid if is_replayed and paid.basis is not Basis.BOUND else replayed

        def changed(after: Daily) -> Daily:
            return self._as_much(after, replayed, before)

        for heartbeat in [wanted.heartbeat] if wanted.heartbeat else [2 * feed.heartbeat, feed.heartbeat // 2]:
            if heartbeat >= 1:
                after = self._replayed(feed, heartbeat, policy.deviation, Basis.REPLAYED)
                yield CostChange(
                    feed.name, f"heartbeat = {heartbeat}", before, changed(after), "fixed when the feed is made"
                )
        key = "deviation" if feed.deviation is not None else "deviation_ppm"
        for deviation in [wanted.deviation] if wanted.deviation else [2 * policy.deviation, policy.deviation // 2]:
            if deviation >= 1 and is_replayed:
                basis = Basis.REPLAYED if deviation >= policy.deviation else Basis.AT_LEAST
                told = changed(self._replayed(feed, feed.heartbeat, deviation, basis))
                yield CostChange(feed.name, f"{key} = {deviation}", before, told)
        if feed.mode == "push" and is_replayed:
            after = self._replayed(feed, feed.heartbeat, policy.deviation, Basis.REPLAYED, with_moves=False)
            yield CostChange(feed.name, 'mode = "pull"', before, changed(after), "whoever brings a report pays for it")

    def of_window(self, feeds: Sequence[FeedConfig], wanted: WhatIf) -> Iterator[CostChange]:
        """Return what another batch window would make of the cost of all feeds of each committee."""
        prover = self.config.prover
        now_ms, most = prover.batch_window_ms, max(prover.batch_sizes)
        slowest = int(1_000 * max((each.poll_interval for each in feeds), default=0))
        tried = wanted.window_ms if wanted.window_ms is not None else min(60_000, max(2 * now_ms, slowest))
        times: dict[str, list[int]] = {}
        for feed in feeds:
            policy = due_policy(feed)
            due = due_times(self.past.answers.get(feed.name, ()), policy, self.now)
            times.setdefault(feed.committee, []).extend(due)
        count = sum(map(len, times.values()))
        if count < 2 or len(feeds) < 2 or self._says_nothing(count):
            return
        replayed, after = (
            self._daily([n for each in times.values() for n in grouped(each, window / 1_000, most)])
            for window in (now_ms, tried)
        )
        paid = [self.as_it_is(feed) for feed in feeds]
        before = replayed
        if all(each.basis is not Basis.BOUND for each in paid):
            wei = [each.wei for each in paid if each.wei is not None]
            before = Daily(
                sum(each.reports for each in paid),
                sum(each.gas for each in paid),
                sum(wei) if len(wei) == len(paid) else None,
                paid[0].basis,
            )
        after = self._as_much(after, replayed, before)
        note = "" if most > 1 else "no effect: [prover] batch_sizes has no circuit for several feeds"
        yield CostChange("", f"batch_window_ms = {tried}", before, after, note)

    @property
    def _days(self) -> float:
        return (self.now - self.since) / SECONDS_A_DAY

    def _replayed(
        self, feed: FeedConfig, heartbeat: int, deviation: int, basis: Basis, *, with_moves: bool = True
    ) -> Daily:
        answers = self.past.answers.get(feed.name, ())
        if len(answers) < 2 or self._says_nothing(len(answers)):
            return self._bound(heartbeat)
        policy = replace(due_policy(feed), heartbeat=heartbeat, deviation=deviation)
        due = due_times(answers, policy, self.now, with_moves=with_moves)
        return self._daily([1] * len(due), basis)

    def _says_nothing(self, reports: int) -> bool:
        """Return True if the period is too short to say anything of a whole day."""
        return self._days <= 0 or (self._days < 1 and reports < FEWEST_REPORTS)

    @staticmethod
    def _as_much(after: Daily, replayed: Daily, before: Daily) -> Daily:
        """Return what `before` becomes if it changes as much as the replay does with a change.

        The replay counts what was due. What was paid is less if reports failed or were overtaken by newer ones.
        """
        if before is replayed or not replayed.gas:
            return after
        share = after.gas / replayed.gas
        wei = None if before.wei is None else before.wei * share
        return Daily(before.reports * after.reports / replayed.reports, before.gas * share, wei, after.basis)

    def _bound(self, heartbeat: int) -> Daily:
        reports = SECONDS_A_DAY / heartbeat
        gas = reports * self.gas.of(1)
        return Daily(reports, gas, self._wei(gas), Basis.BOUND)

    def _daily(self, sizes: Sequence[int], basis: Basis = Basis.REPLAYED) -> Daily:
        gas = sum(map(self.gas.of, sizes)) / self._days
        return Daily(sum(sizes) / self._days, gas, self._wei(gas), basis)

    def _wei(self, gas: float) -> float | None:
        return None if self.price is None else gas * self.price.wei
