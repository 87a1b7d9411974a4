"""The way of one observation, top to bottom.

    sources → aggregate → decide → sign → features → prove → self-verify → simulate → send → confirm

Each stage takes the previous stage's frozen type and returns the next; the journal has it before the next begins. The
chain's word is asked for at every step that depends on it: a proof is of *its* history, never of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, TypeVar

import structlog

from oracle import encoding
from oracle.errors import ArtifactError, ContractRejected, StateMoved
from oracle.types import (
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

log = structlog.get_logger(__name__)

S = TypeVar("S", bound=Stage)

ROUNDS_LOOKED_BACK = 100

ATTEMPTS = 3
"""How often an observation is derived and proven anew when the feed moved under it."""

_BY_ANOTHER = "another's transaction carried it"

Watch: TypeAlias = Callable[[Stage, Outcome | None, str], None]
"""Called with each stage that is reached, how the observation ended if it has, and why if that was off-chain."""


class Round(Protocol):
    """An accepted round."""

    @property
    def answer(self) -> int: ...
    @property
    def observed_at(self) -> int: ...


class Hub(Protocol):
    """What the pipeline reads from the chain."""

    async def feed_state(self, feed_id: bytes) -> FeedState: ...
    async def round(self, feed_id: bytes, round_id: int) -> Round | None: ...


class Reporter(Protocol):
    """A key that signs observations."""

    def sign_observation(self, feed_id: bytes, round_id: int, answer: int, observed_at: int) -> SignedObservation: ...


class Submitter(Protocol):
    """What the pipeline does to the chain."""

    async def sign(self, proven: Proven) -> Submitted: ...
    async def broadcast(self, submitted: Submitted) -> None: ...
    async def confirm(self, submitted: Submitted) -> Confirmed | Submitted: ...


class Model(Protocol):
    """A model with a prover for its circuit."""

    @property
    def features(self) -> int: ...

    @property
    def spread(self) -> bool:
        """Whether it sees how far apart the reporters' answers are."""

    def scores(self, features: Sequence[int]) -> tuple[int, ...]: ...
    async def prove(self, scored: Scored) -> Proven: ...


class Journal(Protocol):
    """Where each stage is kept before the next begins."""

    def record(self, stage: Stage) -> None: ...
    def finish(self, key: str, outcome: Outcome, reason: str) -> None: ...
    def unfinished(self) -> Sequence[OpenStage]: ...


class Pipeline:
    """Takes observations of any feed of one hub to the chain.

    Args:
        models: By the number that the hub gave them.
        reporters: Their signatures go into each report; as many as the feed's quorum.
        watch: For metrics and tables; must not raise.
        attempts: See `ATTEMPTS`.
    """

    def __init__(
        self,
        hub: Hub,
        reporters: Sequence[Reporter],
        models: Mapping[int, Model],
        submitter: Submitter,
        journal: Journal,
        watch: Watch = lambda stage, outcome, reason: None,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._hub = hub
        self._reporters = reporters
        self._models = models
        self._submitter = submitter
        self._journal = journal
        self._watch = watch
        self._attempts = attempts

    def unfinished(self, feed: str) -> list[OpenStage]:
        """What the journal has open of a feed, oldest first: from before a restart, or after a failure."""
        return [stage for stage in self._journal.unfinished() if stage.observed.feed == feed]

    async def report(self, observed: Observed) -> Outcome:
        """Take a fresh observation all the way.

        Returns:
            How it ended; it ends once, whatever happens in between.

        Raises:
            Retryable: Nothing more can be done now. The journal has how far it came; `resume` goes on from there.
            Fatal: A person has to change something; likewise.
        """
        return await self.resume(self._keep(observed))

    async def resume(self, stage: OpenStage) -> Outcome:
        """Go on from a journalled stage. A transaction that was signed is asked after first, not made again."""
        for _ in range(self._attempts):
            try:
                if not isinstance(stage, Submitted):
                    stage = await self._submit(await self._prove(await self._score(stage)))
                return await self._confirm(stage)
            except StateMoved as error:
                log.info("state moved", observation=stage.observed.key, reason=str(error))
                stage = stage.observed
            except _Ended as ended:
                return self._finish(stage.observed, ended.outcome, ended.reason)
            except ContractRejected as error:
                return await self._fail(stage.observed, str(error))
        return await self._fail(stage.observed, f"the feed moved under each of {self._attempts} proofs")

    async def _fail(self, observed: Observed, reason: str) -> Outcome:
        """End an observation as failed, unless the chain has it all the same: whoever brought it there."""
        try:
            state = await self._hub.feed_state(observed.feed_id)
        except ContractRejected:
            return self._finish(observed, Outcome.FAILED, reason)
        if observed.observed_at <= state.last_report_at:
            outcome, how = await self._relayed(observed, state)
            if outcome is not Outcome.SUPERSEDED:
                return self._finish(observed, outcome, how)
        return self._finish(observed, Outcome.FAILED, reason)

    async def _score(self, stage: Observed | Scored | Proven) -> Scored | Proven:
        """Sign the observation for the feed's next round, and derive the statement from the feed's state."""
        observed = stage.observed
        state = await self._hub.feed_state(observed.feed_id)
        if observed.observed_at <= state.last_report_at:
            raise _Ended(*await self._relayed(observed, state))
        model = self._model(state.model_number)
        round_id = state.round_id + 1
        arguments = (observed.feed_id, round_id, observed.answer, observed.observed_at)
        signed = tuple(reporter.sign_observation(*arguments) for reporter in self._reporters)
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
        """How an observation ended that we did not bring to an end: anyone may relay a signed report."""
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

    async def _prove(self, stage: Scored | Proven) -> Proven:
        """Prove the statement; the prover verifies its proof. A finished proof is never made again."""
        if isinstance(stage, Proven):
            return stage
        return self._keep(await self._model(stage.model_number).prove(stage))

    async def _submit(self, proven: Proven) -> Submitted:
        """Simulate and sign. The journal has the signed transaction before the network does."""
        return self._keep(await self._submitter.sign(proven))

    async def _confirm(self, submitted: Submitted) -> Outcome:
        """Send, or send again, and wait until the chain says how it ended; a replacement is kept, and then sent."""
        await self._submitter.broadcast(submitted)
        while isinstance(reached := await self._submitter.confirm(submitted), Submitted):
            submitted = self._keep(reached)
            await self._submitter.broadcast(submitted)
        return self._keep(reached).outcome

    def _model(self, number: int) -> Model:
        try:
            return self._models[number]
        except KeyError:
            known = ", ".join(str(known) for known in sorted(self._models)) or "none"
            raise ArtifactError(
                f"the feed's active model is number {number}, but there are artifacts of model {known} only: "
                "build or copy the model's artifact and name it in the deployment file"
            ) from None

    def _keep(self, stage: S) -> S:
        self._journal.record(stage)
        self._watch(stage, stage.outcome if isinstance(stage, Confirmed) else None, "")
        return stage

    def _finish(self, observed: Observed, outcome: Outcome, reason: str) -> Outcome:
        self._journal.finish(observed.key, outcome, reason)
        self._watch(observed, outcome, reason)
        return outcome


def _spread(state: FeedState, signed: Sequence[SignedObservation]) -> int:
    """How far apart the answers of a report are, as the hub will see it."""
    answers = [each.answer for each in signed]
    return encoding.spread(state.kind, state.sigma, min(answers), max(answers))


class _Ended(Exception):
    """The chain has a report that is not older: nothing is left to do for this observation."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
