"""A long run at full speed, with kills and faults: `python -m scripts.soak --rounds 10000 --feeds 8`.

One daemon, as a process, reports readings of many feeds as fast as they end, on a local Anvil, with real proofs of
public weights. In the first two thirds it is killed (SIGKILL) and started again, the RPC endpoint fails, and obstacles
come and go, at random moments that follow from a seed: a feed is paused, the reporter is removed, the payer is emptied,
the source's document changes in shape. The last third is undisturbed, to see whether memory grows. Each obstacle has to
show in /readyz, and to be gone from there once it is over. At the end the chain's events and the journal have to agree,
one to one. Writes build/soak.json, and prints a table.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from oracle.chain.local import toolchain
from oracle.chain.local.anvil import load_anvil_config
from tests.chaos.feedserver import Misbehaviour, another_shape
from tests.chaos.proxy import Act, drop, http_error, lose_answer, refuse
from tests.chaos.scene import Scene, stage

ENDS = frozenset({"accepted", "held", "superseded", "failed"})
KILLS, FAULTS, OBSTACLES = 24, 60, 12
"""The numbers for a run that is disturbed from beginning to end."""
DISTURBED = 2 / 3
STALLED_S = 180.0
"""Seconds without a round after which something must be wrong."""
OBSTACLE_S = 4.0
"""Seconds that an obstacle lasts, once /readyz shows it."""
LOOK_EACH_S = 0.5
"""Seconds between two looks at /readyz while there is an obstacle."""
PAYER = 3
"""The Anvil account that pays: not the admin's, whose transactions would take its nonces."""


@dataclass(frozen=True)
class Figures:
    """The figures of a run; times in seconds, memory in MiB.

    Attributes:
        lost: Observations that the daemon took on and that never ended.
        obstacles: How often there was each obstacle.
        recovery: From the end of an obstacle to the next round of a feed that it had stopped, at most; the daemon reads
            obstacles again after 10 s at the latest.
        double: Reports that are on the chain twice, or that chain and journal have differently.
        p50: From an observation to its end in the journal, kills and faults included; likewise the other percentiles.
        memory_first: Memory of the last daemon, after its first rounds.
        growth_per_1000: Growth of its memory in a thousand rounds.
    """

    rounds: int
    feeds: int
    seed: int
    seconds: float
    rounds_per_s: float
    ends: dict[str, int]
    kills: int
    faults: dict[str, int]
    obstacles: dict[str, int]
    recovery: float
    lost: int
    double: int
    p50: float
    p95: float
    p99: float
    worst: float
    memory_first: float
    memory_last: float
    growth_per_1000: float
    undisturbed_p50: float
    undisturbed_p95: float
    undisturbed_p99: float

    def table(self) -> str:
        """Return the figures as a table in Markdown."""
        faults = ", ".join(f"{count} × {name}" for name, count in sorted(self.faults.items()))
        rows = [
            ("rounds delivered", f"{self.ends['accepted']:,} over {self.feeds} feeds"),
            ("other outcomes", ", ".join(f"{self.ends[end]} {end}" for end in sorted(ENDS - {"accepted"}))),
            ("kills (SIGKILL)", str(self.kills)),
            ("RPC faults", faults or "none"),
            (
                "obstacles, each told by /readyz and gone from there",
                ", ".join(f"{count} × {name}" for name, count in sorted(self.obstacles.items())) or "none",
            ),
            ("from an obstacle's end to the next round, at most", f"{self.recovery:.1f} s"),
            ("reports lost", str(self.lost)),
            ("reports on the chain twice, or different in the journal", str(self.double)),
            ("time", f"{self.seconds:,.0f} s, {self.rounds_per_s:.1f} rounds/s"),
            ("latency p50 / p95 / p99", f"{self.p50:.2f} / {self.p95:.2f} / {self.p99:.2f} s"),
            (
                "the same without kills, faults and obstacles",
                f"{self.undisturbed_p50:.2f} / {self.undisturbed_p95:.2f} / {self.undisturbed_p99:.2f} s",
            ),
            (
                "memory of the daemon",
                f"{self.memory_first:.0f} → {self.memory_last:.0f} MiB in the last third; "
                f"{self.growth_per_1000:+.1f} MiB per 1,000 rounds",
            ),
        ]
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


