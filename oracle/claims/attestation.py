"""Attestations (EIP-712): an issuer signs that it checked the data behind a commitment.

The signature says: this commitment is to data of this subject, encoded for this model. `eth_account` is imported on
first use, because it takes long to load and only issuers and readers of attestations need it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.claims import files
from oracle.core.encoding import FIELD_MODULUS
from oracle.core.errors import DataError
from oracle.core.formats import from_hex, is_address, to_hex

if TYPE_CHECKING:
    from eth_account.messages import SignableMessage
    from eth_account.signers.local import LocalAccount

FORMAT = "attestation-v2"

_TYPES = {
    "Attestation": [
        {"name": "modelId", "type": "bytes32"},
        {"name": "subject", "type": "address"},
        {"name": "commitment", "type": "uint256"},
        {"name": "issuedAt", "type": "uint40"},
        {"name": "expiresAt", "type": "uint40"},
    ]
}


@dataclass(frozen=True, slots=True)
class Attestation:
    """An issuer's signature, and what the registry needs to check it.

    Attributes:
        issuer: The issuer's address, for people; the registry recovers it from the signature.
        issued_at: Unix seconds, when the issuer checked the data. Changes are measured from earlier to later data.
        expires_at: Unix seconds. No claim that rests on the attestation is valid longer.
        signature: r ++ s ++ v, 65 bytes.
    """

    issuer: str
    issued_at: int
    expires_at: int
    signature: bytes

    def document(self) -> dict[str, Any]:
        """Return the attestation as JSON."""
        return asdict(self) | {"signature": to_hex(self.signature)}

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Attestation:
        """Return the attestation that `document` wrote.

        Raises:
            KeyError, TypeError, ValueError: The document is not an attestation.
        """
        signature = from_hex(document["signature"])
        times = document["issued_at"], document["expires_at"]
        if len(signature) != 65 or not all(type(each) is int and 0 <= each < 1 << 40 for each in times):
            raise ValueError("its attestation is malformed")
        return Attestation(str(document["issuer"]), *times, signature)


@dataclass(frozen=True, slots=True)
class Attested:
    """A signed commitment as an issuer hands it to the subject. All of it is public.

    Attributes:
        model: The model's name, for people.
        model_id: The model's id in `ClaimRegistry`.
        chain_id, registry: The chain and the registry that accept the signature.
        subject: Address of the owner of the data.
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
        """Check that a registry would take the attestation for a claim.

        Raises:
            DataError: It is for another model, subject or commitment.
        """
        if self.model_id != model_id:
            raise DataError(
                f"the attestation is for model {self.model_id:#066x}, but the claim is about {model_id:#066x}"
            )
        if self.subject.lower() != subject.lower():
            raise DataError(f"the attestation is for the subject {self.subject}, but the claim is for {subject}")
        if self.commitment != commitment:
            raise DataError("the attestation is for another commitment, made of other inputs or another salt")

    def document(self) -> dict[str, Any]:
        """Return the signed commitment as JSON, with 256-bit numbers as hex."""
        numbers = {name: f"{getattr(self, name):#066x}" for name in ("model_id", "commitment")}
        return {"format": FORMAT, **asdict(self), **numbers, "attestation": self.attestation.document()}

    def save(self, path: Path) -> None:
        """Write the file in one step.

        Raises:
            DataError: It can't be written.
        """
        files.save(path, self.document())

    @staticmethod
    def load(path: Path) -> Attested:
        """Read a file, and check that the issuer it names has signed its content.

        Raises:
            DataError: The file is not an attestation, or was edited.
        """
        return files.load(path, "attestation", Attested.from_document)

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Attested:
        """Return the signed commitment that `document` wrote, after checking its signature.

        Raises:
            KeyError, TypeError, ValueError: The document is not a signed commitment, or was edited.
        """
        from eth_account import Account

        values = dict(document)
        if values.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT!r}")
        for name, limit in (("model_id", 1 << 256), ("commitment", FIELD_MODULUS)):
            values[name] = int(values[name], 16)
            if not 0 <= values[name] < limit:
                raise ValueError(f"{name} is out of range")
        if type(values["chain_id"]) is not int:
            raise ValueError("chain_id is not an integer")
        found = Attested(**values | {"attestation": Attestation.from_document(values["attestation"])})
        for address in (found.registry, found.subject):
            # A signature is of the bytes. Spelled in another way, the same address would be somebody else.
            if not isinstance(address, str) or not is_address(address):
                raise ValueError("its registry or its subject is not an address")
        given = found.attestation
        try:
            signed = message(
                found.chain_id,
                found.registry,
                found.model_id,
                found.subject,
                found.commitment,
                given.issued_at,
                given.expires_at,
            )
            signer = str(Account.recover_message(signed, signature=given.signature))
        except Exception:  # eth_keys and eth_abi have errors of their own
            signer = ""
        if signer != found.attestation.issuer:
            raise ValueError(f"{found.attestation.issuer} has not signed its content")
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
    issued_at: int | None = None,
) -> Attestation:
    """Sign a commitment as an issuer.

    An issuer computes the commitment itself, with `ZkmlClient.commit`, from data that it checked and a fresh salt. An
    issuer that signs a commitment it was given vouches for data that it never saw, and that may be outside the model's
    range.

    Args:
        account: The issuer's account.
        registry: Address of the `ClaimRegistry`. Only this registry, on this chain, accepts the signature.
        expires_at: Unix seconds.
        issued_at: Unix seconds, when the data were checked; None: now.
    """
    issued_at = int(time.time()) if issued_at is None else issued_at
    signed = account.sign_message(message(chain_id, registry, model_id, subject, commitment, issued_at, expires_at))
    return Attestation(account.address, issued_at, expires_at, bytes(signed.signature))


def message(
    chain_id: int, registry: str, model_id: int, subject: str, commitment: int, issued_at: int, expires_at: int
) -> SignableMessage:
    """Return the message that an issuer signs."""
    from eth_account.messages import encode_typed_data

    domain = {"name": "ClaimRegistry", "version": "1", "chainId": chain_id, "verifyingContract": registry}
    told = {
        "modelId": model_id.to_bytes(32, "big"),
        "subject": subject,
        "commitment": commitment,
        "issuedAt": issued_at,
        "expiresAt": expires_at,
    }
    return encode_typed_data(domain, _TYPES, told)
