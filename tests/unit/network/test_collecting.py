"""Tests of collecting: whom the holder asks, how long it waits, whose answers it takes, and what it notes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from oracle.chain.keys.signer import ReporterKey, recover
from oracle.core.errors import ContractRejected, SignerUnavailable
from oracle.core.report import Report, SignedReport
from oracle.core.types import Kind
from oracle.network.client import MemberInvalid, MemberSilent
from oracle.network.collecting import LEAST_GRACE_S, NetworkSigners
from oracle.network.heard import Heard
from oracle.network.ledger import Asked, HeardMessage
from oracle.network.messages import AnswerMessage, RefusalCode, Refused, SignedRequest
from oracle.network.rules import SignerRules
from tests.unit.network.node import FINGERPRINT, FIRST_TURN, Clock, Evidence, FakeCommittee
from tests.unit.network.signed import (
    CHAIN_ID,
    COMMITTEE,
    FEEDS,
    HUB,
    KEYS,
    MEMBERS,
    STRANGER,
    TURNS,
    Where,
    answer,
    report,
)

NOW = TURNS.begin(FIRST_TURN) + 10
"""In the first member's turn."""
ME, *OTHERS = MEMBERS
LONG = 5.0
"""Seconds that no test waits for."""


@dataclass
class Terms:
    """A feed whose answers may be a tenth apart."""

    kind: Kind = Kind.RELATIVE
    sigma: int = 100_000
    max_spread: int = 1_000


@dataclass
class FakeMember:
    """A member that answers as a test says; without an answer, it keeps whoever asks waiting."""

    name: str
    says: Callable[[Report], AnswerMessage | Exception] | None = None
    asked: list[SignedRequest] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, signed: SignedRequest, timeout_s: float | None = None) -> AnswerMessage:
        self.asked.append(signed)
        try:
            async with asyncio.timeout(timeout_s):
                await self.may_answer.wait()
        except TimeoutError:
            raise MemberSilent("nothing came") from None
        assert self.says is not None
        found = self.says(signed.request.report)
        if isinstance(found, Exception):
            raise found
        return found


@dataclass
class Own:
    """This node's signer."""

    says: Callable[[Report], AnswerMessage | Exception]

    async def answer(self, signed: SignedRequest) -> AnswerMessage:
        found = self.says(signed.request.report)
        if isinstance(found, Exception):
            raise found
        return found


class FakeLedger:
    """Keeps what is heard and asked in lists."""

    def note(self, heard: Sequence[HeardMessage], asked: Sequence[Asked] = ()) -> None:
        pass


class Collecting:
    """The holder of a turn, and three others whose answers a test decides."""

    def __init__(self, **changes: Any) -> None:
        self.clock, self.evidence = Clock(NOW), Evidence()
        ignored = frozenset(changes.pop("ignored", ()))
        rules = SignerRules(CHAIN_ID, HUB, COMMITTEE, TURNS, frozenset(MEMBERS), ignored, FINGERPRINT)
        self.heard = Heard(rules, FakeLedger(), self.evidence, clock=self.clock, feeds=4)  # type: ignore[arg-type]
        self.members = {address: FakeMember(f"m{place}") for place, address in enumerate(OTHERS, 1)}
        self.own: Own | None = Own(says(ME, 100, 200))
        self.terms = Terms()
        self.committee = FakeCommittee()

        async def terms(feed_id: bytes) -> Terms:
            return self.terms

        settings = {"timeout_s": LONG, "grace_s": LONG} | changes
        self.signers = NetworkSigners(
            rules,
            ReporterKey(KEYS[ME], CHAIN_ID, HUB),
            self.members,
            self.heard,
            self.evidence,
            terms,
            clock=self.clock,
            own=self.own,
            **settings,
        )

    def let(self, member: str, *answers: int | None, **more: Any) -> None:
        """Let a member answer with these."""
        self.let_say(member, says(member, *answers, **more))

    def let_say(self, member: str, found: Callable[[Report], AnswerMessage | Exception]) -> None:
        self.members[member].says = found
        self.members[member].may_answer.set()

    def let_all(self, *answers: int | None) -> None:
        for member in OTHERS:
            self.let(member, *answers)

    async def collect(self, to: Report | None = None) -> list[str]:
        """Collect, and return who signed, in the report's order."""
        return signers(await self.collected(to))

    async def collected(self, to: Report | None = None) -> SignedReport:
        async with asyncio.timeout(LONG):
            return await self.signers.collect(to or report(NOW), {}, self.committee)

    @property
    def outcomes(self) -> Mapping[str, str]:
        """The way in which each member that was asked has answered."""
        return {each.reporter: each.outcome for each in self.heard._asked}


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(LONG):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)


