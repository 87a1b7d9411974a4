"""Two models compared on what the chain has: the latest reports of a feed are judged again by both, here, for nothing.

So it is known before a model is proposed how often it disagrees with the active one. Nothing is proven or sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from oracle.app.circuits import deployed_artifact
from oracle.app.detectors import detector_of
from oracle.audit.calldata import read_submission
from oracle.chain.admin import feed_id
from oracle.chain.connect import connect
from oracle.chain.deploy import Deployment, load_deployment
from oracle.chain.hub import Hub, HubFeedConfig, RoundAccepted, RoundEvent
from oracle.config import Config
from oracle.core import encoding, gate
from oracle.core.disagreement import Disagreement
from oracle.core.encoding import Feature, PeerAnswer
from oracle.core.errors import ArtifactError, ChainUnavailable, ContractRejected, DataError
from oracle.core.gate import HoldPolicy
from oracle.core.report import SignedReport
from oracle.core.types import FeedState, HoldReason
from oracle.detectors.interface import Detector, Disclosure

__all__ = ["REPORTS", "DifferingReport", "ModelComparison", "RebuiltReport", "compare_models", "rebuild_reports"]

REPORTS = 500
"""The most reports that are judged again."""

_WARM = 64
"""Reports before those that are judged again: from them the moves and the variance follow that a model sees."""

_BLOCKS = 20_000
"""Blocks in which reports are looked for first, from the latest one back; then in twice as many, and so on."""

_SIGNED = {Feature.SPREAD, Feature.COUNT}
"""Features that follow from the signed answers."""


@dataclass(frozen=True, slots=True)
class DifferingReport:
    """A report that one of two models accepts, and the other does not.

    Attributes:
        round_id: The round that it became, or was meant to be.
        observed_at: Unix seconds.
        answer: The answer, in the feed's own units.
        held_by: The number of the model that holds it.
    """

    round_id: int
    observed_at: int
    answer: str
    held_by: int


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """The verdicts of two models on the latest reports of a feed.

    Attributes:
        feed: The feed's name.
        active: The number of the active model.
        other: The number of the model that it is compared with.
        reports: How many reports both have judged.
        left_out: Reports that could not be judged again as the chain has judged them; they are not counted.
        differing: Those that one of the two accepts and the other does not, oldest first.
        pace_s: Mean seconds between two of them; None: there are too few.
    """

    feed: str
    active: int
    other: int
    reports: int
    left_out: int
    differing: tuple[DifferingReport, ...]
    pace_s: float | None

    @property
    def disagreement(self) -> Disagreement:
        """The count, for what follows from it."""
        return Disagreement(self.reports, len(self.differing))


async def compare_models(config: Config, feed: str, number: int) -> ModelComparison:
    """Judge the latest reports of a feed again, by its active model and by another one.

    Args:
        config: The configuration.
        feed: The feed's name.
        number: The other model's number on the hub.

    Raises:
        ConfigError: There is no such feed.
        DataError: The deployment has no such model, or the feed has it already.
        ArtifactError: The other model's artifact is not here.
        ChainUnavailable: No answer.
    """
    deployment = load_deployment(config.chain.deployment)
    of = feed_id(deployment, feed)
    other = _detector(config, deployment, number)
    async with connect(config.chain) as rpc:
        hub = Hub(rpc, deployment.hub)
        now, terms = await hub.feed_state(of), await hub.feed_config(of)
        if now.model_number == number:
            raise DataError(f"model {number} is the active one of feed {feed}: name another one")
        try:
            active = _detector(config, deployment, now.model_number)
        except (ArtifactError, DataError):
            active = None  # its verdicts are on the chain
        listed = (*other.features, *(active.features if active else ()))
        judged = await rebuild_reports(hub, now, listed, since=deployment.block, reports=REPORTS)
    return _compared(feed, now.model_number, number, terms, active, other, judged)


def _detector(config: Config, deployment: Deployment, number: int) -> Detector:
    if number not in deployment.models:
        known = ", ".join(map(str, sorted(deployment.models)))
        raise DataError(
            f"{config.chain.deployment} has no model {number}, it has: {known}; `oracle deploy --add-model` adds one"
        )
    return detector_of(deployed_artifact(config, deployment, number)).publishing(Disclosure.SCORE)


# --- the chain's reports -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RebuiltReport:
    """A report of a feed, with all that features depend on.

    Attributes:
        event: The hub's event.
        before: The feed's state before it, as far as features depend on it.
        spread: The spread of the signed answers, in thousandths of sigma.
        count: How many reporters have an answer.
        peers: The answers of the feed's peers.
        tolerance: The feed's, in thousandths of sigma.
    """

    event: RoundEvent
    before: FeedState
    spread: int
    count: int
    peers: tuple[PeerAnswer, ...]
    tolerance: int

    def features(self, listed: Sequence[Feature]) -> tuple[int, ...]:
        """Return the features by which the hub judged it, in a model's order."""
        return encoding.features(
            self.before,
            self.event.answer,
            self.event.observed_at,
            listed,
            tolerance=self.tolerance,
            spread=self.spread,
            count=self.count,
            peers=self.peers,
        )


