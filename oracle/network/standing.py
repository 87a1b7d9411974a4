"""Standings: how members answer, how far from the others, and what transmitters bring. Figures of one node.

Each node computes them from what it heard and asked itself, so two nodes' figures differ where the network treats them
differently. They say whom to look at; what is proven is in the evidence.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from oracle.core import encoding
from oracle.core.encoding import NO_ANSWER
from oracle.core.statistics import percentile
from oracle.core.types import Kind
from oracle.feeds.journal.schema import network
from oracle.network.casebook import count_faults
from oracle.network.evidence import FaultKind
from oracle.network.turns import Turns

__all__ = ["TURNS_SHOWN", "FeedMeasure", "MemberStanding", "TransmitterStanding", "mean_ranks", "read_standings"]

TURNS_SHOWN = 100
"""The latest turns that figures are about, unless another number is asked for."""


@dataclass(frozen=True, slots=True)
class FeedMeasure:
    """The measure of a feed's answers: distances are in thousandths of its sigma."""

    kind: Kind
    sigma: int

    def distance(self, answer: int, median: int) -> int | None:
        """Return how far an answer is above the median, below 0 if under it; None: that can't be measured."""
        if self.kind is Kind.RELATIVE and median <= 0:
            return None
        return encoding.move(self.kind, self.sigma, answer, median)


@dataclass(frozen=True, slots=True)
class MemberStanding:
    """One member, as this node has seen it. Distances are in thousandths of sigma.

    Attributes:
        name: Its name in this node's configuration.
        reporter: The address of its reporter key.
        ignored: True if this node ignores it.
        reports: The reports that this node heard any answer to.
        answered: Those of them that it has answered.
        asked: How it answered when this node asked it: how often in which way. Empty on a node that asks nobody.
        delay_p50_s: The median of the seconds that it took: from the request, or from the report's time where this
            node asks nobody. None: it was not heard.
        delay_p95_s: The same, of all but the slowest twentieth.
        distance: The mean distance of its answers from the median of all. None: nothing to compare.
        bias: The mean of the same with its sign: above 0 if its answers are higher.
        largest: The largest distance.
        last_seen: When it was heard last, unix seconds; None: not within these turns.
        faults: Faults that were seen, by kind.
    """

    name: str
    reporter: str
    ignored: bool
    reports: int
    answered: int
    asked: Mapping[str, int]
    delay_p50_s: float | None
    delay_p95_s: float | None
    distance: float | None
    bias: float | None
    largest: int | None
    last_seen: float | None
    faults: Mapping[FaultKind, int]


@dataclass(frozen=True, slots=True)
class TransmitterStanding:
    """One transmitter, as this node has seen it.

    Attributes:
        name: Its name in this node's configuration.
        reporter: The address of its reporter key.
        turns: Its turns.
        used: Those of them in which answers to its requests were heard.
        brought: Those of them of which a report came onto the chain.
        rank: The mean rank of the answers that it brought, among all that were heard or brought; 1 is the lowest.
        even: The mean rank that all answers together have: what `rank` would be if it left nobody out.
        left_out: Members that it left out although they were heard in time: how often each, by name.
        accounts: The accounts that sent its reports: how often each.
    """

    name: str
    reporter: str
    turns: int
    used: int
    brought: int
    rank: float | None
    even: float | None
    left_out: Mapping[str, int]
    accounts: Mapping[str, int]

    @property
    def skew(self) -> float | None:
        """How far `rank` is from `even`: -1 to 1, 0 if the answers that it brought are spread as all are."""
        if self.rank is None or self.even is None:
            return None
        return (self.rank - self.even) / (self.even - 1) if self.even > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Standings:
    """All members and transmitters, over some turns.

    Attributes:
        first_turn: The first of the turns.
        last_turn: The last of them.
        members: In the order of the configuration.
        transmitters: In the order in which they take turns.
    """

    first_turn: int
    last_turn: int
    members: tuple[MemberStanding, ...]
    transmitters: tuple[TransmitterStanding, ...]


