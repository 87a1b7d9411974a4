"""Read one number from a JSON document on the web, and believe nothing that was not checked."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import aiohttp
import jsonpath

from oracle.core import http
from oracle.core.documents import AmbiguousJson, NotJson, NumberType
from oracle.core.errors import DataError, SourceUnavailable
from oracle.core.types import Kind
from oracle.sources.http.config import HttpSourceConfig
from oracle.sources.http.echoes import credentials_of, without
from oracle.sources.http.places import shown
from oracle.sources.interface import Reading, check_value, closed, is_plain_decimal, mask_url, parse_decimal
from oracle.sources.trace import Match, Trace
from oracle.sources.units import UNIT_WORDS, likely_unit, seconds_in
from oracle.sources.validation import Checks

__all__ = ["MAX_BODY", "HttpSource"]

MAX_BODY = 1 << 20
"""The most bytes of an answer that are read; prices are small."""

MOST_MATCHED = 60
"""The most characters of a value that a trial shows."""

_REFUSED = frozenset({*range(300, 400), *range(400, 500)} - {408, 421, 425, 429})
"""Statuses that do not pass by themselves."""

_UNIT = 'timestamp_unit = "{unit}"'


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
        self._credentials = credentials_of(config.url, config.headers)
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
        return await self.read_traced(Trace())

    async def read_traced(self, trace: Trace) -> Reading:
        """See `Traceable.read_traced`."""
        if self._closed:
            raise closed(self._name)
        requested_at = int(self._now())
        answer = await self._fetch()
        trace.is_refused = answer.status in _REFUSED
        if (problem := answer.problem(self._config.url, mask_url)) is not None:
            raise SourceUnavailable(f"{self._where}: answered {without(problem, self._credentials)}")
        document = self._document(answer)
        # What is found, and what is not, is shown and logged.
        trace.document = without(document, self._credentials) if self._credentials else document
        value = self._number(document, trace)
        observed_at = requested_at if self._time_path is None else self._time(document, trace)
        return Reading(value, observed_at, self._name)

    async def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None and self._owns_session:
            await session.close()

    async def _fetch(self) -> http.Answer:
        """Return the answer, whatever its status is. Raises as `read`."""
        try:
            async with asyncio.timeout(self._config.timeout):
                answer = await self._ask()
        except TimeoutError:
            message = f"{self._where}: no complete answer within {self._config.timeout:g} s"
            raise SourceUnavailable(message) from None
        except aiohttp.InvalidURL:
            raise DataError(f"{self._where}: the URL is invalid") from None
        except http.BodyTooLarge:
            raise SourceUnavailable(f"{self._where}: the answer is larger than {MAX_BODY} bytes") from None
        except aiohttp.ClientPayloadError as error:
            raise SourceUnavailable(f"{self._where}: {http.reason(error)}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SourceUnavailable(f"{self._where}: can't be reached: {http.reason(error)}") from error
        return answer

    async def _ask(self) -> http.Answer:
        if self._session is None:
            self._session = http.open_session(keep_alive=True)
        url = self._config.url
        headers = {"Accept": "application/json", **self._config.headers}
        proxy, authorities = http.proxy_for(url), http.authorities_for(url)
        request = self._session.get(url, headers=headers, proxy=proxy, ssl=authorities, allow_redirects=False)
        async with request as response:
            return await http.receive(response, MAX_BODY)

    def _document(self, answer: http.Answer) -> Any:
        """Return the document of an answer. Raises as `read`."""
        try:
            return answer.json(numbers=NumberType.EXACT, charset=self._config.charset or "")
        except NotJson as error:
            # What is cut off may come whole the next time; what has two meanings keeps them.
            kind = DataError if isinstance(error, AmbiguousJson) else SourceUnavailable
            raise kind(f"{self._where}: the answer can't be read: {error}") from None

    def _match(self, path: Any, text: str, document: Any, trace: Trace) -> tuple[Any, str]:
        where = f"{self._where}: {text}"
        trace.sought = text
        try:
            found = path.findall(document)
        except (jsonpath.JSONPathError, RecursionError) as error:
            raise DataError(f"{where}: can't be looked up in the answer: {error}") from None
        if not found:
            raise DataError(f"{where}: there is no such value in the answer")
        if len(found) > 1:
            raise DataError(f"{where}: matches {len(found)} values in the answer; it must match one")
        value = without(found[0], self._credentials) if self._credentials else found[0]
        trace.matches.append(Match(text, shown(value, MOST_MATCHED)))
        return value, where

    def _number(self, document: Any, trace: Trace) -> Decimal:
        found, where = self._match(self._value_path, self._config.path, document, trace)
        if isinstance(found, str):
            if not self._config.allow_string:
                if is_plain_decimal(found):
                    trace.sought = ""
                    trace.suggestions.append("allow_string = true")
                raise DataError(
                    f"{where}: is the string {found[:40]!r}, not a number; "
                    "set allow_string = true if this source writes its numbers so"
                )
            value = parse_decimal(found, where)
        elif (number := _exact(found)) is not None:
            value = number
        else:
            raise DataError(f"{where}: is {_describe(found)}, not a number")
        believed = self._checks.value(value, where)
        trace.sought = ""
        return believed

    def _time(self, document: Any, trace: Trace) -> int:
        found, where = self._match(self._time_path, self._config.timestamp_path or "", document, trace)
        seconds = self._seconds(found, where, trace)
        trace.sought = ""
        return self._checks.moment(seconds, int(self._now()), where)

    def _seconds(self, found: Any, where: str, trace: Trace) -> int:
        unit, now = self._config.timestamp_unit, int(self._now())
        if unit == "iso":
            if not isinstance(found, str):
                number = _exact(found)
                fitting = None if number is None else likely_unit(number, now)
                if fitting is None:
                    raise DataError(f"{where}: is {_describe(found)}, not an ISO 8601 time")
                _would_fit(trace, fitting)
                raise DataError(
                    f"{where}: {found} is a unix time in {UNIT_WORDS[fitting]}, not an ISO 8601 time; "
                    f"set {_UNIT.format(unit=fitting)}"
                )
            try:
                moment = dt.datetime.fromisoformat(found)
                return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)).timestamp())
            except (ValueError, OverflowError):
                raise DataError(f"{where}: {found[:40]!r} is not an ISO 8601 time") from None
        if isinstance(found, str) and _is_iso(found):
            _would_fit(trace, "iso")
            raise DataError(
                f"{where}: {found[:40]!r} is an ISO 8601 time, not a unix time; set {_UNIT.format(unit='iso')}"
            )
        # A time is only compared, so it does not matter that it is quoted.
        number = parse_decimal(found, where) if isinstance(found, str) else _exact(found)
        if number is None:
            raise DataError(f"{where}: is {_describe(found)}, not a unix time")
        fitting = likely_unit(check_value(number, where), now)
        if fitting is not None and fitting != unit:
            _would_fit(trace, fitting)
        return seconds_in(number, unit, now, where, f"set {_UNIT}")


def _would_fit(trace: Trace, unit: str) -> None:
    """Note that the time was found, and is in another unit."""
    trace.sought = ""
    trace.suggestions.append(_UNIT.format(unit=unit))


def _exact(found: Any) -> Decimal | None:
    """Return the number that a value of a document is; None if it is none."""
    if isinstance(found, int) and not isinstance(found, bool):
        return Decimal(found)
    return found if isinstance(found, Decimal) else None


def _is_iso(text: str) -> bool:
    if text.isdecimal():  # as dates without dashes are
        return False
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


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
