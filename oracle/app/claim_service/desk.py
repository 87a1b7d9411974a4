"""The desk of the claims service: it checks requests, keeps their queue, and has their claims proven.

Nothing private leaves it but to the provers, and a job's data is gone when the job ends. What it logs is a job's short
name, its model and how it ended; of errors the type alone, as their texts may have numbers of the witness.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from oracle.app.claim_service.metrics import ClaimMetrics
from oracle.claims.attestation import Attested
from oracle.claims.client import ClaimNotMet, PreparedClaim, Registered, ZkmlClient
from oracle.claims.proof import ClaimProof
from oracle.claims.service.documents import (
    ClaimRequest,
    EarlierDocument,
    JobState,
    ModelDocument,
    ModelsDocument,
    schema_of,
)
from oracle.claims.service.issuers import TrustedIssuers, read_attestation
from oracle.claims.service.jobs import Job, JobBook, PrivatePart
from oracle.claims.statement import subject_limbs
from oracle.core.errors import DataError, MemoryExceeded, OracleError, ProverTimeout, ProverUnavailable, Retryable
from oracle.core.logs import place_of
from oracle.proving.interface import EventKind, Prover, ProverEvent
from oracle.web.claims.desk import NotAdmitted, OverQuota
from oracle.web.rates import Rates

__all__ = ["ServingDesk", "watch_proving"]

log = structlog.get_logger(__name__)

_DAY_S = 86_400.0
_SWEEP_S = 1.0

_CHECKS = 4
"""Attestations that are checked at once: strangers must not have all threads."""

_QUOTAS = 65_536
"""Callers whose shares of the day are remembered. A subject is one only after an issuer has signed for it."""


def watch_proving(event: ProverEvent) -> None:
    """Log what a prover tells of its proofs, without its words: they may have numbers of a witness."""
    if event.kind is EventKind.RETRIED:
        log.warning("the worker of a claim's proof died; it is tried again")


class ServingDesk:
    """Has claims proven, as many at once as there are workers, in the order in which they were asked for.

    Args:
        client: The client that has the models registered.
        provers: A prover for each model's circuit, by the model's name. None of them keeps proofs.
        book: The jobs.
        metrics: Counts them.
        workers: Jobs that are worked on at once.
        max_per_day: Claims that one caller may ask for in a day.
        issuers: Issuers whose attestations admit callers without a token; None: there are none.
        clock: Unix seconds.
    """

    def __init__(
        self,
        client: ZkmlClient,
        provers: Mapping[str, Prover],
        book: JobBook,
        metrics: ClaimMetrics,
        *,
        workers: int,
        max_per_day: int,
        issuers: TrustedIssuers | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._provers = provers
        self._book = book
        self._metrics = metrics
        self._workers = asyncio.Semaphore(workers)
        self._checks = asyncio.Semaphore(_CHECKS)
        self._quota = Rates(max_per_day, _DAY_S, clients=_QUOTAS)
        self._issuers = issuers
        self._clock = clock
        self._tasks: dict[Job, asyncio.Task[None]] = {}
        self._models = ModelsDocument(models=[_described(client.registered(name)) for name in provers])

    # --- see `oracle.web.claims.desk.ClaimDesk` ----------------------------------------------------------------

    def models(self) -> ModelsDocument:
        """Return the served models."""
        return self._models

    async def submit(self, request: ClaimRequest, caller: str | None) -> Job:
        """Take a claim to be proven; see `ClaimDesk.submit`."""
        # 1 The model is served, and the request is one of its claims.
        if request.model not in self._provers:
            raise DataError(f"no such model is served; these are: {', '.join(sorted(self._provers))}")
        model = self._client.registered(request.model)
        if request.expires_at is not None and request.expires_at <= self._clock():
            raise DataError("expires_at is over")
        subject, attested = await self._attested(request, model)
        _require_sense(request, model)
        # 2 Who asks may ask: a caller with a token; or anyone who has the data that a trusted issuer has signed for.
        if attested is not None:
            await self._require_data(request.model, request, attested)
        elif caller is None:
            raise NotAdmitted("there is neither a token nor an attestation")
        if request.earlier is not None:
            await self._require_earlier(request.earlier, model, subject, is_known=caller is not None)
        name = caller if caller is not None else f"subject {subject.lower()}"
        # 3 There is room for it, and a share of the day.
        self._book.require_room(name)
        if not await self._quota.allow(name):
            raise OverQuota
        private = PrivatePart(request, subject, attested)
        job = Job(name, request.model, private, self._clock(), has_key=caller is None)
        self._book.add(job)
        self._tasks[job] = task = asyncio.create_task(self._work(job), name=f"claim-{job.short}")
        task.add_done_callback(lambda _: self._tasks.pop(job, None))
        log.info("claim asked for", job=job.short, model=job.model)
        return job

    def find(self, name: str) -> Job | None:
        """Return a job by its id; None if there is none, or none any more."""
        return self._book.find(name)

    def ahead(self, job: Job) -> int:
        """Return how many jobs are served before one that waits."""
        return self._book.ahead(job)

    def collect(self, job: Job) -> None:
        """Note that its caller has seen a job, and how it ended if it has."""
        self._book.collect(job)

    def cancel(self, job: Job) -> None:
        """End a job that is under way, and forget it with all that it has."""
        self._ends(job, JobState.CANCELLED, "its caller cancelled it")
        if job in self._tasks:
            self._tasks[job].cancel()
        self._book.forget(job)

    # --- its life ----------------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Forget jobs whose time is over, until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._book.expire()

    async def stop(self, grace_s: float) -> None:
        """Take no further job, finish those under way, and let their callers collect the claims, for a while."""
        self._book.stop()
        log.info("stopping", jobs=len(self._tasks), grace_s=grace_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._book.until_done()
        tasks = list(self._tasks.items())
        for job, task in tasks:
            self._ends(job, JobState.CANCELLED, "the service has ended before it was proven")
            task.cancel()
        await asyncio.gather(*(task for _, task in tasks), return_exceptions=True)

    # --- details -----------------------------------------------------------------------------------------------

    async def _attested(self, request: ClaimRequest, model: Registered) -> tuple[str, Attested | None]:
        """Return the claim's subject, and the attestation, which fits it and is of a trusted issuer.

        Raises:
            DataError: The attestation is none, or for another claim; or there is no subject.
            NotAdmitted: Its issuer is not trusted.
        """
        if request.attestation is None:
            if request.subject is None:
                raise DataError("whose claim is it? State its subject, or an attestation")
            subject_limbs(request.subject)
            return request.subject, None
        attested = await self._trusted(request.attestation, self._clock())
        subject = attested.subject if request.subject is None else request.subject
        attested.require(model.model_id, subject, attested.commitment)
        if request.expires_at is not None and request.expires_at > attested.attestation.expires_at:
            raise DataError("expires_at is after the end of the attestation")
        return subject, attested

    async def _trusted(self, document: Mapping[str, Any], now: float | None) -> Attested:
        """Return an attestation of a trusted issuer. Raises: DataError, NotAdmitted."""
        if self._issuers is None:
            raise NotAdmitted("this service knows no issuers: leave the attestation out, and add it to the claim")
        async with self._checks:
            attested = await asyncio.to_thread(read_attestation, document)
        problem = self._issuers.problem(attested, now)
        if problem is not None:
            raise NotAdmitted(problem)
        return attested

    async def _require_earlier(
        self, earlier: EarlierDocument, model: Registered, subject: str, *, is_known: bool
    ) -> None:
        """Check that an issuer has signed for the earlier data, unless the caller has a token.

        Otherwise anyone with one attestation could have the model asked about any data: by the change from these.

        Raises:
            DataError, NotAdmitted: None has.
        """
        if earlier.attestation is None:
            if is_known:
                return
            raise NotAdmitted("without a token, the earlier data need their attestation, too; it may have expired")
        attested = await self._trusted(earlier.attestation, None)
        attested.require(model.model_id, subject, attested.commitment)
        await self._require_data(model.spec.name, earlier, attested)

    async def _require_data(self, model: str, told: ClaimRequest | EarlierDocument, attested: Attested) -> None:
        """Check that the inputs and the salt are those that the issuer has signed for. Raises: NotAdmitted."""
        async with self._checks:
            made = await asyncio.to_thread(self._client.commit, model, told.inputs, tuple(told.salt))
        if made.value != attested.commitment:
            raise NotAdmitted("the attestation is of other inputs, or of another salt")

    async def _work(self, job: Job) -> None:
        """Have a job's claim proven. However that ends, the job has ended then, and has no data any more."""
        try:
            async with self._workers:
                self._metrics.waited(job.model, self._clock() - job.asked_at)
                self._book.begins(job)
                prepared = await self._prepared(job)
                job.moves(JobState.PROVING)
                proof = await self._provers[job.model].prove(prepared.job)
            job.seconds = round(proof.seconds, 3)
            claim = prepared.claim(proof.proof)
            attested = None if job.private is None else job.private.attested
            if attested is not None:
                claim = replace(claim, attestation=attested.attestation)
            self._metrics.proven(job.model, proof.seconds)
            self._ends(job, JobState.PROVEN, claim=claim)
        except ClaimNotMet:
            self._ends(job, JobState.REFUSED, _refusal(self._client.registered(job.model)))
        except DataError as error:
            self._ends(job, JobState.REFUSED, str(error))
        except asyncio.CancelledError:
            self._ends(job, JobState.CANCELLED, "it was cancelled")
            raise
        except Exception as error:
            # Its text is for nobody: it may have somebody's data in it.
            kind, place = type(error).__name__, place_of(error)
            log.error("a claim could not be proven", job=job.short, model=job.model, error=kind, place=place)
            self._ends(job, JobState.FAILED, _reason(error))

    async def _prepared(self, job: Job) -> PreparedClaim:
        private = job.private
        assert private is not None  # only the end of the job drops it
        request, attested = private.request, private.attested
        expires_at = request.expires_at
        if expires_at is None and attested is not None:
            expires_at = attested.attestation.expires_at
        return await asyncio.to_thread(
            self._client.prepare,
            request.model,
            request.inputs,
            request.constraint.constraints(self._client.registered(request.model).spec),
            private.subject,
            salt=request.salt_limbs(),
            earlier=None if request.earlier is None else request.earlier.data(),
            expires_at=expires_at,
        )

    def _ends(self, job: Job, state: JobState, reason: str = "", claim: ClaimProof | None = None) -> None:
        if job.state.is_end:
            return
        self._book.end(job, state, reason, claim)
        self._metrics.ended(job.model, state)
        log.info("claim ended", job=job.short, model=job.model, end=state.value)


