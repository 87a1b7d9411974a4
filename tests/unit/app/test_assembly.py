"""The first stages of a feed, and what is counted of observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oracle.app.assembly import make_prover
from oracle.app.service import Observer, Recorder
from oracle.config import FeedConfig, ProverConfig, ReplaySourceConfig
from oracle.core import gate
from oracle.core.errors import DataError, OracleError, SourceExhausted, SourceUnavailable, ToolMissing
from oracle.core.metrics import Counter, Distribution, Metrics
from oracle.core.types import Confirmed, FeedState, Kind, Observed, Outcome, Proven, Scored, Submitted
from oracle.sources.interface import Reading

FEED_ID = b"\3" * 32


class Told:
    """A source that says what it is told to."""

    def __init__(self, name: str, *answers: Decimal | OracleError) -> None:
        self.name = name
        self.answers = list(answers)

    async def read(self) -> Reading:
        answer = self.answers.pop(0)
        if isinstance(answer, OracleError):
            raise answer
        return Reading(answer, 1_000, self.name)

    async def close(self) -> None: ...


def observer(sources: Sequence[Told], metrics: Metrics, *, known: bool = False, **state: Any) -> Observer:
    feed = FeedConfig(
        name="eth",
        description="ETH / USD",
        kind="relative",
        decimals=2,
        sigma=10_000,
        heartbeat=60,
        deviation_ppm=1_000,
        max_age=60,
        confirm_delay=60,
        min_sources=min(2, len(sources)),
        sources=tuple(ReplaySourceConfig(type="replay", file=Path(each.name)) for each in sources),
    )
    found = replace(gate.empty_feed(FEED_ID, Kind.RELATIVE, 10_000, 60, 1), **state)

    async def feed_state(feed_id: bytes) -> FeedState:
        assert feed_id == FEED_ID
        return found

    return Observer(feed, FEED_ID, sources, feed_state, lambda key: known, metrics)


async def test_a_due_value_is_the_median_in_answer_units() -> None:
    sources = [Told(name, Decimal(value)) for name, value in (("a", "100.10"), ("b", "100.20"), ("c", "100.30"))]
    assert await observer(sources, Metrics())() == Observed("eth", FEED_ID, 10_020, 1_000)


async def test_what_the_journal_has_or_the_chain_has_is_not_observed_again() -> None:
    assert await observer([Told("a", Decimal(100))], Metrics(), known=True)() is None
    assert await observer([Told("a", Decimal(100))], Metrics(), last_report_at=1_000)() is None
    near: dict[str, Any] = {"round_id": 1, "answer": 10_000, "observed_at": 990, "last_report_at": 990}
    assert await observer([Told("a", Decimal(100))], Metrics(), **near)() is None


async def test_failures_are_counted_and_too_few_values_are_none() -> None:
    metrics = Metrics()
    sources = [Told("a", SourceUnavailable("a is down")), Told("b", DataError("b: is text")), Told("c", Decimal(1))]
    with pytest.raises(SourceUnavailable, match="1 of at least 2 sources answered"):
        await observer(sources, metrics)()
    assert metrics.counted(Counter.SOURCE_FAILURES, "eth") == 2


async def test_a_value_that_no_contract_holds_is_tried_again_not_fatal() -> None:
    with pytest.raises(SourceUnavailable, match="int128"):
        await observer([Told("a", Decimal(10) ** 38)], Metrics())()


async def test_the_end_of_all_sources_is_told_as_such() -> None:
    with pytest.raises(SourceExhausted):
        await observer([Told("a", SourceExhausted("a has ended"))], Metrics())()


def test_each_end_is_counted_once_and_latency_is_measured_on_chain_only() -> None:
    metrics, now = Metrics(), [100.0]
    recorder = Recorder(metrics, lambda: now[0])
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


def test_the_configuration_chooses_the_prover(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[tuple[str, dict[str, Any]]] = []
    for kind in ("local", "ray"):
        name = f"{kind.capitalize()}Prover"
        monkeypatch.setattr(
            f"oracle.proving.pool.{kind}.{name}", lambda artifact, name=name, **o: made.append((name, o))
        )
    artifact: Any = object()
    config: Any = SimpleNamespace(prover=ProverConfig(workers=3, memory_mb=512, queue=5, proof_cache=tmp_path))
    make_prover(config, artifact)
    config.prover = ProverConfig(workers=3, backend="ray", ray_address="10.0.0.1:6379", memory_mb=512, queue=5)
    make_prover(config, artifact)
    [(first, local), (second, cluster)] = made
    assert (first, second) == ("LocalProver", "RayProver")
    assert (local.pop("processes"), cluster.pop("workers"), cluster.pop("address")) == (3, 3, "10.0.0.1:6379")
    assert (local.pop("cache").on_disk, cluster.pop("cache").on_disk) == (True, False)
    assert local == cluster
    assert (local["memory_mb"], local["queue"], local["deadline"]) == (512, 5, 60.0)


def test_a_cluster_needs_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    artifact: Any = object()
    config: Any = SimpleNamespace(prover=ProverConfig(backend="ray"))
    with pytest.raises(ToolMissing, match=r"pip install 'verifiable-oracle\[ray\]'"):
        make_prover(config, artifact)
