"""Series for evaluations of detectors: walks, and venues that nearly agree."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from oracle.core.gate import HoldPolicy
from oracle.core.types import Kind
from oracle.detectors.evaluation.prepared import FeedSettings, PeerTerms, Prepared, tick_of
from oracle.detectors.evaluation.recording import Recording
from oracle.sources.aggregate import AggregationPolicy

SIGMA = 10_000
"""One percent."""

HOUR = 3_600


def recording(values: Sequence[Decimal | str | None], name: str = "series") -> Recording:
    told = tuple(None if value is None else Decimal(value) for value in values)
    return Recording(name, tuple(1_000_000 + HOUR * row for row in range(len(told))), {"one": told})


def prepared(
    values: Sequence[Decimal | str],
    policy: HoldPolicy,
    begin: int = 16,
    kind: Kind = Kind.RELATIVE,
    decimals: int = 2,
) -> Prepared:
    sigma = SIGMA if kind is Kind.RELATIVE else 10**decimals
    feed = FeedSettings(kind, decimals, sigma, HOUR, policy, AggregationPolicy(kind))
    data = recording(values)
    ticks = tuple(tick_of(data, index, feed.aggregation, feed.decimals) for index in range(len(data)))
    return Prepared(data, feed, ticks, begin)


def beside(data: Prepared, seed: int) -> Prepared:
    """Return the recording with a peer that moves with it, is mute now and then, and jumps."""
    rng = random.Random(seed)
    one = 10 ** (data.feed.decimals - 2)
    peers = [
        rng.choice([0, 50_000 * one, *[(tick.answer or 0) + rng.randint(-900, 900) * one] * 20]) for tick in data.ticks
    ]
    ticks = tuple(replace(tick, peers=(answer,)) for tick, answer in zip(data.ticks, peers, strict=True))
    return replace(data, feed=replace(data.feed, peers=(PeerTerms(Kind.RELATIVE, 10_000),)), ticks=ticks)


def walk(length: int, seed: int = 1, percent: float = 0.5) -> list[str]:
    """Return a random walk of about half a percent a tick."""
    rng = random.Random(seed)
    values, level = [], 1000.0
    for _ in range(length):
        level *= 1 + rng.gauss(0, percent) / 100
        values.append(f"{level:.2f}")
    return values


def venues(liar: bool = True) -> Recording:
    values = [Decimal(value) for value in walk(600)]
    other = tuple(value + Decimal("0.01") for value in values)
    third = tuple(None if row % 50 == 0 else value - Decimal("0.01") for row, value in enumerate(values))
    times = tuple(1_000_000 + HOUR * row for row in range(600))
    return Recording("venues", times, {"a": tuple(values), "b": other, "c": third})
