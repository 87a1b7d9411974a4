"""The client of a claims service, for programs without an event loop of their own.

The service gets the data and the salt: ask one that you would give them to. A claim is returned only if it is of the
model, the subject, the expiry, the attested data and as many outputs and changes as were asked for. If its proof holds,
and for which bounds, says the registry to which it is submitted, or a `ZkmlClient` that has the model.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, TypeVar

import aiohttp

from oracle.claims.attestation import Attested
from oracle.claims.client import ClaimNotMet, Earlier
from oracle.claims.constraints import Constraints
from oracle.claims.proof import ClaimProof
from oracle.claims.service.documents import (
    ClaimRequest,
    ConstraintDocument,
    EarlierDocument,
    ErrorDocument,
    JobDocument,
    JobState,
    ModelDocument,
    ModelsDocument,
    read_document,
)
from oracle.claims.statement import new_salt
from oracle.core import http
from oracle.core.documents import NotJson, parse_json
from oracle.core.errors import ConfigError, DataError, ProofInvalid, ProverUnavailable
from oracle.core.formats import one_line

__all__ = ["ClaimsService"]

_MOST = 1 << 20
"""The most bytes of an answer, and of one event."""

_REQUEST_S = 30.0
_STREAM_S = 120.0
"""Seconds of one stream of events at most. The service ends it sooner, and it is opened again."""

_AGAIN_S = 1.0
_MOST_LOST = 5
"""Times in a row that a job's events are asked for again, after the connection was lost."""

T = TypeVar("T")


