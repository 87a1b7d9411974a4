"""Tests of the daemon: committees that look, and reports that go their ways beside it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from oracle.chain.deploy import feed_id_of
from oracle.core.errors import (
    ArtifactError,
    ChainUnavailable,
    ContractRejected,
    DataError,
    JournalUnavailable,
    OracleError,
    SourceExhausted,
    SourceUnavailable,
)
from oracle.core.obstacles import Obstacle, ObstacleKind
from oracle.core.stages import Proven, Scored, Submitted
from oracle.core.types import FeedState, Kind
from oracle.feeds import daemon, looking
from oracle.feeds import desk as desk_module
from oracle.feeds.daemon import CommitteeFeeds
from oracle.feeds.looking import LookedAt, Looks, Rows
from oracle.feeds.observe import Sighting
from oracle.feeds.outlook import Outlook
from oracle.feeds.shelf import Shelf
from oracle.sources.aggregate import DuePolicy
from tests.fakes import feed_config
from tests.unit.feeds.market import NORMAL, Market, Stands, settled, until

MOVED = NORMAL * 11 // 10
POLICY = DuePolicy(Kind.RELATIVE, heartbeat=3_600, deviation=1_000)


class Floor:
    """A market whose feeds have sources that a test controls, and the daemon that runs them.

    Attributes:
        said: What each feed's sources say next: an answer and its time, or an error.
    """

    def __init__(self, market: Market, *, by_row: bool = False) -> None:
        self.market = market
        self.by_row = by_row
        self.said: dict[str, list[tuple[int, int] | OracleError]] = {name: [] for name in market.feeds}
        self.asked: dict[str, int] = dict.fromkeys(market.feeds, 0)
        self.fails: list[OracleError] = []
        self.policy = POLICY
        self.stop = asyncio.Event()

    def say(self, at: int, **answers: int) -> None:
        """Let all feeds have an answer of this time."""
        for name in self.said:
            self.said[name] = [(answers.get(name, NORMAL), at)]

    async def observe(self, name: str) -> Sighting:
        self.asked[name] += 1
        await asyncio.sleep(0)
        said = self.said[name].pop(0) if self.by_row or len(self.said[name]) > 1 else self.said[name][0]
        if isinstance(said, OracleError):
            raise said
        return Sighting(name, self.market.ids[name], *said)

    async def states(self, feed_ids: Sequence[bytes]) -> Sequence[FeedState]:
        if self.fails:
            raise self.fails.pop(0)
        return await self.market.hub.feed_states(feed_ids)

    def looked_at(self, name: str) -> LookedAt:
        async def observe() -> Sighting:
            return await self.observe(name)

        return LookedAt(name, observe, 0.0)

    async def run(self) -> None:
        feeds = [self.looked_at(name) for name in self.market.feeds]
        looks: Looks | Rows = Rows(feeds) if self.by_row else Looks(feeds, now=lambda: 10_000)
        outlook = self.market.outlook or Outlook()
        committee = CommitteeFeeds(
            self.market.ids, looks, lambda feed: self.policy, shelf=self.market.shelf, outlook=outlook
        )
        await daemon.run(
            [committee], self.market.desk, self.states, self.market.journal.has, self.stop, listener=self.market.notes
        )

    def told(self, feed: str) -> list[str]:
        return [what for of, what in self.market.notes.told if of == feed]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (desk_module, looking, daemon):
        monkeypatch.setattr(module, "BACKOFF_FIRST_S", 0.001)
    for module in (desk_module, daemon):
        monkeypatch.setattr(module, "LOOK_AGAIN_S", 0.001)


@asynccontextmanager
async def running(floor: Floor) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(floor.run())
    try:
        yield task
    finally:
        floor.stop.set()
        await asyncio.gather(task, return_exceptions=True)
        floor.market.journal.close()


@pytest.fixture
def floor(tmp_path: Path, quick: None) -> Floor:
    return Floor(Market(tmp_path))


def obstructed(path: Path, *feeds: str, by_row: bool = False) -> tuple[Floor, Stands]:
    """Return a floor whose reports depend on obstacles."""
    market, stands = Market(path, *feeds), Stands()
    market.outlook = stands.outlook
    market.begin()
    return Floor(market, by_row=by_row), stands


# --- looks and reports ---------------------------------------------------------------------------------------------


async def test_feeds_that_are_due_at_one_look_are_one_report_of_one_time(floor: Floor) -> None:
    floor.said = {"a": [(NORMAL, 998)], "b": [(NORMAL, 1_000)], "c": [(NORMAL, 999)]}
    async with running(floor):
        await until(lambda: len(floor.market.hub.events) == 3)
        assert floor.market.carried == ["abc"]
        assert set(floor.market.ends) == {"a@1000", "b@1000", "c@1000"}
        floor.said = {"a": [(MOVED, 1_100)], "b": [(NORMAL, 1_101)], "c": [(MOVED, 1_099)]}
        await until(lambda: len(floor.market.hub.events) == 5)
        assert floor.market.carried[1:] == ["ac"]
        assert len(floor.market.keys[0].reports) == 2


async def test_looks_go_on_while_a_report_is_under_way_and_feeds_without_one_end_their_turns(floor: Floor) -> None:
    go = asyncio.Event()

    async def hang(scored: Scored) -> None:
        await go.wait()

    floor.say(1_000)
    async with running(floor):
        await until(lambda: len(floor.market.hub.events) == 3)
        floor.market.model.before = hang
        floor.say(1_100, a=MOVED)
        await until(lambda: floor.market.desk.under_way("a") is not None)
        told, asked = len(floor.told("a")), floor.asked["a"]
        await until(lambda: floor.asked["a"] > asked + 3)
        assert len(floor.told("a")) == told, "a report that never ends would show"
        assert len(floor.told("b")) > told
        go.set()
        await until(lambda: floor.market.ends.get("a@1100") == "accepted")


async def test_a_feed_whose_peer_has_no_answer_is_left_out_and_shown(tmp_path: Path, quick: None) -> None:
    terms = {"a": feed_config("a / USD", peers=(feed_id_of("b / USD"),))}
    floor = Floor(Market(tmp_path, "a", "b", "c", terms=terms))
    floor.say(1_000)
    floor.said["b"] = [SourceUnavailable("down")]
    with capture_logs() as logs:
        async with running(floor):
            await until(lambda: floor.market.ends.get("c@1000") == "accepted")
            await until(lambda: any("no answer of its peer" in what for what in floor.told("a")))
            floor.say(1_001)
            await until(lambda: floor.market.ends.get("a@1001") == "accepted")
            await until(lambda: floor.told("a")[-1] == "well")
    left_out = [entry for entry in logs if entry["event"] == "left out of the report"]
    assert [entry["feed"] for entry in left_out] == ["a"], "said once, not at each look"


async def test_one_failing_source_costs_only_its_feed(floor: Floor) -> None:
    floor.say(1_000)
    floor.said["b"] = [SourceUnavailable("down"), SourceUnavailable("down"), (NORMAL, 1_001)]
    async with running(floor):
        await until(lambda: floor.market.ends.get("a@1000") == "accepted")
        await until(lambda: floor.market.ends.get("b@1001") == "accepted")
        assert floor.told("b")[0] == "failed: down"


# --- obstacles -----------------------------------------------------------------------------------------------------


async def test_a_paused_feed_is_not_reported_and_goes_on_at_the_first_look_after_its_pause(floor: Floor) -> None:
    floor.market.hub.pause(floor.market.ids["b"])
    floor.say(1_000)
    async with running(floor):
        await until(lambda: floor.asked["b"] > 5 and len(floor.market.ends) == 2)
        assert set(floor.told("b")) == {"waits: the feed is paused"}
        assert [sorted(batch) for batch in floor.market.model.batches] == [["a", "c"]]
        floor.market.hub.pause(floor.market.ids["b"], False)
        await until(lambda: floor.market.ends.get("b@1000") == "accepted")
        await until(lambda: floor.told("b")[-1] == "well")


async def test_while_an_obstacle_is_there_nothing_is_begun_signed_or_proven(tmp_path: Path, quick: None) -> None:
    floor, stands = obstructed(tmp_path)
    stands.there = [Obstacle(ObstacleKind.FUNDS, "", "the payer has 0 ether", "send it ether")]
    floor.say(1_000)
    async with running(floor):
        await until(lambda: floor.asked["a"] > 20)
        market = floor.market
        assert market.ends == {} and market.model.proofs == 0 and market.keys[0].reports == []
        assert set(floor.told("a")) == {"waits: the payer has 0 ether; send it ether"}
        assert stands.told == ["+funds"]
        stands.there = []
        await until(lambda: len(market.hub.events) == 3)
        assert stands.told == ["+funds", "-funds"]
        await until(lambda: floor.told("a")[-1] == "well")


async def test_an_empty_payer_stops_no_report_that_whoever_wants_it_brings(tmp_path: Path, quick: None) -> None:
    floor, stands = obstructed(tmp_path, "a")
    market = floor.market

    async def pack(proven: Proven) -> bytes:
        return (await market.submitter.sign(proven)).raw_transaction[4:]

    market.shelf = Shelf(market.journal, pack)
    market.begin()
    floor.policy = replace(POLICY, pull_interval=60)
    floor.say(1_000)
    async with running(floor):
        await until(lambda: market.ends.get("a@1000") == "accepted")
        stands.there = [Obstacle(ObstacleKind.FUNDS, "", "the payer has 0 ether", "send it ether")]
        floor.say(1_060)
        await until(lambda: market.ends.get("a@1060") == "offered")
        floor.say(4_600)
        await until(lambda: floor.told("a")[-1].startswith("waits: the payer"))
        assert "a@4600" not in market.ends, "the heartbeat has to be sent"
        stands.there = []
        await until(lambda: market.ends.get("a@4600") == "accepted")


async def test_an_obstacle_of_one_feed_costs_the_others_nothing(tmp_path: Path, quick: None) -> None:
    floor, stands = obstructed(tmp_path)
    stands.there = [Obstacle(ObstacleKind.MODEL, "b", "its model has no artifact here", "bring it")]
    floor.say(1_000)
    async with running(floor):
        await until(lambda: len(floor.market.hub.events) == 2)
        assert floor.market.carried == ["ac"]
        stands.there = []
        await until(lambda: floor.market.ends.get("b@1000") == "accepted")


async def test_an_obstacle_that_begins_during_a_report_fails_it_once_and_no_more(tmp_path: Path, quick: None) -> None:
    floor, stands = obstructed(tmp_path)
    market, name = floor.market, "QuorumNotMet"
    gone = Obstacle(ObstacleKind.REPORTER, "", "the key is not in the committee", "propose it")

    def refuse(at: str) -> None:
        if stands.there:
            raise ContractRejected(f"{name}: not enough", name, market.ids["a"])

    market.submitter.before = refuse
    floor.say(1_000)
    async with running(floor):
        await until(lambda: len(market.hub.events) == 3)
        stands.later = [gone]  # nobody has read it yet
        stands.there = [gone]
        floor.say(1_100, a=MOVED)
        await until(lambda: market.ends.get("a@1100") == "failed")
        stands.later = None
        floor.say(1_200, a=MOVED)
        asked = floor.asked["a"]
        await until(lambda: floor.asked["a"] > asked + 20)
        assert "a@1200" not in market.ends and stands.told == ["+reporter"]
        stands.there = []
        await until(lambda: market.ends.get("a@1200") == "accepted")


async def test_a_feed_whose_reports_fail_rests_longer_after_each(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "BACKOFF_FIRST_S", 0.02)
    floor, times = Floor(Market(tmp_path, "a")), list[float]()

    def refuse(at: str) -> None:
        if at == "sign":
            times.append(asyncio.get_running_loop().time())
            floor.say(1_000 + len(times))
            if len(times) < 5:
                raise ContractRejected("VerifierChanged: other code", "VerifierChanged")

    floor.market.submitter.before = refuse
    floor.say(1_000)
    async with running(floor):
        await until(lambda: len(floor.market.hub.events) == 1)
        pauses = [after - before for before, after in itertools.pairwise(times)]
        assert all(pause >= 0.02 * 2**index for index, pause in enumerate(pauses)), pauses
        asked = floor.asked["a"]
        await until(lambda: floor.asked["a"] > asked + 3)
        assert not floor.market.desk.rests("a"), "one that is accepted ends its rest"


async def test_a_relative_feed_does_not_begin_with_an_answer_that_is_not_above_zero(floor: Floor) -> None:
    floor.say(1_000, b=0)
    with capture_logs() as logs:
        async with running(floor):
            await until(lambda: len(floor.market.hub.events) == 2)
            asked = floor.asked["b"]
            await until(lambda: floor.asked["b"] > asked + 5)
            assert "b@1000" not in floor.market.ends and "above 0" in floor.told("b")[-1]
            floor.say(1_001)
            await until(lambda: floor.market.ends.get("b@1001") == "accepted")
    assert [entry["feed"] for entry in logs if entry["event"] == "left out of the report"] == ["b"], "said once"


async def test_why_a_feed_has_no_answer_is_said_once_though_its_figures_change(floor: Floor) -> None:
    floor.say(1_000)
    failures = (SourceUnavailable(f"the sources say 0.000000{index}") for index in range(1, 9))
    floor.said["b"] = [*failures, (NORMAL, 1_001)]
    with capture_logs() as logs:
        async with running(floor):
            await until(lambda: floor.market.ends.get("b@1001") == "accepted")
    said = [entry["log_level"] for entry in logs if entry["event"] == "will try again"]
    assert said == ["warning"] + ["debug"] * 7
    assert [entry["feed"] for entry in logs if entry["event"] == "has an answer again"] == ["b"]


# --- what is said --------------------------------------------------------------------------------------------------


async def test_readings_older_than_the_last_report_are_warned_about_once(floor: Floor) -> None:
    floor.say(1_000)
    with capture_logs() as logs:
        async with running(floor):
            await until(lambda: len(floor.market.hub.events) == 3)
            floor.say(900)
            asked = floor.asked["a"]
            await until(lambda: floor.asked["a"] > asked + 5)
    behind = [entry for entry in logs if entry["event"] == "reading is older than the feed's last report"]
    assert sorted(entry["feed"] for entry in behind) == ["a", "b", "c"]
    assert behind[0]["seconds"] == 100


async def test_a_report_that_failed_for_a_wrong_clock_stops_no_later_one(floor: Floor) -> None:
    """The failed one was observed in the future, so all that follow are older than it."""
    sign = floor.market.submitter.sign

    async def signing(proven: Proven) -> Submitted:
        if proven.decided.observed_at > 5_000:
            raise ContractRejected("ObservationInFuture: check the clocks", "ObservationInFuture")
        return await sign(proven)

    floor.market.submitter.sign = signing  # type: ignore[method-assign]
    floor.say(9_000)
    async with running(floor):
        await until(lambda: set(floor.market.ends.values()) == {"failed"} and len(floor.market.ends) == 3)
        floor.say(1_000)
        await until(lambda: len(floor.market.hub.events) == 3)


async def test_a_chain_that_does_not_answer_is_asked_again_and_nothing_is_lost(floor: Floor) -> None:
    floor.fails = [ChainUnavailable("down")] * 4
    floor.say(1_000)
    async with running(floor):
        await until(lambda: len(floor.market.hub.events) == 3)
    assert "failed: down" in floor.told("a")


async def test_what_can_not_be_journalled_is_not_reported_and_is_due_again(floor: Floor) -> None:
    record, failures = floor.market.journal.record, [JournalUnavailable("locked")]

    def recording(*stages: object, superseded: Mapping[str, str] | None = None) -> None:
        if failures:
            raise failures.pop()
        record(*stages, superseded=superseded or {})  # type: ignore[arg-type]

    floor.market.journal.record = recording  # type: ignore[method-assign]
    floor.say(1_000)
    async with running(floor):
        await until(lambda: len(floor.market.hub.events) == 3)


# --- recordings ----------------------------------------------------------------------------------------------------


async def test_a_recording_is_reported_row_by_row_to_its_end(tmp_path: Path, quick: None) -> None:
    floor = Floor(Market(tmp_path, "a", "b"), by_row=True)
    rows = [(NORMAL, 1_000), (NORMAL * 11 // 10, 1_010), (NORMAL, 1_020)]
    floor.said = {"a": [*rows, SourceExhausted("over")], "b": [*rows[:2], (NORMAL, 1_025), SourceExhausted("over")]}
    floor.fails = [ChainUnavailable("down")]
    async with running(floor) as task:
        await asyncio.wait_for(task, 60)
        keys = ["a@1000", "b@1000", "a@1010", "b@1010", "a@1020", "b@1025"]
        assert floor.market.ends == dict.fromkeys(keys, "accepted"), "no row is lost, even while the chain is down"
        assert floor.market.carried == ["ab", "ab", "a", "b"]
        assert [floor.told(feed)[-1] for feed in "ab"] == ["ended: None"] * 2


async def test_no_row_is_lost_while_something_stands_in_the_way(tmp_path: Path, quick: None) -> None:
    floor, stands = obstructed(tmp_path, "a", "b", by_row=True)
    stands.there = [Obstacle(ObstacleKind.FUNDS, "", "empty", "")]
    floor.said = {name: [(NORMAL, 1_000), (MOVED, 1_010), SourceExhausted("over")] for name in "ab"}
    async with running(floor) as task:
        await until(lambda: len(floor.told("a")) > 5)
        assert floor.market.ends == {} and floor.asked == {"a": 1, "b": 1}
        stands.there = []
        await asyncio.wait_for(task, 60)
        assert sorted(floor.market.ends) == ["a@1000", "a@1010", "b@1000", "b@1010"]


async def test_rows_that_the_journal_has_are_not_reported_again(tmp_path: Path, quick: None) -> None:
    market = Market(tmp_path, "a", "b")
    await market.report(at=1_000)
    floor = Floor(market, by_row=True)
    floor.said = {name: [(NORMAL, 1_000), (NORMAL * 11 // 10, 1_010), SourceExhausted("over")] for name in market.feeds}
    async with running(floor) as task:
        await asyncio.wait_for(task, 60)
        assert len(floor.market.hub.events) == 4


# --- ends ----------------------------------------------------------------------------------------------------------


async def test_a_fatal_error_of_a_source_ends_its_feed_and_the_others_go_on(floor: Floor) -> None:
    floor.say(1_000)
    floor.said["b"] = [DataError("not a number")]
    async with running(floor) as task:
        await until(lambda: floor.market.ends.get("a@1000") == "accepted")
        assert floor.told("b") == ["ended: not a number"] and not task.done()


async def test_when_all_feeds_have_ended_the_first_error_ends_the_daemon(floor: Floor) -> None:
    async def fail(scored: Scored) -> None:
        raise ArtifactError("the key is gone")

    floor.market.model.before = fail
    floor.say(1_000)
    async with running(floor) as task:
        with pytest.raises(ArtifactError, match="the key is gone"):
            await asyncio.wait_for(task, 60)
        assert len(floor.market.open) == 3


async def test_a_stop_leaves_what_waits_in_the_journal_and_a_restart_goes_on(floor: Floor) -> None:
    go = asyncio.Event()

    async def hang(scored: Scored) -> None:
        await go.wait()

    floor.market.model.before = hang
    floor.say(1_000)
    task = asyncio.create_task(floor.run())
    await until(lambda: floor.market.desk.under_way("a") is not None)
    floor.say(1_010, a=MOVED)
    await until(lambda: floor.market.desk.waiting("a") is not None)
    floor.stop.set()
    await settled()
    go.set()
    await asyncio.wait_for(task, 60)
    assert floor.market.ends["a@1000"] == "accepted" and floor.market.ends["a@1010"] == "open"
    await floor.market.restart()
    floor.stop = asyncio.Event()
    async with running(floor):
        await until(lambda: floor.market.ends["a@1010"] == "accepted")
