"""The rules of a signer in real processes: killed at any moment, set back to a backup, run twice, and lied to.

Everything that ever left a member is in the journals of the others. Whatever happens, they have one observation of a
member for each feed and turn; only where two processes run with one key there can be two, and then the first that
learns of it stops to sign.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_account import Account

from oracle.app.local_network import FeedLayout, Layout, LocalNetwork, NetworkMember, nursery, process
from oracle.app.local_network.judging import evidence_of, signed_answers
from oracle.app.local_network.ways import Way
from oracle.chain.hub import RoundEvent
from oracle.chain.keys.typed import typed_request
from oracle.chain.local.ports import reserved_port
from oracle.core.report import Report
from oracle.network.client import open_members
from oracle.network.evidence import FaultKind
from oracle.network.ledger import Ledger
from oracle.network.messages import AnswerMessage, Refused, ReportRequest, SignedRequest
from oracle.network.terms import fingerprint
from tests import circuits
from tests.network.looking_back import transmitter
from tests.network.prices import price

pytestmark = [pytest.mark.slow, pytest.mark.attack]

TURN_S = 2
VICTIM, LIAR = 1, 3
HONEST = (0, 1, 2)

Observations = Mapping[tuple[bytes, int], set[tuple[int, int]]]
"""Time and answer, by feed and turn."""


@dataclass(frozen=True)
class Played:
    """Everything that came of it.

    Attributes:
        events: The rounds.
        left: What left the victim, as all members have heard it.
        lost_turns: The turns of which its ledger lost what it had signed.
        kept_turns: The turns of which its ledger has something.
        asked_again: What it answered to requests for another time in the turn of its start, as codes.
        told_of_lie: The members that have evidence of the lie.
        second: The turns in which two processes had the victim's key.
        together: How many turns passed from when the second one served until one of the two noticed.
        stopped: Why one of these signs nothing any more.
        after: Who transmitted after one of them was ended.
    """

    events: Sequence[RoundEvent]
    left: Observations
    lost_turns: set[int]
    kept_turns: set[int]
    asked_again: Sequence[str]
    told_of_lie: set[int]
    second: range
    together: int
    stopped: str
    after: Sequence[int]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return asyncio.run(play(tmp_path_factory.mktemp("signer")))


async def play(folder: Path) -> Played:
    layout = Layout(turn_s=TURN_S, feeds=(FeedLayout("one"), FeedLayout("two")))
    async with LocalNetwork(layout, folder, circuits.artifacts(), prices=price, seed=2) as network:
        await network.start_all(faulty=[LIAR])
        await network.until_rounds(2)
        for seconds in (0.3, 0.9, 1.5):
            await network.until_turn(network.turn() + 1)
            await asyncio.sleep(seconds)
            await network.kill(VICTIM)
            await network.start(VICTIM)
        lost, asked_again = await set_back(network)
        told_of_lie = await lied_to(network)
        second, together, stopped = await run_twice(network, folder / "again")
        first = network.turn() + 1
        after = await until_brought(network, first)
        events = await network.rounds()
        await network.stop_all()
        assert_written_once(network, events)
        kept = signed_turns(network, range(first - 60, first))
        return Played(events, left(network), lost, kept, asked_again, told_of_lie, second, together, stopped, after)


def signed_turns(network: LocalNetwork, turns: range) -> set[int]:
    """Return those of some turns of which the victim's ledger has something."""
    return {turn for _, turn in signed_answers(network, [network.members[VICTIM]], turns)}