def _require_sense(request: ClaimRequest, model: Registered) -> None:
    """Check what can be checked of a request without a commitment. Raises: DataError."""
    spec, circuit = model.spec, model.circuit
    constraints = request.constraint.constraints(spec)
    # The commitment to earlier data is any: what the terms say does not depend on it.
    spec.terms(constraints, circuit.score_unit, circuit.limit, 0 if request.earlier is None else 1, circuit.band)
    spec.encode(request.inputs)
    if request.earlier is not None:
        spec.encode(request.earlier.inputs)


def _refusal(model: Registered) -> str:
    """Return why a claim is refused, in the same words whether or not the output is within the guard band."""
    near = f", or within the guard band ({model.told_band})" if model.circuit.band else ""
    return f"the model's output on these inputs is not within the bounds{near}"


def _described(model: Registered) -> ModelDocument:
    return ModelDocument(
        name=model.spec.name,
        model_id=f"{model.model_id:#066x}",
        model_hash=f"{model.model_hash:#066x}",
        classes=list(model.spec.classes),
        outputs=list(model.spec.outputs),
        changes=model.circuit.changes,
        is_probability=bool(model.spec.activation),
        guard_band=model.told_band,
        inputs=schema_of(model.spec.features),
    )


def _reason(error: Exception) -> str:
    """Return the reason of a failure in words that have nothing of a job."""
    if isinstance(error, ProverTimeout):
        return "the proof took longer than it may"
    if isinstance(error, MemoryExceeded):
        return "the proof needs more memory than it may have"
    if isinstance(error, ProverUnavailable | Retryable):
        return "it could not be proven now; ask again"
    kind = "the service" if isinstance(error, OracleError) else "an error of the service"
    return f"{kind} could not prove it; its operator can see that it failed"
