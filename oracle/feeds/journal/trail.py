"""The chain of hashes through a journal's outcomes, so that what was recorded can't be changed unseen.

    trail   = SHA-256 of the steps of an observation's reports, blobs included, in order
    digest  = SHA-256 of the previous outcome's digest, the trail, the observation, the outcome and its summary

Each digest depends on all before it. Whoever keeps one elsewhere (`oracle journal check` prints the last one) can tell
later whether anything up to it was altered. Without such a copy, whoever can write to the database and drop its
triggers can compute all hashes anew. The format is fixed: migrations have to rely on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

GENESIS = bytes(32)
"""The digest before the first outcome's."""


def trail_of(steps: Iterable[Any]) -> bytes:
    """Return the digest of the steps of an observation's reports, 32 bytes.

    Args:
        steps: Their rows, in order of report, stage and sequence.
    """
    digest = hashlib.sha256(b"steps")
    for row in steps:
        blob = None if row.blob is None else hashlib.sha256(_bytes(row.blob)).hexdigest()
        digest.update(_canonical([row.report, row.stage, row.sequence, _time(row.at), row.data, blob]))
    return digest.digest()


def digest_of(previous: bytes, trail: bytes, observation: Any, outcome: Any) -> bytes:
    """Return the digest of an outcome, 32 bytes.

    Args:
        previous: The digest of the outcome before it.
        trail: The digest of the steps of the observation's reports.
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
                _time(observation.recorded_at),
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


def _canonical(values: list[Any]) -> bytes:
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"), default=repr)
    return len(text).to_bytes(8) + text.encode()


def _time(value: Any) -> str:
    return repr(float(value))


def _hex(value: Any) -> str | None:
    return None if value is None else _bytes(value).hex()


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