def assert_written_once(network: LocalNetwork, events: Sequence[RoundEvent]) -> None:
    """Assert that each round was written once, in the turn of who brought it, with an answer that was heard."""
    messages = [message for member in network.members for message in heard(network, member)]
    for feed in network.deployment.feeds.values():
        mine = [event for event in events if event.feed_id == feed.feed_id]
        assert [event.round_id for event in mine] == list(range(1, len(mine) + 1))
        assert len({event.observed_at // TURN_S for event in mine}) == len(mine), "two rounds in one turn"
        for event in mine:
            assert transmitter(network, event) == network.holder(event.observed_at // TURN_S)
            said = [
                answer
                for message in messages
                if message.report.observed_at == event.observed_at
                for feed_id, answer in zip(message.report.feed_ids, message.answers, strict=True)
                if feed_id == event.feed_id
            ]
            assert event.answer in said


# --- set back to a backup ---


async def set_back(network: LocalNetwork) -> tuple[set[int], Sequence[str]]:
    """Set the victim back to a backup of its journal. Return the turns that it lost, and what it says right after."""
    victim = network.members[VICTIM]
    backup = victim.place.folder / "backup.db"
    await network.stop(VICTIM)
    await asyncio.to_thread(shutil.copy, victim.place.folder / "journal.db", backup)
    before = network.turn()
    await network.start(VICTIM)

    async def signed() -> set[int] | None:
        now = network.turn()
        found = signed_turns(network, range(before + 1, now + 1))
        return found if len(found) >= 2 and now in found and network.holder(now) != VICTIM else None

    lost = await network.eventually(signed, "two more turns that the victim signed")
    await network.kill(VICTIM)
    await asyncio.to_thread(restore, victim, backup)
    spawned = network.turn()
    await network.start(VICTIM)
    codes = [await ask(network, turn, seconds) for turn in {spawned, max(lost)} for seconds in (0, 1)]
    return lost, codes


def restore(victim: NetworkMember, backup: Path) -> None:
    for each in victim.place.folder.glob("journal.db*"):
        each.unlink()
    shutil.copy(backup, victim.place.folder / "journal.db")


async def ask(network: LocalNetwork, turn: int, seconds: int) -> str:
    """Ask the victim for a report of a time in a turn, as the turn's holder, and return how it refuses."""
    victim, deployed = network.members[VICTIM], network.deployment
    holder = network.members[network.holder(turn)]
    assert holder.config.network is not None
    ids = sorted(each.feed_id for each in deployed.feeds.values())
    states = await network.hub.feed_states(ids)
    observed_at = turn * TURN_S + seconds
    report = Report(1, 1, observed_at, tuple(ids), tuple(each.round_id + 1 for each in states))
    terms = fingerprint(deployed.chain_id, deployed.hub, 1, holder.config.network)
    request = ReportRequest(report, turn, int(time.time()) + 5, terms)
    message = typed_request(deployed.chain_id, deployed.hub, report, turn, request.deadline, terms).message
    signed = Account.from_key(network.chain.accounts[holder.place.index].key).sign_message(message)
    signature = signed.r.to_bytes(32) + signed.s.to_bytes(32) + bytes([signed.v])
    way = [(victim.name, victim.place.address, victim.place.url)]
    async with open_members(way, timeout_s=5) as clients:
        try:
            answer = await clients[victim.place.address].ask(SignedRequest(request, signature))
        except Refused as refused:
            return refused.code.value
    return f"signed {answer.answers}"


# --- lied to ---


async def lied_to(network: LocalNetwork) -> set[int]:
    """Let a member tell one other member something else than the rest. Return who has evidence of it."""
    network.misbehave(LIAR, {}, Way.LIES_TO_ONE)
    liar = network.members[LIAR].place.address

    async def told() -> set[int] | None:
        found = {
            index
            for index in HONEST
            for case in evidence_of(network.members[index])
            if (case.kind, case.member) == (FaultKind.CONTRADICTION, liar)
        }
        return found if found == set(HONEST) else None

    try:
        return await network.eventually(told, "everybody knows of the lie")
    finally:
        network.misbehave(LIAR, {})


# --- run twice ---


def copy_node(victim: NetworkMember, folder: Path) -> None:
    """Copy a node's folder, as somebody does who moves it, without its journal; the copy listens elsewhere."""
    folder.mkdir()
    for name in ("key.json", "password", "deployment.json"):
        shutil.copy(victim.place.folder / name, folder / name)
    text = victim.place.config.read_text()
    port = reserved_port()
    moved = text.replace(f'listen = "127.0.0.1:{victim.place.port}"', f'listen = "127.0.0.1:{port}"')
    assert moved != text
    (folder / "oracle.toml").write_text(moved)


async def run_twice(network: LocalNetwork, folder: Path) -> tuple[range, int, str]:
    """Run a second process with the victim's configuration and key until one of the two notices."""
    victim = network.members[VICTIM]
    await asyncio.to_thread(copy_node, victim, folder)
    first = network.turn()
    again = await asyncio.to_thread(nursery.start, process.main, folder, ["oracle.toml"])
    logs = [victim.place.folder / nursery.LOG, folder / nursery.LOG]

    serving: list[int] = []

    async def noticed() -> str | None:
        if not serving and logs[1].exists() and '"event": "serving members"' in logs[1].read_text():
            serving.append(network.turn())
        found = [line for log in logs if log.exists() for line in log.read_text().splitlines()]
        return next((line for line in found if "nothing is signed any more" in line), None)

    try:
        line = await network.eventually(noticed, "one of two processes with one key notices the other")
    finally:
        again.kill()
        await asyncio.to_thread(again.wait)
    last = network.turn()
    await network.stop(VICTIM)
    await network.start(VICTIM)
    return range(first, last + 1), last - (serving or [last])[0], line


async def until_brought(network: LocalNetwork, first: int) -> Sequence[int]:
    async def there() -> list[int] | None:
        events = [event for event in await network.rounds() if event.observed_at // TURN_S >= first]
        found = [transmitter(network, event) for event in events]
        return found if VICTIM in found else None

    return await network.eventually(there, "a round by the victim")


# --- what left ---


def left(network: LocalNetwork) -> Observations:
    """Return what left the victim, as the journals of all members have it."""
    deployed, address = network.deployment, network.members[VICTIM].place.address
    found: dict[tuple[bytes, int], set[tuple[int, int]]] = {}
    for member in network.members:
        for message in heard(network, member):
            if message.reporter == address:
                for feed_id, answer in zip(message.report.feed_ids, message.answers, strict=True):
                    key = feed_id, message.report.observed_at // TURN_S
                    found.setdefault(key, set()).add((message.report.observed_at, answer))
    assert {feed_id for feed_id, _ in found} == {each.feed_id for each in deployed.feeds.values()}
    return found


def heard(network: LocalNetwork, member: NetworkMember) -> Sequence[AnswerMessage]:
    deployed = network.deployment
    with member.journal() as journal:
        ledger = Ledger(journal.store, chain_id=deployed.chain_id, hub=deployed.hub, committee=1, clock=time.time)
        return [each.message for each in ledger.heard(0)]


# --- what is claimed ---


def test_one_observation_for_each_feed_and_turn_leaves_a_member_whatever_happens(played: Played) -> None:
    outside = {key: said for key, said in played.left.items() if key[1] not in played.second}
    assert len(outside) >= 8, "it has signed again and again"
    assert [key for key, said in outside.items() if len(said) != 1] == []


def test_a_member_that_was_set_back_signs_nothing_that_it_may_have_signed(played: Played) -> None:
    assert played.lost_turns and not played.lost_turns & played.kept_turns, "it has really lost them"
    assert {turn for _, turn in played.left} >= played.lost_turns, "the others have what it signed"
    assert played.asked_again and set(played.asked_again) <= {"starting", "not_now"}


def test_a_lie_to_one_member_is_known_to_all(played: Played) -> None:
    assert played.told_of_lie == set(HONEST)


def test_of_two_processes_with_one_key_one_notices_and_stops(played: Played) -> None:
    assert "another process signs with the reporter key" in played.stopped
    assert played.together <= 2 * 4 + 3, "at the latest in the second of its own turns"
    assert VICTIM in played.after, "with one process, it takes part again"


def test_rounds_went_on(played: Played) -> None:
    turns = {event.observed_at // TURN_S for event in played.events}
    whole = range(min(turns), max(turns) + 1)
    assert len(turns) >= 0.6 * len(whole)
