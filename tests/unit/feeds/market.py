"""A market of some feeds: everything that takes reports to a hub in memory, with a real journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oracle.chain.deploy import feed_id_of
from oracle.chain.hub import HubFeedConfig
from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.core.obstacles import Obstacle
from oracle.core.stages import Confirmed, Decided, Observed, OpenStage, Proven, Scored, Stage, Submitted, name_of
from oracle.core.types import Outcome
from oracle.feeds.desk import Desk
from oracle.feeds.interface import Permission, ReportListener, ReportStep, Signers
from oracle.feeds.journal import Journal
from oracle.feeds.outlook import ObstacleListener, Outlook, ReadOutlook
from oracle.feeds.provers import Provers
from oracle.feeds.reporting import Reporting
from oracle.feeds.shelf import Shelf
from oracle.feeds.signing import LocalSigners
from oracle.feeds.waiting import BatchPolicy
from tests.fakes import FakeHub, FakeKey, FakeSubmitter, feed_config

NORMAL, ANOMALOUS = 100_000_000, 900_000_000


class FakeModel:
    """A model that holds moves of more than 20 sigmas, and proves at once.

    Attributes:
        circuits: The seconds of a proof by the windows of its circuit.
        fails: The errors of the next proofs.
        before: Awaited before a proof.
        batches: The feeds of each proof that was made.
    """

    def __init__(self, features: Sequence[Feature] = encoding.window_features(14)) -> None:
        self.features = features
        self.circuits: Mapping[int, float] = {1: 1.0, 4: 1.1, 32: 2.0}
        self.fails: list[Exception] = []
        self.before: Callable[[Scored], Awaitable[None]] | None = None
        self.batches: list[tuple[str, ...]] = []

    @property
    def proofs(self) -> int:
        return len(self.batches)

    def scores(self, features: Sequence[int]) -> tuple[int, ...]:
        return (1 if abs(features[0]) > 20_000 else -1, 0)

    def seconds(self) -> Mapping[int, float]:
        return self.circuits

    async def prove(self, scored: Scored) -> Proven:
        if self.before is not None:
            await self.before(scored)
        if self.fails:
            raise self.fails.pop(0)
        self.batches.append(scored.feeds)
        return Proven(scored, b"\1" + len(self.batches).to_bytes(4), "artifact", 0.1)


@dataclass
class Heard(ReportListener):
    """A listener that records what it hears."""

    stages: list[str] = field(default_factory=list)
    ends: list[tuple[str, Outcome, str]] = field(default_factory=list)
    steps: list[ReportStep] = field(default_factory=list)
    scored: list[Scored] = field(default_factory=list)

    def decided(self, decided: Decided) -> None:
        self.stages.append(name_of(decided))

    def reached(self, stage: Scored | Proven | Submitted | Confirmed) -> None:
        self.stages.append(name_of(stage))
        if isinstance(stage, Scored):
            self.scored.append(stage)

    def ended(self, observed: Observed, outcome: Outcome, reason: str, confirmed: Confirmed | None) -> None:
        self.ends.append((observed.key, outcome, reason))

    def took(self, step: ReportStep, seconds: float) -> None:
        self.steps.append(step)


class FeedNotes:
    """Records how feeds are."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def well(self, feed: str) -> None:
        self.told.append((feed, "well"))

    def failed(self, feed: str, reason: str) -> None:
        self.told.append((feed, f"failed: {reason}"))

    def waits(self, feed: str, reason: str) -> None:
        self.told.append((feed, f"waits: {reason}"))

    def ended(self, feed: str, reason: str | None) -> None:
        self.told.append((feed, f"ended: {reason}"))


class Stands(ObstacleListener):
    """Obstacles that a test sets, and an outlook that reads them at each look.

    Attributes:
        there: What stands in the way.
        later: What is not read yet: then nothing is known; None: all is read.
    """

    def __init__(self) -> None:
        self.there: list[Obstacle] = []
        self.later: list[Obstacle] | None = None
        self.told: list[str] = []
        self.now = 0.0
        self.outlook = ReadOutlook(self.read, self, self.clock)

    def clock(self) -> float:
        self.now += 20.0
        return self.now

    async def read(self) -> Sequence[Obstacle]:
        return self.there if self.later is None else []

    def began(self, obstacles: Sequence[Obstacle]) -> None:
        self.told += [f"+{obstacle.kind}" for obstacle in obstacles]

    def ended(self, obstacles: Sequence[tuple[Obstacle, float]]) -> None:
        self.told += [f"-{obstacle.kind}" for obstacle, _ in obstacles]


