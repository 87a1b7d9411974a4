"""An issuer's word: this commitment is to data of this subject, encoded for this model, that I checked (EIP-712)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eth_account.messages import SignableMessage
    from eth_account.signers.local import LocalAccount

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
