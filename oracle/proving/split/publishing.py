"""The files of an imported model, split or not, that strangers need, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

from oracle.core.errors import ArtifactError
from oracle.proving import artifact
from oracle.proving.split.chain import ArtifactChain, load_chain
from oracle.proving.split.manifest import SPLIT


def publish(chain: ArtifactChain, folder: Path) -> ArtifactChain:
    """Copy the files from which anyone can verify a model's inferences, and make its keys and bytecode again.

    Args:
        chain: The model, or a copy for strangers.
        folder: The folder to make.

    Raises:
        ArtifactError: The folder exists, or can't be written.
    """
    if chain.manifest is None:
        artifact.publish(chain.artifacts[0], folder)
        return load_chain(folder, prover=False)
    try:
        folder.mkdir(parents=True)
        shutil.copyfile(chain.path / SPLIT, folder / SPLIT)
    except OSError as error:
        raise ArtifactError(f"the public files can't be written to {folder}: {error.strerror}") from error
    for each, link in zip(chain.artifacts, chain.manifest.segments, strict=True):
        artifact.publish(each, folder / link.folder)
    return load_chain(folder, prover=False)
