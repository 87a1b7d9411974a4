"""Activation of what is proposed: whether the hub would take it now, else what is missing and when to expect it.

"Now" is said only of a call that was simulated and succeeded. Everything else that is said follows from the hub's times
and tallies, and is an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from oracle.chain.hub import CHANGE_WINDOW, Hub, ShadowTally, hub_interface
from oracle.core.disagreement import Disagreement
from oracle.core.errors import ChainUnavailable, ContractRejected
from oracle.core.formats import NOBODY
from oracle.core.times import utc

__all__ = ["Activation", "Change", "TriedCall", "activation", "try_change"]


class Change(StrEnum):
    """A change that is proposed first: the function of the hub that activates it."""

    MODEL = "activateModel"
    UNPAUSE = "unpause"
    REPORTERS = "activateReporters"


@dataclass(frozen=True, slots=True)
class TriedCall:
    """The outcome of a simulated activation by the hub's admin, in the next block.

    Attributes:
        succeeds: True if the hub would take it.
        refusal: The hub's reason, or why nothing could be tried; empty if it succeeds.
        name: The name of the hub's error; empty if there is none.
    """

    succeeds: bool
    refusal: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Activation:
    """A proposed change, and whether it can be activated. Times are unix seconds.

    Attributes:
        since: From when on the hub's delay allows it.
        until: Until when. Afterwards it has to be proposed again.
        is_possible: True if a simulated activation succeeds now.
        missing: What is missing, and what to do; empty if nothing is.
        expected_at: When it can be expected, by the feed's pace; None: now, never, or nobody knows.
    """

    since: int
    until: int
    is_possible: bool
    missing: str = ""
    expected_at: int | None = None

    def __str__(self) -> str:
        if self.is_possible:
            return f"can be activated now, until {utc(self.until)}"
        if self.expected_at is not None:
            return f"can't be activated yet: {self.missing}; expected at {utc(self.expected_at)}"
        return f"can't be activated: {self.missing}"


async def try_change(hub: Hub, change: Change, of: Any) -> TriedCall:
    """Simulate the activation of a change by the hub's admin in the next block. Nothing is sent.

    Args:
        hub: The hub.
        change: The change.
        of: The feed's id, or the committee's number.
    """
    interface = hub_interface()
    admin: str = await hub.read("defaultAdmin")
    if admin == NOBODY:
        return TriedCall(succeeds=False, refusal="the hub has no admin any more, so nobody can activate it")
    try:
        data = interface.encode_call(change, of)
        await hub.rpc.call(hub.address, data, sender=admin, block="pending", decode=interface.decode_error)
    except ContractRejected as error:
        return TriedCall(succeeds=False, refusal=str(error), name=error.name or "")
    except ChainUnavailable as error:
        return TriedCall(succeeds=False, refusal=f"it could not be tried: {error}")
    return TriedCall(succeeds=True)


def activation(
    since: int, now: int, tried: TriedCall, tally: ShadowTally | None = None, pace_s: float | None = None
) -> Activation:
    """Return whether a proposed change can be activated, from what was read and tried.

    Args:
        since: From when on the hub's delay allows it, unix seconds.
        now: The time of the chain's latest block.
        tried: The simulated activation.
        tally: The shadow period of a proposed model; None: there is none.
        pace_s: Seconds between two reports of the feed; None: nobody knows.
    """
    until = since + CHANGE_WINDOW
    if tried.succeeds:
        return Activation(since, until, is_possible=True)
    if now > until:
        return Activation(since, until, False, f"it has expired at {utc(until)}: propose it again")
    if tally is not None and (found := _too_far(tally)):
        return Activation(since, until, False, found)
    missing: list[str] = []
    expected: int | None = None
    if now < since:
        missing.append(f"its delay ends in {since - now:,} s")
        expected = since
    if tally is not None and (left := tally.min_compared - tally.compared) > 0:
        told = f"{left:,} more of {tally.min_compared:,} reports have to be compared"
        ready = None if pace_s is None else now + round(left * pace_s)
        if ready is None:
            expected = None
            told += ", and the feed makes no reports now"
        elif ready > until:
            expected = None
            told += f", more than come until it expires at {utc(until)}: propose it again with fewer"
        else:
            expected = max(ready, expected or 0)
        missing.append(told)
    return Activation(since, until, False, "; ".join(missing) or tried.refusal, expected)


def _too_far(tally: ShadowTally) -> str:
    """Return why a shadow period can't pass any more; empty if it can."""
    if not tally.min_compared or tally.disagreements <= tally.max_disagreements:
        return ""
    allowed = Disagreement(tally.compared, tally.disagreements).allowance(tally.min_compared)
    verdicts = "verdict differs" if tally.disagreements == 1 else "verdicts differ"
    return (
        f"{tally.disagreements:,} {verdicts} in {tally.compared:,} compared reports, and {tally.max_disagreements:,} "
        "may. See with `oracle feed compare-model` why. If that is meant, propose it again with "
        f"--min-compared {tally.min_compared} --max-disagreements {allowed}, as measured; else "
        "take it back (`oracle feed cancel-model`)"
    )
