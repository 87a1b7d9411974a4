"""Artifacts whose keys and bytecode this machine makes again before they are relied on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from oracle.app.circuits import Progress
from oracle.chain.local import toolchain
from oracle.chain.local.solc import Solc
from oracle.core.errors import ArtifactError
from oracle.proving import artifact as artifacts
from oracle.proving.artifact import Artifact, Regeneration
from oracle.proving.interface import Provable

__all__ = ["regenerated", "require_regenerated"]


def regenerated(
    artifact: Artifact, progress: Progress = lambda step: None, model: Provable | None = None
) -> Regeneration:
    """Make an artifact's key and bytecode again, or find what this machine made before. See `artifact.regenerate`.

    Of a public circuit that is not exact, what a prover may choose is derived again, too.

    Args:
        artifact: The artifact.
        progress: Called with each step.
        model: The model, or one of its architecture.
    """
    again = artifacts.regenerate(artifact, Solc(), model=model, cache=toolchain.regenerated_dir(), progress=progress)
    if artifact.manifest.exact:
        return again
    # Imported here: lowering loads onnx and numpy, for which a node that only answers has neither time nor memory.
    from oracle.proving.approximate.statement import band_problems

    graph = (artifact.path / artifacts.ARCHITECTURE).read_bytes()
    return replace(again, problems=(*again.problems, *band_problems(artifact.manifest, graph)))


async def require_regenerated(found: Sequence[Artifact], progress: Progress = lambda step: None) -> None:
    """Make sure that the verifiers of artifacts follow from their circuits, before they get on a chain.

    Raises:
        ArtifactError: Key or bytecode of one of them is another's; the message says what differs.
    """
    for artifact in found:
        again = await asyncio.to_thread(regenerated, artifact, progress)
        if not again.ok:
            raise ArtifactError(
                f"{artifact.path} is refused: {'; '.join(again.problems)}. Delete the folder and build it again; if it "
                "came from somebody else, do not use it"
            )
