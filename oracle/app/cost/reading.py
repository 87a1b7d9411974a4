"""The journal, the configuration and the chain become figures of what the feeds cost."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from oracle.app.budget import price_of_next, read_budget
from oracle.app.cost.estimates import Past, WhatIf, cost_of
from oracle.app.cost.figures import Basis, CostReport, Price, PriceIn, SpendingLimit
from oracle.chain.connect import connect
from oracle.chain.tx.fees import GWEI
from oracle.chain.tx.policy import send_policy
from oracle.config import Config
from oracle.core.errors import OracleError
from oracle.core.money import Expense, Settlement
from oracle.core.types import SECONDS_A_DAY, Outcome
from oracle.feeds.journal import Journal, open_journal
from oracle.feeds.journal.expenses import ExpenseBook

__all__ = ["read_cost", "read_past"]

_LOOKED_BACK = 50
"""So many of a feed's latest observations are searched for one that was accepted: the price of ether."""

_OF_ETHER = re.compile(r"W?(?:ETH|ether) */ *(\S{2,10})", re.IGNORECASE)


async def read_cost(
    config: Config,
    env: Mapping[str, str],
    *,
    days: float = 7.0,
    feeds: Sequence[str] = (),
    wanted: WhatIf | None = None,
    gas_price_gwei: float | None = None,
) -> CostReport:
    """Return what the feeds of a configuration cost.

    Args:
        config: The configuration.
        env: The environment, for passwords.
        days: The days that are looked back.
        feeds: The names of the feeds that are estimated; none: all.
        wanted: Settings to try; None: the usual ones.
        gas_price_gwei: The price of gas that estimates take; None: what was paid, or else what the chain asks now.

    Raises:
        ConfigError: There is no such feed.
        JournalError, JournalUnavailable: The journal is there, and can't be read.
    """
    chosen = [config.feed(name) for name in feeds] or list(config.feeds)
    max_fee, price = 0, None
    with suppress(OracleError):  # the chain is asked for its price only
        async with connect(config.chain) as rpc:
            max_fee, market = await price_of_next(rpc, send_policy(config.chain).fees), await rpc.market()
            price = Price((market.base_fee or 0) + market.price, Basis.CHAIN)
    if gas_price_gwei is not None:
        price = Price(gas_price_gwei * GWEI, Basis.GIVEN)
    now, past = time.time(), Past()
    if config.journal.path is None or config.journal.path.exists():
        with open_journal(config.journal, env, read_only=True) as journal:
            past = read_past(config, journal, days, max_fee, now)
    return cost_of(config, chosen, past, wanted or WhatIf(), price, days, now)


def read_past(config: Config, journal: Journal, days: float, max_fee: int, now: float) -> Past:
    """Return what a journal has of the last days.

    Args:
        config: The configuration.
        journal: The journal.
        days: The days that are looked back.
        max_fee: The most that a new transaction would pay for a unit of gas, in wei; 0: nobody knows.
        now: Unix seconds.

    Raises:
        JournalError, JournalUnavailable: It can't be read.
    """
    since = now - days * SECONDS_A_DAY
    settled = ExpenseBook(journal.store, lambda: now).settled(since)
    answers = {
        feed.name: [each for each in journal.answers(feed.name) if since < each[0] <= now] for feed in config.feeds
    }
    budget = read_budget(journal, config.budget.wei_per_day, max_fee, lambda: now)
    limit = SpendingLimit(budget.limit, budget.spent, budget.set_aside, budget.next_most, _dearest_day(settled))
    return Past(settled, answers, limit, _price_of_ether(config, journal))


def _dearest_day(settled: Sequence[tuple[float, Settlement, Expense]]) -> int:
    """Return what the dearest 24 hours did cost."""
    dearest, first, total = 0, 0, 0
    for at, paid, _ in settled:
        total += paid.paid
        while settled[first][0] <= at - SECONDS_A_DAY:
            total -= settled[first][1].paid
            first += 1
        dearest = max(dearest, total)
    return dearest


def _price_of_ether(config: Config, journal: Journal) -> PriceIn | None:
    """Return the price of an ether, if a feed of the hub says it: "ETH / USD"."""
    for feed in config.feeds:
        found = _OF_ETHER.fullmatch(feed.description.strip())
        if found is None:
            continue
        for entry in journal.rows(feed.name, _LOOKED_BACK):
            if entry.outcome is Outcome.ACCEPTED:
                return PriceIn(feed.name, found[1], entry.answer / 10**feed.decimals, entry.observed_at)
    return None
