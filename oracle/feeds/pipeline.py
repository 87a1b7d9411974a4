"""The way of one observation from the moment that it is due, top to bottom:

    sign → features → score → (wait for others) → prove and verify → (shadow) → simulate → send → confirm

Each stage takes the previous stage's frozen type and returns the next; the journal has it before the next begins. Each
step that depends on the chain reads the chain again: a proof is about the chain's history, not about what is remembered
here.

From the proof on, observations of several feeds may go together: one proof, one transaction. Each has its own entries
in the journal and its own end, and none fails because of another: see `_blamed`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import structlog

from oracle.core import encoding
from oracle.core.errors import (
    ArtifactError,
    ContractRejected,
    MemoryExceeded,
    OracleError,
    ProofInvalid,
    ProverUnavailable,
    StateMoved,
)
from oracle.core.types import (
    Confirmed,
    FeedState,
    Observed,
    OpenStage,
    Outcome,
    Proven,
    Scored,
    SignedObservation,
    Stage,
    Submitted,
)
from oracle.feeds.batching import Batcher, BatchPolicy, Joined, Parted, Result, SpareProvers
from oracle.feeds.interface import (
    HubReader,
    ProvingModel,
    Shadowing,
    Signer,
    StageJournal,
    TransactionSender,
    Watch,
)

log = structlog.get_logger(__name__)

S = TypeVar("S", bound=Stage)

ROUNDS_LOOKED_BACK = 100
"""The number of rounds that are searched for a report that somebody else submitted."""

ATTEMPTS = 3
"""The number of times that an observation is proven at most, because the feed moved during the proof before."""

_BY_ANOTHER = "another's transaction carried it"

OVERTAKEN = "a newer observation of the feed was due before this one was proven"

_PARTS = (ArtifactError, ContractRejected, MemoryExceeded, ProofInvalid, ProverUnavailable, StateMoved)
"""Errors that one observation of a batch can cause for the others, which then go on without it."""


class Pipeline:
    """Takes observations of any feed of one hub to the chain."""

    def __init__(
        self,
        hub: HubReader,
        reporters: Sequence[Signer],
        models: Mapping[int, ProvingModel],
        submitter: TransactionSender,
        journal: StageJournal,
        watch: Watch = lambda stage, outcome, reason: None,
        attempts: int = ATTEMPTS,
        batching: BatchPolicy | None = None,
        shadows: Shadowing | None = None,
        spare: SpareProvers | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            hub: Reads feeds and rounds from the chain.
            reporters: Their signatures go into each report; as many as the feed's quorum.
            models: The models, by the numbers that the hub gave them.
            submitter: Signs, sends and follows transactions.
            journal: Has each stage before the next begins.
            watch: Called with each stage, for metrics and tables; must not raise.
            attempts: See `ATTEMPTS`.
            batching: The rules by which observations wait for others to share a proof with.
            shadows: Makes shadow reports beside the reports.
            spare: Learns how many provers no report needs.
        """
        self._hub = hub
        self._reporters = reporters
        self._models = models
        self._submitter = submitter
        self._journal = journal
        self._watch = watch
        self._attempts = attempts
        self._shadows = shadows or Shadowing()
        self._batcher = Batcher(self._carry, lambda number: self._model(number).seconds(), batching, spare)

    async def close(self) -> None:
        """Cut off what is on its way. After a restart, `resume` goes on from the journal."""
        await self._batcher.close()

    def unfinished(self, feed: str) -> list[OpenStage]:
        """Return the stages of a feed that the journal has open, oldest first, after a restart or a failure."""
        return [stage for stage in self._journal.unfinished() if stage.observed.feed == feed]

    async def report(self, observed: Observed) -> Outcome:
        """Take a fresh observation all the way.

        Returns:
            How it ended. It ends once, whatever happens in between.

        Raises:
            Retryable: Nothing more can be done now. The journal has how far it came, and `resume` goes on from there.
            Fatal: A person has to change something before `resume` can go on.
        """
        return await self.resume(self.admit(observed))

    def admit(self, observed: Observed) -> Observed:
        """Journal a fresh observation. From here on it has to end."""
        return self._keep(observed)

    def overtake(self, observed: Observed) -> None:
        """End an observation that nobody works on yet, because a newer one of its feed is due."""
        self._finish(observed, Outcome.SUPERSEDED, OVERTAKEN)

    def overtake_waiting(self, feed: str) -> bool:
        """End the feed's observation that waits for its proof, for the same reason. Return whether there was one."""
        return self._batcher.overtake(feed, _Ended(Outcome.SUPERSEDED, OVERTAKEN))

    def give_up(self, observed: Observed, outcome: Outcome, reason: str) -> None:
        """End an observation that nobody works on any more, and that may be lost."""
        self._finish(observed, outcome, reason)

    async def resume(self, stage: OpenStage) -> Outcome:
        """Go on from a journalled stage, to the end. A transaction that was signed is followed, not made again."""
        attempts, partings, alone = 0, 0, False
        while attempts < self._attempts:
            try:
                joined = stage if isinstance(stage, Submitted) else await self._score(stage)
                return await self._batcher.join(joined, alone=alone)  # goes on in `_carry`, maybe with others
            except Parted as parted:
                log.info("parted from a batch", observation=stage.observed.key, reason=str(parted))
                partings += 1
                stage, alone = stage.observed, parted.alone or partings >= self._attempts
            except StateMoved as error:
                log.info("state moved", observation=stage.observed.key, reason=str(error))
                # It goes by itself now, because a feed that moves often must not hold up others.
                stage, alone, attempts = stage.observed, True, attempts + 1
            except _Ended as ended:
                return self._finish(stage.observed, ended.outcome, ended.reason)
            except ContractRejected as error:
                return await self._fail(stage.observed, str(error))
        return await self._fail(stage.observed, f"the feed moved under each of {self._attempts} proofs")

    async def _fail(self, observed: Observed, reason: str) -> Outcome:
        """End an observation as failed, unless somebody else brought it to the chain."""
        try:
            state = await self._hub.feed_state(observed.feed_id)
        except ContractRejected:
            return self._finish(observed, Outcome.FAILED, reason)
        if observed.observed_at <= state.last_report_at:
            outcome, how = await self._relayed(observed, state)
            if outcome is not Outcome.SUPERSEDED:
                return self._finish(observed, outcome, how)
        return self._finish(observed, Outcome.FAILED, reason)

    async def _carry(self, batch: Sequence[Joined], proved: Callable[[], None]) -> Sequence[Result]:
        """Take one observation or several from the proof to the end. Return how each ended, or what it failed with."""
        unsent = [each.observed for each in batch if not isinstance(each, Submitted)]
        try:
            self._shadows.begin(unsent)
            try:
                proven = await self._prove(batch)
            finally:
                proved()
            await self._shadows.ahead(unsent)
            return await self._confirm(await self._submit(proven))
        except OracleError as error:
            return [_blamed(each.observed, batch, error) for each in batch]

    async def _score(self, stage: Observed | Scored | Proven) -> Scored | Proven:
        """Sign the observation for the feed's next round, and derive the statement from the feed's state."""
        observed = stage.observed
        state = await self._hub.feed_state(observed.feed_id)
        if observed.observed_at <= state.last_report_at:
            raise _Ended(*await self._relayed(observed, state))
        model = self._model(state.model_number)
        round_id = state.round_id + 1
        arguments = (observed.feed_id, round_id, observed.answer, observed.observed_at)
        signed = tuple([await _signed(reporter.sign_observation(*arguments)) for reporter in self._reporters])
        spread = _spread(state, signed) if model.spread else None
        features = encoding.features(state, observed.answer, observed.observed_at, model.features, spread)
        if not isinstance(stage, Observed):
            scored = stage.scored if isinstance(stage, Proven) else stage
            if (scored.round_id, scored.model_number, scored.features) == (
                round_id,
                state.model_number,
                features,
            ):
                return stage
        scores = model.scores(features)
        return self._keep(Scored(observed, round_id, state.model_number, signed, features, scores))

    async def _relayed(self, observed: Observed, state: FeedState) -> tuple[Outcome, str]:
        """Return how an observation ended without our transaction: anyone may submit a signed report."""
        mine = (observed.answer, observed.observed_at)
        if state.held is not None and (state.held.answer, state.held.observed_at) == mine:
            return Outcome.HELD, _BY_ANOTHER
        for round_id in range(state.round_id, max(0, state.round_id - ROUNDS_LOOKED_BACK), -1):
            found = await self._hub.round(observed.feed_id, round_id)
            if found is None or found.observed_at < observed.observed_at:
                break
            if (found.answer, found.observed_at) == mine:
                return Outcome.ACCEPTED, _BY_ANOTHER
        return Outcome.SUPERSEDED, f"the feed has a report observed at {state.last_report_at}, not before this one"

    async def _prove(self, batch: Sequence[Joined]) -> Sequence[Proven | Submitted]:
        """Prove all statements with one proof, which the prover verifies. A finished proof is never made again."""
        statements = [each for each in batch if isinstance(each, Scored)]
        if not statements:
            return [each for each in batch if not isinstance(each, Scored)]
        return self._keep_all(await self._model(statements[0].model_number).prove(statements))

    async def _submit(self, batch: Sequence[Proven | Submitted]) -> Sequence[Submitted]:
        """Simulate and sign. The journal has the transaction, for each observation, before the network does."""
        proven = [each for each in batch if isinstance(each, Proven)]
        if not proven:
            return [each for each in batch if isinstance(each, Submitted)]
        return self._keep_all(await self._submitter.sign_batch(proven))

    async def _confirm(self, batch: Sequence[Submitted]) -> Sequence[Result]:
        """Send, or send again, and wait until each has ended on the chain. A replacement is journalled, then sent."""
        results: list[Result] = []
        left = list(batch)
        try:
            await self._submitter.broadcast(left[0])
            while left:  # one after the other: once the first is final, all are
                reached = await self._submitter.confirm(left[0])
                if isinstance(reached, Submitted):
                    left = list(self._keep_all([_replaced(each, reached) for each in left]))
                    await self._submitter.broadcast(reached)
                else:
                    results.append(self._keep(reached).outcome)
                    left = left[1:]
        except OracleError as error:
            results += [_blamed(each.observed, batch, error) for each in left]
        return results

    def _model(self, number: int) -> ProvingModel:
        try:
            return self._models[number]
        except KeyError:
            known = ", ".join(str(known) for known in sorted(self._models)) or "none"
            raise ArtifactError(
                f"the feed's active model is number {number}, but there are artifacts of model {known} only: "
                "build or copy the model's artifact and name it in the deployment file"
            ) from None

    def _keep(self, stage: S) -> S:
        self._keep_all([stage])
        return stage

    def _keep_all(self, stages: Sequence[S]) -> Sequence[S]:
        self._journal.record(*stages)
        for stage in stages:
            self._watch(stage, stage.outcome if isinstance(stage, Confirmed) else None, "")
        return stages

    def _finish(self, observed: Observed, outcome: Outcome, reason: str) -> Outcome:
        self._journal.finish(observed.key, outcome, reason)
        self._watch(observed, outcome, reason)
        return outcome


