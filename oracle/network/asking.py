"""Ask members what they say about themselves, and how far their clocks are from this one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from oracle.config import MemberConfig
from oracle.core import http
from oracle.core.trust import Trust
from oracle.network.client import MemberClient, MemberInvalid, MemberSilent, open_members
from oracle.network.messages import NetworkStatus, Refused

__all__ = ["AskedMember", "ask_members", "trusted"]


@dataclass(frozen=True, slots=True)
class AskedMember:
    """The answer of a member, or why there is none.

    Attributes:
        member: The member that was asked.
        status: What it says about itself; None: see `problem`.
        problem: Why there is no status; empty if there is one.
        is_silent: True if nothing answers at its URL, False if something else does.
        asked_at: When it was asked, by the own clock.
        answered_at: When its answer was there.
    """

    member: MemberConfig
    status: NetworkStatus | None = None
    problem: str = ""
    is_silent: bool = False
    asked_at: float = 0.0
    answered_at: float = 0.0

    @property
    def ahead(self) -> tuple[float, float]:
        """Seconds by which its clock is ahead of the own one, at least and at most: it was read on the way."""
        now = 0.0 if self.status is None else self.status.time
        return now - self.answered_at, now - self.asked_at


def trusted(ca_file: Path | None) -> Trust:
    """Return what members' https URLs are checked with: the authorities of a file, or None: the system's.

    Raises:
        ConfigError: The file can't be read, or has no certificate.
    """
    return http.SYSTEM_TRUST if ca_file is None else Trust(ca_file, "[network] ca_file")


async def ask_members(
    members: Sequence[MemberConfig],
    *,
    timeout_s: float,
    authorities: Trust = http.SYSTEM_TRUST,
    clock: Callable[[], float] = time.time,
) -> list[AskedMember]:
    """Ask members, all at once, what they say about themselves.

    Args:
        timeout_s: Seconds that each may take.
        authorities: See `trusted`.
        clock: Unix seconds.
    """
    ways = [(each.name, each.reporter, each.url) for each in members]
    async with open_members(ways, timeout_s=timeout_s, authorities=authorities) as clients:
        return list(await asyncio.gather(*(_ask(clients[each.reporter], each, clock) for each in members)))


async def _ask(client: MemberClient, member: MemberConfig, clock: Callable[[], float]) -> AskedMember:
    asked_at = clock()
    try:
        status = await client.status()
    except MemberSilent as error:
        return AskedMember(member, problem=f"does not answer: {error}", is_silent=True)
    except MemberInvalid as error:
        return AskedMember(member, problem=f"answers, but not as a member does: {error}")
    except Refused as error:
        return AskedMember(member, problem=f"does not say who it is: {error}")
    return AskedMember(member, status, asked_at=asked_at, answered_at=max(asked_at, clock()))
