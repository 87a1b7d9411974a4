"""Verification of proofs off-chain, on this machine."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from oracle.core.errors import ArtifactError
from oracle.proving.artifact import SETTINGS, SRS, VK, Artifact
from oracle.proving.engine.child import EngineProcess
from oracle.proving.hashing import sha256_of

DEADLINE = 60.0
"""Seconds for one proof."""

VERIFYING_FILES = (SETTINGS, VK, SRS)
"""The files of an artifact that a verification reads."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of verifying a proof: `verified`, which is also its truth, and the `reason` if it is not."""

    verified: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.verified


def verify_in(
    child: EngineProcess,
    artifact: Artifact,
    proof: bytes,
    instances: tuple[int, ...],
    *,
    deadline: float = DEADLINE,
    cancelled: threading.Event | None = None,
) -> Verification:
    """Verify one proof in a child process, which may serve any number of circuits.

    Args:
        child: The process.
        artifact: The circuit. It may lack the prover's files.
        proof: The proof, in the verifier's encoding.
        instances: The instances that the hub built.
        deadline: Seconds for the proof.
        cancelled: See `EngineProcess.call`.

    Raises:
        ProverCrashed, ProverTimeout: The child failed; nothing is known of the proof.
        ArtifactError: ezkl refuses, but a file of the artifact is no longer what it was when it was loaded: nothing is
            known of the proof.
    """
    manifest = artifact.manifest
    if len(proof) != manifest.proof_bytes:
        return Verification(False, f"it has {len(proof)} bytes instead of {manifest.proof_bytes}")
    if len(instances) != manifest.instance_count:
        return Verification(False, f"it has {len(instances)} instances instead of {manifest.instance_count}")
    if artifact.model_hash is not None:
        found = instances[manifest.model_hash_at]
        if found != artifact.model_hash:
            return Verification(False, f"it is of the model {found:#066x}, not {artifact.model_hash:#066x}")
    result = child.call(
        "verify",
        deadline=deadline,
        cancelled=cancelled,
        settings=artifact.file(SETTINGS),
        vk=artifact.file(VK),
        srs=artifact.file(SRS),
        proof=proof.hex(),
        instances=[hex(element) for element in instances],
    )
    if result["verified"]:
        return Verification(True)
    # ezkl's refusal has one form, whether the proof is wrong or a file can't be read.
    _check_files(artifact)
    return Verification(False, result["reason"] or "ezkl refuses it")


class LocalVerifier:
    """A verifier of one circuit's proofs, off-chain. Like an auditor, it needs none of the prover's files.

    Args:
        artifact: May lack the prover's files.
        deadline: Seconds for one proof.
    """

    def __init__(self, artifact: Artifact, *, deadline: float = DEADLINE) -> None:
        self._artifact = artifact
        self._deadline = deadline
        self._child = EngineProcess(threads=1)

    def __enter__(self) -> LocalVerifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def verify(self, proof: bytes, instances: tuple[int, ...]) -> Verification:
        """Verify one proof against the instances that the hub built. Raises as `verify_in`."""
        return verify_in(self._child, self._artifact, proof, instances, deadline=self._deadline)

    def close(self) -> None:
        """End the child."""
        self._child.close()


def _check_files(artifact: Artifact) -> None:
    for name in VERIFYING_FILES:
        path = Path(artifact.file(name))
        if not path.is_file() or sha256_of(path) != artifact.manifest.files[name]:
            raise ArtifactError(f"artifact {artifact.path}: {name} has changed since it was loaded; restore the folder")
