"""What the rest of the package knows about proving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


class Provable(Protocol):
    """A model as proving sees it: a detector, or whatever else has a circuit that equals an integer reference.

    Attributes:
        name: Letters, digits and hyphens.
        features: n, inputs per window.
        outputs: Published integers per window.
        param_scale: p; weights are multiples of 2^-p.
        score_unit: For the manifest.
        disclosure: "score", or "verdict" if the graph compares.
    """

    @property
    def name(self) -> str: ...

    @property
    def features(self) -> int: ...

    @property
    def outputs(self) -> int: ...

    @property
    def param_scale(self) -> int: ...

    @property
    def score_unit(self) -> int: ...

    @property
    def disclosure(self) -> str: ...

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """The integers that the circuit publishes for one window."""
        ...

    def score_bound(self) -> int:
        """Bounds every intermediate value of the circuit."""
        ...

    def to_onnx(self, batch: int) -> bytes:
        """The ONNX graph for `batch` windows."""
        ...


@runtime_checkable
class Tuned(Protocol):
    """A model that brings its circuit's settings, and says what a window of it may be.

    A detector has neither: its circuit has one shape, and its windows are a feed's.
    """

    def run_args(self) -> Mapping[str, Any]:
        """ezkl's run arguments that differ from those of an exact circuit without comparisons."""
        ...

    def windows(self) -> Sequence[tuple[int, ...]]:
        """The probe's window, then others that the circuit must have a witness for."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """For the manifest: JSON, the same for the same model, data and settings."""
        ...


@dataclass(frozen=True, slots=True)
class ProofJob:
    """A statement that is to be proven.

    Attributes:
        windows: 1 to B feature vectors of clipped integers.
        scores: As many vectors of published integers, as `Detector.score_int` gives them.
    """

    windows: tuple[tuple[int, ...], ...]
    scores: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that was verified after it was made.

    Attributes:
        proof: As the Solidity verifier takes it.
        instances: Field elements, in the hub's order: [H] ++ x ++ s.
        artifact_hash: The artifact that it was made with.
        seconds: Time of witness, proof and verification.
    """

    proof: bytes
    instances: tuple[int, ...]
    artifact_hash: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Probe:
    """Evidence that a circuit works: a proof of one window, which fills the batch. It goes with a model to the hub.

    Attributes:
        window: Clipped integers.
        scores: What the circuit publishes of it.
        proof: As the Solidity verifier takes it.
    """

    window: tuple[int, ...]
    scores: tuple[int, ...]
    proof: bytes


class Prover(Protocol):
    """Makes proofs, several at once if it can."""

    async def prove(self, job: ProofJob) -> Proof:
        """Proves one statement.

        Raises:
            ProverCrashed: The process died; a new one is started for the next job.
            ProverTimeout: The deadline passed.
            ProofInvalid: The circuit disagrees with the job's scores, or the proof does not verify.
        """
        ...

    async def close(self) -> None:
        """Ends the processes. The prover can't be used afterwards."""
        ...
