"""The reach of this process: the committees that it can report for, alone or with the members of its network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.chain.hub import CHANGE_WINDOW, Committee
from oracle.config import Config, unreachable

__all__ = ["Reach", "joins", "out_of_reach", "own_problem", "reach_of"]


@dataclass(frozen=True, slots=True)
class Reach:
    """The standing of this process towards a committee.

    Attributes:
        problem: Why it can't report for the committee; empty if it can.
        later: Why it can't any more once the proposed reporters are active; empty if it can, or none are proposed.
    """

    problem: str
    later: str


def reach_of(committee: Committee, keys: Sequence[str], now: int, members: Sequence[str] = ()) -> Reach:
    """Return how this process stands to a committee, now and after an open proposal.

    Args:
        keys: The addresses of its reporter keys.
        now: The chain's time: a proposal that has expired changes nothing.
        members: The addresses of those who sign with it in a network; none: it signs alone.
    """
    later = ""
    if _is_open(committee, now):
        later = out_of_reach(committee.proposed, committee.proposed_quorum or 1, keys, members)
    return Reach(out_of_reach(committee.reporters, committee.quorum, keys, members), later)


def out_of_reach(reporters: Sequence[str], quorum: int, keys: Sequence[str], members: Sequence[str] = ()) -> str:
    """Return why reports that only these keys, or these members, sign would be refused; empty if they would not be.

    Args:
        reporters: The addresses that may sign.
        quorum: How many of them must have an answer.
        keys: The addresses of this process's reporter keys.
        members: The addresses of those who sign with it in a network; none: it signs alone.
    """
    own = [key for key in keys if key in reporters]
    if not own:
        return (
            f"[keys] reporter is {', '.join(keys)}, which is not among the committee's reporters, "
            f"{', '.join(reporters)}: the hub refuses its signatures"
        )
    if not members:
        return unreachable(len(own), quorum) or ""
    signing = [each for each in reporters if each in members]
    if quorum <= len(signing):
        return ""
    missing = ", ".join(each for each in reporters if each not in members)
    return (
        f"only {len(signing)} of the committee's reporters are in [[network.members]] and not ignored, the quorum is "
        f"{quorum}: no report would ever be accepted. Missing: {missing or 'nobody'}"
    )


def own_problem(config: Config, reporter: str) -> str:
    """Return why this node can't be a member of its network; empty if it can, or if there is no network.

    Args:
        reporter: The address of its reporter key.
    """
    network = config.network
    if network is None:
        return ""
    own = network.member(reporter)
    if own is None:
        return (
            f"[keys] reporter is {reporter}, which is no reporter of [[network.members]]: name the key of this node's "
            "member, or correct the member's address in the files of all"
        )
    if reporter in network.ignore:
        return f"[network] ignore has {reporter}, which is this node's own key ({own.name}): take it out"
    return ""


def joins(committee: Committee, key: str, now: int) -> bool:
    """Return True if a key is not among a committee's reporters, but an open proposal makes it one of them."""
    return key not in committee.reporters and key in committee.proposed and _is_open(committee, now)


def _is_open(committee: Committee, now: int) -> bool:
    return committee.active_from is not None and now <= committee.active_from + CHANGE_WINDOW
