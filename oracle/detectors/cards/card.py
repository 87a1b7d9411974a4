"""A proven card as a file: a model's verdicts on a benchmark, with a proof of each batch.

It says what the benchmark is, which model judged it, the published scores and a proof of each batch, and what they add
up to. `oracle.detectors.cards.verify` believes none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oracle.core import encoding
from oracle.core.documents import read_json, write_json
from oracle.core.errors import DataError
from oracle.core.formats import from_hex, to_hex
from oracle.detectors.cards.benchmark import Benchmark
from oracle.proving.artifact import Artifact
from oracle.proving.batches import ProvenBatch, Scores

FORMAT = "model-card-v1"


@dataclass(frozen=True, slots=True)
class Summary:
    """A model's verdicts on a benchmark, counted.

    Attributes:
        faults: Number of windows with a fault.
        caught: How many of them the model holds.
        normals: Number of windows without one.
        false_holds: How many of them the model holds.
        by_kind: Number of faults, and of those that were caught, by kind.
    """

    faults: int
    caught: int
    normals: int
    false_holds: int
    by_kind: Mapping[str, tuple[int, int]]

    def document(self) -> dict[str, Any]:
        """Return the summary as JSON."""
        return asdict(self) | {"by_kind": {kind: list(counts) for kind, counts in self.by_kind.items()}}


@dataclass(frozen=True, slots=True)
class CardModel:
    """The model, and the circuit that its verdicts are proven in. The fields are those of the artifact's manifest.

    Attributes:
        model_hash: A field element; None if the circuit has the weights in its key.
    """

    name: str
    model_hash: int | None
    artifact_hash: str
    verifier_code_hash: str
    disclosure: str
    width: int
    features: tuple[str, ...]
    outputs: int
    batch: int

    @staticmethod
    def of(artifact: Artifact) -> CardModel:
        """Return the model of an artifact."""
        manifest = artifact.manifest
        return CardModel(
            name=manifest.name,
            model_hash=artifact.model_hash,
            artifact_hash=manifest.artifact_hash,
            verifier_code_hash=manifest.verifier_code_hash,
            disclosure=manifest.disclosure,
            width=manifest.width,
            features=manifest.features,
            outputs=manifest.outputs,
            batch=manifest.batch,
        )


@dataclass(frozen=True)
class ProvenCard:
    """A card as its file has it: a claim, until it is verified."""

    model: CardModel
    benchmark: Benchmark
    batches: tuple[ProvenBatch, ...]
    summary: Summary

    def document(self) -> dict[str, Any]:
        """Return the card as JSON, 256-bit numbers as hex."""
        model_hash = self.model.model_hash
        return {
            "format": FORMAT,
            "model": asdict(self.model) | {"model_hash": None if model_hash is None else f"{model_hash:#066x}"},
            "summary": self.summary.document(),
            "benchmark": self.benchmark.document(),
            "batches": [
                {"scores": [list(row) for row in batch.scores], "proof": to_hex(batch.proof)} for batch in self.batches
            ],
        }

    @staticmethod
    def load(path: Path) -> ProvenCard:
        """Read a card's file. Only its form is checked, not what it claims.

        Raises:
            DataError: It is not a card.
        """
        document = read_json(path)
        try:
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']!r} is not {FORMAT!r}")
            model, summary = dict(document["model"]), dict(document["summary"])
            model["features"] = tuple(str(name) for name in model["features"])
            model["model_hash"] = None if model["model_hash"] is None else int(model["model_hash"], 16)
            summary["by_kind"] = {str(kind): (int(a), int(b)) for kind, (a, b) in dict(summary["by_kind"]).items()}
            batches = tuple(
                ProvenBatch(
                    tuple(tuple(_score(score) for score in row) for row in batch["scores"]),
                    from_hex(batch["proof"]),
                )
                for batch in document["batches"]
            )
            benchmark = document["benchmark"]
            found_model, found_summary = CardModel(**model), Summary(**summary)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
            raise DataError(f"{path} is not a model card: {what}") from error
        return ProvenCard(found_model, Benchmark.from_document(benchmark, str(path)), batches, found_summary)

    def save(self, path: Path) -> None:
        """Write the file.

        Raises:
            DataError: The file can't be written.
        """
        write_json(path, self.document())


def count(benchmark: Benchmark, scores: Sequence[Scores]) -> Summary:
    """Count verdicts, as the contract `ModelCard` does: a window is held if one of its scores is above zero.

    Args:
        benchmark: The labelled windows.
        scores: The scores of each batch, in order.
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


def _score(value: Any) -> int:
    if type(value) is not int or abs(value) > encoding.INT128_MAX:
        raise ValueError(f"{value!r} is not a score")
    return value
