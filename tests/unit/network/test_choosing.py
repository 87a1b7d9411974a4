"""Properties of the choice of answers: the hub takes what is chosen, and nobody is left out without need."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from oracle.core import encoding
from oracle.core.encoding import NO_ANSWER
from oracle.core.report import NO_READINGS, Report
from oracle.core.types import Kind
from oracle.network.choosing import choose, short_of
from oracle.network.messages import AnswerMessage

FEEDS = tuple(bytes([each]) * 32 for each in (1, 2, 3))


@dataclass(frozen=True)
class Terms:
    """A feed's bound on its spread."""

    max_spread: int
    kind: Kind = Kind.RELATIVE
    sigma: int = 10_000


def message(number: int, report: Report, answers: tuple[int, ...]) -> AnswerMessage:
    reporter = f"0x{number:040x}"
    return AnswerMessage(reporter, 0, bytes(32), report, answers, (NO_READINGS,) * len(answers), bytes(32), bytes(32))


@st.composite
def collections(draw: st.DrawFn) -> tuple[Report, list[AnswerMessage], int, dict[bytes, Terms]]:
    """Draw answers of some members: honest ones near each other, liars anywhere, and some who have none."""
    feeds = draw(st.integers(1, 3))
    report = Report(1, 1, 1_000, FEEDS[:feeds], (1,) * feeds)
    honest = st.integers(990_000, 1_010_000)
    anything = st.one_of(honest, honest, st.integers(1, 10**9), st.just(NO_ANSWER))
    count = draw(st.integers(1, 9))
    answers = draw(st.lists(st.tuples(*[anything] * feeds), min_size=count, max_size=count))
    quorum = draw(st.integers(1, count))
    terms = {feed_id: Terms(draw(st.sampled_from([0, 1_000, 2_500, 32_766]))) for feed_id in report.feed_ids}
    return report, [message(number, report, each) for number, each in enumerate(answers, 1)], quorum, terms


def spread(messages: tuple[AnswerMessage, ...], position: int, terms: Terms) -> int:
    answers = [each.answers[position] for each in messages if each.answers[position] != NO_ANSWER]
    return encoding.spread(terms.kind, terms.sigma, min(answers), max(answers)) if answers else 0


@given(collections())
def test_the_hub_takes_what_is_chosen_or_it_is_said_which_feed_it_would_refuse(
    drawn: tuple[Report, list[AnswerMessage], int, dict[bytes, Terms]],
) -> None:
    report, messages, quorum, terms = drawn
    chosen = choose(report, messages, quorum, terms)
    assert short_of(report, chosen.used, quorum) == short_of(report, messages, quorum), "nobody costs a feed its quorum"
    for position, feed_id in enumerate(report.feed_ids):
        found, most = spread(chosen.used, position, terms[feed_id]), terms[feed_id].max_spread
        assert feed_id in chosen.too_wide or not most or found <= most
    assert sorted([*chosen.used, *(each.message for each in chosen.beyond)], key=lambda each: each.reporter) == messages


@given(collections())
def test_nobody_is_left_out_without_need(
    drawn: tuple[Report, list[AnswerMessage], int, dict[bytes, Terms]],
) -> None:
    report, messages, quorum, terms = drawn
    chosen = choose(report, messages, quorum, terms)
    wide = [
        feed_id
        for position, feed_id in enumerate(report.feed_ids)
        if 0 < terms[feed_id].max_spread < spread(tuple(messages), position, terms[feed_id])
    ]
    assert not chosen.beyond or wide
    for place, each in enumerate(chosen.beyond):
        before = [one.message for one in chosen.beyond[:place]]
        assert each.feed_id in wide and each.spread > terms[each.feed_id].max_spread
        position = report.feed_ids.index(each.feed_id)
        with_it = tuple(one for one in messages if one not in before)
        assert spread(with_it, position, terms[each.feed_id]) == each.spread
        ranked = sorted(one.answers[position] for one in with_it if one.answers[position] != NO_ANSWER)
        median = ranked[len(ranked) // 2]
        furthest = max(abs(one - median) for one in ranked)
        assert abs(each.message.answers[position] - median) == furthest


@given(st.permutations(range(1, 6)), st.integers(0, 10**6))
def test_the_order_in_which_answers_came_changes_nothing(order: list[int], far: int) -> None:
    report = Report(1, 1, 1_000, FEEDS[:1], (1,))
    values = {1: 1_000_000, 2: 1_000_100, 3: 999_900, 4: 1_000_000 + far, 5: 1_000_000 - far if far < 10**6 else 1}
    messages = [message(number, report, (values[number],)) for number in order]
    chosen = choose(report, messages, 3, {FEEDS[0]: Terms(1_000)})
    first = choose(report, sorted(messages, key=lambda each: each.reporter), 3, {FEEDS[0]: Terms(1_000)})
    assert {each.reporter for each in chosen.used} == {each.reporter for each in first.used}
