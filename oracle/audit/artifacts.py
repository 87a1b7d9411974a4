"""The auditor's artifacts: those in a folder, and in what one is another circuit than a hub takes it for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oracle.core.errors import ArtifactError
from oracle.proving import artifact as artifacts
from oracle.proving.artifact import Artifact, Visibility


@dataclass(frozen=True)
class HubCircuit:
    """A circuit as a hub's architecture describes it: so the hub lays out the instances of a proof.

    Attributes:
        batch: The number of windows.
        features: The names of a window's features.
        outputs: The number of scores of each window.
        binds_model: True if a hash of the weights is among the instances.
    """

    batch: int
    features: tuple[str, ...]
    outputs: int
    binds_model: bool


def misfits(artifact: Artifact, circuit: HubCircuit) -> list[tuple[str, object, object]]:
    """Return in what an artifact's circuit is another one: the subject, what the artifact has, and what the hub has.

    As many instances in all are not enough: hub and circuit have to cut them into the same windows and scores.
    """
    manifest = artifact.manifest
    pairs: Sequence[tuple[str, object, object]] = (
        ("windows", manifest.batch, circuit.batch),
        ("features", tuple(manifest.features), circuit.features),
        ("integers in a window", manifest.width, len(circuit.features)),
        ("outputs", manifest.outputs, circuit.outputs),
        ("binding of a model", manifest.visibility is Visibility.PRIVATE, circuit.binds_model),
        ("hashed ends", tuple(manifest.hashed), ()),
    )
    return [each for each in pairs if each[1] != each[2]]


def load_artifacts(folder: Path) -> tuple[list[Artifact], list[str]]:
    """Return the artifacts in a folder, and why others can't be read. Files that only a prover needs may be missing."""
    found: list[Artifact] = []
    unreadable: list[str] = []
    for manifest in sorted(folder.glob(f"*/{artifacts.MANIFEST}")):
        try:
            found.append(artifacts.load(manifest.parent, prover=False))
        except ArtifactError as error:
            unreadable.append(str(error))
    return found, unreadable
