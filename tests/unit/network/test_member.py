"""The rules of a signer, each of them attacked."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from oracle.chain.keys.signer import recover
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import ChainUnavailable, JournalUnavailable, SignerUnavailable
from oracle.core.report import MAX_FEEDS, NO_READINGS, Report, ReporterSignature
from oracle.feeds.journal.schema import network
from oracle.network.messages import AnswerMessage, RefusalCode, Refused
from tests.unit.network.node import FINGERPRINT, FIRST_TURN, START, Node, asked, mine, state
from tests.unit.network.signed import CHAIN_ID, FEEDS, HUB, MEMBERS, STRANGER, TURN_S, answer, report

NEXT = mine(FIRST_TURN + 1)
"""A turn of the first member after the node has started."""
AFTER = NEXT + len(MEMBERS)


async def test_a_member_signs_its_own_answers_and_tells_all(node: Node) -> None:
    now = node.to_turn(NEXT)
    found = await node.member.answer(asked(report(now)))
    assert found.answers == (100, 200) and (found.turn, found.terms) == (NEXT, FINGERPRINT)
    assert found.signer(CHAIN_ID, HUB) == found.reporter == node.address
    assert recover(CHAIN_ID, HUB, found.report, found.signature) == node.address, "the hub would take it"
    assert node.told == [found]
    assert all(each != NO_READINGS for each in found.readings), "each answer has a document"
    assert node.evidence.faults == []


async def test_the_same_request_gets_the_same_answer_whatever_the_sources_say_now(node: Node) -> None:
    now = node.to_turn(NEXT)
    first = await node.member.answer(asked(report(now)))
    node.see(999)
    assert await node.member.answer(asked(report(now))) == first
    node.clock.tick(25)
    assert await node.member.answer(asked(report(now), deadline=now + 40)) == first, "also when it is not recent"
    await node.start()
    assert await node.member.answer(asked(report(now), deadline=now + 40)) == first, "also after a restart in the turn"
    assert node.told == [first], "told once"


async def test_an_observation_is_signed_again_in_another_composition_or_for_another_round(node: Node) -> None:
    now = node.to_turn(NEXT)
    both = await node.member.answer(asked(report(now)))
    node.see(999)
    alone = await node.member.answer(asked(report(now, FEEDS[:1])))
    assert (alone.answers, alone.readings) == (both.answers[:1], both.readings[:1])
    again = await node.member.answer(asked(report(now, rounds=(8, 0))))
    assert (again.answers, again.readings) == (both.answers, both.readings)
    more = await node.member.answer(asked(report(now, FEEDS[:3])))
    assert more.answers == (*both.answers, 999), "what was not signed in this turn is what the sources say now"


async def test_another_time_in_a_turn_is_not_signed_whoever_asks_again(node: Node) -> None:
    now = node.to_turn(NEXT)
    await node.member.answer(asked(report(now)))
    node.clock.tick(3)
    node.see(999)
    assert await node.refusal(asked(report(now + 3))) is RefusalCode.SIGNED_ALREADY
    assert await node.refusal(asked(report(now + 3, FEEDS[1:3]))) is RefusalCode.SIGNED_ALREADY, "one feed is enough"
    assert await node.refusal(asked(report(now - 1, FEEDS[:1]))) is RefusalCode.SIGNED_ALREADY
    assert node.evidence.kinds == [("bad_request", MEMBERS[0])] * 3, "whoever asks twice wants to choose"
    assert (await node.member.answer(asked(report(now + 3, FEEDS[2:3])))).answers == (999,), "another feed is free"


async def test_that_there_is_no_answer_is_an_observation_too(node: Node) -> None:
    now = node.to_turn(NEXT)
    node.sightings._latest.pop(FEEDS[0])
    found = await node.member.answer(asked(report(now)))
    assert found.answers == (NO_ANSWER, 200) and found.readings[0] == NO_READINGS
    node.see(999)
    again = await node.member.answer(asked(report(now, FEEDS[:3])))
    assert again.answers == (NO_ANSWER, 200, 999)


async def test_without_any_answer_nothing_is_signed_or_spent(node: Node) -> None:
    now = node.to_turn(NEXT)
    node.clock.tick(6)  # twice the poll interval is less than five seconds, which always count
    assert await node.refusal(asked(report(now + 6))) is RefusalCode.NO_ANSWER
    node.see()
    assert (await node.member.answer(asked(report(now + 6)))).answers == (100, 200)


async def test_a_reading_that_is_too_old_is_not_signed(node: Node) -> None:
    now = node.to_turn(NEXT)
    node.clock.tick(1)
    for sighting, looked_at in list(node.sightings._latest.values()):
        node.sightings.note(replace(sighting, read_at=now - 61), looked_at + 1)
    with pytest.raises(Refused, match="its newest reading is 62 s old"):
        await node.member.answer(asked(report(now)))


async def test_a_feed_that_is_not_configured_here_has_no_answer_and_costs_the_others_nothing(node: Node) -> None:
    now = node.to_turn(NEXT)
    other = b"\xee" * 32
    found = await node.member.answer(asked(report(now, (FEEDS[0], other))))
    assert found.answers == (100, NO_ANSWER)
    assert await node.refusal(asked(report(now, (other,)))) is RefusalCode.NO_ANSWER


# --- who may ask, and when ---


@pytest.mark.parametrize("member", MEMBERS[1:])
async def test_only_the_turn_s_holder_may_ask(node: Node, member: str) -> None:
    now = node.to_turn(NEXT)
    assert await node.refusal(asked(report(now), member)) is RefusalCode.NOT_YOUR_TURN
    expected = [] if member == node.address else [("bad_request", member)]
    assert node.evidence.kinds == expected, "nobody keeps evidence of itself"
    assert node.evidence.faults == [] or node.evidence.faults[0].request is not None


async def test_a_request_of_others_is_refused_whatever_it_says(node: Node) -> None:
    now = node.to_turn(NEXT)
    refusals = [
        (asked(report(now), STRANGER), RefusalCode.UNKNOWN_MEMBER),
        (asked(report(now), MEMBERS[0], signer=STRANGER), RefusalCode.UNKNOWN_MEMBER),
        (asked(report(now), chain_id=1), RefusalCode.UNKNOWN_MEMBER),
        (asked(report(now), hub="0x" + "11" * 20), RefusalCode.UNKNOWN_MEMBER),
        (replace(asked(report(now)), signature=b"\1" * 65), RefusalCode.MALFORMED),
        (replace(asked(report(now)), request=asked(report(now + 1)).request), RefusalCode.UNKNOWN_MEMBER),
        (asked(report(now, committee=2)), RefusalCode.WRONG_COMMITTEE),
        (asked(report(now, epoch=2)), RefusalCode.WRONG_EPOCH),
        (asked(report(now, rounds=(6, 7))), RefusalCode.WRONG_ROUND),
        (asked(report(now, rounds=(9, 7))), RefusalCode.WRONG_ROUND),
    ]
    for signed, code in refusals:
        assert await node.refusal(signed) is code
    assert node.evidence.faults == [], "none of these is a member's fault that anybody could prove"
    assert node.told == []


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-8, RefusalCode.NOT_NOW), (-6, None), (2, None), (3, RefusalCode.NOT_NOW), (30, RefusalCode.NOT_NOW)],
)
async def test_a_request_whose_time_is_not_now_is_refused(node: Node, seconds: int, code: RefusalCode | None) -> None:
    now = node.to_turn(NEXT)
    signed = asked(report(now + seconds), deadline=now + 9)
    assert code is None or await node.refusal(signed) is code
    assert code is not None or (await node.member.answer(signed)).answers == (100, 200)
    # An old request can be one that somebody else has kept, and plays again. Nobody can have one of the future.
    assert node.evidence.kinds == ([("bad_request", MEMBERS[0])] if code and seconds > 0 else [])


async def test_an_old_request_is_worth_nothing_and_nobody_s_fault(node: Node) -> None:
    now = node.to_turn(NEXT)
    old = asked(report(now))
    node.clock.to((NEXT + 1) * TURN_S + 3)
    node.see()
    assert await node.refusal(old) is RefusalCode.NOT_NOW
    node.clock.to(AFTER * TURN_S + 1)
    node.see()
    assert await node.refusal(old) is RefusalCode.NOT_NOW
    assert node.evidence.faults == []


async def test_a_time_outside_its_turn_is_the_requester_s_fault(node: Node) -> None:
    node.to_turn(NEXT, 1.0)
    signed = asked(report(NEXT * TURN_S - 1), turn=NEXT)
    assert await node.refusal(signed) is RefusalCode.NOT_NOW
    assert node.evidence.kinds == [("bad_request", MEMBERS[0])]


async def test_a_passed_deadline_is_kept(node: Node) -> None:
    now = node.to_turn(NEXT)
    assert await node.refusal(asked(report(now), deadline=now - 3)) is RefusalCode.NOT_NOW
    assert (await node.member.answer(asked(report(now), deadline=now - 2))).answers == (100, 200)


async def test_an_ignored_member_gets_no_answer(tmp_path: Path) -> None:
    node = Node(tmp_path, ignored=[MEMBERS[0]])
    await node.start()
    now = node.to_turn(NEXT)
    assert await node.refusal(asked(report(now))) is RefusalCode.IGNORED
    node.stop()


async def test_other_terms_are_said_but_are_nobody_s_fault(node: Node) -> None:
    with capture_logs() as logs:
        for turn, terms in ((NEXT, b"\7" * 32), (NEXT, b"\7" * 32), (AFTER, FINGERPRINT), (AFTER, FINGERPRINT)):
            now = node.to_turn(turn)
            found = await node.member.answer(asked(report(now), terms=terms))
            assert found.answers == (100, 200), "in a rolling change, files differ for a while"
    assert [each["event"] for each in logs] == [
        "a member has other terms of the network in its configuration",
        "a member has our terms now",
    ]
    with pytest.raises(Refused, match="terms differ"):
        await node.member.answer(asked(report(now), MEMBERS[2], terms=b"\7" * 32))
    assert node.evidence.faults == []


async def test_a_holder_can_not_fill_the_log_with_terms(node: Node) -> None:
    now = node.to_turn(NEXT)
    with capture_logs() as logs:
        for each in range(20):
            await node.member.answer(asked(report(now), terms=bytes([each % 2]) * 32))
    assert len(logs) == 1


# --- the chain ---


async def test_a_node_that_is_a_block_behind_reads_the_chain_once_more(node: Node) -> None:
    now = node.to_turn(NEXT)
    before = node.chain.reads
    node.chain.states[FEEDS[0]] = state(FEEDS[0], 9, now - 50)
    found = await node.member.answer(asked(report(now, rounds=(10, 7))))
    assert found.answers == (100, 200) and node.chain.reads == before + 1
    node.chain.committee_now.epoch = 2
    node.clock.tick(1)
    assert (await node.member.answer(asked(report(now, rounds=(10, 7), epoch=2)))).answers == (100, 200)
    assert await node.refusal(asked(report(now, rounds=(10, 8), epoch=1))) is RefusalCode.WRONG_EPOCH


async def test_the_chain_can_not_be_read_for_every_wrong_request(node: Node) -> None:
    now = node.to_turn(NEXT)
    before = node.chain.reads
    for round_id in range(20, 60):
        assert await node.refusal(asked(report(now, rounds=(round_id, 7)))) is RefusalCode.WRONG_ROUND
    assert node.chain.reads == before + 1


async def test_after_a_reorg_the_earlier_round_is_signed_again_with_the_same_answers(node: Node) -> None:
    now = node.to_turn(NEXT)
    first = await node.member.answer(asked(report(now, rounds=(8, 8))))
    node.clock.tick(1)
    node.chain.states.update({each: state(each, 4) for each in FEEDS})
    node.see(999)
    again = await node.member.answer(asked(report(now, rounds=(5, 5))))
    assert again.answers == first.answers


async def test_a_member_that_is_no_reporter_on_the_chain_signs_nothing(node: Node) -> None:
    now = node.to_turn(NEXT)
    node.chain.committee_now.reporters = [MEMBERS[0], *MEMBERS[2:]]
    node.clock.tick(1)
    await node.view.refresh()
    assert await node.refusal(asked(report(now))) is RefusalCode.NOT_A_REPORTER


async def test_a_feed_that_is_paused_is_not_signed_but_as_a_peer_of_another(node: Node) -> None:
    now = node.to_turn(NEXT)
    node.chain.states[FEEDS[0]] = replace(node.chain.states[FEEDS[0]], paused=True)
    node.clock.tick(1)
    await node.view.refresh()
    assert await node.refusal(asked(report(now))) is RefusalCode.PAUSED
    found = await node.member.answer(asked(report(now, rounds=(0, 7))))
    assert found.answers == (100, 200), "as a peer of another feed the hub takes it"
    node.chain.states[FEEDS[0]] = replace(node.chain.states[FEEDS[0]], paused=False)
    node.clock.tick(1)
    again = await node.member.answer(asked(report(now)))
    assert again.answers == (100, 200), "before it refuses, it reads the chain once more"


async def test_what_the_chain_has_already_is_not_signed(node: Node) -> None:
    now = node.to_turn(NEXT)
    node.chain.states[FEEDS[0]] = state(FEEDS[0], 6, now)
    node.clock.tick(1)
    await node.view.refresh()
    assert await node.refusal(asked(report(now))) is RefusalCode.NOT_NEWER
    found = await node.member.answer(asked(report(now, rounds=(0, 7))))
    assert found.answers == (100, 200), "as a peer of another feed it is signed: the hub does not judge it"


async def test_a_feed_of_another_committee_is_not_signed(node: Node) -> None:
    now = node.to_turn(NEXT)
    node.chain.states[FEEDS[0]] = state(FEEDS[0], committee=2)
    node.clock.tick(1)
    await node.view.refresh()
    assert await node.refusal(asked(report(now))) is RefusalCode.WRONG_COMMITTEE


async def test_nothing_is_signed_while_the_chain_or_the_journal_or_the_key_is_away(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = node.to_turn(NEXT)
    node.chain.error = ChainUnavailable("http://secret.example: no answer")
    with pytest.raises(Refused, match="unavailable") as refused:
        await node.member.answer(asked(report(now, rounds=(9, 9))))
    assert "secret" not in refused.value.detail, "what others are told says nothing of this machine"

    def full(*arguments: object) -> None:
        raise JournalUnavailable("/home/secret/journal: disk full")

    with monkeypatch.context() as patch:
        patch.setattr(node.ledger, "sign", full)
        with pytest.raises(Refused, match="unavailable") as refused:
            await node.member.answer(asked(report(now)))
        assert "secret" not in refused.value.detail and node.told == [], "what is not on disk does not leave"

    async def gone(*arguments: object) -> ReporterSignature:
        raise SignerUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(node.member._key, "sign_report", gone)
        assert await node.refusal(asked(report(now))) is RefusalCode.UNAVAILABLE
    node.see(777)
    assert (await node.member.answer(asked(report(now)))).answers == (777, 777), "nothing was spent"


# --- starts ---


async def test_nothing_new_of_the_turn_of_the_start_is_signed(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.clock.to(NEXT * TURN_S + 20)
    node.see()
    await node.start()
    assert await node.refusal(asked(report(int(node.clock())))) is RefusalCode.STARTING
    now = node.to_turn(AFTER)
    assert (await node.member.answer(asked(report(now)))).answers == (100, 200)
    node.stop()


async def test_just_before_a_turn_a_start_counts_for_that_turn_too(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.clock.to(NEXT * TURN_S - 1.5)  # what ran before may have signed two seconds ahead of its clock
    await node.start()
    now = node.to_turn(NEXT)
    assert await node.refusal(asked(report(now))) is RefusalCode.STARTING
    node.stop()


async def test_a_restored_backup_signs_nothing_that_it_may_have_signed(node: Node, tmp_path: Path) -> None:
    node.stop()
    backup = tmp_path / "backup"
    shutil.copy(node.path, backup)
    await node.start()
    now = node.to_turn(NEXT)
    lost = await node.member.answer(asked(report(now)))
    node.stop()
    shutil.copy(backup, node.path)
    for rest in node.path.parent.glob("journal.sqlite-*"):
        rest.unlink()
    await node.start()
    node.see(999)
    for seconds in (0, 1, 2):
        assert await node.refusal(asked(report(now + seconds))) is RefusalCode.STARTING
    node.clock.to((NEXT + 1) * TURN_S + 10)
    node.see(999)
    later = await node.member.answer(asked(report(int(node.clock())), MEMBERS[1]))
    assert later.report.observed_at > lost.report.observed_at


async def test_a_restored_backup_learns_from_others_what_it_had_signed(node: Node) -> None:
    now = node.to_turn(NEXT)
    lost = answer(node.address, report(now), (1, 2))
    await node.start()
    with capture_logs() as logs:
        await node.heard.take(lost, told=True)
    assert "had lost a report of our key" in logs[-1]["event"] and not node.member.problem
    assert await node.member.answer(asked(report(now))) == lost, "it is given again, not contradicted"


async def test_nothing_at_or_before_the_chain_s_last_report_is_signed_after_a_start(tmp_path: Path) -> None:
    node = Node(tmp_path)
    now = AFTER * TURN_S + 20
    node.chain.states[FEEDS[0]] = state(FEEDS[0], 6, now)  # our clock was ahead, or the machine was set back
    await node.start()
    node.to_turn(AFTER)
    assert await node.refusal(asked(report(now, rounds=(0, 7)))) is RefusalCode.NOT_NEWER, "nor as a peer"
    node.clock.tick(1)
    node.see()
    assert (await node.member.answer(asked(report(now + 1)))).answers == (100, 200)
    node.stop()


@pytest.mark.parametrize("seconds", [3_600.0, -3_600.0, 5.0])
async def test_a_step_of_the_clock_counts_as_a_start(node: Node, seconds: float) -> None:
    node.to_turn(NEXT)
    node.clock.step(seconds)
    node.see()
    turn = int(node.clock()) // TURN_S
    holder = node.turns.holder(turn)
    assert holder is not None
    assert await node.refusal(asked(report(int(node.clock())), holder)) is RefusalCode.STARTING
    node.clock.to((turn + 1) * TURN_S + 10)
    node.see()
    holder = node.turns.holder(turn + 1)
    assert holder is not None
    assert (await node.member.answer(asked(report(int(node.clock())), holder))).answers == (100, 200)


async def test_a_machine_that_is_set_back_asks_the_chain_again_what_was_reported(node: Node) -> None:
    node.to_turn(NEXT)
    node.clock.step(3_600.0)
    await node.refusal(asked(report(int(node.clock()))))
    now = mine(int(node.clock()) // TURN_S + 1) * TURN_S + 20
    node.chain.states[FEEDS[0]] = state(FEEDS[0], 6, now)
    assert node.to_turn(now // TURN_S) == now
    assert await node.refusal(asked(report(now, rounds=(0, 7)))) is RefusalCode.NOT_NEWER, "it may be its own"


async def test_a_clock_that_was_ahead_is_waited_for(node: Node) -> None:
    node.to_turn(NEXT)
    node.clock.step(3_600.0)
    await node.refusal(asked(report(int(node.clock()))))  # it notices
    turn = mine(int(node.clock()) // TURN_S + 1)
    ahead = node.to_turn(turn)
    await node.member.answer(asked(report(ahead)))
    node.clock.step(-3_600.0)
    await node.refusal(asked(report(int(node.clock()))))
    now = node.to_turn(mine(int(node.clock()) // TURN_S + 1))
    assert await node.refusal(asked(report(now))) is RefusalCode.NOT_NEWER, "a newer observation is signed already"
    again = node.to_turn(mine(turn + 1))
    assert (await node.member.answer(asked(report(again)))).answers == (100, 200)


async def test_nothing_is_signed_before_the_chain_was_read(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.start()
    node.view._committee = None
    node.chain.error = ChainUnavailable("no answer")
    now = node.to_turn(NEXT)
    assert await node.refusal(asked(report(now))) is RefusalCode.UNAVAILABLE
    node.stop()


# --- one key, one process ---


async def test_another_process_with_the_key_is_noticed_and_nothing_is_signed_any_more(node: Node) -> None:
    now = node.to_turn(NEXT)
    other = answer(node.address, report(now), (1, 2))
    with capture_logs() as logs:
        assert not await node.heard.take(other, told=True)
    assert "another process signs with the reporter key" in node.member.problem
    assert logs[-1]["log_level"] == "error"
    assert await node.refusal(asked(report(now))) is RefusalCode.ANOTHER_INSTANCE
    now = node.to_turn(AFTER)
    assert await node.refusal(asked(report(now))) is RefusalCode.ANOTHER_INSTANCE


async def test_what_contradicts_the_ledger_is_another_process_also_after_a_start(node: Node) -> None:
    now = node.to_turn(NEXT)
    await node.member.answer(asked(report(now)))
    await node.start()
    await node.heard.take(answer(node.address, report(now), (100, 201)), told=True)
    assert node.member.problem


async def test_a_machine_that_is_set_back_is_no_other_process(node: Node) -> None:
    """A message that it signed before it was set back may come from others before the next request does."""
    now = node.to_turn(NEXT)
    lost = answer(node.address, report(now), (1, 2))
    node.clock.step(30)
    assert not await node.heard.take(lost, told=True)
    assert not node.member.problem
    assert await node.refusal(asked(report(now))) is not RefusalCode.ANOTHER_INSTANCE


async def test_own_messages_that_come_back_are_known(node: Node) -> None:
    now = node.to_turn(NEXT)
    found = await node.member.answer(asked(report(now)))
    node.heard._turns.clear()
    assert not await node.heard.take(found, told=True)
    assert not node.member.problem


async def test_nobody_can_stop_a_node_with_a_message_that_its_key_has_not_signed(node: Node) -> None:
    now = node.to_turn(NEXT)
    forged = replace(answer(MEMBERS[2], report(now), (1, 2)), reporter=node.address)
    with pytest.raises(Refused, match="the signature is not"):
        await node.heard.take(forged, told=True)
    assert not node.member.problem


# --- at the same moment ---


async def test_requests_at_the_same_moment_get_one_observation(node: Node) -> None:
    now = node.to_turn(NEXT)
    requests = [asked(report(now, FEEDS[:count])) for count in (1, 2, 3, 4) for _ in range(3)]

    async def ask(index: int) -> AnswerMessage:
        node.see(1_000 + index)
        return await node.member.answer(requests[index])

    found = await asyncio.gather(*map(ask, range(len(requests))))
    said: dict[bytes, set[tuple[int, bytes]]] = {}
    for each in found:
        for feed_id, value, behind in zip(each.report.feed_ids, each.answers, each.readings, strict=True):
            said.setdefault(feed_id, set()).add((value, behind))
    assert all(len(each) == 1 for each in said.values())
    assert len(node.told) == 4, "each composition once"


async def test_times_at_the_same_moment_get_one_time(node: Node) -> None:
    now = node.to_turn(NEXT)
    answers = await asyncio.gather(
        *(node.member.answer(asked(report(now + each))) for each in (0, 1, 2)), return_exceptions=True
    )
    signed = [each for each in answers if isinstance(each, AnswerMessage)]
    assert len(signed) == 1 and len({each.report.observed_at for each in node.told}) == 1


async def test_what_was_begun_is_written_and_told_though_whoever_asked_has_gone(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = node.to_turn(NEXT)
    begun, go_on = asyncio.Event(), asyncio.Event()
    real = node.member._write

    async def slow(*arguments: object) -> None:
        begun.set()
        await go_on.wait()
        await real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(node.member, "_write", slow)
    asking = asyncio.create_task(node.member.answer(asked(report(now))))
    await begun.wait()
    asking.cancel()
    go_on.set()
    await node.member.close()
    assert [each.answers for each in node.told] == [(100, 200)]
    assert asking.cancelled() or asking.cancelling()


async def test_a_holder_can_not_fill_the_disk_in_its_turn(node: Node) -> None:
    now = node.to_turn(NEXT)
    codes = []
    for first in range(7, 9):
        for second in range(7, 9):
            for third in range(7, 9):
                for fourth in range(7, 9):
                    for feeds in (FEEDS, FEEDS[:3], FEEDS[1:], FEEDS[:2]):
                        rounds = (first, second, third, fourth)[: len(feeds)]
                        try:
                            await node.member.answer(asked(report(now, feeds, rounds)))
                        except Refused as refused:
                            codes.append(refused.code)
    assert set(codes) == {RefusalCode.TOO_MANY}
    assert node.journal is not None
    with node.journal.store.transaction(read=True) as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(network.signed_reports)) == 16 + 4 * len(FEEDS)


async def test_a_member_that_asks_too_often_is_told_and_noted(node: Node) -> None:
    allowed = iter([True, False])

    async def allow(member: str) -> bool:
        return next(allowed)

    node.member._allow = allow
    now = node.to_turn(NEXT)
    first = await node.member.answer(asked(report(now)))
    assert await node.member.answer(asked(report(now))) == first, "the same again costs nothing: others may replay it"
    assert await node.refusal(asked(report(now, FEEDS[:1]))) is RefusalCode.TOO_MANY
    assert node.evidence.kinds == [("flood", MEMBERS[0])]


async def test_a_holder_can_not_fill_the_disk_with_feeds_that_nobody_knows(node: Node) -> None:
    """Each message may be long, so messages are not only counted."""
    now, codes = node.to_turn(NEXT), []
    for first in range(16 + 4 * len(FEEDS)):
        unknown = [bytes([1 + first]) + bytes(30) + bytes([each]) for each in range(MAX_FEEDS - 1)]
        try:
            await node.member.answer(asked(report(now, [FEEDS[0], *unknown])))
        except Refused as refused:
            codes.append(refused.code)
    assert set(codes) == {RefusalCode.TOO_MANY}
    assert node.journal is not None
    with node.journal.store.transaction(read=True) as connection:
        table = network.signed_reports
        length = connection.scalar(sa.select(sa.func.sum(sa.func.length(table.c.message))))
    assert length is not None and length < 100_000


async def test_a_request_that_others_play_again_is_not_counted_against_its_holder(node: Node) -> None:
    counted: list[str] = []

    async def allow(member: str) -> bool:
        counted.append(member)
        return len(counted) <= 2

    node.member._allow = allow
    now = node.to_turn(NEXT)
    for _ in range(20):
        assert await node.refusal(asked(report(now, rounds=(9, 9)))) is RefusalCode.WRONG_ROUND
    assert (await node.member.answer(asked(report(now)))).answers == (100, 200)
    assert node.evidence.faults == [], "anybody who was asked has the request, and may send it on"


async def test_documents_are_kept_with_what_is_signed(node: Node) -> None:
    now = node.to_turn(NEXT)
    found = await node.member.answer(asked(report(now)))
    again = await node.member.answer(asked(report(now, FEEDS[:3])))
    assert node.journal is not None
    with node.journal.store.transaction(read=True) as connection:
        kept = {bytes(each) for each in connection.scalars(sa.select(network.readings.c.hash))}
        signed = {bytes(each) for each in connection.scalars(sa.select(network.signed_readings.c.signed))}
    assert kept == {*found.readings, *again.readings} and len(kept) == 3
    assert signed == {found.signature.readings, again.signature.readings}


def test_the_start_is_in_the_first_turn() -> None:
    assert int(START) // TURN_S == FIRST_TURN < NEXT and isinstance(report(1), Report)
