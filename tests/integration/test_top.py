"""Tests of `oracle top` with a real daemon's server, without any, and in a real terminal."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from oracle.cli import top
from oracle.core.metrics import Counter, Metrics
from oracle.web import server
from oracle.web.board import Board, SourceStatus
from oracle.web.health import Health
from tests.integration.workspace import Done, feed, run_command

NOWHERE = "http://127.0.0.1:9"
"""Nobody listens here."""

KEYS = '[keys]\nreporter = { anvil_account = 1 }\nsubmitter = { anvil_account = 0 }\n[prover]\nsrs = "insecure-local"\n'


def configure(folder: Path, port: int) -> None:
    """Write a configuration whose chain is silent, and whose daemon is asked at a port."""
    (folder / "eth.csv").write_text("time,value\n1,2\n")
    text = f'[chain]\nrpc_url = "{NOWHERE}"\nchain_id = 31337\ndeployment = "d.json"\n{KEYS}[journal]\npath = "j.db"\n'
    source = feed("eth", '{ type = "replay", file = "eth.csv", speed = "max" }')
    (folder / "oracle.toml").write_text(f'{text}[web]\nlisten = "127.0.0.1:{port}"\n{source}')


def test_the_daemons_part_is_shown_while_the_chain_is_silent(tmp_path: Path) -> None:
    health = Health({"eth": 100.0}, {"eth": 30.0})
    health.failed("eth", "too few sources answer")
    metrics, board = Metrics(), Board()
    metrics.count(Counter.ACCEPTED, "eth", 4)
    why = "suspended until 2026-01-01T00:05:00Z after 5 failures, the last: no answer within 5 s"
    board.update("eth", 9, [SourceStatus("kraken", "suspended", detail=why)])

    async def once(*more: str) -> Done:
        async with server.serve(("127.0.0.1", 0), health, metrics, board) as port:
            configure(tmp_path, port)
            return await asyncio.to_thread(run_command, tmp_path, ["top", "--once", *more], {})

    done = asyncio.run(once())
    assert done.returncode == 1, "the chain can't be read"
    assert "can't be read:" in done.stdout and "4 accepted" in done.stdout and why in done.stdout
    assert "reports of eth: too few sources answer" in done.stdout
    document = json.loads(asyncio.run(once("--json")).stdout)
    assert (document["status"], document["daemon"]["problem"]) == (None, "")
    assert document["daemon"]["sources"]["eth"][0]["detail"] == why


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Return both ends of a terminal of 24 lines and 80 columns: ours, and that of the command."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 80))
    yield ours, its
    os.close(ours)


def test_the_page_is_shown_in_a_terminal_until_q_is_typed(
    tmp_path: Path, terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither chain nor daemon is there: both are said. The terminal is left as it was."""
    configure(tmp_path, 9)
    ours, its = terminal
    before = termios.tcgetattr(its)
    for name, value in (("TERM", "xterm"), ("LINES", "24"), ("COLUMNS", "80")):
        monkeypatch.setenv(name, value)
    seen = bytearray()

    def person() -> None:
        while b"q ends" not in seen:
            seen.extend(os.read(ours, 65_536))
        os.write(ours, b"xq")

    looks = threading.Thread(target=person, daemon=True)
    with open(its, closefd=False) as keyboard, open(its, "w", closefd=False) as screen:
        monkeypatch.setattr(sys, "stdin", keyboard)
        monkeypatch.setattr(sys, "stdout", screen)
        looks.start()
        top.top_command.main(["--config", str(tmp_path / "oracle.toml"), "--interval", "3600"], standalone_mode=False)
        monkeypatch.undo()
    looks.join(30)
    text = seen.decode()
    assert "can't be read:" in text and "the daemon does not answer at 127.0.0.1:9" in text
    after = termios.tcgetattr(its)
    assert after[3] & (termios.ICANON | termios.ECHO) == before[3] & (termios.ICANON | termios.ECHO)
    os.close(its)


def test_ctrl_c_is_a_way_to_end_it_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*given: object, **more: object) -> None:
        raise KeyboardInterrupt

    configure(tmp_path, 9)
    monkeypatch.setattr(top, "_watch", interrupted)
    monkeypatch.setattr(top, "sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True)))
    top.top_command.main(["--config", str(tmp_path / "oracle.toml")], standalone_mode=False)
