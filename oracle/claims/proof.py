"""A claim as it leaves its prover: the public part and the proof, as a file that anyone may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oracle.claims import files
from oracle.claims.attestation import Attestation
from oracle.claims.statement import ClaimBound, ClaimShape, ClaimTerms, subject_limbs
from oracle.core import encoding
from oracle.core.formats import from_hex, to_hex

FORMAT = "claim-v2"
_HEX = ("model_id", "model_hash", "commitment", "statement_hash")


@dataclass(frozen=True, slots=True, repr=False)
class Commitment:
    """A commitment to somebody's data, with the data and its salt. Only `value` is public, and only it is in the repr.

    Attributes:
        features: The encoded data, integers.
        salt: The limbs of the salt.
        value: H(features ++ salt), a field element.
    """

    features: tuple[int, ...]
    salt: tuple[int, ...]
    value: int

    def __repr__(self) -> str:
        return f"Commitment({self.value:#066x})"


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """The result of verifying a claim: true if its proof holds, otherwise with the reason why not."""

    verified: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.verified


@dataclass(frozen=True, slots=True)
class ClaimProof:
    """A claim with its proof. All of it is public; it contains no inputs, no weights and no output.

    Attributes:
        model: The model's name, for people.
        model_id: The model's id in the registry: a hash of model hash, verifier code, length of a proof, and limit.
        model_hash: Poseidon hash of the weights, a field element.
        commitment: The commitment to the data, a field element.
        terms: Bounds of outputs and of their changes, in integers of 1/unit (of what is before a final Sigmoid).
        unit: An output of 1, in these integers.
        subject: Address of the claim's owner.
        expires_at: Unix seconds; part of what is proven.
        statement_hash: A field element that belongs to the proof and tells nothing beyond bounds, expiry and subject.
        proof: The proof as the Solidity verifier takes it.
        attestation: An issuer's signature on the commitment, if there is one.
    """

    model: str
    model_id: int
    model_hash: int
    commitment: int
    terms: ClaimTerms
    unit: int
    subject: str
    expires_at: int
    statement_hash: int
    proof: bytes
    attestation: Attestation | None = None

    def instances(self, shape: ClaimShape) -> tuple[int, ...]:
        """Return the public instances, as `ClaimRegistry` builds them for the same claim.

        Args:
            shape: The form of the model's statements, as the verifier knows it.

        Raises:
            DataError: The claim is none of such a model.
        """
        told = (*shape.statement(self.terms, self.expires_at, self.subject), 1)
        hashes = shape.hashes(self.commitment, self.terms, self.statement_hash)
        return encoding.instances(self.model_hash, [()], [told], 1, input_hash=hashes)

    def document(self) -> dict[str, Any]:
        """Return the claim as JSON, with 256-bit numbers as hex."""
        document = {"format": FORMAT, **asdict(self), "proof": to_hex(self.proof)}
        document |= {name: f"{document[name]:#066x}" for name in _HEX}
        document["terms"] |= {"earlier": f"{self.terms.earlier:#066x}" if self.terms.earlier else None}
        document["attestation"] = None if self.attestation is None else self.attestation.document()
        return document

    def save(self, path: Path) -> None:
        """Write the file in one step.

        Raises:
            DataError: It can't be written.
        """
        files.save(path, self.document())

    @staticmethod
    def load(path: Path) -> ClaimProof:
        """Read a file. Only its form is checked.

        Raises:
            DataError: The file is cut, was edited into something else, or is of another kind.
        """
        return files.load(path, "claim", ClaimProof.from_document)

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> ClaimProof:
        """Return the claim that `document` wrote.

        Raises:
            KeyError, TypeError, ValueError: The document is not a claim.
        """
        values = dict(document)
        if values.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT!r}")
        for name in _HEX:
            values[name] = int(values[name], 16)
            if not 0 <= values[name] < (1 << 256 if name == "model_id" else encoding.FIELD_MODULUS):
                raise ValueError(f"{name} is not a field element")
        for name in ("unit", "expires_at"):
            _require_integer(name, values[name])
        values["terms"] = _terms(values["terms"])
        values["proof"] = from_hex(values["proof"])
        attestation = values.pop("attestation")
        found = ClaimProof(
            **values, attestation=None if attestation is None else Attestation.from_document(attestation)
        )
        subject_limbs(found.subject)
        return found


def _terms(document: Mapping[str, Any]) -> ClaimTerms:
    if set(document) != {"bounds", "changes", "earlier"}:
        raise ValueError("its terms are not bounds, changes and earlier")
    earlier = 0 if document["earlier"] is None else int(document["earlier"], 16)
    if not 0 <= earlier < encoding.FIELD_MODULUS:
        raise ValueError("earlier is not a field element")
    bounds, changes = (tuple(ClaimBound(**each) for each in document[name]) for name in ("bounds", "changes"))
    for each in (*bounds, *changes):
        for name, value in asdict(each).items():
            _require_integer(name, value)
    return ClaimTerms(bounds, changes, earlier)


def _require_integer(name: str, value: object) -> None:
    if type(value) is not int or abs(value) > encoding.INT128_MAX:
        raise ValueError(f"{name} is {value!r}, no integer of the circuit")
