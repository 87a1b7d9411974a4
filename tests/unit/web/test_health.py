"""Tests of liveness and readiness: which problems each of them reports."""

from __future__ import annotations

from oracle.web.health import Health
from tests.unit.web.conftest import Time


def failing(health: Health) -> dict[str, str]:
    return {check.name: check.detail for check in health.ready() if not check.ok}


def test_nothing_is_ready_before_it_was_looked_at(health: Health) -> None:
    assert all(check.ok for check in health.alive())
    assert failing(health) == {"chain": "nothing is known yet", "reports of eth": "nothing is known yet"}


def test_ready_is_a_fresh_chain_a_payer_and_sources(health: Health) -> None:
    health.well("eth")
    health.answered(10.0, 100)
    assert failing(health) == {}
    health.answered(61.0, 19)
    assert failing(health) == {
        "head": "the latest block is 61 s old",
        "balance": "the payer can pay for 19 more submissions",
    }


def test_a_chain_that_is_silent_for_too_long_is_told(health: Health, clock: Time) -> None:
    health.well("eth")
    health.answered(0.0, None)
    health.silent("connection refused")
    assert failing(health) == {}
    clock.now += 61
    assert failing(health) == {"chain": "it has not answered for 61 s: connection refused"}


def test_a_chain_that_is_not_believed_is_told_at_once(health: Health) -> None:
    health.well("eth")
    health.answered(0.0, None)
    health.disbelieved("it has no hub")
    assert failing(health) == {"chain": "it has no hub"}
    health.silent("connection refused")
    assert failing(health) == {"chain": "it has no hub"}
    health.answered(0.0, None)
    assert failing(health) == {}


def test_sources_may_fail_for_a_heartbeat(health: Health, clock: Time) -> None:
    health.answered(0.0, None)
    health.well("eth")
    clock.now += 30
    health.failed("eth", "1 of 2 sources answered")
    assert failing(health) == {}
    clock.now += 1
    assert failing(health) == {"reports of eth": "none could be made for 31 s: 1 of 2 sources answered"}
    assert all(check.ok for check in health.alive()), "a restart would not help"
    health.well("eth")
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
