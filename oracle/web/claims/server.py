"""The server of the claims service: `POST /v1/claims`, its jobs, and what there is to know before.

Nothing of a request's body, and no job's id, gets into a log: neither by intention nor within an error's text. An error
that nobody expected is logged by its type alone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager

import structlog
from aiohttp import web

from oracle.claims.service.documents import ClaimRequest, ErrorDocument, JobDocument, ServiceDocument, read_document
from oracle.claims.service.jobs import Job, NoRoom, Stopping, TooManyJobs
from oracle.core.documents import NotJson, parse_json
from oracle.core.errors import DataError
from oracle.core.formats import one_line
from oracle.core.logs import place_of
from oracle.web.bodies import BODY_DEADLINE_S, BodyLarge, RefusalLog, read_request
from oracle.web.callers import BearerCallers, RequestRefused, bearer_of
from oracle.web.claims.desk import ClaimDesk, ClaimEvents, NotAdmitted, OverQuota
from oracle.web.claims.openapi import PAGE_POLICY, openapi_document, openapi_page
from oracle.web.claims.operations import OPERATIONS
from oracle.web.listener import Limits, listening
from oracle.web.tls import Certificate

__all__ = ["STREAM_S", "serve_claims"]

log = structlog.get_logger(__name__)

RETRY_S = 5
"""Seconds after which to ask again where there is no room now."""

STREAM_S = 50.0
"""Seconds after which a stream of events ends; the client opens it again."""

REQUEST_S = 60.0
"""Seconds from the beginning of a request to the beginning of the next: a stream is within them."""

_BEAT_S = 10.0
"""Seconds between two signs of life on a stream, so that a client that has gone is noticed."""

_LONGEST = 1_000
"""Characters of a refusal's reason: it may name keys that the caller made up."""

_WATCHERS = 4
"""Streams of one job at once."""

_PRIVATE = {"Cache-Control": "no-store", "Vary": "Authorization", "X-Content-Type-Options": "nosniff"}
_PUBLIC = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def serve_claims(
    listen: tuple[str, int],
    desk: ClaimDesk,
    *,
    callers: Mapping[str, Callable[[], bytes | None]],
    max_per_minute: int,
    max_body: int,
    events: ClaimEvents | None = None,
    certificate: Certificate | None = None,
    limits: Limits | None = None,
) -> AbstractAsyncContextManager[int]:
    """Serve claims while the context is open; the context's value is the port.

    Args:
        listen: Host and port; port 0 takes any free one.
        desk: Takes the claims.
        callers: Return the tokens of those who may ask, by name, or None while there is none.
        max_per_minute: How often each caller may ask in a minute; each address, without a token.
        max_body: The most bytes of a request.
        events: Notified of refusals.
        certificate: None: plain HTTP.
        limits: None: the default ones.

    Raises:
        ConfigError: The address can't be bound.
    """
    handlers = _ClaimHandlers(desk, BearerCallers(callers, max_per_minute), max_body, events or ClaimEvents())
    application = web.Application()
    for each in OPERATIONS:
        application.router.add_route(each.method, each.path, handlers.answering(each.name))
    application.router.add_get("/openapi.json", handlers.answering("openapi"))
    application.router.add_get("/", handlers.answering("page"))
    return listening(
        application, listen, "server", certificate=certificate, limits=limits or Limits(request_s=REQUEST_S)
    )


