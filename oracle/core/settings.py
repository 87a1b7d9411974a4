"""The common parts of the configuration's tables: a base class, types of fields, and the endpoints of a chain.

This module is in `core` because a source keeps its own configuration beside itself, below `oracle.config`. Nothing else
in `core` may import it, or pydantic.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from oracle.core.formats import checksum_address

__all__ = [
    "UINT32_MAX",
    "Address",
    "ConfigPath",
    "DecimalNumber",
    "EndpointsConfig",
    "Problem",
    "Seconds",
    "Section",
    "Unreadable",
    "Url",
    "UrlText",
    "WholeSeconds",
    "check_address",
    "check_url",
    "gathered",
    "shown_text",
    "wrong",
    "wrong_each",
]

UINT32_MAX = 2**32 - 1

Problem: TypeAlias = tuple[tuple[str | int, ...], str]
"""The path of a key, and what is wrong."""


def wrong(message: str) -> PydanticCustomError:
    """Return the error that a validator raises.

    Args:
        message: What is wrong, and what would be right. It follows the path of the key, as "feeds[0].sigma: ".
    """
    # The message is given as a value: braces in it, for instance of "${NAME}", are not placeholders.
    return PydanticCustomError("wrong", "{message}", {"message": message})


def wrong_each(problems: Iterable[tuple[tuple[str | int, ...], str]]) -> ValidationError:
    """Return the error that a validator of a table raises for all problems that it has found.

    Args:
        problems: The path of the key within the table, and what is wrong, as `wrong` takes it.
    """
    lines: list[InitErrorDetails] = [{"type": wrong(text), "loc": where, "input": None} for where, text in problems]
    return ValidationError.from_exception_data("table", lines, hide_input=True)


def shown_text(value: str) -> str:
    """Return `value` if it has no characters that can't be shown.

    Raises:
        PydanticCustomError: It has: a control character, or half of a pair.
    """
    if any(each < " " or "\x7f" <= each <= "\x9f" or "\ud800" <= each <= "\udfff" for each in value):
        raise wrong("has a character that can't be shown; use letters, digits, blanks and signs")
    return value


def check_url(value: str) -> str:
    """Return `value` if it is a URL with http or https.

    Raises:
        PydanticCustomError: It is not. The message does not repeat it: it may hold credentials.
    """
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong("is not a valid URL; write it as https://host/path") from None
    if parts.scheme not in ("http", "https") or not host or any(character.isspace() for character in value):
        raise wrong("is not a valid URL; write it as https://host/path")
    return value


def _path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value:
        raise wrong("must be a path: a string that is not empty")
    base: Path | None = (info.context or {}).get("base")
    path = Path(value).expanduser()
    return path if base is None else base / path


def _decimal(value: object) -> object:
    # TOML floats arrive as Decimal (see `oracle.config.load`); a bool is an int to Python, but no number here.
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _seconds(value: object) -> object:
    if not isinstance(value, (int, Decimal)) or isinstance(value, bool):
        return value
    try:
        return float(value)
    except OverflowError:
        raise wrong("is too large for a duration") from None


def check_address(value: str) -> str:
    """Return the address `value` in the mixed case of its checksum.

    Raises:
        PydanticCustomError: It is not an address, its checksum is wrong, or it is the zero address.
    """
    try:
        address = checksum_address(value)
    except ValueError as error:
        raise wrong(str(error)) from None
    if int(address, 16) == 0:
        raise wrong("is the zero address, which nobody controls")
    return address


ConfigPath = Annotated[Path, BeforeValidator(_path)]
"""A path. A relative one is relative to the configuration file's folder."""

DecimalNumber = Annotated[Decimal, BeforeValidator(_decimal)]
"""A number that never was a binary float."""

Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=86_400 * 365, allow_inf_nan=False)]
"""A duration: above zero, at most a year."""

WholeSeconds = Annotated[int, Field(ge=1, le=UINT32_MAX)]
"""A duration as the contract stores it."""

Address = Annotated[str, AfterValidator(check_address)]
"""An address, in the mixed case of its checksum."""

UrlText = Annotated[str, AfterValidator(check_url)]
Url = Annotated[UrlText, Field(repr=False)]
"""A URL with http or https, which no representation shows: it may hold credentials."""


Item = TypeVar("Item")


