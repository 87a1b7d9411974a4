"""The guard at the end of a turn: a report is begun, and gone on with, only if there is time for the rest of it.

What a step takes is what it took in this node's own reports: nearly the longest of the latest times. The guard never
fills a whole turn, since a node whose reports once were slow could not measure again.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable

import structlog

from oracle.core.stages import Decided
from oracle.feeds.interface import Permission, ReportListener, ReportStep
from oracle.network.turns import Turns

__all__ = ["Pace", "TurnGuard", "expected"]

log = structlog.get_logger(__name__)

MEASURED = 50
"""The latest times by which the next one is judged."""

SHARE = 0.95
"""The share of them that were no longer than what is expected."""

_STEPS = (ReportStep.SIGN, ReportStep.PROVE, ReportStep.SIMULATE)
_FIRST_S = {ReportStep.SIGN: 0.5, ReportStep.PROVE: 0.5, ReportStep.SIMULATE: 0.2}
_FIRST_MINED_S = 1.0
"""Seconds that are expected before anything was measured."""


def expected(measured: Iterable[float]) -> float:
    """Return the seconds that nearly all of these did not exceed; of few, the longest."""
    ranked = sorted(measured)
    return ranked[math.ceil(SHARE * len(ranked)) - 1]


class Pace(ReportListener):
    """Measures how long this node's reports take, step by step."""

    def __init__(self) -> None:
        """Begin with guesses, until something is measured."""
        self._steps: dict[ReportStep, deque[float]] = {step: deque(maxlen=MEASURED) for step in _STEPS}
        self._mined: deque[float] = deque(maxlen=MEASURED)

    def took(self, step: ReportStep, seconds: float) -> None:
        """See `ReportListener`."""
        if step in self._steps:
            self._steps[step].append(seconds)

    def mined(self, seconds: float) -> None:
        """A transaction was in a block so long after it was sent."""
        self._mined.append(seconds)

    @property
    def is_measured(self) -> bool:
        """True if a report of this node came to its end."""
        return bool(self._mined)

    def rest(self, step: ReportStep) -> float:
        """Return the seconds that a report is expected to need from a step on, until it is in a block."""
        steps = _STEPS[_STEPS.index(step) :]
        mined = expected(self._mined or [_FIRST_MINED_S])
        return sum(expected(self._steps[each] or [_FIRST_S[each]]) for each in steps) + mined


class TurnGuard(Permission):
    """Permits reports of a network's committee in this node's turns, and of other committees always."""

    def __init__(
        self,
        committee: int,
        address: str,
        turns: Turns,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Guard the turns of one member.

        Args:
            committee: The network's committee, as the hub numbers it.
            address: The member's reporter address.
            turns: The turns.
            pace: Measures the member's reports.
            clock: Unix seconds.
        """
        self.pace = pace or Pace()
        self._committee = committee
        self._address = address
        self._turns = turns
        self._clock = clock
        self._warned = False

    def may_decide(self, committee: int, observed_at: int) -> bool:
        """See `Permission`."""
        return committee != self._committee or self._refusal(observed_at, ReportStep.SIGN) is None

    def is_spent(self, committee: int, before: int, now: int) -> bool:
        """See `Permission`: a member signs one observation of a feed in a turn."""
        return committee == self._committee and self._turns.at(before) == self._turns.at(now)

    def refusal(self, decided: Decided, step: ReportStep) -> str | None:
        """See `Permission`."""
        return None if decided.committee != self._committee else self._refusal(decided.observed_at, step)

    def left(self, decided: Decided) -> float:
        """See `Permission`."""
        if decided.committee != self._committee:
            return float("inf")
        return self._turns.left(self._turns.at(decided.observed_at), self._clock())

    def until_next(self, committee: int) -> float | None:
        """See `Permission`."""
        return None if committee != self._committee else self._turns.until_next(self._address, self._clock())

    def _refusal(self, observed_at: int, step: ReportStep) -> str | None:
        now, turn = self._clock(), self._turns.at(observed_at)
        if not self._turns.holds(self._address, turn):
            return f"turn {turn} is that of {self._turns.holder(turn) or 'nobody'}, who reports what is due"
        if now < self._turns.begin(turn):
            return f"turn {turn} has not begun: this machine's clock was set back"
        left, needed = self._turns.left(turn, now), self._needed(step)
        if left < needed:
            holder = self._turns.holder(turn + 1) or "nobody"
            state = f"has {left:.1f} s left, and the rest of a report takes {needed:.1f} s" if left > 0 else "is over"
            return f"turn {turn} {state}: {holder} has the next one, and reports what is due"
        return None

    def _needed(self, step: ReportStep) -> float:
        """Return the seconds that the rest of a report takes; never so many that nothing could be begun in a turn."""
        rest = self.pace.rest(step)
        most = self._turns.seconds - 2 * self._turns.clock_bound - 1
        if step is ReportStep.SIGN and self.pace.is_measured:
            if rest > most and not self._warned:
                log.warning(
                    "turns are short for what a report takes here: many will end unsent",
                    report_s=round(rest, 1),
                    turn_s=self._turns.seconds,
                    hint="faster proofs or longer turns: turn_s, equal for all members",
                )
            self._warned = rest > most
        return min(rest, most)
