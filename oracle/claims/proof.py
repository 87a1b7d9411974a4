"""What leaves the prover: a claim's public part and its proof, as a file that anyone may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oracle.claims import files
from oracle.claims.attestation import Attestation
from oracle.claims.statement import edges, subject_limbs
from oracle.core import encoding

FORMAT = "claim-v1"
_HEX = ("model_id", "model_hash", "commitment", "statement_hash")


@dataclass(frozen=True, slots=True, repr=False)
class Commitment:
    """Somebody's data with its salt. Private: only `value` is published. Its repr does not show the rest.

    Attributes:
        features: Encoded, integers.
        salt: Limbs.
        value: H(features ++ salt), a field element.
    """

    features: tuple[int, ...]
    salt: tuple[int, ...]
    value: int

    def __repr__(self) -> str:
        return f"Commitment({self.value:#066x})"


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """Whether a proof holds, and if not, why."""

    verified: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.verified


@dataclass(frozen=True, slots=True)
class ClaimProof:
    """A claim. Everything here is public; nothing of inputs, weights and output is in it.

    Attributes:
        model: Its name, for people.
        model_id: As the registry has it: of the model's hash, its verifier's code, the length of a proof, the limit.
        model_hash: Poseidon hash of the weights, a field element.
        commitment: To the data, a field element.
        lo, hi: Bounds, both included, in integers of 1/unit (before the Sigmoid, where the model ends with one).
        unit: What an output of 1 is.
        subject: Whose claim it is: an address.
        expires_at: Unix seconds; part of what is proven.
        statement_hash: A field element that goes with the proof, and says nothing beyond bounds, expiry and subject.
        proof: As the Solidity verifier takes it.
        attestation: An issuer's signature on the commitment, if there is one.
    """

    model: str
    model_id: int
    model_hash: int
    commitment: int
    lo: int
    hi: int
    unit: int
    subject: str
    expires_at: int
    statement_hash: int
    proof: bytes
    attestation: Attestation | None = None

    def instances(self) -> tuple[int, ...]:
        """The public instances: what `ClaimRegistry` builds for the same claim."""
        told = (*edges(self.lo, self.hi), self.expires_at, *subject_limbs(self.subject), 1, 1)
        hashes = (self.commitment, self.statement_hash)
        return encoding.instances(self.model_hash, [()], [told], 1, input_hash=hashes)

    def document(self) -> dict[str, Any]:
        """As JSON: 256-bit numbers as hex."""
        document = {"format": FORMAT, **asdict(self), "proof": "0x" + self.proof.hex()}
        document |= {name: f"{document[name]:#066x}" for name in _HEX}
        document["attestation"] = None if self.attestation is None else self.attestation.document()
        return document

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises: DataError."""
        files.save(path, self.document())

    @staticmethod
    def load(path: Path) -> ClaimProof:
        """Read a file. It may claim what it likes, in the right form.

        Raises:
            DataError: It is no claim: cut, edited into something else, or another kind of file.
        """
        return files.load(path, "claim", ClaimProof.from_document)

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> ClaimProof:
        """The inverse of `document`. Raises: KeyError, TypeError, ValueError: It is none."""
        values = dict(document)
        if values.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT!r}")
        for name in _HEX:
            values[name] = int(values[name], 16)
            if not 0 <= values[name] < (1 << 256 if name == "model_id" else encoding.FIELD_MODULUS):
                raise ValueError(f"{name} is no field element")
        for name in ("lo", "hi", "unit", "expires_at"):
            _require_integer(name, values[name])
        values["proof"] = bytes.fromhex(values["proof"].removeprefix("0x"))
        attestation = values.pop("attestation")
        found = ClaimProof(
            **values, attestation=None if attestation is None else Attestation.from_document(attestation)
        )
        subject_limbs(found.subject)
        return found


def _require_integer(name: str, value: object) -> None:
    if type(value) is not int or abs(value) > encoding.INT128_MAX:
        raise ValueError(f"{name} is {value!r}, no integer of the circuit")
