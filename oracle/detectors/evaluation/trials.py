"""Trials: a fault on its own, put into the recording at a seeded place, and replayed from the feed as it is there.

So no fault's hold hides another, and all detectors are tried at the same places.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from oracle.core import encoding, gate
from oracle.core.types import HoldReason, Kind
from oracle.detectors.evaluation.prepared import Prepared, Tick, readings_at, tick_of, with_spread
from oracle.detectors.evaluation.replay import Judge, Replay, Run, replay_all
from oracle.sources.faults import FAULTS, Fault, Surroundings

__all__ = ["Trial", "TrialResult", "fitted", "place", "standard", "try_all"]

STANDARD = tuple(kind for kind in FAULTS if kind != "drift")
"""The demonstration's drift is left out: it is the catalogue's drift of 1 % a tick, only shorter."""

_TAKES_BY_RULE = 12
"""Ticks of a stuck value where the feed has no repeat rule."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault at one place.

    Attributes:
        fault: The fault.
        first: Index of its first tick.
        ticks: What is reported while it lasts.
        true: What would have been reported without it.
        honest: Least and greatest answer of the venues that tell the truth, for each tick; only for a fault of one
            source.
    """

    fault: Fault
    first: int
    ticks: tuple[Tick, ...]
    true: tuple[Tick, ...]
    honest: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The end of one trial.

    Attributes:
        caught: True if a faulty report was held; for a fault of one source, if every answer that was written lies
            between those of honest venues.
        latency: Ticks until the first hold: 1 if the first tick is held; None if none is.
        latency_s: Seconds from the first tick to that hold.
        written: Faulty answers that became rounds.
        worst: The largest of their errors, relative to the true value; in sigmas on absolute feeds.
        held: Reports held from the fault's beginning until a true one was accepted.
        held_s: Seconds from the first of them to the first accepted report after it.
        after: How many of them were true.
        cleared: True if a true report was accepted before the recording, or the bound of a hold, ended.
        silent: Ticks without a report, because the sources disagreed.
        reason: Why the first of them was held.
    """

    caught: bool
    latency: int | None
    latency_s: int | None
    written: int
    worst: float
    held: int
    held_s: int
    after: int
    cleared: bool
    silent: int
    reason: HoldReason


def standard(names: Sequence[str] = STANDARD) -> tuple[Fault, ...]:
    """Return faults of the catalogue by name; by default those that a report is made with."""
    return tuple(FAULTS[name] for name in names)


def fitted(fault: Fault, policy: gate.HoldPolicy) -> Fault:
    """Return the fault; one of repetition lasts beyond what the repeat rule allows."""
    if fault.group != "stuck" or fault.kind not in FAULTS:
        return fault
    allowed = policy.max_repeats or _TAKES_BY_RULE
    return replace(fault, ticks=allowed + 4 if fault.kind == "stuck" else 3 * (allowed + 2))


def bound(policy: gate.HoldPolicy) -> int:
    """Return how many anomalous reports end any hold, if they span the time."""
    return gate.PATIENCE * (policy.confirmations + 1)


def place(prepared: Prepared, fault: Fault, count: int, seed: int) -> list[Trial]:
    """Return the fault at up to `count` places, the same ones for all faults as far as they fit.

    Places are drawn from the evaluated part. A place where the fault changes nothing is passed over.
    """
    fault = fitted(fault, prepared.feed.policy)
    if fault.needs_others and not prepared.recording.others:
        return []
    if fault.source and len(prepared.recording.venues) < 2:
        return []
    found: list[Trial] = []
    for first in _places(seed, prepared.begin + encoding.RING_SIZE + 2, len(prepared.ticks) - 1):
        if len(found) == count:
            break
        if first + fault.ticks < len(prepared.ticks) and first >= fault.earlier:
            trial = _trial(prepared, fault, first, random.Random(f"{seed}:{fault.kind}:{first}"))
            if trial is not None:
                found.append(trial)
    return found


@lru_cache(maxsize=8)
def _places(seed: int, begin: int, end: int) -> tuple[int, ...]:
    order = list(range(begin, end))
    random.Random(f"places:{seed}").shuffle(order)
    return tuple(order)


