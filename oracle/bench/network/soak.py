"""A long run of a network of four: one member with a fault, of another kind every few turns, and kills of the others.

All members are processes, with real proofs, ledgers and HTTP. At the end the chain's events, the members' journals and
their ledgers have to agree: nothing is lost, nothing is there twice, and no answer is outside what honest members
signed for that moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from oracle.app.local_network import FeedLayout, Layout, LocalNetwork, along
from oracle.app.local_network.ways import Way
from oracle.bench.memory import megabytes
from oracle.bench.network.rounds import reports_of
from oracle.chain.hub import RoundAccepted, RoundEvent
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import Fatal, OracleError
from oracle.core.types import Outcome
from oracle.feeds.journal import Entry
from oracle.feeds.journal.schema import network as tables

__all__ = ["Accounts", "Signed", "check", "soak"]

FEEDS = 8
"""Feeds of the network: a report has all of them."""

TURN_S = 3

FAULTY = 3
"""The number of the member with a fault. The others are honest, and are killed now and then."""

EACH_FAULT_TURNS = 6
"""Turns after which the faulty member's fault changes."""

KILLS = 24
"""Kills in a run, on the average."""

DISTURBED = 0.9
"""The share of the rounds during which there are faults and kills."""

STALLED_S = 300.0
_LOOK_S = 0.25
_SETTLE_S = 8 * TURN_S
_PRICE_STEP = 0.0004


@dataclass(frozen=True, slots=True)
class Signed:
    """One observation in an honest member's ledger.

    Attributes:
        feed_id: The feed.
        turn: The turn.
        observed_at: Its time, unix seconds.
        answer: The answer, in answer units.
    """

    feed_id: bytes
    turn: int
    observed_at: int
    answer: int


@dataclass(frozen=True, slots=True)
class Accounts:
    """The comparison of chain, journals and ledgers.

    Attributes:
        lost: Observations that honest members took on and that never ended, or that they call accepted and that the
            chain does not have.
        double: Rounds of a feed in a turn that has one already, and observations signed twice in a turn.
        outside: Rounds whose answer is not between two answers that honest members signed for its time.
    """

    lost: int
    double: int
    outside: int


