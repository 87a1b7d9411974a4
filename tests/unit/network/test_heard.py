"""Heard answers: verified, each once, compared with each other, on disk a moment later, and never too many."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from oracle.core.errors import JournalUnavailable
from oracle.core.report import MAX_FEEDS
from oracle.network.heard import KEPT_TURNS, Heard
from oracle.network.ledger import Asked
from oracle.network.messages import AnswerMessage, RefusalCode, Refused
from tests.unit.network.node import FIRST_TURN, Node
from tests.unit.network.signed import FEEDS, MEMBERS, STRANGER, TURN_S, Where, answer, report

TURN = FIRST_TURN + 1
NOW = TURN * TURN_S + 20
ME = MEMBERS[1]
OTHER = MEMBERS[2]


@pytest.fixture
def heard(node: Node) -> Heard:
    node.to_turn(TURN)
    return node.heard


async def refusal(heard: Heard, message: AnswerMessage) -> RefusalCode:
    with pytest.raises(Refused) as refused:
        await heard.take(message, told=True)
    return refused.value.code


async def test_answers_to_one_report_are_found_together(heard: Heard) -> None:
    first = [answer(each, report(NOW), (1, 2)) for each in MEMBERS if each != ME]
    for each in first:
        assert await heard.take(each, told=True)
        assert not await heard.take(each, told=False), "each counts once"
    await heard.take(answer(OTHER, report(NOW, FEEDS[2:]), (3, 4)), told=True)
    assert heard.of(report(NOW)) == {each.reporter: each for each in first}
    assert heard.of(report(NOW + 1)) == {} and heard.of(report(NOW, epoch=2)) == {}
    assert len(heard.messages(TURN)) == len(first) + 1 and heard.messages(TURN - 1) == []


async def test_whoever_waits_for_answers_is_woken(heard: Heard) -> None:
    with heard.watch(report(NOW)) as event:
        await heard.take(answer(OTHER, report(NOW, FEEDS[2:]), (3, 4)), told=True)
        assert not event.is_set()
        await heard.take(answer(OTHER, report(NOW), (1, 2)), told=True)
        assert event.is_set()
    assert heard._watched == {}


async def test_what_no_member_has_signed_is_refused_and_nobody_is_accused(heard: Heard, node: Node) -> None:
    good = answer(OTHER, report(NOW), (1, 2))
    wrong = [
        (answer(STRANGER, report(NOW), (1, 2)), RefusalCode.UNKNOWN_MEMBER),
        (replace(answer(STRANGER, report(NOW), (1, 2)), reporter=OTHER), RefusalCode.UNKNOWN_MEMBER),
        (replace(good, answers=(1, 3)), RefusalCode.UNKNOWN_MEMBER),
        (replace(good, report=report(NOW, rounds=(8, 7))), RefusalCode.UNKNOWN_MEMBER),
        (replace(good, r=bytes(32)), RefusalCode.MALFORMED),
        (replace(good, turn=TURN + 1), RefusalCode.MALFORMED),
        (answer(OTHER, report(NOW), (1, 2), where=Where(chain_id=1)), RefusalCode.UNKNOWN_MEMBER),
        (answer(OTHER, report(NOW), (1, 2), where=Where(hub="0x" + "11" * 20)), RefusalCode.UNKNOWN_MEMBER),
        (answer(OTHER, report(NOW, committee=2), (1, 2)), RefusalCode.WRONG_COMMITTEE),
        (answer(OTHER, report(NOW + TURN_S), (1, 2)), RefusalCode.NOT_NOW),
        (answer(OTHER, report(NOW - (KEPT_TURNS + 1) * TURN_S), (1, 2)), RefusalCode.NOT_NOW),
    ]
    for message, code in wrong:
        assert await refusal(heard, message) is code, message
    assert node.evidence.faults == [] and heard.of(report(NOW)) == {}
    assert await heard.take(good, told=True)


async def test_an_ignored_member_is_not_heard(heard: Heard, node: Node) -> None:
    node.heard._rules = replace(node.rules, ignored=frozenset({OTHER}))
    assert await refusal(heard, answer(OTHER, report(NOW), (1, 2))) is RefusalCode.IGNORED


@pytest.mark.parametrize(
    "other",
    [report(NOW), report(NOW, FEEDS[1:3]), report(NOW + 5), report(NOW, rounds=(8, 8)), report(NOW, epoch=2)],
)
async def test_two_observations_of_one_feed_and_turn_are_evidence(heard: Heard, node: Node, other: object) -> None:
    first, second = answer(OTHER, report(NOW), (1, 2)), answer(OTHER, other, (1, 3))  # type: ignore[arg-type]
    await heard.take(first, told=True)
    await heard.take(second, told=False)
    assert {each.kind.value for each in node.evidence.faults} == {"contradiction"}
    fault = node.evidence.faults[0]
    assert (fault.member, fault.turn) == (OTHER, TURN) and fault.feed_id in second.report.feed_ids
    assert fault.answers == (first.to_json(), second.to_json()), "what proves it to anybody"
    assert heard.contradicting(TURN) == {OTHER} and heard.contradicting(TURN - 1) == frozenset()
    assert node.warned == [first, second], "all hear of it: also the signer, whose key another process may have"


async def test_the_first_of_two_answers_to_one_report_stays(heard: Heard) -> None:
    first, second = answer(OTHER, report(NOW), (1, 2)), answer(OTHER, report(NOW), (1, 3))
    await heard.take(first, told=True)
    await heard.take(second, told=True)
    assert heard.of(report(NOW)) == {OTHER: first}


async def test_the_same_observation_in_another_composition_is_no_contradiction(heard: Heard, node: Node) -> None:
    for feeds, rounds, values in (
        (FEEDS[:2], (7, 7), (1, 2)),
        (FEEDS[:1], (7,), (1,)),
        (FEEDS[:3], (8, 0, 7), (1, 2, 3)),
    ):
        await heard.take(answer(OTHER, report(NOW, feeds, rounds), values), told=True)
    await heard.take(answer(MEMBERS[3], report(NOW), (5, 6)), told=True)
    await heard.take(answer(OTHER, report(NOW - TURN_S), (5, 6)), told=True)
    assert node.evidence.faults == []


async def test_whoever_is_asked_at_two_times_for_a_feed_that_it_does_not_know_contradicts_nothing(
    heard: Heard, node: Node
) -> None:
    """A holder that asks so must not make an honest member look like a liar."""
    unknown = FEEDS[3]
    await heard.take(answer(OTHER, report(NOW, (FEEDS[0], unknown)), (1, None)), told=True)
    await heard.take(answer(OTHER, report(NOW + 5, (FEEDS[1], unknown)), (2, None)), told=True)
    assert node.evidence.faults == [] and heard.contradicting(TURN) == frozenset()


async def test_nobody_can_fill_memory_or_disk(heard: Heard, node: Node) -> None:
    most = 16 + 4 * len(FEEDS)
    codes = []
    for round_id in range(1, most + 20):
        try:
            await heard.take(answer(OTHER, report(NOW, rounds=(round_id, 7)), (1, 2)), told=True)
        except Refused as refused:
            codes.append(refused.code)
    assert codes == [RefusalCode.TOO_MANY] * 19 and len(heard.messages(TURN)) == most
    assert {each.kind.value for each in node.evidence.faults} == {"flood"}
    assert await heard.take(answer(MEMBERS[3], report(NOW), (1, 2)), told=True), "another member has its own share"


async def test_long_messages_have_no_more_room_than_short_ones(heard: Heard, node: Node) -> None:
    taken = 0
    for first in range(16 + 4 * len(FEEDS)):
        unknown = [bytes([1 + first]) + bytes(30) + bytes([each]) for each in range(MAX_FEEDS)]
        with contextlib.suppress(Refused):
            taken += await heard.take(answer(OTHER, report(NOW, unknown), [5] * MAX_FEEDS), told=True)
    assert 1 < taken < 8
    assert {each.kind.value for each in node.evidence.faults} == {"flood"}


async def test_old_turns_leave_the_memory(heard: Heard, node: Node) -> None:
    await heard.take(answer(OTHER, report(NOW), (1, 2)), told=True)
    now = node.to_turn(TURN + KEPT_TURNS + 1)
    await heard.take(answer(OTHER, report(now), (1, 2)), told=True)
    assert heard.messages(TURN) == [] and heard.of(report(NOW)) == {}


async def test_what_was_heard_is_there_after_a_restart(heard: Heard, node: Node) -> None:
    first = answer(OTHER, report(NOW), (1, 2))
    await heard.take(first, told=True)
    heard.asked(Asked(OTHER, TURN, NOW, "answered", 0.2, NOW))
    task = asyncio.create_task(heard.run())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await node.start()
    assert node.heard.of(report(NOW)) == {OTHER: first}
    assert not await node.heard.take(first, told=True)
    await node.heard.take(answer(OTHER, report(NOW), (1, 3)), told=True)
    assert node.heard.contradicting(TURN) == {OTHER}, "also when the first was heard before"


async def test_what_can_not_be_written_now_is_written_later(
    heard: Heard, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await heard.take(answer(OTHER, report(NOW), (1, 2)), told=True)

    def full(*arguments: object) -> None:
        raise JournalUnavailable("full")

    with monkeypatch.context() as patch:
        patch.setattr(node.ledger, "note", full)
        with pytest.raises(JournalUnavailable):
            await heard.flush()
    await heard.take(answer(MEMBERS[3], report(NOW), (1, 2)), told=True)
    await heard.flush()
    assert [each.message.reporter for each in node.ledger.heard(TURN)] == [OTHER, MEMBERS[3]]
