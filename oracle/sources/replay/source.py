"""Replay a recorded series at a chosen speed."""

from __future__ import annotations

import datetime as dt
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Literal, TypeAlias

from oracle.core.errors import SourceExhausted
from oracle.sources.interface import Reading, closed
from oracle.sources.trace import Trace

__all__ = ["ReplaySource", "Timestamps"]

Timestamps: TypeAlias = Literal["recorded", "now", "clock"]
"""The times of a replay's readings: the recorded ones; or the present ones, from the first read on or by the clock."""


class ReplaySource:
    """A source that gives a recorded series again.

    `ticks` gives every reading, as fast as the caller asks. `read` gives the present one. At a numeric speed, that is
    the latest reading at or before recorded time, which starts with the first `read` and passes `speed` times as fast
    as real time; readings in between are skipped, as by anyone who polls. At speed "max", it is the next reading.

    With the timestamps "clock" the recording goes round and round, and the clock alone says where it is: all who replay
    it are at the same reading, whenever they began.
    """

    def __init__(
        self,
        readings: Sequence[Reading],
        *,
        speed: Decimal | Literal["max"] = "max",
        timestamps: Timestamps = "recorded",
        notes: Sequence[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Prepare a replay.

        Args:
            readings: At least one reading; their times rise strictly.
            speed: Recorded seconds per real second, above zero, or "max".
            timestamps: "recorded": readings keep their times; "now": they are moved to the present; "clock": to the
                round of the recording that the clock is in. The last two need a numeric speed.
            notes: What was found while the recording was read, for a trial.
            monotonic: The clock that `speed` refers to, seconds.
            wall: The clock of the present, unix seconds.
        """
        if not readings:
            raise ValueError("a replay needs readings")
        if any(a.observed_at >= b.observed_at for a, b in pairwise(readings)):
            raise ValueError("the times of a replay must rise strictly")
        if speed == "max" and timestamps != "recorded":
            raise ValueError(f"timestamps {timestamps!r} need a numeric speed")
        self._readings = tuple(readings)
        self._times = [reading.observed_at for reading in readings]
        self._speed = speed
        self._timestamps = timestamps
        self._notes = notes
        self._monotonic = monotonic
        self._wall = wall
        self._started: tuple[float, int] | None = None
        self._next = 0
        self._closed = False

    @property
    def name(self) -> str:
        """The source's name, which the readings carry."""
        return self._readings[0].source

    def __len__(self) -> int:
        return len(self._readings)

    def ticks(self) -> Iterator[Reading]:
        """Return all readings from the first to the last, with their recorded times, independently of `read`."""
        return iter(self._readings)

    async def read_traced(self, trace: Trace) -> Reading:
        """See `Traceable.read_traced`."""
        first, last = (dt.datetime.fromtimestamp(each, dt.UTC) for each in (self._times[0], self._times[-1]))
        trace.notes += [f"{len(self):,} readings, {first:%Y-%m-%d} to {last:%Y-%m-%d}", *self._notes]
        return await self.read()

    async def read(self) -> Reading:
        """See `Source.read`."""
        if self._closed:
            raise closed(self.name)
        if self._speed == "max":
            index = self._next
            if index >= len(self._readings):
                raise self._exhausted()
            self._next = index + 1
            return self._readings[index]
        return self._by_clock(self._speed) if self._timestamps == "clock" else self._at_speed(self._speed)

    def _at_speed(self, speed: Decimal) -> Reading:
        now = self._monotonic()
        if self._started is None:
            self._started = (now, int(self._wall()))
        started, started_wall = self._started
        # Clocks are floats, but no value is computed from them.
        recorded_now = self._times[0] + (now - started) * float(speed)
        index = max(0, bisect_right(self._times, recorded_now) - 1)
        if index == len(self._readings) - 1:
            if self._next > index:  # the last reading was given already
                raise self._exhausted()
            self._next = index + 1
        reading = self._readings[index]
        if self._timestamps == "recorded":
            return reading
        elapsed = int((reading.observed_at - self._times[0]) / float(speed))
        return Reading(reading.value, started_wall + elapsed, reading.source)

    def _by_clock(self, speed: Decimal) -> Reading:
        first, last = self._times[0], self._times[-1]
        # The last reading stands as long as the others do on average, and a recording with a single one, for a second.
        length = (last - first) * len(self._times) / max(1, len(self._times) - 1) or 1
        now = self._wall()
        passed = now % (length / float(speed))
        reading = self._readings[max(0, bisect_right(self._times, first + passed * float(speed)) - 1)]
        return Reading(reading.value, int(now - passed + (reading.observed_at - first) / float(speed)), reading.source)

    def _exhausted(self) -> SourceExhausted:
        return SourceExhausted(f"{self.name}: the recording has ended after {len(self._readings)} readings")

    async def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
