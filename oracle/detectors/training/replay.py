"""A trained detector on its own data: through the gate, and how near each window is to the limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oracle.core import encoding, gate
from oracle.core.types import HoldReason, Kind, Outcome
from oracle.detectors.interface import Detector
from oracle.detectors.training.reports import Reports, Terms, count_of, spread_of


@dataclass(frozen=True, slots=True)
class Judged:
    """One report, and what the gate made of it.

    Attributes:
        at: The report's index.
        features: The features that it was judged by.
        scores: The detector's.
        outcome: ACCEPTED or HELD.
        reason: Why it is held, or was until it was confirmed.
        why: The same, with a clipped move apart: "anomalous", "clipped", "not_positive" or "repeated"; "" if nothing.
        error: How far the last round was from this report: what a reader saw if it was held; relative, on absolute
            feeds in sigmas.
    """

    at: int
    features: tuple[int, ...]
    scores: tuple[int, ...]
    outcome: Outcome
    reason: HoldReason
    why: str
    error: float


def judge_all(reports: Reports, terms: Terms, detector: Detector, policy: gate.HoldPolicy) -> Iterator[Judged]:
    """Pass each report through the gate, in order: features come from what was accepted before."""
    peers = [bytes([number]) * 32 for number, _ in enumerate(reports.peers, 1)]
    state = gate.empty_feed(bytes(32), reports.kind, terms.sigma, terms.heartbeat, 1, peers=peers)
    for at, (answer, time) in enumerate(zip(reports.answers, reports.times, strict=True)):
        beside = [
            encoding.PeerAnswer(peer.kind, peer.sigma, _told(peer.kind, peer.answers[at])) for peer in reports.peers
        ]
        features = encoding.features(
            state,
            answer,
            time,
            detector.features,
            tolerance=policy.tolerance,
            spread=spread_of(reports, terms, at),
            count=count_of(reports, at),
            peers=beside,
        )
        scores = detector.score_int(features)
        verdict = gate.judge(
            state,
            policy,
            answer,
            time,
            scores,
            score_unit=detector.score_unit,
            published_at=time,
            peer_answers=[each.answer for each in beside],
        )
        why = _why(
            verdict.reason, encoding.move(reports.kind, terms.sigma, answer, state.answer) if state.round_id else 0
        )
        error = _error(reports.kind, terms.sigma, state.answer, answer) if state.round_id else 0.0
        state = verdict.state
        yield Judged(at, features, scores, verdict.outcome, verdict.reason, why, error)


def _why(reason: HoldReason, move: int) -> str:
    """Return why a report is held: a clipped move is held whatever the model says; the hub calls it anomalous."""
    if reason is HoldReason.NONE:
        return ""
    return "clipped" if reason is HoldReason.ANOMALOUS and abs(move) == encoding.CLIP else reason.name.lower()


def _error(kind: Kind, sigma: int, seen: int, true: int) -> float:
    return abs(seen - true) / (sigma if kind is Kind.ABSOLUTE else max(1, abs(true)))


def _told(kind: Kind, answer: int | None) -> int:
    """Return a peer's answer; if it has none, one from which and to which no move is measured."""
    if answer is not None:
        return answer
    return 0 if kind is Kind.RELATIVE else encoding.NO_ANSWER


def pressures(detector: Detector, windows: Sequence[Sequence[int]]) -> list[float]:
    """Return how near each window is to the nearest limit: 1 is on it. Calm and volatile times compare.

    Where an output has no measure and limit, its score in score units is taken.
    """
    found = []
    for window in windows:
        each = [
            part.score if part.measured is None or not part.limit else (part.measured / part.limit)
            for part in detector.explain(window)
        ]
        found.append(max(each))
    return found
