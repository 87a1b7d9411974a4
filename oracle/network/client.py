"""Asks members, over connections that are kept open: one question at the right time should cost one round trip.

Nothing of an answer is believed here: it is bounded, and parsed. Who signed it is for the caller to check.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, TypeVar

import aiohttp

from oracle.core import http
from oracle.core.errors import DataError
from oracle.core.trust import Trust
from oracle.network.messages import (
    ANSWER_PATH,
    MAX_BODY,
    NETWORK_PATH,
    REPORT_PATH,
    AnswerMessage,
    NetworkStatus,
    Refused,
    SignedRequest,
)

__all__ = ["IDLE_S", "MemberClient", "MemberInvalid", "MemberSilent", "open_members"]

Parsed = TypeVar("Parsed")

IDLE_S = 60.0
"""Seconds for which a connection without a request is kept; servers keep theirs longer, so that none is cut off."""


class MemberSilent(Exception):
    """A member gave no answer. The message says why, without its address."""


class MemberInvalid(Exception):
    """A member answered with something that is no answer. The message says what is wrong with it."""


class MemberClient:
    """The way to one member.

    Attributes:
        name: Its name in this node's configuration.
        reporter: Its reporter's address, checksummed.
        url: Its base URL.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        name: str,
        reporter: str,
        url: str,
        *,
        timeout_s: float,
        authorities: Trust = http.SYSTEM_TRUST,
    ) -> None:
        """Prepare to ask.

        Args:
            session: Keeps the connections; see `open_members`.
            name: The member's name.
            reporter: Its reporter's address, checksummed.
            url: Its base URL.
            timeout_s: Seconds that a request may take, if nothing else is said.
            authorities: Those that are trusted for https.
        """
        self.name = name
        self.reporter = reporter
        self.url = url.rstrip("/")
        self._session = session
        self._timeout_s = timeout_s
        self._authorities = authorities
        self._proxy = None if http.is_loopback(url) else http.proxy_for(url)

    def __repr__(self) -> str:
        return f"MemberClient({self.name})"

    async def ask(self, signed: SignedRequest, timeout_s: float | None = None) -> AnswerMessage:
        """Return the member's answers to a report.

        The answer says who signed it, and for what; all of that is to be checked.

        Raises:
            Refused: It refuses.
            MemberSilent: It gave no answer in time.
            MemberInvalid: It answered with something else.
        """
        return _parsed(AnswerMessage.parse, await self._call("POST", REPORT_PATH, signed.to_json(), timeout_s))

    async def tell(self, message: AnswerMessage, timeout_s: float | None = None) -> None:
        """Tell the member an answer message. Raises as `ask`."""
        await self._call("POST", ANSWER_PATH, message.to_json(), timeout_s)

    async def status(self, timeout_s: float | None = None) -> NetworkStatus:
        """Return what the member says about itself. Raises as `ask`."""
        return _parsed(NetworkStatus.parse, await self._call("GET", NETWORK_PATH, None, timeout_s))

    async def get(self, path: str, max_body: int, timeout_s: float | None = None) -> bytes:
        """Return what the member serves at a path. Raises as `ask`."""
        return await self._call("GET", path, None, timeout_s, max_body)

    async def _call(
        self, method: str, path: str, document: Any, timeout_s: float | None, max_body: int = MAX_BODY
    ) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s if timeout_s is None else timeout_s):
                try:
                    answer = await self._request(method, path, document, max_body)
                except aiohttp.ServerDisconnectedError:
                    # It closed the connection while nothing was asked. All requests here may be made twice.
                    answer = await self._request(method, path, document, max_body)
        except http.BodyTooLarge:
            raise MemberInvalid(f"its answer has more than {max_body:,} bytes") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise MemberSilent(http.reason(error)) from None
        if answer.status in (200, 204):
            return answer.body
        try:
            refused = Refused.parse(answer.body)
        except DataError:
            raise MemberInvalid(f"it answers {answer.status}, and does not say why") from None
        raise refused

    async def _request(self, method: str, path: str, document: Any, max_body: int) -> http.Answer:
        body = None if document is None else json.dumps(document, separators=(",", ":")).encode()
        headers = {"Accept-Encoding": "identity", **({} if body is None else {"Content-Type": "application/json"})}
        async with self._session.request(
            method,
            self.url + path,
            data=body,
            headers=headers,
            proxy=self._proxy,
            ssl=self._authorities.context if self.url.startswith("https:") else True,
            allow_redirects=False,
        ) as response:
            return http.Answer(response.status, await http.read_body(response, max_body))


@contextlib.asynccontextmanager
async def open_members(
    members: Iterable[tuple[str, str, str]], *, timeout_s: float, authorities: Trust = http.SYSTEM_TRUST
) -> AsyncIterator[dict[str, MemberClient]]:
    """Open the ways to members, by the addresses of their reporters, while the context is open.

    Args:
        members: For each its name, its reporter's address and its URL.
        timeout_s: Seconds that a request may take, if nothing else is said.
        authorities: Those that are trusted for https, see `oracle.network.asking.trusted`.
    """
    session = http.open_session(keep_alive=True, packed=False, idle_s=IDLE_S)
    async with session:
        yield {
            reporter: MemberClient(session, name, reporter, url, timeout_s=timeout_s, authorities=authorities)
            for name, reporter, url in members
        }


def _parsed(parse: Callable[[bytes], Parsed], body: bytes) -> Parsed:
    try:
        return parse(body)
    except DataError as error:
        raise MemberInvalid(str(error)) from None
