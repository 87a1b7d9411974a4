"""A model card: a model's verdicts on a benchmark, each batch of them proven.

A card is a file that says what the benchmark is, which model judged it, the published scores and a proof for each
batch, and what they add up to. `verify` believes none of it: it needs the verifying key of the circuit (an auditor's
copy of the artifact) and, for windows that were drawn from series, the series.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oracle.core import encoding
from oracle.core.documents import read_json, write_json
from oracle.core.errors import ArtifactError, DataError
from oracle.detectors.cards.benchmark import Benchmark
from oracle.proving.artifact import Artifact
from oracle.proving.batches import ProvenBatch, Scores, Verifier, batch_problem, prove_batches

FORMAT = "model-card-v1"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a model made of a benchmark.

    Attributes:
        faults: Windows that are one; `caught`: how many of them the model holds.
        normals: Windows that are none; `false_holds`: how many of them the model holds.
        by_kind: Faults and those that were caught, by kind.
    """

    faults: int
    caught: int
    normals: int
    false_holds: int
    by_kind: Mapping[str, tuple[int, int]]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"by_kind": {kind: list(counts) for kind, counts in self.by_kind.items()}}


@dataclass(frozen=True, slots=True)
class CardModel:
    """The model, and the circuit that its verdicts are proven in. Fields as in the artifact's manifest.

    Attributes:
        model_hash: A field element; None if the circuit has the weights in its key.
    """

    name: str
    model_hash: int | None
    artifact_hash: str
    verifier_code_hash: str
    disclosure: str
    features: int
    outputs: int
    batch: int

    @staticmethod
    def of(artifact: Artifact) -> CardModel:
        """The model of an artifact."""
        manifest = artifact.manifest
        return CardModel(
            name=manifest.name,
            model_hash=artifact.model_hash,
            artifact_hash=manifest.artifact_hash,
            verifier_code_hash=manifest.verifier_code_hash,
            disclosure=manifest.disclosure,
            features=manifest.features,
            outputs=manifest.outputs,
            batch=manifest.batch,
        )


@dataclass(frozen=True)
class Card:
    """A card as its file has it: a claim, until it is verified."""

    model: CardModel
    benchmark: Benchmark
    batches: tuple[ProvenBatch, ...]
    summary: Summary

    def document(self) -> dict[str, Any]:
        """As JSON: 256-bit numbers as hex."""
        model_hash = self.model.model_hash
        return {
            "format": FORMAT,
            "model": asdict(self.model) | {"model_hash": None if model_hash is None else f"{model_hash:#066x}"},
            "summary": self.summary.document(),
            "benchmark": self.benchmark.document(),
            "batches": [
                {"scores": [list(row) for row in batch.scores], "proof": "0x" + batch.proof.hex()}
                for batch in self.batches
            ],
        }

    @staticmethod
    def load(path: Path) -> Card:
        """Read a card's file. It may claim what it likes, in the right form.

        Raises:
            DataError: It is no card.
        """
        document = read_json(path)
        try:
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']!r} is not {FORMAT!r}")
            model, summary = dict(document["model"]), dict(document["summary"])
            model["model_hash"] = None if model["model_hash"] is None else int(model["model_hash"], 16)
            summary["by_kind"] = {str(kind): (int(a), int(b)) for kind, (a, b) in dict(summary["by_kind"]).items()}
            batches = tuple(
                ProvenBatch(
                    tuple(tuple(_score(score) for score in row) for row in batch["scores"]),
                    bytes.fromhex(batch["proof"].removeprefix("0x")),
                )
                for batch in document["batches"]
            )
            benchmark = document["benchmark"]
            found_model, found_summary = CardModel(**model), Summary(**summary)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
            raise DataError(f"{path} is no model card: {what}") from error
        return Card(found_model, Benchmark.from_document(benchmark, str(path)), batches, found_summary)

    def save(self, path: Path) -> None:
        """Write the file. Raises: DataError."""
        write_json(path, self.document())


