"""Read the settings of a deployment from its hub, at one block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from oracle.audit.deployment.statement import (
    StatedAdapter,
    StatedArchitecture,
    StatedCircuit,
    StatedCommittee,
    StatedFeed,
    StatedModel,
    StatedRoles,
)
from oracle.chain.hub import Committee, Hub, HubFeedConfig, Proposals
from oracle.chain.hub.roles import GUARDIAN_ROLE, HubRoles
from oracle.core.concurrency import together
from oracle.core.encoding import feature_names
from oracle.core.errors import DeploymentError
from oracle.core.types import FeedState, Kind

AT_ONCE = 16
"""Feeds that are read at once."""

MOST_NUMBERED = 10_000
"""The most architectures, models or committees that are read. What other creation code left can count billions."""

_TERMS = tuple(field.name for field in fields(HubFeedConfig) if field.name not in ("kind", "peers"))


@dataclass(frozen=True)
class HubSettings:
    """The settings of a hub at one block, and what is proposed.

    Attributes:
        proposals: Proposals for feeds, by the feed's description.
    """

    architectures: tuple[StatedArchitecture, ...]
    models: tuple[StatedModel, ...]
    committees: tuple[StatedCommittee, ...]
    feeds: tuple[StatedFeed, ...]
    proposed_committees: tuple[Committee, ...]
    proposals: Mapping[str, Proposals]


async def read_settings(hub: Hub, block: int, adapters: Mapping[bytes, Sequence[StatedAdapter]]) -> HubSettings:
    """Read architectures, models, committees and feeds.

    Args:
        adapters: The adapters of feeds beside the linked ones, by feed id: the hub does not know them.

    Raises:
        DeploymentError: The hub's answers make no sense.
        ChainUnavailable: No answer.
    """
    counts = [await count(block) for count in (hub.architecture_count, hub.model_count, hub.committee_count)]
    if max(counts) > MOST_NUMBERED:
        what = "architectures, models and committees"
        raise DeploymentError(f"{hub.address} says that it has {counts} {what}: no hub has as many; trust none of it")
    numbers = [range(1, count + 1) for count in counts]
    architectures = [await _architecture(hub, number, block) for number in numbers[0]]
    models = [await _model(hub, number, block) for number in numbers[1]]
    committees = [await hub.committee(number, block) for number in numbers[2]]
    ids = await hub.feed_ids(block)
    states = await hub.feed_states(ids, block)
    feeds = await together(
        *(_feed(hub, each, state, block, adapters.get(each, ())) for each, state in zip(ids, states, strict=True)),
        at_once=AT_ONCE,
    )
    return HubSettings(
        architectures=tuple(architectures),
        models=tuple(models),
        committees=tuple(map(_committee, committees)),
        feeds=tuple(each for each, _ in feeds),
        proposed_committees=tuple(each for each in committees if each.proposed),
        proposals={each.description: proposals for each, proposals in feeds},
    )


async def read_roles(hub: Hub, block: int, found: Sequence[HubRoles]) -> tuple[StatedRoles, tuple[str, ...]]:
    """Return the roles of a hub as the logs of several nodes show them together, and what contradicts itself.

    A role that one node's logs show and another's do not is held if the hub says so.

    Args:
        found: The roles by each node.
    """
    problems = []
    for name, lists in (("guardians", [each.guardians for each in found]), ("others", [each.others for each in found])):
        if len({frozenset(each) for each in lists}) > 1:
            problems.append(f"the nodes' logs show different {name}: one of them withholds logs")
    guardians = {account for each in found for account in each.guardians}
    held = [account for account in sorted(guardians) if await hub.read("hasRole", GUARDIAN_ROLE, account, block=block)]
    first = found[0]
    pending = await hub.read("pendingDefaultAdminDelay", block=block)
    roles = StatedRoles(
        admin=first.admin,
        next_admin=first.next_admin,
        guardians=tuple(held),
        others=tuple(sorted({f"{which} {account}" for each in found for account, which in each.others})),
        change_delay=first.change_delay,
        handover_delay=first.handover_delay,
        next_handover_delay=pending["newDelay"] if pending["schedule"] else None,
    )
    return roles, tuple(problems)


async def _feed(
    hub: Hub, feed_id: bytes, state: FeedState, block: int, adapters: Sequence[StatedAdapter]
) -> tuple[StatedFeed, Proposals]:
    config = await hub.feed_config(feed_id)
    stated = StatedFeed(
        feed_id=feed_id,
        kind="relative" if config.kind is Kind.RELATIVE else "absolute",
        peers=config.peers,
        model=state.model_number,
        aggregator=await hub.aggregator(feed_id, block),
        adapters=tuple(adapters),
        paused=state.paused,
        **{name: getattr(config, name) for name in _TERMS},
    )
    return stated, await hub.proposals(feed_id, block)


async def _architecture(hub: Hub, number: int, block: int) -> StatedArchitecture:
    found = await hub.architecture(number, block)
    circuits = zip(found.batch_sizes, found.verifiers, found.code_hashes, strict=True)
    return StatedArchitecture(
        number=number,
        features=feature_names(found.features),
        outputs=found.outputs,
        binds_model=found.binds_model,
        circuits=tuple(
            StatedCircuit(batch=batch, verifier=verifier, code_hash=code_hash)
            for batch, verifier, code_hash in circuits
        ),
    )


async def _model(hub: Hub, number: int, block: int) -> StatedModel:
    found = await hub.model(number, block)
    return StatedModel(
        number=number,
        architecture=found.architecture_id,
        model_hash=found.model_hash,
        artifact_hash=found.artifact_hash,
        score_unit=found.score_unit,
    )


def _committee(found: Committee) -> StatedCommittee:
    return StatedCommittee(
        number=found.number,
        reporters=tuple(sorted(found.reporters, key=str.lower)),
        quorum=found.quorum,
        epoch=found.epoch,
    )
