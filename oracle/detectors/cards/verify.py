"""Verifying a proven card with public files: nothing that the card says is believed.

The circuit's public files are needed, from which its key is made again, and the series for windows that were drawn from
series.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from oracle.core.formats import to_hex
from oracle.detectors.cards.benchmark import Benchmark
from oracle.detectors.cards.card import CardModel, ProvenCard, Summary, count
from oracle.proving.artifact import Artifact, Regeneration
from oracle.proving.batches import Verifier, batch_problem
from oracle.proving.srs.files import SrsOrigin


@dataclass(frozen=True)
class CardReport:
    """The result of verifying a card.

    Attributes:
        root: The root of the card's benchmark.
        batches: How many batches the benchmark has.
        verified: How many batches have a proof that holds.
        summary: Counted again from what is proven; None if not all of it is.
        problems: What is wrong; empty if the card is what it says.
        notes: What the reader has to know to use it.
    """

    root: str
    batches: int
    verified: int
    summary: Summary | None
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True if the card is what it says."""
        return not self.problems


def verify(
    card: ProvenCard,
    artifact: Artifact,
    verifier: Verifier,
    rebuilt: Benchmark | None,
    again: Regeneration,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> CardReport:
    """Verify a card; nothing that it says is believed.

    Args:
        card: The card.
        artifact: The circuit; its public files will do.
        verifier: A verifier of that circuit.
        rebuilt: The benchmark as the reader has built it; None if the reader has only the card's.
        again: The circuit's key and bytecode, made again.
        progress: Called with the number of checked batches, and of all.
    """
    problems: list[str] = []
    notes: list[str] = []
    benchmark, root = card.benchmark, to_hex(card.benchmark.root)
    # 1 The benchmark is the one that its recipe gives.
    if rebuilt is None:
        notes.append(f"the benchmark was taken from the card: whoever relies on it compares the root {root}")
    elif rebuilt.root != benchmark.root:
        problems.append(f"the benchmark's root is {root}, rebuilt it is {to_hex(rebuilt.root)}")
    elif rebuilt.kinds != benchmark.kinds:
        problems.append("the card names the kinds of faults in another way than the benchmark")
    # 2 The circuit is the card's, and the card's model the one that the circuit binds.
    if CardModel.of(artifact) != card.model:
        told, found = asdict(card.model), asdict(CardModel.of(artifact))
        differing = ", ".join(key for key in told if told[key] != found[key])
        problems.append(f"the card's model is not the artifact's: they differ in {differing}")
    if (benchmark.batch, benchmark.width) != (artifact.manifest.batch, artifact.manifest.width):
        problems.append("the benchmark's batches are not the circuit's")
    if card.model.disclosure == "score" and artifact.model_hash is not None:
        notes.append("scores are published: they give the model's weights away")
    # 3 Its key is that of the model or its architecture, and its verifier follows from the key.
    if again.artifact_hash != artifact.artifact_hash:
        problems.append("another circuit was made again than the card's")
    problems += again.problems
    notes.append(f"the circuit: {again.tied}")
    notes += again.notes
    if again.srs_origin is not SrsOrigin.PUBLIC_CEREMONY:
        notes.append("the circuit is keyed with a local reference string: whoever made it can forge proofs")
    # 4 Each batch is there, and proven.
    if len(card.batches) != benchmark.batches:
        problems.append(f"the card has {len(card.batches)} batches, the benchmark {benchmark.batches}")
    verified = 0
    for index, batch in enumerate(card.batches[: benchmark.batches]):
        problem = batch_problem(artifact, verifier, benchmark.windows_of(index), batch)
        if problem:
            problems.append(f"batch {index}: {problem}")
        verified += not problem
        progress(index + 1, benchmark.batches)
    # 5 The summary is what the verdicts add up to.
    summary = None
    if verified == benchmark.batches:
        summary = count(benchmark, [batch.scores for batch in card.batches[: benchmark.batches]])
        if summary != card.summary:
            problems.append("the summary is not what the proven verdicts add up to")
    return CardReport(root, benchmark.batches, verified, summary, tuple(problems), tuple(notes))
