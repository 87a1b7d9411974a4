"""Opening a feed's history: by its name in the configuration, or by its name at any hub."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from oracle.app.history.backwards import EventsBackwards, ObservationsBackwards
from oracle.app.history.entries import EntryKind, PastAttempt, PastEntry, PastHold
from oracle.app.history.told import Costs, HistoryTeller
from oracle.app.keys import address_of
from oracle.app.standings import network_status
from oracle.chain.addresses import require_address
from oracle.chain.connect import connect
from oracle.chain.deploy import feed_id_of, load_deployment
from oracle.chain.deploy.origin import first_block
from oracle.chain.hub import Hub, HubFeedConfig
from oracle.chain.rpc import Rpc
from oracle.config import Config
from oracle.core.errors import (
    ChainUnavailable,
    ConfigError,
    ContractRejected,
    DataError,
    JournalError,
    JournalUnavailable,
    KeystoreError,
    OracleError,
)
from oracle.core.formats import checksum_address, from_hex, to_hex
from oracle.feeds.journal import Journal, open_journal

__all__ = ["FeedHistory", "history_at", "history_of"]

_DETAILED_AT_ONCE = 32

_FEED_ID = re.compile(r"0x[0-9a-fA-F]{64}")
_FEEDS_NAMED = 20
_TURNS = 1_000
"""Latest turns of the network in which accounts are looked for."""


@dataclass
class FeedHistory:
    """A feed's history. It is read while its entries are taken.

    Attributes:
        feed: The feed's name in the configuration, or its description at the hub.
        feed_id: Its id, as hex.
        decimals: Decimal places of its answers.
        hub: The hub's address.
        chain_id: The hub's chain.
        unread: What could not be read, and why: it may lack entries, or parts of them.
        notes: What the reader should know, although nothing is wrong.
    """

    feed: str
    feed_id: str
    decimals: int
    hub: str
    chain_id: int
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _chain: Hub | None = None
    _journal: Journal | None = None
    _first: int = 0
    _last: int = 0
    _max_skew: int = 0
    _own: str = ""
    _members: Mapping[str, str] = field(default_factory=dict)

    async def entries(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        kinds: Collection[EntryKind] = tuple(EntryKind),
        with_costs: bool = True,
        limit: int = 0,
    ) -> AsyncIterator[PastEntry]:
        """Yield the entries, newest first. What could not be read is in `unread` once they have ended.

        Args:
            since: Unix seconds: entries that are wholly older are left out.
            until: Unix seconds: entries that are wholly newer are left out.
            kinds: The kinds of entries to yield.
            with_costs: Also read the gas of reports, and when they were mined: two requests for each.
            limit: The most entries; 0: all.
        """
        events = observations = costs = None
        if self._chain is not None:
            span = (self._first, self._last, since, self._max_skew)
            events = EventsBackwards(self._chain, from_hex(self.feed_id), *span)
            costs = Costs(self._chain) if with_costs else None
        if self._journal is not None:
            observations = ObservationsBackwards(self._journal, self.feed, since)
        teller = HistoryTeller(self.decimals, self._own, events, observations, self._members)
        try:
            waiting: list[PastEntry] = []
            count = 0
            async for entry in teller.entries():
                if since is not None and _newest(entry) < since:
                    break
                if entry.kind in kinds and (until is None or _oldest(entry) <= until):
                    waiting.append(entry)
                    count += 1
                if count == limit > 0:
                    break
                if len(waiting) == (1 if costs is None else _DETAILED_AT_ONCE):
                    for each in waiting if costs is None else await costs.add(waiting):
                        yield each
                    waiting = []
            for each in waiting if costs is None else await costs.add(waiting):
                yield each
        finally:
            self.unread += [each.failure for each in (events, observations) if each is not None and each.failure]
            if costs is not None and costs.missing:
                self.unread.append(f"gas and times of {costs.missing:,} reports can't be read: {costs.why}")


@asynccontextmanager
async def history_of(config: Config, feed: str) -> AsyncIterator[FeedHistory]:
    """Open the history of a deployed feed, from the configured chain and the journal, if it is there.

    Args:
        config: The configuration.
        feed: The feed's name there.

    Raises:
        ConfigError: There is no such feed.
        ChainUnavailable: The chain does not answer, and there is no journal here.
    """
    deployment = load_deployment(config.chain.deployment)
    deployed = deployment.feed(feed)
    history = FeedHistory(
        feed, to_hex(deployed.feed_id), deployed.decimals, deployment.hub, deployment.chain_id, _first=deployment.block
    )
    async with AsyncExitStack() as stack:
        history._journal = _journal(config, os.environ, history)
        if history._journal is not None:
            stack.enter_context(history._journal)
            history._members = _members(config, os.environ)
        rpc = await stack.enter_async_context(connect(config.chain))
        try:
            await _attach(history, Hub(rpc, deployment.hub))
            with contextlib.suppress(KeystoreError):  # the key need not be where one only looks
                history._own = await address_of(config.keys.submitter, rpc, os.environ)
        except ChainUnavailable as error:
            if history._journal is None:
                raise
            history.unread.append(f"the chain can't be read, so that only the journal's part is shown: {error}")
        yield history


@asynccontextmanager
async def history_at(hub: str, rpc_url: str, feed: str) -> AsyncIterator[FeedHistory]:
    """Open the history of a feed at any hub, from the chain alone.

    Args:
        hub: The hub's address.
        rpc_url: An endpoint of its chain.
        feed: The feed's description or its id.

    Raises:
        DataError: The hub has no such feed.
        ChainUnavailable: The chain does not answer.
    """
    async with Rpc(rpc_url) as rpc:
        of = Hub(rpc, require_address(hub, "--hub"))
        feed_id = from_hex(feed) if _FEED_ID.fullmatch(feed) else feed_id_of(feed)
        try:
            name = (await of.feed_config(feed_id)).description
        except ContractRejected as error:
            if error.name != "UnknownFeed":
                raise
            raise DataError(await _no_such_feed(of, feed)) from None
        history = FeedHistory(name, to_hex(feed_id), 0, of.address, await rpc.chain_id())
        history.notes.append("failures are known to the reporter's journal only, which --hub does not read")
        history._first = await first_block(rpc, of.address)
        await _attach(history, of)
        yield history


async def _no_such_feed(hub: Hub, feed: str) -> str:
    there = await hub.feed_ids()
    told = [repr((await hub.feed_config(each)).description) for each in there[:_FEEDS_NAMED]]
    more = f" and {len(there) - len(told):,} more" if len(there) > len(told) else ""
    names = ", ".join(told) or "none"
    return f"the hub at {hub.address} has no feed {feed!r}, by description or id; it has: {names}{more}"


async def _attach(history: FeedHistory, hub: Hub) -> None:
    """Take over what the chain says of the feed."""
    terms: HubFeedConfig = await hub.feed_config(from_hex(history.feed_id))
    history.decimals, history._max_skew = terms.decimals, terms.max_skew
    history._last = await hub.rpc.block_number()
    history._chain = hub


def _members(config: Config, env: Mapping[str, str]) -> Mapping[str, str]:
    """Return the network's members by the accounts that bring their reports, as this node has seen them lately."""
    if config.network is None:
        return {}
    with contextlib.suppress(OracleError):  # who brought a report is told by its account then
        seen = network_status(config, env, shown=_TURNS)
        return {checksum_address(account): each.name for each in seen.transmitters for account in each.accounts}
    return {}


def _journal(config: Config, env: Mapping[str, str], history: FeedHistory) -> Journal | None:
    if config.journal.path is not None and not config.journal.path.exists():
        history.notes.append(f"there is no journal at {config.journal.path}: what never came to the chain is not shown")
        return None
    try:
        return open_journal(config.journal, env, read_only=True)
    except (JournalError, JournalUnavailable, ConfigError) as error:
        history.unread.append(f"the journal can't be read, so that failures are not shown: {error}")
        return None


def _newest(entry: PastEntry) -> int:
    if isinstance(entry, PastAttempt):
        return entry.observed_at
    return entry.reports[0].observed_at if isinstance(entry, PastHold) else entry.report.observed_at


def _oldest(entry: PastEntry) -> int:
    return entry.reports[-1].observed_at if isinstance(entry, PastHold) else _newest(entry)