def check(
    events: Iterable[RoundEvent],
    entries: Mapping[int, Sequence[Entry]],
    ledgers: Mapping[int, Sequence[Signed]],
    turn_s: int,
) -> Accounts:
    """Compare the chain's events with the journals and the ledgers of honest members.

    Args:
        events: All events of the hub.
        entries: The observations of each honest member.
        ledgers: What each honest member signed.
        turn_s: The length of a turn.
    """
    accepted = [each for each in events if isinstance(each, RoundAccepted)]
    there = {(each.feed_id, each.observed_at) for each in accepted}
    lost = sum(
        each.outcome is None or (each.outcome is Outcome.ACCEPTED and (each.feed_id, each.observed_at) not in there)
        for of in entries.values()
        for each in of
    )
    rounds = Counter((each.feed_id, each.observed_at // turn_s) for each in accepted)
    twice = sum(count - 1 for count in rounds.values())
    answers: dict[tuple[bytes, int], list[int]] = {}
    for of in ledgers.values():
        turns = Counter((each.feed_id, each.turn) for each in of)
        twice += sum(count - 1 for count in turns.values())
        for each in of:
            if each.answer != NO_ANSWER:
                answers.setdefault((each.feed_id, each.observed_at), []).append(each.answer)
    outside = 0
    for event in accepted:
        honest = answers.get((event.feed_id, event.observed_at), [])
        outside += not honest or not min(honest) <= event.answer <= max(honest)
    return Accounts(lost, twice, outside)


async def soak(rounds: int, seed: int, folder: Path, artifacts: Path, echo: Callable[[str], None]) -> dict[str, Any]:
    """Run until so many rounds are on the chain, and return the figures.

    Args:
        rounds: Rounds of all feeds together.
        seed: The seed of prices, faults and kills.
        folder: An empty folder.
        artifacts: The folder of circuits.
        echo: Takes lines for people.

    Raises:
        Fatal: There is no round for a long time.
    """
    layout = Layout(
        turn_s=TURN_S,
        feeds=tuple(FeedLayout(f"feed-{at}") for at in range(FEEDS)),
        poll_interval=0.5,
        prover=f'visibility = "public"\nbatch_sizes = [1, {FEEDS}]',
    )
    chance = random.Random(seed)
    async with LocalNetwork(layout, folder, artifacts, prices=_walk(seed), seed=seed) as network:
        await network.start_all(faulty=[FAULTY])
        run = _Run(network, rounds, chance, echo)
        seconds = await run.until_done()
        events = await network.rounds()
        entries: dict[int, list[Entry]] = {}
        ledgers: dict[int, list[Signed]] = {}
        evidence, of_killed = Counter[str](), Counter[str]()
        faulty = network.members[FAULTY].place.address.lower()
        for member in (each for each in network.members if each.place.index != FAULTY):
            with member.journal() as journal:
                entries[member.place.index] = journal.rows()
                with journal.store.transaction(read=True) as connection:
                    ledgers[member.place.index] = _signed(connection)
                    for kind, accused in connection.execute(
                        sa.select(tables.evidence.c.kind, tables.evidence.c.member)
                    ):
                        (evidence if accused.lower() == faulty else of_killed)[kind] += 1
    found = check(events, entries, ledgers, TURN_S)
    accepted = [each for each in events if isinstance(each, RoundAccepted)]
    every = reports_of(entries)
    return {
        "members": layout.members,
        "quorum": layout.quorum,
        "feeds": FEEDS,
        "turn_s": TURN_S,
        "seed": seed,
        "rounds": len(accepted),
        "held": len(events) - len(accepted),
        "reports": len({each.tx_hash for each in accepted}),
        "turns": round(seconds / TURN_S),
        "turns_with_report": len({each.observed_at // TURN_S for each in accepted}),
        "by_submitter": dict(Counter(each.submitter for each in accepted)),
        "seconds": round(seconds, 1),
        "kills": run.kills,
        "faults": dict(run.faults),
        "evidence": dict(evidence),
        "evidence_of_killed": dict(of_killed),
        "lost": found.lost,
        "double": found.double,
        "outside": found.outside,
        **every,
        "memory_first_mb": run.memory[0],
        "memory_last_mb": run.memory[1],
    }


class _Run:
    """The course of a run."""

    def __init__(self, network: LocalNetwork, rounds: int, chance: random.Random, echo: Callable[[str], None]) -> None:
        self.network = network
        self.rounds = rounds
        self.chance = chance
        self.echo = echo
        self.kills = 0
        self.faults = Counter[str]()
        self.memory = (math.nan, math.nan)
        self._feed_ids = [feed.feed_id for feed in network.deployment.feeds.values()]

    async def until_done(self) -> float:
        """Run, and return the seconds that it took until all rounds were there."""
        began = progressed = time.monotonic()
        seen, said, next_kill, next_fault = 0, 0.0, self._kill_after(0.0), 0
        is_calm = False
        while (done := await self._count()) < self.rounds:
            now, share = time.monotonic(), done / self.rounds
            if done != seen:
                seen, progressed = done, now
            if now - progressed > STALLED_S:
                logs = "\n".join(f"--- {each.name}\n{each.ended()}" for each in self.network.members)
                raise Fatal(f"no round for {STALLED_S:g} s:\n{logs}")
            if share - said >= 0.05:
                said = share
                self.echo(f"{done:,} rounds in {now - began:,.0f} s, {self.kills} kills, faults {dict(self.faults)}")
                self.memory = (self.memory[0], self._memory())
                if math.isnan(self.memory[0]):
                    self.memory = (self.memory[1], self.memory[1])
            if share < DISTURBED:
                if self.network.turn() >= next_fault:
                    next_fault = self.network.turn() + EACH_FAULT_TURNS
                    self._change_fault()
                if share >= next_kill:
                    next_kill = self._kill_after(share)
                    await self._kill()
            elif not is_calm:
                is_calm = True
                self.network.misbehave(FAULTY, {})
            await asyncio.sleep(_LOOK_S)
        took = time.monotonic() - began
        await asyncio.sleep(_SETTLE_S)  # what was begun may end
        for member in self.network.members:
            await self.network.stop(member.place.index)
        return took

    async def _count(self) -> int:
        states = await self.network.hub.feed_states(self._feed_ids)
        return sum(state.round_id for state in states)

    def _kill_after(self, share: float) -> float:
        return share + self.chance.expovariate(KILLS)

    def _change_fault(self) -> None:
        ways = [each for each in Way if not self.faults[each.value]] or list(Way)
        way = self.chance.choice(ways)
        self.faults[way.value] += 1
        self.network.misbehave(FAULTY, {}, way)

    async def _kill(self) -> None:
        honest = [each.place.index for each in self.network.members if each.place.index != FAULTY]
        index = self.chance.choice(honest)
        await asyncio.sleep(self.chance.uniform(0, TURN_S))
        await self.network.kill(index)
        self.kills += 1
        await asyncio.sleep(self.chance.uniform(0, 2 * TURN_S))
        await self.network.start(index)

    def _memory(self) -> float:
        found = []
        for member in self.network.members:
            with contextlib.suppress(psutil.Error, OracleError):
                found.append(psutil.Process(member.pid).memory_info().rss)
        return megabytes(round(statistics.fmean(found))) if found else math.nan


def _signed(connection: sa.Connection) -> list[Signed]:
    of = tables.signings.c
    rows = connection.execute(sa.select(of.feed_id, of.turn, of.observed_at, of.answer))
    return [Signed(bytes(row.feed_id), row.turn, row.observed_at, int(row.answer)) for row in rows]


def _walk(seed: int) -> Callable[[str, float], float]:
    """Return prices that move a little from second to second, each feed's in its own way."""
    begin = time.time()
    paths: dict[str, Callable[[float], float]] = {}

    def price(feed: str, now: float) -> float:
        if feed not in paths:
            chance, points, at = random.Random(f"{seed} {feed}"), [], 100.0
            for second in range(0, 7_200, 2):
                at *= math.exp(chance.gauss(0, _PRICE_STEP))
                points.append((begin + second, at))
            paths[feed] = along(points)
        return paths[feed](now)

    return price