def _trial(prepared: Prepared, fault: Fault, first: int, rng: random.Random) -> Trial | None:
    recording, feed = prepared.recording, prepared.feed
    last = first + fault.ticks
    true = prepared.ticks[first:last]
    venue = None
    values: Sequence[Decimal | None] = prepared.values
    if fault.source:
        spoke = [name for name, said in recording.venues.items() if None not in said[first - fault.earlier : last]]
        if len(spoke) < 2:
            return None
        venue = rng.choice(spoke)
        values = recording.venues[venue]
    known = [value for value in values[first - fault.earlier : last] if value is not None]
    if len(known) < fault.earlier + fault.ticks or any(tick.answer is None for tick in true):
        return None
    earlier, clean = tuple(known[: fault.earlier]), tuple(known[fault.earlier :])
    others = tuple(tuple(other[index % len(other)] for index in range(first, last)) for other in recording.others)
    seen = fault.apply(Surroundings(clean, earlier[-1], others, earlier), rng)
    if seen == clean:
        return None
    if venue is None:
        ticks = tuple(
            replace(tick, value=value, answer=encoding.answer_from_decimal(value, feed.decimals))
            for tick, value in zip(true, seen, strict=True)
        )
        return Trial(fault, first, ticks, true)
    told = [{venue: value} for value in seen]
    lied = tuple(
        with_spread(tick_of(recording, index, feed.aggregation, feed.decimals, said), recording, index, feed, told=said)
        for index, said in enumerate(told, first)
    )
    honest = []
    for index in range(first, last):
        answers = [
            encoding.answer_from_decimal(reading.value, feed.decimals)
            for reading in readings_at(recording, index, {})
            if reading.source != venue
        ]
        honest.append((min(answers), max(answers)))
    return Trial(fault, first, lied, true, tuple(honest))


def try_all(judge: Judge, prepared: Prepared, clean: Replay, trials: Sequence[Trial]) -> list[TrialResult | None]:
    """Replay each trial from the feed's state at its place.

    Args:
        judge: The detector behind the gate.
        prepared: The recording.
        clean: Its replay without faults.
        trials: The faults at their places.

    Returns:
        A result for each trial; None where the recording itself is held at the place, so that what happens there says
        nothing of the fault.
    """
    policy = judge.feed.policy
    longest = bound(policy) + policy.max_repeats + 2
    runs: list[Run] = []
    for trial in trials:
        after = prepared.ticks[trial.first + len(trial.ticks) :][:longest]
        state = clean.state(clean.history.number(trial.first))
        runs.append(Run(state, [*trial.ticks, *after], len(trial.ticks)))
    alive = [_undisturbed(trial, clean) for trial in trials]
    replay_all(judge, [run for run, good in zip(runs, alive, strict=True) if good])
    return [_result(trial, run, judge) if good else None for trial, run, good in zip(trials, runs, alive, strict=True)]


def _undisturbed(trial: Trial, clean: Replay) -> bool:
    first = clean.history.number(trial.first)
    return not any(clean.held(number) for number in range(first - 1, first + len(trial.ticks) + 1))


def _result(trial: Trial, run: Run, judge: Judge) -> TrialResult:
    length = len(trial.ticks)
    faulty, after = run.steps[:length], run.steps[length:]
    held = [step for step in run.steps if step is not None and step.held]
    first_held = next((index for index, step in enumerate(faulty) if step is not None and step.held), None)
    errors = [
        _error(judge, step.tick, true)
        for step, true in zip(faulty, trial.true, strict=True)
        if step is not None and not step.held and step.tick.answer != true.answer
    ]
    caught = first_held is not None
    if trial.fault.source:
        caught = all(
            step is None or step.held or least <= (step.tick.answer or 0) <= greatest
            for step, (least, greatest) in zip(faulty, trial.honest, strict=True)
        )
    ended = next((step for step in reversed(after) if step is not None and not step.held), None)
    released = [
        step.tick.time
        for step in run.steps
        if step is not None and not step.held and held and step.tick.time > held[0].tick.time
    ]
    end = released[0] if released else run.steps[-1].tick.time if run.steps[-1] is not None else 0
    return TrialResult(
        caught=caught,
        latency=None if first_held is None else first_held + 1,
        latency_s=None if first_held is None else trial.true[first_held].time - trial.true[0].time,
        written=len(errors),
        worst=max(errors, default=0.0),
        held=len(held),
        held_s=max(0, end - held[0].tick.time) if held else 0,
        after=sum(step is not None and step.held for step in after),
        cleared=ended is not None,
        silent=sum(step is None for step in faulty),
        reason=held[0].reason if held else HoldReason.NONE,
    )


def _error(judge: Judge, tick: Tick, true: Tick) -> float:
    assert tick.answer is not None and true.answer is not None
    difference = abs(tick.answer - true.answer)
    return difference / (judge.feed.sigma if judge.feed.kind is Kind.ABSOLUTE else abs(true.answer))
