"""Telling: one slow member delays nobody, and what waits for it does not grow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from structlog.testing import capture_logs

from oracle.network.client import MemberSilent
from oracle.network.messages import AnswerMessage
from oracle.network.telling import MOST_WAITING, Teller
from tests.unit.network.signed import MEMBERS, answer, report

NOW = 1_700_000_000


class FakeMember:
    """A member that takes what it is told, slowly if it is not let go on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.got: list[AnswerMessage] = []
        self.goes = asyncio.Event()
        self.goes.set()
        self.came = asyncio.Event()
        self.problem = ""

    def has(self, message: AnswerMessage) -> bool:
        return self.got[-1:] == [message]

    async def tell(self, message: AnswerMessage) -> None:
        self.came.set()
        await self.goes.wait()
        if self.problem:
            raise MemberSilent(self.problem)
        self.got.append(message)


def message(number: int) -> AnswerMessage:
    return answer(MEMBERS[0], report(NOW, rounds=(number, 7)), (1, 2))


async def until(reached: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)


async def test_a_slow_member_delays_nobody_and_keeps_the_newest() -> None:
    members = {each: FakeMember(each) for each in MEMBERS}
    slow, quick = members[MEMBERS[1]], members[MEMBERS[2]]
    slow.goes.clear()
    teller = Teller(members, 0.0)  # type: ignore[arg-type]
    sending = asyncio.create_task(teller.run())
    messages = [message(number) for number in range(1, MOST_WAITING + 11)]
    teller.tell(messages[0])
    await slow.came.wait()
    for each in messages[1:]:
        teller.tell(each)
        await until(partial(quick.has, each))
    assert quick.got == messages and slow.got == []
    slow.goes.set()
    await until(partial(slow.has, messages[-1]))
    assert slow.got == [messages[0], *messages[-MOST_WAITING:]]
    sending.cancel()


async def test_a_member_that_takes_nothing_is_told_of_once() -> None:
    member = FakeMember("bravo")
    member.problem = "no connection"
    teller = Teller({MEMBERS[1]: member}, 0.0)  # type: ignore[dict-item]
    with capture_logs() as logs:
        sending = asyncio.create_task(teller.run())
        for number in (1, 2, 3):
            member.came.clear()
            teller.tell(message(number))
            await member.came.wait()
            await asyncio.sleep(0)
        member.problem = ""
        teller.tell(message(4))
        await until(lambda: member.got)
        await asyncio.sleep(0)
        sending.cancel()
    assert [each["event"] for each in logs] == [
        "a member does not take what it is told",
        "a member takes what it is told again",
    ]
