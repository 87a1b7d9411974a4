"""The statement of a claim, as the circuit's integers: bounds, expiry and subject, beside the salted data.

    data      = features ++ salt            hashed: H(data) is what an issuer signs
    earlier   = earlier features ++ salt    hashed too, if the model has changes
    statement = edges of each quantity, expiry, subject     hashed too, and published as it is

A quantity is an output of the model, or the change of one since the earlier data. `oracle.claims.circuit` says what is
proven of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from oracle.core.errors import DataError
from oracle.core.formats import is_address

SALT_LIMBS, SALT_BITS = 3, 48
"""144 random bits beside the features, so that nobody can compare a guess of the data with the commitment."""

SUBJECT_LIMBS, SUBJECT_BITS = 4, 40
"""An address in four integers, least significant first."""

MOST_OUTPUTS = 255
"""Outputs that the registry can name."""


@dataclass(frozen=True, slots=True)
class ClaimBound:
    """Bounds of one output, or of its change, in the circuit's integers. Both are included."""

    output: int
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class ClaimTerms:
    """The content of a claim. It says nothing about an output that it does not name.

    Attributes:
        bounds: Bounds of outputs, ascending by output.
        changes: Bounds of changes since the earlier data, ascending by output.
        earlier: The commitment to the earlier data; 0 if there are no changes.
    """

    bounds: tuple[ClaimBound, ...]
    changes: tuple[ClaimBound, ...] = ()
    earlier: int = 0


@dataclass(frozen=True, slots=True)
class ClaimShape:
    """The form of a model's statements.

    Attributes:
        outputs: The number of the model's outputs.
        changes: True if the circuit also compares the change of each output since earlier data.
        limit: Bounds are within ±limit, and so is every genuine quantity.
    """

    outputs: int
    changes: bool
    limit: int

    @property
    def quantities(self) -> int:
        """The number of quantities: outputs, and their changes if there are any."""
        return self.outputs * (2 if self.changes else 1)

    @property
    def length(self) -> int:
        """The number of integers of a statement: two edges of each quantity, the expiry, the subject."""
        return 2 * self.quantities + 1 + SUBJECT_LIMBS

    @staticmethod
    def from_document(document: object) -> ClaimShape | None:
        """Return the form that a manifest states of its claims, or None if it states none."""
        if not isinstance(document, dict):
            return None
        outputs, changes, limit = (document.get(name) for name in ("outputs", "changes", "limit"))
        if type(outputs) is not int or type(changes) is not bool or type(limit) is not int:
            return None
        return ClaimShape(outputs, changes, limit) if outputs > 0 and limit > 0 else None

    def problem(self, terms: ClaimTerms) -> str | None:
        """Return in what terms are not those of a claim of such a model, or None."""
        if not terms.bounds and not terms.changes:
            return "it says nothing"
        if bool(terms.changes) != bool(terms.earlier):
            return "it states changes since nothing, or earlier data without changes"
        if terms.changes and not self.changes:
            return "its model has no changes"
        for told in (terms.bounds, terms.changes):
            numbers = [each.output for each in told]
            if numbers != sorted(set(numbers)) or (numbers and not 0 <= numbers[0] <= numbers[-1] < self.outputs):
                return f"it names the outputs {numbers} of {self.outputs}, and not each once and in order"
            for each in told:
                if not -self.limit <= each.lo <= each.hi <= self.limit:
                    return f"its bounds {each.lo} and {each.hi} are not in order within ±{self.limit}"
        return None

    def ranges(self, terms: ClaimTerms) -> list[tuple[int, int]]:
        """Return the bounds of each quantity; those that the terms are silent about have the widest.

        Raises:
            DataError: The terms are not those of a claim of such a model.
        """
        problem = self.problem(terms)
        if problem is not None:
            raise DataError(f"the claim is none of its model: {problem}")
        found = [(-self.limit, self.limit)] * self.quantities
        for first, told in ((0, terms.bounds), (self.outputs, terms.changes)):
            for each in told:
                found[first + each.output] = each.lo, each.hi
        return found

    def statement(self, terms: ClaimTerms, expires_at: int, subject: str) -> tuple[int, ...]:
        """Return the integers of a statement.

        Raises:
            DataError: The terms are not those of a claim of such a model, or the subject is not an address.
        """
        return (*all_edges(self.ranges(terms)), expires_at, *subject_limbs(subject))

    def hashes(self, commitment: int, terms: ClaimTerms, statement_hash: int) -> tuple[int, ...]:
        """Return the hashes of the circuit's inputs. Without a change, the earlier data are the same data."""
        earlier = (terms.earlier or commitment,) if self.changes else ()
        return (commitment, *earlier, statement_hash)


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


def all_edges(ranges: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Return the bounds of all quantities as the circuit's integers: all lower edges, then all upper ones."""
    lower, upper = zip(*(edges(lo, hi) for lo, hi in ranges), strict=True)
    return (*lower, *upper)


def new_salt() -> tuple[int, ...]:
    """Return random limbs. Keep them secret: whoever has them can check a guess of the features."""
    return tuple(secrets.randbits(SALT_BITS) for _ in range(SALT_LIMBS))
