"""A signer that is killed in the middle of an answer: processes of their own, SIGKILL, one journal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.network.messages import RefusalCode
from tests.unit.network.node import FIRST_TURN, Node, asked, mine
from tests.unit.network.signed import FEEDS, TURN_S, report

TURN = mine(FIRST_TURN + 1)
NOW = TURN * TURN_S + 20

CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.integration.test_signer_killed import NOW, TURN
from tests.unit.network.node import Node, asked
from tests.unit.network.signed import report

def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    node = Node(Path(sys.argv[1]))
    await node.start()
    node.to_turn(TURN)
    if sys.argv[2] == "before the commit":
        node.ledger._write_heard = die  # the observations are written, and not committed
    else:
        node.member._signed = die  # it is on disk, and nobody knows of it
    await node.member.answer(asked(report(NOW)))

asyncio.run(main())
"""


def killed(folder: Path, when: str) -> None:
    """Let a process sign, and be killed at this moment."""
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), when], cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr


@pytest.mark.attack
async def test_what_was_committed_is_given_again_and_nothing_else_in_that_turn(tmp_path: Path) -> None:
    killed(tmp_path, "after the commit")
    node = Node(tmp_path)
    node.clock.to(NOW + 2)
    node.see(999)
    await node.start()
    found = await node.member.answer(asked(report(NOW), deadline=NOW + 9))
    assert found.answers == (100, 200), "what it had signed before it died"
    for seconds, feeds in ((1, FEEDS[:2]), (1, FEEDS[2:]), (0, FEEDS[:1]), (2, FEEDS)):
        assert await node.refusal(asked(report(NOW + seconds, feeds))) is RefusalCode.STARTING
    node.stop()


@pytest.mark.attack
async def test_what_was_not_committed_never_left_and_the_turn_is_lost(tmp_path: Path) -> None:
    killed(tmp_path, "before the commit")
    node = Node(tmp_path)
    node.clock.to(NOW + 2)
    node.see(999)
    await node.start()
    for seconds in (0, 1, 2):
        assert await node.refusal(asked(report(NOW + seconds))) is RefusalCode.STARTING
    assert node.ledger.observations(TURN, FEEDS) == {}
    now = node.to_turn(mine(TURN + 1))
    assert (await node.member.answer(asked(report(now)))).answers == (100, 200)
    node.stop()
