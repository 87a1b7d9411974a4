"""The gas of a transaction that verifies a proof, computed from its bytes and from the verifier's source."""

from __future__ import annotations

import re

TRANSACTION_GAS = 21_000
PAIRING_GAS = 113_000
FOLD_GAS = 6_150
"""ECMUL and ECADD, for each commitment of a KZG proof: it is folded into the one that is opened."""


def calldata_gas(data: bytes) -> int:
    """Return the gas of a transaction's bytes: 4 for a zero, 16 for any other."""
    zeros = data.count(0)
    return 4 * zeros + 16 * (len(data) - zeros)


def folded_commitments(verifier_source: str) -> tuple[int, int]:
    """Return how many points a generated verifier folds: those of a proof, and those of its verifying key.

    The proof's last point does not count: it goes into the pairing as it is.
    """
    loops = re.findall(
        r"add\(proof_cptr, 0x([0-9a-f]+)\) }\s+lt\(.*?\)\s+{}\s+{\s+success, proof_cptr", verifier_source
    )
    in_key = re.findall(r"// (?:fixed|permutation)_comms\[[0-9]+\]\.x", verifier_source)
    return sum(int(length, 16) // 0x40 for length in loops) + 1, len(in_key)


def floor_gas(bare_calldata: bytes, folded: int) -> int:
    """Return the least gas of a transaction that verifies a KZG proof: one pairing check of two, and the commitments.

    Args:
        bare_calldata: The transaction's bytes.
        folded: Commitments that are folded; see `folded_commitments`.
    """
    return TRANSACTION_GAS + calldata_gas(bare_calldata) + PAIRING_GAS + FOLD_GAS * folded
