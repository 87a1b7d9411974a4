"""The statement of a claim, as the circuit's integers: bounds, expiry and subject, beside the salted data.

    data      = features ++ salt            hashed: H(data) is what an issuer signs
    statement = edges, expiry, subject      hashed too, and published as it is

`oracle.claims.circuit` says what is proven of them.
"""

from __future__ import annotations

import secrets

from oracle.core.errors import DataError
from oracle.core.formats import is_address

SALT_LIMBS, SALT_BITS = 3, 48
"""144 random bits beside the features, so that nobody can compare a guess of the data with the commitment."""

SUBJECT_LIMBS, SUBJECT_BITS = 4, 40
"""An address in four integers, least significant first."""

STATEMENT = 3 + SUBJECT_LIMBS
"""Integers of a statement: two edges, the expiry, the subject."""


def subject_limbs(subject: str) -> tuple[int, ...]:
    """Return an address as the circuit's integers.

    Raises:
        DataError: The subject is not an address, or the zero address.
    """
    value = int(subject, 16) if is_address(subject) else 0
    if not value:
        raise DataError(f"subject {subject!r} is not an address: 0x and 40 hexadecimal digits, not all of them 0")
    return tuple(value >> SUBJECT_BITS * at & (1 << SUBJECT_BITS) - 1 for at in range(SUBJECT_LIMBS))


def edges(lo: int, hi: int) -> tuple[int, int]:
    """Return bounds, both included, as the circuit's integers: doubled, and one further out."""
    return 2 * lo - 1, 2 * hi + 1


def new_salt() -> tuple[int, ...]:
    """Return random limbs. Keep them secret: whoever has them can check a guess of the features."""
    return tuple(secrets.randbits(SALT_BITS) for _ in range(SALT_LIMBS))
