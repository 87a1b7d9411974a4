"""Tests of the monitor: its reports to health and metrics, and its warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from structlog.testing import capture_logs

from oracle.core import gate
from oracle.core.errors import AnswerNotBelieved, ChainUnavailable
from oracle.core.metrics import Distribution, Gauge, Metrics
from oracle.core.types import FeedState, Kind, Round, Status
from oracle.web.health import Health
from oracle.web.monitor import TYPICAL_GAS, Monitor
from tests.unit.web.conftest import Time


def failing(health: Health) -> dict[str, str]:
    return {check.name: check.detail for check in health.ready() if not check.ok}


class Chain:
    """A chain with one feed."""

    def __init__(self, **state: Any) -> None:
        self.failure: Exception | None = None
        self.wei = 10**18
        self.price = 10**9
        self.problem = ""
        self.rounds_read = 0
        self.state = replace(gate.empty_feed(b"", Kind.RELATIVE, 1, 1, 1), **state)

    async def head(self) -> tuple[int, int]:
        if self.failure is not None:
            raise self.failure
        return 7, 990

    async def balance(self) -> int:
        return self.wei

    async def gas_price(self) -> int:
        return self.price

    async def feed_state(self, feed_id: bytes) -> FeedState:
        return self.state

    async def round(self, feed_id: bytes, round_id: int) -> Round | None:
        self.rounds_read += 1
        return Round(round_id, 1, 900, 905, 1, 0, 450, 3) if round_id else None

    async def out_of_reach(self) -> Mapping[str, str]:
        return {"default": self.problem}


async def test_the_monitor_tells_metrics_and_health(health: Health, clock: Time) -> None:
    chain, metrics = Chain(round_id=3, observed_at=900, status=Status.HELD), Metrics()
    monitor = Monitor(
        chain, {"eth": b""}, lambda feed: 2, metrics, health, min_reports=20, interval=1.0, clock=lambda: 1_000.0
    )
    health.well("eth")
    await monitor.look()
    assert failing(health) == {}
    names = (Gauge.ROUND, Gauge.AGE_SECONDS, Gauge.IS_HELD, Gauge.OPEN)
    assert [metrics.shown(name, "eth") for name in names] == [3, 100, 1, 2]
    assert metrics.shown(Gauge.HEAD_BLOCK) == 7
    assert metrics.shown(Gauge.REPORTS_LEFT) == 10**18 // (10**9 * TYPICAL_GAS)
    metrics.observe(Distribution.GAS, "eth", 500_000)
    await monitor.look()
    assert metrics.shown(Gauge.REPORTS_LEFT) == 2_000
    chain.failure = ChainUnavailable("no endpoint answers")
    clock.now += 61
    await monitor.look()
    assert failing(health) == {"chain": "it has not answered for 61 s: no endpoint answers"}
    chain.failure = AnswerNotBelieved("it answers nothing")
    await monitor.look()
    assert failing(health) == {"chain": "it answers nothing"}


async def test_a_payer_that_runs_dry_is_warned_of_once(health: Health) -> None:
    chain = Chain()
    monitor = Monitor(chain, {}, lambda feed: 0, Metrics(), health, min_reports=20, interval=1.0)
    with capture_logs() as logs:
        for wei in (19, 18, 25, 3):
            chain.wei = wei * chain.price * TYPICAL_GAS
            await monitor.look()
    assert [(entry["event"], entry["reports_left"]) for entry in logs] == [
        ("payer runs dry", 19),
        ("payer runs dry", 3),
    ]


async def test_who_answered_is_shown_and_each_round_is_read_once(health: Health) -> None:
    chain, metrics = Chain(), Metrics()
    monitor = Monitor(chain, {"eth": b""}, lambda feed: 0, metrics, health, min_reports=20, interval=1.0)
    await monitor.look()
    assert metrics.shown(Gauge.REPORTERS, "eth") is None and chain.rounds_read == 0
    for round_id in (7, 7, 8):
        chain.state = replace(chain.state, round_id=round_id)
        await monitor.look()
    assert (metrics.shown(Gauge.REPORTERS, "eth"), metrics.shown(Gauge.SPREAD, "eth")) == (3, 0.45)
    assert chain.rounds_read == 2


async def test_an_oracle_whose_key_is_no_reporter_any_more_is_not_ready(health: Health) -> None:
    chain, metrics = Chain(), Metrics()
    monitor = Monitor(chain, {}, lambda feed: 0, metrics, health, min_reports=20, interval=1.0, clock=lambda: 1_000.0)
    health.well("eth")
    await monitor.look()
    assert failing(health) == {} and metrics.shown(Gauge.IN_REACH, "default") == 1
    chain.problem = "[keys] reporter is not among the committee's reporters"
    await monitor.look()
    assert failing(health) == {"committee default": chain.problem} and metrics.shown(Gauge.IN_REACH, "default") == 0
    assert b'oracle_committee_in_reach{committee="default"} 0.0' in metrics.exposition()
