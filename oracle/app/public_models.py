"""The public models that circuits are of: everybody has the packaged one, and can compare it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from oracle.audit.report import AuditedCircuit
from oracle.core.errors import ArtifactError
from oracle.detectors.interface import Disclosure
from oracle.detectors.registry import packaged
from oracle.proving import artifact as artifacts
from oracle.proving.artifact.loading import read_document

__all__ = ["public_models"]


def public_models(circuits: Sequence[AuditedCircuit], folder: Path) -> list[str]:
    """Return which circuits of public models are those of the packaged model, each as a sentence.

    Args:
        circuits: Circuits whose keys were made again; those of private models are left out.
        folder: The folder that has their artifacts.
    """
    public = {each.artifact_hash: each for each in circuits if each.key_from == "model" and each.is_tied}
    return [] if not public else list(_sentences(public, folder))


def _sentences(public: dict[str, AuditedCircuit], folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob(f"*/{artifacts.MANIFEST}")):
        try:
            if read_document(path).get("artifact_hash") not in public:
                continue
            found = artifacts.load(path.parent, prover=False)
        except (OSError, ValueError, AttributeError, ArtifactError):
            continue  # not the one that was audited
        circuit, manifest = public[found.artifact_hash], found.manifest
        model = packaged(Disclosure(manifest.disclosure))
        graph = (found.path / artifacts.ARCHITECTURE).read_bytes()
        is_packaged = graph == model.to_onnx(manifest.batch) and manifest.score_unit == model.score_unit
        told = f"is the packaged model {model.name}" if is_packaged else f"is public, and not the packaged {model.name}"
        yield f"model {circuit.model_number}, {circuit.batch} window{'s' * (circuit.batch != 1)}: it {told}"
