"""Very large networks, without proofs, sources and chain: what a turn costs its members, and where the time goes.

All members run in this process, so what they take together is divided by their number. Requests, answers and what is
told go over HTTP; signatures, ledgers and readings documents are real.
"""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from oracle.bench.memory import megabytes
from oracle.bench.network.parts import (
    COMMITTEE,
    TURN_S,
    LooseCommittee,
    LooseMember,
    SetClock,
    feed_ids,
    open_loose_members,
)
from oracle.bench.network.sampling import sampled
from oracle.core.errors import Fatal
from oracle.core.report import Report
from oracle.feeds.journal.schema import network as tables

__all__ = ["SCALES", "Scale", "measure_scale", "one_turn"]

IN_A_REPORT = 32
"""Feeds of one report: as many as the largest circuit has windows."""

USUAL_TURN_S = 60
"""The length of a turn by which the shares are stated."""

_PATIENCE_S = 600.0


@dataclass(frozen=True)
class Scale:
    """A network.

    Attributes:
        members: Its members.
        quorum: Its quorum.
        feeds: Its feeds, all of which are due in the turn.
    """

    members: int
    quorum: int
    feeds: int


SCALES = (Scale(4, 3, 1_000), Scale(16, 11, 1_000), Scale(31, 21, 250), Scale(31, 21, 1_000))


async def measure_scale(folder: Path, echo: Callable[[str], None], scales: Sequence[Scale] = SCALES) -> dict[str, Any]:
    """Return what one turn costs in each of some networks. Nothing is random.

    Args:
        folder: An empty folder.
        echo: Takes lines for people.
        scales: The networks.
    """
    cases = []
    for at, scale in enumerate(scales):
        echo(f"scale: {scale.members} members, {scale.feeds} feeds")
        place = folder / str(at)
        await asyncio.to_thread(place.mkdir)
        cases.append(await one_turn(scale, place))
    return {"cases": cases}


async def one_turn(scale: Scale, folder: Path) -> dict[str, Any]:
    """Return what a turn costs in which all feeds are reported, the telling included."""
    ids = feed_ids(scale.feeds)
    reports = [ids[at : at + IN_A_REPORT] for at in range(0, len(ids), IN_A_REPORT)]
    commits = [0]
    async with open_loose_members(scale.members, scale.quorum, ids, folder) as (committee, members, clock):
        for each in members:
            sa.event.listen(each.journal.store.engine, "commit", partial(_count, commits))
        cpu, began = _cpu(), time.monotonic()
        with sampled() as samples:
            for at, feeds in enumerate(reports, 1):
                await _collect(feeds, committee, members[0], clock)
                # Proofs take longer: the next report begins when everybody knows this one.
                await _until_told(members, scale.members * at)
        seconds, used = time.monotonic() - began, _cpu() - cpu
        for each in members:
            await each.heard.flush()
        rows = sum(_rows(each) for each in members)
        turn = int(clock() // TURN_S)
        size = len(json.dumps(members[0].heard.messages(turn)[0].to_json(), separators=(",", ":")))
    asked, told = scale.members - 1, scale.members * (scale.members - 1)
    each_used = used / scale.members
    return {
        "members": scale.members,
        "quorum": scale.quorum,
        "feeds": scale.feeds,
        "reports": len(reports),
        "seconds": round(seconds, 2),
        "cpu_s_per_member": round(each_used, 3),
        "share_of_a_core": round(each_used / USUAL_TURN_S, 4),
        "messages": len(reports) * (asked + told),
        "answer_bytes": size,
        # What it is told, and what it tells.
        "mb_per_member": megabytes(round(2 * size * len(reports) * (told - asked) / scale.members)),
        "commits_per_member": round(commits[0] / scale.members, 1),
        "rows_per_member": round(rows / scale.members),
        "where": samples.shares(),
    }


async def _collect(feeds: Sequence[bytes], committee: LooseCommittee, holder: LooseMember, clock: SetClock) -> None:
    """Collect one report."""
    report = Report(COMMITTEE, committee.epoch, int(clock()), tuple(feeds), (1,) * len(feeds))
    signed = await holder.signers.collect(report, {}, committee)
    if len(signed.signatures) < committee.quorum:
        raise Fatal(f"{len(signed.signatures)} of {len(committee.reporters)} members have signed")


async def _until_told(members: Sequence[LooseMember], messages: int) -> None:
    """Wait until every member has heard every answer."""
    until = time.monotonic() + _PATIENCE_S
    while any(each.count_heard() < messages for each in members):
        if time.monotonic() > until:
            heard = [each.count_heard() for each in members]
            raise Fatal(f"of {messages} answers the members have heard {min(heard)} to {max(heard)}")
        await asyncio.sleep(0.02)


def _count(commits: list[int], connection: sa.Connection) -> None:
    if not connection.get_execution_options().get("reads"):
        commits[0] += 1


def _rows(member: LooseMember) -> int:
    """Return the rows that a member has written."""
    names = (
        tables.signings,
        tables.signed_reports,
        tables.heard,
        tables.asked,
        tables.readings,
        tables.signed_readings,
    )
    with member.journal.store.transaction(read=True) as connection:
        return sum(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in names)


def _cpu() -> float:
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime
