"""The configuration of a source of the type "push"."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from oracle.core.settings import ConfigPath, Seconds, wrong
from oracle.sources.config import CheckedSourceConfig

__all__ = ["PushSourceConfig"]


class PushSourceConfig(CheckedSourceConfig):
    """A source that sends its values itself, to `POST /push/FEED/NAME`.

    Attributes:
        key_file: File with the secret that pushes are signed with (HMAC-SHA256). Only its owner may be able to read it.
        token_file: File with a bearer token instead, which is sent with each push: with TLS, or to a local address.
        max_age: How many seconds old a value may be to count as the present one.
        window: How many seconds a signature's time may differ from this machine's clock.
        max_per_minute: How many pushes are accepted in a minute.
    """

    type: Literal["push"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    key_file: ConfigPath | None = None
    token_file: ConfigPath | None = None
    max_age: Seconds
    window: Annotated[int, Field(ge=1, le=3_600)] = 30
    max_per_minute: Annotated[int, Field(ge=1, le=60_000)] = 600

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if (self.key_file is None) == (self.token_file is None):
            raise wrong("needs exactly one of 'key_file' (signed pushes) and 'token_file'")
        return self
