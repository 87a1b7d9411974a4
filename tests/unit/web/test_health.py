"""Liveness and readiness: what is bad enough to say so; and what the monitor finds out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from oracle.core import gate
from oracle.core.errors import AnswerNotBelieved, ChainUnavailable
from oracle.core.metrics import Distribution, Gauge, Metrics
from oracle.core.types import FeedState, Kind, Status
from oracle.web.health import Health
from oracle.web.monitor import TYPICAL_GAS, Monitor


class Time:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def health(clock: Time) -> Health:
    return Health({"eth": 100.0}, {"eth": 30.0}, max_head_age=60.0, clock=clock)


def failing(health: Health) -> dict[str, str]:
    return {check.name: check.detail for check in health.ready() if not check.ok}


def test_nothing_is_ready_before_it_was_looked_at(health: Health) -> None:
    assert all(check.ok for check in health.alive())
    assert failing(health) == {"chain": "nothing is known yet", "reports of eth": "nothing is known yet"}


def test_ready_is_a_fresh_chain_a_payer_and_sources(health: Health) -> None:
    health.turned("eth")
    health.answered(10.0, 100)
    assert failing(health) == {}
    health.answered(61.0, 19)
    assert failing(health) == {
        "head": "the latest block is 61 s old",
        "balance": "the payer can pay for 19 more submissions",
    }


def test_a_chain_that_is_silent_for_too_long_is_told(health: Health, clock: Time) -> None:
    health.turned("eth")
    health.answered(0.0, None)
    health.silent("connection refused")
    assert failing(health) == {}
    clock.now += 61
    assert failing(health) == {"chain": "it has not answered for 61 s: connection refused"}


def test_a_chain_that_is_not_believed_is_told_at_once(health: Health) -> None:
    health.turned("eth")
    health.answered(0.0, None)
    health.disbelieved("it has no hub")
    assert failing(health) == {"chain": "it has no hub"}
    health.silent("connection refused")
    assert failing(health) == {"chain": "it has no hub"}
    health.answered(0.0, None)
    assert failing(health) == {}


def test_sources_may_fail_for_a_heartbeat(health: Health, clock: Time) -> None:
    health.answered(0.0, None)
    health.turned("eth")
    clock.now += 30
    health.failed("eth", "1 of 2 sources answered")
    assert failing(health) == {}
    clock.now += 1
    assert failing(health) == {"reports of eth": "none could be made for 31 s: 1 of 2 sources answered"}
    assert all(check.ok for check in health.alive()), "a restart would not help"
    health.turned("eth")
    assert failing(health) == {}


def test_a_feed_that_takes_no_turns_is_not_alive(health: Health, clock: Time) -> None:
    clock.now += 101
    [check] = health.alive()
    assert not check.ok and "stuck" in check.detail


def test_a_feed_that_an_error_ended_is_not_alive_one_at_its_end_is(health: Health, clock: Time) -> None:
    health.answered(0.0, None)
    health.ended("eth", "the model is another one")
    assert set(failing(health)) == {"feed eth", "reports of eth"}
    health.ended("eth", None)
    clock.now += 50
    assert failing(health) == {}


class Chain:
    """A chain with one feed."""

    def __init__(self, **state: Any) -> None:
        self.failure: Exception | None = None
        self.wei = 10**18
        self.price = 10**9
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


async def test_the_monitor_tells_metrics_and_health(health: Health, clock: Time) -> None:
    chain, metrics = Chain(round_id=3, observed_at=900, status=Status.HELD), Metrics()
    monitor = Monitor(
        chain, {"eth": b""}, lambda feed: 2, metrics, health, min_reports=20, interval=1.0, clock=lambda: 1_000.0
    )
    health.turned("eth")
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
