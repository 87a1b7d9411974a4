"""Tests of the counts of looks and observations, and of how they are shown."""

from __future__ import annotations

from decimal import Decimal

from structlog.testing import capture_logs

from oracle.app.recorders import LookRecorder, ObstacleRecorder
from oracle.app.report_recorders import ReportRecorder
from oracle.core.errors import SourceSuspended, SourceUnavailable
from oracle.core.gate import empty_feed
from oracle.core.metrics import Counter, Distribution, Gauge, Metrics
from oracle.core.obstacles import Obstacle, ObstacleKind
from oracle.core.report import Report, ReporterSignature, SignedReport
from oracle.core.stages import Confirmed, Decided, Observed, Proven, Scored, Submitted
from oracle.core.types import Kind, Outcome
from oracle.feeds.interface import ReportStep
from oracle.feeds.reporting import OVERTAKEN
from oracle.feeds.shelf import KEPT
from oracle.sources.aggregate import Aggregated
from oracle.sources.interface import Collected, Reading
from oracle.web.board import Board
from oracle.web.health import Health

FEED_ID = b"\3" * 32


def test_a_look_is_counted_logged_and_shown() -> None:
    metrics, board = Metrics(), Board()
    recorder = LookRecorder(metrics, board)
    near, far = (Reading(Decimal(value), 1_000, name) for name, value in (("a", "1"), ("b", "9")))
    errors = {"c": SourceUnavailable("c is down"), "d": SourceSuspended("d is left alone")}
    collected = Collected((near, far), {name: str(error) for name, error in errors.items()}, tuple(errors.values()))
    value = Aggregated(Decimal(1), 1_000, ("a",), (far,), Decimal(0))
    with capture_logs() as logs:
        recorder.source_failed("eth", "c", "c is down")
        recorder.looked("eth", collected, value)
        recorder.looked("eth", collected, value)
        recorder.looked("btc", Collected((near,), {}, ()), None)
        recorder.looked(
            "eth", Collected((near, far), {}, ()), Aggregated(Decimal(1), 1_000, ("a", "b"), (), Decimal(0))
        )
    assert [entry["event"] for entry in logs] == ["source gave no value", "outlier left out", "source agrees again"]
    assert metrics.counted(Counter.SOURCE_FAILURES, "eth") == 1
    assert metrics.counted(Counter.OUTLIERS, "eth") == 2
    assert [metrics.shown(Gauge.SOURCES_AGREEING, feed) for feed in ("eth", "btc")] == [2, 0]
    recorder.looked("eth", collected, value)
    shown = board.document()
    assert {said["source"]: said["state"] for said in shown["eth"]["sources"]} == {
        "a": "agrees", "b": "outlier", "c": "failed", "d": "suspended"
    }  # fmt: skip
    assert [said["state"] for said in shown["btc"]["sources"]] == ["unused"]


def test_the_same_reason_of_a_source_is_said_once_and_that_it_gives_values_again() -> None:
    recorder = LookRecorder(Metrics(), Board())
    value = Collected((Reading(Decimal(1), 1_000, "c"),), {}, ())
    with capture_logs() as logs:
        for seconds in (1.5, 2.5, 3.5):
            recorder.source_failed("eth", "c", f"no answer within {seconds} s")
        recorder.source_failed("eth", "c", "no such path: $.price")
        recorder.looked("eth", value, None)
        recorder.source_failed("eth", "c", "no such path: $.price")
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("source gave no value", "warning"),
        ("source gave no value", "debug"),
        ("source gave no value", "debug"),
        ("source gave no value", "warning"),
        ("source gives values again", "info"),
        ("source gave no value", "warning"),
    ]


_SHOWN = ((ObstacleKind.REPORTER, "a"), (ObstacleKind.FUNDS, ""), (ObstacleKind.CHAIN, ""))