def says(member: str, *answers: int | None, **more: Any) -> Callable[[Report], AnswerMessage]:
    return lambda to: answer(member, to, answers[: len(to.feed_ids)], **more)


def signers(signed: SignedReport) -> list[str]:
    return [recover(CHAIN_ID, HUB, signed.report, each) for each in signed.signatures]


@pytest.fixture
async def holder() -> Collecting:
    return Collecting()


async def test_all_members_are_asked_at_once_and_sign_with_this_node(holder: Collecting) -> None:
    collecting = asyncio.create_task(holder.collected())
    await until(lambda: all(each.asked for each in holder.members.values()))
    [request] = {each.asked[0] for each in holder.members.values()}
    assert request.requester(CHAIN_ID, HUB) == ME
    assert (request.request.turn, request.request.terms) == (FIRST_TURN, FINGERPRINT)
    assert request.request.deadline == NOW + LONG
    holder.let_all(101, 201)
    signed = await collecting
    assert signers(signed) == sorted(MEMBERS) and signed.answers(0) == (100, 101, 101, 101)
    assert holder.outcomes == dict.fromkeys(OTHERS, "answered") and holder.evidence.faults == []


async def test_a_quorum_goes_on_after_the_grace_and_the_late_serve_the_next_try() -> None:
    holder = Collecting(grace_s=0.01)
    slow = OTHERS[2]
    holder.let(OTHERS[0], 101, 201)
    holder.let(OTHERS[1], 102, 202)
    assert await holder.collect() == sorted({*MEMBERS} - {slow})
    assert slow not in holder.outcomes
    holder.let(slow, 103, 203)
    await until(lambda: slow in holder.outcomes)
    assert holder.outcomes[slow] == "late" and holder.evidence.faults == []
    before = [len(each.asked) for each in holder.members.values()]
    assert await holder.collect() == sorted(MEMBERS)
    assert [len(each.asked) for each in holder.members.values()] == before, "nobody is asked again who has answered"


async def test_what_a_member_told_by_itself_counts_while_its_way_here_is_slow(holder: Collecting) -> None:
    holder.let(OTHERS[0], 101, 201)
    collecting = asyncio.create_task(Collecting.collect(holder))
    holder.signers._grace_s = 0.01
    await until(lambda: bool(holder.members[OTHERS[1]].asked))
    await holder.heard.take(answer(OTHERS[1], report(NOW), (102, 202)), told=True)
    assert await collecting == sorted([ME, OTHERS[0], OTHERS[1]])


async def test_too_few_are_an_error_that_says_why_each_is_missing() -> None:
    holder = Collecting(timeout_s=0.3)
    holder.let(OTHERS[0], 101, 201)
    holder.let_say(OTHERS[1], lambda to: Refused(RefusalCode.NOT_YOUR_TURN, "no"))
    with pytest.raises(SignerUnavailable) as error:
        await holder.collect()
    assert "2 members have signed, 3 are needed" in str(error.value)
    assert "m2 refused: not_your_turn: no; m3 did not answer in time" in str(error.value)
    await until(lambda: len(holder.outcomes) == 3)
    assert holder.outcomes == {
        OTHERS[0]: "answered",
        OTHERS[1]: "refused:not_your_turn",
        OTHERS[2]: "silent",
    }
    assert sorted(holder.evidence.kinds) == sorted([("refusal", OTHERS[1]), ("silence", OTHERS[2])])


async def test_a_node_that_has_no_answer_of_its_own_still_collects(holder: Collecting) -> None:
    holder.own = None
    holder.signers._own = Own(lambda to: Refused(RefusalCode.STARTING, "just started"))
    holder.let_all(101, 201)
    assert await holder.collect() == sorted(OTHERS)
    holder.signers._own = None
    assert await holder.collect() == sorted(OTHERS)


@pytest.mark.parametrize(
    "code", [RefusalCode.STARTING, RefusalCode.NO_ANSWER, RefusalCode.WRONG_ROUND, RefusalCode.NOT_A_REPORTER]
)
async def test_a_refusal_that_happens_to_the_honest_is_no_fault(holder: Collecting, code: RefusalCode) -> None:
    holder.let_all(101, 201)
    holder.let_say(OTHERS[2], lambda to: Refused(code, "so it is"))
    assert await holder.collect() == sorted(MEMBERS[:3])
    assert holder.outcomes[OTHERS[2]] == f"refused:{code.value}" and holder.evidence.faults == []