class Readings:
    """A source that keeps the daemon busy: each feed's next reading comes once the one before has ended."""

    def __init__(self, feeds: Sequence[str], seed: int, first: int) -> None:
        self._random = random.Random(seed)
        self._at = dict.fromkeys(feeds, first)
        self._price = dict.fromkeys(feeds, 100.0)
        self._lock = threading.Lock()

    def current(self, feed: str) -> tuple[str, int] | None:
        with self._lock:
            return (f"{self._price[feed]:.6f}", self._at[feed]) if feed in self._at else None

    def ended(self, key: str) -> None:
        """Move on to the next reading: the observation of this key has ended."""
        feed, moment = key.split("@")
        with self._lock:
            # A report has the time of its newest reading, which may be another feed's.
            if self._at.get(feed, math.inf) <= int(moment):
                self._at[feed] = int(moment) + 1
                self._price[feed] *= 1 + self._random.uniform(-0.003, 0.003)


class Log:
    """A reader of what the daemon has logged since the last look."""

    def __init__(self, path: Path, ended: Callable[[str], None]) -> None:
        self._path = path
        self._ended = ended
        self._offset = 0
        self.ends: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()

    def look(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict) and found.get("event") in ENDS and "observation" in found:
                self.ends[found["event"]] += 1
                self.accepted[found["feed"]] += found["event"] == "accepted"
                self._ended(found["observation"])


def _faults() -> dict[str, tuple[str | None, Act, int]]:
    """Return the faults by name: the method whose requests fail (None: all), what happens to them, and how often."""
    return {
        "HTTP 429": (None, http_error(429), 12),
        "HTTP 503": (None, http_error(503), 12),
        "connections dropped": (None, drop, 12),
        "answer to a transaction lost": ("eth_sendRawTransaction", lose_answer, 3),
        "transaction not heard": ("eth_sendRawTransaction", drop, 4),
        "rate limit in JSON-RPC": (None, refuse("rate limit exceeded", -32005), 8),
        "receipts withheld": ("eth_getTransactionReceipt", lambda call: call.answer(None), 20),
    }


@dataclass(frozen=True)
class Disturbance:
    """An obstacle that a run brings about.

    Attributes:
        begin: Brings it about.
        end: Ends it.
        check: The check of /readyz that fails meanwhile, of the first feed that is stopped.
        says: What the check says.
        feeds: The feeds that are stopped.
    """

    begin: Callable[[], object]
    end: Callable[[], object]
    check: str
    says: str
    feeds: Sequence[str]


def _obstacles(scene: Scene, feed: str) -> dict[str, Disturbance]:
    """Return the obstacles by name; a pause is one of this feed, the others are of all feeds."""
    chain, number = scene.chain, scene.deployment.committees["default"].number
    feed_id, payer = scene.deployment.feeds[feed].feed_id, scene.chain.accounts[PAYER].address
    balance = chain.rpc("eth_getBalance", payer, "latest")

    def rotate(account: int) -> None:
        scene.administer("proposeReporters", number, [chain.accounts[account].address], 1)
        scene.administer("activateReporters", number)

    def unpause() -> None:
        scene.administer("proposeUnpause", feed_id)
        scene.administer("unpause", feed_id)

    def answer_with(fault: Misbehaviour | None) -> None:
        scene.source.fault = fault

    next_report = f"next report of {feed}"
    return {
        "feed paused": Disturbance(lambda: scene.administer("pause", feed_id), unpause, next_report, "paused", [feed]),
        "reporter removed": Disturbance(lambda: rotate(2), lambda: rotate(1), next_report, "reporter", scene.feeds),
        "payer emptied": Disturbance(
            lambda: chain.rpc("anvil_setBalance", payer, "0x0"),
            lambda: chain.rpc("anvil_setBalance", payer, balance),
            next_report,
            "funds",
            scene.feeds,
        ),
        "source's document changed in shape": Disturbance(
            lambda: answer_with(another_shape), lambda: answer_with(None), f"reports of {feed}", "$.price", scene.feeds
        ),
    }


