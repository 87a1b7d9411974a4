"""Rotation of a reporter's key: the steps that are left until another key has taken its place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Protocol

from oracle.chain.hub import Proposals
from oracle.core.errors import DataError


class CommitteeReader(Protocol):
    """The part of `Hub` that is read here."""

    @property
    def address(self) -> str: ...
    async def read(self, function: str, *arguments: Any) -> Any: ...
    async def reporters(self, feed_id: bytes) -> tuple[str, ...]: ...
    async def proposals(self, feed_id: bytes) -> Proposals: ...
    async def fresh_feed_config(self, feed_id: bytes) -> Any: ...


async def steps(hub: CommitteeReader, feeds: Mapping[str, bytes], old: str, new: str) -> list[str]:
    """List the steps that are left, a line each: first for the admin, feed by feed, then for the daemon's operator.

    Args:
        feeds: Ids by name.
        old: Address of the key that reports now.
        new: Address of the key that will report in its place.

    Raises:
        DataError: Neither key is a reporter of any of the feeds.
    """
    delay, admin = await hub.read("changeDelay"), await hub.read("defaultAdmin")
    lines: list[str] = []
    waiting = concerned = 0
    for name, feed_id in feeds.items():
        reporters = await hub.reporters(feed_id)
        if new in reporters and old not in reporters:
            concerned += 1
            lines.append(f"feed {name}: done, {new} reports")
            continue
        if old not in reporters:
            continue
        concerned, waiting = concerned + 1, waiting + 1
        proposed = await hub.proposals(feed_id)
        if proposed.reporters_from is not None and new in proposed.reporters:
            moment = dt.datetime.fromtimestamp(proposed.reporters_from, dt.UTC).isoformat(timespec="seconds")
            lines.append(
                f"feed {name}: proposed; from {moment} on, {admin} activates it: "
                f"`oracle feed activate-reporters {name}`"
            )
            continue
        after = tuple(new if each == old else each for each in reporters)
        quorum = (await hub.fresh_feed_config(feed_id)).quorum
        lines.append(
            f"feed {name}: {admin} proposes it, and activates it {delay} s later: "
            f"`oracle feed propose-reporters {name} {' '.join(after)} --quorum {quorum}`"
        )
    if not concerned:
        raise DataError(f"{old} is not a reporter of {', '.join(feeds) or 'any feed'} on the hub {hub.address}")
    if waiting:
        lines.append(
            f"keep {old} in [keys] reporter until then: the hub refuses the other's signatures before, and this one's "
            "after. Stop the daemon, activate, name the new key, start it again"
        )
    else:
        lines.append("name the new key in [keys] reporter, restart the daemon; the old one can go once rounds come")
    return lines
