"""Turns: the holder of each follows from the time alone. Pure; the clock is the caller's.

Time is cut into turns of equal length. The members that transmit take them one after the other, in the order of their
addresses. So members that see different heads of the chain, or none, still agree on who transmits.

A holder may only begin what it can end, with its transaction, before the turn does; see `oracle.network.guard`. The
last `clock_bound` seconds by the holder's clock are never used. By then the next holder's clock may have begun the next
turn. So no two members transmit at one moment, as long as their clocks differ by less than that bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

__all__ = ["Transmitter", "Turns"]


@dataclass(frozen=True, slots=True)
class Transmitter:
    """A member that takes turns.

    Attributes:
        address: The address of its reporter key.
        since: The time from which it takes turns, unix seconds.
        until: The time from which it takes none.
    """

    address: str
    since: float = -inf
    until: float = inf

    def takes(self, begin: float) -> bool:
        """Return whether it takes turns that begin at this time."""
        return self.since <= begin < self.until


class Turns:
    """The turns of one network. All its members have to configure the same."""

    def __init__(self, seconds: int, clock_bound: float, transmitters: Sequence[Transmitter]) -> None:
        """Divide time among transmitters.

        Args:
            seconds: The length of a turn.
            clock_bound: The clocks of any two members differ by less than so many seconds.
            transmitters: The members that take turns, at any time.
        """
        self.seconds = seconds
        self.clock_bound = clock_bound
        self._transmitters = sorted(transmitters, key=lambda each: each.address.lower())

    def at(self, time: float) -> int:
        """Return the number of the turn at a time, unix seconds."""
        return int(time // self.seconds)

    def begin(self, turn: int) -> int:
        """Return when a turn begins."""
        return turn * self.seconds

    def end(self, turn: int) -> int:
        """Return when a turn ends: when the next one begins."""
        return (turn + 1) * self.seconds

    def order(self, turn: int) -> tuple[str, ...]:
        """Return the addresses among which turns go round: of the members that take turns when this one begins."""
        begin = self.begin(turn)
        return tuple(each.address for each in self._transmitters if each.takes(begin))

    def holder(self, turn: int) -> str | None:
        """Return the address of the member that may transmit in a turn; None: nobody may."""
        order = self.order(turn)
        return order[turn % len(order)] if order else None

    def holds(self, address: str, turn: int) -> bool:
        """Return whether a turn is this member's."""
        holder = self.holder(turn)
        return holder is not None and holder.lower() == address.lower()

    def may_be(self, turn: int, now: float) -> bool:
        """Return whether a turn may be the present one by the clock of another member.

        Args:
            turn: The turn.
            now: The time by this node's clock.
        """
        return self.at(now - self.clock_bound) <= turn <= self.at(now + self.clock_bound)

    def left(self, turn: int, now: float) -> float:
        """Return the seconds in which the holder of a turn may still transmit in it; below 0: it is over.

        Args:
            turn: The turn.
            now: The time by the holder's clock.
        """
        return self.end(turn) - self.clock_bound - now

    def until_next(self, address: str, now: float) -> float | None:
        """Return the seconds until a member's next turn begins; None: it has none within a whole round of all."""
        first = self.at(now) + 1
        for turn in range(first, first + len(self._transmitters)):
            if self.holds(address, turn):
                return self.begin(turn) - now
        return None
