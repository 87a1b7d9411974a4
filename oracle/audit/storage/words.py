"""Words of a contract's storage with their places: slots of mappings, arrays and texts, as Solidity lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.audit.storage.layouts import HASH, NUMBER, WordLayout
from oracle.core.formats import keccak

WORD = (1 << 256) - 1


@dataclass(frozen=True, slots=True)
class Word:
    """A word that a contract's storage must hold.

    Attributes:
        owner: The thing that the word belongs to, for instance "feed ETH / USD".
        name: The word's name among those of the owner.
        unsure: The bits for which the history does not say what they are.
    """

    value: int
    owner: str
    name: str
    layout: WordLayout = NUMBER
    unsure: int = 0

    def difference(self, found: int) -> str:
        """Say how a word that was found differs; empty if it does not."""
        found = found & ~self.unsure | self.value & self.unsure
        return "" if found == self.value else f"{self.name}: {self.layout.difference(self.value, found)}"


def entry(mapping: int, key: int) -> int:
    """Return the slot of a mapping's entry."""
    return int.from_bytes(keccak(key.to_bytes(32) + mapping.to_bytes(32)))


def elements(array: int) -> int:
    """Return the slot of an array's first element, or of a long text's first word."""
    return int.from_bytes(keccak(array.to_bytes(32)))


def array_words(slot: int, values: Sequence[int], owner: str, name: str, layout: WordLayout) -> dict[int, Word]:
    """Return the words of an array with an element in each word, and the zero behind its end."""
    first = elements(slot)
    words = {slot: Word(len(values), owner, f"number of {name}")}
    for index, value in enumerate((*values, 0)):
        words[first + index] = Word(value, owner, f"{name}[{index}]", layout)
    return words


def text_words(slot: int, text: bytes, owner: str, name: str) -> dict[int, Word]:
    """Return the words of a text."""
    if len(text) < 32:
        return {slot: Word(int.from_bytes(text.ljust(32, b"\0")) | 2 * len(text), owner, name, HASH)}
    words = {slot: Word(2 * len(text) + 1, owner, f"{name}'s length", HASH)}
    first = elements(slot)
    for begin in range(0, len(text), 32):
        part = text[begin : begin + 32].ljust(32, b"\0")
        words[first + begin // 32] = Word(int.from_bytes(part), owner, name, HASH)
    return words