@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        (lambda to: answer(OTHERS[0], to, (101, 201)), "invalid_signature"),
        (lambda to: replace(answer(STRANGER, to, (101, 201)), reporter=OTHERS[2]), "invalid_signature"),
        (lambda to: answer(OTHERS[2], to, (101, 201), where=Where(chain_id=1)), "invalid_signature"),
        (lambda to: answer(OTHERS[2], to, (101, 201), where=Where(hub="0x" + "11" * 20)), "invalid_signature"),
        (lambda to: replace(answer(OTHERS[2], to, (101, 201)), answers=(999, 999)), "invalid_signature"),
        (lambda to: answer(OTHERS[2], replace(to, epoch=2), (101, 201)), "foreign"),
        (lambda to: answer(OTHERS[2], replace(to, observed_at=NOW + 1), (101, 201)), "foreign"),
        (lambda to: answer(OTHERS[2], replace(to, round_ids=(8, 7)), (101, 201)), "foreign"),
        (lambda to: answer(OTHERS[2], replace(to, feed_ids=FEEDS[1:3]), (101, 201)), "foreign"),
        (lambda to: MemberInvalid("this is not JSON"), "silence"),
    ],
    ids=["another's", "of another key", "for another chain", "for another hub", "altered", "for another epoch",
         "for another time", "for another round", "for another feed", "garbage"],
)  # fmt: skip
async def test_what_was_not_asked_for_is_not_used_and_is_noted(
    holder: Collecting, lie: Callable[[Report], AnswerMessage | Exception], kind: str
) -> None:
    holder.let_all(101, 201)
    holder.let_say(OTHERS[2], lie)
    assert await holder.collect() == sorted(MEMBERS[:3])
    assert holder.outcomes[OTHERS[2]] == "invalid"
    assert holder.evidence.kinds == [(kind, OTHERS[2])]
    [fault] = holder.evidence.faults
    assert fault.request is not None and (bool(fault.answers) is (kind != "silence"))


async def test_who_gives_the_holder_a_wrong_answer_and_tells_all_the_right_one_does_not_make_it_look_as_if_left_out(
    holder: Collecting,
) -> None:
    """The others heard the right answer, and can't know that the holder did not get it when it asked."""
    holder.let_all(101, 201)
    liar = OTHERS[2]
    holder.let_say(liar, lambda to: answer(liar, replace(to, round_ids=(8, 7)), (101, 201)))
    collecting = asyncio.create_task(Collecting.collect(holder))
    await until(lambda: len(holder.outcomes) == len(OTHERS))
    assert not collecting.done()
    await holder.heard.take(answer(liar, report(NOW), (101, 201)), told=True)
    assert await collecting == sorted(MEMBERS)
    assert holder.evidence.kinds == [("foreign", liar)], "what it gave the holder is evidence all the same"


async def test_who_is_too_far_from_the_others_is_left_out_and_that_is_provable(holder: Collecting) -> None:
    holder.let(OTHERS[0], 100, 200)
    holder.let(OTHERS[1], 101, 200)
    holder.let(OTHERS[2], 100, 2_000)
    signed = await holder.collected()
    assert signers(signed) == sorted(MEMBERS[:3])
    [fault] = holder.evidence.faults
    assert (fault.kind.value, fault.member, fault.feed_id) == ("beyond_spread", OTHERS[2], FEEDS[1])
    assert [each["reporter"] for each in fault.answers] == [OTHERS[2], *sorted(MEMBERS[:3])]


async def test_who_is_too_far_from_one_other_is_left_out_but_not_accused(holder: Collecting) -> None:
    """That one may be the liar: as far out as it can be without being left out itself."""
    assert holder.own is not None
    holder.own.says = says(ME, 100, 206)
    holder.let(OTHERS[0], 100, 200)
    holder.let(OTHERS[1], 100, 212)
    holder.let(OTHERS[2], 100, 223)
    assert await holder.collect() == sorted({*MEMBERS} - {OTHERS[0]})
    assert holder.evidence.faults == []


async def test_the_evidence_against_an_outlier_has_those_only_who_have_an_answer(holder: Collecting) -> None:
    holder.committee.quorum = 2
    holder.let(OTHERS[0], 100, None)
    holder.let(OTHERS[1], 100, 200)
    holder.let(OTHERS[2], 100, 2_000)
    assert await holder.collect() == sorted(MEMBERS[:3])
    [fault] = holder.evidence.faults
    assert [each["reporter"] for each in fault.answers] == [OTHERS[2], *sorted((ME, OTHERS[1]))]