def mean_ranks(all_answers: Mapping[str, int], brought: Collection[str]) -> tuple[float, float] | None:
    """Return the mean rank of the brought answers to one feed, and that of all; None: none was brought.

    Args:
        all_answers: The answers that were heard or brought, by reporter; `NO_ANSWER` where there is none.
        brought: The reporters whose answers were brought.
    """
    there = {reporter: answer for reporter, answer in all_answers.items() if answer != NO_ANSWER}
    ordered = sorted(there.values())
    # Equal answers share the mean of their ranks.
    ranks = [
        (ordered.index(answer) + 1 + len(ordered) - ordered[::-1].index(answer)) / 2
        for reporter, answer in there.items()
        if reporter in brought
    ]
    return (sum(ranks) / len(ranks), (len(ordered) + 1) / 2) if ranks else None


def read_standings(
    connection: sa.Connection,
    *,
    names: Mapping[str, str],
    ignored: Collection[str],
    turns: Turns,
    measures: Mapping[bytes, FeedMeasure],
    first_turn: int,
    last_turn: int,
) -> Standings:
    """Return the standings over some turns.

    Args:
        connection: A connection to the journal's database in a transaction.
        names: The members' names, by the checksummed addresses of their reporter keys.
        ignored: The addresses of those that this node ignores.
        turns: The network's turns.
        measures: The measures of the feeds, by their ids. Others are not measured.
        first_turn: The first turn.
        last_turn: The last turn.
    """
    heard = _Heard(measures)
    table = network.heard
    query = sa.select(table.c.report, table.c.reporter, table.c.turn, table.c.message, table.c.at)
    for row in connection.execute(query.where(table.c.turn.between(first_turn, last_turn)).order_by(table.c.id)):
        heard.add(bytes(row.report), row.reporter, row.turn, row.at, json.loads(row.message))
    distances = heard.distances()
    asked, seconds = _asked(connection, first_turn, last_turn)
    faults = count_faults(connection)
    brought = _brought(connection, first_turn, last_turn)
    return Standings(
        first_turn,
        last_turn,
        tuple(
            _member(
                reporter,
                name,
                heard,
                distances.get(reporter, []),
                asked.get(reporter, {}),
                # Whoever asks nobody only knows when an answer came after the time that it is about.
                (seconds if asked else heard.delays).get(reporter, []),
                faults.get(reporter, {}),
                is_ignored=reporter in ignored,
            )
            for reporter, name in names.items()
        ),
        tuple(
            _transmitter(reporter, names, turns, heard.turns, brought.get(reporter, []), first_turn, last_turn)
            for reporter in _transmitters(turns, first_turn, last_turn)
        ),
    )


# --- details -------------------------------------------------------------------------------------------------------


