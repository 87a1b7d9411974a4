"""SRS files, and where they come from: who knew the secret that they were made with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from oracle.proving.srs.ceremony import CEREMONY_SHA256


class SrsOrigin(StrEnum):
    """The origin of an SRS, which says who knew its secret."""

    PUBLIC_CEREMONY = "public-ceremony"
    INSECURE_LOCAL = "insecure-local"


@dataclass(frozen=True, slots=True)
class SrsFile:
    """An SRS for circuits of 2^k rows.

    Attributes:
        k: The SRS is for 2^k rows.
        path: The file.
        sha256: SHA-256 of the file.
        origin: Says who knew its secret.
    """

    k: int
    path: Path
    sha256: str
    origin: SrsOrigin


@dataclass(frozen=True, slots=True)
class SrsUse:
    """An artifact, as far as its SRS is concerned.

    Attributes:
        artifact: Name of the artifact's folder.
        file: The artifact's own copy of the SRS.
        k: As its manifest says.
        sha256: As its manifest says.
    """

    artifact: str
    file: Path
    k: int
    sha256: str


class SrsSource(Protocol):
    """A source that gives the SRS for any k, all of one origin."""

    @property
    def origin(self) -> SrsOrigin: ...

    def file(self, k: int) -> SrsFile:
        """Return the SRS for 2^k rows, which is fetched or made if need be.

        Raises:
            ArtifactError: There is no such SRS; the message says what to do.
        """
        ...


def origin_of(k: int, sha256: str) -> SrsOrigin:
    """Return the origin of a file by its hash. A file without the ceremony's known hash counts as local."""
    return SrsOrigin.PUBLIC_CEREMONY if CEREMONY_SHA256.get(k) == sha256 else SrsOrigin.INSECURE_LOCAL
