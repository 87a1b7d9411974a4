"""The progress of an audit, for who watches it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

__all__ = ["AuditStep", "Progress", "unwatched"]


class AuditStep(StrEnum):
    """A part of an audit that takes its time.

    Attributes:
        HISTORY: Reading the hub's events; counted in blocks.
        SUBMISSIONS: Fetching the submissions behind them; counted in transactions.
        CIRCUITS: Making keys and verifiers again; counted in circuits.
        PROOFS: Verifying proofs.
        STORAGE: Comparing the hub's storage; counted in words.
        READINGS: Fetching the readings behind signatures; counted in reports.
    """

    HISTORY = "history"
    SUBMISSIONS = "submissions"
    CIRCUITS = "circuits"
    PROOFS = "proofs"
    STORAGE = "storage"
    READINGS = "readings"


Progress: TypeAlias = Callable[[AuditStep, int, int | None], None]
"""Takes a step, how much of it is done, and how much there is; None: that is not known yet."""


def unwatched(step: AuditStep, done: int, total: int | None) -> None:
    """Do nothing: nobody watches."""
