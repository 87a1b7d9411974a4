"""The verifiers of a hub's models: their code is made again from verifying key, settings and SRS."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oracle.audit.artifacts import HubCircuit, load_artifacts, misfits
from oracle.audit.deployment.report import DeploymentDraft, Difference
from oracle.audit.deployment.statement import StatedArchitecture, StatedCircuit, StatedContract, StatedModel
from oracle.chain.compiled import other_code
from oracle.chain.local import toolchain
from oracle.chain.local.solc import Solc
from oracle.chain.rpc import Rpc
from oracle.core.errors import ToolMissing
from oracle.core.formats import from_hex, keccak, to_hex
from oracle.proving import artifact as artifacts
from oracle.proving.artifact import Artifact, Regeneration
from oracle.proving.hashing import sha256_of
from oracle.proving.srs.files import SrsOrigin


@dataclass(frozen=True)
class Verifiers:
    """The verifiers of a hub, as far as artifacts show what they are.

    Attributes:
        architectures: The architectures, with the verifying key and the origin of the SRS of each circuit.
        contracts: What is stated of each verifier, by address.
    """

    architectures: tuple[StatedArchitecture, ...]
    contracts: Mapping[str, StatedContract]


class VerifierChecks:
    """Checks the verifiers of one hub.

    Args:
        folder: Folder with the artifacts of the models; None: the auditor has none.
        is_local: True on a development chain, where a locally generated SRS is allowed.
    """

    def __init__(self, rpc: Rpc, block: int, folder: Path | None, draft: DeploymentDraft, *, is_local: bool) -> None:
        self._rpc = rpc
        self._block = block
        self._draft = draft
        self._is_local = is_local
        self._folder = folder
        self._artifacts, self._unreadable = ([], []) if folder is None else load_artifacts(folder)
        self._contracts: dict[str, StatedContract] = {}

    async def check(self, architectures: Sequence[StatedArchitecture], models: Sequence[StatedModel]) -> Verifiers:
        """Check the verifiers of all architectures, and that each model is of an artifact."""
        found = []
        for architecture in architectures:
            circuits = [await self._circuit(architecture, each) for each in architecture.circuits]
            found.append(architecture.model_copy(update={"circuits": tuple(circuits)}))
        known = {from_hex(each.manifest.artifact_hash): each for each in self._artifacts}
        for model in models:
            artifact = known.get(model.artifact_hash)
            subject = f"model {model.number}"
            if artifact is None:
                self._draft.is_unchecked(subject, f"{self._where()} of hash {to_hex(model.artifact_hash)}")
                continue
            if (artifact.model_hash or 0) != model.model_hash:
                meaning = "the hub binds proofs to other weights than the artifact's"
                found_hash = f"{model.model_hash:#066x}"
                self._draft.differs(f"{subject}, hash", f"{artifact.model_hash or 0:#066x}", found_hash, meaning)
            if artifact.manifest.score_unit != model.score_unit:
                meaning = "the hub weighs scores in another unit than the model's"
                unit, found_unit = str(artifact.manifest.score_unit), str(model.score_unit)
                self._draft.differs(f"{subject}, score unit", unit, found_unit, meaning)
            smallest = next(each.circuits[0] for each in architectures if each.number == model.architecture)
            if from_hex(artifact.manifest.verifier_code_hash) != smallest.code_hash:
                meaning = "the hub names an artifact whose verifier it does not ask"
                stated = f"an artifact with verifier code {to_hex(smallest.code_hash)}"
                self._draft.differs(f"{subject}, artifact", stated, artifact.path.name, meaning)
            self._draft.checked.append(f"{subject}: its artifact is {artifact.path.name}")
        if any(each.subject.startswith(("architecture", "model")) for each in self._draft.unchecked):
            self._draft.notes.extend(self._unreadable)
        return Verifiers(tuple(found), self._contracts)

    async def _circuit(self, architecture: StatedArchitecture, circuit: StatedCircuit) -> StatedCircuit:
        subject = f"architecture {architecture.number}, verifier {circuit.verifier} of {circuit.batch}"
        code = await self._rpc.code(circuit.verifier, self._block)
        self._contracts[circuit.verifier] = StatedContract(
            contract="verifier",
            address=circuit.verifier,
            creation="unknown",
            creation_code_hash=None,
            arguments=None,
            salt=None,
            code_hash=keccak(code),
        )
        if keccak(code) != circuit.code_hash:
            meaning = "the hub accepts no proof any more, or accepts other statements"
            self._draft.differs(subject, f"code of hash {to_hex(circuit.code_hash)}", to_hex(keccak(code)), meaning)
            return circuit
        candidates = [
            each for each in self._artifacts if from_hex(each.manifest.verifier_code_hash) == circuit.code_hash
        ]
        if not candidates:
            self._draft.is_unchecked(subject, f"{self._where()} with verifier code {to_hex(circuit.code_hash)}")
            return circuit
        told: list[Difference] = []
        for artifact in candidates:
            try:
                made = await asyncio.to_thread(
                    artifacts.regenerate, artifact, Solc(), cache=toolchain.regenerated_dir()
                )
            except ToolMissing as error:
                self._draft.is_unchecked(subject, f"its code can't be made again: {error}")
                return circuit
            wrong = _differences(subject, architecture, circuit, code, artifact, made)
            if not wrong:
                return self._shown(subject, circuit, artifact, made)
            told = told or wrong
        # A false artifact beside the right one does no harm. Without the right one, the first tells what is wrong.
        self._draft.extend(told)
        return circuit

    def _shown(self, subject: str, circuit: StatedCircuit, artifact: Artifact, made: Regeneration) -> StatedCircuit:
        self._draft.checked.append(f"{subject}: {made.tied}")
        is_public = made.srs_origin is SrsOrigin.PUBLIC_CEREMONY
        if not is_public and not self._is_local:
            meaning = "whoever made it can forge proofs"
            self._draft.differs(f"{subject}, SRS", "the public ceremony's", "one made by somebody", meaning)
        elif not is_public:
            self._draft.notes.append(f"{subject}: its SRS was made by somebody, which is good for a local chain alone")
        return circuit.model_copy(
            update={
                "verifying_key": sha256_of(artifact.path / artifacts.VK),
                "srs_origin": made.srs_origin.value,
            }
        )

    def _where(self) -> str:
        if self._folder is None:
            return "no artifacts were named (--artifacts): none"
        return f"no artifact in {self._folder} is"


def _differences(
    subject: str,
    architecture: StatedArchitecture,
    circuit: StatedCircuit,
    code: bytes,
    artifact: Artifact,
    made: Regeneration,
) -> list[Difference]:
    """Return what an artifact that was made again has wrong; empty if it shows what the verifier accepts."""
    name = f"artifact {artifact.path.name}"
    meaning = "the artifact does not show what the verifier accepts"
    found = [Difference(name, "made again from its inputs", problem, meaning) for problem in made.problems]
    if made.code is None or not made.ok:
        return found or [Difference(name, "made again from its inputs", made.tied, meaning)]
    if made.code.runtime != code:
        wanted = "the code that follows from verifying key, settings and SRS"
        found.append(Difference(subject, wanted, other_code(code), "it may accept proofs of anything"))
    hub = HubCircuit(circuit.batch, architecture.features, architecture.outputs, architecture.binds_model)
    for what, of_circuit, of_hub in misfits(artifact, hub):
        misfit = "the hub takes the circuit for another one"
        found.append(Difference(f"{subject}, {what}", str(of_circuit), str(of_hub), misfit))
    return found
