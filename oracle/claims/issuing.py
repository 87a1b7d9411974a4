"""The issuer's part: commit to data with a fresh salt, and sign; and the subject's private file of data and salt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.claims import files
from oracle.claims.attestation import Attested, attest
from oracle.claims.client import ZkmlClient
from oracle.claims.models import SALT, ModelSpec
from oracle.claims.statement import subject_limbs
from oracle.core.errors import DataError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


def read_inputs(path: Path) -> tuple[dict[str, Any], tuple[int, ...] | None]:
    """Return somebody's data from a file, and the salt of its commitment, or None if the file has no salt.

    `oracle claim attest` writes such files with a salt.

    Raises:
        DataError: The file can't be read, or is not a JSON object.
    """
    found = files.load(path, "JSON object of inputs by name", _object)
    salt = found.pop(SALT, None)
    if salt is None:
        return found, None
    if not isinstance(salt, list):
        raise DataError(f"{path}: {SALT} is not a list of integers")
    return found, tuple(salt)


def issue(
    client: ZkmlClient,
    account: LocalAccount,
    spec: ModelSpec,
    model_id: int,
    inputs: Mapping[str, Any],
    *,
    chain_id: int,
    registry: str,
    subject: str,
    expires_at: int,
    issued_at: int | None = None,
) -> tuple[Attested, dict[str, Any]]:
    """Commit to data with a fresh salt and sign the commitment. The issuer must know that the data is right.

    Args:
        client: The model need not be registered there, because an issuer does not need its weights.
        account: The issuer's account.
        spec: The model, of which only the features are used.
        model_id: The model's id in the registry.
        expires_at: Unix seconds. No claim that rests on the attestation is valid longer.
        issued_at: Unix seconds, when the data were checked; None: now.

    Returns:
        The attestation, which anyone may see, and the data with its salt, which only the subject may see.

    Raises:
        DataError: The inputs do not have the model's features, or the subject is not an address.
    """
    subject_limbs(subject)
    commitment = client.commit(spec, inputs)
    signed = attest(
        account,
        chain_id=chain_id,
        registry=registry,
        model_id=model_id,
        subject=subject,
        commitment=commitment.value,
        expires_at=expires_at,
        issued_at=issued_at,
    )
    told = Attested(spec.name, model_id, chain_id, registry, subject, commitment.value, signed)
    return told, {**inputs, SALT: list(commitment.salt)}


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise TypeError("it is something else")
    return document
