"""Rotation of a reporter's key: the steps that are left until another key has taken its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from oracle.chain.hub import CHANGE_WINDOW, Committee
from oracle.core.errors import DataError
from oracle.core.times import utc


class CommitteeReader(Protocol):
    """The part of `Hub` that is read here."""

    @property
    def address(self) -> str: ...
    async def read(self, function: str, *arguments: Any) -> Any: ...
    async def committee(self, number: int) -> Committee: ...


async def steps(
    hub: CommitteeReader, committees: Mapping[str, int], old: str, new: str, members: Collection[str] = ()
) -> list[str]:
    """List the steps that are left, a line each: for the admin by committee, then for the daemon's operator.

    Args:
        committees: Numbers by name.
        old: Address of the key that reports now.
        new: Address of the key that will report in its place.
        members: The addresses of those who sign together in a network; none: the process signs alone.

    Raises:
        DataError: Neither key is a reporter of any of the committees.
    """
    delay, admin = await hub.read("changeDelay"), await hub.read("defaultAdmin")
    lines: list[str] = []
    waiting = concerned = 0
    for name, number in committees.items():
        found = await hub.committee(number)
        if new in found.reporters and old not in found.reporters:
            concerned += 1
            lines.append(f"committee {name}: done, {new} reports")
            continue
        if old not in found.reporters:
            continue
        concerned, waiting = concerned + 1, waiting + 1
        if found.active_from is not None and new in found.proposed:
            lines.append(
                f"committee {name}: proposed; from {utc(found.active_from)} on, and until "
                f"{utc(found.active_from + CHANGE_WINDOW)}, {admin} activates it: "
                f"`oracle committee activate-reporters --committee {name}`"
            )
            continue
        after = tuple(new if each == old else each for each in found.reporters)
        lines.append(
            f"committee {name}: {admin} proposes it, and activates it {delay} s later: "
            f"`oracle committee propose-reporters {' '.join(after)} --quorum {found.quorum} --committee {name}`"
        )
    if not concerned:
        known = ", ".join(committees) or "any committee"
        raise DataError(f"{old} is not a reporter of {known} on the hub {hub.address}")
    if members:
        lines += _in_network(old, new, members, is_waiting=bool(waiting))
    elif waiting:
        lines.append(
            f"keep {old} in [keys] reporter until then: the hub refuses the other's signatures before, and this one's "
            "after. Stop the daemon, activate, name the new key, start it again"
        )
    else:
        lines.append("name the new key in [keys] reporter, restart the daemon; the old one can go once rounds come")
    return lines


def _in_network(old: str, new: str, members: Collection[str], *, is_waiting: bool) -> list[str]:
    """List what the members do about it: the new key gets a node of its own, so that no turn is lost."""
    lines = []
    if new not in members:
        lines.append(
            f"name {new} in [[network.members]], in the files of all members, with a name and a URL of its own and "
            f"'since'; write the same moment as 'until' of {old}; then restart one member after another"
        )
    if is_waiting:
        lines.append(
            "once it is proposed, run a second node with the new key, with a journal and a port of its own; stop the "
            "old one when the new key is active"
        )
    else:
        lines.append(f"stop the node of {old}, and take its entry out of [[network.members]] with the next restart")
    return lines
