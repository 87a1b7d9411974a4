"""Feeds and committees as their operators see them: what the hub has of them, what is proposed, and it in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from oracle.chain.activation import Activation, Change, activation, try_change
from oracle.chain.admin import committee_number, feed_id
from oracle.chain.deploy import Deployment
from oracle.chain.hub import CHANGE_WINDOW, Committee, Hub, HubFeedConfig, Proposals, ShadowTally
from oracle.core import encoding
from oracle.core.formats import to_hex
from oracle.core.times import utc
from oracle.core.types import FeedState

__all__ = [
    "CommitteeOverview",
    "FeedOverview",
    "FeedView",
    "HoldProgress",
    "LastRound",
    "committee_lines",
    "committee_overview",
    "lines",
    "look",
    "overview",
    "pace",
    "proposal_window",
    "proposed_reporters",
]

PACE_ROUNDS = 20
"""The latest rounds of a feed by whose times its pace is estimated."""


@dataclass(frozen=True, slots=True)
class LastRound:
    """The latest round of a feed.

    Attributes:
        answer: In the feed's own units.
        observed_at: Unix seconds.
        count: How many reporters answered.
        spread: How far apart their answers were, in thousandths of sigma.
    """

    round_id: int
    answer: str
    observed_at: int
    count: int
    spread: int


@dataclass(frozen=True, slots=True)
class HoldProgress:
    """A held answer, and how far it is from becoming the new level. Time has to pass on two clocks.

    Attributes:
        reason: "anomalous", "not_positive" or "repeated". Only an anomalous answer can be confirmed.
        answer: The latest held answer, in the feed's own units.
        first_answer: The answer that started the hold: further ones near it confirm it.
        confirmations: How many have confirmed it so far.
        needed: How many have to.
        observed_s: Seconds from the first held answer to the latest, by the times that reporters signed.
        seen_s: Seconds from the first held answer's block to now, by the chain's clock.
        delay_s: Seconds that have to pass on each clock, until the report that ends the hold.
    """

    reason: str
    answer: str
    first_answer: str
    confirmations: int
    needed: int
    observed_s: int
    seen_s: int
    delay_s: int

    @classmethod
    def of(cls, state: FeedState, terms: HubFeedConfig, now: int) -> HoldProgress | None:
        """Return how far a feed's hold has come at this time of the chain; None: nothing is held."""
        held = state.held
        if held is None:
            return None
        return cls(
            reason=held.reason.name.lower(),
            answer=_value(held.answer, terms),
            first_answer=_value(held.first_answer, terms),
            confirmations=held.confirmations,
            needed=max(1, terms.confirmations),
            observed_s=held.observed_at - held.first_observed_at,
            seen_s=max(0, now - held.first_seen_at),
            delay_s=terms.confirm_delay,
        )

    def __str__(self) -> str:
        if self.reason != "anomalous":
            return f"{self.answer}, {self.reason.replace('_', ' ')}: it can't be confirmed"
        return (
            f"{self.answer}, confirmed by {self.confirmations} of {self.needed} reports near {self.first_answer}; of "
            f"{self.delay_s:,} s, {self.observed_s:,} s have passed by the reporters' clock, {self.seen_s:,} s by the "
            "chain's"
        )


@dataclass(frozen=True, slots=True)
class FeedView:
    """A feed as consumers meet it.

    Attributes:
        name: The feed's name in the configuration.
        model: Number of the active model.
        paused: True if the guardian has paused it.
        stale: True if its latest round is older than the feed allows, as the hub's `isStale` says.
        committee: The name of its committee.
        peers: The names of the feeds that each of its reports lists, too; the id of one that the deployment lacks.
        last: The latest round; None if there is none.
        held: The held answer; None if there is none.
        now: The time of the chain's latest block, unix seconds.
    """

    name: str
    feed_id: bytes
    model: int
    paused: bool
    stale: bool
    committee: str
    peers: tuple[str, ...]
    last: LastRound | None
    held: HoldProgress | None
    now: int


