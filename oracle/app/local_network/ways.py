"""The ways in which a member of a local network can be faulty: the demonstration, tests and documents share this table.

A faulty member is a real one that `oracle.app.local_network.faulty` has bent. Its plan says in which way it is faulty
in which turn; it is a file beside the member's configuration, which is read again when it changes.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from oracle.core.documents import parse_json
from oracle.core.errors import DataError

__all__ = ["PLAN", "WAYS", "FaultPlan", "FaultyWay", "Way", "planned", "write_plan"]

PLAN = "faults.json"
"""The name of the file beside a member's configuration."""

_OTHERWISE = "otherwise"


class Way(StrEnum):
    """A way to be faulty. See `WAYS` for what each does."""

    SILENT = "silent"
    SLOW = "slow"
    GARBAGE = "garbage"
    HUGE = "huge"
    SLOW_LORIS = "slow_loris"
    TWO_ANSWERS = "two_answers"
    OTHER_ROUND = "other_round"
    OTHER_FEED = "other_feed"
    OTHER_HUB = "other_hub"
    OTHER_CHAIN = "other_chain"
    OLD_TIME = "old_time"
    FUTURE_TIME = "future_time"
    TIMES_TEN = "times_ten"
    TENTH = "tenth"
    INSIDE_SPREAD = "inside_spread"
    SOME_MEMBERS = "some_members"
    LIES_TO_ONE = "lies_to_one"
    REPLAYS = "replays"
    FLOODS = "floods"
    CLOCK_OFF = "clock_off"
    WITHHOLDS = "withholds"
    WORSE_SET = "worse_set"
    OLD_REPORT = "old_report"


@dataclass(frozen=True)
class FaultyWay:
    """A way to be faulty, in words.

    Attributes:
        does: What the member does, as the end of a sentence that begins with "it".
        in_own_turn: True if it shows in a turn of the member's own, False if in one of another member's.
    """

    does: str
    in_own_turn: bool = False


WAYS: Mapping[Way, FaultyWay] = {
    Way.SILENT: FaultyWay("takes requests and never answers"),
    Way.SLOW: FaultyWay("answers when the grace is over"),
    Way.GARBAGE: FaultyWay("answers with bytes that are no message"),
    Way.HUGE: FaultyWay("answers with a body that does not end"),
    Way.SLOW_LORIS: FaultyWay("answers a byte at a time"),
    Way.TWO_ANSWERS: FaultyWay("tells all members one answer, and gives the transmitter another one"),
    Way.OTHER_ROUND: FaultyWay("signs for another round than was asked for"),
    Way.OTHER_FEED: FaultyWay("signs for another feed than was asked for"),
    Way.OTHER_HUB: FaultyWay("signs for another hub"),
    Way.OTHER_CHAIN: FaultyWay("signs for another chain"),
    Way.OLD_TIME: FaultyWay("signs a time an hour ago"),
    Way.FUTURE_TIME: FaultyWay("signs a time in an hour"),
    Way.TIMES_TEN: FaultyWay("answers ten times the value"),
    Way.TENTH: FaultyWay("answers a tenth of the value"),
    Way.INSIDE_SPREAD: FaultyWay("adds to its answer as much as the spread allows"),
    Way.SOME_MEMBERS: FaultyWay("answers only every other member"),
    Way.LIES_TO_ONE: FaultyWay("answers honestly, and tells one member another answer"),
    Way.REPLAYS: FaultyWay("sends another's request to all members, again and again"),
    Way.FLOODS: FaultyWay("sends all members requests as fast as it can"),
    Way.CLOCK_OFF: FaultyWay("has a clock that is half a minute late"),
    Way.WITHHOLDS: FaultyWay("collects all answers in its turn, and sends nothing", in_own_turn=True),
    Way.WORSE_SET: FaultyWay("brings only the highest answers that make a quorum", in_own_turn=True),
    Way.OLD_REPORT: FaultyWay("keeps its report back, and sends it in the next one's turn", in_own_turn=True),
}
"""All ways."""


def write_plan(folder: Path, plan: Mapping[int, Way], otherwise: Way | None = None) -> None:
    """Write a member's plan, in one step: the member may be reading it.

    Args:
        folder: The folder of the member's configuration.
        plan: A way for each turn in which it is faulty.
        otherwise: The way in all other turns; None: it is honest in them.
    """
    new = folder / f"{PLAN}.new"
    ways = {str(turn): way.value for turn, way in plan.items()}
    if otherwise is not None:
        ways[_OTHERWISE] = otherwise.value
    new.write_text(json.dumps(ways), encoding="utf-8")
    os.replace(new, folder / PLAN)


class FaultPlan:
    """A member's plan, as the member reads it."""

    def __init__(self, folder: Path) -> None:
        """Read the plan in this folder, when it is asked for and has changed. Without a file, nothing is planned."""
        self._path = folder / PLAN
        self._stamp: tuple[int, int] | None = None
        self._ways: Mapping[str, Way] = {}

    def at(self, turn: int) -> Way | None:
        """Return the way in which the member is faulty in a turn; None: it is honest.

        Raises:
            DataError: The file is not a plan.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._ways, self._stamp = {}, None
            return None
        stamp = found.st_mtime_ns, found.st_ino
        if stamp != self._stamp:
            self._ways, self._stamp = self._read(), stamp
        return self._ways.get(str(turn), self._ways.get(_OTHERWISE))

    def _read(self) -> Mapping[str, Way]:
        try:
            document = parse_json(self._path.read_bytes())
            return {turn: Way(way) for turn, way in document.items()}
        except (ValueError, AttributeError) as error:
            raise DataError(f"{self._path}: is not a plan of faults by turn: {error}") from None


def planned(turns: Sequence[int], own: Sequence[bool], ways: Sequence[Way]) -> dict[int, Way]:
    """Return a plan that goes through ways one after the other: in own turns those that show there, else the others.

    Args:
        turns: The turns to plan, in order.
        own: For each of them, whether it is the member's own.
        ways: The ways in the order in which they come.
    """
    cycles = {
        is_own: itertools.cycle([way for way in ways if WAYS[way].in_own_turn is is_own] or [None])
        for is_own in (True, False)
    }
    found = {turn: next(cycles[is_own]) for turn, is_own in zip(turns, own, strict=True)}
    return {turn: way for turn, way in found.items() if way is not None}
