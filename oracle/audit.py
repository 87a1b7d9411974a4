"""The independent audit: every round of a hub is verified again, off-chain, trusting nothing that the hub says.

Input is what a chain can't take back: the calldata of each submission, in order, and the terms that feeds and models
were added with. The audit rebuilds each feed's history from them, derives the features and the instances itself,
verifies each proof with the artifact's verifying key, and compares what the hub did with what it must have done.

This module is pure but for the prover that verifies; `oracle/assembly.py` fetches.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from oracle import encoding
from oracle.chain.contracts import FeedUpdate
from oracle.gate import HoldPolicy, empty_feed, judge
from oracle.types import FeedState, Kind, Outcome, SignedObservation


@dataclass(frozen=True)
class FeedTerms:
    """What a feed was added with, and who may report to it now."""

    feed_id: bytes
    description: str
    kind: Kind
    sigma: int
    heartbeat: int
    max_age: int
    max_skew: int
    max_spread: int
    quorum: int
    policy: HoldPolicy
    reporters: frozenset[str]
    model_number: int


@dataclass(frozen=True)
class ModelTerms:
    """A model as the hub has it, and the circuit that the auditor has an artifact of.

    Attributes:
        model_hash: None if the architecture binds none.
        batches: Batch sizes that the architecture has verifiers for, ascending.
        check_proof: Verifies a proof for a batch size; None if there is no artifact here whose verifier has the
            deployed code.
    """

    number: int
    features: int
    outputs: int
    model_hash: int | None
    score_unit: int
    batches: tuple[int, ...]
    check_proof: Callable[[int, bytes, tuple[int, ...]], Awaitable[bool]] | None
    problem: str = ""


@dataclass(frozen=True)
class Event:
    """What the hub said that it did with an update."""

    feed_id: bytes
    round_id: int
    outcome: Outcome
    answer: int
    observed_at: int
    confirmed: bool


@dataclass(frozen=True)
class Submission:
    """One successful call of `submit`."""

    tx_hash: str
    block_number: int
    block_time: int
    model_number: int
    updates: tuple[FeedUpdate, ...]
    proof: bytes
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Finding:
    """The audit of one update: `problem` is empty if everything holds."""

    feed: str
    round_id: int
    outcome: Outcome
    answer: int
    observed_at: int
    tx_hash: str
    problem: str

    @property
    def verified(self) -> bool:
        return not self.problem


@dataclass(frozen=True)
class AuditReport:
    """All findings, and what is wrong beyond single rounds."""

    hub: str
    chain_id: int
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def verified(self) -> int:
        return sum(finding.verified for finding in self.findings)

    @property
    def failed(self) -> int:
        return len(self.findings) - self.verified

    @property
    def ok(self) -> bool:
        return not self.problems and self.failed == 0


class _Unproven(Exception):
    """A check of an update failed; the message says which."""


class Auditor:
    """Replays submissions, in the order in which the chain has them.

    Args:
        recover: Gives the address that signed an observation for (feed id, round).
    """

    def __init__(self, recover: Callable[[bytes, int, SignedObservation], str]) -> None:
        self._recover = recover
        self._terms: dict[bytes, FeedTerms] = {}
        self._models: dict[int, ModelTerms] = {}
        self._states: dict[bytes, FeedState] = {}
        self.findings: list[Finding] = []

    def add_model(self, model: ModelTerms) -> None:
        """A model was added to the hub."""
        self._models[model.number] = model

    def add_feed(self, terms: FeedTerms) -> None:
        """A feed was added to the hub."""
        self._terms[terms.feed_id] = terms
        self._states[terms.feed_id] = empty_feed(
            terms.feed_id, terms.kind, terms.sigma, terms.heartbeat, terms.model_number
        )

    def change_model(self, feed_id: bytes, model_number: int) -> None:
        """A feed's model was activated, or rolled back to."""
        self._states[feed_id] = replace(self._states[feed_id], model_number=model_number)

    def change_reporters(self, feed_id: bytes, reporters: Sequence[str], quorum: int) -> None:
        """A feed's reporters were changed."""
        self._terms[feed_id] = replace(self._terms[feed_id], reporters=frozenset(reporters), quorum=quorum)

    async def submission(self, submission: Submission) -> None:
        """Verify one submission and take over what it must have done."""
        proof_problem: str | None = None
        judged: list[tuple[FeedUpdate, int, int, tuple[int, ...]]] = []
        problems: dict[int, str] = {}
        for index, update in enumerate(submission.updates):
            try:
                judged.append((update, *self._statement(submission, update)))
            except _Unproven as error:
                problems[index] = str(error)
        if problems:
            proof_problem = "the statement can't be rebuilt, so its proof can't be checked"
        else:
            proof_problem = await self._check_proof(submission, [features for _, _, _, features in judged])
        outcomes = {event.feed_id: event for event in submission.events}
        for index, update in enumerate(submission.updates):
            event = outcomes.get(update.feed_id)
            problem = problems.get(index) or proof_problem or ""
            if index not in problems:
                update, answer, observed_at, _ = next(item for item in judged if item[0] is update)
                problem = problem or self._outcome(submission, update, answer, observed_at, event)
            self._find(submission, update, event, problem)

    def expected_states(self) -> Mapping[bytes, FeedState]:
        """Each feed as it must be now."""
        return dict(self._states)

    def _statement(self, submission: Submission, update: FeedUpdate) -> tuple[int, int, tuple[int, ...]]:
        """Steps 1 to 4 of the hub: the answer, its time and the features that the proof must be about."""
        terms, state = self._terms.get(update.feed_id), self._states.get(update.feed_id)
        if terms is None or state is None:
            raise _Unproven("the feed was never added")
        # 1. The model is the feed's active one, and the round its next.
        model = self._models.get(submission.model_number)
        if model is None:
            raise _Unproven(f"model {submission.model_number} was never added")
        if submission.model_number != state.model_number:
            raise _Unproven(f"model {submission.model_number} was not active; {state.model_number} was")
        if update.round_id != state.round_id + 1:
            raise _Unproven(f"signed for round {update.round_id}, but {state.round_id + 1} was next")
        if len(update.scores) != model.outputs:
            raise _Unproven(f"{len(update.scores)} scores where the model has {model.outputs}")
        # 2. A quorum of distinct reporters signed, sorted by answer.
        answers = [observation.answer for observation in update.observations]
        if len(answers) < terms.quorum:
            raise _Unproven(f"{len(answers)} observations where {terms.quorum} are the quorum")
        if answers != sorted(answers):
            raise _Unproven("the observations are not sorted")
        signers = [self._recover(update.feed_id, update.round_id, signed) for signed in update.observations]
        if len(set(signers)) != len(signers):
            raise _Unproven("a reporter signed twice")
        if strangers := sorted(set(signers) - terms.reporters):
            raise _Unproven(f"{strangers[0]} was no reporter")
        if terms.max_spread and _spread(terms, answers) > terms.max_spread:
            raise _Unproven("the reporters' answers were too far apart")
        # 3. Every observation is newer than the last report, and fresh.
        times = sorted(observation.observed_at for observation in update.observations)
        if times[0] <= state.last_report_at:
            raise _Unproven("an observation was not newer than the last report")
        if times[-1] > submission.block_time + terms.max_skew:
            raise _Unproven("an observation was from the future")
        if times[0] + terms.max_age < submission.block_time:
            raise _Unproven("an observation was too old")
        # 4. The features follow from the accepted history.
        answer, observed_at = answers[len(answers) // 2], times[(len(times) - 1) // 2]
        return answer, observed_at, encoding.features(state, answer, observed_at, model.features)

    async def _check_proof(self, submission: Submission, windows: Sequence[tuple[int, ...]]) -> str:
        """Step 5: the proof is valid for the instances that the hub must have built."""
        model = self._models[submission.model_number]
        batch = next((size for size in model.batches if size >= len(windows)), None)
        if batch is None:
            return f"the model has no circuit for {len(windows)} feeds"
        if model.check_proof is None:
            return model.problem or "there is no artifact here for the deployed verifier"
        scores = [update.scores for update in submission.updates]
        try:
            instances = encoding.instances(model.model_hash, windows, scores, batch)
        except ValueError as error:
            return str(error)
        return "" if await model.check_proof(batch, submission.proof, instances) else "the proof does not verify"

    def _outcome(
        self, submission: Submission, update: FeedUpdate, answer: int, observed_at: int, event: Event | None
    ) -> str:
        """Step 6: the hub did with it what the gate says. Takes the state over."""
        terms = self._terms[update.feed_id]
        verdict = judge(
            self._states[update.feed_id],
            terms.policy,
            answer,
            observed_at,
            update.scores,
            score_unit=self._models[submission.model_number].score_unit,
            published_at=submission.block_time,
            latest_observed_at=max(signed.observed_at for signed in update.observations),
        )
        self._states[update.feed_id] = verdict.state
        expected = Event(update.feed_id, update.round_id, verdict.outcome, answer, observed_at, verdict.confirmed)
        if event is None:
            return f"the hub emitted nothing, where {verdict.outcome.value} was due"
        return "" if event == expected else f"the hub said {_in_words(event)}, but it was {_in_words(expected)}"

    def _find(self, submission: Submission, update: FeedUpdate, event: Event | None, problem: str) -> None:
        terms = self._terms.get(update.feed_id)
        self.findings.append(
            Finding(
                feed=terms.description if terms else "0x" + update.feed_id.hex(),
                round_id=update.round_id,
                outcome=event.outcome if event else Outcome.FAILED,
                answer=event.answer if event else 0,
                observed_at=event.observed_at if event else 0,
                tx_hash=submission.tx_hash,
                problem=problem,
            )
        )


def _spread(terms: FeedTerms, answers: Sequence[int]) -> int:
    """How far apart the lowest and the highest of sorted answers are, in thousandths of sigma."""
    lowest, highest = answers[0], answers[-1]
    if lowest == highest:
        return 0
    if terms.kind is Kind.RELATIVE and lowest <= 0:
        return encoding.CLIP
    return abs(encoding.move(terms.kind, terms.sigma, highest, lowest))


def _in_words(event: Event) -> str:
    confirmed = " by confirmation" if event.confirmed else ""
    return f"{event.outcome.value}{confirmed} {event.answer} of {event.observed_at}"


def differences(expected: FeedState, actual: FeedState) -> str:
    """What differs between the state that history leads to and the one that the hub has; empty if nothing does."""
    expected = replace(expected, paused=actual.paused)
    if expected == actual:
        return ""
    fields = [name for name in FeedState.__slots__ if getattr(expected, name) != getattr(actual, name)]
    return ", ".join(
        f"{name} is {getattr(actual, name)} but must be {getattr(expected, name)}" for name in sorted(fields)
    )
