"""Proving a card: the model's verdicts on every batch of a benchmark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oracle.core.errors import ArtifactError
from oracle.detectors.cards.benchmark import Benchmark
from oracle.detectors.cards.card import CardModel, ProvenCard, count
from oracle.proving.artifact import Artifact
from oracle.proving.batches import prove_batches


async def prove(
    benchmark: Benchmark,
    artifact: Artifact,
    proofs: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ProvenCard:
    """Prove a model's verdicts on a benchmark.

    A folder keeps the proofs: run again, `prove` goes on where it was, and proves nothing twice.

    Args:
        benchmark: The labelled windows.
        artifact: The model's circuit, with the prover's files.
        proofs: The folder.
        workers: Proofs at once.
        progress: Called with the number of proven batches, and of all.

    Raises:
        ArtifactError: The circuit is not for the benchmark's batches or features.
        ProverUnavailable: Proving failed for now; run it again.
    """
    require_fit(benchmark, artifact)
    batches = await prove_batches(
        [benchmark.windows_of(index) for index in range(benchmark.batches)],
        artifact,
        proofs,
        workers=workers,
        progress=progress,
    )
    summary = count(benchmark, [batch.scores for batch in batches])
    return ProvenCard(CardModel.of(artifact), benchmark, batches, summary)


def require_fit(benchmark: Benchmark, artifact: Artifact) -> None:
    """Raise an error if a circuit does not fit a benchmark.

    Raises:
        ArtifactError: The circuit is not for its batches or features.
    """
    manifest = artifact.manifest
    wanted, found = (benchmark.batch, benchmark.width), (manifest.batch, manifest.width)
    if wanted != found:
        listed = f" --features {','.join(manifest.features)}" if manifest.features else ""
        raise ArtifactError(
            f"{artifact.path} is a circuit for {found[0]} windows of {found[1]} integers, the benchmark has batches of "
            f"{wanted[0]} with {wanted[1]}: take the model's artifact for {wanted[0]}, or build the benchmark for it, "
            f"with --batch {found[0]}{listed}"
        )
    drawn = () if benchmark.recipe is None else benchmark.recipe.features
    if drawn and manifest.features not in ((), drawn):
        raise ArtifactError(
            f"{artifact.path} is of a model that takes {', '.join(manifest.features)}, and the benchmark's windows "
            f"have {', '.join(drawn)}: build the benchmark with --features {','.join(manifest.features)}"
        )
