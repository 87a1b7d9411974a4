"""Read the hub's own counts, heads and rounds at the pinned block, and what its history lacks of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Any, TypeVar

from oracle.audit.history import AdminEvent
from oracle.audit.withheld import Holes, PinnedHub
from oracle.chain.hub import Hub, HubFeedConfig
from oracle.core.concurrency import together
from oracle.core.errors import DeploymentError
from oracle.core.types import Round

_AT_ONCE = 16
"""Requests at once."""

_MOST_COMMITTEES = 10_000
"""The most committees that are read. Storage that other creation code left can count billions."""

K = TypeVar("K")
V = TypeVar("V")


async def read_pinned(hub: Hub, block: int) -> PinnedHub:
    """Return the hub's counts and heads at a block.

    Raises:
        DeploymentError: There is no hub of this release.
        ContractRejected: Likewise.
        ChainUnavailable: The endpoint does not answer, or lacks the state.
    """
    feed_ids = await hub.feed_ids(block)
    configs = await _all(feed_ids, hub.feed_config)
    states = await hub.feed_states(feed_ids, block)
    committees, architectures, models = await together(
        hub.committee_count(block), hub.architecture_count(block), hub.model_count(block)
    )
    if committees > _MOST_COMMITTEES:
        raise DeploymentError(f"{hub.address} says that it has {committees} committees, and no hub has as many")
    numbers = range(1, committees + 1)
    return PinnedHub(
        configs=configs,
        states={state.feed_id: state for state in states},
        committees=await _all(numbers, lambda number: hub.committee(number, block)),
        architectures=architectures,
        models=models,
    )


async def read_rounds(hub: Hub, keys: Iterable[tuple[bytes, int]], block: int) -> dict[tuple[bytes, int], Round]:
    """Return some of a hub's rounds, those that there are.

    Args:
        keys: Feeds' ids and rounds' numbers.
    """
    found = await _all(list(keys), lambda key: hub.round(*key, block))
    return {key: round_ for key, round_ in found.items() if round_ is not None}


async def supplied(hub: Hub, holes: Holes, pinned: PinnedHub, block: int) -> list[AdminEvent]:
    """Return the events that add what a history does not add, as they follow from the hub's storage.

    Nothing of them can have changed since, except a committee's reporters: they are known if it is in its first epoch.
    """
    events = []
    for number in holes.architectures:
        found = await hub.architecture(number, block)
        events.append(
            AdminEvent(
                "ArchitectureAdded",
                {
                    "architectureId": number,
                    "architecture": {
                        "features": bytes(found.features),
                        "outputs": found.outputs,
                        "bindsModel": found.binds_model,
                        "batchSizes": found.batch_sizes,
                        "verifiers": found.verifiers,
                        "codeHashes": found.code_hashes,
                    },
                },
            )
        )
    for number in holes.models:
        model = await hub.model(number, block)
        described = {
            "modelHash": model.model_hash,
            "architectureId": model.architecture_id,
            "artifactHash": model.artifact_hash,
            "scoreUnit": model.score_unit,
        }
        events.append(AdminEvent("ModelAdded", {"modelNumber": number, "model": described}))
    for number in holes.committees:
        committee = pinned.committees[number]
        if committee.epoch == 1:
            values = {"committee": number, "reporters": committee.reporters, "quorum": committee.quorum}
            events.append(AdminEvent("CommitteeAdded", values))
    for feed_id in holes.feeds:
        terms = {"feedId": feed_id, "config": _terms(pinned.configs[feed_id])}
        events.append(AdminEvent("FeedAdded", terms | {"modelNumber": pinned.states[feed_id].model_number}))
    return events


def _terms(config: HubFeedConfig) -> dict[str, Any]:
    return {
        "description": config.description,
        "kind": config.kind,
        "decimals": config.decimals,
        "confirmations": config.confirmations,
        "maxRepeats": config.max_repeats,
        "heartbeat": config.heartbeat,
        "maxAge": config.max_age,
        "maxSkew": config.max_skew,
        "confirmDelay": config.confirm_delay,
        "tolerance": config.tolerance,
        "maxSpread": config.max_spread,
        "sigma": config.sigma,
        "committee": config.committee,
        "peers": config.peers,
    }


async def _all(keys: Collection[K], read: Callable[[K], Coroutine[Any, Any, V]]) -> dict[K, V]:
    found = await together(*map(read, keys), at_once=_AT_ONCE)
    return dict(zip(keys, found, strict=True))