class _ClaimHandlers:
    """The answers to all requests, by operation."""

    def __init__(self, desk: ClaimDesk, callers: BearerCallers, max_body: int, events: ClaimEvents) -> None:
        self._desk = desk
        self._callers = callers
        self._max_body = max_body
        self._events = events
        self._refusals = RefusalLog("requests for claims refused")
        self._handlers: Mapping[str, Answering] = {
            "models": self._models,
            "submit": self._submit,
            "show": self._show,
            "watch": self._watch,
            "cancel": self._cancel,
            "health": self._health,
            "openapi": self._openapi,
            "page": self._page,
        }

    def answering(self, name: str) -> Answering:
        """Return what answers an operation. It refuses in one way, and lets no error's text out."""
        handler = self._handlers[name]

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except RequestRefused as refused:
                self._events.refused(refused.status)
                self._refusals.count(operation=name, status=refused.status)
                body = ErrorDocument(error=refused.reason)
                return _json(body, refused.status, {**_PRIVATE, **refused.headers})
            except (asyncio.CancelledError, web.HTTPException):
                raise
            except ConnectionError:
                # Nobody is there to read an answer. The listener would log the error with its traceback, and whoever
                # shows the variables of one would show as much of somebody's data as had arrived.
                log.debug("a client has gone", operation=name)
                return web.Response(status=400)
            except Exception as error:
                # The text may have somebody's data in it, and so may the variables of a traceback.
                kind, place = type(error).__name__, place_of(error)
                log.error("a request for a claim failed", operation=name, error=kind, place=place)
                self._events.refused(500)
                return _json(ErrorDocument(error="the service failed; its operator can see that it did"), 500, _PRIVATE)

        return answer

    # --- for anyone --------------------------------------------------------------------------------------------

    async def _models(self, request: web.Request) -> web.Response:
        await self._callers.counted(request)
        return _json(self._desk.models(), 200, _PUBLIC)

    async def _health(self, request: web.Request) -> web.Response:
        await self._callers.counted(request)
        return web.Response(status=204, headers={"Cache-Control": "no-store"})

    async def _openapi(self, request: web.Request) -> web.Response:
        await self._callers.counted(request)
        return web.json_response(openapi_document(self._desk.models()), headers=_PUBLIC)

    async def _page(self, request: web.Request) -> web.Response:
        await self._callers.counted(request)
        page = openapi_page(openapi_document(self._desk.models()))
        headers = {**_PUBLIC, "Content-Security-Policy": PAGE_POLICY, "Referrer-Policy": "no-referrer"}
        return web.Response(text=page, content_type="text/html", charset="utf-8", headers=headers)

    # --- claims ------------------------------------------------------------------------------------------------

    async def _submit(self, request: web.Request) -> web.Response:
        # 1 The caller is counted before anything is read. Who has a token has a share that strangers can't use up.
        caller = await self._callers.counted(request)
        if caller is None and "Authorization" in request.headers:
            raise BearerCallers.unknown()  # a wrong token never falls back to an attestation
        # 2 The body is bounded in size and time, and is the document or nothing.
        wanted = await self._read(request)
        if caller is None and wanted.attestation is None:
            raise RequestRefused(
                401, "send a bearer token, or an attestation of an issuer", {"WWW-Authenticate": "Bearer"}
            )
        # 3 The desk checks the rest, and has room or not.
        try:
            job = await self._desk.submit(wanted, caller)
        except NotAdmitted as refused:
            raise RequestRefused(403, str(refused)) from None
        except DataError as error:
            raise RequestRefused(422, one_line(str(error), _LONGEST)) from None
        except OverQuota:
            raise RequestRefused(
                429, "there were as many claims as a caller may ask for in a day", {"Retry-After": "3600"}
            ) from None
        except TooManyJobs:
            raise RequestRefused(
                429, "as many jobs as a caller may have are under way; wait for one", {"Retry-After": str(RETRY_S)}
            ) from None
        except NoRoom:
            raise RequestRefused(503, "the queue is full", {"Retry-After": str(RETRY_S)}) from None
        except Stopping:
            raise RequestRefused(503, "the service is about to end", {"Retry-After": "60"}) from None
        document = job.document(self._desk.ahead(job), with_key=True)
        job.key = None  # told once
        return _json(document, 202, {**_PRIVATE, "Location": f"/v1/claims/{job.id}"})

    async def _show(self, request: web.Request) -> web.Response:
        job = await self._own(request)
        document = job.document(self._desk.ahead(job))
        self._desk.collect(job)
        return _json(document, 200, _PRIVATE)

    async def _cancel(self, request: web.Request) -> web.Response:
        self._desk.cancel(await self._own(request))
        return web.Response(status=204, headers=_PRIVATE)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        job = await self._own(request)
        if job.watchers >= _WATCHERS:
            raise RequestRefused(429, "the job is watched often enough", {"Retry-After": str(RETRY_S)})
        job.watchers += 1
        try:
            return await self._stream(request, job)
        finally:
            job.watchers -= 1

    # --- details -----------------------------------------------------------------------------------------------

    async def _stream(self, request: web.Request, job: Job) -> web.StreamResponse:
        headers = {**_PRIVATE, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        answer = web.StreamResponse(headers=headers)
        await answer.prepare(request)
        try:
            async for told in self._states(job):
                text = ": alive\n\n" if told is None else f"event: {told.state.value}\ndata: {_text(told)}\n\n"
                await answer.write(text.encode())
            await answer.write_eof()
            self._desk.collect(job)
        except ConnectionError:
            log.debug("a watcher of a job has gone", job=job.short)
        return answer

    async def _states(self, job: Job) -> AsyncIterator[JobDocument | None]:
        """Yield a job's states as they change, and None now and then, until it ends or the stream's time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + STREAM_S
        while True:
            change = job.change()
            yield job.document(self._desk.ahead(job))
            if job.state.is_end:
                return
            while not change.is_set():
                left = until - loop.time()
                if left <= 0:
                    return
                try:
                    async with asyncio.timeout(min(left, _BEAT_S)):
                        await change.wait()
                except TimeoutError:
                    yield None

    async def _own(self, request: web.Request) -> Job:
        """Return the job that a request names, if it is the caller's. Of others' jobs it does not say that they are."""
        caller = await self._callers.counted(request)
        job = self._desk.find(request.match_info["id"])
        if job is not None:
            key = bearer_of(request)
            if (caller is not None and not job.has_key and job.caller == caller) or (key is not None and job.fits(key)):
                return job
        raise RequestRefused(404, "there is no such job, or not any more, or it is another caller's")

    async def _read(self, request: web.Request) -> ClaimRequest:
        try:
            body = await read_request(request, self._max_body)
            return read_document(ClaimRequest, parse_json(body))
        except NotJson as error:
            raise RequestRefused(400, f"the body is not JSON: {error}") from None
        except DataError as error:
            raise RequestRefused(400, str(error)) from None
        except BodyLarge:
            raise RequestRefused(413, f"the body is larger than {self._max_body} bytes") from None
        except TimeoutError:
            raise RequestRefused(408, f"the body did not arrive within {BODY_DEADLINE_S:g} s") from None


def _json(document: ServiceDocument, status: int, headers: Mapping[str, str]) -> web.Response:
    return web.Response(text=_text(document), status=status, content_type="application/json", headers=headers)


def _text(document: ServiceDocument) -> str:
    return json.dumps(document.model_dump(mode="json", exclude_none=True))
