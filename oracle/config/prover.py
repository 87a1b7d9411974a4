"""The table [prover]: how and where proofs are made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from oracle.core.cores import usable_cores
from oracle.core.privacy import ModelPrivacy, privacy_of, privacy_problems, refused_word
from oracle.core.settings import ConfigPath, Problem, Seconds, Section, wrong, wrong_each

__all__ = ["ProverConfig", "WorkersConfig"]

MAX_CIRCUITS = 8
"""The contract's bound on the circuits of one model."""

MAX_BATCH = 64
"""The contract's bound on the windows of one circuit."""


def _visibility(value: object) -> object:
    problem = refused_word(value) if isinstance(value, str) else None
    if problem is not None:
        raise wrong(problem)
    return value


def _batches(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(sizes)) != len(sizes):
        raise wrong("has a batch size twice")
    if not all(1 <= size <= MAX_BATCH for size in sizes):
        raise wrong(f"must have numbers from 1 to {MAX_BATCH}")
    return tuple(sorted(sizes))


BatchSizes = Annotated[tuple[int, ...], Field(min_length=1, max_length=MAX_CIRCUITS), AfterValidator(_batches)]


def _artifact_cache() -> Path:
    # Imported here because a configuration that names its folder need not load it.
    import platformdirs

    return platformdirs.user_cache_path("verifiable-oracle") / "artifacts"


class WorkersConfig(Section):
    """The workers that make proofs.

    Attributes:
        backend: "local": child processes of this machine; "ray": actors on a Ray cluster (needs the extra `ray`).
        ray_address: Address of a running cluster, as `ray start` prints it. None: a cluster is started on this machine.
            Whoever runs the cluster sees the model's weights.
        workers: How many proofs are made at once. Each worker proves with one thread; on a cluster it reserves a core.
        memory_mb: MiB of memory that one worker may take. A job that takes more is ended and not tried again. A cluster
            reserves as much for each worker.
        queue: How many jobs may wait for a worker.
        deadline_s: Seconds that a proof may take.
    """

    backend: Literal["local", "ray"] = "local"
    ray_address: Annotated[str, Field(min_length=1)] | None = None
    workers: Annotated[int, Field(ge=1, le=1_024)] = Field(default_factory=usable_cores)
    memory_mb: Annotated[int, Field(ge=64)] | None = None
    queue: Annotated[int, Field(ge=0, le=1_000_000)] = 64
    deadline_s: Seconds = 60.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise wrong_each(problems)
        return self

    def _problems(self) -> Iterator[Problem]:
        """Find what does not fit between the keys."""
        if self.ray_address is not None and self.backend != "ray":
            yield (), "'ray_address' is for backend = \"ray\"; this one proves on this machine"


class ProverConfig(WorkersConfig):
    """The provers.

    Attributes:
        proof_cache: Folder in which finished proofs are kept. The daemon needs none: its journal has them.
        artifacts: Folder of circuits, keys and verifiers. They are built once, and found again by their hash.
        visibility: "private": the model's weights are hidden, hashed in the circuit; "public": they are in the
            verifying key. None: the packaged model is public, a model of one's own private.
        disclosure: What a proof publishes: "score": the exact scores; "verdict": only on which side of
            the gate each score is. None: a public model publishes scores, a private one verdicts.
        srs: Where the structured reference string comes from. Whoever made a local one can forge proofs, so it is for
            local chains only.
        model: A model file, as `oracle detector train` writes it. None: the trained model of the package.
        approximate: True lets a model judge feeds whose circuit is not exact. Within its guard band a prover decides.
        batch_sizes: How many feeds one proof can judge. `oracle deploy` builds a circuit of the same model for each
            size, and the hub takes the smallest into which a submission fits.
        batch_window_ms: How long a report waits for others that share its proof, if there is a circuit for several. It
            waits less if its observation would become too old.
        shadow_wait_ms: How long a proven report waits at most for its shadow report to go first, while a proposed model
            needs shadow reports. The hub takes no shadow report after its report.
    """

    proof_cache: ConfigPath | None = None
    artifacts: ConfigPath = Field(default_factory=_artifact_cache)
    visibility: Annotated[Literal["private", "public"] | None, BeforeValidator(_visibility)] = None
    disclosure: Literal["score", "verdict"] | None = None
    srs: Literal["public-ceremony", "insecure-local"] = "public-ceremony"
    model: ConfigPath | None = None
    approximate: bool = False
    batch_sizes: BatchSizes = (1,)
    batch_window_ms: Annotated[int, Field(ge=0, le=60_000)] = 250
    shadow_wait_ms: Annotated[int, Field(ge=0, le=60_000)] = 2_000

    def _problems(self) -> Iterator[Problem]:
        texts = privacy_problems(own=self.is_own, visibility=self.visibility, disclosure=self.disclosure)
        yield from (((key,), text) for key, text in texts.items())
        yield from super()._problems()

    @property
    def is_own(self) -> bool:
        """True if the model is the user's own, False if it is the one of the package."""
        return self.model is not None

    @property
    def privacy(self) -> ModelPrivacy:
        """The visibility of the weights and what proofs publish: as configured, or as it follows from the model."""
        return privacy_of(own=self.is_own, visibility=self.visibility, disclosure=self.disclosure)

    @property
    def named_model(self) -> str:
        """The model, as people name it: its file, or "the packaged one"."""
        return "the packaged one" if self.model is None else str(self.model)
