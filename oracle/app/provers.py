"""Provers as the configuration asks for them, and a detector joined with the provers of its circuits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from oracle.config import WorkersConfig
from oracle.core.encoding import Feature
from oracle.core.stages import Proven, Scored
from oracle.detectors.interface import Detector
from oracle.proving.artifact import Artifact
from oracle.proving.interface import OnEvent, ProofJob, Prover, ProverEvent
from oracle.proving.pool.cache import ProofCache
from oracle.proving.pool.local import LocalProver
from oracle.proving.pool.ray import RayProver

__all__ = ["DetectorWithProvers", "log_proving", "make_prover"]

log = structlog.get_logger(__name__)

SECONDS_A_ROW = 0.0004
"""Seconds that a row adds to a proof, before any proof was measured. Only the order of the estimates matters."""


def log_proving(event: ProverEvent) -> None:
    """Log what a prover tells of its proofs."""
    told: dict[str, Any] = {"running": event.running, "waiting": event.waiting, "seconds": round(event.seconds, 3)}
    if event.detail:
        told["detail"] = event.detail
    # A failure is not logged as a warning here: whoever asked for the proof gets the error, and reports it.
    level = log.warning if event.kind == "retried" else log.debug
    level(f"proof {event.kind}", statement=event.statement[:16], **told)


def make_prover(
    workers: WorkersConfig,
    artifact: Artifact,
    cache: ProofCache,
    on_event: OnEvent = log_proving,
    *,
    scratch: Path | None = None,
) -> Prover:
    """Return the prover that the configuration asks for, for one circuit.

    Args:
        workers: The prover's table.
        artifact: The circuit, with the prover's files.
        cache: Keeps proofs.
        on_event: Called with each event of a job.
        scratch: A folder for witnesses, on this machine; None: the system's.

    Raises:
        ToolMissing: It is on a Ray cluster, and Ray is not installed.
    """
    if workers.backend == "ray":
        return RayProver(
            artifact,
            address=workers.ray_address,
            workers=workers.workers,
            deadline=workers.deadline_s,
            memory_mb=workers.memory_mb,
            queue=workers.queue,
            cache=cache,
            on_event=on_event,
        )
    return LocalProver(
        artifact,
        processes=workers.workers,
        deadline=workers.deadline_s,
        memory_mb=workers.memory_mb,
        queue=workers.queue,
        cache=cache,
        scratch=scratch,
        on_event=on_event,
    )


class DetectorWithProvers:
    """A detector with a prover for each of its circuits: what reports are scored and proven with.

    Attributes:
        detector: The detector.
        provers: Its provers, by the windows of their circuits.
    """

    def __init__(self, detector: Detector, provers: Mapping[int, Prover], rows: Mapping[int, int]) -> None:
        """Join a detector with its provers.

        Args:
            detector: The detector.
            provers: The provers, by the windows of their circuits.
            rows: Rows of the circuits, by windows: they tell which proofs take longer, until proofs were measured.
        """
        self.detector = detector
        self.provers = dict(sorted(provers.items()))
        self._rows = rows
        self._measured: dict[int, float] = {}

    @property
    def features(self) -> Sequence[Feature]:
        """The features that the detector sees, in order."""
        return self.detector.features

    def scores(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the integers that the circuit publishes for these features."""
        return self.detector.score_int(features)

    def seconds(self) -> Mapping[int, float]:
        """Return the seconds of a proof by windows: measured, or estimated from the circuit's rows."""
        rows = sum(self._rows[size] for size in self._measured)
        a_row = sum(self._measured.values()) / rows if rows else SECONDS_A_ROW
        return {size: self._measured.get(size, self._rows[size] * a_row) for size in self.provers}

    async def prove(self, scored: Scored) -> Proven:
        """Prove the scores of all observations with the smallest circuit with room for them. The prover verifies it."""
        size = next(size for size in self.provers if size >= len(scored.due))
        proof = await self.provers[size].prove(ProofJob(scored.features, scored.scores))
        before = self._measured.get(size, proof.seconds)
        self._measured[size] = before + (proof.seconds - before) / 4
        return Proven(scored, proof.proof, proof.artifact_hash, proof.seconds)