@dataclass(frozen=True, slots=True)
class FeedOverview(FeedView):
    """A feed as its admin sees it. Times are unix seconds.

    Attributes:
        change_delay: Seconds from a proposal to its activation.
        proposals: The open proposals.
        shadow: The proposed model's tally so far; None if no model is proposed.
        model_activation: Whether the proposed model can be activated; None if no model is proposed.
        unpause_activation: Whether the feed can be unpaused; None if that is not proposed.
    """

    hub: str
    change_delay: int
    proposals: Proposals
    shadow: ShadowTally | None
    model_activation: Activation | None
    unpause_activation: Activation | None


@dataclass(frozen=True, slots=True)
class CommitteeOverview:
    """A committee as its admin sees it. Times are unix seconds.

    Attributes:
        name: The committee's name in the configuration.
        feeds: The names of its feeds.
        change_delay: Seconds from a proposal to its activation.
        committee: What the hub has of it.
        now: The time of the chain's latest block.
        activation: Whether the proposed reporters can be activated; None if none are proposed.
    """

    name: str
    hub: str
    feeds: tuple[str, ...]
    change_delay: int
    committee: Committee
    now: int
    activation: Activation | None


async def look(hub: Hub, deployment: Deployment, name: str, state: FeedState, now: int) -> FeedView:
    """Return what is seen of a feed in this state. Only the latest round, and terms that never change, are read."""
    terms = await hub.feed_config(state.feed_id)
    names = {feed.feed_id: each for each, feed in deployment.feeds.items()}
    last = await _last_round(hub, state, terms)
    return FeedView(
        name=name,
        feed_id=state.feed_id,
        model=state.model_number,
        paused=state.paused,
        stale=last is not None and now - last.observed_at > terms.heartbeat + terms.max_age,
        committee=deployment.feeds[name].committee,
        peers=tuple(names.get(peer, to_hex(peer)) for peer in state.peers),
        last=last,
        held=HoldProgress.of(state, terms, now),
        now=now,
    )


async def overview(hub: Hub, deployment: Deployment, name: str) -> FeedOverview:
    """Read a feed and its proposals.

    Raises:
        ConfigError: There is no such feed.
        ChainUnavailable: No answer.
    """
    of = feed_id(deployment, name)
    now = (await hub.rpc.block()).timestamp
    state = await hub.feed_state(of)
    seen = await look(hub, deployment, name, state, now)
    proposals, shadow = await hub.proposals(of), await hub.shadow(of)
    model, unpause = proposals.model_from, proposals.unpause_from
    return FeedOverview(
        **{each.name: getattr(seen, each.name) for each in fields(FeedView)},
        hub=hub.address,
        change_delay=await hub.read("changeDelay"),
        proposals=proposals,
        shadow=shadow,
        model_activation=None
        if model is None
        else activation(model, now, await try_change(hub, Change.MODEL, of), shadow, await pace(hub, state)),
        unpause_activation=None
        if unpause is None
        else activation(unpause, now, await try_change(hub, Change.UNPAUSE, of)),
    )


async def pace(hub: Hub, state: FeedState) -> float | None:
    """Return the mean seconds between the feed's latest rounds; None if there are less than two, or it is paused."""
    if state.paused or state.round_id < 2:
        return None
    first = await hub.round(state.feed_id, max(1, state.round_id - PACE_ROUNDS))
    if first is None:
        return None
    return (state.observed_at - first.observed_at) / (state.round_id - first.round_id)


async def committee_overview(hub: Hub, deployment: Deployment, name: str) -> CommitteeOverview:
    """Read a committee and what is proposed for it. Raises as `overview`."""
    found = await hub.committee(committee_number(deployment, name))
    now, since = (await hub.rpc.block()).timestamp, found.active_from
    return CommitteeOverview(
        name=name,
        hub=hub.address,
        feeds=tuple(each for each, feed in deployment.feeds.items() if feed.committee == name),
        change_delay=await hub.read("changeDelay"),
        committee=found,
        now=now,
        activation=None
        if since is None
        else activation(since, now, await try_change(hub, Change.REPORTERS, found.number)),
    )


