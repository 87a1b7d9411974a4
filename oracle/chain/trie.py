"""Compute the root of a contract's storage, as `eth_getProof` calls it `storageHash`, from all its words.

It is the Merkle-Patricia trie of the Yellow Paper, appendix D, with hashed keys. The library `trie` keeps a trie that
changes, and takes ten times as long for a root. This module visits sorted keys once, and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import rlp

from oracle.core.formats import keccak

_Node: TypeAlias = "bytes | list[_Node]"

_DIGITS = "0123456789abcdef"


def storage_root(words: Mapping[int, int]) -> bytes:
    """Return the root of the storage that has these words by slot, and zero everywhere else."""
    leaves = sorted(
        (keccak(slot.to_bytes(32)).hex(), rlp.encode(_without_zeros(word))) for slot, word in words.items() if word
    )
    return keccak(rlp.encode(_node(leaves, 0) if leaves else b""))


def _node(leaves: Sequence[tuple[str, bytes]], depth: int) -> list[_Node]:
    """Return the node above some leaves, in their order, whose keys have the first `depth` digits in common."""
    first, last = leaves[0][0], leaves[-1][0]
    if len(leaves) == 1:
        return [_path(first[depth:], is_leaf=True), leaves[0][1]]
    common = depth
    while first[common] == last[common]:
        common += 1
    if common > depth:
        return [_path(first[depth:common], is_leaf=False), _reference(_node(leaves, common))]
    children: list[_Node] = []
    begin = 0
    for digit in _DIGITS:
        end = begin
        while end < len(leaves) and leaves[end][0][depth] == digit:
            end += 1
        children.append(_reference(_node(leaves[begin:end], depth + 1)) if end > begin else b"")
        begin = end
    return [*children, b""]


def _reference(node: list[_Node]) -> _Node:
    """Return what a parent holds of a node: the node itself if it is short, else its hash."""
    encoded = rlp.encode(node)
    return node if len(encoded) < 32 else keccak(encoded)


def _path(digits: str, *, is_leaf: bool) -> bytes:
    """Return some digits of a key, in bytes, with what kind of node has them."""
    odd = len(digits) % 2
    return bytes.fromhex(f"{2 * is_leaf + odd:x}" + ("" if odd else "0") + digits)


def _without_zeros(word: int) -> bytes:
    return word.to_bytes((word.bit_length() + 7) // 8)
