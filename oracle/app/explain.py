"""`oracle explain`: why a report was accepted or is held.

The features are rebuilt from the chain's own rounds, and the scores by the integer model. So the explanation is about
exactly what was proven. `oracle.app.explanation` puts it into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from oracle.app.circuits import deployed_artifact
from oracle.app.detectors import detector_of
from oracle.app.explanation import Account, ExplainedFeed, SignedContext, explain
from oracle.audit.calldata import read_submission
from oracle.chain.connect import connect
from oracle.chain.deploy import load_deployment
from oracle.chain.hub import Hub, HubFeedConfig, RoundEvent, RoundHeld
from oracle.config import Config
from oracle.core import encoding, gate
from oracle.core.encoding import Feature, PeerAnswer
from oracle.core.errors import DataError
from oracle.core.gate import HoldPolicy
from oracle.core.report import SignedReport
from oracle.core.types import FeedState, HeldAnswer, Round, Status

__all__ = ["JudgedReport", "as_judged", "explain_feed", "find_report"]

_SIGNED = {Feature.SPREAD, Feature.COUNT}
"""Features that follow from the signed answers."""


@dataclass(frozen=True)
class JudgedReport:
    """A report to explain.

    Attributes:
        model_number: The model that judged it.
        before: The feed's state before it, as far as features depend on it.
        held: The hold that it is part of; None if it is a round.
        round: The round that it became; None if it is held.
    """

    round_id: int
    model_number: int
    before: FeedState
    answer: int
    observed_at: int
    held: HeldAnswer | None
    round: Round | None


async def explain_feed(config: Config, feed: str, round_id: int | None = None) -> Account:
    """Explain a round of a feed, or its current hold.

    Args:
        config: The configuration.
        feed: The feed's name.
        round_id: The round; None: the hold if there is one, else the latest round.

    Raises:
        ConfigError: There is no such feed.
        DataError: There is no such round, or the endpoint lacks the history that the explanation needs.
        ArtifactError: The artifact of the model that judged it is not here.
    """
    deployment = load_deployment(config.chain.deployment)
    feed_id = deployment.feed(feed).feed_id
    async with connect(config.chain) as rpc:
        hub = Hub(rpc, deployment.hub)
        terms, now = await hub.feed_config(feed_id), await hub.feed_state(feed_id)
        report = await find_report(hub, feed, now, round_id)
        detector = detector_of(deployed_artifact(config, deployment, report.model_number))
        report, signed = await as_judged(hub, report, detector.features, since=deployment.block)
    return explain(
        _explained(feed, terms),
        detector,
        report.before,
        report.answer,
        report.observed_at,
        round_id=report.round_id,
        held=report.held,
        signed=signed,
    )


async def find_report(hub: Hub, feed: str, now: FeedState, round_id: int | None) -> JudgedReport:
    """Read the report that a round was made of, or that is held instead of becoming it.

    Args:
        hub: The hub.
        feed: The feed's name, for messages.
        now: The feed's state.
        round_id: The round; None: the hold if there is one, else the latest round.

    Raises:
        DataError: There is no such round.
    """
    next_round = now.round_id + 1
    if round_id is None:
        round_id = next_round if now.held else now.round_id
    if now.round_id == 0 and now.held is None:
        raise DataError(f"feed {feed} has no report yet: there is nothing to explain")
    if not 1 <= round_id <= now.round_id + (now.held is not None):
        held = f"; round {next_round} is held" if now.held else ""
        raise DataError(f"feed {feed} has the rounds 1 to {now.round_id}{held}: there is no round {round_id}")
    if round_id == next_round and now.held is not None:
        # With the hold, because the latest held answer was judged with the gap of the first one.
        return JudgedReport(round_id, now.held.model_number, now, now.held.answer, now.held.observed_at, now.held, None)
    first = max(1, round_id - encoding.RING_SIZE - 1)
    rounds = await hub.rounds(now.feed_id, first, round_id)
    found = rounds[-1]
    return JudgedReport(
        round_id, found.model_number, _before(now, rounds), found.answer, found.observed_at, None, found
    )


async def as_judged(
    hub: Hub, report: JudgedReport, listed: Sequence[Feature], *, since: int
) -> tuple[JudgedReport, SignedContext]:
    """Return a report with all that a model's features depend on: the state before it, and what reporters signed.

    Args:
        hub: The hub.
        report: The report, as `find_report` has it.
        listed: The model's features.
        since: The block from which on the hub's events are looked for.

    Raises:
        DataError: The endpoint lacks the history that this needs.
    """
    feed_id = report.before.feed_id
    events = [
        event
        for event in await hub.logs(since, await hub.rpc.block_number())
        if (event.feed_id, event.round_id) == (feed_id, report.round_id)
    ]
    report = await _exact(hub, report, listed, events, _policy(await hub.feed_config(feed_id)))
    return report, await _signed(hub, report, listed, events)


async def _exact(
    hub: Hub, report: JudgedReport, listed: Sequence[Feature], events: Sequence[RoundEvent], policy: HoldPolicy
) -> JudgedReport:
    """Return a round's report with everything in the state before it that the model's features depend on."""
    if report.round is None:
        return report
    before = report.before
    if _measures_peers(before, listed) or Feature.VARIANCE in listed:
        # These remember more than the rounds tell; a node with old states has them.
        block = next((event.block_number for event in events if event.observed_at == report.observed_at), None)
        if block is None:
            raise DataError(f"this endpoint has no event of round {report.round_id}: use one with the whole history")
        before = await hub.feed_state(before.feed_id, block - 1)
        if before.round_id != report.round_id - 1:
            raise DataError(f"round {report.round_id} shares its block with another report of the feed")
        return replace(report, before=before)
    for event in events:
        if isinstance(event, RoundHeld) and event.observed_at < report.observed_at:
            # The chain's clock stands still here: a hold that went on is never taken for a confirmed one.
            peers = (0,) * len(before.peers)
            before = gate.judge(
                before,
                policy,
                event.answer,
                event.observed_at,
                event.scores,
                score_unit=1,
                published_at=0,
                peer_answers=peers,
            ).state
    return replace(report, before=before)


def _measures_peers(state: FeedState, listed: Sequence[Feature]) -> bool:
    """Return True if the features depend on answers of the feed's peers."""
    return bool(state.peers) and encoding.sees_peers(listed)


