"""Deciding which feeds of a committee are due, at one time and together: pure functions, no clock, no network.

Feeds that are due and that one model judges make one report. The other feeds' answers go with it: a feed that is due
may have them as its peers. A feed whose peer has no answer can't be reported, because the hub would refuse it. Nor can
a relative feed begin with an answer that is not above zero.

Of a feed in the mode "pull", a report that only the interval or a move makes due is *offered*: proven and kept, for
whoever brings it. What the chain can't wait for is sent: the first round, the heartbeat, everything while the feed is
held. An offered report has one feed. With several, whoever brings one feed's newer report would end all the others'.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from oracle.core.stages import Decided, KeptReport, Observed
from oracle.core.types import FeedState, Kind
from oracle.feeds.observe import Sighting
from oracle.sources.aggregate import Due, DuePolicy, is_due
from oracle.sources.aggregate import decide as decide_one

__all__ = ["Decision", "Look", "decide"]


@dataclass(frozen=True, slots=True)
class Look:
    """The answers of a committee's feeds at one look.

    Attributes:
        observed_at: The time of all answers, unix seconds.
        sightings: What the sources of each feed say; a feed whose sources failed is missing.
        fresh: The feeds that were read at this look. Others keep their answer, for a recording that has none now.
        by_clock: True if the time is this machine's clock, as in a network. Then it says that the sources said so at
            that time, however old their newest readings were.
    """

    observed_at: int
    sightings: Mapping[str, Sighting]
    fresh: frozenset[str]
    by_clock: bool = False

    def said_at(self, feed: str) -> int:
        """Return when a feed's sources gave its answer: a report has to say something newer than the last one."""
        return self.observed_at if self.by_clock else self.sightings[feed].read_at


@dataclass(frozen=True, slots=True)
class Decision:
    """The reports that are due after a look.

    Attributes:
        reports: The reports to make, each with the number of the model that judges it.
        reasons: Why each feed in them is due; None if it only joins, as it waits for its report already.
        left_out: Why a feed that is due can't be reported.
    """

    reports: Sequence[tuple[int, Decided]] = ()
    reasons: Mapping[str, Due | None] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def decide(
    look: Look,
    states: Mapping[bytes, FeedState],
    policies: Mapping[str, DuePolicy],
    *,
    waiting: Mapping[str, Observed],
    under_way: Mapping[str, Observed],
    reported: Mapping[str, int],
    kept: Mapping[str, KeptReport] = MappingProxyType({}),
    offering: Collection[str] = (),
) -> Decision:
    """Decide what is due.

    Args:
        look: The look.
        states: The state of each feed that may be reported, by its id; of others their answers are used at most.
        policies: The rules by which a feed is due.
        waiting: The observations that wait for a prover. If anything else is due, they are made anew with it.
        under_way: The newest observation of each feed that is being reported.
        reported: For each feed, the time of the reading that was reported last; an older one is not believed.
        kept: The newest report of each feed that is kept.
        offering: The feeds whose observation that waits, or else is under way, will be kept.
    """
    reasons: dict[str, Due | None] = {}
    offered: set[str] = set()
    may_join: list[str] = []
    for feed in sorted(look.fresh):
        sighting, policy = look.sightings[feed], policies.get(feed)
        state = states.get(sighting.feed_id)
        if state is None or policy is None or state.paused or sighting.read_at < reported.get(feed, 0):
            continue
        due = _due(state, look, feed, policy)
        is_offered = bool(policy.pull_interval) and state.held is None and due in (None, Due.DEVIATION)
        if is_offered:
            due = _due_to_offer(state, kept.get(feed), look, feed, policy)
        if due is None:
            continue
        newest = waiting.get(feed) or under_way.get(feed)
        if feed in offering and not is_offered:
            newest = None  # it will not be sent
        again = due if newest is None else _due_again(newest, look, feed, policy, is_offered)
        if again is not None:
            reasons[feed] = again
            offered |= {feed} if is_offered else set()
        elif feed in waiting and feed not in offering and look.observed_at > waiting[feed].observed_at:
            may_join.append(feed)
    if not reasons:
        return Decision()
    reasons |= dict.fromkeys(may_join)
    left_out = {**_without_peers(look, states, reasons), **_without_level(look, states, reasons)}
    taken = [look.sightings[feed] for feed in reasons if feed not in left_out]
    reports = _reports(look, states, taken, offered)
    return Decision(reports, {each.feed: reasons[each.feed] for each in taken}, left_out)