class Unreadable(AttributeError):
    """A key is asked for that can't be read: its value is wrong, and that is told by itself."""


def gathered(*checks: Iterable[Item]) -> list[Item]:
    """Return what checks of several keys find. A check that needs a key which can't be read ends there."""
    found: list[Item] = []
    for check in checks:
        try:
            for each in check:
                found.append(each)
        except Unreadable:
            pass
    return found


class Section(BaseModel):
    """The base of all tables: frozen, without unknown keys, without conversions between types."""

    # Input is hidden because it may be a secret; the validators quote what is not.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    elsewhere: ClassVar[Mapping[str, str]] = {}
    """Keys that people look for in this table, and where they belong."""

    if not TYPE_CHECKING:  # it would hide misspelt attributes

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise Unreadable(name)
            return super().__getattr__(name)

    @model_validator(mode="wrap")
    @classmethod
    def _known_keys(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Tell unknown keys, with what else is wrong in the table."""
        unknown = cls.unknown_keys(data) if isinstance(data, Mapping) else {}
        if not unknown:
            return handler(data)
        lines: list[InitErrorDetails] = []
        for key, near in unknown.items():
            hint = f"did you mean {near!r}?" if near else f"known keys: {', '.join(cls.model_fields)}"
            hint = cls.elsewhere.get(key, hint)
            lines.append({"type": wrong(f"unknown key; {hint}"), "loc": (key,), "input": None})
        try:
            handler({key: value for key, value in data.items() if key not in unknown})
        except ValidationError as error:
            for each in error.errors(include_url=False, include_input=False):
                if each["type"] != "missing" or each["loc"][0] not in unknown.values():
                    lines.append(_again(each))
        raise ValidationError.from_exception_data("table", lines, hide_input=True)

    @classmethod
    def unknown_keys(cls, data: Mapping[str, Any]) -> dict[str, str]:
        """Return the keys of a table that it does not have, each with the one that is meant, or an empty text."""
        found = {}
        for key in data:
            if key not in cls.model_fields:
                near = [] if key in cls.elsewhere else difflib.get_close_matches(key, cls.model_fields, n=1)
                found[key] = near[0] if near else ""
        return found


def _again(details: ErrorDetails) -> InitErrorDetails:
    """Return an error that was caught as one to raise."""
    context = details.get("ctx") or {}
    kind: Any = details["type"]
    if kind == "wrong":
        return {"type": wrong(context["message"]), "loc": details["loc"], "input": None}
    return {"type": kind, "loc": details["loc"], "input": None, "ctx": context}


class EndpointsConfig(Section):
    """The RPC endpoints of one chain: of the chain that is reported to, or of one that an on-chain source reads.

    Attributes:
        rpc_url: The endpoint, if there is one.
        rpc_urls: The endpoints in order of preference, if there are several.
        agreement: How many endpoints must give the same answer where it decides: feeds, receipts, nonces.
        max_head_lag: How many blocks an endpoint may be behind the others.
        fail_back_after_s: How many seconds a preferred endpoint must be healthy before it is asked again.
        chain_id: The chain's id. An endpoint that serves another chain is not asked.
    """

    rpc_url: UrlText | None = Field(None, repr=False)
    rpc_urls: tuple[UrlText, ...] = Field((), max_length=16, repr=False)
    agreement: Annotated[int, Field(ge=1, le=16)] = 1
    max_head_lag: Annotated[int, Field(ge=0, le=10_000)] = 3
    fail_back_after_s: Seconds = 60.0
    chain_id: Annotated[int, Field(ge=1, lt=2**63)]

    @property
    def endpoints(self) -> tuple[str, ...]:
        """All RPC endpoints, in order of preference."""
        return self.rpc_urls or ((self.rpc_url,) if self.rpc_url is not None else ())

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if (self.rpc_url is None) != bool(self.rpc_urls):
            raise wrong("needs either 'rpc_url', or several endpoints in 'rpc_urls'")
        if len(set(self.rpc_urls)) != len(self.rpc_urls):
            raise wrong("'rpc_urls' has an endpoint twice: it would agree with itself")
        if self.agreement > len(self.endpoints):
            raise wrong(f"'agreement' of {self.agreement} needs as many endpoints in 'rpc_urls'")
        return self
