"""The configuration of a source of the type "packaged"."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, model_validator

from oracle.core.settings import wrong
from oracle.sources.replay.config import RecordedSourceConfig

__all__ = ["PackagedSourceConfig"]


def _date(value: object) -> object:
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            raise wrong(f"{value!r} is not a date; write it as 2008-09-15") from None
    if isinstance(value, dt.datetime):
        raise wrong("is a date with a time; write the date only, as 2008-09-15")
    return value


Day = Annotated[dt.date, BeforeValidator(_date)]


class PackagedSourceConfig(RecordedSourceConfig):
    """A recorded series that the installed `arch` package carries (daily; one reading at 21:00 UTC).

    Attributes:
        series: Which series.
        start: First day. None: the first of the series.
        end: Last day. None: the last of the series.
    """

    type: Literal["packaged"]
    series: Literal["sp500", "nasdaq", "wti", "vix"]
    start: Day | None = None
    end: Day | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start is not None and self.end is not None and self.start > self.end:
            raise wrong(f"'start' ({self.start}) is after 'end' ({self.end})")
        return self

    def _found_origin(self) -> str:
        return f"packaged {self.series}"
