"""A search for a model's weights in files, in any encoding in which they could have got there."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from oracle.core.encoding import FIELD_MODULUS

SHORT_BYTES, SHORT_TEXT = 4, 9
"""Random points match one such pattern by chance now and then, but not two."""

_ORDERS: tuple[tuple[Literal["little", "big"], str], ...] = (("little", "<"), ("big", ">"))

LEAST_HEX = 8
"""The least number of hexadecimal digits; shorter numbers are everywhere."""


def encodings(weight: int, scale: int) -> dict[str, bytes]:
    """Return the encodings of weight / 2^scale, by name; the weight is the integer.

    A negative number is written signed, in the field as r − |x|, and in Montgomery form, as keys have it.
    """
    value = weight / 2**scale
    found: dict[str, bytes] = {}
    for name, order in _ORDERS:
        found |= {f"{kind} {name}": struct.pack(order + kind, value) for kind in "fd"}
        for size in (4, 8, 16):
            if -(2 ** (8 * size - 1)) <= weight < 2 ** (8 * size - 1):
                found[f"i{8 * size} {name}"] = weight.to_bytes(size, name, signed=True)
        for form, element in (("field", weight), ("montgomery", weight << 256)):
            found[f"{form} {name}"] = (element % FIELD_MODULUS).to_bytes(32, name)
    single = struct.unpack("<f", struct.pack("<f", value))[0]
    digits = {name: pattern.hex() for name, pattern in found.items()}
    digits |= {"integer": f"{abs(weight):0{LEAST_HEX}x}", "element": f"{weight % FIELD_MODULUS:x}"}
    text = {f"hex of {name}": written for name, written in digits.items()}
    text |= {name.upper(): written.upper() for name, written in text.items()}
    text |= {"decimal": str(weight), "decimal element": str(weight % FIELD_MODULUS), "single": repr(single)}
    text |= {"double": repr(value), "nine digits": f"{value:.9g}", "exponent": f"{value:.6e}"}
    return found | {name: written.encode() for name, written in text.items()}


def leaks(content: bytes, weights: Sequence[int], scale: int) -> dict[str, set[int]]:
    """Return the weights that are in some bytes, by encoding.

    A short pattern counts only if another weight is there in the same encoding.
    """
    sure: dict[str, set[int]] = {}
    short: dict[str, set[int]] = {}
    searched = [(weight, name, pattern) for weight in weights for name, pattern in encodings(weight, scale).items()]
    words = _words(content, {end for _, _, pattern in searched for end in (_word(pattern[:4]), _word(pattern[-4:]))})
    for weight, name, pattern in searched:
        if {_word(pattern[:4]), _word(pattern[-4:])} <= words and pattern in content:
            least = SHORT_TEXT if pattern.isascii() and pattern.decode().isprintable() else SHORT_BYTES
            (sure if len(pattern) > least else short).setdefault(name, set()).add(weight)
    for name, seen in short.items():
        if len(seen) > 1:
            sure.setdefault(name, set()).update(seen)
    return sure


def _words(content: bytes, wanted: set[int]) -> set[int]:
    """Return which of these four bytes occur. A pattern's first and last rarely both do, and the check is fast."""
    octets = np.frombuffer(content, dtype=np.uint8).astype(np.uint32)
    windows = octets[:-3] | octets[1:-2] << 8 | octets[2:-1] << 16 | octets[3:] << 24
    sought = np.array(sorted(wanted), dtype=np.uint32)
    likely = np.zeros(1 << 20, dtype=bool)
    likely[sought >> 12] = True
    return set(np.intersect1d(windows[likely[windows >> 12]], sought).tolist())


def _word(pattern: bytes) -> int:
    return int.from_bytes(pattern, "little")


def leaking(files: Iterable[Path], weights: Sequence[int], scale: int) -> Mapping[str, dict[str, set[int]]]:
    """Return the files that contain weights."""
    found = {path.name: leaks(path.read_bytes(), weights, scale) for path in files}
    return {name: each for name, each in found.items() if each}
