"""Trials: a fault on its own, put into the recording at a seeded place.

So no fault's hold hides another, and all detectors are tried at the same places; `outcomes` replays them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from oracle.core import encoding, gate
from oracle.core.types import Kind
from oracle.detectors.evaluation.prepared import PeerTerms, Prepared, Tick, readings_at, tick_of, with_spread
from oracle.sources.faults import FAULTS, Fault, Surroundings

__all__ = ["PEER_FAULTS", "Lie", "Trial", "fitted", "lying", "place", "standard"]

STANDARD = tuple(kind for kind in FAULTS if kind != "drift")
"""The demonstration's drift is left out: it is the catalogue's drift of 1 % a tick, only shorter."""

PEER_LIES = (1, 3, 10)
"""Sizes of a peer's lies, in its sigmas."""

_TAKES_BY_RULE = 12
"""Ticks of a stuck value where the feed has no repeat rule."""


class Lie(StrEnum):
    """The feeds that a fault happens to.

    Attributes:
        OWN: The feed alone.
        JOINT: The feed and its first peer, by the same step.
        BLIND: The feed, while its first peer is clipped, so that the model doesn't see it.
    """

    OWN = "own"
    JOINT = "joint"
    BLIND = "blind"


def _honest(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    return around.clean


PEER_FAULTS: Mapping[str, Fault] = {
    fault.kind: fault
    for fault in (
        *(Fault(f"peer_lies_{size}", 1, _honest, "peer", size, real=True) for size in PEER_LIES),
        Fault("peer_clipped", 1, _honest, "peer", 100, real=True),
        Fault("peer_missing", 1, _honest, "peer", 0, real=True),
    )
}
"""Faults of the first peer, while the feed is honest: it must not be held. Lies are of so many of the peer's sigmas;
a missing peer is one of which the hub can't tell a move, as its answer isn't above zero."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault at one place.

    Attributes:
        fault: The fault.
        first: Index of its first tick.
        ticks: What is reported while it lasts.
        honest: Least and greatest answer of the venues that tell the truth, for each tick; only for a fault of one
            source.
        lie: Whom it happens to.
    """

    fault: Fault
    first: int
    ticks: tuple[Tick, ...]
    honest: tuple[tuple[int, int], ...] = ()
    lie: Lie = Lie.OWN


def standard(names: Sequence[str] = STANDARD) -> tuple[Fault, ...]:
    """Return faults of the catalogue by name; by default those that a report is made with."""
    return tuple(FAULTS[name] for name in names)


def fitted(fault: Fault, policy: gate.HoldPolicy) -> Fault:
    """Return the fault; one of repetition lasts beyond what the repeat rule allows."""
    if fault.group != "stuck" or fault.kind not in FAULTS:
        return fault
    allowed = policy.max_repeats or _TAKES_BY_RULE
    return replace(fault, ticks=allowed + 4 if fault.kind == "stuck" else 3 * (allowed + 2))


def place(prepared: Prepared, fault: Fault, count: int, seed: int) -> list[Trial]:
    """Return the fault at up to `count` places, the same ones for all faults as far as they fit.

    Places are drawn from the evaluated part, outside of stretches that are known to be wrong. A place where the fault
    changes nothing is passed over.

    Args:
        prepared: The recording.
        fault: The fault: of the feed, or one of PEER_FAULTS.
        count: How many.
        seed: Seed of the places, and of what a fault draws.
    """
    fault = fitted(fault, prepared.feed.policy)
    if fault.needs_others and not prepared.recording.others:
        return []
    if fault.source and len(prepared.recording.venues) < 2:
        return []
    of_peer = fault.kind in PEER_FAULTS
    if of_peer and not prepared.feed.peers:
        return []
    found: list[Trial] = []
    for first in _places(seed, prepared.begin + encoding.RING_SIZE + 2, len(prepared.ticks) - 1):
        if len(found) == count:
            break
        if first + fault.ticks >= len(prepared.ticks) or first < fault.earlier:
            continue
        if not prepared.bad.isdisjoint(range(first, first + fault.ticks)):
            continue
        rng = random.Random(f"{seed}:{fault.kind}:{first}")
        trial = _of_peer(prepared, fault, first, rng) if of_peer else _trial(prepared, fault, first, rng)
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
        ticks = []
        for tick, value in zip(true, seen, strict=True):
            answer = encoding.answer_from_decimal(value, feed.decimals)
            ticks.append(Tick(tick.time, value, answer, tick.spread, tick.outliers, tick.count, tick.peers))
        return Trial(fault, first, tuple(ticks))
    told = [{venue: value} for value in seen]
    lied = tuple(
        replace(
            with_spread(
                tick_of(recording, index, feed.aggregation, feed.decimals, said), recording, index, feed, told=said
            ),
            peers=prepared.ticks[index].peers,
        )
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
    return Trial(fault, first, lied, tuple(honest))


def lying(prepared: Prepared, trial: Trial, lie: Lie) -> Trial:
    """Return the same fault of the feed, while its first peer lies with it or isn't seen."""
    joined = _clipped if lie is Lie.BLIND else _joined
    ticks = []
    for index, tick in enumerate(trial.ticks, trial.first):
        peers = (joined(prepared, tick, prepared.ticks[index]), *tick.peers[1:])
        ticks.append(Tick(tick.time, tick.value, tick.answer, tick.spread, tick.outliers, tick.count, peers))
    return Trial(trial.fault, trial.first, tuple(ticks), lie=lie)


def _joined(prepared: Prepared, tick: Tick, true: Tick) -> int:
    """Return what the first peer says if it lies by the same step."""
    feed, terms, said = prepared.feed, prepared.feed.peers[0], tick.peers[0]
    assert tick.answer is not None and true.answer is not None
    off = tick.answer - true.answer
    if terms.kind is Kind.RELATIVE and feed.kind is Kind.RELATIVE:
        return said + encoding.truncated_quotient(said * off, true.answer)
    if feed.kind is Kind.RELATIVE:
        return said + encoding.truncated_quotient(off * 10**6 * terms.sigma, true.answer * feed.sigma)
    return _moved(terms, said, off / feed.sigma)


def _clipped(prepared: Prepared, tick: Tick, true: Tick) -> int:
    """Return an answer of the first peer that the hub can't measure, wherever the feed's last round was."""
    return _moved(prepared.feed.peers[0], tick.peers[0], 4 * encoding.CLIP / 1_000)


def _of_peer(prepared: Prepared, fault: Fault, first: int, rng: random.Random) -> Trial | None:
    """Return a fault of the first peer, of one tick, while the feed is honest."""
    tick, terms = prepared.ticks[first], prepared.feed.peers[0]
    if tick.answer is None:
        return None
    now, *rest = tick.peers
    if terms.kind is Kind.RELATIVE and now <= 0:
        return None
    if fault.kind == "peer_missing":
        if terms.kind is Kind.ABSOLUTE:
            return None
        lied = 0
    elif fault.kind == "peer_clipped":
        lied = _clipped(prepared, tick, tick)
    else:
        lied = _moved(terms, now, rng.choice((-1, 1)) * fault.size)
    return Trial(fault, first, (replace(tick, peers=(lied, *rest)),))


def _moved(terms: PeerTerms, answer: int, sigmas: float) -> int:
    """Return a peer's answer so many of its sigmas away."""
    if terms.kind is Kind.ABSOLUTE:
        return answer + round(sigmas * terms.sigma)
    step = round(abs(sigmas) * terms.sigma)
    # A fall is measured against what is left, as the hub measures it.
    return answer * (10**6 + step) // 10**6 if sigmas > 0 else answer * 10**6 // (10**6 + step)
