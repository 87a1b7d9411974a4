"""The detector that a file, the configuration or an artifact names."""

from __future__ import annotations

import hashlib
from pathlib import Path

from oracle.config import Config
from oracle.core.errors import ArtifactError, ConfigError
from oracle.core.privacy import PUBLISHED_MODEL
from oracle.detectors.interface import Detector, Disclosure
from oracle.detectors.registry import load, packaged
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
    """Return the detector that the configuration asks for: its model file, or else the model of the package.

    Raises:
        DataError: The file can't be read, its content is wrong, or the model can't publish what is configured.
        ModelError: Its network can't be proven.
        ConfigError: The file is a copy of the packaged model, and configured as private.
    """
    privacy, path = config.prover.privacy, config.prover.model
    disclosure = Disclosure(privacy.disclosure)
    if path is None:
        return packaged(disclosure)
    detector = load_detector(path, disclosure)
    if privacy.visibility == "private" and detector.to_json() == packaged().to_json():
        raise ConfigError(f"[prover] model: {path} is a copy of the packaged model: {PUBLISHED_MODEL}")
    return detector


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
    default = packaged(disclosure)
    if manifest.name != default.name:
        raise ArtifactError(
            f"{artifact.path} is of the model {manifest.name!r}, and its {DETECTOR} is missing: copy it from the "
            "machine that deployed it"
        )
    return default
