"""The settings that all sources share. Each kind's own are beside it, as in `oracle/sources/http/config.py`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from oracle.core.settings import DecimalNumber, Seconds, Section, shown_text, wrong

__all__ = ["MAX_ORIGIN", "MAX_SOURCES", "CheckedSourceConfig", "LiveSourceConfig", "SourceName", "ToldSourceConfig"]

MAX_ORIGIN = 120

MAX_SOURCES = 64
"""The most sources of a feed: what all of them said has to fit a readings document."""

SourceName = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(shown_text)]
Origin = Annotated[str, Field(min_length=1, max_length=MAX_ORIGIN, pattern=r"^[\x20-\x7e]+$")]


class ToldSourceConfig(Section):
    """A source, and what everybody may know of it.

    Attributes:
        name: The source's name in messages; distinct among a feed's sources. Default: the feed's name and a number.
        origin: Where its values come from, for everybody who reads the readings documents. Default: of a URL its host,
            without the path, which may hold a key.
    """

    type: str
    name: SourceName | None = None
    origin: Origin | None = None

    @property
    def public_origin(self) -> str:
        """The place that the values come from: printable ASCII, without anything secret."""
        if self.origin is not None:
            return self.origin
        found = "".join(each if " " <= each <= "~" else "?" for each in self._found_origin())
        return found[:MAX_ORIGIN] or self.type

    def _found_origin(self) -> str:
        """Return the default of `origin`, of any characters."""
        return self.type


class CheckedSourceConfig(ToldSourceConfig):
    """A source whose values come from outside, and the bounds within which they are believed.

    Attributes:
        min: The smallest value to believe. A relative feed believes only values above zero in any case.
        max: The largest value to believe.
        max_age: How many seconds the observation's time may lie in the past.
    """

    min: DecimalNumber | None = None
    max: DecimalNumber | None = None
    max_age: Seconds | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise wrong(f"'min' ({self.min}) is above 'max' ({self.max})")
        return self


class LiveSourceConfig(CheckedSourceConfig):
    """A source that is asked, and may fail to answer. `oracle.sources.guard` applies these limits.

    Attributes:
        timeout: Seconds for one reading, all attempts included.
        attempts: How often a reading is tried.
        max_per_minute: Requests a minute. None: as many as `poll_interval` and `attempts` make.
        suspend_after: How many readings must fail in a row until the source is suspended.
        suspend_for: How many seconds a suspended source is not asked.
    """

    timeout: Seconds = 5.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    max_per_minute: Annotated[int, Field(ge=1, le=60_000)] | None = None
    suspend_after: Annotated[int, Field(ge=1, le=1_000)] = 5
    suspend_for: Seconds = 60.0
