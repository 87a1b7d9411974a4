"""What an issuer does: takes the data itself, draws the salt, commits, signs; and the file that is the subject's."""

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
    """Reads somebody's data, and the salt of its commitment if it is there (`oracle claim attest` writes it).

    Raises:
        DataError: The file can't be read, or is no JSON object.
    """
    found = files.load(path, "JSON object of inputs by name", _object)
    salt = found.pop(SALT, None)
    if salt is None:
        return found, None
    if not isinstance(salt, list):
        raise DataError(f"{path}: {SALT} is no list of integers")
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
) -> tuple[Attested, dict[str, Any]]:
    """Commits to data with a fresh salt and signs the commitment. That the data is right is the issuer's to know.

    Args:
        client: The model need not be registered there: an issuer can do without its weights.
        account: The issuer's.
        spec: The model's features.
        model_id: As the registry has it.
        expires_at: Unix seconds; no claim that rests on it is valid longer.

    Returns:
        What anyone may see, and what only the subject may: the data with its salt.

    Raises:
        DataError: The inputs are not the model's, or the subject is no address.
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
    )
    told = Attested(spec.name, model_id, chain_id, registry, subject, commitment.value, signed)
    return told, {**inputs, SALT: list(commitment.salt)}


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise TypeError("it is something else")
    return document
