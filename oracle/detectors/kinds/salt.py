"""The salt of a private model: 128 bits that its hash commits to, and that change no verdict.

Without it, whoever can list all candidates for a model could test each against the hash on the chain. ezkl hashes each
constant with the weights, at some forty rows each, so the salt is in few constants: 30 bits in each of four, as the
sign, the exponent and the odd mantissa of a 32-bit float, and 8 bits in the margin, which every polynomial has. A
network has no margin of its own, and a fifth constant instead.
"""

from __future__ import annotations

import re

from oracle.core.errors import DataError

SALT_DIGITS = 32
"""Hexadecimal digits of a salt: 128 bits."""

_CONSTANTS = 4
_MARGIN_BITS, _EXPONENT_BITS, _MANTISSA_BITS = 8, 6, 23


def check_salt(name: str, salt: str) -> None:
    """Raise an error if a model can't have this salt. The error does not show it.

    Raises:
        DataError: It is neither empty nor 128 bits in hexadecimal digits.
    """
    if salt and not re.fullmatch(f"[0-9a-f]{{{SALT_DIGITS}}}", salt):
        raise DataError(f"model {name}: its salt must be {SALT_DIGITS} hexadecimal digits, or empty for a public model")


def margin(salt: str) -> int:
    """Return the odd number that the margin is made of: 1 without a salt, else 1 to 511."""
    return 2 * (_number(salt) & ((1 << _MARGIN_BITS) - 1)) + 1


def constants(salt: str) -> tuple[int, ...]:
    """Return the integers that have the rest of a salt, each exact as a 32-bit float; none without a salt."""
    if not salt:
        return ()
    rest, found = _number(salt) >> _MARGIN_BITS, []
    for _ in range(_CONSTANTS):
        rest, negative = rest >> 1, rest & 1
        rest, exponent = rest >> _EXPONENT_BITS, rest & ((1 << _EXPONENT_BITS) - 1)
        rest, mantissa = rest >> _MANTISSA_BITS, rest & ((1 << _MANTISSA_BITS) - 1)
        found.append((-1 if negative else 1) * (2 * mantissa + 1) << exponent)
    return tuple(found)


def whole(salt: str) -> tuple[int, ...]:
    """Return the integers that have all of a salt, for a model without a margin; none without a salt."""
    return (margin(salt), *constants(salt)) if salt else ()


def _number(salt: str) -> int:
    return int(salt, 16) if salt else 0
