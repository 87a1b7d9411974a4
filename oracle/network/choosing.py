"""Choosing which members' answers go into a report: all of them, but for those that would make the hub refuse it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from oracle.core import encoding
from oracle.core.encoding import NO_ANSWER
from oracle.core.report import Report
from oracle.core.types import Kind
from oracle.network.messages import AnswerMessage

__all__ = ["Beyond", "Chosen", "SpreadTerms", "choose", "count_far", "most_liars", "short_of", "spread_of"]


class SpreadTerms(Protocol):
    """The terms of a feed that bound how far apart its reporters may be."""

    @property
    def kind(self) -> Kind:
        """The measure of its moves."""

    @property
    def sigma(self) -> int:
        """Parts per million on relative feeds, answer units on absolute ones."""

    @property
    def max_spread(self) -> int:
        """The largest distance of two answers, in thousandths of sigma; 0: any."""


@dataclass(frozen=True, slots=True)
class Beyond:
    """A message that is left out, because its answer for a feed is too far from the others.

    Attributes:
        message: The message.
        feed_id: The feed.
        spread: How far apart the answers to the feed were with it, in thousandths of sigma.
    """

    message: AnswerMessage
    feed_id: bytes
    spread: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """The messages that go into a report.

    Attributes:
        used: Those, in the order in which they were given.
        beyond: Those that are left out.
        too_wide: For each feed whose answers are still too far apart, how far: without more of them, the quorum would
            not be met.
    """

    used: tuple[AnswerMessage, ...]
    beyond: tuple[Beyond, ...]
    too_wide: Mapping[bytes, int]


def choose(
    report: Report, messages: Sequence[AnswerMessage], quorum: int, terms: Mapping[bytes, SpreadTerms]
) -> Chosen:
    """Choose the messages that go into a report.

    For each feed whose answers are further apart than it allows, the one furthest from the median is left out, as long
    as the quorum is met for all feeds without it. A signature is over the answers to all feeds, so a message is left
    out as a whole.

    Args:
        report: The report.
        messages: Answers to it, one for each reporter.
        quorum: How many answers each feed needs.
        terms: The terms of each of its feeds.
    """
    used, beyond = list(messages), []
    too_wide: dict[bytes, int] = {}
    for position, feed_id in enumerate(report.feed_ids):
        limit = terms[feed_id]
        while limit.max_spread and (spread := _spread(used, position, limit)) > limit.max_spread:
            furthest = _furthest(used, position)
            rest = [each for each in used if each is not furthest]
            if short_of(report, rest, quorum) != short_of(report, used, quorum):
                too_wide[feed_id] = spread
                break
            beyond.append(Beyond(furthest, feed_id, spread))
            used = rest
    return Chosen(tuple(used), tuple(beyond), too_wide)


def short_of(report: Report, messages: Sequence[AnswerMessage], quorum: int) -> tuple[int, ...]:
    """Return the positions of the report's feeds that fewer than `quorum` of these messages have an answer for."""
    return tuple(
        position
        for position in range(len(report.feed_ids))
        if sum(each.answers[position] != NO_ANSWER for each in messages) < quorum
    )


def spread_of(terms: SpreadTerms, answers: Iterable[int]) -> int:
    """Return how far answers to a feed are apart, in thousandths of its sigma; 0 if there are none."""
    found = [each for each in answers if each != NO_ANSWER]
    return encoding.spread(terms.kind, terms.sigma, min(found), max(found)) if found else 0


def count_far(terms: SpreadTerms, answer: int, others: Iterable[int]) -> int:
    """Return how many of other answers to a feed are further from an answer than it allows."""
    return sum(spread_of(terms, (answer, each)) > terms.max_spread for each in others)


def most_liars(quorum: int) -> int:
    """Return how many liars a committee can have that has a quorum of 2f + 1, or a few more.

    Whoever is too far from so many only may be honest: each of these can be as far out as the hub lets it.
    """
    return (quorum - 1) // 2


def _answers(messages: Sequence[AnswerMessage], position: int) -> list[int]:
    return sorted(each.answers[position] for each in messages if each.answers[position] != NO_ANSWER)


def _spread(messages: Sequence[AnswerMessage], position: int, limit: SpreadTerms) -> int:
    return spread_of(limit, (each.answers[position] for each in messages))


def _furthest(messages: Sequence[AnswerMessage], position: int) -> AnswerMessage:
    answers = _answers(messages, position)
    median = answers[len(answers) // 2]
    listed = [each for each in messages if each.answers[position] != NO_ANSWER]
    return max(listed, key=lambda each: (abs(each.answers[position] - median), each.reporter))