async def _signed(signature: SignedObservation | Awaitable[SignedObservation]) -> SignedObservation:
    """Return the signature. A key in this process signs at once, one elsewhere takes its time."""
    return signature if isinstance(signature, SignedObservation) else await signature


def _spread(state: FeedState, signed: Sequence[SignedObservation]) -> int:
    """Return how far apart the answers of a report are, as the hub will compute it."""
    answers = [each.answer for each in signed]
    return encoding.spread(state.kind, state.sigma, min(answers), max(answers))


def _replaced(submitted: Submitted, by: Submitted) -> Submitted:
    """Return the stage with the transaction that replaces the batch's."""
    return replace(
        submitted, tx_hash=by.tx_hash, raw_transaction=by.raw_transaction, nonce=by.nonce, replaced=submitted.hashes
    )


def _blamed(observed: Observed, batch: Sequence[Joined], error: OracleError) -> OracleError:
    """Return what a batch's error means for one of its observations: itself, or `Parted` if others caused it."""
    if len(batch) == 1 or not isinstance(error, _PARTS):
        return error
    feed_id = getattr(error, "feed_id", None)
    at_fault = [each.observed for each in batch if each.observed.feed_id == feed_id]
    if observed in at_fault:
        return error
    if at_fault:
        return Parted(f"{at_fault[0].key}: {error}", alone=False)
    # `StateMoved` without a feed is about the transaction, which can't be mined any more. Any other error may be about
    # any of them.
    return Parted(str(error), alone=not isinstance(error, StateMoved))


class _Ended(OracleError):
    """Nothing is left to do for an observation: the chain has a report that is not older, or a newer one is due."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
