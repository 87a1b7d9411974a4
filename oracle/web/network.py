"""The server for a network's members: `POST /v1/report`, `POST /v1/answer` and `GET /v1/network`.

Members know each other by their signatures, so anybody may connect. Until a signature is read, everything is bounded:
connections, also of one address; the time and the size of a request; and how many an address may make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from oracle.core.errors import DataError
from oracle.network.client import IDLE_S
from oracle.network.messages import (
    ANSWER_PATH,
    MAX_BODY,
    NETWORK_PATH,
    REPORT_PATH,
    AnswerMessage,
    NetworkStatus,
    RefusalCode,
    Refused,
    SignedRequest,
)
from oracle.web.bodies import BODY_DEADLINE_S, BodyLarge, RefusalLog, read_request
from oracle.web.listener import Limits, listening
from oracle.web.rates import Rates, client_at
from oracle.web.tls import Certificate

__all__ = ["ADDRESS_RATE", "MEMBER_RATE", "AnswersRequests", "HearsAnswers", "member_limits", "serve_members"]

Message = TypeVar("Message")

ADDRESS_RATE = 600, 10.0
"""Requests of one address, in so many seconds: a signature takes a quarter of a millisecond to check."""

MEMBER_RATE = 60, 10.0
"""Requests of one member for something new, in so many seconds."""

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_RETRY = {429: "1", 503: "1"}


class AnswersRequests(Protocol):
    """Signs answers to requests: `oracle.network.member.Member`."""

    async def answer(self, signed: SignedRequest) -> AnswerMessage:
        """Return the answers. Raises: Refused."""
        ...


class HearsAnswers(Protocol):
    """Takes answer messages: `oracle.network.heard.Heard`."""

    async def take(self, message: AnswerMessage, *, told: bool) -> bool:
        """Take a message. Raises: Refused."""
        ...


def member_limits(connections: int) -> Limits:
    """Return the limits of a listener for members, whose connections are kept from turn to turn.

    Args:
        connections: The most connections.
    """
    idle_s = IDLE_S + 15.0  # longer than members' clients keep theirs
    per_address = max(1, connections // 2)
    return Limits(connections, request_s=idle_s + 30.0, idle_s=idle_s, per_address=per_address)


def serve_members(
    listen: tuple[str, int],
    member: AnswersRequests | None,
    heard: HearsAnswers,
    status: Callable[[], NetworkStatus],
    *,
    routes: Iterable[web.RouteDef] = (),
    certificate: Certificate | None = None,
    limits: Limits | None = None,
    middlewares: Iterable[Middleware] = (),
    rate: tuple[float, float] = ADDRESS_RATE,
) -> AbstractAsyncContextManager[int]:
    """Serve members while the context is open; the context's value is the port.

    Args:
        listen: Host and port; port 0 takes any free one.
        member: Answers requests; None: this node gives no answers.
        heard: Takes what members tell.
        status: Returns what this node says about itself.
        routes: Further routes.
        certificate: None: plain HTTP.
        limits: See `member_limits`; None: those of the default number of connections.
        middlewares: Requests pass through them, once they are admitted.
        rate: How many requests an address may make, in so many seconds.

    Raises:
        ConfigError: The address can't be bound.
    """
    handlers = _MemberHandlers(member, heard, status, Rates(*rate))
    application = web.Application(client_max_size=MAX_BODY, middlewares=[handlers.admit, *middlewares])
    application.router.add_post(REPORT_PATH, handlers.report)
    application.router.add_post(ANSWER_PATH, handlers.answer)
    application.router.add_get(NETWORK_PATH, handlers.network)
    application.router.add_routes(routes)
    return listening(application, listen, "network", certificate=certificate, limits=limits or member_limits(128))


class _MemberHandlers:
    """Takes requests in, and gives answers out."""

    def __init__(
        self,
        member: AnswersRequests | None,
        heard: HearsAnswers,
        status: Callable[[], NetworkStatus],
        rates: Rates,
    ) -> None:
        self._member = member
        self._heard = heard
        self._status = status
        self._rates = rates
        self._refusals = RefusalLog("request refused")

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count a request of an address, and say what was refused."""
        client = client_at(request.remote)
        try:
            if not await self._rates.allow(client):
                raise Refused(RefusalCode.TOO_MANY, "too many requests from your address; ask again later")
            return await handler(request)
        except Refused as refused:
            status = refused.code.status
            resource = request.match_info.route.resource
            path = "none of them" if resource is None else resource.canonical
            self._refusals.count(path=path, remote=client, why=refused.code.value)
            retry = {"Retry-After": _RETRY[status]} if status in _RETRY else {}
            return web.json_response(refused.to_json(), status=status, headers=_HEADERS | retry)

    async def report(self, request: web.Request) -> web.Response:
        """Answer a member's request."""
        if self._member is None:
            raise Refused(RefusalCode.NO_ANSWER, "this node is a transmitter only: it gives no answers of its own")
        message = await self._member.answer(await _read(request, SignedRequest.parse))
        return web.json_response(message.to_json(), headers=_HEADERS)

    async def answer(self, request: web.Request) -> web.Response:
        """Take what a member tells."""
        await self._heard.take(await _read(request, AnswerMessage.parse), told=True)
        return web.Response(status=204, headers=_HEADERS)

    async def network(self, request: web.Request) -> web.Response:
        """Say who this node is."""
        return web.json_response(self._status().to_json(), headers=_HEADERS)


async def _read(request: web.Request, parse: Callable[[bytes], Message]) -> Message:
    try:
        return parse(await read_request(request, MAX_BODY))
    except DataError as error:
        raise Refused(RefusalCode.MALFORMED, str(error)) from None
    except BodyLarge:
        raise Refused(RefusalCode.TOO_LARGE, f"the body is larger than {MAX_BODY} bytes") from None
    except TimeoutError:
        detail = f"the body did not arrive within {BODY_DEADLINE_S:g} s"
        raise Refused(RefusalCode.TOO_SLOW, detail) from None
