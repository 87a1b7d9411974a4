"""Standings: how members answer, how far from the others, and what transmitters bring. Figures of one node.

Each node computes them from what it heard and asked itself, so two nodes' figures differ where the network treats them
differently. They say whom to look at; what is proven is in the evidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from oracle.core import encoding
from oracle.core.documents import parse_json
from oracle.core.encoding import NO_ANSWER
from oracle.core.statistics import percentile
from oracle.core.types import Kind
from oracle.feeds.journal.schema import network
from oracle.network.casebook import count_faults
from oracle.network.evidence import FaultKind
from oracle.network.turns import Turns

__all__ = [
    "TURNS_SHOWN",
    "FeedMeasure",
    "MemberStanding",
    "Standings",
    "TransmitterStanding",
    "TurnFigures",
    "mean_ranks",
    "read_standings",
]

TURNS_SHOWN = 100
"""The latest turns that figures are about, unless another number is asked for."""

_UNSETTLED_TURNS = 4
"""The latest turns of which more may still be heard."""


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
        reports: The reports to which this node heard answers of more members than may be faulty.
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
        """The distance of `rank` from `even`: -1 to 1, 0 if the answers that it brought are spread as all are."""
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


@dataclass(slots=True)
class TurnFigures:
    """The messages that were heard in one turn.

    Attributes:
        reports: How many reports were answered by more members than may be faulty.
        delays: By reporter, how many seconds after a report's time each of its answers came.
        distances: By reporter, the distances of its answers from the medians.
        last: By reporter, when it was heard last, unix seconds.
    """

    reports: int = 0
    delays: dict[str, list[float]] = field(default_factory=dict)
    distances: dict[str, list[int]] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)


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
    faulty: int,
    turns: Turns,
    measures: Mapping[bytes, FeedMeasure],
    first_turn: int,
    last_turn: int,
    known: MutableMapping[int, TurnFigures] | None = None,
) -> Standings:
    """Return the standings over some turns.

    Args:
        connection: A connection to the journal's database in a transaction.
        names: The members' names, by the checksummed addresses of their reporter keys.
        ignored: The addresses of those that this node ignores.
        faulty: How many members may lie.
        turns: The network's turns.
        measures: The measures of the feeds, by their ids. Others are not measured.
        first_turn: The first turn.
        last_turn: The last turn.
        known: The figures of turns that were read before: they are not read again, and new ones are put there.
    """
    figures = _figures(connection, measures, faulty, first_turn, last_turn, {} if known is None else known)
    asked, seconds = _asked(connection, first_turn, last_turn)
    faults = count_faults(connection)
    brought = _brought(connection, first_turn, last_turn)
    heard = {turn for turn, each in figures.items() if each.reports}
    return Standings(
        first_turn,
        last_turn,
        tuple(
            _member(
                reporter,
                name,
                list(figures.values()),
                asked.get(reporter, {}),
                seconds.get(reporter, []) if asked else None,
                faults.get(reporter, {}),
                is_ignored=reporter in ignored,
            )
            for reporter, name in names.items()
        ),
        tuple(
            _transmitter(reporter, names, turns, heard, brought.get(reporter, []), first_turn, last_turn)
            for reporter in _transmitters(turns, first_turn, last_turn)
        ),
    )


# --- details -------------------------------------------------------------------------------------------------------


def _figures(
    connection: sa.Connection,
    measures: Mapping[bytes, FeedMeasure],
    faulty: int,
    first_turn: int,
    last_turn: int,
    known: MutableMapping[int, TurnFigures],
) -> Mapping[int, TurnFigures]:
    """Return the figures of each turn. Only turns that are not known, or may still change, are read."""
    for turn in [each for each in known if not first_turn <= each <= last_turn - _UNSETTLED_TURNS]:
        del known[turn]
    wanted = [turn for turn in range(first_turn, last_turn + 1) if turn not in known]
    named = {f"0x{feed_id.hex()}": measure for feed_id, measure in measures.items()}
    table = network.heard
    query = sa.select(table.c.report, table.c.reporter, table.c.turn, table.c.message, table.c.at)
    query = query.where(table.c.turn.between(wanted[0], last_turn)).order_by(table.c.turn, table.c.id)
    known.update({turn: TurnFigures() for turn in wanted})
    for turn, rows in groupby(connection.execute(query), key=lambda row: int(row.turn)):
        if turn in wanted:
            known[turn] = _of_turn(list(rows), named, faulty)
    return known


def _of_turn(rows: Sequence[Any], measures: Mapping[str, FeedMeasure], faulty: int) -> TurnFigures:
    """Return the figures of what was heard in one turn. Messages were verified before they were written.

    A report to which only as many members have answered as may lie may be one that nobody asked for.
    """
    found = TurnFigures()
    answered: dict[bytes, set[str]] = defaultdict(set)
    for row in rows:
        answered[bytes(row.report)].add(row.reporter)
    reports: dict[bytes, set[str]] = defaultdict(set)
    answers: dict[tuple[bytes, str], dict[str, int]] = defaultdict(dict)
    for row in rows:
        report, reporter = bytes(row.report), row.reporter
        found.last[reporter] = max(row.at, found.last.get(reporter, 0.0))
        if len(answered[report]) <= faulty or reporter in reports[report]:
            continue
        reports[report].add(reporter)
        message = parse_json(row.message)
        found.delays.setdefault(reporter, []).append(max(0.0, row.at - message["report"]["observedAt"]))
        for feed, answer in zip(message["report"]["feedIds"], message["answers"], strict=True):
            if answer is not None:
                answers[report, feed][reporter] = int(answer)
    found.reports = len(reports)
    for (_, feed), given in answers.items():
        # Of two answers, neither is the odd one.
        if len(given) < 3 or feed not in measures:
            continue
        median = sorted(given.values())[len(given) // 2]
        for reporter, answer in given.items():
            distance = measures[feed].distance(answer, median)
            if distance is not None:
                found.distances.setdefault(reporter, []).append(distance)
    return found


def _member(
    reporter: str,
    name: str,
    figures: Sequence[TurnFigures],
    asked: Mapping[str, int],
    seconds: Sequence[float] | None,
    faults: Mapping[FaultKind, int],
    *,
    is_ignored: bool,
) -> MemberStanding:
    """Return one member's standing.

    Args:
        seconds: How long its answers to this node took; None: this node asks nobody, and only knows when an answer
            came after the time that it is about.
    """
    distances = [distance for each in figures for distance in each.distances.get(reporter, ())]
    came = [delay for each in figures for delay in each.delays.get(reporter, ())]
    took = came if seconds is None else seconds
    return MemberStanding(
        name=name,
        reporter=reporter,
        ignored=is_ignored,
        reports=sum(each.reports for each in figures),
        answered=len(came),
        asked=asked,
        delay_p50_s=percentile(took, 50) if took else None,
        delay_p95_s=percentile(took, 95) if took else None,
        distance=_mean([abs(each) for each in distances]),
        bias=_mean(distances),
        largest=max(map(abs, distances), default=None),
        last_seen=max((each.last[reporter] for each in figures if reporter in each.last), default=None),
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
        found[row.transmitter].append(_Brought(row.turn, parse_json(row.details)))
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