class ClaimsService:
    """A claims service, asked synchronously. Use it as a context manager, or as it is: nothing stays open.

    Args:
        url: The service, as "https://claims.example". Plain http is taken for this machine only, unless `insecure`.
        token: The caller's bearer token; None: each claim comes with an attestation that admits it.
        insecure: True to send private data over plain http to another machine.
        timeout_s: Seconds for a whole claim, waiting included.

    Raises:
        ConfigError: The URL is none, or not a safe one.
    """

    def __init__(self, url: str, token: str | None = None, *, insecure: bool = False, timeout_s: float = 600.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"{one_line(url, 80)!r} is not the URL of a claims service: write https://host")
        if url.startswith("http://") and not http.is_loopback(url) and not insecure:
            raise ConfigError("private data could be read on its way over http: use https, or say insecure=True")
        self._url = url.rstrip("/")
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"ClaimsService({self._url!r})"

    def __enter__(self) -> ClaimsService:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: no connection outlives a call."""

    def models(self) -> tuple[ModelDocument, ...]:
        """Return the served models, each with the JSON Schema of its inputs.

        Raises:
            ProverUnavailable: The service does not answer, or not now.
            DataError: What answers is no claims service.
        """
        return _run(self._models(), _REQUEST_S)

    def claim(
        self,
        model: str,
        inputs: Mapping[str, Any],
        output_constraint: Constraints | ConstraintDocument,
        subject: str | None = None,
        *,
        salt: tuple[int, ...] | None = None,
        earlier: Earlier | None = None,
        expires_at: int | None = None,
        attestation: Attested | None = None,
        earlier_attestation: Attested | None = None,
        progress: Callable[[JobDocument], None] = lambda job: None,
    ) -> ClaimProof:
        """Have a claim proven, and wait for it. If this is interrupted, the job is cancelled.

        Args:
            model: The name of a served model.
            inputs: The value of each feature by name. The service sees them.
            output_constraint: A constraint in the model's own units, or several by output; or their document.
            subject: Address of the claim's owner; None: the attestation's.
            salt: The salt of the commitment that the issuer signed; None draws a fresh one here.
            earlier: Data from which changes are measured. The service sees them, too.
            expires_at: Unix seconds; None: as long as the attestation, or the service's default.
            attestation: The issuer's attestation of inputs and salt, which the claim then carries.
            earlier_attestation: That of the earlier data. Without a token, the service asks for it.
            progress: Called with each state of the job.

        Raises:
            ClaimNotMet: The claim does not hold.
            DataError: The service refuses the request; the message says why.
            ProverUnavailable: The service does not answer, is full, or could not prove it now.
            ProofInvalid: It gave a claim that says something else.
        """
        if attestation is not None and salt is None:
            raise DataError("an attestation goes with the salt that its issuer drew: salt=…")
        if subject is None and attestation is None:
            raise DataError("whose claim is it? State its subject, or an attestation")
        told = output_constraint
        since = None
        if earlier is not None:
            signed = None if earlier_attestation is None else earlier_attestation.document()
            since = EarlierDocument(inputs=dict(earlier.inputs), salt=list(earlier.salt), attestation=signed)
        request = ClaimRequest(
            model=model,
            inputs=dict(inputs),
            salt=list(new_salt() if salt is None else salt),
            constraint=told if isinstance(told, ConstraintDocument) else ConstraintDocument.of(told),
            earlier=since,
            subject=subject,
            expires_at=expires_at,
            attestation=None if attestation is None else attestation.document(),
        )
        claim = _run(self._claim(request, progress), self._timeout_s)
        _require_as_asked(claim, request, attestation)
        return claim

    # --- details -----------------------------------------------------------------------------------------------

    async def _models(self) -> tuple[ModelDocument, ...]:
        async with http.open_session() as session:
            body = await self._ask(session, "GET", "/v1/models")
        return tuple(_read(ModelsDocument, body).models)

    async def _claim(self, request: ClaimRequest, progress: Callable[[JobDocument], None]) -> ClaimProof:
        async with http.open_session(keep_alive=True) as session:
            body = request.model_dump(mode="json", exclude_none=True)
            job = _read(JobDocument, await self._ask(session, "POST", "/v1/claims", json=body))
            own = self._headers if job.key is None else {"Authorization": f"Bearer {job.key}"}
            progress(job)
            try:
                if not job.state.is_end:
                    async with contextlib.aclosing(self._events(session, job.id, own)) as events:
                        async for told in events:
                            job = told
                            progress(job)
            except BaseException:
                await _quietly(self._ask(session, "DELETE", f"/v1/claims/{job.id}", headers=own))
                raise
            # The claim has arrived: nothing of it has to stay there.
            await _quietly(self._ask(session, "DELETE", f"/v1/claims/{job.id}", headers=own))
        return _ended(job)

    async def _events(
        self, session: aiohttp.ClientSession, name: str, headers: Mapping[str, str]
    ) -> AsyncGenerator[JobDocument, None]:
        """Yield a job's states, each time that the service tells one, until the job has ended."""
        lost = 0
        while True:
            reason = "its streams end"
            try:
                stream = self._stream(session, name, headers)
                async with asyncio.timeout(_STREAM_S), contextlib.aclosing(stream):
                    async for job in stream:
                        lost = 0
                        yield job
                        if job.state.is_end:
                            return
            except (aiohttp.ClientError, OSError) as error:
                reason = http.reason(error)
            lost += 1
            if lost > _MOST_LOST:
                raise ProverUnavailable(f"{self._url} does not answer: {reason}")
            await asyncio.sleep(_AGAIN_S)

    async def _stream(
        self, session: aiohttp.ClientSession, name: str, headers: Mapping[str, str]
    ) -> AsyncGenerator[JobDocument, None]:
        url = f"{self._url}/v1/claims/{name}/events"
        own = {**headers, "Accept-Encoding": "identity"}
        async with session.get(url, headers=own, ssl=http.authorities_for(url), allow_redirects=False) as answer:
            if answer.status != 200:
                raise _refusal(await http.receive(answer, _MOST))
            rest = b""
            async for chunk in answer.content.iter_any():
                *events, rest = (rest + chunk).split(b"\n\n")
                if len(rest) > _MOST:
                    raise DataError(f"{self._url} is no claims service: an event is too long")
                for event in events:
                    data = b"".join(line[5:] for line in event.split(b"\n") if line.startswith(b"data:"))
                    if data:
                        yield _read(JobDocument, data)

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        url = f"{self._url}{path}"
        try:
            async with (
                asyncio.timeout(_REQUEST_S),
                session.request(
                    method,
                    url,
                    json=json,
                    headers=self._headers if headers is None else headers,
                    ssl=http.authorities_for(url),
                    allow_redirects=False,
                ) as answer,
            ):
                found = await http.receive(answer, _MOST)
        except (aiohttp.ClientError, OSError) as error:
            raise ProverUnavailable(f"{self._url} does not answer: {http.reason(error)}") from None
        except http.BodyTooLarge:
            raise DataError(f"{self._url} is no claims service: its answer is too long") from None
        if found.status not in (200, 202, 204):
            raise _refusal(found)
        return found.body


