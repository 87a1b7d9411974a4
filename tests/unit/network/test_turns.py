"""Tests of turns and of their guard: at most one member transmits at any moment, and each one's turn comes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from oracle.core.stages import Decided, Observed
from oracle.feeds.interface import Permission, ReportStep
from oracle.network.guard import MEASURED, Pace, TurnGuard, expected
from oracle.network.turns import Transmitter, Turns

COMMITTEE = 7
ADDRESSES = [f"0x{number:040x}" for number in (0xB, 0xA, 0xD, 0xC, 0xF, 0xE, 0x1)]


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def decided(observed_at: int, committee: int = COMMITTEE) -> Decided:
    return Decided(committee, (Observed("eth", bytes(32), 1, observed_at),))


def of(count: int, seconds: int = 60, bound: float = 2.0) -> Turns:
    return Turns(seconds, bound, [Transmitter(each) for each in ADDRESSES[:count]])


@st.composite
def networks(draw: st.DrawFn) -> tuple[Turns, list[float]]:
    """Draw turns with members that come and go, and the errors of their clocks: two differ by less than the bound."""
    bound = draw(st.floats(0.01, 30))
    seconds = draw(st.integers(int(2 * bound + 1) + 1, 600))
    count = draw(st.integers(1, len(ADDRESSES)))
    moments = st.one_of(st.none(), st.integers(0, 20_000))
    spans = [(draw(moments), draw(moments)) for _ in range(count)]
    transmitters = [
        Transmitter(address, float("-inf") if since is None else since, float("inf") if until is None else until)
        for address, (since, until) in zip(ADDRESSES, spans, strict=False)
    ]
    errors = [draw(st.floats(-0.499, 0.499)) * bound for _ in transmitters]
    return Turns(seconds, bound, transmitters), errors


def guards(turns: Turns, errors: list[float], clock: Clock, mined: float = 1.0) -> list[TurnGuard]:
    """Return the guards of all members, each with a clock that is wrong by its error."""

    def wrong_by(error: float) -> Clock:
        class Wrong(Clock):
            def __call__(self) -> float:
                return clock.now + error

        return Wrong()

    made = []
    for address, error in zip(ADDRESSES, errors, strict=False):
        pace = Pace()
        pace.mined(mined)
        made.append(TurnGuard(COMMITTEE, address, turns, pace, wrong_by(error)))
    return made


@given(networks(), st.integers(0, 400), st.floats(-1.5, 1.5), st.floats(0, 40))
def test_at_most_one_member_transmits_at_any_moment_whatever_it_observed(
    network: tuple[Turns, list[float]], turn: int, away: float, mined: float
) -> None:
    turns, errors = network
    # Near the end of a turn: that is where clocks that differ could make two members transmit.
    clock = Clock(max(0.0, turns.end(turn) + away * turns.clock_bound))
    everyone = guards(turns, errors, clock, mined)

    def transmitting() -> set[int]:
        """Return who may send anything now, whatever heads it sees, and whatever it has decided before."""
        present = turns.at(clock.now)
        times = [turns.begin(each) for each in range(max(0, present - 2), present + 3)]
        return {
            index
            for index, guard in enumerate(everyone)
            if any(guard.refusal(decided(each), ReportStep.SIMULATE) is None for each in times)
        }

    may = transmitting()
    assert len(may) <= 1
    for index in may:  # and it is mined before anybody else may send, if that takes as long as before
        rest = everyone[index].pace.rest(ReportStep.SIMULATE)
        clock.now += min(rest, turns.seconds - 2 * turns.clock_bound - 1)
        assert transmitting() <= may


@given(st.integers(1, 7), st.integers(2, 3_600), st.integers(0, 10**6))
def test_each_members_turn_comes_and_a_silent_one_costs_one_turn(count: int, seconds: int, first: int) -> None:
    turns = of(count, seconds, 0.1)
    holders = [turns.holder(turn) for turn in range(first, first + count)]
    assert sorted(map(str, holders)) == sorted(ADDRESSES[:count])
    for address in ADDRESSES[:count]:
        until = turns.until_next(address, turns.begin(first))
        assert until is not None and 0 < until <= count * seconds
        assert turns.holds(address, turns.at(turns.begin(first) + until))


@given(networks(), st.floats(0, 25_000))
def test_the_time_alone_says_whose_turn_it_is(network: tuple[Turns, list[float]], moment: float) -> None:
    turns, _ = network
    turn = turns.at(moment)
    assert turns.begin(turn) <= moment < turns.end(turn)
    order = turns.order(turn)
    assert list(order) == sorted(order) and turns.holder(turn) in (order or (None,))
    assert turns.order(turns.at(turns.begin(turn))) == order


def test_the_order_is_that_of_the_addresses_however_they_are_listed_and_written() -> None:
    turns = of(3)
    assert turns.order(0) == (ADDRESSES[1], ADDRESSES[0], ADDRESSES[2])
    assert [turns.holder(turn) for turn in range(4)] == [ADDRESSES[1], ADDRESSES[0], ADDRESSES[2], ADDRESSES[1]]
    assert turns.holds(ADDRESSES[1].upper().replace("X", "x"), 0) and not turns.holds(ADDRESSES[0], 0)


def test_a_member_comes_and_goes_at_the_first_turn_that_begins_then() -> None:
    old, new = ADDRESSES[0], ADDRESSES[1]
    turns = Turns(60, 2.0, [Transmitter(old, until=600), Transmitter(new, since=630)])
    assert [turns.holder(turn) for turn in (9, 10, 11)] == [old, None, new]
    assert turns.until_next(old, 599.0) is None
    assert turns.until_next(new, 601.0) == 59.0


def test_another_members_clock_may_be_in_the_next_turn_already() -> None:
    turns = of(2)
    assert turns.may_be(1, 58.0) and turns.may_be(0, 58.0)
    assert not turns.may_be(1, 57.9) and not turns.may_be(0, 62.1)


# --- the guard -------------------------------------------------------------------------------------------------------


def guard(clock: Clock, address: str = ADDRESSES[1], **steps: float) -> TurnGuard:
    """Return the guard of the member that holds turn 0 of two, with what the steps of its reports took."""
    pace = Pace()
    for name, seconds in steps.items():
        if name == "mined":
            pace.mined(seconds)
        else:
            pace.took(ReportStep(name), seconds)
    return TurnGuard(COMMITTEE, address, of(2), pace, clock)


@pytest.mark.parametrize(
    ("step", "last"),
    [(ReportStep.SIGN, 38.0), (ReportStep.PROVE, 41.0), (ReportStep.SIMULATE, 51.0)],
)
def test_a_step_is_taken_only_if_the_rest_of_the_report_fits_into_the_turn(step: ReportStep, last: float) -> None:
    clock = Clock()
    mine = guard(clock, sign=3, prove=10, simulate=1, mined=6)
    clock.now = last
    assert mine.refusal(decided(0), step) is None
    clock.now = last + 0.01
    needed = 58 - last
    assert f"has {needed:.1f} s left, and the rest of a report takes {needed:.1f} s" in str(
        mine.refusal(decided(0), step)
    )
    assert not mine.may_decide(COMMITTEE, 0)


def test_what_is_refused_says_whose_the_turn_is() -> None:
    clock = Clock(70.0)
    mine = guard(clock)
    assert mine.refusal(decided(50), ReportStep.SIMULATE) == (
        f"turn 0 is over: {ADDRESSES[0]} has the next one, and reports what is due"
    )
    assert mine.refusal(decided(70), ReportStep.SIGN) == f"turn 1 is that of {ADDRESSES[0]}, who reports what is due"
    clock.now = 110.0
    assert "clock was set back" in str(mine.refusal(decided(125), ReportStep.SIGN))


def test_a_turn_is_never_all_guard_and_that_turns_are_short_is_said_once() -> None:
    clock = Clock(0.0)
    with structlog.testing.capture_logs() as said:
        mine = guard(clock, prove=500, mined=1)
        for moment, may in ((0.0, True), (3.0, True), (3.01, False)):
            clock.now = moment
            assert mine.may_decide(COMMITTEE, 0) is may
    assert [each["event"] for each in said] == ["turns are short for what a report takes here: many will end unsent"]


def test_what_was_once_slow_is_forgotten() -> None:
    clock = Clock(50.0)
    mine = guard(clock, prove=50)
    assert not mine.may_decide(COMMITTEE, 0)
    for _ in range(MEASURED):
        mine.pace.took(ReportStep.PROVE, 0.1)
    assert mine.may_decide(COMMITTEE, 0)


def test_nearly_the_longest_is_expected() -> None:
    assert expected([3.0]) == 3.0
    assert expected([1.0] * 19 + [9.0]) == 1.0
    assert expected([1.0] * 18 + [8.0, 9.0]) == 8.0


def test_a_feed_is_signed_once_in_a_turn() -> None:
    mine = guard(Clock(10.0))
    assert mine.is_spent(COMMITTEE, 3, 59) and not mine.is_spent(COMMITTEE, 59, 60)
    assert not mine.is_spent(COMMITTEE + 1, 3, 59)


def test_a_committee_that_takes_no_turns_reports_at_any_time() -> None:
    clock = Clock(59.9)
    mine = guard(clock, ADDRESSES[0])
    other = decided(59, COMMITTEE + 1)
    assert mine.may_decide(COMMITTEE + 1, 59) and mine.refusal(other, ReportStep.SIMULATE) is None
    assert mine.left(other) == float("inf") and mine.until_next(COMMITTEE + 1) is None
    assert not mine.may_decide(COMMITTEE, 59) and mine.left(decided(59)) == pytest.approx(-1.9)
    assert mine.until_next(COMMITTEE) == pytest.approx(0.1)


def test_one_operator_is_always_permitted() -> None:
    always = Permission()
    assert always.may_decide(1, 0) and always.refusal(decided(0), ReportStep.SIGN) is None
    assert not always.is_spent(1, 0, 0) and always.left(decided(0)) == float("inf") and always.until_next(1) is None
