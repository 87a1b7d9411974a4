"""Tests of the windows that training learns from: they are what the hub derives, with peers and bad stretches."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from oracle.core import encoding, gate
from oracle.core.encoding import PEER_FEATURES, Feature, PeerAnswer
from oracle.core.types import FeedState, Kind
from oracle.detectors.training.reports import (
    FEATURES,
    FIRST_WINDOW,
    ReportedPeer,
    Reports,
    Terms,
    counted,
    heartbeat_of,
    last_places,
    sigma_of,
    windows,
)

POLICY = gate.HoldPolicy(confirmations=3, confirm_delay=60, tolerance=3_000)
TERMS = Terms(10_000, 60)


def made(count: int = 120, seed: int = 1) -> Reports:
    """Return reports of three sources with two peers, one of which is missing at times, and irregular gaps."""
    draw = random.Random(seed)
    time, answer, beside, counts = 1_000, 10**10, [10**9, 500], []
    times, answers, lowest, highest = [], [], [], []
    peers: tuple[list[int | None], list[int | None]] = ([], [])
    for _ in range(count):
        time += draw.choice((60, 60, 60, 17, 200))
        answer = round(answer * (1 + draw.gauss(0, 0.01)))
        beside = [round(beside[0] * (1 + draw.gauss(0, 0.01))), beside[1] + draw.randrange(-90, 91)]
        times.append(time)
        answers.append(answer)
        lowest.append(answer - draw.randrange(10**7))
        highest.append(answer + draw.randrange(10**7))
        counts.append(draw.choice((2, 3)))
        peers[0].append(None if draw.random() < 0.1 else beside[0])
        peers[1].append(beside[1])
    described = (
        ReportedPeer("relative", Kind.RELATIVE, 8, 9_000, tuple(peers[0]), 60),
        ReportedPeer("absolute", Kind.ABSOLUTE, 2, 50, tuple(peers[1]), 60),
    )
    return Reports(
        Kind.RELATIVE, 8, tuple(times), tuple(answers), tuple(lowest), tuple(highest), tuple(counts), described
    )


def through_the_hub(reports: Reports) -> list[tuple[int, ...]]:
    """Return what the hub derives, if reports of bad stretches are held, and all others are accepted."""
    ids = [bytes([number]) * 32 for number, _ in enumerate(reports.peers, 1)]
    state: FeedState = gate.empty_feed(bytes(32), reports.kind, TERMS.sigma, TERMS.heartbeat, 1, peers=ids)
    found = []
    for at in range(len(reports)):
        # A missing answer is one of 0, from which and to which the hub measures no move.
        beside = [PeerAnswer(peer.kind, peer.sigma, peer.answers[at] or 0) for peer in reports.peers]
        answer, time = reports.answers[at], reports.times[at]
        spread = encoding.spread(reports.kind, TERMS.sigma, reports.lowest[at], reports.highest[at])
        found.append(
            encoding.features(
                state, answer, time, FEATURES, tolerance=0, spread=spread, count=reports.counts[at], peers=beside
            )
        )
        if not reports.is_bad(at):
            verdict = gate.judge(
                state,
                POLICY,
                answer,
                time,
                (-1,),
                score_unit=1,
                published_at=time,
                peer_answers=[each.answer for each in beside],
            )
            state = verdict.state
    return found[FIRST_WINDOW:]


def test_windows_are_what_the_hub_derives() -> None:
    reports = made()
    found = windows(reports, TERMS)
    assert found == through_the_hub(reports)
    seen = {feature: {window[FEATURES.index(feature)] for window in found} for feature in FEATURES}
    assert seen[Feature.PEER_SEEN_0] == {0, 1} and seen[Feature.PEER_SEEN_1] == {1}
    assert seen[Feature.COUNT] == {2, 3} and len(seen[Feature.VARIANCE]) > 90 and max(seen[Feature.SPREAD]) > 0
    assert FEATURES[0] is Feature.MOVE and FEATURES[-1] is Feature.GAP and set(FEATURES) == set(Feature)


def test_bad_stretches_are_nobodys_past() -> None:
    """Whatever was reported in one changes no window after it, and no sigma or heartbeat."""
    reports = made()
    first, last = 40, 47
    marked = replace(reports, bad=((reports.times[first], reports.times[last]),))
    assert windows(marked, TERMS) == through_the_hub(marked)
    wild = list(reports.answers)
    wild[first : last + 1] = [10**12] * 8
    other = replace(marked, answers=tuple(wild))
    kept = [at for at, counts in enumerate(counted(marked)) if counts]
    assert kept == [*range(FIRST_WINDOW, first), *range(last + 1, len(reports))]
    one, two = (windows(each, TERMS) for each in (marked, other))
    assert [one[at - FIRST_WINDOW] for at in kept] == [two[at - FIRST_WINDOW] for at in kept]
    assert sigma_of(marked, 100, 60) == sigma_of(other, 100, 60) < sigma_of(replace(other, bad=()), 100, 60)
    assert heartbeat_of(marked, 100) == heartbeat_of(other, 100) == 60
    assert windows(replace(other, bad=()), TERMS) != two


def test_a_window_counts_only_with_a_full_past_of_good_reports() -> None:
    reports = made()
    marked = replace(reports, bad=((reports.times[5], reports.times[9]),))
    assert counted(marked).index(True) == FIRST_WINDOW + 5


@pytest.mark.parametrize("peers", [0, 1])
def test_a_feed_without_a_peer_never_sees_one(peers: int) -> None:
    reports = made()
    fewer = replace(reports, peers=reports.peers[:peers])
    moved, seen = (FEATURES.index(each) for each in PEER_FEATURES[peers])
    assert {(window[moved], window[seen]) for window in windows(fewer, TERMS)} == {(0, 0)}
    assert windows(fewer, TERMS) == through_the_hub(fewer)


def test_the_last_answer_is_the_one_at_or_before_a_time() -> None:
    assert last_places([1, 5, 6, 9, 20], [2, 5, 9], 4) == [None, 1, 1, 2, None]
