"""Rounds of a network with delays on its links: real members, HTTP, signatures, ledgers, proofs and submissions.

Members run as processes of their own, or several in one process, as asyncio tasks. Between any two lies a TCP proxy
that delays. Each member replays prices of its own. The proxies and the chain run in processes that are not counted.
"""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from oracle.app.local_network import FeedLayout, Layout, LocalNetwork, nursery
from oracle.bench.memory import megabytes
from oracle.bench.network import host
from oracle.bench.network.sizes import NetworkSize
from oracle.core.errors import Fatal
from oracle.core.statistics import percentile
from oracle.core.types import Outcome
from oracle.feeds.journal import Entry
from oracle.feeds.journal.schema import network as tables

__all__ = [
    "DELAYS_MS",
    "RoundsCase",
    "Running",
    "calm",
    "means_of",
    "measure_rounds",
    "replay",
    "reports_of",
    "spread_of",
]

DELAYS_MS = (20, 100, 300)
"""Delays of a link in one direction, of which each link gets one: a round trip takes twice as long."""

EXPECTED_TIMES, EXPECTED_BEYOND_S = 1.5, 0.05
"""Collecting should take at most so many times the slowest round trip that it needs, and so many seconds more."""

AS_PROCESSES = 7
"""Networks up to this size run with a process for each member."""

TRANSMITTERS = 3
"""Members that take turns. The others are plain reporters: without a prover, ezkl or gas."""

READINGS_PATH = "/v1/readings"
"""Below it members look at each other's readings, now and then."""

_IDLE_S = 4.0
_NOISE = 0.0001
_REPLAYED_S = 300
_LOOK_S = 0.2
_STALLED_S = 120.0


@dataclass(frozen=True)
class RoundsCase:
    """One network whose rounds are measured.

    Attributes:
        size: Its numbers.
        feeds: The feeds of each report.
        delays_ms: Delays of which each link gets one; none: loopback.
        grace_ms: How long a transmitter waits for the rest, once it has a quorum; None: the default.
    """

    size: NetworkSize
    feeds: int
    delays_ms: tuple[int, ...] = DELAYS_MS
    grace_ms: int | None = None

    @property
    def placement(self) -> str:
        """`processes` or `tasks`."""
        return "processes" if self.size.members <= AS_PROCESSES else "tasks"

    @property
    def turn_s(self) -> int:
        """The length of a turn: it holds a report on a machine that all members share."""
        return 3 + self.size.members // 8 + self.size.members * self.feeds // 200

    def layout(self) -> Layout:
        """Return the network for the harness."""
        return Layout(
            members=self.size.members,
            quorum=self.size.quorum,
            faulty=self.size.faulty,
            transmitters=TRANSMITTERS,
            turn_s=self.turn_s,
            clock_bound_s=0.2,
            grace_ms=self.grace_ms,
            request_timeout_s=min(5.0, self.turn_s / 2),
            feeds=tuple(FeedLayout(f"feed-{at}") for at in range(self.feeds)),
            sources=1,
            poll_interval=0.5,
            prover=f'visibility = "public"\nbatch_sizes = {sorted({1, self.feeds})}',
        )

    def hosts(self) -> list[list[int]]:
        """Return the members of each process: plain reporters first, then transmitters."""
        members = range(self.size.members)
        if self.placement == "processes":
            return [[index] for index in reversed(members)]
        plain = members[TRANSMITTERS:]
        return [list(plain[::2]), list(plain[1::2]), list(members[:TRANSMITTERS])]

    def delays(self, seed: int) -> dict[tuple[int, int], float]:
        """Return the seconds that each link takes in one direction, by the numbers of its members."""
        members = range(self.size.members)
        return {
            (one, other): random.Random(f"{seed} {one} {other}").choice(self.delays_ms or (0,)) / 1_000
            for one in members
            for other in members
            if one != other
        }

    def slowest_needed(self, delays: Mapping[tuple[int, int], float], member: int) -> float:
        """Return the slowest round trip that a transmitter has to wait for: it needs a quorum, and is one of it."""
        trips = sorted(2 * delay for (one, _), delay in delays.items() if one == member)
        return trips[self.size.quorum - 2] if self.size.quorum > 1 else 0.0


