"""Tests of which feeds are due together: pure, no chain and no sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from oracle.core import gate
from oracle.core.stages import Observed
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Kind, Status
from oracle.feeds.deciding import Decision, Look, decide
from oracle.feeds.observe import Sighting
from oracle.sources.aggregate import Due, DuePolicy

IDS = {name: name.encode().ljust(32, b"\0") for name in "abcd"}
POLICY = DuePolicy(Kind.RELATIVE, heartbeat=60, deviation=10_000, held_interval=30)


def state(name: str, model: int = 1, peers: str = "", **changes: Any) -> FeedState:
    """Return a feed with a round of a hundred, observed at 1,000."""
    empty = gate.empty_feed(IDS[name], Kind.RELATIVE, 10_000, 60, model, peers=[IDS[each] for each in peers])
    with_round = {"round_id": 1, "answer": 100_000, "observed_at": 1_000, "last_report_at": 1_000, "status": Status.OK}
    return replace(empty, **(with_round | changes))


def look(at: int, answers: Mapping[str, int], read_at: Mapping[str, int] | None = None, stale: str = "") -> Look:
    sightings = {
        name: Sighting(name, IDS[name], answer, (read_at or {}).get(name, at)) for name, answer in answers.items()
    }
    return Look(at, sightings, frozenset(answers) - frozenset(stale))


def decision(
    seen: Look,
    *states: FeedState,
    waiting: Mapping[str, Observed] | None = None,
    under_way: Mapping[str, Observed] | None = None,
    reported: Mapping[str, int] | None = None,
) -> Decision:
    return decide(
        seen, {each.feed_id: each for each in states}, dict.fromkeys("abcd", POLICY),
        waiting=waiting or {}, under_way=under_way or {}, reported=reported or {},
    )  # fmt: skip


def due(found: Decision) -> list[str]:
    return ["".join(decided.feeds) for _, decided in found.reports]


def test_in_a_network_a_heartbeat_needs_no_newer_reading_but_a_confirmation_does() -> None:
    """Its time says that the sources said so then; members refuse readings that are too old."""
    old = look(1_100, {"a": 100_000}, read_at={"a": 999})
    assert due(decision(old, state("a"))) == []
    assert due(decision(replace(old, by_clock=True), state("a"))) == ["a"]
    held = HeldAnswer(HoldReason.ANOMALOUS, 150_000, 150_000, 1_005, 1_005, 1_005, 0, 1, 2_000, 1, 1_005, 1_005, 1_000)
    feed = state("a", held=held, status=Status.HELD, last_report_at=1_005)
    again = look(1_050, {"a": 150_100}, read_at={"a": 1_005})
    assert due(decision(replace(again, by_clock=True), feed)) == []
    assert due(decision(replace(old, by_clock=True), state("a", last_report_at=1_100))) == []


def test_feeds_that_are_due_make_one_report_of_one_time_with_the_others_answers() -> None:
    found = decision(look(1_030, {"a": 102_000, "b": 100_500, "c": 90_000}), *map(state, "abc"))
    [(model, decided)] = found.reports
    assert (model, decided.feeds, decided.observed_at, decided.committee) == (1, ("a", "c"), 1_030, 1)
    assert decided.others == ((IDS["b"], 100_500),)
    assert found.reasons == {"a": Due.DEVIATION, "c": Due.DEVIATION}


def test_nothing_is_due_before_the_heartbeat_and_all_are_at_it() -> None:
    answers = dict.fromkeys("abc", 100_000)
    assert due(decision(look(1_059, answers), *map(state, "abc"))) == []
    assert due(decision(look(1_060, answers), *map(state, "abc"))) == ["abc"]


def test_each_model_has_its_own_report_and_the_others_are_peers_in_it() -> None:
    found = decision(look(1_060, dict.fromkeys("abc", 100_000)), state("a"), state("b", model=2), state("c"))
    assert [(model, decided.feeds, [each for each, _ in decided.others]) for model, decided in found.reports] == [
        (1, ("a", "c"), [IDS["b"]]),
        (2, ("b",), [IDS["a"], IDS["c"]]),
    ]


def test_a_feed_whose_peer_has_no_answer_is_left_out_aloud() -> None:
    found = decision(look(1_060, {"a": 100_000, "c": 100_000}), state("a", peers="b"), state("c", peers="a"))
    assert due(found) == ["c"]
    assert found.left_out == {"a": f"no answer of its peer 0x{IDS['b'].hex()[:8]}…"}


def test_an_answer_that_is_known_from_before_serves_a_peer_and_is_not_due() -> None:
    found = decision(look(1_060, {"a": 100_000, "b": 50_000}, {"b": 1_020}, stale="b"), state("a", peers="b"))
    [(_, decided)] = found.reports
    assert decided.feeds == ("a",) and decided.others == ((IDS["b"], 50_000),)


def test_a_paused_feed_is_not_due_and_serves_as_a_peer() -> None:
    found = decision(look(1_060, {"a": 100_000, "b": 1}), state("a", peers="b"), state("b", paused=True))
    assert due(found) == ["a"] and found.left_out == {}


# --- one reading is reported once ---


def test_the_same_reading_makes_no_heartbeat_however_late_it_is() -> None:
    """A source that stands still has nothing new to say, although others have."""
    answers = {"a": 100_000, "b": 100_000}
    assert due(decision(look(1_100, answers, {"a": 990}), *map(state, "ab"))) == ["b"]
    assert due(decision(look(1_100, answers, {"a": 1_001}), *map(state, "ab"))) == ["ab"]


def test_a_late_reading_that_moved_is_due_although_a_report_is_newer() -> None:
    assert due(decision(look(1_030, {"a": 105_000, "b": 100_000}, {"a": 998}), *map(state, "ab"))) == ["a"]


def test_a_reading_older_than_the_one_that_was_reported_is_not_believed() -> None:
    seen = look(1_030, {"a": 105_000, "b": 100_000}, {"a": 998})
    assert due(decision(seen, *map(state, "ab"), reported={"a": 999})) == []


def test_a_look_that_is_not_newer_than_the_last_report_makes_nothing_due() -> None:
    assert due(decision(look(1_000, {"a": 500_000}), state("a"))) == []
    assert due(decision(look(999, {"a": 500_000}), state("a"))) == []


def test_a_held_feed_is_due_when_it_leaves_the_level_or_to_confirm_it() -> None:
    held = HeldAnswer(HoldReason.ANOMALOUS, 150_000, 150_000, 1_005, 1_005, 1_005, 0, 1, 2_000, 1, 1_005, 1_005, 1_000)
    feed = state("a", held=held, status=Status.HELD, last_report_at=1_005)
    assert due(decision(look(1_010, {"a": 150_100}), feed)) == []
    assert due(decision(look(1_010, {"a": 100_000}), feed)) == ["a"]
    assert due(decision(look(1_035, {"a": 150_100}), feed)) == ["a"]
    assert due(decision(look(1_035, {"a": 150_100}, {"a": 1_005}), feed)) == []


# --- what waits, and what is under way ---


def seen(name: str, answer: int, at: int) -> Observed:
    return Observed(name, IDS[name], answer, at)


@pytest.mark.parametrize("place", ["waiting", "under_way"])
def test_what_is_being_reported_is_not_due_again_unless_it_moves_again(place: str) -> None:
    newest = {place: {"a": seen("a", 102_000, 1_010)}}
    assert due(decision(look(1_020, {"a": 102_500}), state("a"), **newest)) == []  # type: ignore[arg-type]
    assert due(decision(look(1_020, {"a": 104_000}), state("a"), **newest)) == ["a"]  # type: ignore[arg-type]
    assert due(decision(look(1_070, {"a": 102_000}), state("a"), **newest)) == ["a"]  # type: ignore[arg-type]


def test_what_waits_joins_a_newer_report_so_that_one_time_holds_for_all() -> None:
    found = decision(
        look(1_020, {"a": 102_100, "b": 103_000, "c": 100_000}), *map(state, "abc"),
        waiting={"a": seen("a", 102_000, 1_010)},
    )  # fmt: skip
    assert due(found) == ["ab"] and found.reasons == {"b": Due.DEVIATION, "a": None}


def test_what_waits_stays_if_it_would_not_be_due_any_more() -> None:
    found = decision(
        look(1_020, {"a": 100_000, "b": 103_000}), *map(state, "ab"), waiting={"a": seen("a", 102_000, 1_010)}
    )
    assert due(found) == ["b"]


def test_what_is_under_way_does_not_join() -> None:
    found = decision(
        look(1_020, {"a": 102_100, "b": 103_000}), *map(state, "ab"), under_way={"a": seen("a", 102_000, 1_010)}
    )
    assert due(found) == ["b"]