async def _signed(
    hub: Hub, report: JudgedReport, listed: Sequence[Feature], events: Sequence[RoundEvent]
) -> SignedContext:
    """Return what the features take from the signed report. Its calldata is read only if they take something."""
    if not _measures_peers(report.before, listed) and (report.round is not None or not _SIGNED.intersection(listed)):
        found = report.round
        return SignedContext() if found is None else SignedContext(found.spread, found.count)
    signed = await _report_of(hub, report, events)
    state = report.before
    own = signed.report.position(state.feed_id)
    peers = []
    for peer_id in state.peers:
        position = signed.report.position(peer_id)
        assert position is not None  # the hub takes no report without them
        terms = await hub.feed_config(peer_id)
        peers.append(PeerAnswer(terms.kind, terms.sigma, signed.median(position)))
    assert own is not None
    return SignedContext(signed.spread(own, state.kind, state.sigma), signed.count(own), tuple(peers))


async def _report_of(hub: Hub, report: JudgedReport, events: Sequence[RoundEvent]) -> SignedReport:
    """Return the signed report, from the calldata that carried it."""
    for event in events:
        if event.observed_at != report.observed_at:
            continue
        transaction = await hub.rpc.transaction(event.tx_hash)
        if transaction is None or transaction.to != hub.address:
            break
        try:
            return read_submission(transaction.data).signed
        except ValueError:
            break
    raise DataError(
        f"the calldata of round {report.round_id} can't be read from this endpoint, and the model sees the reporters' "
        "answers: use an endpoint with the whole history"
    )


def _policy(terms: HubFeedConfig) -> HoldPolicy:
    return HoldPolicy(terms.confirmations, terms.confirm_delay, terms.tolerance, terms.max_repeats)


def _explained(name: str, terms: HubFeedConfig) -> ExplainedFeed:
    return ExplainedFeed(name, terms.kind, terms.sigma, terms.heartbeat, terms.decimals, _policy(terms))


def _before(now: FeedState, rounds: Sequence[Round]) -> FeedState:
    """Return the feed's state before the last of these rounds, as far as features depend on it."""
    earlier = rounds[:-1]
    empty = gate.empty_feed(now.feed_id, now.kind, now.sigma, now.heartbeat, rounds[-1].model_number, peers=now.peers)
    if not earlier:
        return empty
    moves = [encoding.move(now.kind, now.sigma, after.answer, before.answer) for before, after in pairwise(earlier)]
    returns = (*reversed(moves), *(0,) * encoding.RING_SIZE)[: encoding.RING_SIZE]
    last = earlier[-1]
    return replace(
        empty,
        status=Status.OK,
        round_id=last.round_id,
        answer=last.answer,
        observed_at=last.observed_at,
        returns=returns,
    )
