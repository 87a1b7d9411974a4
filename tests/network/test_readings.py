"""Readings in a network: audited from one member's configuration, and missed by the others when they are lost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pytest

from oracle.app.audit import audit, readings_places
from oracle.app.local_network import FeedLayout, Layout, LocalNetwork, NetworkMember
from oracle.app.local_network.judging import evidence_of
from oracle.audit.report import AuditReport, ReadingsFault, ReadingsReport
from oracle.network.casebook import Case
from oracle.network.evidence import FaultKind
from tests import circuits
from tests.network.looking_back import signers
from tests.network.prices import price

pytestmark = [pytest.mark.slow, pytest.mark.attack]

TURN_S = 2
LOSES, CHANGES = 1, 2
NAMES = ("alpha", "beta", "gamma", "delta")

LOST = "CREATE TRIGGER loses AFTER INSERT ON readings BEGIN DELETE FROM readings WHERE hash = NEW.hash; END"
CHANGED = 'UPDATE readings SET document = CAST(replace(CAST(document AS TEXT), \'"value":"\', \'"value":"1\') AS BLOB)'


@dataclass(frozen=True)
class Played:
    """The audits, while all were honest and after two were not, and the evidence against the one who loses readings."""

    honest: AuditReport
    later: AuditReport
    cases: list[Case]
    members: dict[str, str]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return asyncio.run(play(tmp_path_factory.mktemp("network")))


async def play(folder: Path) -> Played:
    layout = Layout(turn_s=TURN_S, feeds=(FeedLayout("one"), FeedLayout("two")))
    async with LocalNetwork(layout, folder, circuits.artifacts(), prices=price, seed=9) as network:
        await network.start_all()
        await until_signed_by(network, range(layout.members), network.turn())

        async def audited() -> AuditReport:
            places = readings_places([], network.members[0].config)
            return await audit(network.deployment.hub, network.chain.rpc_url, circuits.artifacts(), readings=places)

        honest = await audited()
        execute(network.members[LOSES], LOST)
        loser = network.members[LOSES].place.address

        async def found() -> list[Case] | None:
            cases = [case for index in (0, CHANGES, 3) for case in evidence_of(network.members[index])]
            return [case for case in cases if case.kind is FaultKind.READINGS] or None

        cases = await network.eventually(found, f"{loser} is found to have no readings")
        await until_signed_by(network, [LOSES], network.turn())  # and some of these are in a round
        execute(network.members[CHANGES], CHANGED)
        later = await audited()
        return Played(honest, later, cases, {member.place.address: member.name for member in network.members})


async def until_signed_by(network: LocalNetwork, indices: Collection[int], since: int) -> None:
    """Wait until each feed has a round with each of these members' signatures, of this turn or a later one."""

    async def there() -> bool:
        found = [each for each in await network.rounds() if network.turn(each.observed_at) >= since]
        wanted = {(each.feed_id, index) for each in network.deployment.feeds.values() for index in indices}
        return wanted <= {(each.feed_id, index) for each in found for index in await signers(network, each)}

    await network.eventually(there, f"rounds that the members {list(indices)} have signed")


def execute(member: NetworkMember, statement: str) -> None:
    """Execute a statement in a member's journal behind its back."""
    connection = sqlite3.connect(member.place.folder / "journal.db", timeout=10)
    try:
        with connection:
            connection.execute(statement)
    finally:
        connection.close()


def readings(report: AuditReport) -> ReadingsReport:
    assert report.readings is not None
    # The network goes on meanwhile, so the hub's state may be ahead of what the audit has read: not looked at here.
    assert report.failed == 0, "the rounds are right, whatever the readings are"
    return report.readings


def test_every_answer_of_every_member_is_derived_again(played: Played) -> None:
    found = readings(played.honest)
    assert found.ok and found.findings == ()
    assert sorted(each.name for each in found.reporters) == sorted(NAMES)
    for each in found.reporters:
        assert each.verified == each.signatures >= 1
        assert each.answers >= each.signatures
        assert (each.sources_least, each.sources_mean) == (3, 3.0)


def test_who_lost_or_changed_its_readings_is_named_and_nobody_else(played: Played) -> None:
    found = readings(played.later)
    assert not played.later.ok
    faults = {(each.name, each.fault) for each in found.findings}
    assert faults >= {("beta", ReadingsFault.MISSING), ("gamma", ReadingsFault.DIFFERENT)}
    assert {name for name, _ in faults} == {"beta", "gamma"}
    verified = {each.name: each.verified == each.signatures for each in found.reporters}
    assert verified == {"alpha": True, "beta": False, "gamma": False, "delta": True}
    assert next(each for each in found.reporters if each.name == "beta").verified > 0, "what it had before stands"


def test_the_others_miss_readings_within_some_turns(played: Played) -> None:
    assert {played.members[case.member] for case in played.cases} == {"beta"}
    assert "its readings are missing" in played.cases[0].summary
