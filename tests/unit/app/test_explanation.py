"""Tests of what an operator reads about a report: it is true, in words, and says what comes next."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from oracle.app.explanation import Account, ExplainedFeed, accepted_moves, explain
from oracle.core import encoding, gate
from oracle.core.gate import HoldPolicy
from oracle.core.types import FeedState, HoldReason, Kind, Outcome, Status
from oracle.detectors.interface import Detector, Disclosure
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import Allowance, Limit, Output, Sum
from oracle.detectors.kinds.quadratic import QuadraticModel

POLICY = HoldPolicy(confirmations=3, confirm_delay=7_200, tolerance=3_000, max_repeats=4)
SUBJECT = ExplainedFeed("eth-usd", Kind.RELATIVE, 10_000, 3_600, 8, POLICY)
START = 1_700_000_000
ONE = 10**8


def fed(*answers: float, model: Detector, kind: Kind = Kind.RELATIVE, sigma: int = 10_000) -> FeedState:
    """Return a feed after hourly reports."""
    state = gate.empty_feed(bytes(32), kind, sigma, 3_600, 1)
    for index, answer in enumerate(answers):
        time, units = START + 3_600 * index, round(answer * ONE)
        scores = model.score_int(encoding.features(state, units, time, model.features, tolerance=POLICY.tolerance))
        verdict = gate.judge(state, POLICY, units, time, scores, score_unit=model.score_unit, published_at=time)
        state = verdict.state
    return state


CALM = tuple(2_000 * (1 + (index % 3 - 1) * 0.004) for index in range(20))
MODEL = QuadraticModel.default()


def of_hold(state: FeedState, model: Detector = MODEL, subject: ExplainedFeed = SUBJECT) -> Account:
    assert state.held is not None
    held = state.held
    return explain(subject, model, state, held.answer, held.observed_at, round_id=state.round_id + 1, held=held)


def test_a_fall_that_is_held() -> None:
    account = of_hold(fed(*CALM, 1_880, model=MODEL))
    assert (account.outcome, account.reason, account.round_id) == ("held", "anomalous", 21)
    assert account.lines[0] == (
        "eth-usd: 1880 of 2023-11-15 18:13:20 UTC is held, instead of becoming round 21: moved -6.00 % (-6.4 σ) in "
        "60 min (1 heartbeat), from 2000"
    )
    text = "\n".join(account.lines)
    assert "the model quadratic-v2 accepts -" in text
    assert "spike objects: the move now is 6.4 σ, of at most" in text
    assert "drift objects: the sum of the last 13 moves is 6.4 σ, of at most" in text
    assert "to confirm it as the new level: 3 more reports from 1825.24271845 to 1936.4 (0 of 3 so far)" in text
    assert "the last observed and mined at 2023-11-15 20:13:20 UTC or later" in text
    assert "16th anomalous report in a row (1 so far), observed and mined at 2023-11-16 02:13:20 UTC or later" in text
    assert json.loads(json.dumps(asdict(account)))["features"][0] == account.features[0]


def test_what_is_said_to_clear_a_hold_clears_it_and_what_is_beyond_does_not() -> None:
    state = fed(*CALM, 1_880, model=MODEL)
    account = of_hold(state)
    assert account.range is not None
    low, high = (round(float(value) * ONE) for value in account.range)
    held = state.held
    assert held is not None
    inside, outside = (low, high), (low - ONE, high + ONE)
    for answer in (*inside, *outside):
        scores = MODEL.score_int(
            encoding.features(state, answer, held.observed_at, MODEL.features, tolerance=POLICY.tolerance)
        )
        # The distance is that at the time of the held report; a later report may be further away.
        verdict = gate.judge(
            replace(state, held=None, status=Status.OK),
            POLICY,
            answer,
            held.observed_at,
            scores,
            score_unit=MODEL.score_unit,
            published_at=held.observed_at,
        )
        assert verdict.outcome is (Outcome.ACCEPTED if answer in inside else Outcome.HELD), answer


def test_what_is_said_to_confirm_a_hold_confirms_it() -> None:
    answers = [*CALM, 1_880, 1_840, 1_845, 1_830]
    account = of_hold(fed(*answers[:-1], model=MODEL))
    assert "1 more report from 1825.24271845 to 1936.4 (2 of 3 so far)" in "\n".join(account.lines)
    assert fed(*answers, model=MODEL).held is None


def test_an_accepted_round_and_one_that_was_confirmed() -> None:
    state = fed(*CALM, model=MODEL)
    time = START + 3_600 * len(CALM)
    account = explain(SUBJECT, MODEL, state, 2_010 * ONE, time, round_id=21)
    assert (account.outcome, account.reason) == ("accepted", "")
    assert account.lines[0].endswith("as round 21: moved +0.50 % (+0.5 σ) in 60 min (1 heartbeat), from 2000")
    assert not any("to clear" in line for line in account.lines)
    confirmed = explain(SUBJECT, MODEL, state, 1_880 * ONE, time, round_id=21)
    assert (confirmed.outcome, confirmed.reason) == ("confirmed", "anomalous")
    assert "reports agreed on the level" in confirmed.lines[-1]


def test_the_first_round() -> None:
    state = gate.empty_feed(bytes(32), Kind.RELATIVE, 10_000, 3_600, 1)
    account = explain(SUBJECT, MODEL, state, 2_000 * ONE, START, round_id=1)
    assert account.lines[0].endswith("the feed's first, so there is no move to judge")
    assert account.range is None


def test_a_large_past_move_is_named() -> None:
    account = of_hold(fed(*CALM, 1_850, 1_851, 1_852, 1_853, 1_854, 2_900, model=MODEL))
    assert "the largest past move is -7.9 σ, 2 rounds ago" in "\n".join(account.lines)


def test_a_clipped_move() -> None:
    account = of_hold(fed(*CALM, 20_000, model=MODEL))
    assert "beyond what can be measured" in "\n".join(account.lines)


@pytest.mark.parametrize(
    ("answers", "reason", "says"),
    [
        ((*CALM, -1.0), HoldReason.NOT_POSITIVE, "any report above zero"),
        ((*CALM, *(CALM[-1],) * 5), HoldReason.REPEATED, "see whether the sources are stuck"),
    ],
)
def test_holds_of_rules(answers: tuple[float, ...], reason: HoldReason, says: str) -> None:
    state = fed(*answers, model=MODEL)
    account = of_hold(state)
    assert account.reason == reason.name.lower()
    assert says in account.lines[-1]
    assert not any("spike" in line for line in account.lines)


def test_an_absolute_feed_and_a_model_that_publishes_verdicts() -> None:
    model = MODEL.publishing(Disclosure.VERDICT)
    subject = replace(SUBJECT, kind=Kind.ABSOLUTE, sigma=ONE, decimals=8)
    values = tuple(float(index % 3 - 1) for index in range(20))
    account = of_hold(fed(*values, -9.5, model=model, kind=Kind.ABSOLUTE, sigma=ONE), model, subject)
    assert "moved -9.50000000 (-9.5 σ)" in account.lines[0]
    assert account.scores == MODEL.score_int(account.features)


def test_a_model_that_accepts_nothing() -> None:
    gates = (
        Output("level", (Sum(1, 2),), Limit(4)),
        Output("now", (Sum(0, 1),), Limit(10**7, (Allowance(1, 2, (8,)),))),
    )
    model = PolynomialModel("strict", encoding.window_features(4), gates)
    window = (0, 30_000, 0, 1_000)
    assert accepted_moves(model, window) is None
    low, high = accepted_moves(model, (0, 0, 0, 1_000)) or (0, 0)
    assert -low == high > 0
    assert max(model.score_int((high, 0, 0, 1_000))) <= 0 < max(model.score_int((high + 1, 0, 0, 1_000)))
