"""Ethereum's tries: a contract's storage root from all its words, and what a block's hash says of an account.

They are the Merkle-Patricia tries of the Yellow Paper, appendix D, with hashed keys. The library `trie` keeps a trie
that changes, and takes ten times as long for a root. `storage_root` visits sorted keys once, and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import rlp
import rlp.exceptions

from oracle.core.formats import from_hex, keccak

_Node: TypeAlias = "bytes | list[_Node]"

_DIGITS = "0123456789abcdef"

_HEADER = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom", "difficulty"),
    *("number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce", "baseFeePerGas"),
    *("withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash"),
)
"""The fields of a header in their order. Those from `baseFeePerGas` on came with later forks."""

_LEAST_FIELDS = _HEADER.index("baseFeePerGas")

_BYTES = {
    **dict.fromkeys(("parentHash", "sha3Uncles", "stateRoot", "transactionsRoot", "receiptsRoot", "mixHash"), 32),
    **dict.fromkeys(("withdrawalsRoot", "parentBeaconBlockRoot", "requestsHash"), 32),
    "miner": 20,
    "logsBloom": 256,
    "nonce": 8,
}
"""The sizes of fields. With them, and without gaps, no value can be shifted into another field's place."""

_NUMBERS = frozenset(
    {"difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas"}
)


def storage_root(words: Mapping[int, int]) -> bytes:
    """Return the root of the storage that has these words by slot, and zero everywhere else."""
    leaves = sorted(
        (keccak(slot.to_bytes(32)).hex(), rlp.encode(_without_zeros(word))) for slot, word in words.items() if word
    )
    return keccak(rlp.encode(_node(leaves, 0) if leaves else b""))


@dataclass(frozen=True, slots=True)
class ProvenAccount:
    """An account in the state of a block."""

    storage_root: bytes
    code_hash: bytes


def header_hash(header: Mapping[str, Any]) -> bytes | None:
    """Return the hash of a block's header, as nodes answer it; None if it has another form than Ethereum's.

    A chain may have fields that this function does not know. Then the hash is none of its blocks'.
    """
    fields = []
    try:
        known = [name for name in _HEADER if header.get(name) is not None]
        if len(known) < _LEAST_FIELDS or known != list(_HEADER[: len(known)]):
            return None
        for name in known:
            value = _number(header[name]) if name in _NUMBERS else from_hex(header[name])
            if name in _BYTES and len(value) != _BYTES[name]:
                return None
            fields.append(value)
    except (ValueError, TypeError, AttributeError):
        return None
    return keccak(rlp.encode(fields))


def proven_account(state_root: bytes, address: str, proof: Sequence[bytes]) -> ProvenAccount:
    """Return an account as a proof shows it to be in a state.

    Args:
        state_root: The root of the state, from a header.
        proof: The nodes on the way to the account: `accountProof`.

    Raises:
        ValueError: The proof is of another state, or of another account, or is malformed.
    """
    try:
        value = _look_up(state_root, keccak(from_hex(address)).hex(), {keccak(node): node for node in proof})
        _, _, storage, code = rlp.decode(value)
    except (rlp.exceptions.RLPException, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"the proof of account {address} does not hold: {error}") from error
    return ProvenAccount(bytes(storage), bytes(code))


def _look_up(root: bytes, digits: str, nodes: Mapping[bytes, bytes]) -> bytes:
    reference: Any = root
    while True:
        if isinstance(reference, bytes):
            if reference not in nodes:
                raise ValueError("a node is missing")
            reference = rlp.decode(nodes[reference])
        if len(reference) == 17 and digits:
            reference, digits = reference[int(digits[0], 16)], digits[1:]
            continue
        encoded, below = reference
        path = bytes(encoded).hex()
        kind, rest = int(path[0], 16), path[1:] if int(path[0], 16) & 1 else path[2:]
        if kind >= 2 and rest == digits:
            return bytes(below)
        if kind >= 2 or not rest or not digits.startswith(rest):
            raise ValueError("it leads elsewhere")
        reference, digits = below, digits[len(rest) :]


def _number(quantity: str) -> bytes:
    return _without_zeros(int(quantity, 16))


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
