"""Verification of proofs off-chain, on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from oracle.proving.artifact import SETTINGS, SRS, VK, Artifact
from oracle.proving.engine.child import EngineProcess

DEADLINE = 60.0
"""Seconds for one proof."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of verifying a proof: `verified`, and the `reason` if it is not."""

    verified: bool
    reason: str = ""


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
        """Verify one proof against the instances that the hub built.

        Raises:
            ProverCrashed, ProverTimeout: The child failed; nothing is known of the proof.
        """
        manifest = self._artifact.manifest
        if len(proof) != manifest.proof_bytes:
            return Verification(False, f"it has {len(proof)} bytes instead of {manifest.proof_bytes}")
        if len(instances) != manifest.instance_count:
            return Verification(False, f"it has {len(instances)} instances instead of {manifest.instance_count}")
        if self._artifact.model_hash is not None:
            found = instances[manifest.model_hash_at]
            if found != self._artifact.model_hash:
                return Verification(False, f"it is of the model {found:#066x}, not {self._artifact.model_hash:#066x}")
        result = self._child.call(
            "verify",
            deadline=self._deadline,
            settings=self._artifact.file(SETTINGS),
            vk=self._artifact.file(VK),
            srs=self._artifact.file(SRS),
            proof=proof.hex(),
            instances=[hex(element) for element in instances],
        )
        return Verification(result["verified"], "" if result["verified"] else result["reason"] or "ezkl refuses it")

    def close(self) -> None:
        """End the child."""
        self._child.close()
