"""Merkle trees as the contract `ModelCard` verifies them."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.core.formats import keccak


class MerkleTree:
    """A Merkle tree by OpenZeppelin's rules (`MerkleProof`): pairs are sorted; an odd node goes up a level as it is."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        if not leaves:
            raise ValueError("a tree has a leaf at least")
        self._levels = [list(leaves)]
        while len(level := self._levels[-1]) > 1:
            pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
            self._levels.append([keccak(b"".join(sorted(pair))) if len(pair) == 2 else pair[0] for pair in pairs])

    @property
    def root(self) -> bytes:
        """The hash of the whole tree."""
        return self._levels[-1][0]

    def proof(self, index: int) -> tuple[bytes, ...]:
        """Return the nodes that lead from a leaf to the root."""
        found = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                found.append(level[index ^ 1])
            index //= 2
        return tuple(found)
