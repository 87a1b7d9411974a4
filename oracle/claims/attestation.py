"""An issuer's word: this commitment is to data of this subject, encoded for this model, that I checked (EIP-712)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.claims import files
from oracle.core.encoding import FIELD_MODULUS
from oracle.core.errors import DataError

if TYPE_CHECKING:
    from eth_account.messages import SignableMessage
    from eth_account.signers.local import LocalAccount

FORMAT = "attestation-v1"

_TYPES = {
    "Attestation": [
        {"name": "modelId", "type": "bytes32"},
        {"name": "subject", "type": "address"},
        {"name": "commitment", "type": "uint256"},
        {"name": "expiresAt", "type": "uint40"},
    ]
}


@dataclass(frozen=True, slots=True)
class Attestation:
    """A signature, and what the registry needs to check it.

    Attributes:
        issuer: Address, for people: the registry recovers it.
        expires_at: Unix seconds; no claim that rests on it is valid longer.
        signature: r ++ s ++ v, 65 bytes.
    """

    issuer: str
    expires_at: int
    signature: bytes

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"signature": "0x" + self.signature.hex()}

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Attestation:
        """Raises: KeyError, TypeError, ValueError: It is none."""
        signature = bytes.fromhex(document["signature"].removeprefix("0x"))
        expires_at = document["expires_at"]
        if len(signature) != 65 or type(expires_at) is not int or not 0 <= expires_at < 1 << 40:
            raise ValueError("its attestation is none")
        return Attestation(str(document["issuer"]), expires_at, signature)


@dataclass(frozen=True, slots=True)
class Attested:
    """A signed commitment, as an issuer hands it to its subject. All of it is public.

    Attributes:
        model: Its name, for people.
        model_id: As `ClaimRegistry` has it.
        chain_id, registry: What the signature is good for.
        subject: Address whose data it is.
        commitment: A field element.
    """

    model: str
    model_id: int
    chain_id: int
    registry: str
    subject: str
    commitment: int
    attestation: Attestation

    def require(self, model_id: int, subject: str, commitment: int) -> None:
        """Raises: DataError: It is of another model, subject or commitment, so that no registry would take it."""
        if self.model_id != model_id:
            raise DataError(f"the attestation is of model {self.model_id:#066x}, and the claim of {model_id:#066x}")
        if self.subject.lower() != subject.lower():
            raise DataError(f"the attestation is of the subject {self.subject}, and the claim of {subject}")
        if self.commitment != commitment:
            raise DataError("the attestation is of another commitment: of other inputs, or of another salt")

    def document(self) -> dict[str, Any]:
        """As JSON: 256-bit numbers as hex."""
        numbers = {name: f"{getattr(self, name):#066x}" for name in ("model_id", "commitment")}
        return {"format": FORMAT, **asdict(self), **numbers, "attestation": self.attestation.document()}

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises: DataError."""
        files.save(path, self.document())

    @staticmethod
    def load(path: Path) -> Attested:
        """Read a file, and check that the issuer it names has signed what it says.

        Raises:
            DataError: It is no attestation, or was edited.
        """
        return files.load(path, "attestation", Attested.from_document)

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Attested:
        """The inverse of `document`. Raises: KeyError, TypeError, ValueError: It is none, or was edited."""
        from eth_account import Account

        values = dict(document)
        if values.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT!r}")
        for name, limit in (("model_id", 1 << 256), ("commitment", FIELD_MODULUS)):
            values[name] = int(values[name], 16)
            if not 0 <= values[name] < limit:
                raise ValueError(f"{name} is out of range")
        if type(values["chain_id"]) is not int:
            raise ValueError("chain_id is no integer")
        found = Attested(**values | {"attestation": Attestation.from_document(values["attestation"])})
        given = found.attestation
        try:
            signed = message(
                found.chain_id, found.registry, found.model_id, found.subject, found.commitment, given.expires_at
            )
            signer = str(Account.recover_message(signed, signature=given.signature))
        except Exception:  # eth_keys and eth_abi have errors of their own
            signer = ""
        if signer != found.attestation.issuer:
            raise ValueError(f"{found.attestation.issuer} has not signed what it says")
        return found


def attest(
    account: LocalAccount,
    *,
    chain_id: int,
    registry: str,
    model_id: int,
    subject: str,
    commitment: int,
    expires_at: int,
) -> Attestation:
    """Sign a commitment as an issuer.

    An issuer computes the commitment itself, with `ZkmlClient.commit`, from data that it checked and a fresh salt. One
    that signs what it is given vouches for data it never saw, which need not even be in the model's range.

    Args:
        account: The issuer's.
        registry: Address of the `ClaimRegistry`; with the chain id it is what the signature is good for.
        expires_at: Unix seconds.
    """
    signed = account.sign_message(message(chain_id, registry, model_id, subject, commitment, expires_at))
    return Attestation(account.address, expires_at, bytes(signed.signature))


def message(
    chain_id: int, registry: str, model_id: int, subject: str, commitment: int, expires_at: int
) -> SignableMessage:
    """What an issuer signs."""
    from eth_account.messages import encode_typed_data

    domain = {"name": "ClaimRegistry", "version": "1", "chainId": chain_id, "verifyingContract": registry}
    told = {
        "modelId": model_id.to_bytes(32, "big"),
        "subject": subject,
        "commitment": commitment,
        "expiresAt": expires_at,
    }
    return encode_typed_data(domain, _TYPES, told)