@dataclass(frozen=True)
class CardReport:
    """What verifying a card found.

    Attributes:
        summary: As counted again from what is proven; None if not all of it is.
        verified: Batches whose proofs hold.
        problems: What is wrong; none if the card is what it says.
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
        return not self.problems


def count(benchmark: Benchmark, scores: Sequence[Scores]) -> Summary:
    """Count verdicts, as `ModelCard` does: a window is held if one of its scores is above zero.

    Args:
        scores: Of each batch, in order.
    """
    held = [max(row) > 0 for batch in scores for row in batch]
    by_kind = dict.fromkeys(benchmark.kinds, (0, 0))
    normals = false_holds = 0
    for label, is_held in zip(benchmark.labels, held, strict=True):
        if label:
            faults, caught = by_kind[benchmark.kinds[label - 1]]
            by_kind[benchmark.kinds[label - 1]] = (faults + 1, caught + is_held)
        else:
            normals, false_holds = normals + 1, false_holds + is_held
    totals = [sum(column) for column in zip((0, 0), *by_kind.values(), strict=True)]
    return Summary(totals[0], totals[1], normals, false_holds, by_kind)


# --- proving -------------------------------------------------------------------------------------------------------


async def prove(
    benchmark: Benchmark,
    artifact: Artifact,
    proofs: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Card:
    """Prove a model's verdicts on a benchmark.

    What is proven is kept in a folder: run again, it goes on, and proves nothing twice.

    Args:
        artifact: With the prover's files.
        proofs: The folder.
        workers: Proofs at once.
        progress: Told how many batches of how many are proven.

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
    return Card(CardModel.of(artifact), benchmark, batches, summary)


def require_fit(benchmark: Benchmark, artifact: Artifact) -> None:
    """Raises: ArtifactError: The circuit is not for the benchmark's batches or features."""
    manifest = artifact.manifest
    wanted, found = (benchmark.batch, benchmark.features), (manifest.batch, manifest.features)
    if wanted != found:
        raise ArtifactError(
            f"{artifact.path} is a circuit for {found[0]} windows of {found[1]} features, the benchmark has batches of "
            f"{wanted[0]} with {wanted[1]}: take the model's artifact for {wanted[0]}, or build the benchmark for it"
        )
    if manifest.spread and benchmark.recipe is not None:
        raise ArtifactError(
            f"{artifact.path} is of a model that sees the spread between reporters, which recorded series do not "
            "have: bring windows of your own"
        )


# --- verifying -----------------------------------------------------------------------------------------------------


def verify(
    card: Card,
    artifact: Artifact,
    verifier: Verifier,
    rebuilt: Benchmark | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> CardReport:
    """Verify a card; nothing that it says is believed.

    Args:
        artifact: The circuit; an auditor's copy will do.
        verifier: Of that circuit.
        rebuilt: The benchmark as the reader has it; None: he has only the card's.
    """
    problems: list[str] = []
    notes: list[str] = []
    benchmark, root = card.benchmark, "0x" + card.benchmark.root.hex()
    # 1 The benchmark is the one that its recipe gives.
    if rebuilt is None:
        notes.append(f"the benchmark was taken from the card: whoever relies on it compares the root {root}")
    elif rebuilt.root != benchmark.root:
        problems.append(f"the benchmark's root is {root}, rebuilt it is 0x{rebuilt.root.hex()}")
    elif rebuilt.kinds != benchmark.kinds:
        problems.append("the card names the kinds of faults in another way than the benchmark")
    # 2 The circuit is the card's, and the card's model the one that the circuit binds.
    if CardModel.of(artifact) != card.model:
        told, found = asdict(card.model), asdict(CardModel.of(artifact))
        differing = ", ".join(key for key in told if told[key] != found[key])
        problems.append(f"the card's model is not the artifact's: they differ in {differing}")
    if (benchmark.batch, benchmark.features) != (artifact.manifest.batch, artifact.manifest.features):
        problems.append("the benchmark's batches are not the circuit's")
    if card.model.disclosure == "score" and artifact.model_hash is not None:
        notes.append("scores are published: they give the model's weights away")
    if artifact.manifest.srs_origin.value != "public-ceremony":
        notes.append("the circuit is keyed with a local reference string: whoever made it can forge proofs")
    # 3 Each batch is there, and proven.
    if len(card.batches) != benchmark.batches:
        problems.append(f"the card has {len(card.batches)} batches, the benchmark {benchmark.batches}")
    verified = 0
    for index, batch in enumerate(card.batches[: benchmark.batches]):
        problem = batch_problem(artifact, verifier, benchmark.windows_of(index), batch)
        if problem:
            problems.append(f"batch {index}: {problem}")
        verified += not problem
        progress(index + 1, benchmark.batches)
    # 4 The summary is what the verdicts add up to.
    summary = None
    if verified == benchmark.batches:
        summary = count(benchmark, [batch.scores for batch in card.batches[: benchmark.batches]])
        if summary != card.summary:
            problems.append("the summary is not what the proven verdicts add up to")
    return CardReport(root, benchmark.batches, verified, summary, tuple(problems), tuple(notes))


def _score(value: Any) -> int:
    if type(value) is not int or abs(value) > encoding.INT128_MAX:
        raise ValueError(f"{value!r} is no score")
    return value
