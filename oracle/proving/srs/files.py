"""A file with an SRS, and who knew the secret that it was made with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from oracle.proving.srs.ceremony import CEREMONY_SHA256


class SrsOrigin(StrEnum):
    """Who knew the secret."""

    PUBLIC_CEREMONY = "public-ceremony"
    INSECURE_LOCAL = "insecure-local"


@dataclass(frozen=True, slots=True)
class SrsFile:
    """An SRS for circuits of 2^k rows."""

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
    """Gives the SRS for any k, all of one origin."""

    @property
    def origin(self) -> SrsOrigin: ...

    def file(self, k: int) -> SrsFile:
        """The SRS for 2^k rows, fetched or made if need be.

        Raises:
            ArtifactError: It can't be had; the message says what to do.
        """
        ...


def origin_of(k: int, sha256: str) -> SrsOrigin:
    """Whose SRS a file is: the ceremony's if it has the known hash, and nobody's to trust otherwise."""
    return SrsOrigin.PUBLIC_CEREMONY if CEREMONY_SHA256.get(k) == sha256 else SrsOrigin.INSECURE_LOCAL
