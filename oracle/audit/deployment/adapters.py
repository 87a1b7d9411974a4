"""The adapters of a hub's feeds: each stands at the address that follows from factory, hub, feed and terms."""

from __future__ import annotations

from collections.abc import Iterable

from eth_abi.abi import encode

from oracle.audit.deployment.contracts import ContractChecks
from oracle.audit.deployment.reading import AT_ONCE
from oracle.audit.deployment.statement import StatedAdapter, StatedFeed
from oracle.chain.deploy.create2 import create2_address
from oracle.chain.deploy.terms import NO_FEED, PLAIN, AdapterMode, AdapterTerms
from oracle.core.concurrency import together
from oracle.core.formats import keccak


async def check_adapters(checks: ContractChecks, hub: str, factory: str, feeds: Iterable[StatedFeed]) -> None:
    """Check the linked adapter of each feed, and those that somebody stated."""
    wanted: list[tuple[StatedFeed, str, AdapterTerms]] = []
    for feed in feeds:
        if feed.aggregator is None:
            checks.draft.notes.append(f"feed {feed.description}: no adapter is linked")
        else:
            wanted.append((feed, feed.aggregator, PLAIN))
        wanted += [(feed, each.address, _terms(each)) for each in feed.adapters]
    codes = await together(*(checks.rpc.code(address, checks.block) for _, address, _ in wanted), at_once=AT_ONCE)
    for (feed, address, terms), found in zip(wanted, codes, strict=True):
        _check(checks, (hub, factory), feed, (address, found), terms)


def _terms(adapter: StatedAdapter) -> AdapterTerms:
    mode = AdapterMode.STRICT if adapter.mode == "strict" else AdapterMode.LAST_GOOD
    return AdapterTerms(mode, adapter.bound, adapter.uptime_feed or NO_FEED, adapter.grace)


def _check(
    checks: ContractChecks, by: tuple[str, str], feed: StatedFeed, found: tuple[str, bytes], terms: AdapterTerms
) -> None:
    """Check one adapter.

    Args:
        by: The hub and the factory.
        found: The adapter's address, and the code there.
    """
    (hub, factory), (address, code) = by, found
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
    checks.check_made("ZkAggregator", address, code, salt, arguments)
