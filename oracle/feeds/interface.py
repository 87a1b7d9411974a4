"""The interfaces of what the way of a report needs: chain, keys, models, journal, and who watches.

The way itself sees these alone; `oracle.app` brings the concrete ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from oracle.core.encoding import Feature
from oracle.core.report import Report, SignedReport
from oracle.core.stages import Confirmed, Decided, Observed, OpenStage, Proven, Scored, Stage, Submitted
from oracle.core.types import FeedState, Kind, Outcome

__all__ = [
    "AcceptedRound",
    "FeedTerms",
    "HubReader",
    "OfferedReports",
    "Permission",
    "ProvingModel",
    "ReportListener",
    "ReportListeners",
    "ReportStep",
    "Shadowing",
    "Signers",
    "SigningCommittee",
    "StageJournal",
    "TransactionSender",
]


class AcceptedRound(Protocol):
    """A round that the hub has accepted."""

    @property
    def answer(self) -> int:
        """In answer units."""

    @property
    def observed_at(self) -> int:
        """Unix seconds."""


class FeedTerms(Protocol):
    """The terms of a feed that a report depends on; they never change."""

    @property
    def kind(self) -> Kind:
        """The measure of its moves."""

    @property
    def sigma(self) -> int:
        """Parts per million on relative feeds, answer units on absolute ones."""

    @property
    def tolerance(self) -> int:
        """The largest distance from a held answer that still confirms it, in thousandths of sigma."""

    @property
    def max_repeats(self) -> int:
        """The number of reports in a row that may repeat the last answer exactly; 0: any number."""

    @property
    def max_age(self) -> int:
        """The seconds after which the hub refuses a report as too old."""

    @property
    def committee(self) -> int:
        """The committee whose reporters sign."""

    @property
    def peers(self) -> Sequence[bytes]:
        """The feeds that every report of this one has to list."""


class SigningCommittee(Protocol):
    """The reporters of some feeds, as the hub has them."""

    @property
    def reporters(self) -> Sequence[str]:
        """The addresses that may sign."""

    @property
    def quorum(self) -> int:
        """The number of them that have to answer for a feed."""

    @property
    def epoch(self) -> int:
        """A signature is valid in this epoch only."""


class HubReader(Protocol):
    """Reads feeds, their rounds and their committees from the hub."""

    async def feed_state(self, feed_id: bytes) -> FeedState:
        """Return the feed's state at the latest block."""
        ...

    async def feed_states(self, feed_ids: Sequence[bytes]) -> Sequence[FeedState]:
        """Return the states of several feeds, in their order, all of one block."""
        ...

    async def round(self, feed_id: bytes, round_id: int) -> AcceptedRound | None:
        """Return a round, or None if the hub does not have it."""
        ...

    async def committee(self, committee_id: int) -> SigningCommittee:
        """Return a committee as it is now."""
        ...

    async def feed_config(self, feed_id: bytes) -> FeedTerms:
        """Return the feed's terms. They never change, so asking again costs nothing."""
        ...

    async def head_time(self) -> int:
        """Return the time of the latest block, unix seconds."""
        ...


class Signers(Protocol):
    """Reporters who sign a report together."""

    async def collect(self, report: Report, answers: Mapping[bytes, int], committee: SigningCommittee) -> SignedReport:
        """Return the report with the signatures of a quorum of the committee's reporters, or of more.

        A reporter elsewhere has answers of its own; one that has none for a feed says so.

        Args:
            report: The report.
            answers: This daemon's answer for each of its feeds, by the feed's id.
            committee: The committee as it is now.

        Raises:
            SignerUnavailable: Too few have signed.
        """
        ...


class TransactionSender(Protocol):
    """Signs, sends and follows transactions that carry reports."""

    async def sign(self, proven: Proven) -> Submitted:
        """Simulate and sign the report's transaction; nothing is sent.

        Raises:
            StateMoved: A feed, or the committee, is no longer in the state that the report was made for.
            ContractRejected: The hub refuses it; the error names the feed if the hub does.
        """
        ...

    async def broadcast(self, submitted: Submitted) -> None:
        """Send the transaction, or send it again."""
        ...

    async def confirm(self, submitted: Submitted) -> Confirmed | Submitted:
        """Wait until the chain says how it ended, or until a replacement is signed, which is returned unsent."""
        ...


class OfferedReports(Protocol):
    """Keeps reports that are proven, for whoever brings them to the chain."""

    async def put(self, proven: Proven) -> None:
        """Simulate a report, keep it, and journal that its observations have ended so. Raises as `sign`."""


