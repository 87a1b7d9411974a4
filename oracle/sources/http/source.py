"""Read one number from a JSON document on the web, and believe nothing that was not checked."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urljoin

import aiohttp
import jsonpath

from oracle.core import http
from oracle.core.documents import nesting
from oracle.core.errors import DataError, SourceUnavailable
from oracle.core.types import Kind
from oracle.sources.http.config import HttpSourceConfig
from oracle.sources.interface import Reading, check_value, closed, mask_url, parse_decimal
from oracle.sources.validation import Checks

__all__ = ["MAX_BODY", "HttpSource"]

MAX_BODY = 1 << 20
"""The most bytes of an answer that are read; prices are small."""

MAX_NESTING = 64
"""The most levels of arrays and objects in an answer; documents with prices are flat."""

_UNITS = {"s": Decimal(1), "ms": Decimal(1_000)}


class HttpSource:
    """A source that reads a number from a JSON document.

    Redirects are not followed: only the configured host is believed. The whole request has one deadline, so that a
    server that sends a byte at a time can't delay a feed. Messages name the host only.
    """

    def __init__(
        self,
        config: HttpSourceConfig,
        *,
        measure: Kind,
        name: str,
        session: aiohttp.ClientSession | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare a source; nothing is requested before `read`.

        Args:
            config: The document, and where the number is in it.
            measure: The feed's kind: on RELATIVE feeds only values above zero are believed.
            name: The source's name, for messages.
            session: A session to share, which this source does not close. None: the source has its own.
            now: The clock, unix seconds.
        """
        self._config = config
        self._checks = Checks.of(config, measure)
        self._name = name
        self._where = f"{name} ({mask_url(config.url)})"
        self._value_path = jsonpath.compile(config.path, strict=True)
        self._time_path = (
            None if config.timestamp_path is None else jsonpath.compile(config.timestamp_path, strict=True)
        )
        self._session = session
        self._owns_session = session is None
        self._now = now
        self._closed = False

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._name

    async def read(self) -> Reading:
        """See `Source.read`."""
        if self._closed:
            raise closed(self._name)
        requested_at = int(self._now())
        try:
            async with asyncio.timeout(self._config.timeout):
                body = await self._fetch()
        except TimeoutError:
            message = f"{self._where}: no complete answer within {self._config.timeout:g} s"
            raise SourceUnavailable(message) from None
        except aiohttp.InvalidURL:
            raise DataError(f"{self._where}: the URL is invalid") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SourceUnavailable(f"{self._where}: can't be reached: {http.reason(error)}") from error
        document = self._parse(body)
        value = self._number(document)
        observed_at = requested_at if self._time_path is None else self._time(document)
        return Reading(value, observed_at, self._name)

    async def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None and self._owns_session:
            await session.close()

    async def _fetch(self) -> bytes:
        if self._session is None:
            self._session = http.open_session(keep_alive=True, decompress=False)
        url = self._config.url
        # A compressed answer is refused: a small one could unpack to gigabytes.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", **self._config.headers}
        proxy = http.proxy_for(url)
        async with self._session.get(url, headers=headers, proxy=proxy, allow_redirects=False) as response:
            self._check_status(response)
            encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
            if encoding not in ("", "identity"):
                raise SourceUnavailable(f"{self._where}: answered {encoding!r} though asked for plain JSON")
            try:
                return await http.read_body(response, MAX_BODY)
            except http.BodyTooLarge:
                raise SourceUnavailable(f"{self._where}: the answer is larger than {MAX_BODY} bytes") from None

    def _check_status(self, response: aiohttp.ClientResponse) -> None:
        if 300 <= response.status < 400:
            raise SourceUnavailable(
                f"{self._where}: answered HTTP {response.status}, a redirect to {self._target(response)}, "
                "which is not followed; configure the final address"
            )
        if response.status != 200:
            status = f"HTTP {response.status} {response.reason or ''}".rstrip()
            raise SourceUnavailable(f"{self._where}: answered {status}")

    def _target(self, response: aiohttp.ClientResponse) -> str:
        try:
            return mask_url(urljoin(self._config.url, response.headers.get("Location", "")))
        except ValueError:
            return "an invalid URL"

    def _parse(self, body: bytes) -> Any:
        try:
            text = body.decode("utf-8").lstrip()
        except UnicodeDecodeError:
            raise SourceUnavailable(f"{self._where}: answered bytes that are not text") from None
        if not text:
            raise SourceUnavailable(f"{self._where}: answered nothing")
        if text.startswith("<"):
            raise SourceUnavailable(f"{self._where}: answered HTML or XML instead of JSON")
        if nesting(text) > MAX_NESTING:
            raise SourceUnavailable(f"{self._where}: answered JSON that is nested too deep")
        try:
            return json.loads(text, parse_float=self._decimal, parse_int=self._decimal, parse_constant=self._refuse)
        except json.JSONDecodeError as error:
            reason = f"{error.msg} at line {error.lineno}, column {error.colno}"
            raise SourceUnavailable(f"{self._where}: answered invalid JSON: {reason}") from None

    def _decimal(self, text: str) -> Decimal:
        try:
            return Decimal(text)
        except InvalidOperation:
            raise DataError(f"{self._where}: the number {text[:40]} is out of any range") from None

    def _refuse(self, constant: str) -> Decimal:
        raise DataError(f"{self._where}: answered {constant}, which is not a number in JSON")

    def _match(self, path: Any, text: str, document: Any) -> tuple[Any, str]:
        where = f"{self._where}: {text}"
        try:
            found = path.findall(document)
        except (jsonpath.JSONPathError, RecursionError) as error:
            raise DataError(f"{where}: can't be looked up in the answer: {error}") from None
        if not found:
            raise DataError(f"{where}: there is no such value in the answer")
        if len(found) > 1:
            raise DataError(f"{where}: matches {len(found)} values in the answer; it must match one")
        return found[0], where

    def _number(self, document: Any) -> Decimal:
        found, where = self._match(self._value_path, self._config.path, document)
        if isinstance(found, str):
            if not self._config.allow_string:
                raise DataError(
                    f"{where}: is the string {found[:40]!r}, not a number; "
                    "set allow_string = true if this source writes its numbers so"
                )
            value = parse_decimal(found, where)
        elif isinstance(found, Decimal):
            value = found
        else:
            raise DataError(f"{where}: is {_describe(found)}, not a number")
        return self._checks.value(value, where)

    def _time(self, document: Any) -> int:
        found, where = self._match(self._time_path, self._config.timestamp_path or "", document)
        return self._checks.moment(self._seconds(found, where), int(self._now()), where)

    def _seconds(self, found: Any, where: str) -> int:
        unit = self._config.timestamp_unit
        if unit == "iso":
            if not isinstance(found, str):
                raise DataError(f"{where}: is {_describe(found)}, not an ISO 8601 time")
            try:
                moment = dt.datetime.fromisoformat(found)
                return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)).timestamp())
            except (ValueError, OverflowError):
                raise DataError(f"{where}: {found[:40]!r} is not an ISO 8601 time") from None
        if isinstance(found, str):
            # A time is only compared, so it does not matter that it is quoted.
            found = parse_decimal(found, where)
        if not isinstance(found, Decimal):
            raise DataError(f"{where}: is {_describe(found)}, not a unix time")
        seconds = check_value(found, where) / _UNITS[unit]
        if not 0 < seconds < 2**32:
            hint = "; is timestamp_unit right?"
            raise DataError(f"{where}: {found} is not a unix time in {'seconds' if unit == 's' else unit}{hint}")
        return int(seconds)


def _describe(found: Any) -> str:
    if found is None:
        return "null"
    if isinstance(found, bool):
        return "a boolean"
    if isinstance(found, list):
        return "a list"
    if isinstance(found, dict):
        return "an object"
    return "a string" if isinstance(found, str) else "a number"