@dataclass
class Host:
    """A process with members in it.

    Attributes:
        members: Their numbers.
        process: The process.
        idle: CPU seconds that a second takes while nothing is reported.
    """

    members: Sequence[int]
    process: psutil.Process
    idle: float = 0.0

    def cpu(self) -> float:
        """Return the CPU seconds so far, without those of provers."""
        times = self.process.cpu_times()
        return times.user + times.system


@dataclass
class Running:
    """A network whose members run.

    Attributes:
        network: The network.
        case: What it is.
        hosts: Its processes.
    """

    network: LocalNetwork
    case: RoundsCase
    hosts: list[Host] = field(default_factory=list)
    _children: list[nursery.ChildDaemon] = field(default_factory=list)

    async def start(self, members: Sequence[int], folder: Path) -> None:
        """Start a process with these members, and wait until they answer. Raises: Fatal if they do not."""
        await asyncio.to_thread(folder.mkdir, exist_ok=True)
        configs = [str(self.network.members[index].place.config) for index in members]
        child = await asyncio.to_thread(nursery.start, host.main, folder, configs)
        self._children.append(child)
        self.hosts.append(Host(members, psutil.Process(child.pid)))

        async def answer() -> bool:
            if child.poll() is not None:
                raise Fatal(f"members {list(members)} ended: {(folder / nursery.LOG).read_text()[-2_000:]}")
            return all([await self.network.shows(index) is not None for index in members])

        await self.network.eventually(answer, f"members {list(members)} answer")

    async def rounds(self) -> int:
        """Return the number of rounds of the first feed."""
        feed_id = self.network.deployment.feeds[self.network.layout.feeds[0].name].feed_id
        return (await self.network.hub.feed_state(feed_id)).round_id

    async def until_rounds(self, count: int) -> None:
        """Wait until the first feed has so many rounds. Raises: Fatal if there is none for a long time."""
        seen, at = -1, time.monotonic()
        while (found := await self.rounds()) < count:
            if found != seen:
                seen, at = found, time.monotonic()
            if time.monotonic() - at > _STALLED_S:
                raise Fatal(f"no round for {_STALLED_S:g} s: {self._log()[-4_000:]}")
            await asyncio.sleep(_LOOK_S)

    async def stop(self) -> None:
        """End all processes in order."""
        for child in self._children:
            child.terminate()
        for child in self._children:
            await asyncio.to_thread(child.wait, 60.0)
        self._children.clear()
        self.hosts.clear()

    def kill(self) -> None:
        """End all processes at once."""
        for child in self._children:
            child.kill()

    def entries(self, since: float, until: float) -> dict[int, list[Entry]]:
        """Return the observations that ended in a time, by the transmitter that decided them."""
        found = {}
        for member in self.network.members:
            if self.network.layout.transmits(member.place.index):
                with member.journal() as journal:
                    found[member.place.index] = [
                        each for each in journal.rows() if each.finished_at and since <= each.finished_at < until
                    ]
        return found

    def steps(self, since: float, until: float) -> dict[int, list[host.StepTime]]:
        """Return the steps that ended in a time, by transmitter."""
        return {
            member.place.index: [each for each in host.steps_taken(member.place.folder) if since <= each.at < until]
            for member in self.network.members
            if self.network.layout.transmits(member.place.index)
        }

    def asked(self, since: float, until: float) -> dict[int, dict[int, list[float]]]:
        """Return the seconds of the members' answers, by transmitter and report, the fastest first."""
        found: dict[int, dict[int, list[float]]] = {}
        of = tables.asked.c
        query = sa.select(of.observed_at, of.seconds).where(
            of.outcome.in_(("answered", "late")), of.at >= since, of.at < until
        )
        for member in self.network.members:
            if self.network.layout.transmits(member.place.index):
                reports = found.setdefault(member.place.index, {})
                with member.journal() as journal, journal.store.transaction(read=True) as connection:
                    for row in connection.execute(query.order_by(of.seconds)):
                        reports.setdefault(row.observed_at, []).append(row.seconds)
        return found

    def _log(self) -> str:
        folders = sorted(self.network.members[0].place.folder.parent.glob(f"*/{nursery.LOG}"))
        return "\n".join(f"--- {each.parent.name}\n{each.read_text(errors='replace')[-1_000:]}" for each in folders)