class ProvingModel(Protocol):
    """A model with a prover for each of its circuits."""

    @property
    def features(self) -> Sequence[Feature]:
        """The features that it sees, in order."""

    def scores(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the integers that the circuit publishes."""
        ...

    def seconds(self) -> Mapping[int, float]:
        """Return the seconds of a proof, measured or estimated, by the windows of its circuit."""
        ...

    async def prove(self, scored: Scored) -> Proven:
        """Prove the scores of all observations with one proof, and verify it."""
        ...


class StageJournal(Protocol):
    """Writes each stage down before the next begins."""

    def record(self, *stages: Stage, superseded: Mapping[str, str] = ...) -> None:
        """Journal that stages were reached, and why observations are superseded by them: all of it, or nothing."""

    def finish(self, keys: Collection[str], outcome: Outcome, reason: str) -> None:
        """Journal how observations ended: all of them, or none."""

    def unfinished(self) -> Sequence[OpenStage]:
        """Return the furthest stage of each report that has not ended, oldest first."""
        ...

    def has(self, key: str) -> bool:
        """Return whether this observation was journalled, open or ended."""
        ...


class ReportStep(StrEnum):
    """A step of a report's way, in this order; its time is measured."""

    DECIDE = "decide"
    WAIT = "wait"
    SIGN = "sign"
    PROVE = "prove"
    OFFER = "offer"
    SHADOW = "shadow"
    SIMULATE = "simulate"
    SEND = "send"
    CONFIRM = "confirm"


class ReportListener:
    """Hears what becomes of reports and observations; override what is of interest. Must not raise."""

    def decided(self, decided: Decided) -> None:
        """These observations are due, and journalled."""

    def reached(self, stage: Scored | Proven | Submitted | Confirmed) -> None:
        """A report has reached a stage, which is journalled."""

    def ended(self, observed: Observed, outcome: Outcome, reason: str, confirmed: Confirmed | None) -> None:
        """An observation has ended.

        Args:
            observed: The observation.
            outcome: How it ended.
            reason: Why, if no transaction of ours says it.
            confirmed: The report that it was in, if a transaction of ours ended it.
        """

    def took(self, step: ReportStep, seconds: float) -> None:
        """A report has spent so long on a step."""

    def pulled(self, feed: str, state: FeedState) -> None:
        """Somebody has brought one of a feed's kept reports; the state has it."""


class ReportListeners(ReportListener):
    """Several listeners, told one after the other."""

    def __init__(self, listeners: Sequence[ReportListener]) -> None:
        """Tell these."""
        self._listeners = tuple(listeners)

    def decided(self, decided: Decided) -> None:
        """See `ReportListener`."""
        for each in self._listeners:
            each.decided(decided)

    def reached(self, stage: Scored | Proven | Submitted | Confirmed) -> None:
        """See `ReportListener`."""
        for each in self._listeners:
            each.reached(stage)

    def ended(self, observed: Observed, outcome: Outcome, reason: str, confirmed: Confirmed | None) -> None:
        """See `ReportListener`."""
        for each in self._listeners:
            each.ended(observed, outcome, reason, confirmed)

    def took(self, step: ReportStep, seconds: float) -> None:
        """See `ReportListener`."""
        for each in self._listeners:
            each.took(step, seconds)

    def pulled(self, feed: str, state: FeedState) -> None:
        """See `ReportListener`."""
        for each in self._listeners:
            each.pulled(feed, state)


class Permission:
    """Says when this node may report. This base class permits it always: one operator reports when a report is due.

    In a network, members take turns; see `oracle.network.guard`. Its methods answer at once.
    """

    def may_decide(self, committee: int, observed_at: int) -> bool:
        """Return whether a report of a committee may be begun now, with answers of this time."""
        return True

    def is_spent(self, committee: int, before: int, now: int) -> bool:
        """Return whether a feed that was signed as of one time can't be signed as of another, later time."""
        return False

    def refusal(self, decided: Decided, step: ReportStep) -> str | None:
        """Return why a report may not take a step any more: it ends. None: it may."""
        return None

    def left(self, decided: Decided) -> float:
        """Return the seconds for which a report may be gone on with."""
        return float("inf")

    def until_next(self, committee: int) -> float | None:
        """Return the seconds until reports of a committee may be begun again, to look then; None: at any time."""
        return None


class Shadowing:
    """Judges reports by the models proposed for their feeds, too; this base class does not. See `oracle.feeds.shadows`.

    Its methods may not raise, nor take long.
    """

    def begin(self, scored: Scored) -> None:
        """This report is signed, and about to be proven."""

    async def ahead(self, proven: Proven) -> None:
        """The report is proven. The hub takes no shadow after its report: a shadow that is nearly ready goes first."""
