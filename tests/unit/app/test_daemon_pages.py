"""Tests of what is read from the daemon's pages, and that another server's pages are not taken for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oracle.app.daemon_pages import DaemonPages, SourceSaid, _read
from oracle.app.top import activity
from oracle.core.http import Answer
from oracle.core.metrics import Counter, Distribution, Gauge, Metrics
from oracle.web.board import Board, SourceStatus


def metrics() -> Answer:
    made = Metrics()
    made.begin(["eth", "btc"])
    made.count(Counter.ACCEPTED, "eth", 7)
    made.count(Counter.ACCEPTED, "btc", 3)
    made.count(Counter.REPLACEMENTS, "", 2)
    made.set(Gauge.PROOFS_RUNNING, 1)
    for seconds in (0.2, 0.4):
        made.observe(Distribution.PROVE_SECONDS, "eth", seconds)
    return Answer(200, made.exposition())


def sources() -> Answer:
    board = Board()
    why = "suspended until 2026-01-01T00:05:00Z after 5 failures, the last: no answer \x1b[2J"
    board.update("eth", 9, [SourceStatus("kraken", "suspended", detail=why), SourceStatus("b", "agrees", "2000", 9)])
    return Answer(200, json.dumps(board.document()).encode())


def ready(ok: bool = False) -> Answer:
    checks = [{"name": "chain", "ok": ok, "detail": "it is silent"}, {"name": "head", "ok": True, "detail": "fresh"}]
    return Answer(200 if ok else 503, json.dumps({"ok": ok, "checks": checks}).encode())


def test_the_pages_are_those_that_a_daemon_serves() -> None:
    pages = _read("127.0.0.1:9464", sources(), metrics(), ready())
    why = "suspended until 2026-01-01T00:05:00Z after 5 failures, the last: no answer  [2J"
    assert pages.sources["eth"] == (SourceSaid("kraken", "suspended", "", why), SourceSaid("b", "agrees", "2000", ""))
    assert (pages.is_ready, pages.faults, pages.problem) == (False, ("chain: it is silent",), "")
    assert pages.figures.total("oracle_accepted_total") == 10
    assert pages.figures.total("oracle_accepted_total", feed="btc") == 3
    assert pages.figures.total("oracle_nothing") is None
    assert _read("", sources(), metrics(), ready(True)).is_ready


def test_the_work_of_a_daemon_is_told_from_its_metrics() -> None:
    done = activity(_read("", sources(), metrics(), ready()))
    assert (done.accepted, done.held, done.replaced, done.proofs_running, done.proofs) == (10, 0, 2, 1, 2)
    assert done.prove_seconds == pytest.approx(0.3)
    assert (done.gas, done.proofs_waiting) == (None, None)
    assert activity(DaemonPages()).accepted is None


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("sources", Answer(404, b"{}")),
        ("sources", Answer(200, b"[]")),
        ("sources", Answer(200, b'{"eth": 1}')),
        ("sources", Answer(200, b'{"eth": {"sources": [{}]}}')),
        ("metrics", Answer(200, b"<html>")),
        ("metrics", Answer(500, b"")),
        ("ready", Answer(404, b"{}")),
        ("ready", Answer(200, b"null")),
        ("ready", Answer(200, b'{"ok": true}')),
        ("ready", Answer(200, b"{")),
    ],
)
def test_another_server_is_not_taken_for_the_daemon(name: str, answer: Answer) -> None:
    pages: dict[str, Any] = {"sources": sources(), "metrics": metrics(), "ready": ready()} | {name: answer}
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
        _read("", pages["sources"], pages["metrics"], pages["ready"])
