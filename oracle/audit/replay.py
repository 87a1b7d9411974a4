"""Replay a hub's history: rebuild each feed's rounds from events and calldata, and judge every update on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from oracle.audit.calldata import read_submission
from oracle.audit.history import AuditedFeed, AuditedModel, AuditedSubmission, RoundTransaction, UpdateOutcome
from oracle.audit.judge import (
    DerivedWindow,
    Recover,
    Unproven,
    derive_window,
    judge_update,
    outcome_problem,
    proof_problem,
)
from oracle.audit.report import Finding
from oracle.chain.hub import FeedUpdate, Round
from oracle.core import encoding
from oracle.core.formats import to_hex
from oracle.core.gate import empty_feed
from oracle.core.types import FeedState, Outcome


class Auditor:
    """Replays what happened at a hub, in the order in which the chain has it. Pure, but for the proofs' verification.

    Args:
        recover: Returns the address that signed an observation for (feed id, round); raises ValueError if nobody did.

    Attributes:
        findings: One for each update, in their order.
    """

    def __init__(self, recover: Recover) -> None:
        self._recover = recover
        self._feeds: dict[bytes, AuditedFeed] = {}
        self._models: dict[int, AuditedModel] = {}
        self._states: dict[bytes, FeedState] = {}
        self._rounds: dict[tuple[bytes, int], Round] = {}
        self.findings: list[Finding] = []

    def add_model(self, model: AuditedModel) -> None:
        """Take over a model that was added to the hub."""
        self._models[model.number] = model

    def add_feed(self, feed: AuditedFeed) -> None:
        """Take over a feed that was added to the hub."""
        self._feeds[feed.feed_id] = feed
        self._states[feed.feed_id] = empty_feed(feed.feed_id, feed.kind, feed.sigma, feed.heartbeat, feed.model_number)

    def change_model(self, feed_id: bytes, model_number: int) -> None:
        """Take over a feed's model, after it was activated or rolled back to."""
        self._states[feed_id] = replace(self._states[feed_id], model_number=model_number)

    def change_reporters(self, feed_id: bytes, reporters: Sequence[str], quorum: int) -> None:
        """Take over a feed's new committee."""
        self._feeds[feed_id] = replace(self._feeds[feed_id], reporters=frozenset(reporters), quorum=quorum)

    async def transaction(self, transaction: RoundTransaction) -> list[str]:
        """Audit all submissions of one transaction, in their order.

        Returns:
            What is wrong beyond single updates: calldata that can't be read, events without a submission.
        """
        problems = []
        waiting = [UpdateOutcome.from_event(event) for event in transaction.events]
        for calldata in transaction.calls:
            try:
                call = read_submission(calldata)
            except ValueError as error:
                problems.append(f"transaction {transaction.tx_hash}: its calldata can't be read: {error}")
                continue
            count = len(call.updates)
            await self.submission(
                AuditedSubmission(
                    tx_hash=transaction.tx_hash,
                    block_number=transaction.block_number,
                    block_time=transaction.block_time,
                    model_number=call.model_number,
                    updates=call.updates,
                    proof=call.proof,
                    outcomes=tuple(waiting[:count]),
                )
            )
            del waiting[:count]
        if waiting:
            problems.append(
                f"transaction {transaction.tx_hash}: {len(waiting)} rounds without a submission that carries them"
            )
        return problems

    async def submission(self, submission: AuditedSubmission) -> None:
        """Verify one submission and take over what it must have done."""
        windows: list[DerivedWindow] = []
        unproven: dict[int, str] = {}
        for index, update in enumerate(submission.updates):
            try:
                windows.append(self._derive(submission, update))
            except Unproven as error:
                unproven[index] = str(error)
        if unproven:
            in_proof = "the statement can't be rebuilt, so its proof can't be checked"
        else:
            model = self._models[submission.model_number]
            in_proof = await proof_problem(submission, model, [window.features for window in windows])
        said = {outcome.feed_id: outcome for outcome in submission.outcomes}
        derived = iter(windows)
        for index, update in enumerate(submission.updates):
            outcome = said.get(update.feed_id)
            if index in unproven:
                self._find(submission, update, outcome, unproven[index])
                continue
            # Taken over even if the proof is bad: later proofs are about the history that the hub has.
            in_outcome = self._take_over(submission, update, next(derived), outcome)
            self._find(submission, update, outcome, in_proof or in_outcome)

    def expected_states(self) -> Mapping[bytes, FeedState]:
        """Return each feed as it must be now."""
        return dict(self._states)

    def expected_rounds(self) -> Mapping[tuple[bytes, int], Round]:
        """Return each round as it must be stored, by feed and number."""
        return dict(self._rounds)

    def _derive(self, submission: AuditedSubmission, update: FeedUpdate) -> DerivedWindow:
        feed, state = self._feeds.get(update.feed_id), self._states.get(update.feed_id)
        if feed is None or state is None:
            raise Unproven("the feed was never added")
        model = self._models.get(submission.model_number)
        if model is None:
            raise Unproven(f"model {submission.model_number} was never added")
        return derive_window(submission, update, feed, model, state, self._recover)

    def _take_over(
        self, submission: AuditedSubmission, update: FeedUpdate, window: DerivedWindow, said: UpdateOutcome | None
    ) -> str:
        """Take over the state that an update must have led to; return how the hub's event differs from it."""
        feed, model = self._feeds[update.feed_id], self._models[submission.model_number]
        judgement = judge_update(submission, update, window, feed, model, self._states[update.feed_id])
        self._states[update.feed_id] = judgement.state
        if judgement.outcome.outcome is Outcome.ACCEPTED:
            self._rounds[update.feed_id, update.round_id] = Round(
                round_id=update.round_id,
                answer=window.answer,
                observed_at=window.observed_at,
                published_at=submission.block_time,
                model_number=submission.model_number,
                score_ratio=encoding.score_ratio(update.scores, model.score_unit),
            )
        return outcome_problem(said, judgement.outcome)

    def _find(
        self, submission: AuditedSubmission, update: FeedUpdate, said: UpdateOutcome | None, problem: str
    ) -> None:
        feed = self._feeds.get(update.feed_id)
        self.findings.append(
            Finding(
                feed=feed.description if feed else to_hex(update.feed_id),
                round_id=update.round_id,
                outcome=said.outcome if said else Outcome.FAILED,
                answer=said.answer if said else 0,
                observed_at=said.observed_at if said else 0,
                tx_hash=submission.tx_hash,
                problem=problem,
            )
        )
