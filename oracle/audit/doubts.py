"""Doubts about relays: what a transaction's input shows may be a decoy, and the real submission hidden in it."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.audit.calls import JudgedEvent
from oracle.audit.history import ReportEvents
from oracle.audit.proofs import ProofTask
from oracle.audit.replayed import HubMark
from oracle.chain.hub import Submission


@dataclass(frozen=True)
class RelayDoubt:
    """A relay's report whose submission in the input does not hold. A trace would clear it up.

    Attributes:
        entry: The transaction's events.
        events: Those of the submission.
        task: The last proof that was tried; None: it did not come to a proof.
        submission: The submission, without a proof.
    """

    entry: ReportEvents
    events: tuple[JudgedEvent, ...]
    task: ProofTask | None = None
    submission: Submission | None = None


@dataclass(frozen=True)
class ReplayMark:
    """A point of the replay, to return to.

    Attributes:
        hub: The hub at that point.
        lengths: The numbers of findings, tasks, reports and doubts.
    """

    hub: HubMark
    lengths: tuple[int, int, int, int]
