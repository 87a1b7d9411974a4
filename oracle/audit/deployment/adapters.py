"""The adapters of a hub's feeds: each stands at the address that follows from factory, hub, feed and terms."""

from __future__ import annotations

from collections.abc import Iterable

from eth_abi.abi import encode

from oracle.audit.deployment.contracts import ContractChecks
from oracle.audit.deployment.statement import StatedAdapter, StatedFeed
from oracle.chain.deploy.create2 import create2_address
from oracle.chain.deploy.terms import NO_FEED, PLAIN, AdapterMode, AdapterTerms
from oracle.core.formats import keccak


async def check_adapters(checks: ContractChecks, hub: str, factory: str, feeds: Iterable[StatedFeed]) -> None:
    """Check the linked adapter of each feed, and those that somebody stated."""
    for feed in feeds:
        if feed.aggregator is None:
            checks.draft.notes.append(f"feed {feed.description}: no adapter is linked")
        else:
            await _check(checks, hub, factory, feed, feed.aggregator, PLAIN)
        for each in feed.adapters:
            await _check(checks, hub, factory, feed, each.address, _terms(each))


def _terms(adapter: StatedAdapter) -> AdapterTerms:
    mode = AdapterMode.STRICT if adapter.mode == "strict" else AdapterMode.LAST_GOOD
    return AdapterTerms(mode, adapter.bound, adapter.uptime_feed or NO_FEED, adapter.grace)


async def _check(
    checks: ContractChecks, hub: str, factory: str, feed: StatedFeed, address: str, terms: AdapterTerms
) -> None:
    kinds = ("address", "bytes32", "uint8", "uint32", "address", "uint32")
    salt = keccak(encode(kinds, (hub, feed.feed_id, *terms.values)))
    wanted = create2_address(salt, checks.contracts["ZkAggregator"].bytecode, factory)
    subject = f"adapter of {feed.description}{'' if terms == PLAIN else f', {terms}'}"
    if wanted != address:
        checks.draft.differs(subject, wanted, address, "consumers read another contract than the factory's")
        return
    arguments = {
        "hub": hub,
        "feedId": feed.feed_id,
        "decimals": feed.decimals,
        "mode": int(terms.mode),
        "bound": terms.bound,
        "uptimeFeed": terms.uptime_feed,
        "grace": terms.grace,
    }
    await checks.check_made("ZkAggregator", address, salt, arguments)