async def rebuild_reports(
    hub: Hub, now: FeedState, listed: Sequence[Feature], *, since: int, reports: int
) -> list[RebuiltReport]:
    """Return the latest reports of a feed, oldest first, with all that features depend on.

    Args:
        hub: The hub.
        now: The feed's state.
        listed: The features that are wanted. Calldata is read only if one of them follows from it.
        since: A block that is not after the feed's first report.
        reports: How many reports.

    Raises:
        ChainUnavailable: No answer.
    """
    events, is_whole = await _latest(hub, now.feed_id, since, reports + _WARM)
    state, first = await _start(hub, now, events, is_whole, reports)
    found = await _follow(hub, state, await hub.feed_config(now.feed_id), events[first:], listed)
    return found[max(0, len(events) - reports) - first :]


async def _latest(hub: Hub, of: bytes, since: int, wanted: int) -> tuple[list[RoundEvent], bool]:
    """Return at least so many of a feed's latest reports, oldest first, if it has them, and if these are all it has."""
    last, blocks = await hub.rpc.block_number(), _BLOCKS
    found: list[RoundEvent] = []
    while last >= since and len(found) < wanted:
        first = max(since, last - blocks + 1)
        found = [*(await hub.logs(first, last, of)), *found]
        last, blocks = first - 1, blocks * 2
    return found, last < since


async def _start(
    hub: Hub, now: FeedState, events: Sequence[RoundEvent], is_whole: bool, reports: int
) -> tuple[FeedState, int]:
    """Return a state of the feed to begin with, and the index of the event that comes after it."""
    empty = gate.empty_feed(
        now.feed_id, now.kind, now.sigma, now.heartbeat, now.model_number, committee=now.committee, peers=now.peers
    )
    first = max(0, len(events) - reports)
    if is_whole or not events:
        return empty, 0
    with contextlib.suppress(ContractRejected, ChainUnavailable):  # a node without old states
        before = await hub.feed_state(now.feed_id, events[first].block_number - 1)
        if before.last_report_at < events[first].observed_at and before.round_id == events[first].round_id - 1:
            return before, first
    # From here on moves and variance follow from the reports alone.
    return replace(empty, round_id=max(0, events[0].round_id - 1), peer_answers=(0,) * len(now.peers)), 0


