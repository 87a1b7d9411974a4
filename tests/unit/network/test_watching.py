"""Tests of what transmitters bring, leave out and withhold, as each node sees it from the chain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from oracle.audit.transactions import calls_in
from oracle.chain.hub import Committee, HubFeedConfig, RoundAccepted, Submission, encode_submission
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Transaction
from oracle.chain.transport.traces import CallFrame
from oracle.core.errors import ChainUnavailable
from oracle.core.report import Report, SignedReport
from oracle.core.types import Kind
from oracle.feeds.journal import Journal
from oracle.feeds.journal.schema import network as tables
from oracle.feeds.journal.store import Store
from oracle.network.evidence import FaultKind, MemberFault
from oracle.network.ledger import HeardMessage, Ledger
from oracle.network.messages import AnswerMessage
from oracle.network.standing import FeedMeasure, Standings, TurnFigures, read_standings
from oracle.network.watching import Watcher
from tests.unit.network.signed import CHAIN_ID, COMMITTEE, FEEDS, HUB, MEMBERS, STRANGER, TURN_S, TURNS, answer, report

# Turns go round in the order of MEMBERS, and this turn is the first one's.
TURN = 28_333_332
NOW = TURN * TURN_S
ACCOUNTS = ("0x00000000000000000000000000000000000000A1", "0x00000000000000000000000000000000000000b2")
NAMES = dict(zip(MEMBERS, ("alpha", "bravo", "charlie", "delta"), strict=True))


class Chain:
    """An endpoint that has what a test put there."""

    def __init__(self) -> None:
        self.block = 100
        self.transactions: dict[bytes, Transaction] = {}
        self.traces: dict[bytes, CallFrame] = {}

    async def block_number(self) -> int:
        return self.block

    async def transaction(self, tx_hash: bytes) -> Transaction | None:
        return self.transactions.get(tx_hash)

    async def trace(self, tx_hash: bytes) -> CallFrame | None:
        return self.traces.get(tx_hash)

    def hide(self, tx_hash: bytes) -> None:
        """Let a contract make the call of a transaction, whose input does not show it."""
        sent = self.transactions[tx_hash]
        self.transactions[tx_hash] = replace(sent, to=ACCOUNTS[1], data=b"go")
        inner = CallFrame("call", ACCOUNTS[1], HUB, sent.data)
        self.traces[tx_hash] = CallFrame("call", sent.sender, ACCOUNTS[1], b"go", calls=[inner])

    name = "endpoint"


@dataclass
class WatchedFake:
    """A hub on it."""

    chain: Chain = field(default_factory=Chain)
    events: list[RoundAccepted] = field(default_factory=list)
    address = HUB
    max_spread = 3_000
    is_silent = False

    @property
    def rpc(self) -> Rpc:
        return cast(Rpc, self.chain)

    async def logs(self, first: int, last: int) -> Sequence[RoundAccepted]:
        if self.is_silent:
            raise ChainUnavailable("no answer")
        return [each for each in self.events if first <= each.block_number <= last]

    async def committee(self, number: int) -> Committee:
        return Committee(number, tuple(MEMBERS), 3, 1)

    async def feed_config(self, feed_id: bytes) -> HubFeedConfig:
        return HubFeedConfig("x", Kind.RELATIVE, 8, 1, 0, 3_600, 300, 60, 60, 1_000, self.max_spread, 1_000, COMMITTEE)

    def bring(self, *messages: AnswerMessage, account: str = ACCOUNTS[0], through: str | None = HUB) -> bytes:
        """Put a report with these answers onto the chain."""
        first = messages[0].report
        signed = SignedReport(first, tuple(each.signature for each in messages))
        data = encode_submission(Submission.of(1, signed, [(0,)] * len(first.due), b""))
        self.chain.block += 1
        tx_hash = self.chain.block.to_bytes(32)
        self.chain.transactions[tx_hash] = Transaction(tx_hash, account, through, data, 0, 0, self.chain.block)
        for index, position in enumerate(first.due):
            self.events.append(
                RoundAccepted(
                    first.feed_ids[position], first.round_ids[position], signed.median(position), first.observed_at, 1,
                    (0,), False, account, self.chain.block, tx_hash, index,
                )
            )  # fmt: skip
        return tx_hash


class World:
    """A node that only signs, and watches."""

    def __init__(self, store: Store, own: str) -> None:
        self.now = float(NOW + 1)
        self.store = store
        self.hub = WatchedFake()
        self.faults: list[MemberFault] = []
        self.over: list[int] = []
        self.ledger = Ledger(store, chain_id=CHAIN_ID, hub=HUB, committee=COMMITTEE, clock=lambda: self.now)
        self.watcher = self.watching(own)

    def watching(self, own: str, pulled: Sequence[bytes] = ()) -> Watcher:
        return Watcher(
            self.hub,
            self.store,
            self.ledger,
            self,
            chain_id=CHAIN_ID,
            committee=COMMITTEE,
            feed_ids=FEEDS[:3],
            pulled=pulled,
            turns=TURNS,
            own=own,
            clock=lambda: self.now,
            after=self.over.append,
        )

    def note(self, fault: MemberFault) -> None:
        self.faults.append(fault)

    def hear(self, message: AnswerMessage, at: float) -> AnswerMessage:
        self.ledger.note([HeardMessage(message, told=True, at=at)])
        return message

    def hear_all(self, to: Report, *answers: int | None) -> list[AnswerMessage]:
        """Hear the members' answers to a report, one a tenth of a second after the other, in their order."""
        return [
            self.hear(answer(member, to, [value] * len(to.feed_ids)), to.observed_at + place / 10)
            for place, (member, value) in enumerate(zip(MEMBERS, answers, strict=False))
        ]

    def brought(self) -> list[tuple[str, int, dict[str, Any]]]:
        with self.store.transaction(read=True) as connection:
            return [
                (row.transmitter, row.turn, json.loads(row.details))
                for row in connection.execute(sa.select(tables.brought).order_by(tables.brought.c.id))
            ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Journal(tmp_path / "journal.sqlite") as journal:
        yield World(journal.store, own=MEMBERS[3])


def of_turn(turn: int, feeds: int = 1) -> Report:
    return report(turn * TURN_S + 5, FEEDS[:feeds])


async def test_who_brought_whose_answers_is_noted_once(world: World) -> None:
    assert TURNS.holder(TURN) == MEMBERS[0]
    messages = world.hear_all(of_turn(TURN), 1_000_000, 1_000_200, 1_000_100, 1_000_300)
    world.hub.bring(*messages)
    for _ in range(3):
        await world.watcher.look()
    ((transmitter, turn, details),) = world.brought()
    assert (transmitter, turn, details["account"]) == (MEMBERS[0], TURN, ACCOUNTS[0])
    assert details["reporters"] == MEMBERS
    assert (details["rank"], details["even"], details["left_out"]) == (2.5, 2.5, [])
    assert world.faults == []


async def test_whoever_leaves_out_the_lowest_in_time_brings_a_higher_rank_and_is_noted(world: World) -> None:
    messages = world.hear_all(of_turn(TURN), 1_000_200, 1_000_000, 1_000_100, 1_000_300)
    world.hub.bring(messages[0], messages[2], messages[3])
    await world.watcher.look()
    ((_, _, details),) = world.brought()
    assert (details["rank"], details["even"]) == (3.0, 2.5)
    assert details["left_out"] == [MEMBERS[1]]
    (fault,) = world.faults
    assert (fault.kind, fault.member, fault.turn) == (FaultKind.LEFT_OUT, MEMBERS[0], TURN)
    assert [each["reporter"] for each in fault.answers] == [MEMBERS[1]]


async def test_who_was_heard_last_was_perhaps_too_late(world: World) -> None:
    world.watcher = world.watching(own=MEMBERS[1])
    messages = world.hear_all(of_turn(TURN), 1_000_200, 1_000_000, 1_000_100, 1_000_300)
    world.hub.bring(*messages[:3])
    await world.watcher.look()
    assert world.brought()[0][2]["left_out"] == [] and world.faults == []


async def test_whoever_is_beyond_the_spread_or_has_no_answer_is_rightly_left_out(world: World) -> None:
    messages = world.hear_all(of_turn(TURN), 1_000_200, 1_010_000, 1_000_100, 1_000_300)
    world.hub.bring(messages[0], messages[2], messages[3])
    messages = world.hear_all(of_turn(TURN + 4), 1_000_200, None, 1_000_100, 1_000_300)
    world.hub.bring(messages[0], messages[2], messages[3])
    await world.watcher.look()
    assert len(world.brought()) == 2 and world.faults == []


async def test_whoever_comes_within_the_moment_that_a_transmitter_waits_is_in_time(world: World) -> None:
    to = of_turn(TURN)
    answers = [answer(member, to, [1_000_000 + place]) for place, member in enumerate(MEMBERS)]
    for late, message in zip((0.0, 0.14, 0.1, 0.0), answers, strict=True):
        world.hear(message, to.observed_at + late)
    world.hub.bring(answers[0], answers[2], answers[3])
    await world.watcher.look()
    assert world.brought()[0][2]["left_out"] == [MEMBERS[1]]


async def test_a_nodes_own_answer_says_nothing_of_when_others_had_it(world: World) -> None:
    world.watcher = world.watching(own=MEMBERS[1])
    messages = world.hear_all(of_turn(TURN), 1_000_200, 1_000_000, 1_000_100, 1_000_300)
    world.hub.bring(messages[0], messages[2], messages[3])
    await world.watcher.look()
    assert world.brought()[0][2]["left_out"] == [] and world.faults == []
    assert world.brought()[0][2]["rank"] == 3.0  # the ranks know it all the same


async def test_a_member_that_says_two_things_may_be_left_out(world: World) -> None:
    to = of_turn(TURN)
    messages = world.hear_all(to, 1_000_200, 1_000_000, 1_000_100, 1_000_300)
    world.hear(answer(MEMBERS[1], to, [1_000_050]), to.observed_at + 0.11)
    world.hub.bring(messages[0], messages[2], messages[3])
    await world.watcher.look()
    assert world.brought()[0][2]["left_out"] == []


async def test_with_more_than_a_quorum_the_quorums_time_counts(world: World) -> None:
    to = of_turn(TURN)
    answers = [answer(member, to, [1_000_000 + place]) for place, member in enumerate((*MEMBERS, STRANGER))]
    for message, at in zip(answers, (0.0, 0.1, 0.2, 0.0, 0.19), strict=True):
        world.hear(message, to.observed_at + at)
    # With this node's own answer, the quorum of three was complete after 0.1 s: the fifth may have missed the grace,
    # although the third was later here.
    world.hub.bring(*answers[:4])
    await world.watcher.look()
    assert world.brought()[0][2]["left_out"] == []


async def test_this_nodes_own_choice_is_no_fault(world: World) -> None:
    world.watcher = world.watching(own=MEMBERS[0])
    messages = world.hear_all(of_turn(TURN), 1_000_200, 1_000_000, 1_000_100, 1_000_300)
    world.hub.bring(messages[0], messages[2], messages[3])
    await world.watcher.look()
    assert world.brought()[0][2]["left_out"] == [MEMBERS[1]] and world.faults == []


async def test_answers_that_were_never_told_are_found_in_the_calldata(world: World) -> None:
    to = of_turn(TURN)
    messages = [answer(each, to, [1_000_000 + place]) for place, each in enumerate(MEMBERS[:3])]
    world.hub.bring(*messages)
    await world.watcher.look()
    assert world.brought()[0][2]["reporters"] == MEMBERS[:3]


async def test_a_report_that_a_contract_sent_is_noted_as_far_as_it_can_be_read(world: World) -> None:
    chain = world.hub.chain
    messages = world.hear_all(of_turn(TURN), 1_000_000, 1_000_200, 1_000_100, 1_000_300)
    chain.hide(relayed := world.hub.bring(*messages[:3], account=ACCOUNTS[1]))
    trace = chain.traces.pop(relayed)
    await world.watcher.look()
    ((transmitter, _, details),) = world.brought()
    assert transmitter == MEMBERS[0] and details["account"] == ACCOUNTS[1] and "reporters" not in details
    # An endpoint that traces shows the call, and so does the input of most relays.
    chain.traces[relayed] = trace
    for turn in (TURN + 4, TURN + 8):
        later = world.hear_all(of_turn(turn), 1_000_000, 1_000_200, 1_000_100, 1_000_300)
        sent = world.hub.bring(*later[:3], account=ACCOUNTS[1], through=ACCOUNTS[1])
        if turn == TURN + 4:
            chain.hide(sent)
        await world.watcher.look()
        assert world.brought()[-1][2]["reporters"] == MEMBERS[:3]


async def test_a_report_beside_another_one_that_looks_like_it(world: World) -> None:
    """A relay's input may have anything in it. A report counts as brought only with signatures of the committee."""
    messages = world.hear_all(of_turn(TURN), 1_000_000, 1_000_200, 1_000_100, 1_000_300)
    sent = world.hub.bring(*messages[:3], account=ACCOUNTS[1], through=ACCOUNTS[1])
    real = world.hub.chain.transactions[sent]
    (decoy,) = calls_in(real, HUB).candidates(world.hub.events)
    signed = decoy.submission.signed
    forged = replace(signed.signatures[0], r=signed.signatures[1].r)
    signed = replace(signed, signatures=(forged, *signed.signatures[1:]))
    data = encode_submission(replace(decoy.submission, signed=signed)) + real.data
    world.hub.chain.transactions[sent] = replace(real, data=data)
    await world.watcher.look()
    assert world.brought()[0][2]["reporters"] == MEMBERS[:3]


async def test_calldata_that_nobody_can_read_does_not_stop_it(world: World) -> None:
    messages = world.hear_all(of_turn(TURN), 1_000_000, 1_000_200, 1_000_100)
    tx_hash = world.hub.bring(*messages)
    old = world.hub.chain.transactions[tx_hash]
    world.hub.chain.transactions[tx_hash] = Transaction(tx_hash, old.sender, HUB, old.data[:4] + b"\xff" * 40, 0, 0, 1)
    await world.watcher.look()
    assert "reporters" not in world.brought()[0][2]


async def test_a_turn_that_had_a_quorum_and_brought_nothing_is_withheld(world: World) -> None:
    world.hear_all(of_turn(TURN + 1), 1_000_000, 1_000_200, 1_000_100)
    world.now = NOW + 3 * TURN_S + 1
    await world.watcher.look()
    assert world.faults == []  # it may still be mined
    world.now = NOW + 3 * TURN_S + TURNS.clock_bound + 1
    for _ in range(2):
        await world.watcher.look()
    (fault,) = world.faults
    assert (fault.kind, fault.member, fault.turn) == (FaultKind.WITHHELD, MEMBERS[1], TURN + 1)
    assert len(fault.answers) == 3


@pytest.mark.parametrize("answers", [(1_000_000, 1_000_200), (1_000_000, None, None, 1_000_100)])
async def test_what_had_no_quorum_could_not_be_brought(world: World, answers: tuple[int | None, ...]) -> None:
    world.hear_all(of_turn(TURN + 1), *answers)
    world.now = NOW + 9 * TURN_S
    await world.watcher.look()
    assert world.faults == []


async def test_nothing_is_withheld_where_a_report_came_or_is_kept_for_whoever_pulls_it(world: World) -> None:
    world.hub.bring(*world.hear_all(of_turn(TURN + 1), 1_000_000, 1_000_200, 1_000_100))
    world.hear_all(of_turn(TURN + 3), 1_000_000, 1_000_200, 1_000_100)  # this node's own turn
    world.now = NOW + 9 * TURN_S
    await world.watcher.look()
    assert world.faults == []
    world.now = NOW + 10.0
    world.watcher = world.watching(own=MEMBERS[3], pulled=FEEDS[:1])
    world.hear_all(of_turn(TURN + 2), 1_000_000, 1_000_200, 1_000_100)
    world.now = NOW + 9 * TURN_S
    await world.watcher.look()
    assert world.faults == []


async def test_a_chain_that_did_not_answer_makes_nobody_a_withholder(world: World) -> None:
    world.hub.is_silent = True
    world.hub.bring(*world.hear_all(of_turn(TURN + 1), 1_000_000, 1_000_200, 1_000_100))
    world.now = NOW + 9 * TURN_S
    with pytest.raises(ChainUnavailable):
        await world.watcher.look()
    world.hub.is_silent = False
    await world.watcher.look()
    assert world.faults == [] and len(world.brought()) == 1


async def test_a_node_that_was_down_goes_on_where_it_was(world: World) -> None:
    world.hub.bring(*world.hear_all(of_turn(TURN), 1_000_000, 1_000_200, 1_000_100))
    await world.watcher.look()
    world.hub.chain.block += 1_000
    world.hub.bring(*world.hear_all(of_turn(TURN + 4), 1_000_000, 1_000_200, 1_000_100))
    world.hub.chain.block += 1_000
    again = world.watching(own=MEMBERS[3])
    await again.look()
    assert [turn for _, turn, _ in world.brought()] == [TURN, TURN + 4]


async def test_feeds_of_other_committees_are_not_watched(world: World) -> None:
    to = report(NOW + 5, FEEDS[3:])
    world.hub.bring(*[answer(each, to, [1_000_000]) for each in MEMBERS[:3]])
    await world.watcher.look()
    assert world.brought() == []


# --- standings -----------------------------------------------------------------------------------------------------


def standings(world: World, last_turn: int, known: dict[int, TurnFigures] | None = None) -> Standings:
    with world.store.transaction(read=True) as connection:
        return read_standings(
            connection,
            names=NAMES,
            ignored={MEMBERS[2]},
            faulty=1,
            turns=TURNS,
            measures={FEEDS[0]: FeedMeasure(Kind.RELATIVE, 1_000)},
            first_turn=last_turn - 9,
            last_turn=last_turn,
            known=known,
        )


async def test_turns_that_were_read_before_are_not_read_again_but_count(world: World) -> None:
    known: dict[int, TurnFigures] = {}
    for last in range(TURN, TURN + 25):
        if last % 3:
            world.hear_all(of_turn(last), 1_000_200, 1_000_000, 1_000_100, 1_000_300)
        if last == TURN + 14:  # somebody is heard late, and still counts
            world.hear(answer(MEMBERS[1], of_turn(last - 2), [1_000_000]), last * TURN_S)
        assert standings(world, last, known) == standings(world, last)
        assert set(known) == set(range(last - 9, last + 1))
    with world.store.transaction() as connection:
        connection.execute(tables.heard.delete().where(tables.heard.c.turn < TURN + 18))
    assert standings(world, TURN + 24, known).members[0].answered > standings(world, TURN + 24).members[0].answered


async def test_a_member_that_answers_what_nobody_asked_makes_no_other_look_silent(world: World) -> None:
    """Nor a holder that did not use its turn look as if it had kept back what it collected."""
    world.hear_all(of_turn(TURN), 1_000_200, 1_000_000, 1_000_100, 1_000_300)
    for each in range(9):
        world.hear(answer(MEMBERS[3], report((TURN + 1) * TURN_S + each, FEEDS[:1]), [1_000_000]), NOW)
    found = standings(world, TURN + 9)
    assert [(each.reports, each.answered) for each in found.members] == [(1, 1)] * 4
    assert [each.used for each in found.transmitters] == [1, 0, 0, 0]


async def test_the_standings_say_who_answers_how_far_off_and_whom_transmitters_leave_out(world: World) -> None:
    for round_ in range(3):
        turn = TURN + 4 * round_
        messages = world.hear_all(of_turn(turn), 1_000_200, 1_000_000, 1_000_100, 1_000_300)
        world.hub.bring(messages[0], messages[2], messages[3])
    world.hear_all(of_turn(TURN + 1), 1_000_000, 1_000_000, 1_000_000)
    await world.watcher.look()
    found = standings(world, TURN + 9)
    alpha, bravo, charlie, delta = found.members
    assert (alpha.reports, alpha.answered, delta.answered) == (4, 4, 3)
    assert (charlie.ignored, delta.ignored) == (True, False)
    # Three times 0.2 σ below the median of 1,000,200, and once at it.
    assert (bravo.bias, bravo.distance, bravo.largest) == (-150.0, 150.0, 200)
    assert (delta.bias, delta.largest) == (99 * 3 / 3, 99)
    assert alpha.delay_p50_s is not None and bravo.delay_p50_s == pytest.approx(5.1 - 5, abs=1e-6)
    assert alpha.last_seen == (TURN + 8) * TURN_S + 5
    first, second = found.transmitters[:2]
    assert (first.name, first.turns, first.used, first.brought) == ("alpha", 3, 3, 3)
    assert (first.rank, first.even, first.left_out) == (3.0, 2.5, {"bravo": 3})
    assert first.accounts == {ACCOUNTS[0]: 3}
    assert (second.name, second.turns, second.used, second.brought) == ("bravo", 3, 1, 0)
