"""The table [readings]: how long readings documents are kept, and where they are served."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from oracle.config.listen import ListenAddress, host_and_port
from oracle.core.settings import ConfigPath, Section, wrong

__all__ = ["ReadingsConfig"]


class ReadingsConfig(Section):
    """The documents with what each source said: their hashes are signed with each report.

    In a network, the other members' listener serves them, too: see `[network] listen`.

    Attributes:
        days: How many days a document is kept, and in a network what was heard of the other members.
        listen: Host and port at which everybody can read the documents. None: they are kept only.
        tls_certificate: PEM file of the certificate, with its chain. It is read again when it changes.
        tls_key: PEM file of the certificate's key, not encrypted, and not readable by everybody.
        max_connections: The most connections at once; further ones are refused.
    """

    days: Annotated[int, Field(ge=1, le=36_500)] = 90
    listen: ListenAddress | None = None
    tls_certificate: ConfigPath | None = None
    tls_key: ConfigPath | None = None
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 64

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise wrong("'tls_certificate' and 'tls_key' go together")
        return self

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of `listen`; None if there is none."""
        return host_and_port(self.listen)