async def _follow(
    hub: Hub, state: FeedState, terms: HubFeedConfig, events: Sequence[RoundEvent], listed: Sequence[Feature]
) -> list[RebuiltReport]:
    """Return each report with the state before it."""
    policy = HoldPolicy(terms.confirmations, terms.confirm_delay, terms.tolerance, terms.max_repeats)
    sees_peers = bool(state.peers) and encoding.sees_peers(listed)
    sees_signed = sees_peers or not _SIGNED.isdisjoint(listed)
    measures = [await hub.feed_config(peer) for peer in state.peers]
    found: list[RebuiltReport] = []
    for event in events:
        signed = await _signed(hub, event) if sees_signed else None
        spread, count, peers = 0, 1, (0,) * len(state.peers)
        if signed is not None and (own := signed.report.position(state.feed_id)) is not None:
            spread, count = signed.spread(own, state.kind, state.sigma), signed.count(own)
            places = [signed.report.position(peer) for peer in state.peers]
            peers = tuple(0 if place is None else signed.median(place) for place in places)
        answers = tuple(PeerAnswer(each.kind, each.sigma, answer) for each, answer in zip(measures, peers, strict=True))
        found.append(RebuiltReport(event, state, spread, count, answers, terms.tolerance))
        state = _after(state, policy, event, peers)
    return found


async def _signed(hub: Hub, event: RoundEvent) -> SignedReport | None:
    """Return the signed report behind an event; None if its calldata is not that of a report alone."""
    transaction = await hub.rpc.transaction(event.tx_hash)
    if transaction is None or transaction.to != hub.address:
        return None
    try:
        return read_submission(transaction.data).signed
    except ValueError:
        return None


def _after(state: FeedState, policy: HoldPolicy, event: RoundEvent, peers: tuple[int, ...]) -> FeedState:
    """Return a feed's state after a report, as far as features depend on it. The event says what became of it."""
    if isinstance(event, RoundAccepted):
        # The chain's clock stands still here.
        accepted = gate.accept(state, policy.tolerance, event.answer, event.observed_at, state.published_at, peers)
        return replace(accepted, round_id=event.round_id)
    # For the same reason, a hold is never taken for a confirmed one.
    scores = (1,) if event.reason is HoldReason.ANOMALOUS else (0,)
    endless = replace(policy, confirm_delay=max(1, policy.confirm_delay))
    judged = gate.judge(
        state, endless, event.answer, event.observed_at, scores, score_unit=1, published_at=0, peer_answers=peers
    )
    return judged.state if judged.state.held is not None else replace(state, last_report_at=event.observed_at)


# --- the verdicts --------------------------------------------------------------------------------------------------


def _compared(
    feed: str,
    active: int,
    number: int,
    terms: HubFeedConfig,
    detector: Detector | None,
    other: Detector,
    judged: Sequence[RebuiltReport],
) -> ModelComparison:
    """Compare the verdicts of two models on reports."""
    windows = [each for each in judged if each.before.round_id]
    mine = None if detector is None else _verdicts(detector, windows)
    theirs = _verdicts(other, windows)
    counted: list[RoundEvent] = []
    differing: list[DifferingReport] = []
    for index, each in enumerate(windows):
        said = any(score > 0 for score in each.event.scores)
        is_by_active = each.event.model_number == active
        if mine is None and not is_by_active:
            continue
        if mine is not None and is_by_active and mine[index] != said:
            continue  # this node did not give all that its features depend on
        verdict = said if is_by_active or mine is None else mine[index]
        counted.append(each.event)
        if verdict != theirs[index]:
            answer = f"{encoding.decimal_from_answer(each.event.answer, terms.decimals):f}"
            held_by = active if verdict else number
            differing.append(DifferingReport(each.event.round_id, each.event.observed_at, answer, held_by))
    span = counted[-1].observed_at - counted[0].observed_at if len(counted) > 1 else 0
    return ModelComparison(
        feed=feed,
        active=active,
        other=number,
        reports=len(counted),
        left_out=len(windows) - len(counted),
        differing=tuple(differing),
        pace_s=span / (len(counted) - 1) if span else None,
    )


def _verdicts(detector: Detector, reports: Sequence[RebuiltReport]) -> list[bool]:
    """Return for each report whether a model holds it."""
    if not reports:
        return []
    scored = detector.score_many([each.features(detector.features) for each in reports])
    return [any(score > 0 for score in scores) for scores in scored.tolist()]
