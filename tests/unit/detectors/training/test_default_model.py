"""Tests of the model that ships: the data that it reads, what it was trained on, and what it sees of the year after."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from oracle.core import encoding, gate
from oracle.core.types import FeedState, Kind, Outcome
from oracle.detectors.registry import packaged
from oracle.detectors.trainers.windows import cut
from oracle.detectors.training import default_model
from oracle.detectors.training.reports import FEATURES, Reports, Terms, windows
from scripts.train_default_model import load

MODEL = packaged()
POLICY = gate.HoldPolicy(confirmations=3, confirm_delay=86_400, tolerance=3_000)
SERIES = {series.name: series for series in default_model.SERIES}


def sigma(name: str) -> int:
    return default_model.sigma_ppm(default_model.before(load(SERIES[name]), SERIES[name].until))


def test_the_packaged_model_is_this_one_and_public() -> None:
    assert MODEL.name == default_model.NAME
    assert '"salt": ""' in MODEL.to_json()


def test_windows_are_what_the_contract_derives() -> None:
    """Observation by observation, they are the features that the encoding derives from a feed's state."""
    own, beside = load(SERIES["sp500"]), load(SERIES["nasdaq"])
    recorded = replace(own, answers=own.answers[:40], times=own.times[:40])
    assert beside.times[:40] == recorded.times
    peer = default_model.peer_of(recorded, "nasdaq", beside)
    state = gate.empty_feed(bytes(32), Kind.RELATIVE, 10_000, default_model.HEARTBEAT, 1, peers=[bytes([1]) * 32])
    derived = []
    for answer, time, other in zip(recorded.answers, recorded.times, beside.answers, strict=False):
        peers = [encoding.PeerAnswer(peer.kind, peer.sigma, other)]
        listed = MODEL.features
        derived.append(encoding.features(state, answer, time, listed, tolerance=POLICY.tolerance, peers=peers))
        state = gate.judge(
            state, POLICY, answer, time, (-1, -1), score_unit=1, published_at=time, peer_answers=[other]
        ).state
    found = windows(replace(recorded, peers=(peer,)), Terms(10_000, default_model.HEARTBEAT))
    assert cut(found, FEATURES, MODEL.features) == derived[13:]


def test_training_looks_at_nothing_that_the_demonstration_replays() -> None:
    for name, series in SERIES.items():
        recorded = default_model.before(load(series), series.until)
        last = dt.datetime.fromtimestamp(recorded.times[-1], dt.UTC).date()
        assert last < series.until <= dt.date(2015 if name == "vix" else 2007, 1, 1)


def test_the_fit_keeps_its_budget_on_the_training_ranges() -> None:
    found = {name: default_model.before(load(series), series.until) for name, series in SERIES.items()}
    learnt = default_model.lesson(found)
    seen = cut(learnt.calibrate, learnt.features, MODEL.features)
    objections = sum(max(scores) > 0 for scores in MODEL.score_many(seen).tolist())
    assert len(seen) > 9_000
    assert 0 < objections <= len(seen) * default_model.BUDGET


def days_of_the_crisis(name: str) -> tuple[Reports, str | None]:
    series = SERIES[name]
    recorded = load(series)
    if series.peer:
        recorded = replace(recorded, peers=(default_model.peer_of(recorded, series.peer, load(SERIES[series.peer])),))
    return recorded, series.peer


def judged_as(state: FeedState, answer: int, time: int, beside: list[encoding.PeerAnswer]) -> gate.Verdict:
    seen = encoding.features(state, answer, time, MODEL.features, tolerance=POLICY.tolerance, peers=beside)
    scores, peers = MODEL.score_int(seen), [each.answer for each in beside]
    unit = MODEL.score_unit
    return gate.judge(state, POLICY, answer, time, scores, score_unit=unit, published_at=time, peer_answers=peers)


@pytest.mark.parametrize("name", ["sp500", "nasdaq", "wti"])
def test_the_crisis_of_2008_passes_and_faults_in_it_do_not(name: str) -> None:
    """The year is outside the training range, and is replayed with the history that the hub would have accepted."""
    recorded, peer_name = days_of_the_crisis(name)
    peers = [bytes([1]) * 32] if peer_name else []
    terms = [(sigma(peer_name), recorded.peers[0].answers)] if peer_name else []
    state = gate.empty_feed(bytes(32), Kind.RELATIVE, sigma(name), default_model.HEARTBEAT, 1, peers=peers)
    begin, end = (dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp() for year in (2007, 2010))
    false_holds = judged = 0
    caught = dict.fromkeys(("x10", "/10", "zero", "negative", "+20 %", "-20 %"), 0)
    for at, (answer, time) in enumerate(zip(recorded.answers, recorded.times, strict=True)):
        if time >= end:
            break
        beside = [encoding.PeerAnswer(Kind.RELATIVE, known, answers[at] or 0) for known, answers in terms]

        verdict = judged_as(state, answer, time, beside)
        if time >= begin:
            judged += 1
            false_holds += verdict.outcome is Outcome.HELD
            faulty = (answer * 10, answer // 10, 0, -answer, answer * 6 // 5, answer * 4 // 5)
            for kind, fault in zip(caught, faulty, strict=True):
                caught[kind] += judged_as(state, fault, time, beside).outcome is Outcome.HELD
        state = verdict.state
    assert judged > 750
    assert false_holds == 0
    assert all(caught[kind] >= 0.99 * judged for kind in ("x10", "/10", "zero", "negative")), caught
    # A fifth of oil is 8 sigmas, and its own moves in 2008 were as large; it has no peer here.
    least = 0.1 if name == "wti" else 0.85
    assert min(caught["+20 %"], caught["-20 %"]) >= least * judged, caught


def test_a_peer_makes_a_difference_of_a_fault_on_a_quiet_day() -> None:
    """2 % of the S&P 500 in a quiet time: held while the NASDAQ stands still, passed as it moves along."""
    values = dict(zip(MODEL.features, encoding.calm_window(MODEL.features), strict=True))
    values[encoding.Feature.VARIANCE] = 150
    moved = values | {encoding.Feature.MOVE: 1_900, encoding.Feature.PEER_SEEN_0: 1}
    along = moved | {encoding.Feature.PEER_MOVE_0: 2_000}
    unseen = moved | {encoding.Feature.PEER_SEEN_0: 0}
    held = [max(MODEL.score_int(tuple(each.values()))) > 0 for each in (moved, along, unseen)]
    assert held == [True, False, False]


def test_dates_increase_and_values_are_positive() -> None:
    for series in default_model.SERIES:
        recorded = load(series)
        assert min(recorded.answers) > 0
        assert all(earlier < later for earlier, later in pairwise(recorded.times))


@pytest.mark.slow
def test_training_reproduces_the_shipped_model_byte_for_byte(project_root: Path) -> None:
    script = project_root / "scripts" / "train_default_model.py"
    told = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "byte for byte" in told.stdout