def _run(work: Coroutine[Any, Any, T], seconds: float) -> T:
    async def bounded() -> T:
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError:
            raise ProverUnavailable(f"the claims service was not done within {seconds:g} s") from None

    return http.run(bounded())


async def _quietly(asking: Coroutine[Any, Any, bytes]) -> None:
    """Ask for something that is only a courtesy."""
    try:
        await asyncio.shield(asking)
    except (ProverUnavailable, DataError, asyncio.CancelledError):
        pass


def _read(kind: type[Any], body: bytes) -> Any:
    try:
        return read_document(kind, _enumerated(kind, parse_json(body)))
    except (NotJson, DataError) as error:
        raise DataError(f"what answers is no claims service of this release: {error}") from None


def _enumerated(kind: type[Any], value: Any) -> Any:
    """Return a job's document with its state as documents have it: JSON has texts."""
    if kind is JobDocument and isinstance(value, dict) and value.get("state") in list(JobState):
        return value | {"state": JobState(value["state"])}
    return value


def _refusal(answer: http.Answer) -> Exception:
    """Return the error of an answer that is no success."""
    try:
        told = one_line(read_document(ErrorDocument, answer.json()).error, 500)
    except (NotJson, DataError):
        told = "it does not say why"
    if answer.status in (429, 503):
        wait = f"; ask again after {one_line(answer.retry_after, 10)} s" if answer.retry_after else ""
        return ProverUnavailable(f"the claims service takes no claim now: {told}{wait}")
    return DataError(f"the claims service refuses it (HTTP {answer.status}): {told}")


def _ended(job: JobDocument) -> ClaimProof:
    """Return the claim of a job that has ended.

    Raises:
        ClaimNotMet, ProverUnavailable, DataError: It has none.
    """
    reason = one_line(job.reason, 500)
    if job.state is JobState.REFUSED:
        raise ClaimNotMet(reason)
    if job.state is not JobState.PROVEN or job.claim is None:
        raise ProverUnavailable(f"the claims service has not proven it: {reason or job.state.value}")
    try:
        return ClaimProof.from_document(job.claim)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"what the claims service gave is no claim: {error}") from None


def _require_as_asked(claim: ClaimProof, request: ClaimRequest, attestation: Attested | None) -> None:
    """Check that a claim says what was asked for.

    Raises:
        ProofInvalid: It says something else.
    """
    if claim.model != request.model:
        raise ProofInvalid("the claims service gave a claim of another model")
    # One more would tell the chain of an output that nobody wanted to tell of.
    told = [request.constraint] if request.constraint.outputs is None else list(request.constraint.outputs.values())
    changes = sum(each.change is not None for each in told)
    bounds = sum((each.at_least, each.at_most, each.classes) != (None, None, None) for each in told)
    terms = claim.terms
    if (len(terms.bounds), len(terms.changes), bool(terms.earlier)) != (bounds, changes, changes > 0):
        raise ProofInvalid("the claims service gave a claim about other outputs or changes")
    subject = request.subject or (attestation.subject if attestation else "")
    if claim.subject.lower() != subject.lower():
        raise ProofInvalid("the claims service gave a claim of another subject")
    if request.expires_at is not None and claim.expires_at != request.expires_at:
        raise ProofInvalid("the claims service gave a claim with another expiry")
    if claim.expires_at <= time.time():
        raise ProofInvalid("the claims service gave a claim that has expired")
    if attestation is not None:
        if claim.attestation != attestation.attestation:
            raise ProofInvalid("the claims service gave a claim with another attestation")
        try:
            attestation.require(claim.model_id, claim.subject, claim.commitment)
        except DataError as error:
            raise ProofInvalid(f"the claims service gave another claim: {error}") from None
