"""The outcomes of trials: each is replayed from the feed as it is at its place, all side by side.

Told is not only if a fault was held, but what was written: a drift that is held once at its end was written till then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, overload

import numpy as np

from oracle.core import gate
from oracle.core.types import Kind
from oracle.detectors.evaluation.arrays import Column, answers_array, fit_int64
from oracle.detectors.evaluation.gates import Arrived, Gates, derive, step
from oracle.detectors.evaluation.prepared import Prepared, Tick
from oracle.detectors.evaluation.replay import Judge, Replay, whys
from oracle.detectors.evaluation.trials import Trial

__all__ = ["Outcomes", "Trials", "bound", "first_holds", "try_all"]


class Trials(Sequence[Trial]):
    """Trials on one recording, as arrays besides: made once, tried with every detector."""

    def __init__(self, prepared: Prepared, trials: Sequence[Trial]) -> None:
        self.prepared = prepared
        self._trials = tuple(trials)
        self.first = np.array([trial.first for trial in trials], dtype=np.int64)
        self.length = np.array([len(trial.ticks) for trial in trials], dtype=np.int64)
        self.offset = np.concatenate([[0], np.cumsum(self.length)[:-1]]).astype(np.int64)
        peers = len(prepared.feed.peers)
        self._faulty = _Rows([tick for trial in trials for tick in trial.ticks], peers)
        self._clean = _Rows(prepared.ticks, peers)
        bounds = [bound for trial in trials for bound in (trial.honest or ((0, 0),) * len(trial.ticks))]
        self.honest = np.array(bounds, dtype=object).reshape(-1, 2)
        self.of_source = np.array([trial.fault.source for trial in trials], dtype=bool)

    @overload
    def __getitem__(self, index: int) -> Trial: ...

    @overload
    def __getitem__(self, index: slice) -> Trials: ...

    def __getitem__(self, index: int | slice) -> Trial | Trials:
        if isinstance(index, slice):
            return Trials(self.prepared, self._trials[index])
        return self._trials[index]

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    @cached_property
    def small(self) -> np.ndarray:
        """True for each trial whose answers are small enough for int64."""
        sigmas = [self.prepared.feed.sigma, *(peer.sigma for peer in self.prepared.feed.peers)]
        if not fit_int64([answer for column in (self._clean.answers, *self._clean.peers) for answer in column], sigmas):
            return np.zeros(len(self), dtype=bool)
        return np.array(
            [
                fit_int64([value for tick in trial.ticks for value in (tick.answer or 0, *tick.peers)], sigmas)
                for trial in self
            ],
            dtype=bool,
        )

    def at(self, rows: np.ndarray, tick: int, *, small: bool) -> tuple[Arrived, np.ndarray, Column]:
        """Return what is reported at a tick of some trials, after the fault what was recorded.

        Returns:
            The reports; where there is one; and the answers as they were recorded.
        """
        index = self.first[rows] + tick
        faulty = tick < self.length[rows]
        own = np.where(faulty, self.offset[rows] + tick, 0)
        clean, lied = self._clean.columns(small), self._faulty.columns(small)
        answer, time, spread, count, spoken, *peers = (
            np.where(faulty, wrong[own], right[index]) for wrong, right in zip(lied, clean, strict=True)
        )
        return Arrived(answer, time, spread, count, tuple(peers)), spoken.astype(bool), clean[0][index]


class _Rows:
    """Ticks by column, as int64 or as Python's integers."""

    def __init__(self, ticks: Sequence[Tick], peers: int) -> None:
        self.answers = [tick.answer or 0 for tick in ticks]
        self._whole = [
            np.array([get(tick) for tick in ticks], dtype=np.int64) for get in (_time, _spread, _count, _spoken)
        ]
        self.peers = [[tick.peers[number] if tick.peers else 0 for tick in ticks] for number in range(peers)]
        self._made: dict[bool, list[Column]] = {}

    def columns(self, small: bool) -> list[Column]:
        """Return answer, time, spread, count, 1 where there is an answer, and the peers' answers.

        Args:
            small: True for int64. Values that are too large for it belong to trials that are not small, and are 0.
        """
        if small not in self._made:
            answer, *peers = (
                answers_array([value if abs(value) < _LARGE else 0 for value in each] if small else each, small=small)
                for each in (self.answers, *self.peers)
            )
            self._made[small] = [answer, *self._whole, *peers]
        return self._made[small]