class Obstacles:
    """Brings obstacles about, one after the other, and watches whether /readyz tells them."""

    def __init__(self, scene: Scene, log: Log, chance: random.Random) -> None:
        self._scene = scene
        self._log = log
        self._chance = chance
        self._now: Disturbance | None = None
        self._ended: tuple[float, Disturbance, dict[str, int]] | None = None
        self._until = self._began = self._next_look = 0.0
        self._left: list[str] = []
        self.counts = Counter[str]()
        self.recovery = 0.0

    @property
    def is_there(self) -> bool:
        """True from an obstacle's begin until the daemon is well again."""
        return self._now is not None or self._ended is not None

    def begin(self) -> None:
        """Bring the next one about: all kinds in turn, in an order of their own."""
        found = _obstacles(self._scene, self._chance.choice(self._scene.feeds))
        if not self._left:
            self._left = self._chance.sample(sorted(found), len(found))
        name = self._left.pop()
        self._now, self._until, self._began = found[name], math.inf, time.monotonic()
        self._now.begin()
        self.counts[name] += 1

    def look(self, now: float) -> None:
        """Look whether the obstacle is told, and end it a while after; then, whether the daemon is well again."""
        if now < self._next_look:
            return
        self._next_look, there = now + LOOK_EACH_S, self._now
        if there is not None and self._until == math.inf:
            if there.says in self._unready().get(there.check, ""):
                self._until = now + OBSTACLE_S
            assert now - self._began < STALLED_S, f"/readyz does not say {there.says}:\n{self._scene.log()[-3_000:]}"
        elif there is not None and now >= self._until:
            there.end()
            self._now, self._ended = None, (time.monotonic(), there, dict(self._log.accepted))
        elif self._ended is not None:
            at, ended, before = self._ended
            goes_on = any(self._log.accepted[feed] > before.get(feed, 0) for feed in ended.feeds)
            if goes_on and ended.check not in self._unready():
                self.recovery, self._ended = max(self.recovery, now - at), None
            assert now - at < STALLED_S, f"not well again after {ended.check}:\n{self._scene.log()[-3_000:]}"

    def _unready(self) -> dict[str, str]:
        with contextlib.suppress(OSError):
            return self._scene.unready()
        return {}


