"""The schedule of segments that are proven side by side: how many at once, and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence

START_SECONDS = 1.0
"""Seconds until a segment's prover works: it starts a process, and reads its key and the SRS."""

_SERIAL = 0.1
"""Share of a proof's time that more threads do not shorten."""

_MEASURED_CORES = 2
"""Cores of the machine whose seconds `cost.estimate` gives."""


def makespan(seconds: Sequence[float], lanes: int, cores: int) -> float:
    """Return the seconds until all segments are proven, the longest first, each with its share of the cores.

    Args:
        seconds: Time of each proof, as `cost.estimate` gives it.
        lanes: Proofs at once.
        cores: Cores of the machine.
    """

    def speed(threads: float) -> float:
        return 1 / (_SERIAL + (1 - _SERIAL) / threads)

    factor = speed(_MEASURED_CORES) / speed(max(1.0, cores / lanes))
    busy = [0.0] * lanes
    for each in sorted(seconds, reverse=True):
        least = busy.index(min(busy))
        busy[least] += START_SECONDS + each * factor
    return max(busy)


def lanes_within(memory: Sequence[int], limit: int, cores: int) -> int:
    """Return how many of these proofs can be made at once, whichever they are; at least 1.

    Args:
        memory: Bytes that each proof takes.
        limit: Bytes that they may take together.
        cores: Cores of the machine.
    """
    largest = sorted(memory, reverse=True)
    most = min(cores, len(largest))
    return max([count for count in range(1, most + 1) if sum(largest[:count]) <= limit], default=1)