_LARGE = 2**62


def _time(tick: Tick) -> int:
    return tick.time


def _spread(tick: Tick) -> int:
    return tick.spread


def _count(tick: Tick) -> int:
    return tick.count


def _spoken(tick: Tick) -> int:
    return int(tick.answer is not None)


@dataclass(slots=True)
class Outcomes:
    """The ends of trials: an element for each.

    Attributes:
        good: False where the recording itself is held at the place, so that what happens there says nothing.
        caught: True if a faulty report was held; for a fault of one source, if every answer that was written lies
            between those of honest venues.
        latency: Ticks until the first hold: 1 if the first tick is held; 0 if none is.
        latency_s: Seconds from the first tick to that hold.
        wrong: Ticks at which the reported answer is wrong.
        written: Wrong answers that became rounds.
        error_written: The sum of their errors, relative to the true value; in sigmas on absolute feeds.
        worst_written: The largest of them.
        error_held: The sum of the errors of what a reader sees while reports are held, likewise.
        worst_held: The largest of them.
        held: Reports held from the fault's beginning until a true one was accepted.
        held_s: Seconds from the first of them to the first accepted report after it.
        after: How many of them were true, and came after the fault.
        cleared: True if a true report was accepted before the recording, or the bound of a hold, ended.
        silent: Ticks of the fault without a report, because the sources disagreed.
        why: Why the first of them was held, as an index into HOLDS; -1 if none was.
    """

    good: np.ndarray
    caught: np.ndarray
    latency: np.ndarray
    latency_s: np.ndarray
    wrong: np.ndarray
    written: np.ndarray
    error_written: np.ndarray
    worst_written: np.ndarray
    error_held: np.ndarray
    worst_held: np.ndarray
    held: np.ndarray
    held_s: np.ndarray
    after: np.ndarray
    cleared: np.ndarray
    silent: np.ndarray
    why: np.ndarray

    @staticmethod
    def empty(count: int) -> Outcomes:
        """Return outcomes to which nothing has happened yet."""
        kinds: dict[str, type] = {"good": bool, "caught": bool, "cleared": bool}
        kinds |= dict.fromkeys(("error_written", "worst_written", "error_held", "worst_held"), float)
        found: dict[str, Any] = {
            each.name: np.zeros(count, dtype=kinds.get(each.name, np.int64)) for each in fields(Outcomes)
        }
        found["why"] -= 1
        return Outcomes(**found)

    def __len__(self) -> int:
        return len(self.good)

    def of(self, rows: np.ndarray) -> Outcomes:
        """Return some of them."""
        return Outcomes(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


def bound(policy: gate.HoldPolicy) -> int:
    """Return how many anomalous reports end any hold, if they span the time."""
    return gate.PATIENCE * (policy.confirmations + 1)


def try_all(judge: Judge, clean: Replay, trials: Trials) -> Outcomes:
    """Replay each trial from the feed's state at its place, until a true report is accepted after it.

    Args:
        judge: The detector behind the gate.
        clean: The recording's replay without faults.
        trials: The faults at their places.
    """
    found = Outcomes.empty(len(trials))
    numbers = np.searchsorted(clean.history.indices, trials.first)
    quiet = np.concatenate([[0], np.cumsum([clean.held(number) for number in range(len(clean.history))])])
    end = np.minimum(numbers + trials.length + 1, len(clean.history))
    found.good = quiet[end] == quiet[numbers - 1]
    for small in (True, False):
        rows = np.flatnonzero(found.good & (trials.small == small))
        if len(rows):
            _play(judge, clean, trials, rows, numbers[rows], found, small=small)
    return found


def first_holds(judge: Judge, clean: Replay, trials: Trials) -> np.ndarray:
    """Return for each trial if its first tick is held, wherever the feed is then."""
    held = np.zeros(len(trials), dtype=bool)
    numbers = np.searchsorted(clean.history.indices, trials.first)
    for small in (True, False):
        rows = np.flatnonzero(trials.small == small)
        if len(rows):
            gates = Gates.at(clean, numbers[rows], small=small)
            arrived, spoken, _ = trials.at(rows, 0, small=small)
            derived = derive(judge.feed, gates, arrived)
            objects = judge.objects(derived.windows(judge.detector.features))
            held[rows] = step(judge.feed, gates, arrived, derived, objects)[1] & spoken
    return held


def _play(
    judge: Judge,
    clean: Replay,
    trials: Trials,
    rows: np.ndarray,
    numbers: np.ndarray,
    found: Outcomes,
    *,
    small: bool,
) -> None:
    """Play some trials to their ends, and put what happened into `found`."""
    feed, policy = judge.feed, judge.feed.policy
    longest = bound(policy) + policy.max_repeats + 2
    ticks = len(trials.prepared.ticks)
    gates = Gates.at(clean, numbers, small=small)
    began = np.full(len(trials), -1, dtype=np.int64)
    released = np.full(len(trials), -1, dtype=np.int64)
    lasted = np.zeros(len(trials), dtype=np.int64)
    found.caught[rows] = trials.of_source[rows]
    places, at = np.arange(len(rows)), 0
    while len(places):
        own = rows[places]
        faulty = at < trials.length[own]
        arrived, spoken, true = trials.at(own, at, small=small)
        before = gates.take(places)
        derived = derive(feed, before, arrived)
        objects = judge.objects(derived.windows(judge.detector.features))
        after, held, reason = step(feed, before, arrived, derived, objects)
        held &= spoken
        accepted = spoken & ~held
        gates.put(places[spoken], after.take(np.flatnonzero(spoken)))
        wrong = faulty & spoken & (arrived.answer != true).astype(bool)
        found.silent[own] += faulty & ~spoken
        found.wrong[own] += wrong
        found.written[own] += wrong & accepted
        found.held[own] += held
        found.after[own] += held & ~faulty
        seen = np.where(accepted, arrived.answer, before.answer)
        error = _errors(judge, seen, true)
        for rounds, total, worst in (
            (wrong & accepted, found.error_written, found.worst_written),
            (held, found.error_held, found.worst_held),
        ):
            total[own] += np.where(rounds, error, 0.0)
            worst[own] = np.maximum(worst[own], np.where(rounds, error, 0.0))
        sourced = trials.of_source[own]
        if sourced.any():
            bounds = trials.honest[np.where(faulty, trials.offset[own] + at, 0)]
            honest = ((bounds[:, 0] <= arrived.answer) & (arrived.answer <= bounds[:, 1])).astype(bool)
            found.caught[own] &= ~sourced | ~faulty | ~accepted | honest
        newly = held & (began[own] < 0)
        began[own[newly]] = arrived.time[newly]
        found.why[own[newly]] = whys(reason[newly], derived.move[newly])
        first = newly & faulty
        found.latency[own[first]] = at + 1
        found.latency_s[own[first]] = arrived.time[first] - arrived_first(trials, own[first])
        found.caught[own] |= first & ~sourced
        back = accepted & (began[own] >= 0) & (released[own] < 0)
        released[own[back]] = arrived.time[back]
        lasted[own] = np.where(spoken, arrived.time, 0)
        ended = accepted & ~faulty
        found.cleared[own] |= ended
        at += 1
        most = np.minimum(trials.length[own] + longest, ticks - trials.first[own])
        places = places[~ended & (at < most)]
    end = np.where(released[rows] >= 0, released[rows], lasted[rows])
    found.held_s[rows] = np.where(began[rows] >= 0, np.maximum(0, end - began[rows]), 0)


def arrived_first(trials: Trials, rows: np.ndarray) -> Column:
    """Return the times of the first ticks of some trials."""
    return trials.at(rows, 0, small=False)[0].time


def _errors(judge: Judge, seen: Column, true: Column) -> np.ndarray:
    """Return the distance of what a reader sees from the truth: relative; on absolute feeds in sigmas."""
    off: np.ndarray = np.abs(seen - true).astype(np.float64)
    if judge.feed.kind is Kind.ABSOLUTE:
        return off / judge.feed.sigma
    return off / np.asarray(np.maximum(1, np.abs(true)), dtype=np.float64)
