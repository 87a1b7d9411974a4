"""The table [push]: the address to which values are pushed."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from oracle.config.listen import ListenAddress, host_and_port, is_local
from oracle.core.settings import ConfigPath, Section, wrong

__all__ = ["PushConfig"]


class PushConfig(Section):
    """The server of `POST /push/FEED/SOURCE`, for sources of the type "push".

    Attributes:
        listen: Host and port, not those of `[web]`. None: nothing can be pushed.
        tls_certificate: PEM file of the certificate, with its chain. It is read again when it changes.
        tls_key: PEM file of the certificate's key, not encrypted, and not readable by everybody.
        behind_proxy: True to listen without TLS where other machines can reach it, because a proxy in front has TLS.
        max_body: The most bytes that a push may have.
        max_connections: The most connections at once; further ones are refused.
    """

    listen: ListenAddress | None = None
    tls_certificate: ConfigPath | None = None
    tls_key: ConfigPath | None = None
    behind_proxy: bool = False
    max_body: Annotated[int, Field(ge=64, le=1 << 20)] = 4_096
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 64

    @model_validator(mode="after")
    def _private(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise wrong("'tls_certificate' and 'tls_key' go together")
        if self.listen is not None and not (self.is_local or self.has_tls or self.behind_proxy):
            raise wrong(
                f"other machines can reach {self.listen}, and pushes could be read on their way: add "
                "'tls_certificate' and 'tls_key', or, if a proxy in front has TLS, 'behind_proxy = true'"
            )
        return self

    @property
    def has_tls(self) -> bool:
        """True if pushes are encrypted on their way."""
        return self.tls_certificate is not None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of `listen`; None if there is none."""
        return host_and_port(self.listen)

    @property
    def is_local(self) -> bool:
        """True if only this machine can reach it."""
        return is_local(self.listen)
