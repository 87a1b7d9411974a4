"""Deriving: the report to sign, and the features of its observations, from the chain's state and the signed answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from oracle.core import encoding
from oracle.core.encoding import PeerAnswer
from oracle.core.report import Report, SignedReport
from oracle.core.stages import Decided, Observed, OpenStage, Proven, Submitted
from oracle.core.types import FeedState
from oracle.feeds.interface import FeedTerms, ProvingModel, SigningCommittee

__all__ = ["answers", "features", "peers", "report"]


def peers(states: Iterable[FeedState]) -> set[bytes]:
    """Return the peers of feeds in these states."""
    return {peer for state in states for peer in state.peers}


def report(decided: Decided, committee: SigningCommittee, states: Mapping[bytes, FeedState]) -> Report:
    """Return the report to sign: the feeds that are due with their next rounds, and their peers as references."""
    ids = [each.feed_id for each in decided.due]
    rounds = dict.fromkeys(peers(states[each] for each in ids), 0)
    rounds |= {feed_id: states[feed_id].round_id + 1 for feed_id in ids}
    listed = tuple(sorted(rounds))
    numbers = tuple(rounds[each] for each in listed)
    return Report(decided.committee, committee.epoch, decided.observed_at, listed, numbers)


def features(
    decided: Decided,
    signed: SignedReport,
    states: Mapping[bytes, FeedState],
    terms: Mapping[bytes, FeedTerms],
    model: ProvingModel,
) -> tuple[tuple[int, ...], ...]:
    """Return the features of each observation, as the hub will derive them from the signed answers."""
    place = {feed_id: position for position, feed_id in enumerate(signed.report.feed_ids)}

    def of(feed_id: bytes) -> tuple[int, ...]:
        state, mine = states[feed_id], terms[feed_id]
        return encoding.features(
            state,
            signed.median(place[feed_id]),
            signed.report.observed_at,
            tuple(model.features),
            tolerance=mine.tolerance,
            spread=signed.spread(place[feed_id], mine.kind, mine.sigma),
            count=signed.count(place[feed_id]),
            peers=[PeerAnswer(terms[peer].kind, terms[peer].sigma, signed.median(place[peer])) for peer in state.peers],
        )

    return tuple(of(each.feed_id) for each in decided.due)


def answers(stage: OpenStage, observed: Observed) -> set[int]:
    """Return the answers by which an observation is known on the chain: ours, and the median of the signed ones."""
    if isinstance(stage, Decided):
        return {observed.answer}
    proven = stage.proven if isinstance(stage, Submitted) else stage
    signed = (proven.scored if isinstance(proven, Proven) else proven).signed
    return {observed.answer, signed.median(signed.report.feed_ids.index(observed.feed_id))}
