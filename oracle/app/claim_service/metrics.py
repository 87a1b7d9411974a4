"""The metrics of the claims service. They have models' names, and neither callers nor anything of a claim."""

from __future__ import annotations

from collections.abc import Callable

import prometheus_client as prometheus

from oracle.claims.service.documents import JobState
from oracle.web.claims.desk import ClaimEvents

__all__ = ["ClaimMetrics"]

_SECONDS = (0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)

_ENDS = tuple(each for each in JobState if each.is_end)


class ClaimMetrics(ClaimEvents):
    """Counters, distributions and gauges, in a registry of their own.

    Args:
        models: The names of the served models.
        counts: Returns how many jobs wait, are worked on, and are kept.
        is_stopping: Returns True once no further job is taken.
    """

    def __init__(
        self, models: list[str], counts: Callable[[], tuple[int, int, int]], is_stopping: Callable[[], bool]
    ) -> None:
        self.registry = prometheus.CollectorRegistry()
        self._counts = counts
        self._is_stopping = is_stopping

        def counter(name: str, about: str, labels: tuple[str, ...]) -> prometheus.Counter:
            return prometheus.Counter(name, about, labels, registry=self.registry)

        def seconds(name: str, about: str) -> prometheus.Histogram:
            return prometheus.Histogram(name, about, ("model",), registry=self.registry, buckets=_SECONDS)

        def gauge(name: str, about: str) -> prometheus.Gauge:
            return prometheus.Gauge(name, about, registry=self.registry)

        self._jobs = counter("oracle_claim_jobs_total", "Jobs that have ended, by how.", ("model", "end"))
        self._refused = counter("oracle_claim_requests_refused_total", "Requests that were refused.", ("status",))
        self._waited = seconds("oracle_claim_wait_seconds", "Seconds that a job has waited for a worker.")
        self._proven = seconds("oracle_claim_prove_seconds", "Seconds of a proof, witness and verification included.")
        self._waiting = gauge("oracle_claim_jobs_waiting", "Jobs that wait for a worker.")
        self._running = gauge("oracle_claim_jobs_running", "Jobs that a worker has.")
        self._kept = gauge("oracle_claim_jobs_kept", "Jobs that have ended and are kept for their callers.")
        self._ready = gauge("oracle_claim_ready", "1 if a claim would be taken now, as /readyz reports it.")
        for model in models:
            for end in _ENDS:
                self._jobs.labels(model, end.value).inc(0)

    def refused(self, status: int) -> None:
        """See `ClaimEvents`."""
        self._refused.labels(str(status)).inc()

    def ended(self, model: str, end: JobState) -> None:
        """Count a job that has ended."""
        self._jobs.labels(model, end.value).inc()

    def waited(self, model: str, seconds: float) -> None:
        """Add a job's time in the queue."""
        self._waited.labels(model).observe(seconds)

    def proven(self, model: str, seconds: float) -> None:
        """Add the time of a proof."""
        self._proven.labels(model).observe(seconds)

    @property
    def is_ready(self) -> bool:
        """True if a claim would be taken now."""
        return not self._is_stopping()

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        waiting, running, kept = self._counts()
        self._waiting.set(waiting)
        self._running.set(running)
        self._kept.set(kept)
        self._ready.set(self.is_ready)
        return bytes(prometheus.generate_latest(self.registry))
