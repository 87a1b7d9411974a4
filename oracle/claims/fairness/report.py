"""A fairness audit as its owner gives it out, as a file, and the report of whoever verified it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oracle.claims.fairness.rates import GroupDifference, GroupRate
from oracle.core import encoding
from oracle.core.documents import read_json, write_json
from oracle.core.errors import DataError
from oracle.core.formats import from_hex, to_hex
from oracle.proving.batches import ProvenBatch

FORMAT = "claim-audit-v1"


@dataclass(frozen=True)
class FairnessAudit:
    """The audit that a model's owner gives out, without weights and scores. It proves nothing until it is verified.

    Attributes:
        model: The model's name, for people.
        model_hash: Poseidon hash of the weights, a field element: that of the model's claims.
        artifact_hash: Hash of the circuit's artifact.
        fingerprint: Fingerprint of the audit set.
        lo, hi: Bounds, both included, in integers of 1/unit (before the Sigmoid, where the model ends with one).
        unit: An output of 1, in these integers.
        batches: The verdicts of B rows each, in the order of the set, with their proofs.
    """

    model: str
    model_hash: int
    artifact_hash: str
    fingerprint: str
    lo: int
    hi: int
    unit: int
    batches: tuple[ProvenBatch, ...]

    def document(self) -> dict[str, Any]:
        """Return the audit as JSON, with 256-bit numbers as hex."""
        return {
            "format": FORMAT,
            **asdict(self),
            "model_hash": f"{self.model_hash:#066x}",
            "batches": [
                {"verdicts": [row[0] for row in batch.scores], "proof": to_hex(batch.proof)} for batch in self.batches
            ],
        }

    def save(self, path: Path) -> None:
        """Write the file.

        Raises:
            DataError: It can't be written.
        """
        write_json(path, self.document())

    @staticmethod
    def load(path: Path) -> FairnessAudit:
        """Read a file. Only its form is checked.

        Raises:
            DataError: The file is not an audit.
        """
        document = read_json(path)
        try:
            values = dict(document)
            if values.pop("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT!r}")
            values["model_hash"] = int(values["model_hash"], 16)
            for name in ("lo", "hi", "unit"):
                if type(values[name]) is not int or abs(values[name]) > encoding.INT128_MAX:
                    raise ValueError(f"{name} is {values[name]!r}, no integer of the circuit")
            values["batches"] = tuple(
                ProvenBatch(
                    tuple((_verdict(each),) for each in batch["verdicts"]),
                    from_hex(batch["proof"]),
                )
                for batch in values["batches"]
            )
            return FairnessAudit(**values)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
            raise DataError(f"{path} is not a valid audit: {what}") from error


@dataclass(frozen=True)
class FairnessReport:
    """The result of verifying an audit.

    Attributes:
        rows: The number of rows in the set.
        verified: The number of `batches` whose proofs hold.
        rates: Rates counted from proven verdicts, in the order of the groups' names; none if anything is wrong.
        differences: Differences from the largest group.
        problems: What is wrong; none if the audit is what it says.
        notes: What a reader has to know to rely on it.
    """

    model_hash: int
    rows: int
    batches: int
    verified: int
    rates: tuple[GroupRate, ...]
    differences: tuple[GroupDifference, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True if the audit is what it says."""
        return not self.problems


def _verdict(value: Any) -> int:
    if type(value) is not int or value not in (0, 1):
        raise ValueError(f"{value!r} is not a verdict")
    return value
