"""Find the artifacts whose verifiers a hub has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oracle.audit.history import AuditedModel
from oracle.audit.report import ProblemKind, ReportDraft
from oracle.chain.deploy import PUBLIC_CEREMONY, srs_origin
from oracle.chain.rpc import Rpc
from oracle.core.encoding import decode_features
from oracle.core.errors import ArtifactError
from oracle.core.formats import keccak, to_hex
from oracle.proving import artifact as artifacts
from oracle.proving.artifact import Artifact


class DeployedCircuits:
    """The circuits of a hub's models, as far as the auditor has artifacts of them.

    Args:
        folder: Folder with the models' artifacts; files that only a prover needs may be missing from them.
        draft: Takes what is wrong with verifiers and artifacts.
    """

    def __init__(self, rpc: Rpc, folder: Path, draft: ReportDraft) -> None:
        self._rpc = rpc
        self._draft = draft
        self._architectures: dict[int, Mapping[str, Any]] = {}
        self._artifacts, self._unreadable = _load_artifacts(folder)
        self._deployed: dict[tuple[int, int], Artifact] = {}
        self._is_lacking = False

    def add_architecture(self, architecture_id: int, architecture: Mapping[str, Any]) -> None:
        """Take over an architecture that was added to the hub, as its event describes it."""
        self._architectures[architecture_id] = architecture

    async def audited_model(self, number: int, model: Mapping[str, Any]) -> AuditedModel:
        """Return a model of the hub with the artifacts whose verifiers are deployed for it.

        Args:
            model: The model, as the event `ModelAdded` describes it.
        """
        architecture = self._architectures[model["architectureId"]]
        model_hash = model["modelHash"] if architecture["bindsModel"] else None
        problem = ""
        circuits = zip(architecture["batchSizes"], architecture["verifiers"], architecture["codeHashes"], strict=True)
        for batch, address, code_hash in circuits:
            artifact = self._artifacts.get((code_hash.hex(), model_hash))
            await self._check_verifier(number, address, code_hash, artifact)
            if artifact is None:
                problem = (
                    f"no artifact here is of model {number} with {batch} windows (verifier code {to_hex(code_hash)})"
                )
                self._draft.problem(ProblemKind.ARTIFACT, problem)
                self._is_lacking = True
            else:
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

    async def _check_verifier(self, number: int, address: str, code_hash: bytes, artifact: Artifact | None) -> None:
        code = await self._rpc.code(address)
        if keccak(code) != code_hash:
            text = f"model {number}: the verifier at {address} does not have the code that the hub pinned"
            self._draft.problem(ProblemKind.CODE, text)
        origins = {srs_origin(code), *(() if artifact is None else (artifact.manifest.srs_origin,))}
        # The constant may stand anywhere in the code; the artifact's own SRS is known by its whole hash.
        if origins != {PUBLIC_CEREMONY}:
            text = f"model {number}: the verifier at {address} is keyed with a local SRS: whoever made it can forge"
            self._say(ProblemKind.SRS, text, is_problem=not await self._rpc.is_local())

    def _say(self, kind: ProblemKind, text: str, *, is_problem: bool) -> None:
        if is_problem:
            self._draft.problem(kind, text)
        else:
            self._draft.notes.append(text)


def _load_artifacts(folder: Path) -> tuple[dict[tuple[str, int | None], Artifact], list[str]]:
    """Return the artifacts in a folder, by verifier code hash and model hash, and why others can't be read."""
    found, unreadable = {}, []
    for manifest in sorted(folder.glob(f"*/{artifacts.MANIFEST}")):
        try:
            artifact = artifacts.load(manifest.parent, prover=False)
        except ArtifactError as error:
            unreadable.append(str(error))
            continue
        found[artifact.manifest.verifier_code_hash.removeprefix("0x"), artifact.model_hash] = artifact
    return found, unreadable
