"""The chain of hashes through a journal's outcomes, so that what was recorded can't be changed unseen.

    trail   = SHA-256 of an observation's transitions, blobs included, in order
    digest  = SHA-256 of the previous outcome's digest, the trail, the observation, the outcome and its summary

Each digest depends on all before it. Whoever keeps one elsewhere (`oracle journal check` prints the last one) can tell
later whether anything up to it was altered. Without such a copy, whoever can write to the database and drop its
triggers can compute all hashes anew. The format is fixed, because migrations rely on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

GENESIS = bytes(32)
"""The digest before the first outcome's."""


def trail_of(transitions: Iterable[Any]) -> bytes:
    """Return the digest of an observation's transitions, 32 bytes.

    Args:
        transitions: Their rows, in order of attempt, stage and sequence.
    """
    digest = hashlib.sha256(b"transitions")
    for row in transitions:
        blob = None if row.blob is None else hashlib.sha256(_bytes(row.blob)).hexdigest()
        digest.update(_canonical([row.attempt, row.stage, row.sequence, _time(row.at), row.data, blob]))
    return digest.digest()


def digest_of(previous: bytes, trail: bytes, observation: Any, outcome: Any) -> bytes:
    """Return the digest of an outcome, 32 bytes.

    Args:
        previous: The digest of the outcome before it.
        trail: The digest of the observation's transitions.
        observation: The observation's row.
        outcome: The outcome's row, or an object with the same attributes.
    """
    digest = hashlib.sha256(b"outcome")
    digest.update(previous)
    digest.update(trail)
    digest.update(
        _canonical(
            [
                observation.key,
                observation.feed,
                _hex(observation.feed_id),
                observation.answer,
                observation.observed_at,
                outcome.number,
                outcome.outcome,
                outcome.reason,
                _time(outcome.at),
                _hex(outcome.tx_hash),
                outcome.block_number,
                outcome.gas_used,
                outcome.summary,
            ]
        )
    )
    return digest.digest()


def summary_of(transitions: Iterable[Any]) -> dict[str, Any]:
    """Return what an outcome keeps of an observation's transitions.

    Args:
        transitions: Their rows in order, at least one.
    """
    rows = list(transitions)
    last = rows[-1]
    data: dict[str, Any] = {}
    for row in rows:
        if row.attempt == last.attempt:
            data |= json.loads(row.data)
    kept = ("round_id", "scores", "prove_seconds", "tx_hash")
    summary = {"attempts": last.attempt, "stage": last.stage, "recorded_at": rows[0].at}
    return summary | {name: data[name] for name in kept if name in data}


def _canonical(values: list[Any]) -> bytes:
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"), default=repr)
    return len(text).to_bytes(8) + text.encode()


def _time(value: Any) -> str:
    return repr(float(value))


def _hex(value: Any) -> str | None:
    return None if value is None else _bytes(value).hex()


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