async def measure_rounds(
    case: RoundsCase, rounds: int, seed: int, folder: Path, artifacts: Path, echo: Callable[[str], None]
) -> dict[str, Any]:
    """Return the figures of a network's rounds.

    Args:
        case: The network.
        rounds: The number of rounds to measure, after those in which members get to know each other.
        seed: The seed of delays and prices.
        folder: An empty folder.
        artifacts: The folder of circuits.
        echo: Takes lines for people.
    """
    delays = case.delays(seed)
    echo(f"({case.size.members}, {case.size.quorum}), {case.feeds} feeds: {case.placement}, turns of {case.turn_s} s")
    async with LocalNetwork(case.layout(), folder, artifacts, prices=calm, seed=seed) as network:
        for pair, link in network.links.items():
            link.delay_s = delays[pair]
        for member in network.members:
            await asyncio.to_thread(replay, member.place.config, seed)
        running = Running(network, case)
        try:
            plain, transmitting = _split(case)
            for number, members in enumerate(plain):
                await running.start(members, folder / f"plain-{number}")
            await _measure_idle(running.hosts)
            for number, members in enumerate(transmitting):
                await running.start(members, folder / f"transmitting-{number}")
            await running.until_rounds(await running.rounds() + TRANSMITTERS + 1)
            before, since, cpu = _traffic(network), time.time(), {id(each): each.cpu() for each in running.hosts}
            first = await running.rounds()
            await running.until_rounds(first + rounds)
            until = time.time()
            count = await running.rounds() - first
            used = {id(each): each.cpu() - cpu[id(each)] for each in running.hosts}
            after = _traffic(network)
            hosts = [
                (each.members, used[id(each)], each.idle, each.process.memory_info().rss) for each in running.hosts
            ]
            await running.stop()
            found = {
                **_about(case, seed),
                "rounds": count,
                "seconds": round(until - since, 1),
                **reports_of(running.entries(since, until)),
                **_collecting(case, delays, running.steps(since, until)),
                **_quorums(case, delays, running.asked(since, until)),
                **_sent(before, after, count),
                **_reporter(case, hosts, until - since, count),
            }
        finally:
            running.kill()
    return found


def reports_of(entries: Mapping[int, Iterable[Entry]]) -> dict[str, Any]:
    """Return how long reports took from the moment at which they were due, and what became of the observations.

    Feeds of one transaction are one report.
    """
    every = [each for of in entries.values() for each in of]
    by_transaction: dict[bytes, list[float]] = {}
    for each in every:
        if each.outcome in (Outcome.ACCEPTED, Outcome.HELD) and each.tx_hash and each.latency is not None:
            by_transaction.setdefault(each.tx_hash, []).append(each.latency)
    return {
        "due_to_confirmed_s": spread_of(max(of) for of in by_transaction.values()),
        "outcomes": dict(Counter("open" if each.outcome is None else each.outcome.value for each in every)),
    }


def spread_of(values: Iterable[float]) -> dict[str, Any]:
    """Return the number of some values, their mean and two percentiles; of none, only that."""
    found = list(values)
    if not found:
        return {"count": 0}
    return {
        "count": len(found),
        "mean": round(statistics.fmean(found), 4),
        "p50": round(percentile(found, 50), 4),
        "p95": round(percentile(found, 95), 4),
    }


def calm(feed: str, now: float) -> float:
    """Return a price that does not move: only the sources' noise differs."""
    return 100.0


def replay(config: Path, seed: int) -> None:
    """Let a member replay prices of its own, by the clock: sources over HTTP would cost more than the network."""
    chance = random.Random(f"{seed} {config.parent.name}")
    times = range(1_700_000_000, 1_700_000_000 + _REPLAYED_S)
    rows = [f"{second},{100 * (1 + chance.gauss(0, _NOISE)):.8f}" for second in times]
    (config.parent / "prices.csv").write_text("\n".join(["time,value", *rows, ""]), encoding="utf-8")
    source = '{ type = "replay", file = "prices.csv", timestamps = "clock" }'
    text = re.sub(r"^sources = \[.*?^\]", f"sources = [{source}]", config.read_text(), flags=re.DOTALL | re.MULTILINE)
    config.write_text(text, encoding="utf-8")


def means_of(steps: Iterable[host.StepTime]) -> dict[str, float]:
    """Return the mean seconds of each step."""
    found: dict[str, list[float]] = {}
    for each in steps:
        found.setdefault(each.step, []).append(each.seconds)
    return {step: round(statistics.fmean(of), 4) for step, of in found.items()}


