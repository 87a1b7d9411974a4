"""The detector that a file, the configuration or an artifact names."""

from __future__ import annotations

import hashlib
from pathlib import Path

from oracle.config import Config
from oracle.core.errors import ArtifactError
from oracle.detectors.interface import Detector, Disclosure
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.detectors.registry import load
from oracle.proving.artifact import DETECTOR, MODEL, Artifact
from oracle.proving.imported import at_scales

__all__ = ["configured_detector", "detector_of", "keep_detector", "load_detector"]


def load_detector(path: Path, disclosure: Disclosure = Disclosure.SCORE) -> Detector:
    """Read a model file of any kind, networks included.

    Raises:
        DataError: The file can't be read, its content is wrong, or the model can't publish that.
        ModelError: Its network can't be proven.
    """
    return load(path, disclosure, at_scales)


def configured_detector(config: Config) -> Detector:
    """Return the detector that the configuration asks for: its model file, or else the default model."""
    disclosure = Disclosure(config.prover.disclosure)
    if config.prover.model is not None:
        return load_detector(config.prover.model, disclosure)
    return QuadraticModel.default(disclosure)


def keep_detector(detector: Detector, artifact: Artifact) -> None:
    """Write a detector's model file beside its circuit, readable by its owner only."""
    path = artifact.path / DETECTOR
    text = detector.to_json()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)


def detector_of(artifact: Artifact) -> Detector:
    """Return the detector that computes what a circuit proves.

    Raises:
        ArtifactError: No model file lies beside the circuit, or it is another model's.
    """
    manifest = artifact.manifest
    disclosure = Disclosure(manifest.disclosure)
    path = artifact.path / DETECTOR
    if path.is_file():
        found = load_detector(path, disclosure)
        if hashlib.sha256(found.to_onnx(manifest.batch)).hexdigest() != manifest.files[MODEL]:
            raise ArtifactError(f"{path} is another model than its circuit's: restore the file, or build it again")
        return found
    default = QuadraticModel.default(disclosure)
    if manifest.name != default.name:
        raise ArtifactError(
            f"{artifact.path} is of the model {manifest.name!r}, and its {DETECTOR} is missing: copy it from the "
            "machine that deployed it"
        )
    return default