class Market:
    """The feeds, and what takes their reports to the chain.

    Attributes:
        window_s: The batch window of the desk.
        provers: How many provers there are.
        signers: Sign instead of the keys, from the next `begin` on.
        permission: Says when it may report, from the next `begin` on.
        outlook: Knows what stands in the way of reports, from the next `begin` on.
        shelf: Keeps offered reports, from the next `begin` on.
    """

    signers: Signers | None = None
    permission: Permission | None = None
    outlook: Outlook | None = None
    shelf: Shelf | None = None

    def __init__(self, path: Path, *feeds: str, terms: Mapping[str, HubFeedConfig] | None = None) -> None:
        self.path = path
        self.feeds = feeds or ("a", "b", "c")
        configs = [(terms or {}).get(name) or feed_config(f"{name} / USD") for name in self.feeds]
        self.hub = FakeHub(*configs)
        self.ids = {name: feed_id_of(f"{name} / USD") for name in self.feeds}
        self.model = FakeModel()
        self.models = {1: self.model}
        self.submitter = FakeSubmitter(self.hub)
        self.keys = [FakeKey()]
        self.journal = Journal(path / "journal.db")
        self.heard, self.notes = Heard(), FeedNotes()
        self.window_s = 0.0
        self.provers = Provers(1)
        self.slack = float("inf")
        self.running: asyncio.Task[None] | None = None
        self.begin()

    def begin(self) -> None:
        """Put the parts together, as a daemon that starts does."""
        self.reporting = Reporting(
            self.hub,
            self.signers or LocalSigners(self.keys),
            self.models,
            self.submitter,
            self.journal,
            self.heard,
            shelf=self.shelf,
            permission=self.permission,
            outlook=self.outlook,
        )
        policy = BatchPolicy(self.window_s, lambda observed: self.slack)
        self.desk = Desk(
            self.reporting,
            self.journal,
            self.models,
            self.provers,
            policy,
            self.notes,
            self.heard,
            self.permission,
            self.outlook,
        )

    async def restart(self) -> None:
        """Restart after a crash: only the journal's file is left."""
        await self.stop()
        self.journal.close()
        self.journal = Journal(self.path / "journal.db")
        self.provers = Provers(1)
        self.begin()

    def decided(self, names: Collection[str] | None = None, at: int = 1_000, **answers: int) -> Decided:
        """Return that these feeds are due, with the answers of all others beside them."""
        mine = self.feeds if names is None else names
        due = [Observed(name, self.ids[name], answers.get(name, NORMAL), at) for name in mine]
        others = [(self.ids[name], answers.get(name, NORMAL)) for name in self.feeds if name not in mine]
        ordered = tuple(sorted(due, key=lambda each: each.feed_id))
        return Decided(1, ordered, tuple(sorted(others)))

    async def report(self, names: Collection[str] | None = None, at: int = 1_000, **answers: int) -> None:
        """Take a fresh report all the way, without a desk."""
        await self.reporting.report_now(self.decided(names, at, **answers))

    async def rival(self, *names: str, at: int = 900) -> None:
        """Let another daemon, which has the same key, report these feeds."""
        other = Reporting(self.hub, LocalSigners([FakeKey()]), {1: FakeModel()}, FakeSubmitter(self.hub), Forgetful())
        await other.report_now(self.decided(names, at, **dict.fromkeys(names, NORMAL + 1)))

    # --- with a desk ---

    def offer(
        self, names: Collection[str] | None = None, at: int = 1_000, next_look: float | None = None, **answers: int
    ) -> Decided:
        decided = self.decided(names, at, **answers)
        self.desk.offer([(1, decided)], next_look)
        return decided

    def start(self) -> None:
        self.running = asyncio.create_task(self.desk.run())

    async def until_idle(self) -> None:
        async with asyncio.timeout(60):
            await self.desk.until_idle(self.feeds)

    async def stop(self) -> None:
        await self.desk.stop(0.0)
        if self.running is not None:
            await self.running
            self.running = None

    # --- what came of it ---

    @property
    def open(self) -> list[OpenStage]:
        return self.journal.unfinished()

    @property
    def ends(self) -> dict[str, str]:
        """Return how each observation ended."""
        return {entry.key: entry.outcome.value if entry.outcome else "open" for entry in self.journal.rows()}

    @property
    def reasons(self) -> dict[str, str]:
        return {entry.key: entry.reason for entry in self.journal.rows() if entry.reason}

    @property
    def carried(self) -> list[str]:
        """Return the feeds of each transaction that was mined and did not revert."""
        names = {feed_id: name for name, feed_id in self.ids.items()}
        found = [events for events in self.submitter.mined.values() if isinstance(events, list)]
        return ["".join(sorted(names[event.feed_id] for event in events)) for events in found]

    def round_of(self, name: str) -> int:
        return self.hub.states[self.ids[name]].round_id


class Forgetful:
    """A journal that keeps nothing."""

    def record(self, *stages: Stage, superseded: Mapping[str, str] | None = None) -> None: ...
    def finish(self, keys: Collection[str], outcome: Outcome, reason: str) -> None: ...
    def unfinished(self) -> list[OpenStage]:
        return []

    def has(self, key: str) -> bool:
        return False


async def settled(turns: int = 20) -> None:
    """Let everything run that can."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0)
