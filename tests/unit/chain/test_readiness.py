"""Tests of reading a node's readiness: few calls, whatever the number of feeds, and nothing is raised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from oracle.chain.deploy.terms import PLAIN
from oracle.chain.hub import Committee, HubFeedConfig, HubModel, Proposals
from oracle.chain.obstacles import NodeFacts, ReportedFeed
from oracle.chain.readiness import ReadinessReader
from oracle.chain.transport.answers import Block, Market
from oracle.core import gate
from oracle.core.errors import AnswerNotBelieved, ChainUnavailable, ContractRejected, DeploymentError, OracleError
from oracle.core.obstacles import ObstacleKind
from oracle.core.types import FeedState, Kind

NOW, KEY, PAYER, ADAPTER = 1_800_000_000, "0x" + "11" * 20, "0x" + "44" * 20, "0x" + "55" * 20
IDS = [bytes([index]) * 32 for index in range(1, 41)]


class FakeHub:
    """A hub with some feeds, and the chain below it. It counts what it is asked."""

    address = "0x" + "99" * 20

    def __init__(self) -> None:
        self.rpc = self
        self.asked: Counter[str] = Counter()
        self.failure: OracleError | None = None
        self.unknown: set[bytes] = set()
        self.paused = False
        self.pending: Block | OracleError = Block(8, NOW, 1, 1)

    def _count(self, what: str) -> None:
        self.asked[what] += 1
        if self.failure is not None:
            raise self.failure

    async def block(self, which: str = "latest") -> Block:
        self._count("block")
        if which == "latest":
            return Block(7, NOW - 600, 1, 1)
        if isinstance(self.pending, OracleError):
            raise self.pending
        return self.pending

    async def market(self) -> Market:
        self._count("market")
        return Market(1, 1)

    async def balance(self, address: str) -> int:
        self._count("balance")
        return 10**18

    async def code(self, address: str) -> bytes:
        self._count("code")
        return b"code"

    async def feed_states(self, feed_ids: Sequence[bytes]) -> list[FeedState]:
        self._count("feed_states")
        if self.unknown.intersection(feed_ids):
            raise ContractRejected("the hub has no such feed", "UnknownFeed")
        return [self._state(each) for each in feed_ids]

    async def feed_state(self, feed_id: bytes) -> FeedState:
        return self._state(feed_id)

    def _state(self, feed_id: bytes) -> FeedState:
        return replace(gate.empty_feed(feed_id, Kind.RELATIVE, 1_000, 60, 1), paused=self.paused)

    async def feed_config(self, feed_id: bytes) -> HubFeedConfig:
        if feed_id in self.unknown:
            raise ContractRejected("the hub has no such feed", "UnknownFeed")
        return HubFeedConfig("F", Kind.RELATIVE, 8, 2, 0, 60, 300, 20, 60, 3_000, 0, 1_000, 1)

    async def committee(self, number: int) -> Committee:
        self._count("committee")
        return Committee(number, (KEY,), 1, 1)

    async def aggregator(self, feed_id: bytes) -> str:
        self._count("aggregator")
        return ADAPTER

    async def proposals(self, feed_id: bytes) -> Proposals:
        self._count("proposals")
        return Proposals(None, None, NOW + 60, None, None)

    async def model(self, number: int) -> HubModel:
        self._count("model")
        return HubModel(0, 1, b"a", 1)


NODE = NodeFacts(
    [ReportedFeed(f"f{index}", each, "default", adapters={PLAIN: ADAPTER}) for index, each in enumerate(IDS)],
    reporter=KEY,
    unprovable=lambda number: "",
    payer=PAYER,
    artifacts={1: b"a"},
)


def reader(hub: Any) -> ReadinessReader:
    return ReadinessReader(hub, lambda: NOW)


async def test_few_calls_are_made_and_what_never_changes_is_read_once() -> None:
    hub = FakeHub()
    reads = reader(hub)
    assert (await reads.read(NODE)).obstacles == ()
    assert hub.asked["aggregator"] == len(IDS) and (hub.asked["model"], hub.asked["code"]) == (1, 1)
    hub.asked.clear()
    assert (await reads.read(NODE)).obstacles == ()
    assert hub.asked == {"block": 2, "market": 1, "balance": 1, "feed_states": 1, "committee": 1}


async def test_who_pays_nothing_is_asked_for_no_price() -> None:
    hub = FakeHub()
    read = await reader(hub).read(replace(NODE, payer=None, unprovable=None))
    assert read.obstacles == () and read.reports_left is None
    assert not hub.asked.keys() & {"market", "balance"}


async def test_one_feed_that_the_hub_does_not_have_hides_no_other() -> None:
    hub = FakeHub()
    hub.unknown, hub.paused = {IDS[0]}, True
    found = (await reader(hub).read(replace(NODE, feeds=NODE.feeds[:2]))).obstacles
    assert [(each.kind, each.feed) for each in found] == [
        (ObstacleKind.DEPLOYMENT, "f0"), (ObstacleKind.PAUSED, "f1")
    ]  # fmt: skip
    assert "it can go on in 60 s" in found[1].remedy


@pytest.mark.parametrize("pending", [ChainUnavailable("block: no number"), Block(8, 0, 1, 1)])
async def test_without_a_pending_block_the_latest_one_s_time_counts(pending: Block | OracleError) -> None:
    """Some nodes have none, some one without a number or with the time 0. The chain's own clock is then a block old."""
    hub = FakeHub()
    hub.pending = pending
    found = (await reader(hub).read(replace(NODE, feeds=NODE.feeds[:1]))).obstacles
    assert [each.kind for each in found] == [ObstacleKind.CLOCK] and "600 s ahead of the chain's" in found[0].detail


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ChainUnavailable("no answer"), ObstacleKind.CHAIN, 75),
        (AnswerNotBelieved("it lies"), ObstacleKind.CHAIN, 75),
        (DeploymentError("there is no contract"), ObstacleKind.DEPLOYMENT, 1),
    ],
)
async def test_a_chain_that_can_not_be_read_is_an_obstacle(error: OracleError, kind: ObstacleKind, code: int) -> None:
    hub = FakeHub()
    hub.failure = error
    read = await reader(hub).read(NODE)
    [found] = read.obstacles
    assert (found.kind, found.feed, found.detail) == (kind, "", str(error))
    assert (read.error, read.facts, read.exit_code) == (error, None, code)
