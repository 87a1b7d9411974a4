"""Tests of the look at members' readings while they are fresh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from oracle.audit.readings import ReadingsProblem
from oracle.audit.report import ReadingsFault
from oracle.chain.hub import HubFeedConfig
from oracle.core.errors import ChainUnavailable
from oracle.core.formats import keccak, to_hex
from oracle.core.report import NO_READINGS
from oracle.core.types import Kind
from oracle.feeds.journal import Journal
from oracle.network.evidence import FaultKind, MemberFault
from oracle.network.ledger import HeardMessage, Ledger
from oracle.network.messages import AnswerMessage
from oracle.network.reading_checks import ReadingChecks
from oracle.sources.aggregate import AggregationPolicy, aggregate
from oracle.sources.interface import Collected, Reading
from oracle.sources.readings import ReadingsDocument, ReadingsRule, gather
from tests.stubs import feed_config
from tests.unit.network.signed import CHAIN_ID, COMMITTEE, HUB, MEMBERS, STRANGER, TURN_S, TURNS, answer, report

OWN, OTHER, THIRD = MEMBERS[:3]
NAMES = sorted(("ETH / USD", "BTC / USD"), key=lambda name: keccak(name.encode()))
IDS = [keccak(name.encode()) for name in NAMES]
TURN = 1_000
AT = TURN * TURN_S + 10
NOW = float((TURN + 1) * TURN_S + 5)


def document(name: str, value: str, reporter: str = OTHER) -> ReadingsDocument:
    policy = AggregationPolicy(Kind.RELATIVE)
    readings = (Reading(Decimal(value), AT, "a"),)
    rule = ReadingsRule.of(keccak(name.encode()), name, feed_config(name).decimals, policy)
    units = int(Decimal(value) * 10**rule.decimals)
    found = gather(rule, {"a": "a.example"}, Collected(readings, {}, ()), aggregate(readings, policy), units)
    return found.document(reporter, AT)


class Noted:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.faults: list[MemberFault] = []

    def note(self, fault: MemberFault) -> None:
        self.faults.append(fault)


class Network:
    """A node with the messages that it has heard, and members who serve readings."""

    def __init__(self, journal: Journal) -> None:
        self.ledger = Ledger(journal.store, chain_id=CHAIN_ID, hub=HUB, committee=COMMITTEE, clock=lambda: NOW)
        self.evidence = Noted()
        self.served: bytes | Exception = b""
        self.asked: list[tuple[str, bytes]] = []
        self.checks = ReadingChecks(
            self.ledger,
            {OTHER: "http://other", THIRD: "http://third"},
            self.terms,
            self.fetch,
            self.evidence,
            feed_ids=IDS,
            turns=TURNS,
            clock=lambda: NOW,
            choose=lambda messages: messages[0],
        )

    async def terms(self, feed_id: bytes) -> HubFeedConfig:
        return feed_config(NAMES[IDS.index(feed_id)])

    async def fetch(self, url: str, wanted: bytes, most: int) -> bytes:
        self.asked.append((url, wanted))
        if isinstance(self.served, Exception):
            raise self.served
        return self.served

    def hears(self, message: AnswerMessage) -> AnswerMessage:
        self.ledger.note([HeardMessage(message, told=True, at=NOW)])
        return message


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Journal(tmp_path / "journal.db") as journal:
        yield Network(journal)


def says(documents: Sequence[ReadingsDocument | None], member: str = OTHER, at: int = AT) -> AnswerMessage:
    answers = [None if each is None else each.answer for each in documents]
    hashes = [NO_READINGS if each is None else each.hash for each in documents]
    return answer(member, report(at, IDS), answers, hashes)


def body(documents: Sequence[ReadingsDocument | None]) -> bytes:
    return b'{"feeds":[' + b",".join(b"null" if each is None else each.encode() for each in documents) + b"]}"


GOOD = [document(name, "100") for name in NAMES]


async def test_readings_that_stand_behind_an_answer_are_nothing_to_note(network: Network) -> None:
    message = network.hears(says(GOOD))
    network.served = body(GOOD)
    await network.checks.look()
    assert network.asked == [("http://other", message.signature.readings)]
    assert network.evidence.faults == []


async def test_only_what_other_members_said_in_the_turn_before_is_looked_at(network: Network) -> None:
    network.hears(says(GOOD, member=OWN))
    network.hears(says(GOOD, member=STRANGER))
    network.hears(says(GOOD, at=AT - TURN_S))
    network.hears(says(GOOD, at=AT + TURN_S))
    network.hears(says([None, None]))
    await network.checks.look()
    assert network.asked == []


async def test_readings_that_are_missing_or_others_are_noted_with_what_was_signed(network: Network) -> None:
    message = network.hears(says(GOOD))
    network.served = ReadingsProblem(ReadingsFault.MISSING, "its server does not have what it signed")
    await network.checks.look()
    network.served = body([GOOD[0], document(NAMES[1], "100")])
    await network.checks.look()
    missing, different = network.evidence.faults
    assert {(each.kind, each.member, each.turn) for each in (missing, different)} == {(FaultKind.READINGS, OTHER, TURN)}
    assert missing.summary == "its readings are missing: its server does not have what it signed"
    assert different.summary == "its readings are different: what is served is not what was signed"
    for each in (missing, different):
        assert each.answers == (message.to_json(),) and each.feed_id is None
        assert each.details["readings"] == to_hex(message.signature.readings)


async def test_each_feed_that_is_wrong_is_noted_by_itself(network: Network) -> None:
    wrong = [document(name, "100", reporter=THIRD) for name in NAMES]
    network.hears(says(wrong))
    network.served = body(wrong)
    await network.checks.look()
    assert [each.feed_id for each in network.evidence.faults] == IDS
    assert all("the document's reporter is" in each.summary for each in network.evidence.faults)
    # The documents go with it: their hashes are signed, so anybody can see it.
    for each, made in zip(network.evidence.faults, wrong, strict=True):
        assert each.details["document"].encode() == made.encode()


async def test_an_answer_without_readings_is_noted(network: Network) -> None:
    network.hears(answer(OTHER, report(AT, IDS), [5, 6], [NO_READINGS, NO_READINGS]))
    network.served = b'{"feeds":[null,null]}'
    await network.checks.look()
    assert ["signed an answer without any readings" in each.summary for each in network.evidence.faults] == [True] * 2


async def test_a_server_that_can_not_be_reached_is_no_fault_of_its_readings(network: Network) -> None:
    network.hears(says(GOOD))
    network.served = ReadingsProblem(ReadingsFault.UNREACHABLE, "its server has not answered within 5 s")
    with capture_logs() as logs:
        await network.checks.look()
    assert network.evidence.faults == []
    assert [(each["event"], each["member"]) for each in logs] == [("a member's readings can't be fetched", OTHER)]


async def test_whoever_signs_much_is_not_looked_at_instead_of_others(network: Network) -> None:
    """Neither with feeds that do not exist, which can't be judged, nor with many messages."""
    for position in range(5):
        unknown = (bytes(31) + bytes([1 + position]),)
        network.hears(answer(OTHER, report(AT, unknown), [5]))
    for rounds in ((8, 8), (9, 9)):
        network.hears(answer(OTHER, report(AT, IDS, rounds), [1, 2]))
    message = network.hears(says(GOOD, THIRD))
    network.checks._choose = lambda messages: messages[len(messages) // 2]
    network.served = body(GOOD)
    await network.checks.look()
    assert network.asked == [("http://third", message.signature.readings)]


async def test_a_feed_that_does_not_exist_does_not_end_the_look(network: Network) -> None:
    network.hears(answer(OTHER, report(AT, (bytes(31) + b"\x01",)), [5]))
    network.served = ReadingsProblem(ReadingsFault.MISSING, "it is not there")
    await network.checks.look()
    assert [each.kind for each in network.evidence.faults] == [FaultKind.READINGS]


async def test_a_chain_that_is_gone_ends_no_node(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look fails, is logged, and the next turn has another one."""
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise KeyboardInterrupt
        raise ChainUnavailable("no endpoint answers")

    async def at_once(seconds: float) -> None:
        assert 0 <= seconds <= 1.5 * TURN_S

    monkeypatch.setattr(network.checks, "look", look)
    monkeypatch.setattr("oracle.network.reading_checks.asyncio.sleep", at_once)
    with capture_logs() as logs, pytest.raises(KeyboardInterrupt):
        await network.checks.run()
    assert [each["event"] for each in logs] == ["no member's readings are checked now, will try again"]
