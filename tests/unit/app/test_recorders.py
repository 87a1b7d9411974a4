"""Tests of the counts of looks and observations, and of how they are shown."""

from __future__ import annotations

from decimal import Decimal

from structlog.testing import capture_logs

from oracle.app.recorders import LookRecorder, ReportRecorder
from oracle.core.errors import SourceSuspended, SourceUnavailable
from oracle.core.metrics import Counter, Distribution, Gauge, Metrics
from oracle.core.types import Confirmed, Observed, Outcome, Proven, Scored, Submitted
from oracle.sources.aggregate import Aggregated
from oracle.sources.interface import Collected, Reading
from oracle.web.board import Board

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


def test_each_end_is_counted_once_and_latency_is_measured_on_chain_only() -> None:
    metrics, now = Metrics(), [100.0]
    recorder = ReportRecorder(metrics, lambda: now[0])
    observed = Observed("eth", FEED_ID, 1, 1_000)
    proven = Proven(Scored(observed, 1, 1, (), (0,), (-1,)), b"", "", 0.5)
    ends = [Outcome.ACCEPTED, Outcome.HELD, Outcome.SUPERSEDED, Outcome.FAILED]
    for outcome in ends:
        recorder(observed, None, "")
        recorder(proven, None, "")
        now[0] += 2.0
        if outcome in (Outcome.ACCEPTED, Outcome.HELD):
            recorder(Confirmed(Submitted(proven, b"", b"", 0), outcome, 1, 500, 0.0), outcome, "")
        else:
            recorder(observed, outcome, "the reason")
    counted = [metrics.counted(Counter(f"oracle_{outcome.value}_total"), "eth") for outcome in ends]
    assert counted == [1, 1, 1, 1]
    assert metrics.counted(Counter.OBSERVATIONS) == 4
    assert metrics.measured(Distribution.LATENCY_SECONDS) == (2, 4.0)
    assert recorder.summary()["failed"] == 1
