"""Issuers that a claims service trusts: their attestations admit callers without a token.

An attestation is public: the registry shows it to everyone. So it admits nobody by itself. Who asks has to have the
data and the salt, too, which give the commitment that the issuer has signed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from oracle.claims.attestation import Attested
from oracle.core.errors import DataError
from oracle.core.formats import one_line

__all__ = ["TrustedIssuers", "read_attestation"]


@dataclass(frozen=True)
class TrustedIssuers:
    """The issuers of one registry.

    Attributes:
        chain_id: The registry's chain.
        registry: Its address.
        issuers: Addresses that sign attestations.
    """

    chain_id: int
    registry: str
    issuers: Collection[str]

    def problem(self, attested: Attested, now: float | None) -> str | None:
        """Say why an attestation, whose signature was checked, admits nobody here; None if it does.

        Args:
            attested: The attestation.
            now: Unix seconds; None: it may have expired.
        """
        if attested.chain_id != self.chain_id or attested.registry.lower() != self.registry.lower():
            return f"the attestation is for another registry than {self.registry} on chain {self.chain_id}"
        if attested.attestation.issuer.lower() not in {each.lower() for each in self.issuers}:
            return "the attestation's issuer is not trusted here"
        if now is not None and attested.attestation.expires_at <= now:
            return "the attestation has expired"
        return None


def read_attestation(document: Mapping[str, Any]) -> Attested:
    """Return an attestation that anybody may have sent, after checking its signature.

    Raises:
        DataError: It is none, or was edited.
    """
    try:
        return Attested.from_document(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"attestation: it is not valid: {one_line(reason, 200)}") from None
