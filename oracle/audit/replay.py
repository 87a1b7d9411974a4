"""Replay a hub's history: rebuild each feed's rounds from events and calldata, and judge every report on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from oracle.audit.calldata import read_submission
from oracle.audit.history import (
    AuditedCommittee,
    AuditedFeed,
    AuditedModel,
    AuditedReport,
    AuditedSubmission,
    ReportOutcome,
    RoundTransaction,
)
from oracle.audit.judge import (
    DerivedAnswer,
    DerivedWindow,
    Recover,
    Unproven,
    check_signatures,
    derive_answer,
    derive_window,
    judge_report,
    outcome_problem,
    statement,
)
from oracle.audit.proofs import ProofTask
from oracle.audit.report import Check, Finding, FindingKind
from oracle.core.formats import to_hex
from oracle.core.gate import empty_feed
from oracle.core.types import FeedState, Outcome, Round


class Auditor:
    """Replays what happened at a hub, in the order in which the chain has it. Pure: proofs are left to others.

    Args:
        recover: Returns the address that signed a report; raises ValueError if nobody did.
        reports: Takes each report whose signatures hold; None: nobody wants them.

    Attributes:
        findings: One for each feed that a report judged, in their order.
        tasks: The proofs that are still to be verified. A finding is verified only once its proof is.
    """

    def __init__(self, recover: Recover, reports: list[AuditedReport] | None = None) -> None:
        self._recover = recover
        self._reports = reports
        self._committees: dict[int, AuditedCommittee] = {}
        self._feeds: dict[bytes, AuditedFeed] = {}
        self._models: dict[int, AuditedModel] = {}
        self._states: dict[bytes, FeedState] = {}
        self._rounds: dict[tuple[bytes, int], Round] = {}
        self.findings: list[Finding] = []
        self.tasks: list[ProofTask] = []

    def add_model(self, model: AuditedModel) -> None:
        """Take over a model that was added to the hub."""
        self._models[model.number] = model

    def add_feed(self, feed: AuditedFeed) -> None:
        """Take over a feed that was added to the hub."""
        self._feeds[feed.feed_id] = feed
        self._states[feed.feed_id] = empty_feed(
            feed.feed_id,
            feed.kind,
            feed.sigma,
            feed.heartbeat,
            feed.model_number,
            committee=feed.committee,
            peers=feed.peers,
        )

    def add_committee(self, number: int, reporters: Sequence[str], quorum: int) -> None:
        """Take over a committee that was added to the hub."""
        self._committees[number] = AuditedCommittee(frozenset(reporters), quorum, 1)

    def change_model(self, feed_id: bytes, model_number: int) -> None:
        """Take over a feed's model, after it was activated or rolled back to."""
        self._states[feed_id] = replace(self._states[feed_id], model_number=model_number)

    def change_reporters(self, number: int, epoch: int, reporters: Sequence[str], quorum: int) -> None:
        """Take over a committee's new reporters."""
        self._committees[number] = AuditedCommittee(frozenset(reporters), quorum, epoch)

    def transaction(self, transaction: RoundTransaction) -> list[str]:
        """Audit all submissions of one transaction, in their order.

        Returns:
            What is wrong beyond single feeds: calldata that can't be read, events without a submission.
        """
        problems = []
        waiting = [ReportOutcome.from_event(event) for event in transaction.events]
        for calldata in transaction.calls:
            try:
                call = read_submission(calldata)
            except ValueError as error:
                problems.append(f"transaction {transaction.tx_hash}: its calldata can't be read: {error}")
                continue
            count = len(call.signed.report.due)
            self.submission(
                AuditedSubmission(
                    tx_hash=transaction.tx_hash,
                    block_number=transaction.block_number,
                    block_time=transaction.block_time,
                    submission=call,
                    outcomes=tuple(waiting[:count]),
                )
            )
            del waiting[:count]
        if waiting:
            problems.append(
                f"transaction {transaction.tx_hash}: {len(waiting)} rounds without a submission that carries them"
            )
        return problems

    def submission(self, audited: AuditedSubmission) -> None:
        """Verify one submission and take over what it must have done."""
        report = audited.submission.signed.report
        said = {outcome.feed_id: outcome for outcome in audited.outcomes}
        try:
            windows = self._derive(audited)
        except Unproven as error:
            for position in report.due:
                self._find(audited, position, said.get(report.feed_ids[position]), str(error))
            return
        model = self._models[audited.submission.model_number]
        waiting: list[int] = []
        stated, in_proof = None, ""
        try:
            stated = statement(audited, model, [window.features for window in windows])
        except Unproven as error:
            in_proof = str(error)
        for position, window, scores in zip(report.due, windows, audited.submission.scores, strict=True):
            outcome = said.get(report.feed_ids[position])
            # Taken over even if the proof is bad: later proofs are about the history that the hub has.
            in_outcome = self._take_over(audited, position, scores, window, outcome)
            if problem := in_proof or in_outcome:
                self._find(audited, position, outcome, problem)
            elif model.problem:
                self._find(audited, position, outcome, model.problem, Check.UNCHECKED)
            else:
                waiting.append(len(self.findings))
                self._find(audited, position, outcome, "", Check.VERIFIED)
        if stated is not None and waiting:
            number, proof = audited.submission.model_number, audited.submission.proof
            self.tasks.append(ProofTask(tuple(waiting), number, stated.batch, proof, stated.instances))

    def settle(self, task: ProofTask, result: bool | str) -> None:
        """Take over the verification of a proof.

        Args:
            result: True if the proof holds; otherwise False, or why it can't be verified.
        """
        if result is True:
            return
        check, problem = (Check.UNCHECKED, result) if result else (Check.FAILED, "the proof does not verify")
        for at in task.findings:
            self.findings[at] = replace(self.findings[at], check=check, problem=problem)

    @property
    def feeds(self) -> Mapping[bytes, AuditedFeed]:
        """The feeds that were added, by their ids."""
        return self._feeds

    def expected_states(self) -> Mapping[bytes, FeedState]:
        """Return each feed as it must be now."""
        return dict(self._states)

    def expected_rounds(self) -> Mapping[tuple[bytes, int], Round]:
        """Return each round as it must be stored, by feed and number."""
        return dict(self._rounds)

    def _derive(self, audited: AuditedSubmission) -> list[DerivedWindow]:
        """Return what the hub must have derived for each feed that is due. A report is refused as a whole."""
        report = audited.submission.signed.report
        model = self._models.get(audited.submission.model_number)
        if model is None:
            raise Unproven(f"model {audited.submission.model_number} was never added")
        committee = self._committees.get(report.committee)
        reporters = check_signatures(audited, committee, self._recover)
        assert committee is not None  # or its signatures would not be taken
        if self._reports is not None:
            signed = audited.submission.signed
            self._reports.append(AuditedReport(audited.tx_hash, audited.block_time, signed, reporters))
        answers: dict[bytes, tuple[AuditedFeed, DerivedAnswer]] = {}
        for position, feed_id in enumerate(report.feed_ids):
            feed = self._feeds.get(feed_id)
            if feed is None:
                raise Unproven(f"the feed {to_hex(feed_id)} was never added")
            answers[feed_id] = feed, derive_answer(audited, position, feed, committee)
        return [
            derive_window(
                audited,
                position,
                self._feeds[report.feed_ids[position]],
                model,
                self._states[report.feed_ids[position]],
                answers,
            )
            for position in report.due
        ]

    def _take_over(
        self,
        audited: AuditedSubmission,
        position: int,
        scores: Sequence[int],
        window: DerivedWindow,
        said: ReportOutcome | None,
    ) -> str:
        """Take over the state that a report must have led to; return how the hub's event differs from it."""
        feed_id = audited.submission.signed.report.feed_ids[position]
        feed, model = self._feeds[feed_id], self._models[audited.submission.model_number]
        judgement = judge_report(audited, position, scores, window, feed, model, self._states[feed_id])
        self._states[feed_id] = judgement.state
        if (made := judgement.verdict.round) is not None:
            self._rounds[feed_id, made.round_id] = made
        return outcome_problem(said, judgement.outcome)

    def _find(
        self,
        audited: AuditedSubmission,
        position: int,
        said: ReportOutcome | None,
        problem: str,
        check: Check = Check.FAILED,
    ) -> None:
        report = audited.submission.signed.report
        feed = self._feeds.get(report.feed_ids[position])
        self.findings.append(
            Finding(
                feed=feed.description if feed else to_hex(report.feed_ids[position]),
                decimals=feed.decimals if feed else 0,
                kind=FindingKind.ROUND,
                round_id=report.round_ids[position],
                outcome=said.outcome if said else Outcome.FAILED,
                confirmed=said is not None and said.confirmed,
                answer=said.answer if said else 0,
                observed_at=report.observed_at,
                block_number=audited.block_number,
                block_time=audited.block_time,
                tx_hash=audited.tx_hash,
                check=check,
                problem=problem,
            )
        )