async def test_two_that_are_too_far_are_too_many(holder: Collecting) -> None:
    holder.let(OTHERS[0], 100, 200)
    holder.let(OTHERS[1], 100, 2_000)
    holder.let(OTHERS[2], 100, 2_000)
    with pytest.raises(ContractRejected, match=r"the members are \d+ thousandths of sigma apart") as error:
        await holder.collect()
    assert error.value.feed_id == FEEDS[1] and error.value.name == "SpreadTooWide"


async def test_the_rest_is_waited_for_while_the_answers_of_a_quorum_are_too_far_apart() -> None:
    holder = Collecting(grace_s=0.0)
    holder.let(OTHERS[0], 100, 200)
    holder.let(OTHERS[1], 1_000, 200)
    collecting = asyncio.create_task(holder.collect())
    await until(lambda: len(holder.outcomes) == 2)
    assert not collecting.done()
    holder.let(OTHERS[2], 100, 200)
    assert await collecting == sorted({*MEMBERS} - {OTHERS[1]})


async def test_any_spread_is_taken_if_the_feed_bounds_none(holder: Collecting) -> None:
    holder.terms.max_spread = 0
    holder.let_all(1_000, 2_000)
    assert await holder.collect() == sorted(MEMBERS)


async def test_a_feed_that_some_have_no_answer_for_waits_for_those_who_have(holder: Collecting) -> None:
    holder.let(OTHERS[0], 100, None)
    holder.let(OTHERS[1], 100, None)
    holder.let(OTHERS[2], 100, 200)
    signed = await holder.collected()
    assert (signed.count(0), signed.count(1)) == (4, 2)
    assert signed.short_of(3) == (1,), "which feed is short of the quorum is for whoever reports to see"


async def test_who_contradicts_itself_is_left_out_if_the_others_are_enough(holder: Collecting) -> None:
    await holder.heard.take(answer(OTHERS[0], report(NOW, FEEDS[:1]), (100,)), told=True)
    await holder.heard.take(answer(OTHERS[0], report(NOW, FEEDS[:1], (8,)), (101,)), told=True)
    assert holder.evidence.kinds == [("contradiction", OTHERS[0])]
    holder.let_all(100, 200)
    assert await holder.collect() == sorted({*MEMBERS} - {OTHERS[0]})
    holder.committee.quorum = 4
    assert await holder.collect() == sorted(MEMBERS), "or else it is needed"


async def test_who_is_ignored_or_no_reporter_on_the_chain_is_not_asked_and_does_not_count() -> None:
    holder = Collecting(ignored=(OTHERS[0],))
    holder.committee.reporters = [each for each in MEMBERS if each != OTHERS[1]]
    holder.committee.quorum = 2
    holder.let_all(100, 200)
    assert await holder.collect() == sorted([ME, OTHERS[2]])
    assert list(holder.outcomes) == [OTHERS[2]]


async def test_nobody_is_asked_once_the_turn_is_over(holder: Collecting) -> None:
    holder.clock.now = TURNS.end(FIRST_TURN) - TURNS.clock_bound
    with pytest.raises(SignerUnavailable, match=f"turn {FIRST_TURN} is over"):
        await holder.collect()
    assert not any(each.asked for each in holder.members.values())


async def test_members_are_not_waited_for_beyond_the_turn() -> None:
    holder = Collecting()
    holder.clock.now = TURNS.end(FIRST_TURN) - TURNS.clock_bound - 0.06
    to = report(int(holder.clock.now))
    with pytest.raises(SignerUnavailable, match="1 members have signed"):
        await holder.collect(to)
    await until(lambda: len(holder.outcomes) == 3)
    assert set(holder.outcomes.values()) == {"silent"}


async def test_closing_waits_for_nobody(holder: Collecting) -> None:
    holder.signers._grace_s = 0.0
    holder.let(OTHERS[0], 100, 200)
    holder.let(OTHERS[1], 100, 200)
    await holder.collect()
    await holder.signers.close()
    assert not holder.signers._late


async def test_without_a_setting_the_grace_follows_from_what_the_quorum_took() -> None:
    holder = Collecting(grace_s=None)
    began = asyncio.get_running_loop().time()
    collection = SimpleNamespace(began=began)
    assert holder.signers._grace(collection) == LEAST_GRACE_S  # type: ignore[arg-type]
    collection.began = began - 2.0
    assert 1.0 <= holder.signers._grace(collection) < 30  # type: ignore[arg-type]
