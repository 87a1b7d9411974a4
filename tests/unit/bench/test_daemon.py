"""Tests of what is measured of a daemon: its memory, and its reports' steps from its metrics."""

from __future__ import annotations

from oracle.bench import daemon

METRICS = """# HELP oracle_report_step_seconds Seconds
oracle_report_step_seconds_bucket{le="0.1",step="prove"} 1.0
oracle_report_step_seconds_count{step="prove"} 4.0
oracle_report_step_seconds_sum{step="prove"} 2.5
oracle_report_step_seconds_count{step="shadow"} 0.0
oracle_report_step_seconds_sum{step="shadow"} 0.0
oracle_report_step_seconds_created{step="prove"} 1.79e+09
"""


def test_steps_are_read_from_the_metrics() -> None:
    assert daemon.steps_of(METRICS) == {"prove": (2.5, 4.0)}


def test_the_first_reports_do_not_count_if_there_are_others() -> None:
    ran = daemon.DaemonRun(steps={"prove": (10.0, 12.0), "sign": (1.0, 2.0)}, warm={"prove": (8.0, 4.0)})
    assert ran.mean_steps() == {"prove": 0.25, "sign": 0.5}
    # Where all had ended at the first look at the metrics, all of them count.
    ran.warm = ran.steps
    assert ran.mean_steps() == {"prove": 0.8333, "sign": 0.5}


def test_the_most_memory_is_that_of_one_moment() -> None:
    samples = [daemon.MemorySample(0.0, 100, 10), daemon.MemorySample(1.0, 90, 40)]
    ran = daemon.DaemonRun(memory=samples)
    assert (ran.parent, ran.total) == (100, 130)
    assert daemon.DaemonRun().total == 0
