"""Tests of tiny answers and of those at the ends of an int128: each is held or refused by name; no feed gets stuck."""

from __future__ import annotations

import pytest

from oracle.core.encoding import CLIP, INT128_MAX
from oracle.core.types import HoldReason, Status
from tests.attack.calldata import encode, packed, place
from tests.attack.rig import ANOMALOUS, ANSWER, HOURS, NORMAL, Rig, Sighting

pytestmark = pytest.mark.attack

EXTREMES = (INT128_MAX, INT128_MAX - 1, 10**30, 1, 0, -1, -ANSWER, -INT128_MAX + 1, -INT128_MAX)


def name(answer: int) -> str:
    return {INT128_MAX: "max", INT128_MAX - 1: "max-1", -INT128_MAX + 1: "min+2", -INT128_MAX: "min+1"}.get(
        answer, f"{answer:.0e}" if abs(answer) > 1_000 else str(answer)
    )


def goes_on(rig: Rig, feed: str, answer: int, after: int) -> None:
    """Assert that a normal report is accepted: at once, or after the confirmations that a distant answer needs."""
    round_id = rig.state(feed).round_id
    for report in range(3):
        assert rig.accepts(rig.honest(feed, Sighting(answer, after + 120 * report)))
        if rig.state(feed).round_id > round_id:
            break
        rig.later(120)
    state = rig.state(feed)
    assert (state.status, state.answer) == (Status.OK, answer)


@pytest.mark.parametrize("answer", EXTREMES, ids=name)
@pytest.mark.parametrize("feed", ["solo", "level"])
def test_an_extreme_answer_is_held(rig: Rig, feed: str, answer: int) -> None:
    before = rig.state(feed)
    assert rig.accepts(rig.honest(feed, Sighting(answer)))
    state = rig.state(feed)
    assert (state.status, state.round_id, state.answer) == (Status.HELD, 1, ANSWER)
    assert state.returns == before.returns
    assert state.held is not None and state.held.answer == answer
    # An absolute feed may have answers of either sign.
    positive = feed == "level" or answer > 0
    assert state.held.reason is (HoldReason.ANOMALOUS if positive else HoldReason.NOT_POSITIVE)
    assert rig.accepts(rig.honest(feed, Sighting(NORMAL if feed == "solo" else ANSWER + 500, 700)))
    state = rig.state(feed)
    assert (state.status, state.round_id) == (Status.OK, 2)


@pytest.mark.parametrize("answer", EXTREMES, ids=name)
@pytest.mark.parametrize("like", ["solo", "level"])
def test_an_extreme_first_answer(rig: Rig, like: str, answer: int) -> None:
    """The first answer has nothing to be measured against. Whatever it is, the true answer is accepted after it."""
    feed = f"fresh {like}"
    rig.add_feed(feed, like)
    first = rig.honest(feed, Sighting(answer, 60))
    if like == "solo" and answer <= 0:
        rig.refuses(first, "AnswerOutOfRange")
        assert rig.state(feed).status is Status.EMPTY
    else:
        assert rig.accepts(first)
        assert (rig.state(feed).answer, rig.state(feed).status) == (answer, Status.OK)
    goes_on(rig, feed, ANSWER, 600)
    goes_on(rig, feed, ANSWER + 500, 1_800)


@pytest.mark.parametrize("answer", [INT128_MAX, 1], ids=name)
def test_a_confirmed_extreme_answer(rig: Rig, answer: int) -> None:
    """Reporters can confirm nonsense. The feed still recovers: the true answer is then another regime change."""
    rig.insists("solo", answer, 600)
    state = rig.state("solo")
    assert (state.status, state.round_id, state.answer) == (Status.OK, 2, answer)
    goes_on(rig, "solo", ANSWER, 1_200)
    goes_on(rig, "solo", NORMAL, 2_400)


@pytest.mark.parametrize("answer", [0, -1, -INT128_MAX], ids=name)
def test_what_is_not_above_zero_is_never_confirmed_on_a_relative_feed(rig: Rig, answer: int) -> None:
    for report in range(4):
        rig.later(600)
        assert rig.accepts(rig.honest("solo", Sighting(answer, 600 + 600 * report)))
        state = rig.state("solo")
        assert (state.status, state.round_id) == (Status.HELD, 1)
        assert state.held is not None and state.held.confirmations == 0
        assert state.held.reason is HoldReason.NOT_POSITIVE
    goes_on(rig, "solo", NORMAL, 3_600)


@pytest.mark.parametrize(("low", "high"), [(1, 2), (1, ANSWER), (ANSWER, INT128_MAX), (-ANSWER, ANSWER)])
def test_a_committee_that_is_far_apart(rig: Rig, low: int, high: int) -> None:
    """The spread is computed from extreme answers too, and such a report is refused with the spread's own error."""
    for middle in (low, high):
        found = zip((low, middle, high), (2, 3, 4), strict=True)
        submission = rig.honest("trio", *(Sighting(answer, 600, account) for answer, account in found))
        rig.refuses(submission, "SpreadTooWide")
    assert rig.accepts(rig.honest("trio", *rig.seen("trio", NORMAL, 700)))


def test_the_lowest_int128_is_no_answer(rig: Rig) -> None:
    """It stands for silence, on feeds of either sign, so no feed can have it: not even as its first round."""
    for feed in ("solo", "level"):
        silent = rig.sign(rig.honest(feed, Sighting(NORMAL)).with_answer(-INT128_MAX - 1), 1)
        rig.refuses(silent, "QuorumNotMet")
    rig.add_feed("fresh", "level")
    first = rig.honest("fresh", Sighting(-INT128_MAX, 60))
    rig.refuses(rig.sign(first.with_answer(-INT128_MAX - 1), 1), "QuorumNotMet")
    assert rig.accepts(first)


def test_answers_of_which_a_byte_is_another_ones(rig: Rig) -> None:
    """Answers are packed without marks: bytes that are shifted between rows are other answers, which nobody signed."""
    good = rig.honest("trio", *rig.seen("trio", NORMAL))
    data = encode(good)
    at = place(data, "answers") + 32
    assert data[at : at + 48] == packed(NORMAL) * 3
    for shift in (1, 8, 15, 17):
        turned = good.answers[shift:] + good.answers[:shift]
        altered = data[:at] + turned + data[at + 48 :]
        assert rig.refusal(altered) in {"NotAReporter", "NotTheMedian"}
        rig.fails(altered)
    assert rig.send(data)


def test_after_a_very_long_silence(rig: Rig) -> None:
    """The gap is clipped, so there is a proof for every report, however late it is."""
    for years in (1, 50):
        silence = years * 365 * 24 * HOURS
        rig.wait_until(silence)
        assert rig.window("solo", ANOMALOUS, silence - HOURS)[-1] == CLIP
        goes_on(rig, "solo", ANOMALOUS, silence - HOURS)
