"""The interface of proving: what it takes, what it gives, and what a prover is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, runtime_checkable

from oracle.core.encoding import Feature

Progress: TypeAlias = Callable[[str], None]
"""Called with each step of a long task before the step begins."""


class Provable(Protocol):
    """A model as proving sees it: a detector, or anything else that has a circuit equal to an integer reference.

    Attributes:
        name: Letters, digits and hyphens.
        width: n, integers in a window.
        outputs: Published integers per window.
        param_scale: p; weights are multiples of 2^-p.
        score_unit: For the manifest.
        disclosure: "score", or "verdict" if the graph compares.

    A model may have `input_lengths`: the lengths of the graph's inputs, if it has several.
    """

    @property
    def name(self) -> str: ...

    @property
    def width(self) -> int: ...

    @property
    def outputs(self) -> int: ...

    @property
    def param_scale(self) -> int: ...

    @property
    def score_unit(self) -> int: ...

    @property
    def disclosure(self) -> str: ...

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the integers that the circuit publishes for one window."""
        ...

    def score_bound(self) -> int:
        """Return a bound on every intermediate value of the circuit."""
        ...

    def to_onnx(self, batch: int) -> bytes:
        """Return the ONNX graph for `batch` windows."""
        ...


@runtime_checkable
class FeedModel(Protocol):
    """A model whose windows are a feed's: it says which features it takes, in order. Its circuit has one shape.

    Attributes:
        features: The feature list; as many as the model's windows have integers.
    """

    @property
    def features(self) -> tuple[Feature, ...]: ...


@runtime_checkable
class Tuned(Protocol):
    """A model that brings its circuit's settings and its own windows. Every model is this or a `FeedModel`."""

    def run_args(self) -> Mapping[str, Any]:
        """Return those of ezkl's run arguments that differ from an exact circuit's without comparisons."""
        ...

    def windows(self) -> Sequence[tuple[int, ...]]:
        """Return the probe's window, then others that the circuit must have a witness for."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """Return facts for the manifest, as JSON; the same for the same model, data and settings."""
        ...


@dataclass(frozen=True, slots=True)
class Approximation:
    """The distance of a circuit from the float model; an exact circuit has none.

    Attributes:
        exact: See `Manifest.exact`.
        errors: See `Manifest.errors`.
        guard_band: See `Manifest.guard_band`.
    """

    exact: bool = True
    errors: tuple[float, ...] = ()
    guard_band: tuple[int, ...] = ()


@runtime_checkable
class Approximate(Protocol):
    """A model whose circuit may be approximate."""

    def approximation(self) -> Approximation:
        """Return the distance of the circuit from the float model."""
        ...


@dataclass(frozen=True, slots=True)
class ProofJob:
    """A statement to prove.

    Attributes:
        windows: 1 to B feature vectors of clipped integers.
        scores: As many vectors of published integers, as `Detector.score_int` gives them.
        input_hash: Hash of the windows, if the circuit publishes it in their place; a hash of each input, if several.
        output_hash: Hash of the scores, if the circuit publishes it in their place.
    """

    windows: tuple[tuple[int, ...], ...]
    scores: tuple[tuple[int, ...], ...]
    input_hash: int | tuple[int, ...] | None = None
    output_hash: int | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that was verified after it was made.

    Attributes:
        proof: As the Solidity verifier takes it.
        instances: Field elements, in the hub's order: [H] ++ x ++ s.
        artifact_hash: Names the artifact that it was made with.
        seconds: Time of witness, proof and verification.
    """

    proof: bytes
    instances: tuple[int, ...]
    artifact_hash: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Probe:
    """Evidence that a circuit works: a proof of one window, which fills the batch. The hub gets it with a model.

    Attributes:
        window: Clipped integers.
        scores: The integers that the circuit publishes for the window.
        proof: As the Solidity verifier takes it.
    """

    window: tuple[int, ...]
    scores: tuple[int, ...]
    proof: bytes


class EventKind(StrEnum):
    """The events in the life of a job. Each job ends with one of the last four."""

    QUEUED = "queued"
    STARTED = "started"
    RETRIED = "retried"
    CACHED = "cached"
    PROVEN = "proven"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ProverEvent:
    """An event that a prover reports, for progress and metrics.

    Attributes:
        kind: Says what happened.
        statement: Names the statement: a hash of the artifact's hash and the instances.
        running: Jobs that workers have now.
        waiting: Jobs that wait for a worker, or for a place in the queue.
        seconds: Time since a job that ended was asked for.
        detail: Reason why it was tried again or failed.
    """

    kind: EventKind
    statement: str
    running: int
    waiting: int
    seconds: float = 0.0
    detail: str = ""


OnEvent: TypeAlias = Callable[[ProverEvent], None]
"""Called on the event loop; must be quick, and must not raise."""


class Prover(Protocol):
    """A prover makes proofs of one circuit, several at once if it can.

    `tests/proving_conformance.py` asks this of each implementation:

    - A proof leaves it only after this machine verified it, and saw that its length and its instances are exact.
    - A statement is proven once: a proof that was made is given again, and a job that is asked for while the same one
      is under way joins it.
    - A job whose worker dies is tried again `retries` times; the others don't notice.
    - At most `queue` jobs wait for a worker. A further one waits for its place in order, or raises ProverBusy.
    - A cancelled job frees its worker at once. So does one over its deadline, or over its memory.
    """

    async def prove(self, job: ProofJob, *, wait: bool = True) -> Proof:
        """Prove one statement.

        Args:
            job: The statement.
            wait: True to wait if the queue is full.

        Raises:
            ValueError: The job does not fit the circuit.
            ProverBusy: The queue is full, and `wait` is false.
            ProverCrashed: The worker died, as often as it may; a new one is started for the next job.
            ProverTimeout: A worker had it for longer than the deadline.
            MemoryExceeded: It took more memory than it may have.
            ProverUnavailable: The prover is closed, or can't start workers.
            ProofInvalid: The circuit disagrees with the job's scores, or the proof does not verify.
            ArtifactError: A file of the artifact is gone or damaged.
        """
        ...

    async def warm(self) -> int:
        """Start all workers. Return the largest resident size of one so far, in bytes; 0 if unknown."""
        ...

    async def close(self) -> None:
        """End the workers; jobs under way raise ProverUnavailable. The prover can't be used afterwards."""
        ...
