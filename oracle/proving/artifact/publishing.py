"""The files of an artifact that strangers need, and nothing else: no weights, no proving key."""

from __future__ import annotations

import shutil
from pathlib import Path

from oracle.core.errors import ArtifactError
from oracle.proving.artifact.loading import Artifact, load
from oracle.proving.artifact.manifest import AUDIT_FILES, MANIFEST


def publish(artifact: Artifact, folder: Path) -> Artifact:
    """Copy the files from which anyone can verify proofs, and make key and bytecode again.

    Args:
        artifact: The artifact, or a copy for strangers.
        folder: The folder to make.

    Raises:
        ArtifactError: The folder exists, or can't be written.
    """
    try:
        folder.mkdir(parents=True)
        for name in (*AUDIT_FILES, MANIFEST):
            shutil.copyfile(artifact.file(name), folder / name)
    except OSError as error:
        raise ArtifactError(f"the public files can't be written to {folder}: {error.strerror}") from error
    return load(folder, prover=False)
