"""The hub's storage slots, and how to change them by force: what a hub with other code could have written."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from oracle.core.formats import keccak
from tests.attack.rig import Rig

STORE = int.from_bytes(keccak((int.from_bytes(keccak(b"verifiable-oracle.hub")) - 1).to_bytes(32))) & ~0xFF
"""The slot at which the hub's store begins, by ERC-7201."""

_FEEDS, _COMMITTEES = STORE + 1, STORE + 3
_TRACK, _SHADOW, _ROUNDS, _POSITIONS = 1, 8, 11, 3


def feed_slot(feed_id: bytes) -> int:
    """Return the slot of a feed's configuration."""
    return _of_key(_FEEDS, feed_id)


def of_track(rig: Rig, name: str) -> int:
    """Return the slot of a feed's moves, variance and round."""
    return _of_key(_FEEDS, rig.feed_id(name)) + _TRACK


def of_shadow(rig: Rig, name: str) -> int:
    """Return the slot of the tally of a feed's proposed model."""
    return _of_key(_FEEDS, rig.feed_id(name)) + _SHADOW


def of_round(rig: Rig, name: str, round_id: int) -> int:
    """Return the slot of a feed's round."""
    return _of_key(_of_key(_FEEDS, rig.feed_id(name)) + _ROUNDS, round_id.to_bytes(32))


def of_committee(rig: Rig, name: str) -> int:
    """Return the slot of a committee's epoch and quorum."""
    return _of_key(_COMMITTEES, rig.committee(name).to_bytes(32))


def of_position(rig: Rig, name: str, reporter: str) -> int:
    """Return the slot of a reporter's position in a committee."""
    return _of_key(of_committee(rig, name) + _POSITIONS, bytes.fromhex(reporter[2:]))


def word_at(rig: Rig, slot: int) -> int:
    return int(rig.chain.rpc("eth_getStorageAt", rig.hub.address, hex(slot), "latest"), 16)


def tamper(rig: Rig, slot: int, change: Callable[[int], int]) -> None:
    """Change a word of the hub's storage."""
    changed = change(word_at(rig, slot)).to_bytes(32)
    rig.chain.rpc("anvil_setStorageAt", rig.hub.address, hex(slot), "0x" + changed.hex())


def leaving(words: Mapping[int | bytes, int], runtime: bytes) -> bytes:
    """Return creation code that writes words into a contract's storage, and leaves this code there.

    Args:
        words: The values by slot.
        runtime: The code.
    """
    stores = b"".join(
        # PUSH32 value, PUSH32 slot, SSTORE
        b"\x7f" + value.to_bytes(32) + b"\x7f" + (slot if isinstance(slot, bytes) else slot.to_bytes(32)) + b"\x55"
        for slot, value in words.items()
    )
    # PUSH2 length, DUP1, PUSH2 offset, PUSH0, CODECOPY, PUSH0, RETURN
    at = len(stores) + 11
    return stores + b"\x61" + len(runtime).to_bytes(2) + b"\x80\x61" + at.to_bytes(2) + b"\x5f\x39\x5f\xf3" + runtime


def _of_key(mapping: int, key: bytes) -> int:
    return int.from_bytes(keccak(key.rjust(32, b"\0") + mapping.to_bytes(32)))
