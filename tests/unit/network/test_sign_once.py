"""Whatever is asked, in whatever order, and whatever happens meanwhile: one observation for each feed and turn."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle.network.messages import AnswerMessage, Refused
from tests.unit.network.node import FIRST_TURN, Node, asked
from tests.unit.network.signed import FEEDS, MEMBERS, TURN_S, report

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""A folder whose files need no disk: what is played here ends processes, not the machine."""

ASKS = st.tuples(
    st.just("ask"),
    st.integers(-1, 1),  # of a turn before, of this one, or of the next
    st.integers(-8, 4),  # seconds from now
    st.sampled_from([FEEDS[:1], FEEDS[:2], FEEDS[1:], FEEDS]),
    st.integers(6, 9),  # the round
    st.integers(1, 2),  # the epoch
)
EVENTS = st.one_of(
    ASKS,
    ASKS,
    ASKS,
    st.tuples(st.just("wait"), st.floats(0.1, 90.0)),
    st.tuples(st.just("restart")),
    st.tuples(st.just("restore")),
    st.tuples(st.just("back up")),
    st.tuples(st.just("lose an answer")),
    st.tuples(st.just("snapshot")),
    st.tuples(st.just("step forward"), st.floats(3.0, 400.0)),
)


class History:
    """All that left the node, compared."""

    def __init__(self) -> None:
        self.said: dict[tuple[bytes, int], tuple[int, int, bytes]] = {}
        self.newest: dict[bytes, int] = {}

    def left(self, message: AnswerMessage) -> None:
        time, turn = message.report.observed_at, message.report.observed_at // TURN_S
        assert turn == message.turn
        for feed_id, answer, behind in zip(message.report.feed_ids, message.answers, message.readings, strict=True):
            found = self.said.setdefault((feed_id, turn), (time, answer, behind))
            assert found == (time, answer, behind), "two observations of one feed and turn"
            assert time >= self.newest.get(feed_id, 0), "an older observation after a newer one"
            self.newest[feed_id] = time


async def play(folder: Path, events: list[tuple[object, ...]]) -> None:
    node, history, value = Node(folder), History(), 0
    await node.start()
    backup: Path | None = None
    for kind, *details in events:
        if kind == "ask":
            turn_by, seconds, feeds, round_id, epoch = details
            value += 1
            node.see(value)
            now = int(node.clock())
            turn = now // TURN_S + turn_by  # type: ignore[operator]
            time = now + seconds + (turn_by * TURN_S)  # type: ignore[operator]
            holder = node.turns.holder(turn) or MEMBERS[0]
            request = asked(
                report(time, feeds, (round_id,) * len(feeds), epoch=epoch),  # type: ignore[arg-type]
                holder,
                turn=turn,
                deadline=now + 5,
            )
            with contextlib.suppress(Refused):
                history.left(await node.member.answer(request))
        elif kind == "wait":
            node.clock.tick(details[0])  # type: ignore[arg-type]
        elif kind == "restart":
            await node.start()
        elif kind == "back up":
            node.stop()
            backup = folder / "backup"
            shutil.copy(node.path, backup)
            await node.start()
        elif kind == "restore" and backup is not None:
            node.stop()
            shutil.copy(backup, node.path)
            await node.start()
        elif kind == "lose an answer":
            # The process dies when the answer is signed, and not yet on disk.
            now = int(node.clock())
            request = asked(report(now), node.turns.holder(now // TURN_S) or MEMBERS[0])

            def die(*arguments: object) -> None:
                raise SystemExit

            real, node.ledger.sign = node.ledger.sign, die  # type: ignore[method-assign, assignment]
            with contextlib.suppress(SystemExit, Refused):
                await node.member.answer(request)
            node.ledger.sign = real  # type: ignore[method-assign]
            await node.start()
        elif kind == "snapshot" and backup is not None:
            # A machine set back to an earlier state: the process goes on with its memory, and the clock is right.
            started_at, drift = node.member._started_at, node.member._drift
            node.stop()
            shutil.copy(backup, node.path)
            await node.start()
            node.member._started_at, node.member._drift = started_at - 500, drift
            node.clock.passed -= 500
        elif kind == "step forward":
            node.clock.step(details[0])  # type: ignore[arg-type]
    node.stop()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EVENTS, min_size=4, max_size=30))
def test_one_observation_for_each_feed_and_turn(events: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        asyncio.run(play(Path(folder), events))


def test_the_game_signs() -> None:
    """It would prove nothing if the node always refused."""
    signed: list[AnswerMessage] = []
    real = History.left

    def left(self: History, message: AnswerMessage) -> None:
        signed.append(message)
        real(self, message)

    events: list[tuple[object, ...]] = [("wait", 60.0)]
    for _ in range(3):
        events += [("ask", 0, 0, FEEDS[:2], 7, 1), ("ask", 0, 1, FEEDS[:2], 7, 1), ("ask", 0, 0, FEEDS, 7, 1),
                   ("wait", 61.0)]  # fmt: skip
    History.left = left  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            asyncio.run(play(Path(folder), events))
    finally:
        History.left = real  # type: ignore[method-assign]
    assert len(signed) == 6 and {each.turn for each in signed} == {FIRST_TURN + 1, FIRST_TURN + 2, FIRST_TURN + 3}
