"""The gas of a transaction that verifies a proof, computed from its bytes and from the verifier's source."""

from __future__ import annotations

import re

TRANSACTION_GAS = 21_000
PAIRING_GAS = 113_000
FOLD_GAS = 6_150
"""ECMUL and ECADD: what each commitment of a KZG proof costs, as it is folded into the one that is opened."""


def calldata_gas(data: bytes) -> int:
    """What the bytes of a transaction cost: 4 for a zero, 16 for another."""
    zeros = data.count(0)
    return 4 * zeros + 16 * (len(data) - zeros)


def folded_commitments(verifier_source: str) -> tuple[int, int]:
    """The points that a generated verifier folds: those in a proof, and those in its verifying key.

    Of the proof's points all but the last count, which goes into the pairing as it is.
    """
    loops = re.findall(
        r"add\(proof_cptr, 0x([0-9a-f]+)\) }\s+lt\(.*?\)\s+{}\s+{\s+success, proof_cptr", verifier_source
    )
    in_key = re.findall(r"// (?:fixed|permutation)_comms\[[0-9]+\]\.x", verifier_source)
    return sum(int(length, 16) // 0x40 for length in loops) + 1, len(in_key)


def floor_gas(bare_calldata: bytes, folded: int) -> int:
    """What a KZG verification costs at least as a transaction: one pairing check of two, and the commitments."""
    return TRANSACTION_GAS + calldata_gas(bare_calldata) + PAIRING_GAS + FOLD_GAS * folded
