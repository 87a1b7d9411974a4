"""The latest value that was pushed, as a source."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from aiolimiter import AsyncLimiter

from oracle.core.documents import NotJson, NumberType, parse_json
from oracle.core.errors import DataError, SourceUnavailable
from oracle.core.http import charset_of
from oracle.core.types import Kind
from oracle.sources.interface import Reading, closed, parse_decimal
from oracle.sources.push.authentication import PushRefused, RefusalReason, SignatureCheck, TokenCheck, push_path
from oracle.sources.push.config import PushSourceConfig
from oracle.sources.validation import Checks

__all__ = ["PushSource"]

MINUTE = 60.0

_IN_SECONDS = "send whole seconds"


class PushSource:
    """A source that gives the latest value that was pushed.

    Args:
        config: The secret, and the bounds on values and times.
        feed: The feed's name.
        measure: The feed's kind.
        now: The clock, unix seconds.

    Raises:
        ConfigError: The secret's file can't be used.
    """

    def __init__(
        self, config: PushSourceConfig, *, feed: str, measure: Kind, now: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._checks = Checks.of(config, measure)
        self._path = push_path(feed, config.name)
        self._authentication: TokenCheck | SignatureCheck = (
            TokenCheck.of(config, now) if config.key_file is None else SignatureCheck.of(config, self._path, now)
        )
        self._limit = AsyncLimiter(config.max_per_minute, MINUTE)
        self._now = now
        self._latest: Reading | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._config.name

    async def read(self) -> Reading:
        """See `Source.read`. It is the latest push, as long as that is not too old."""
        if self._closed:
            raise closed(self.name)
        if self._latest is None:
            raise SourceUnavailable(f"{self.name}: nothing was pushed to {self._path} yet")
        self._checks.moment(self._latest.observed_at, int(self._now()), f"{self.name}: latest push")
        return self._latest

    async def close(self) -> None:
        """See `Source.close`."""
        self._closed = True

    async def take(self, headers: Mapping[str, str], body: bytes) -> Reading:
        """Accept a push, and return its reading.

        Args:
            headers: The request's headers. Their names may have any case.
            body: The request's body.

        Raises:
            PushRefused: The push is not accepted.
        """
        if self._closed:
            raise PushRefused(RefusalReason.NOT_AUTHENTIC, "the source is closed")
        # The limit counts only authentic pushes, so nobody else can use it up.
        sent_at = self._authentication.check(headers, body)
        if not self._limit.has_capacity():
            raise PushRefused(
                RefusalReason.TOO_MANY, f"at most {self._config.max_per_minute} pushes a minute are accepted"
            )
        await self._limit.acquire()
        reading = self._reading(_document(body, headers), sent_at)
        if self._latest is not None and reading.observed_at < self._latest.observed_at:
            raise PushRefused(RefusalReason.REPEATED, f"there is a value of {self._latest.observed_at}, which is later")
        self._latest = reading
        return reading

    def _reading(self, document: Mapping[str, Any], sent_at: int) -> Reading:
        value, observed_at = document["value"], document.get("time", sent_at)
        if not isinstance(value, str):
            raise PushRefused(RefusalReason.MALFORMED, '"value" must be a decimal number in a string, as "2345.67"')
        if not isinstance(observed_at, int) or isinstance(observed_at, bool):
            raise PushRefused(RefusalReason.MALFORMED, '"time" must be whole unix seconds')
        try:
            believed = self._checks.value(parse_decimal(value, '"value"'), '"value"')
            now = int(self._now())
            return Reading(believed, self._checks.moment(observed_at, now, '"time"', _IN_SECONDS), self.name)
        except (DataError, SourceUnavailable) as error:
            raise PushRefused(RefusalReason.NOT_BELIEVED, str(error)) from None


def _document(body: bytes, headers: Mapping[str, str]) -> Mapping[str, Any]:
    stated = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    try:
        found = parse_json(body, numbers=NumberType.EXACT, charset=charset_of(stated))
    except NotJson as error:
        raise PushRefused(RefusalReason.MALFORMED, f"the body can't be read: {error}") from None
    if not isinstance(found, dict) or not {"value"} <= set(found) <= {"value", "time"}:
        raise PushRefused(RefusalReason.MALFORMED, 'the body must be {"value": "…", "time": …}; "time" may be left out')
    return found
