"""Tests of what is counted of a daemon with very many feeds."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oracle.bench import fleet
from oracle.bench.daemon import DaemonRun, MemorySample
from oracle.config import load
from oracle.core.types import Outcome
from oracle.feeds.journal import Entry, StageName


def entry(feed: int, at: int, taken: float, outcome: Outcome | None = Outcome.ACCEPTED, tx: int = 1) -> Entry:
    """Return an observation that was decided two seconds after its value's time, and took so many seconds."""
    finished = None if outcome is None else at + 2 + taken
    return Entry(
        f"{feed}@{at}", f"feed-{feed}", b"", 1, at, StageName.CONFIRMED, 1, at + 2.0, outcome, "", finished, 1, (), 0.5,
        bytes([at // 60, tx]), 1, 50_000,
    )  # fmt: skip


def test_what_is_lost_late_or_overtaken_is_counted() -> None:
    """The first time does not count. Of two feeds and two times, one is late and one is overtaken."""
    first = [entry(feed, 60, 500.0) for feed in (1, 2)]
    second = [entry(1, 120, 10.0), entry(2, 120, 59.0)]
    third = [entry(1, 180, 8.0, tx=2), entry(2, 180, 3.0, Outcome.SUPERSEDED)]
    found = fleet.figures([*first, *second, *third], feeds=2, minutes=2)
    assert found["ends"] == {"accepted": 3, "held": 0, "superseded": 1, "failed": 0, "offered": 0}
    assert (found["observations"], found["missing"], found["open"], found["late"]) == (4, 0, 0, 1)
    assert (found["transactions"], found["feeds_per_transaction"]) == (2, 1.5)
    # From 122 to 190; and 59 and 8 seconds of work.
    assert (found["observations_per_s"], found["observations_per_busy_s"]) == (round(3 / 68, 2), round(3 / 67, 2))
    assert found["latency_s"]["p50"] == 10 and found["age_s"]["p50"] == 12
    assert found["gas_per_feed"] == 50_000


def test_what_the_daemon_never_saw_is_missing_and_what_has_not_ended_is_open() -> None:
    found = fleet.figures([entry(1, 60, 1.0), entry(1, 120, 1.0, None)], feeds=2, minutes=1)
    assert (found["missing"], found["open"], found["ends"]["accepted"]) == (1, 1, 0)
    assert "latency_s" not in found
    said = fleet.told(found | {"feeds": 2, "minutes": 1, **fleet._memory(DaemonRun())})
    assert "due 1 times, once in 60 s: none; 1 missing, 1 open, 0 later than 60 s" in said


def test_memory_is_told_by_the_minute() -> None:
    samples = [MemorySample(second, 100_000_000 + second * 1_000_000, 50_000_000) for second in (1, 59, 61, 100)]
    samples.append(MemorySample(121, 0, 0))  # it had ended
    assert fleet._memory(DaemonRun(samples)) == {
        "daemon_rss_mb": 200.0, "with_provers_rss_mb": 250.0, "rss_mb_by_minute": [159.0, 200.0],
    }  # fmt: skip


def test_each_feed_has_values_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal windows have equal proofs, which are made once: that would measure nothing."""
    chain: Any = SimpleNamespace(rpc_url="http://127.0.0.1:1", chain_id=31337)
    monkeypatch.setattr(fleet, "reserved_port", lambda: 9464)
    config = load(fleet._prepared(tmp_path / "new", chain, 40, "default-public", 2), {})
    assert len(config.feeds) == 40 and config.prover.batch_sizes == (fleet.BATCH,)
    recordings = {(tmp_path / "new" / f"feed-{feed:04}.csv").read_text() for feed in range(40)}
    assert len(recordings) == 40 and {text.count("\n") for text in recordings} == {4}
