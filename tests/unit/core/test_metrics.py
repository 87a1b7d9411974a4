"""Tests of metrics: counters by feed, distributions, gauges, and their text for Prometheus."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oracle.core.metrics import HELP, Counter, Distribution, Gauge, Metrics
from oracle.core.obstacles import Obstacle, ObstacleKind


def test_counters_are_kept_by_feed() -> None:
    metrics = Metrics()
    metrics.count(Counter.ACCEPTED, "a")
    metrics.count(Counter.ACCEPTED, "a", 2)
    metrics.count(Counter.ACCEPTED, "b")
    metrics.count(Counter.HELD, "a")
    assert metrics.counted(Counter.ACCEPTED, "a") == 3
    assert metrics.counted(Counter.ACCEPTED) == 4
    assert metrics.counted(Counter.FAILED) == 0
    with pytest.raises(ValueError, match="non-negative"):
        metrics.count(Counter.HELD, "a", -1)


def test_a_distribution_is_summed_up_in_buckets() -> None:
    metrics = Metrics()
    for value in range(1, 101):
        metrics.observe(Distribution.LATENCY_SECONDS, "a", value)
    metrics.observe(Distribution.LATENCY_SECONDS, "b", 1_000)
    assert metrics.measured(Distribution.LATENCY_SECONDS, "a") == (100, 5_050)
    assert metrics.measured(Distribution.LATENCY_SECONDS) == (101, 6_050)
    assert metrics.measured(Distribution.PROVE_SECONDS) == (0, 0)
    assert b'oracle_observed_to_confirmed_seconds_bucket{feed="a",le="60.0"} 60.0' in metrics.exposition()


def test_gauges_show_their_last_value() -> None:
    metrics = Metrics()
    assert metrics.shown(Gauge.ROUND, "a") is None
    metrics.set(Gauge.ROUND, 3, "a")
    metrics.set(Gauge.ROUND, 4, "a")
    metrics.set(Gauge.BALANCE_WEI, 10**18)
    assert (metrics.shown(Gauge.ROUND, "a"), metrics.shown(Gauge.BALANCE_WEI)) == (4, 1e18)


def test_faults_are_counted_by_member_and_kind() -> None:
    metrics = Metrics()
    metrics.begin_network(["alpha", "bravo"], ["silence", "flood"])
    metrics.count_fault("bravo", "flood")
    metrics.set(Gauge.MEMBER_BIAS, -0.5, "bravo")
    shown = metrics.exposition()
    assert b'oracle_member_faults_total{kind="flood",member="bravo"} 1.0' in shown
    assert b'oracle_member_faults_total{kind="silence",member="alpha"} 0.0' in shown
    assert metrics.shown(Gauge.MEMBER_BIAS, "bravo") == -0.5


def test_two_oracles_of_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.count(Counter.HELD, "a")
    assert (one.counted(Counter.HELD), other.counted(Counter.HELD)) == (1, 0)


def test_names_are_distinct_and_say_their_unit() -> None:
    names = [each.value for each in (*Counter, *Distribution, *Gauge)]
    assert len(set(names)) == len(names) == len(HELP)
    assert all(name.startswith("oracle_") for name in names)
    assert all(counter.value.endswith("_total") for counter in Counter)


def test_alerts_name_metrics_that_are_shown_before_anything_happens(project_root: Path) -> None:
    """An alert sees an increase only if the counter existed before. Gauges come with the first look at the chain."""
    metrics = Metrics()
    metrics.begin(["a"])
    metrics.begin_network(["alpha"], ["silence"])
    text = (project_root / "packaging/alerts.yml").read_text()
    named = set(re.findall(r"\boracle_\w+", "\n".join(re.findall(r"expr: (.*)", text))))
    counters = {name for name in named if name.endswith("_total")}
    shown = metrics.exposition().decode()
    assert len(counters) >= 4 and len(named - counters) >= 6
    assert all(re.search(rf"^{name}{{(feed|kind)=\".*\"}} 0.0$", shown, re.MULTILINE) for name in counters)
    assert named - counters <= {each.value for each in Gauge}
    table = re.findall(r"^\| (`[A-Z].*?) \|", (project_root / "docs/operations.md").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", "".join(table))) == sorted(re.findall(r"- alert: (\w+)", text))


def test_each_kind_of_obstacle_is_explained_and_raises_an_alert(project_root: Path) -> None:
    page = (project_root / "docs/operations.md").read_text()
    section = page.split("### Would the next report be taken?", 1)[1].split("\n## ", 1)[0]
    kinds = [each.value for each in ObstacleKind]
    assert sorted(re.findall(r"^\| `([a-z]+)` \|", section, re.MULTILINE)) == sorted(kinds)
    text = (project_root / "packaging/alerts.yml").read_text()
    rules = re.findall(r'oracle_obstacle\{kind(=|!~)"([\w|]+)"\} == 1', text)
    named = [kind for _, several in rules for kind in several.split("|")]
    assert set(named) <= set(kinds), "a kind that there is"
    heard = [kind for how, several in rules for kind in kinds if (kind in several.split("|")) is (how == "=")]
    assert sorted(heard) == sorted(kinds), "one alert for each kind"


def test_obstacles_are_shown_by_feed_and_kind_until_they_are_gone() -> None:
    metrics = Metrics()
    paused = Obstacle(ObstacleKind.PAUSED, "a", "the feed is paused", "")
    metrics.show_obstacles(["a", "b"], [paused, Obstacle(ObstacleKind.FUNDS, "", "the payer has 0 ether", "")])
    assert metrics.has_obstacle(ObstacleKind.PAUSED, "a") and metrics.has_obstacle(ObstacleKind.FUNDS)
    assert not metrics.has_obstacle(ObstacleKind.PAUSED, "b") and not metrics.has_obstacle(ObstacleKind.FUNDS, "a")
    metrics.show_obstacles(["a", "b"], [])
    assert not metrics.has_obstacle(ObstacleKind.PAUSED, "a") and not metrics.has_obstacle(ObstacleKind.FUNDS)