def _split(case: RoundsCase) -> tuple[list[list[int]], list[list[int]]]:
    """Return the processes of plain reporters, and those of transmitters."""
    hosts = case.hosts()
    return [each for each in hosts if min(each) >= TRANSMITTERS], [each for each in hosts if min(each) < TRANSMITTERS]


async def _measure_idle(hosts: Sequence[Host]) -> None:
    """Measure what members take while they only look at their sources."""
    before = [each.cpu() for each in hosts]
    await asyncio.sleep(_IDLE_S)
    for each, so_far in zip(hosts, before, strict=True):
        each.idle = (each.cpu() - so_far) / _IDLE_S


def _about(case: RoundsCase, seed: int) -> dict[str, Any]:
    return {
        "members": case.size.members,
        "quorum": case.size.quorum,
        "feeds": case.feeds,
        "placement": case.placement,
        "delays_ms": list(case.delays_ms),
        "turn_s": case.turn_s,
        "grace_ms": case.grace_ms,
        "seed": seed,
    }


def _collecting(
    case: RoundsCase, delays: Mapping[tuple[int, int], float], steps: Mapping[int, Sequence[host.StepTime]]
) -> dict[str, Any]:
    """Return what collecting takes, alone and beside the slowest round trip that each transmitter needs."""
    collected = [
        (each.seconds, case.slowest_needed(delays, member))
        for member, of in steps.items()
        for each in of
        if each.step == host.COLLECT
    ]
    within = sum(_is_expected(seconds, trip) for seconds, trip in collected)
    return {
        "collecting_s": spread_of(seconds for seconds, _ in collected),
        "needed_round_trip_s": spread_of(trip for _, trip in collected),
        "collecting_within_expected": within,
        "collecting_beyond_needed_s": spread_of(seconds - trip for seconds, trip in collected),
        "steps_s": means_of(each for of in steps.values() for each in of),
    }


def _quorums(
    case: RoundsCase, delays: Mapping[tuple[int, int], float], asked: Mapping[int, Mapping[int, Sequence[float]]]
) -> dict[str, Any]:
    """Return how long it took until a quorum had answered: collecting without the wait for the rest."""
    needed = case.size.quorum - 2  # the transmitter is one of the quorum
    found = [
        (of[needed], case.slowest_needed(delays, member))
        for member, reports in asked.items()
        for of in reports.values()
        if len(of) > needed
    ]
    within = sum(_is_expected(seconds, trip) for seconds, trip in found)
    return {"until_quorum_s": spread_of(seconds for seconds, _ in found), "until_quorum_within_expected": within}


def _is_expected(seconds: float, trip: float) -> bool:
    return seconds <= EXPECTED_TIMES * trip + EXPECTED_BEYOND_S


def _traffic(network: LocalNetwork) -> dict[str, int]:
    found = {"bytes": sum(link.bytes for link in network.links.values())}
    for link in network.links.values():
        for path, count in link.requests.items():
            found[path] = found.get(path, 0) + count
    return found


def _sent(before: Mapping[str, int], after: Mapping[str, int], rounds: int) -> dict[str, Any]:
    sent = {path: round((after[path] - before.get(path, 0)) / rounds, 1) for path in after}
    size = sent.pop("bytes")
    readings = sum(sent.pop(path) for path in list(sent) if path.startswith(READINGS_PATH))
    sent[READINGS_PATH] = round(readings, 1)
    return {"messages_per_round": sent, "bytes_per_round": round(size)}


def _reporter(
    case: RoundsCase, hosts: Sequence[tuple[Sequence[int], float, float, int]], seconds: float, rounds: int
) -> dict[str, Any]:
    """Return what a plain reporter takes: the CPU of a round, beside that of its looks, and its memory."""
    plain = [each for each in hosts if min(each[0]) >= TRANSMITTERS]
    if not plain:
        return {}
    members = sum(len(each[0]) for each in plain)
    used = sum(cpu - idle * seconds for _, cpu, idle, _ in plain) / members / rounds
    return {
        "reporter_cpu_ms_per_round": round(1_000 * used, 1),
        "reporter_idle_cpu_share": round(sum(idle for _, _, idle, _ in plain) / members, 4),
        "reporter_rss_mb": megabytes(round(sum(rss for *_, rss in plain) / members)),
    }