@dataclass
class _Heard:
    """What was heard in some turns."""

    measures: Mapping[bytes, FeedMeasure]
    reports: dict[bytes, set[str]] = field(default_factory=lambda: defaultdict(set))
    answers: dict[tuple[bytes, str], dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    delays: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    last: dict[str, float] = field(default_factory=dict)
    turns: set[int] = field(default_factory=set)

    def add(self, report: bytes, reporter: str, turn: int, at: float, message: Mapping[str, object]) -> None:
        """Take a message as it is on disk: it was verified before."""
        if reporter in self.reports[report]:
            return
        self.reports[report].add(reporter)
        self.turns.add(turn)
        self.last[reporter] = max(at, self.last.get(reporter, 0.0))
        body = message["report"]
        assert isinstance(body, dict)
        self.delays[reporter].append(max(0.0, at - body["observedAt"]))
        answers = message["answers"]
        assert isinstance(answers, list)
        for feed, answer in zip(body["feedIds"], answers, strict=True):
            if answer is not None:
                self.answers[report, feed][reporter] = int(answer)

    def distances(self) -> dict[str, list[int]]:
        """Return the distances of each member's answers from the median of all, where three or more have answered."""
        found: dict[str, list[int]] = defaultdict(list)
        measures = {f"0x{feed_id.hex()}": measure for feed_id, measure in self.measures.items()}
        for (_, feed), answers in self.answers.items():
            if len(answers) < 3 or feed not in measures:
                continue
            median = sorted(answers.values())[len(answers) // 2]
            for reporter, answer in answers.items():
                distance = measures[feed].distance(answer, median)
                if distance is not None:
                    found[reporter].append(distance)
        return found


def _member(
    reporter: str,
    name: str,
    heard: _Heard,
    distances: Sequence[int],
    asked: Mapping[str, int],
    seconds: Sequence[float],
    faults: Mapping[FaultKind, int],
    *,
    is_ignored: bool,
) -> MemberStanding:
    ordered = sorted(seconds)
    return MemberStanding(
        name=name,
        reporter=reporter,
        ignored=is_ignored,
        reports=len(heard.reports),
        answered=sum(reporter in each for each in heard.reports.values()),
        asked=asked,
        delay_p50_s=percentile(ordered, 50) if ordered else None,
        delay_p95_s=percentile(ordered, 95) if ordered else None,
        distance=_mean([abs(each) for each in distances]),
        bias=_mean(distances),
        largest=max(map(abs, distances), default=None),
        last_seen=heard.last.get(reporter),
        faults=faults,
    )


def _asked(
    connection: sa.Connection, first_turn: int, last_turn: int
) -> tuple[dict[str, dict[str, int]], dict[str, list[float]]]:
    """Return how often each member that was asked has answered in which way, and how long its answers took."""
    table = network.asked
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    seconds: dict[str, list[float]] = defaultdict(list)
    query = sa.select(table.c.reporter, table.c.outcome, table.c.seconds)
    for row in connection.execute(query.where(table.c.turn.between(first_turn, last_turn))):
        counts[row.reporter][row.outcome] += 1
        if row.outcome in ("answered", "late"):
            seconds[row.reporter].append(row.seconds)
    return {reporter: dict(found) for reporter, found in counts.items()}, seconds


@dataclass(frozen=True, slots=True)
class _Brought:
    turn: int
    details: Mapping[str, object]


def _brought(connection: sa.Connection, first_turn: int, last_turn: int) -> dict[str, list[_Brought]]:
    table = network.brought
    found: dict[str, list[_Brought]] = defaultdict(list)
    for row in connection.execute(sa.select(table).where(table.c.turn.between(first_turn, last_turn))):
        found[row.transmitter].append(_Brought(row.turn, json.loads(row.details)))
    return found


def _transmitter(
    reporter: str,
    names: Mapping[str, str],
    turns: Turns,
    heard: Collection[int],
    brought: Sequence[_Brought],
    first_turn: int,
    last_turn: int,
) -> TransmitterStanding:
    mine = {turn for turn in range(first_turn, last_turn + 1) if turns.holds(reporter, turn)}
    ranks: list[float] = []
    evens: list[float] = []
    left_out: dict[str, int] = defaultdict(int)
    accounts: dict[str, int] = defaultdict(int)
    for each in brought:
        accounts[str(each.details["account"])] += 1
        rank, even = each.details.get("rank"), each.details.get("even")
        if isinstance(rank, float) and isinstance(even, float):
            ranks.append(rank)
            evens.append(even)
        omitted = each.details.get("left_out")
        for member in omitted if isinstance(omitted, list) else ():
            left_out[names.get(member, member)] += 1
    landed = {each.turn for each in brought}
    return TransmitterStanding(
        name=names.get(reporter, reporter),
        reporter=reporter,
        turns=len(mine),
        used=len(mine.intersection(heard) | landed),
        brought=len(landed),
        rank=_mean(ranks),
        even=_mean(evens),
        left_out=dict(left_out),
        accounts=dict(accounts),
    )


def _transmitters(turns: Turns, first_turn: int, last_turn: int) -> list[str]:
    """Return all that hold one of these turns, in the order in which they take them."""
    found = dict.fromkeys(each for turn in (first_turn, last_turn) for each in turns.order(turn))
    found |= dict.fromkeys(filter(None, (turns.holder(turn) for turn in range(first_turn, last_turn + 1))))
    return sorted(found, key=str.lower)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None