def soak(
    rounds: int, feeds: int, seed: int, folder: Path, progress: Callable[[str], None], minutes: float = math.inf
) -> Figures:
    """Run until this many rounds are delivered, or this many minutes have passed.

    Raises:
        AssertionError: There is no progress, the daemon has ended, or a secret is in its log.
    """
    names = [f"feed-{index}" for index in range(1, feeds + 1)]
    for name in ("staged", "run"):
        (folder / name).mkdir()
    progress("deploying")
    batches = sorted({1, min(4, feeds), feeds})
    anvil = load_anvil_config(toolchain.project_root() / "anvil.toml")
    staged = stage(folder / "staged", anvil, names, batch_sizes=batches)
    chance = random.Random(seed)
    faults = Counter[str]()
    kills = 0
    with Scene(folder / "run", staged, tuple(names)) as scene:
        readings = Readings(names, seed, int(time.time()) - 2 * rounds // feeds - 60)
        scene.source.next = readings.current
        scene.feed_options |= {"poll_interval": 0.2}
        scene.configure(
            workers=max(1, psutil.cpu_count() or 1),
            tx_deadline_s=10,
            batch_sizes=batches,
            submitter=f"{{ anvil_account = {PAYER} }}",
        )
        log = Log(scene.folder / "log", readings.ended)
        obstacles = Obstacles(scene, log, chance)
        scene.start()
        began = progressed = time.monotonic()
        next_kill, next_fault = chance.expovariate(KILLS), chance.expovariate(FAULTS)
        next_obstacle, accepted_before = chance.expovariate(OBSTACLES), 0
        calm_at: float | None = None
        memory: list[tuple[int, float]] = []
        said, seen = 0.0, 0
        while True:
            done = log.ends["accepted"]
            share = max(done / rounds, (time.monotonic() - began) / 60 / minutes)
            if share >= 1:
                break
            time.sleep(0.02)
            log.look()
            now = time.monotonic()
            if log.ends["accepted"] != seen:
                seen, progressed = log.ends["accepted"], now
            assert now - progressed < STALLED_S, f"no round for {STALLED_S:g} s:\n{scene.log()[-3_000:]}"
            assert scene.daemon.poll() is None, f"the daemon has ended:\n{scene.log()[-3_000:]}"
            if share - said >= 0.05:
                said = share
                progress(
                    f"{done:,} rounds, {done / (now - began):.1f}/s, {kills} kills, {sum(faults.values())} faults, "
                    f"{obstacles.counts.total()} obstacles"
                )
            if obstacles.is_there:
                obstacles.look(now)  # and nothing else at the same time: it has to be told
            elif share < DISTURBED:
                # A daemon that is just starting ends if its key is no reporter: it has to be at work.
                if share >= next_obstacle and log.ends["accepted"] > accepted_before:
                    next_obstacle = share + chance.expovariate(OBSTACLES)
                    scene.proxy.clear()
                    obstacles.begin()
                elif share >= next_kill:
                    next_kill = share + chance.expovariate(KILLS)
                    time.sleep(chance.uniform(0, 0.3))
                    scene.kill()
                    log.look()
                    accepted_before = log.ends["accepted"]
                    kills += 1
                    scene.start()
                elif share >= next_fault:
                    next_fault = share + chance.expovariate(FAULTS)
                    known = _faults()
                    name = chance.choice(sorted(known))
                    method, act, times = known[name]
                    scene.proxy.clear()
                    scene.proxy.on(method, act, times)
                    faults[name] += 1
            else:
                if calm_at is None:
                    scene.proxy.clear()
                    calm_at = time.time() + 15
                memory.append((done, psutil.Process(scene.daemon.pid).memory_info().rss / 2**20))
        seconds = time.monotonic() - began
        scene.stop()
        scene.assert_nothing_secret()
        double = 0
        try:
            on_chain = scene.assert_exactly_once()
        except AssertionError as error:
            double = 1
            progress(str(error)[:2_000])
        with scene.journal() as journal:
            counts = journal.counts()
            entries = journal.rows()
        assert double or len(on_chain) == counts["accepted"] + counts["held"]
        latencies = sorted(entry.latency for entry in entries if entry.latency is not None)
        calm = (
            sorted(
                entry.latency
                for entry in entries
                if entry.latency is not None and calm_at is not None and entry.recorded_at > calm_at
            )
            or latencies
        )
        settled = memory[len(memory) // 5 :] or [(0, 0.0)]
        grown = settled[-1][1] - settled[0][1]
        return Figures(
            rounds=counts["accepted"],
            feeds=feeds,
            seed=seed,
            seconds=round(seconds, 1),
            rounds_per_s=round(counts["accepted"] / seconds, 2),
            ends={end: counts[end] for end in sorted(ENDS)},
            kills=kills,
            faults=dict(faults),
            obstacles=dict(obstacles.counts),
            recovery=round(obstacles.recovery, 1),
            lost=counts["open"],
            double=double,
            p50=_quantile(latencies, 0.5),
            p95=_quantile(latencies, 0.95),
            p99=_quantile(latencies, 0.99),
            worst=round(latencies[-1], 3),
            memory_first=round(settled[0][1], 1),
            memory_last=round(settled[-1][1], 1),
            growth_per_1000=round(1_000 * grown / max(1, settled[-1][0] - settled[0][0]), 2),
            undisturbed_p50=_quantile(calm, 0.5),
            undisturbed_p95=_quantile(calm, 0.95),
            undisturbed_p99=_quantile(calm, 0.99),
        )


def _quantile(ordered: Sequence[float], share: float) -> float:
    if len(ordered) < 2:
        return round(ordered[0], 3) if ordered else 0.0
    return round(statistics.quantiles(ordered, n=100, method="inclusive")[int(share * 100) - 1], 3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, write the figures, and print a table; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10_000, help="rounds to deliver (default: 10,000)")
    parser.add_argument("--feeds", type=int, default=8, help="feeds, 1 to 16 (default: 8)")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="end after this many minutes, however many rounds there were"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of kills, faults and readings (default: 1)")
    parser.add_argument("--out", type=Path, default=None, help="file for the figures (default: build/soak.json)")
    options = parser.parse_args(arguments)
    if options.rounds < 30 or not 1 <= options.feeds <= 16:
        parser.error("at least 30 rounds, and 1 to 16 feeds")
    out = options.out or toolchain.build_dir() / "soak.json"
    with tempfile.TemporaryDirectory(prefix="oracle-soak-") as folder:
        figures = soak(
            options.rounds,
            options.feeds,
            options.seed,
            Path(folder),
            lambda line: print(line, file=sys.stderr, flush=True),
            options.minutes,
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(asdict(figures), indent=2) + "\n", encoding="utf-8")
    print(figures.table())
    return 1 if figures.lost or figures.double else 0


if __name__ == "__main__":
    sys.exit(main())
