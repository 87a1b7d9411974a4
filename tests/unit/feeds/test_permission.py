"""Tests of reports that are permitted at times: in a network each member reports in its turn, and at no other time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from oracle.chain.deploy import feed_id_of
from oracle.core.errors import ChainUnavailable, SignerUnavailable, SourceUnavailable
from oracle.core.report import Report, SignedReport
from oracle.core.stages import Decided, Submitted
from oracle.feeds import daemon
from oracle.feeds import desk as desk_module
from oracle.feeds.daemon import CommitteeFeeds
from oracle.feeds.interface import Permission, ReportStep, SigningCommittee
from oracle.feeds.looking import LookedAt, Looks
from oracle.feeds.observe import Sighting
from tests.fakes import feed_config
from tests.unit.feeds.market import FeedNotes, Market, until
from tests.unit.feeds.test_daemon import MOVED, POLICY, Floor, running

TURN = 100
"""Seconds of a turn in these tests: 1,000 to 1,099 is one, 1,100 to 1,199 the next."""


@dataclass
class Turnwise(Permission):
    """Permits reports of turns that a test names, up to a step."""

    mine: set[int] = field(default_factory=lambda: {10})
    last: ReportStep | None = None
    seconds: float = float("inf")
    asked: list[ReportStep] = field(default_factory=list)

    def may_decide(self, committee: int, observed_at: int) -> bool:
        return observed_at // TURN in self.mine

    def is_spent(self, committee: int, before: int, now: int) -> bool:
        return before // TURN == now // TURN

    def refusal(self, decided: Decided, step: ReportStep) -> str | None:
        self.asked.append(step)
        if decided.observed_at // TURN in self.mine and step is not self.last:
            return None
        return f"no {step.value} in turn {decided.observed_at // TURN}"

    def left(self, decided: Decided) -> float:
        return self.seconds


def with_permission(market: Market, permission: Permission) -> Market:
    market.permission = permission
    market.begin()
    return market


@pytest.fixture
def turnwise() -> Turnwise:
    return Turnwise()


@pytest.fixture
def market(tmp_path: Path, turnwise: Turnwise) -> Market:
    return with_permission(Market(tmp_path), turnwise)


# --- a report on its way ---


async def test_a_report_asks_before_each_step_that_others_see(market: Market, turnwise: Turnwise) -> None:
    await market.report(at=1_000)
    assert turnwise.asked == [ReportStep.SIGN, ReportStep.PROVE, ReportStep.SIMULATE]
    assert set(market.ends.values()) == {"accepted"}


@pytest.mark.parametrize(
    ("step", "stages"),
    [
        (ReportStep.SIGN, ["observed"]),
        (ReportStep.PROVE, ["observed", "scored"]),
        (ReportStep.SIMULATE, ["observed", "scored", "proven"]),
    ],
)
async def test_what_may_not_go_on_ends_superseded_and_says_why(
    market: Market, turnwise: Turnwise, step: ReportStep, stages: list[str]
) -> None:
    turnwise.last = step
    await market.report(at=1_000)
    assert market.heard.stages == stages
    assert set(market.ends.values()) == {"superseded"}
    assert set(market.reasons.values()) == {f"no {step.value} in turn 10"}
    assert market.hub.events == [] and market.open == []
    assert market.model.proofs == (1 if step is ReportStep.SIMULATE else 0)
    assert len(market.keys[0].reports) == (0 if step is ReportStep.SIGN else 1)


@pytest.mark.parametrize("stage", ["decided", "scored", "proven"])
async def test_after_a_crash_nothing_of_an_ended_turn_is_signed_proven_or_sent(
    market: Market, turnwise: Turnwise, stage: str
) -> None:
    decided = market.decided(at=1_000)
    market.reporting.decide([decided])
    if stage != "decided":
        if stage == "scored":
            market.model.fails.append(ChainUnavailable("the power is gone"))
        else:
            market.submitter.before = failing_at("sign")
        with pytest.raises(ChainUnavailable):
            await market.reporting.report(decided)
    await market.restart()
    [open_stage] = market.open
    assert type(open_stage).__name__.lower() == stage
    turnwise.mine = {11}
    signed, proofs = len(market.keys[0].reports), market.model.proofs
    market.desk.resume(market.feeds)
    market.start()
    await market.until_idle()
    await market.stop()
    assert set(market.ends.values()) == {"superseded"} and market.hub.events == []
    assert (len(market.keys[0].reports), market.model.proofs) == (signed, proofs)


def failing_at(step: str) -> Callable[[str], None]:
    """Return what makes a sender fail once, at a step."""
    left = [step]

    def fail(at: str) -> None:
        if at in left:
            left.remove(at)
            raise ChainUnavailable("the power is gone")

    return fail


async def test_after_a_crash_a_transaction_that_was_signed_is_followed_and_no_other_is_sent(
    market: Market, turnwise: Turnwise
) -> None:
    decided = market.decided(at=1_000)
    market.reporting.decide([decided])
    market.submitter.before = failing_at("confirm")
    with pytest.raises(ChainUnavailable):
        await market.reporting.report(decided)
    await market.restart()
    [open_stage] = market.open
    assert isinstance(open_stage, Submitted)
    turnwise.mine = {11}
    market.desk.resume(market.feeds)
    market.start()
    await market.until_idle()
    await market.stop()
    assert set(market.ends.values()) == {"accepted"}
    assert market.submitter.nonce == 1, "no other was signed"


async def test_a_report_that_another_brought_meanwhile_ends_as_the_chain_has_it(
    market: Market, turnwise: Turnwise
) -> None:
    """Not as superseded by the end of its turn: the chain is looked at first."""
    decided = market.decided(["a"], at=1_000)
    market.reporting.decide([decided])
    await market.rival("a", at=1_000)
    turnwise.mine = set()
    await market.reporting.report(decided)
    assert market.ends == {"a@1000": "superseded"} and "not before this one" in market.reasons["a@1000"]


async def test_a_report_that_fails_is_not_waited_for_beyond_its_turn(
    market: Market, turnwise: Turnwise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "BACKOFF_FIRST_S", 60.0)
    turnwise.seconds = 0.01
    market.signers = Refusing(market)
    market.begin()
    market.start()
    market.offer(["a"], at=1_000)
    await until(lambda: bool(market.notes.told))
    assert market.notes.told == [("a", "failed: too few")]
    turnwise.mine = {11}
    await market.until_idle()
    await market.stop()
    assert market.ends == {"a@1000": "superseded"}


class Refusing:
    """Reporters of whom too few answer."""

    def __init__(self, market: Market) -> None:
        self.market = market

    async def collect(self, report: Report, answers: Mapping[bytes, int], committee: SigningCommittee) -> SignedReport:
        raise SignerUnavailable("too few")


# --- deciding ---


class TurnwiseFloor(Floor):
    """A floor whose committee may report in turns, with looks that are as late as their readings."""

    def __init__(self, market: Market, permission: Turnwise) -> None:
        super().__init__(with_permission(market, permission))
        self.permission = permission

    async def run(self) -> None:
        looks = Looks([self.looked_at(name) for name in self.market.feeds], now=lambda: 10_000)
        committee = CommitteeFeeds(self.market.ids, looks, lambda feed: POLICY, number=1, permission=self.permission)
        await daemon.run(
            [committee], self.market.desk, self.states, self.market.journal.has, self.stop, listener=self.market.notes
        )

    async def looks(self, count: int = 3) -> None:
        """Wait for so many further looks."""
        asked = self.asked["a"] + count
        await until(lambda: self.asked["a"] >= asked)


@pytest.fixture
def floor(tmp_path: Path, turnwise: Turnwise) -> TurnwiseFloor:
    return TurnwiseFloor(Market(tmp_path), turnwise)


async def test_nothing_is_decided_out_of_turn_but_sources_are_looked_at(floor: TurnwiseFloor) -> None:
    floor.say(1_150)
    async with running(floor):
        await floor.looks()
        assert floor.market.ends == {} and floor.told("a")[-1] == "well"
        floor.permission.mine = {11}
        await until(lambda: len(floor.market.hub.events) == 3)
        assert floor.market.carried == ["abc"]


async def test_a_feed_is_reported_once_in_a_turn_however_it_moves(floor: TurnwiseFloor) -> None:
    floor.permission.mine = {10, 11}
    floor.say(1_000)
    async with running(floor):
        await until(lambda: len(floor.market.hub.events) == 3)
        floor.say(1_050, a=MOVED)
        await floor.looks()
        assert len(floor.market.hub.events) == 3, "its reporters sign nothing else of it in this turn"
        floor.say(1_100, a=MOVED)
        await until(lambda: len(floor.market.hub.events) == 4)
        assert "a@1100" in floor.market.ends and "a@1050" not in floor.market.ends


async def test_a_feed_that_was_signed_as_a_peer_waits_for_the_next_turn(tmp_path: Path, turnwise: Turnwise) -> None:
    terms = {"a": feed_config("a / USD", peers=(feed_id_of("b / USD"),))}
    floor = TurnwiseFloor(Market(tmp_path, "a", "b", "c", terms=terms), turnwise)
    turnwise.mine = {9, 10, 11}
    floor.say(900)
    async with running(floor):
        await until(lambda: len(floor.market.hub.events) == 3)
        floor.say(1_000, a=MOVED)
        await until(lambda: floor.market.ends.get("a@1000") == "accepted")
        floor.say(1_010, a=MOVED, b=MOVED, c=MOVED)
        await until(lambda: floor.market.ends.get("c@1010") == "accepted")
        assert "b@1010" not in floor.market.ends, "b was signed at 1,000, as a's peer"
        floor.say(1_100, a=MOVED, b=MOVED, c=MOVED)
        await until(lambda: floor.market.ends.get("b@1100") == "accepted")


async def test_after_a_restart_a_feed_that_has_a_round_of_this_turn_is_not_decided_again(
    tmp_path: Path, turnwise: Turnwise
) -> None:
    market = Market(tmp_path)
    await market.rival("a", at=1_010)
    floor = TurnwiseFloor(market, turnwise)
    floor.say(1_050, a=MOVED)
    async with running(floor):
        await until(lambda: floor.market.ends.get("c@1050") == "accepted")
        await floor.looks()
        assert "a@1050" not in floor.market.ends


# --- looks by the clock ---


def source(name: str, said: Callable[[], tuple[int, int]], interval: float = 0.0, max_age: float = 60.0) -> LookedAt:
    async def observe() -> Sighting:
        return Sighting(name, name.encode().ljust(32, b"\0"), *said())

    return LookedAt(name, observe, interval, max_age)


async def test_in_a_network_the_time_of_a_look_is_the_clock_s_and_old_readings_are_none() -> None:
    looks = Looks(
        [source("a", lambda: (1, 990)), source("b", lambda: (2, 1_003)), source("c", lambda: (3, 939))],
        now=lambda: 1_000.9,
        by_clock=True,
    )
    found = await looks.next()
    assert found is not None and found.look is not None
    assert found.look.observed_at == 1_000 and found.look.fresh == {"a", "b"}
    assert "61 s old" in str(found.failed["c"])


async def test_all_feeds_are_looked_at_when_a_turn_begins_whatever_their_intervals() -> None:
    asked: list[str] = []

    def says(name: str) -> Callable[[], tuple[int, int]]:
        def said() -> tuple[int, int]:
            asked.append(name)
            return 1, 1_000

        return said

    left = [30.0, 0.01, 0.005, 30.0]
    looks = Looks(
        [source(name, says(name), interval=3_600) for name in "ab"],
        now=lambda: 1_000,
        by_clock=True,
        until_all=lambda: left.pop(0),
    )
    await looks.next()
    assert asked == ["a", "b"]
    async with asyncio.timeout(60):
        await looks.next()
        assert asked == ["a", "b"] * 2


# --- a node that only looks ---


async def test_a_node_that_reports_nothing_looks_until_it_is_stopped_and_shows_what_fails() -> None:
    notes, stop, looked = FeedNotes(), asyncio.Event(), asyncio.Event()

    async def good() -> Sighting:
        if notes.told:
            looked.set()
        return Sighting("a", b"a" * 32, 1, 1_000)

    async def bad() -> Sighting:
        raise SourceUnavailable("down")

    feeds = [LookedAt("a", good, 0.0), LookedAt("b", bad, 0.0)]
    committee = CommitteeFeeds({"a": b"a" * 32, "b": b"b" * 32}, Looks(feeds, now=lambda: 1_000), lambda feed: POLICY)
    running = asyncio.create_task(daemon.observe([committee], stop, listener=notes))
    async with asyncio.timeout(60):
        await looked.wait()
        stop.set()
        await running
    assert ("a", "well") in notes.told and ("b", "failed: down") in notes.told