async def _last_round(hub: Hub, state: FeedState, terms: HubFeedConfig) -> LastRound | None:
    """Read what the hub stores of a feed's latest round; None if there is none."""
    found = await hub.round(state.feed_id, state.round_id) if state.round_id else None
    if found is None:
        return None
    return LastRound(found.round_id, _value(found.answer, terms), found.observed_at, found.count, found.spread)


def _value(answer: int, terms: HubFeedConfig) -> str:
    return f"{encoding.decimal_from_answer(answer, terms.decimals):f}"


# --- in words ------------------------------------------------------------------------------------------------------


def lines(found: FeedOverview) -> Mapping[str, str]:
    """Return the overview of a feed as lines of text by their labels."""
    proposed, shadow, last = found.proposals, found.shadow, found.last
    told = {
        "feed": f"{found.name} ({to_hex(found.feed_id)}) of hub {found.hub}",
        "model": f"{found.model}{_before(proposed, found.now)}",
        "committee": found.committee,
        "peers": ", ".join(found.peers) or "none",
        "paused": "yes" if found.paused else "no",
        "latest round": "none",
        "change delay": f"{found.change_delay:,} s",
    }
    if last is not None:
        told["latest round"] = (
            f"{last.round_id}: {last.answer}, observed at {utc(last.observed_at)} by {last.count} "
            f"reporter{'' if last.count == 1 else 's'}, {last.spread / 1_000:.3g} σ apart"
        )
    if found.stale:
        told["latest round"] += "; stale"
    if found.held is not None:
        told["held"] = str(found.held)
    if found.model_activation is not None:
        told["proposed model"] = f"{proposed.model}, {found.model_activation}"
    if shadow is not None and shadow.min_compared:
        told["its shadow"] = (
            f"{shadow.compared} of {shadow.min_compared} reports compared, {shadow.disagreements} verdicts differ, "
            f"{shadow.max_disagreements} may"
        )
    if found.unpause_activation is not None:
        told["unpause"] = str(found.unpause_activation)
    return told


def committee_lines(found: CommitteeOverview) -> Mapping[str, str]:
    """Return the overview of a committee as lines of text by their labels."""
    committee = found.committee
    told = {
        "committee": f"{found.name} (number {committee.number}, epoch {committee.epoch}) of hub {found.hub}",
        "reporters": f"{committee.quorum} of {len(committee.reporters)}: {', '.join(committee.reporters)}",
        "feeds": ", ".join(found.feeds) or "none",
        "change delay": f"{found.change_delay:,} s",
    }
    proposed = proposed_reporters(committee, found.now, found.activation)
    return told | ({"proposed reporters": proposed} if proposed else {})


def proposed_reporters(committee: Committee, now: int, tried: Activation | None = None) -> str:
    """Say which reporters are proposed, and when they can be activated; empty if none are.

    Args:
        now: The time of the chain's latest block.
        tried: What came of a simulated activation; None: none was made.
    """
    if committee.active_from is None:
        return ""
    window = proposal_window(committee.active_from, now) if tried is None else str(tried)
    return f"{committee.proposed_quorum} of {len(committee.proposed)}: {', '.join(committee.proposed)}, {window}"


def proposal_window(since: int | None, now: int) -> str:
    """Say from when on, and until when, the hub's delay allows to activate a proposal. Nothing is simulated."""
    since = since or 0
    until = since + CHANGE_WINDOW
    if since > now:
        return f"can be activated in {since - now:,} s, until {utc(until)}"
    if now <= until:
        return f"has passed its delay, and has to be activated until {utc(until)}"
    return f"has expired at {utc(until)}: propose it again"


def _before(proposed: Proposals, now: int) -> str:
    """Say to which model a rollback returns, and for how long it can."""
    if proposed.previous_model is None or proposed.previous_until is None:
        return ""
    if proposed.previous_until < now:
        return f", before it {proposed.previous_model}; the time for a rollback is over"
    return f", before it {proposed.previous_model}, to which it can be rolled back until {utc(proposed.previous_until)}"
