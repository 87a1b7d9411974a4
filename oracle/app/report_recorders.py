"""Recorders tell the log and the metrics what becomes of reports, of their proofs, and of shadow reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import structlog

from oracle.app.provers import log_proving
from oracle.core.metrics import Counter, Distribution, Gauge, Metrics
from oracle.core.stages import SHADOW, Confirmed, Decided, Observed, Proven, Scored, Submitted
from oracle.core.types import FeedState, Outcome
from oracle.feeds.interface import ReportListener, ReportStep
from oracle.feeds.reporting import OVERTAKEN
from oracle.feeds.shadows import ShadowListener
from oracle.proving.interface import ProverEvent

__all__ = ["ReportRecorder", "ShadowRecorder"]

log = structlog.get_logger(__name__)


class ReportRecorder(ReportListener):
    """Tells log and metrics what becomes of each report, and of each observation in it."""

    _COUNTED: ClassVar[Mapping[Outcome, Counter]] = {
        Outcome.ACCEPTED: Counter.ACCEPTED,
        Outcome.HELD: Counter.HELD,
        Outcome.OFFERED: Counter.KEPT,
        Outcome.SUPERSEDED: Counter.SUPERSEDED,
        Outcome.FAILED: Counter.FAILED,
    }

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._began: dict[str, float] = {}
        self._unproven: set[tuple[str, str]] = set()

    def decided(self, decided: Decided) -> None:
        """See `ReportListener`."""
        for observed in decided.due:
            self._metrics.count(Counter.OBSERVATIONS, observed.feed)
            self._began[observed.key] = self._clock()
            self._waits(observed, True)

    def reached(self, stage: Scored | Proven | Submitted | Confirmed) -> None:
        """See `ReportListener`."""
        for observed in stage.due:
            self._waits(observed, isinstance(stage, Scored))
        if isinstance(stage, Proven):
            size, seconds = len(stage.due), stage.prove_seconds
            log.info("proven", observations=list(stage.keys), seconds=round(seconds, 3), batch=size)
            # A proof of several observations is measured once, for the first of them.
            self._metrics.observe(Distribution.PROVE_SECONDS, stage.feeds[0], seconds)
            self._metrics.observe(Distribution.BATCH, stage.feeds[0], size)

    def ended(self, observed: Observed, outcome: Outcome, reason: str, confirmed: Confirmed | None) -> None:
        """See `ReportListener`."""
        metrics, feed, key = self._metrics, observed.feed, observed.key
        self._waits(observed, False)
        began = self._began.pop(key, None)
        metrics.count(self._COUNTED[outcome], feed)
        if outcome is Outcome.OFFERED:
            log.info("kept", feed=feed, observation=key)
            return
        if confirmed is None:
            log.warning(outcome.value, feed=feed, observation=key, reason=reason)
            if reason == OVERTAKEN:
                metrics.count(Counter.OVERTAKEN, feed)
            return
        log.info(outcome.value, feed=feed, observation=key, block=confirmed.block_number, gas=confirmed.gas_share)
        metrics.observe(Distribution.GAS, feed, confirmed.gas_share)
        if began is not None:
            metrics.observe(Distribution.LATENCY_SECONDS, feed, self._clock() - began)

    def pulled(self, feed: str, state: FeedState) -> None:
        """See `ReportListener`."""
        log.info("pulled", feed=feed, round=state.round_id, observed_at=state.last_report_at)
        self._metrics.count(Counter.UPDATES_PULLED, feed)

    def took(self, step: ReportStep, seconds: float) -> None:
        """See `ReportListener`."""
        log.debug("step", step=step.value, seconds=round(seconds, 4))
        self._metrics.observe(Distribution.STEP_SECONDS, step.value, seconds)

    def _waits(self, observed: Observed, waits: bool) -> None:
        """Count whether an observation waits for its proof."""
        (self._unproven.add if waits else self._unproven.discard)((observed.feed, observed.key))
        self._metrics.set(Gauge.UNPROVEN, sum(of == observed.feed for of, _ in self._unproven), observed.feed)

    def on_proof(self, event: ProverEvent) -> None:
        """Record what a prover tells of its proofs."""
        self._metrics.set(Gauge.PROOFS_RUNNING, event.running)
        self._metrics.set(Gauge.PROOFS_WAITING, event.waiting)
        log_proving(event)

    def summary(self) -> dict[str, Any]:
        """Return what was counted, for the log's last line."""
        told: dict[str, Any] = {counter.name.lower(): self._metrics.counted(counter) for counter in Counter}
        count, total = self._metrics.measured(Distribution.LATENCY_SECONDS)
        return told | {"mean_latency_s": round(total / count, 3)} if count else told


class ShadowRecorder(ShadowListener):
    """Tells log and metrics what becomes of shadow reports, apart from the reports."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def looked(self, feed: str, compared: int, demanded: int) -> None:
        """See `ShadowListener`."""
        self._metrics.set(Gauge.SHADOWS_COMPARED, compared, feed)
        self._metrics.set(Gauge.SHADOWS_DEMANDED, demanded, feed)

    def waited(self, seconds: float) -> None:
        """See `ShadowListener`."""
        self._metrics.observe(Distribution.SHADOW_WAIT_SECONDS, "", seconds)

    def ended(self, observed: Observed, outcome: Outcome, reason: str, confirmed: Confirmed | None) -> None:
        """See `ShadowListener`."""
        feed, _, model = observed.feed.rpartition(SHADOW)
        told = {"feed": feed, "observation": observed.key, "model": int(model)}
        if confirmed is not None:
            log.info("shadow taken", **told, block=confirmed.block_number, gas=confirmed.gas_share)
            self._metrics.count(Counter.SHADOWS, feed)
            self._metrics.observe(Distribution.SHADOW_GAS, feed, confirmed.gas_share)
        else:
            level = log.warning if outcome is Outcome.FAILED else log.info
            level("shadow given up", **told, reason=reason)
            self._metrics.count(Counter.SHADOWS_DROPPED, feed)