def _due(state: FeedState, look: Look, feed: str, policy: DuePolicy) -> Due | None:
    due = decide_one(state, look.sightings[feed].answer, look.observed_at, policy)
    # The same reading again says nothing new, however long ago the last report was; nor does it confirm a held answer.
    said_at = look.said_at(feed) if due is Due.HEARTBEAT else look.sightings[feed].read_at
    return None if due in (Due.HEARTBEAT, Due.HELD) and said_at <= state.last_report_at else due


def _due_to_offer(state: FeedState, kept: KeptReport | None, look: Look, feed: str, policy: DuePolicy) -> Due | None:
    """Decide whether another report is due to be kept, after the one that is kept, or what the chain has."""
    if look.observed_at <= state.last_report_at:
        return None
    if policy.is_spaced:
        since = max(state.last_report_at, 0 if kept is None else kept.observed_at)
        return _due_after(state.answer, since, look, feed, policy)
    if kept is not None and kept.is_ahead_of(state):
        return _due_after(kept.answer, kept.observed_at, look, feed, policy)
    return _due_after(state.answer, state.observed_at, look, feed, policy)


def _due_after(answer: int, since: int, look: Look, feed: str, policy: DuePolicy) -> Due | None:
    observed_at, sighting = look.observed_at, look.sightings[feed]
    due = is_due(answer, since, sighting.answer, observed_at, replace(policy, heartbeat=policy.pull_interval))
    if due is Due.DEVIATION and not policy.is_spaced:
        return due
    is_time = observed_at - since >= policy.pull_interval and look.said_at(feed) > since
    return Due.INTERVAL if is_time else None


def _due_again(newest: Observed, look: Look, feed: str, policy: DuePolicy, is_offered: bool) -> Due | None:
    if is_offered:
        return _due_after(newest.answer, newest.observed_at, look, feed, policy)
    due = is_due(newest.answer, newest.observed_at, look.sightings[feed].answer, look.observed_at, policy)
    return None if due is Due.HEARTBEAT and look.said_at(feed) <= newest.observed_at else due


def _without_peers(look: Look, states: Mapping[bytes, FeedState], feeds: Collection[str]) -> dict[str, str]:
    """Return, for each feed of which a peer has no answer, what is missing."""
    answered = {each.feed_id: each.feed for each in look.sightings.values()}
    found = {}
    for feed in feeds:
        missing = [peer for peer in states[look.sightings[feed].feed_id].peers if peer not in answered]
        if missing:
            found[feed] = "no answer of its peer " + ", ".join(f"0x{peer.hex()[:8]}…" for peer in missing)
    return found


def _without_level(look: Look, states: Mapping[bytes, FeedState], feeds: Collection[str]) -> dict[str, str]:
    """Return, for each relative feed whose first answer would be no level to measure moves against, what is wrong."""
    found = {}
    for feed in feeds:
        sighting = look.sightings[feed]
        state = states[sighting.feed_id]
        if state.kind is Kind.RELATIVE and not state.round_id and sighting.answer <= 0:
            found[feed] = (
                f"its sources say {sighting.answer} in answer units, and the first answer of a relative feed has to be "
                "above 0: check what the sources give"
            )
    return found


def _reports(
    look: Look, states: Mapping[bytes, FeedState], taken: Collection[Sighting], offered: Collection[str]
) -> list[tuple[int, Decided]]:
    """Return a report for each model and committee, and then one for each feed that is offered.

    What is due in one may be a peer in another.
    """
    groups: dict[tuple[bytes, int, int], list[Sighting]] = {}
    for each in taken:
        state = states[each.feed_id]
        alone = each.feed_id if each.feed in offered else b""
        groups.setdefault((alone, state.model_number, state.committee), []).append(each)
    reports = []
    for (alone, model, committee), group in sorted(groups.items()):
        due = tuple(
            Observed(each.feed, each.feed_id, each.answer, look.observed_at)
            for each in sorted(group, key=lambda each: each.feed_id)
        )
        mine = {each.feed_id for each in due}
        others = sorted((each.feed_id, each.answer) for each in look.sightings.values() if each.feed_id not in mine)
        reports.append((model, Decided(committee, due, tuple(others), is_offered=bool(alone))))
    return reports
