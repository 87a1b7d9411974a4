"""A network without delays beside one operator: the same machine, chain, feed and model, in turn."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from oracle.app.deploy import deploy
from oracle.app.local_network import LocalNetwork, nursery
from oracle.bench.network import host
from oracle.bench.network.rounds import RoundsCase, Running, calm, means_of, replay, reports_of
from oracle.bench.network.sizes import SIZES
from oracle.chain.hub import Hub
from oracle.config import load
from oracle.core.errors import Fatal
from oracle.feeds.journal import Entry, open_journal

__all__ = ["measure_loopback", "operator_text"]

EXPECTED = 1.3
"""The network's p95 from due to confirmed should be at most so many times the operator's."""

BLOCKS = 2
"""Times that each of both is measured, one after the other."""

WARM = 5
"""Rounds that are not counted, since provers and connections start."""

_OPERATOR = "operator"
_LOOK_S = 0.2
_STALLED_S = 60.0


async def measure_loopback(
    rounds: int, seed: int, folder: Path, artifacts: Path, echo: Callable[[str], None]
) -> dict[str, Any]:
    """Return the times of a network of the smallest size, in which all members transmit, and of one operator.

    Args:
        rounds: The number of rounds of each.
        seed: The seed of prices.
        folder: An empty folder.
        artifacts: The folder of circuits.
        echo: Takes lines for people.
    """
    case = RoundsCase(SIZES[0], 1, ())
    layout = replace(case.layout(), transmitters=None)
    entries: dict[str, list[Entry]] = {"network": [], _OPERATOR: []}
    steps: dict[str, list[host.StepTime]] = {"network": [], _OPERATOR: []}
    async with LocalNetwork(layout, folder, artifacts, prices=calm, seed=seed) as network:
        for member in network.members:
            await asyncio.to_thread(replay, member.place.config, seed)
        operator = folder / _OPERATOR
        await asyncio.to_thread(_write_operator, network.members[0].place.folder, operator, layout.turn_s)
        deployment = await deploy(load(operator / "oracle.toml", {}), lambda step: None)
        feed_id = next(iter(deployment.feeds.values())).feed_id
        hub = Hub(network.rpc, deployment.hub)
        for block in range(BLOCKS):
            echo(f"loopback: (4, 3), block {block + 1} of {BLOCKS}")
            running = Running(network, case)
            try:
                for index in range(layout.members):
                    await running.start([index], folder / f"network-{index}")
                await running.until_rounds(await running.rounds() + WARM)
                since = time.time()
                await running.until_rounds(await running.rounds() + rounds // BLOCKS)
                until = time.time()
                await running.stop()
            finally:
                running.kill()
            entries["network"] += [each for of in running.entries(since, until).values() for each in of]
            steps["network"] += [each for of in running.steps(since, until).values() for each in of]
            echo(f"loopback: one operator, block {block + 1} of {BLOCKS}")
            since, until = await _operate(operator, hub, feed_id, rounds // BLOCKS)
            with open_journal(load(operator / "oracle.toml", os.environ).journal, {}, read_only=True) as journal:
                entries[_OPERATOR] += _ended(journal.rows(), since, until)
            steps[_OPERATOR] += [each for each in host.steps_taken(operator) if since <= each.at < until]
    found = {name: reports_of({0: entries[name]}) | {"steps_s": means_of(steps[name])} for name in entries}
    p95 = {name: of["due_to_confirmed_s"]["p95"] for name, of in found.items()}
    return {
        **found,
        "turn_s": layout.turn_s,
        "seed": seed,
        "expected": EXPECTED,
        "ratio": round(p95["network"] / p95[_OPERATOR], 3),
    }


def operator_text(text: str, heartbeat: int) -> str:
    """Return a member's configuration as that of one operator, who reports once per heartbeat."""
    before, _, rest = text.partition("[[committees]]\n")
    feeds = "[[feeds]]" + rest.partition("[[feeds]]")[2]
    # A member reports once a turn, an operator each time that the price has moved by so much.
    return before + feeds.replace("deviation_ppm = 1\n", f"deviation_ppm = {1_000_000 - 1}\n").replace(
        f"heartbeat = {heartbeat}\n", f"heartbeat = {heartbeat - 1}\n"
    )


def _write_operator(member: Path, folder: Path, heartbeat: int) -> None:
    folder.mkdir()
    for name in ("key.json", "password", "prices.csv"):
        (folder / name).write_bytes((member / name).read_bytes())
        (folder / name).chmod(0o600)
    text = operator_text((member / "oracle.toml").read_text(encoding="utf-8"), heartbeat)
    (folder / "oracle.toml").write_text(text, encoding="utf-8")


async def _operate(folder: Path, hub: Hub, feed_id: bytes, rounds: int) -> tuple[float, float]:
    """Run one operator for so many rounds, and return when the measured ones began and ended."""
    child = await asyncio.to_thread(nursery.start, host.main, folder, ["oracle.toml"])
    try:

        async def until(count: int) -> None:
            began = time.monotonic()
            while (await hub.feed_state(feed_id)).round_id < count:
                if child.poll() is not None or time.monotonic() - began > _STALLED_S + 10 * rounds:
                    raise Fatal(f"the operator does not report: {(folder / nursery.LOG).read_text()[-2_000:]}")
                await asyncio.sleep(_LOOK_S)

        await until((await hub.feed_state(feed_id)).round_id + WARM)
        since = time.time()
        await until((await hub.feed_state(feed_id)).round_id + rounds)
        ended = time.time()
        child.terminate()
        await asyncio.to_thread(child.wait, 60.0)
        return since, ended
    finally:
        child.kill()


def _ended(entries: Sequence[Entry], since: float, until: float) -> list[Entry]:
    return [each for each in entries if each.finished_at is not None and since <= each.finished_at < until]
