"""The circuits of a hub's models: the auditor's artifacts, made again and tied to the code on the chain.

Nothing that an artifact says is believed. Its key is made again from its graph, its bytecode from its key, and that is
the code that the chain must have: generated verifiers have no storage and no immutables, so their code is all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oracle.audit.artifacts import HubCircuit, load_artifacts, misfits
from oracle.audit.history import AuditedModel
from oracle.audit.progress import AuditStep, Progress, unwatched
from oracle.audit.report import AuditedCircuit, ProblemKind, ReportDraft
from oracle.chain.local import toolchain
from oracle.chain.local.solc import Solc
from oracle.chain.rpc import BlockTag, Rpc
from oracle.chain.transport.interface import NodeError
from oracle.core.encoding import decode_features, feature_names
from oracle.core.errors import ToolMissing
from oracle.core.formats import keccak, to_hex
from oracle.proving import artifact as artifacts
from oracle.proving.artifact import Artifact, Regeneration
from oracle.proving.srs.files import SrsOrigin

__all__ = ["DeployedCircuits", "require_compiler"]


def require_compiler(folder: Path) -> None:
    """Make sure that verifiers can be made again, before a long history is read.

    Raises:
        ToolMissing: There is no compiler, and the folder has artifacts whose bytecode this machine did not make yet.
    """
    try:
        Solc().require()
    except ToolMissing:
        found, _ = load_artifacts(folder)
        if any(artifacts.needs_compiler(each, toolchain.regenerated_dir()) for each in found):
            raise


class DeployedCircuits:
    """The circuits of a hub's models, as far as the auditor has artifacts of them.

    Args:
        folder: Folder with the models' artifacts; files that only a prover needs may be missing from them.
        draft: Takes what is wrong with verifiers and artifacts.
        block: The block at which code is read.
        cache: Folder that keeps keys and bytecode which were made again; None: this machine's.
        progress: Called with each circuit that was made again.
    """

    def __init__(
        self,
        rpc: Rpc,
        folder: Path,
        draft: ReportDraft,
        block: BlockTag = "latest",
        *,
        cache: Path | None = None,
        progress: Progress = unwatched,
    ) -> None:
        self._rpc = rpc
        self._draft = draft
        self._block = block
        self._cache = cache or toolchain.regenerated_dir()
        self._progress = progress
        self._architectures: dict[int, Mapping[str, Any]] = {}
        found, self._unreadable = load_artifacts(folder)
        self._artifacts = _by_code(found)
        self._made: dict[Path, Regeneration] = {}
        self._deployed: dict[tuple[int, int], Artifact] = {}
        self._is_lacking = False

    def add_architecture(self, architecture_id: int, architecture: Mapping[str, Any]) -> None:
        """Take over an architecture that was added to the hub, as its event describes it."""
        self._architectures[architecture_id] = architecture

    def knows(self, architecture_id: int) -> bool:
        """Return True if an architecture was added."""
        return architecture_id in self._architectures

    async def audited_model(self, number: int, model: Mapping[str, Any]) -> AuditedModel:
        """Return a model of the hub, whose circuits were made again and are those that are deployed for it.

        Args:
            model: The model, as the event `ModelAdded` describes it.
        """
        architecture = self._architectures[model["architectureId"]]
        model_hash = model["modelHash"] if architecture["bindsModel"] else None
        problem = ""
        circuits = zip(architecture["batchSizes"], architecture["verifiers"], architecture["codeHashes"], strict=True)
        for batch, address, code_hash in circuits:
            artifact, why = await self._circuit(number, batch, code_hash, model_hash, architecture, model)
            if why:
                problem = problem or why
                self._draft.problem(ProblemKind.ARTIFACT, why)
            is_tied = await self._check_verifier(number, address, code_hash, artifact)
            self._draft.circuits.append(self._told(number, batch, address, artifact, is_tied))
            if artifact is not None:
                self._deployed[number, batch] = artifact
        return AuditedModel(
            number=number,
            features=decode_features(architecture["features"]),
            outputs=architecture["outputs"],
            model_hash=model_hash,
            score_unit=model["scoreUnit"],
            batches=tuple(architecture["batchSizes"]),
            problem=problem,
        )

    def artifact(self, model_number: int, batch: int) -> Artifact:
        """Return the artifact of a model's circuit for so many windows. There is one if its `problem` is empty."""
        return self._deployed[model_number, batch]

    def report_unreadable(self) -> None:
        """Report the artifacts that can't be read: as problems if an artifact is lacking, otherwise as notes.

        A folder may have artifacts of other releases, or of no concern; where one is lacking they may be the reason.
        """
        for text in self._unreadable:
            self._say(ProblemKind.ARTIFACT, text, is_problem=self._is_lacking)

    async def _circuit(
        self,
        number: int,
        batch: int,
        code_hash: bytes,
        model_hash: int | None,
        architecture: Mapping[str, Any],
        model: Mapping[str, Any],
    ) -> tuple[Artifact | None, str]:
        """Return the artifact of a model's circuit, and what is wrong with it; None if none could be made again."""
        where = f"model {number}, {batch} window{'s' * (batch != 1)}"
        candidates = self._artifacts.get((code_hash.hex(), model_hash), ())
        if not candidates:
            self._is_lacking = True
            return None, (
                f"no artifact here is of model {number} with {batch} windows (verifier code {to_hex(code_hash)}): ask "
                "who runs the hub for the public files, which `oracle model publish` makes"
            )
        # A folder may have a false artifact beside the right one.
        made = [await self._regenerated(each) for each in candidates]
        again = [artifact for artifact, found in zip(candidates, made, strict=True) if found.ok]
        if again:
            # One that fits, or else the first.
            pairs = [(artifact, _misfit(artifact, batch, architecture, model)) for artifact in again]
            artifact, misfit = min(pairs, key=lambda pair: bool(pair[1]))
            for note in self._made[artifact.path].notes:
                self._note(note)
            return artifact, misfit
        return None, f"{where}: its verifier is not tied to its circuit: {'; '.join(made[0].problems)}"

    async def _regenerated(self, artifact: Artifact) -> Regeneration:
        if artifact.path not in self._made:
            self._made[artifact.path] = await asyncio.to_thread(
                artifacts.regenerate, artifact, Solc(), cache=self._cache
            )
            self._progress(AuditStep.CIRCUITS, len(self._made), None)
        return self._made[artifact.path]

    def _told(self, number: int, batch: int, address: str, artifact: Artifact | None, is_tied: bool) -> AuditedCircuit:
        again = None if artifact is None else self._made[artifact.path]
        return AuditedCircuit(
            model_number=number,
            batch=batch,
            verifier=address,
            artifact_hash="" if artifact is None else artifact.artifact_hash,
            key_from="" if again is None else again.key_from,
            srs="" if again is None else again.srs_origin.value,
            is_tied=is_tied,
        )

    async def _check_verifier(self, number: int, address: str, code_hash: bytes, artifact: Artifact | None) -> bool:
        """Report what is wrong with a verifier; return True if its code follows from the artifact's key."""
        try:
            code = await self._rpc.code(address, self._block)
        except NodeError as error:
            self._draft.problem(ProblemKind.NODE, f"model {number}: the code at {address} can't be read: {error}")
            return False
        if keccak(code) != code_hash:
            text = f"model {number}: the verifier at {address} does not have the code that the hub pinned"
            self._draft.problem(ProblemKind.CODE, text)
        if artifact is None:
            return False
        again = await self._regenerated(artifact)
        is_tied = again.code is not None and code == again.code.runtime
        if not is_tied:
            text = f"model {number}: the code at {address} is not the verifier that follows from its key"
            self._draft.problem(ProblemKind.CODE, text)
        if again.srs_origin is not SrsOrigin.PUBLIC_CEREMONY:
            text = f"model {number}: the verifier at {address} is keyed with a local SRS: whoever made it can forge"
            self._say(ProblemKind.SRS, text, is_problem=not await self._rpc.is_local())
        return is_tied

    def _say(self, kind: ProblemKind, text: str, *, is_problem: bool) -> None:
        if is_problem:
            self._draft.problem(kind, text)
        else:
            self._note(text)

    def _note(self, text: str) -> None:
        if text not in self._draft.notes:
            self._draft.notes.append(text)


def _misfit(artifact: Artifact, batch: int, architecture: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Return in what an artifact's circuit is another one than the hub takes it for; "" if in nothing."""
    features = feature_names(decode_features(architecture["features"]))
    circuit = HubCircuit(batch, features, architecture["outputs"], architecture["bindsModel"])
    found = misfits(artifact, circuit)
    if artifact.manifest.score_unit != model["scoreUnit"]:
        found.append(("score unit", artifact.manifest.score_unit, model["scoreUnit"]))
    told = [f"{what}: {of_circuit} in the circuit, {of_hub} in the hub" for what, of_circuit, of_hub in found]
    return f"{artifact.path.name} is another circuit than the hub takes it for: {'; '.join(told)}" if told else ""


def _by_code(found: Sequence[Artifact]) -> dict[tuple[str, int | None], list[Artifact]]:
    """Return artifacts by their verifier's code hash and their model's hash."""
    known: dict[tuple[str, int | None], list[Artifact]] = {}
    for artifact in found:
        key = (artifact.manifest.verifier_code_hash.removeprefix("0x"), artifact.model_hash)
        known.setdefault(key, []).append(artifact)
    return known