def test_obstacles_are_logged_once_for_all_their_feeds_and_shown_until_they_are_gone() -> None:
    metrics = Metrics()
    health = Health(patience=dict.fromkeys("ab", 60.0), heartbeats=dict.fromkeys("ab", 60.0))
    recorder = ObstacleRecorder(["a", "b"], health, metrics)
    outside = [Obstacle(ObstacleKind.REPORTER, feed, "the key is no reporter", "propose it") for feed in "ab"]
    empty = Obstacle(ObstacleKind.FUNDS, "", "the payer has 0 ether", "send it ether")
    silent = Obstacle(ObstacleKind.CHAIN, "", "it does not answer", "")
    with capture_logs() as logs:
        recorder.began([*outside, empty])
        recorder.found([*outside, empty, silent])
        shown = {check.name: check.detail for check in health.ready() if not check.ok}
        kinds = [metrics.has_obstacle(kind, feed) for kind, feed in _SHOWN]
        recorder.ended([(outside[0], 7.0), (outside[1], 9.0)])
        recorder.found([empty])
    assert [(entry["event"], entry["obstacle"], entry["feeds"]) for entry in logs] == [
        ("obstacle", "reporter", ["a", "b"]),
        ("obstacle", "funds", ["a", "b"]),
        ("obstacle is gone", "reporter", ["a", "b"]),
    ]
    assert (logs[0]["reason"], logs[0]["hint"], logs[2]["seconds"]) == ("the key is no reporter", "propose it", 9.0)
    assert "the key is no reporter" in shown["next report of a"] and "0 ether" in shown["next report of b"]
    assert "it does not answer" not in shown["next report of a"], "what asks the chain says that"
    assert kinds == [True] * 3 and not metrics.has_obstacle(ObstacleKind.REPORTER, "a")
    assert not metrics.has_obstacle(ObstacleKind.FUNDS, "a"), "an obstacle of all feeds is counted once"
    exposed = metrics.exposition()
    assert b'oracle_obstacle{feed="",kind="funds"} 1.0' in exposed
    assert b'oracle_obstacle{feed="b",kind="paused"} 0.0' in exposed, "known before it is there"


def submitted(*feeds: str, at: int = 1_000) -> Submitted:
    """Return a report of these feeds that was sent."""
    ids = [bytes([index]) * 32 for index in range(1, len(feeds) + 1)]
    due = tuple(Observed(feed, feed_id, 1, at) for feed, feed_id in zip(feeds, ids, strict=True))
    signature = ReporterSignature((1,) * len(ids), bytes(32), bytes(32), bytes(32))
    signed = SignedReport(Report(1, 1, at, tuple(ids), (1,) * len(ids)), (signature,))
    scored = Scored(Decided(1, due), signed, 1, ((0,),) * len(ids), ((-1,),) * len(ids))
    return Submitted(Proven(scored, b"", "", 0.5), b"", b"", 0)


def test_each_end_is_counted_once_and_latency_is_measured_on_chain_only() -> None:
    metrics, now = Metrics(), [100.0]
    recorder = ReportRecorder(metrics, lambda: now[0])
    ends = [Outcome.ACCEPTED, Outcome.HELD, Outcome.SUPERSEDED, Outcome.FAILED]
    sent = submitted("a", "b", "c", "d")
    recorder.decided(sent.decided)
    recorder.reached(sent.proven.scored)
    assert metrics.shown(Gauge.UNPROVEN, "a") == 1
    recorder.reached(sent.proven)
    assert metrics.shown(Gauge.UNPROVEN, "a") == 0
    now[0] += 2.0
    confirmed = Confirmed(sent, (Outcome.ACCEPTED,) * 4, 1, 2_000, 0.0)
    for observed, outcome in zip(sent.due, ends, strict=True):
        on_chain = outcome in (Outcome.ACCEPTED, Outcome.HELD)
        recorder.ended(observed, outcome, "" if on_chain else OVERTAKEN, confirmed if on_chain else None)
    counted = [
        metrics.counted(Counter(f"oracle_{outcome.value}_total"), feed)
        for outcome, feed in zip(ends, "abcd", strict=True)
    ]
    assert counted == [1, 1, 1, 1]
    assert metrics.counted(Counter.OBSERVATIONS) == 4 and metrics.counted(Counter.OVERTAKEN) == 2
    assert metrics.measured(Distribution.LATENCY_SECONDS) == (2, 4.0)
    assert metrics.measured(Distribution.GAS, "a") == (1, 500.0)
    assert metrics.measured(Distribution.BATCH) == (1, 4.0), "a report is measured once"
    assert recorder.summary()["failed"] == 1


def test_a_report_that_is_kept_is_no_failure_and_a_pull_is_counted() -> None:
    metrics = Metrics()
    recorder = ReportRecorder(metrics)
    [observed] = submitted("a").due
    with capture_logs() as logs:
        recorder.ended(observed, Outcome.OFFERED, KEPT, None)
        recorder.pulled("a", empty_feed(observed.feed_id, Kind.RELATIVE, 1, 1, 1))
    assert [(line["event"], line["log_level"]) for line in logs] == [("kept", "info"), ("pulled", "info")]
    assert (metrics.counted(Counter.KEPT, "a"), metrics.counted(Counter.UPDATES_PULLED, "a")) == (1, 1)
    assert metrics.measured(Distribution.LATENCY_SECONDS) == (0, 0.0)


def test_what_a_report_s_time_is_spent_on_is_shown_by_step() -> None:
    metrics = Metrics()
    recorder = ReportRecorder(metrics)
    recorder.took(ReportStep.PROVE, 0.5)
    recorder.took(ReportStep.PROVE, 0.7)
    recorder.took(ReportStep.SEND, 0.1)
    assert metrics.measured(Distribution.STEP_SECONDS, "prove") == (2, 1.2)
    assert b'oracle_report_step_seconds_count{step="send"} 1.0' in metrics.exposition()
