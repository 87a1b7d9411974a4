"""A member that is two processes with one journal: only the one that leads signs, and the other takes its place."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from oracle.app.local_network import FeedLayout, Layout, LocalNetwork, nursery, process
from oracle.app.local_network.judging import evidence_of
from oracle.network.evidence import FaultKind
from tests import circuits
from tests.network.looking_back import signers, transmitter
from tests.network.prices import price
from tests.postgres import Postgres

TURN_S = 2
TWICE = 0


@dataclass(frozen=True)
class TakenOver:
    """Everything that came of it.

    Attributes:
        before, after: The log of the standby before the leader died, and in the end.
        signed: True if the standby's answers are in a round.
        brought: True if it brought a round in its turn.
        accused: The kinds of evidence that others have of the member.
    """

    before: str
    after: str
    signed: bool
    brought: bool
    accused: Sequence[FaultKind]


@pytest.fixture(scope="module")
def taken_over(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> TakenOver:
    return asyncio.run(play(tmp_path_factory.mktemp("standby"), postgres.url()))


async def play(folder: Path, database: str) -> TakenOver:
    layout = Layout(turn_s=TURN_S, transmitters=2, feeds=(FeedLayout("one"),))

    async with LocalNetwork(layout, folder / "members", circuits.artifacts(), prices=price, seed=5) as network:
        member = network.members[TWICE]
        config = member.place.config
        text = config.read_text(encoding="utf-8")
        journal = f'url = "{database}"\nstandby = true\nlease_s = 1'
        assert 'path = "journal.db"' in text
        config.write_text(text.replace('path = "journal.db"', journal), encoding="utf-8")
        second = folder / "second"
        shutil.copytree(member.place.folder, second)
        await network.start_all()
        standby = await asyncio.to_thread(nursery.start, process.main, second, ["oracle.toml"])
        log = second / nursery.LOG

        async def stands_by() -> bool:
            return log.exists() and '"event": "stands by"' in log.read_text(encoding="utf-8")

        try:
            await network.eventually(stands_by, "the second process stands by")
            await network.until_rounds(2)
            before = log.read_text(encoding="utf-8")
            await network.kill(TWICE)

            async def serves() -> bool:
                return '"event": "serving members"' in log.read_text(encoding="utf-8")

            await network.eventually(serves, "the standby takes over")
            since = network.turn() + 2

            async def takes_part() -> tuple[bool, bool] | None:
                events = [each for each in await network.rounds() if each.observed_at // TURN_S >= since]
                brought = any(transmitter(network, each) == TWICE for each in events)
                signed = any([TWICE in await signers(network, each) for each in events])
                return (signed, brought) if signed and brought else None

            signed, brought = await network.eventually(takes_part, "the standby signs, and brings a round")
        finally:
            await asyncio.to_thread(standby.kill)
        for other in network.members[1:]:
            await network.stop(other.place.index)
        address = member.place.address
        accused = [each.kind for other in network.members[1:] for each in evidence_of(other) if each.member == address]
        return TakenOver(before, log.read_text(encoding="utf-8"), signed, brought, accused)


def test_a_standby_answers_nobody(taken_over: TakenOver) -> None:
    assert "serving members" not in taken_over.before and "collected" not in taken_over.before


def test_it_takes_the_member_s_place_and_nobody_is_told_two_things(taken_over: TakenOver) -> None:
    assert taken_over.signed and taken_over.brought
    assert "leads the journal" in taken_over.after
    assert set(taken_over.accused) <= {FaultKind.SILENCE, FaultKind.WITHHELD}, "it was away for a moment, no more"
