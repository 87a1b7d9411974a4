"""The configuration of a source of the type "http"."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from oracle.core.documents import NotText, decode_text
from oracle.core.settings import Url, wrong
from oracle.sources.config import LiveSourceConfig
from oracle.sources.interface import host_of

__all__ = ["HttpSourceConfig"]


def _json_path(value: str) -> str:
    # Imported here because it takes 0.1 seconds, and a configuration without such a source need not load it.
    import jsonpath

    try:
        jsonpath.compile(value, strict=True)
    except jsonpath.JSONPathError as error:
        # The error's own text is a drawing of several lines; for an empty path, making it fails.
        raise wrong(f"{value!r} is not a JSONPath ({error.args[0]}); write it as $.data.price") from None
    return value


JsonPath = Annotated[str, AfterValidator(_json_path)]


def _charset(value: str) -> str:
    try:
        decode_text(b"", value)
    except NotText:
        raise wrong(f"{value!r} is no charset that is read; write it as 'utf-8' or 'iso-8859-1'") from None
    return value


Charset = Annotated[str, AfterValidator(_charset)]


class HttpSourceConfig(LiveSourceConfig):
    """A JSON document on the web.

    Attributes:
        url: Where the document is.
        path: JSONPath (RFC 9535) of the value; it must match exactly one number.
        headers: Headers that are sent with each request.
        timestamp_path: JSONPath of the observation's time. None: the time of the request counts.
        timestamp_unit: How that time is written: unix time in seconds, milli-, micro- or nanoseconds, or ISO 8601.
        charset: How the document is written, as "iso-8859-1". None: as the answer says; UTF-8 if it does not.
        allow_string: Accept a plain decimal number in a JSON string, as many exchanges send it.
    """

    type: Literal["http"]
    url: Url
    path: JsonPath
    headers: Annotated[dict[str, str], Field(repr=False)] = Field(default_factory=dict)
    timestamp_path: JsonPath | None = None
    timestamp_unit: Literal["s", "ms", "us", "ns", "iso"] = "s"
    charset: Charset | None = None
    allow_string: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_age is not None and self.timestamp_path is None:
            raise wrong("'max_age' needs 'timestamp_path': without it there is no time to judge")
        return self

    def _found_origin(self) -> str:
        return host_of(self.url)
