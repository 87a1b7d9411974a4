"""The reach of this process: the committees that it can report for, with its reporter key and their quorum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.chain.hub import CHANGE_WINDOW, Committee
from oracle.config import unreachable

__all__ = ["Reach", "out_of_reach", "reach_of"]


@dataclass(frozen=True, slots=True)
class Reach:
    """The standing of this process towards a committee.

    Attributes:
        problem: Why it can't report for the committee; empty if it can.
        later: Why it can't any more once the proposed reporters are active; empty if it can, or none are proposed.
    """

    problem: str
    later: str


def reach_of(committee: Committee, keys: Sequence[str], now: int) -> Reach:
    """Return how this process stands to a committee, now and after an open proposal.

    Args:
        keys: The addresses of its reporter keys.
        now: The chain's time: a proposal that has expired changes nothing.
    """
    later = ""
    if committee.active_from is not None and now <= committee.active_from + CHANGE_WINDOW:
        later = out_of_reach(committee.proposed, committee.proposed_quorum or 1, keys)
    return Reach(out_of_reach(committee.reporters, committee.quorum, keys), later)


def out_of_reach(reporters: Sequence[str], quorum: int, keys: Sequence[str]) -> str:
    """Return why reports that only these keys sign would be refused; empty if they would not be.

    Args:
        reporters: The addresses that may sign.
        quorum: How many of them must have an answer.
        keys: The addresses of this process's reporter keys.
    """
    own = [key for key in keys if key in reporters]
    if not own:
        return (
            f"[keys] reporter is {', '.join(keys)}, which is not among the committee's reporters, "
            f"{', '.join(reporters)}: the hub refuses its signatures"
        )
    return unreachable(len(own), quorum) or ""
