"""Administration of feeds and committees: what their admin and guardian see, and the calls that they make.

Changes are proposed in the open, take effect after the hub's delay at the earliest, and expire; pauses, cancellations
and rollbacks take effect at once. Nothing here can set an answer: the hub has no such function.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from oracle.chain.addresses import require_address
from oracle.chain.deploy import Deployment
from oracle.chain.hub import CHANGE_WINDOW, Committee, Hub, Proposals, ShadowTally, hub_interface
from oracle.chain.rpc import Rpc
from oracle.chain.tx.call import Call
from oracle.config.committees import reporters_problems, unreachable
from oracle.core.errors import ConfigError, DataError
from oracle.core.formats import to_hex

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class FeedOverview:
    """A feed as its admin sees it. Times are unix seconds.

    Attributes:
        name: The feed's name in the configuration.
        model: Number of the active model.
        paused: True if the guardian has paused it.
        committee: The name of its committee.
        change_delay: Seconds from a proposal to its activation.
        proposals: The open proposals.
        shadow: The proposed model's tally so far; None if no model is proposed.
    """

    name: str
    feed_id: bytes
    hub: str
    model: int
    paused: bool
    committee: str
    change_delay: int
    proposals: Proposals
    shadow: ShadowTally | None


@dataclass(frozen=True, slots=True)
class CommitteeOverview:
    """A committee as its admin sees it.

    Attributes:
        name: The committee's name in the configuration.
        feeds: The names of its feeds.
        change_delay: Seconds from a proposal to its activation.
        committee: What the hub has of it.
    """

    name: str
    hub: str
    feeds: tuple[str, ...]
    change_delay: int
    committee: Committee


def feed_id(deployment: Deployment, name: str) -> bytes:
    """Return the id of a deployed feed. Raises: ConfigError."""
    try:
        return deployment.feeds[name].feed_id
    except KeyError:
        known = ", ".join(sorted(deployment.feeds)) or "none"
        raise ConfigError(f"no feed {name!r} is deployed; the deployment has: {known}") from None


def committee_number(deployment: Deployment, name: str) -> int:
    """Return the number of a deployed committee. Raises: ConfigError."""
    try:
        return deployment.committees[name].number
    except KeyError:
        known = ", ".join(sorted(deployment.committees)) or "none"
        raise ConfigError(f"no committee {name!r} is deployed; the deployment has: {known}") from None


def only_committee(deployment: Deployment) -> str:
    """Return the name of the committee that is meant if nobody names one. Raises: ConfigError."""
    if len(deployment.committees) != 1:
        known = ", ".join(sorted(deployment.committees)) or "none"
        raise ConfigError(f"the deployment has several committees: name one with --committee, of {known}")
    return next(iter(deployment.committees))


async def overview(rpc: Rpc, deployment: Deployment, name: str) -> FeedOverview:
    """Read a feed and its proposals.

    Raises:
        ConfigError: There is no such feed.
        ChainUnavailable: No answer.
    """
    hub, of = Hub(rpc, deployment.hub), feed_id(deployment, name)
    state = await hub.feed_state(of)
    return FeedOverview(
        name=name,
        feed_id=of,
        hub=hub.address,
        model=state.model_number,
        paused=state.paused,
        committee=deployment.feeds[name].committee,
        change_delay=await hub.read("changeDelay"),
        proposals=await hub.proposals(of),
        shadow=await hub.shadow(of),
    )


async def committee_overview(rpc: Rpc, deployment: Deployment, name: str) -> CommitteeOverview:
    """Read a committee and what is proposed for it. Raises as `overview`."""
    hub, number = Hub(rpc, deployment.hub), committee_number(deployment, name)
    return CommitteeOverview(
        name=name,
        hub=hub.address,
        feeds=tuple(each for each, feed in deployment.feeds.items() if feed.committee == name),
        change_delay=await hub.read("changeDelay"),
        committee=await hub.committee(number),
    )


def call(deployment: Deployment, name: str, action: str, *arguments: Any) -> Call:
    """Return the call of an administrative action on a feed.

    Args:
        deployment: Has the hub and its feeds.
        name: The feed's name.
        action: A function of the hub that takes a feed, for instance "proposeModel".
        arguments: The function's further arguments.

    Raises:
        ConfigError: There is no such feed.
    """
    return _call(deployment, name, action, feed_id(deployment, name), *arguments)


def committee_call(deployment: Deployment, name: str, action: str, *arguments: Any) -> Call:
    """Return the call of an administrative action on a committee.

    Args:
        deployment: Has the hub and its committees.
        name: The committee's name.
        action: A function of the hub that takes a committee, for instance "proposeReporters".
        arguments: The function's further arguments.

    Raises:
        ConfigError: There is no such committee.
    """
    return _call(deployment, name, action, committee_number(deployment, name), *arguments)


def _call(deployment: Deployment, name: str, action: str, *arguments: Any) -> Call:
    data = hub_interface().encode_call(action, *arguments)
    told = ", ".join([name, *(str(each) for each in arguments[1:])])
    return Call(f"{action}({told})", deployment.hub, data, hub_interface())


def reporters_of(addresses: tuple[str, ...], quorum: int, keys: int = 1) -> tuple[list[str], int]:
    """Return proposed reporters as the hub takes them.

    Args:
        addresses: All reporters that the committee is to have.
        quorum: How many of them must have an answer for a feed.
        keys: How many reporter keys of its own this process can sign with.

    Raises:
        ConfigError: One is not an address.
        DataError: The hub would refuse them, or no report of this process would reach the quorum.
    """
    found = tuple(require_address(each, "REPORTER") for each in addresses)
    problems = [f"'{'.'.join(where)}' {what}" for where, what in reporters_problems(found, len(found), quorum)]
    if problem := unreachable(keys, quorum):
        problems.append(problem)
    if problems:
        raise DataError("; ".join(problems))
    return list(found), quorum


def lines(found: FeedOverview, clock: Clock = time.time) -> Mapping[str, str]:
    """Return the overview as lines of text by their labels."""
    now, proposed, shadow = clock(), found.proposals, found.shadow
    told = {
        "feed": f"{found.name} ({to_hex(found.feed_id)}) of hub {found.hub}",
        "model": f"{found.model}{_before(proposed, now)}",
        "committee": found.committee,
        "paused": "yes" if found.paused else "no",
        "change delay": f"{found.change_delay:,} s",
    }
    if proposed.model:
        told["proposed model"] = f"{proposed.model}, {_when(proposed.model_from, now)}"
    if shadow is not None and shadow.min_compared:
        told["its shadow"] = (
            f"{shadow.compared} of {shadow.min_compared} reports compared, {shadow.disagreements} verdicts differ, the "
            f"latest scores are {shadow.distance} of at most {shadow.max_distance} thousandths apart"
        )
    if proposed.unpause_from:
        told["unpause"] = _when(proposed.unpause_from, now)
    return told


def committee_lines(found: CommitteeOverview, clock: Clock = time.time) -> Mapping[str, str]:
    """Return the overview of a committee as lines of text by their labels."""
    now, committee = clock(), found.committee
    told = {
        "committee": f"{found.name} (number {committee.number}, epoch {committee.epoch}) of hub {found.hub}",
        "reporters": f"{committee.quorum} of {len(committee.reporters)}: {', '.join(committee.reporters)}",
        "feeds": ", ".join(found.feeds) or "none",
        "change delay": f"{found.change_delay:,} s",
    }
    if committee.active_from is not None:
        told["proposed reporters"] = (
            f"{committee.proposed_quorum} of {len(committee.proposed)}: {', '.join(committee.proposed)}, "
            f"{_when(committee.active_from, now)}"
        )
    return told


def _before(proposed: Proposals, now: float) -> str:
    """Say to which model a rollback returns, and for how long it can."""
    if proposed.previous_model is None or proposed.previous_until is None:
        return ""
    left = proposed.previous_until - now
    if left < 0:
        return f", before it {proposed.previous_model}; the time for a rollback is over"
    return f", before it {proposed.previous_model}, to which it can be rolled back for {left:,.0f} s"


def _when(moment: int | None, now: float) -> str:
    """Say from when on, and until when, a proposal can be activated."""
    moment = moment or 0
    if moment > now:
        return f"can be activated in {moment - now:,.0f} s"
    left = moment + CHANGE_WINDOW - now
    return f"can be activated now, for {left:,.0f} s" if left >= 0 else "has expired: propose it again"
