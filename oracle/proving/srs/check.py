"""A check of SRS files: those in a cache, and those in the artifacts that were made from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oracle.core.errors import DataError
from oracle.proving.hashing import sha256_of
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.files import SrsUse, origin_of


@dataclass(frozen=True, slots=True)
class SrsFinding:
    """The result of checking one SRS, which is in the cache or in artifacts only.

    Attributes:
        k: The SRS is for 2^k rows.
        origin: As its hash shows.
        path: The file; the artifact's copy if only artifacts have it.
        sha256: SHA-256 of the file.
        cached: True if it is in the cache.
        used_by: Names of the artifacts whose keys were made from it.
        problem: What is wrong with the file; None if nothing is.
    """

    k: int
    origin: str
    path: str
    sha256: str
    cached: bool
    used_by: tuple[str, ...]
    problem: str | None


def check_srs(caches: Iterable[tuple[SrsCache, Sequence[SrsUse]]]) -> list[SrsFinding]:
    """Check each SRS of these caches, and of the artifacts that they serve, by its hash.

    Args:
        caches: Each with the artifacts that it serves.

    Raises:
        DataError: A file can't be read.
    """
    try:
        return [finding for cache, uses in caches for finding in _checked(cache, uses)]
    except OSError as error:
        raise DataError(f"{error.filename} can't be read: {error.strerror}; check its permissions") from error


def _checked(cache: SrsCache, uses: Sequence[SrsUse]) -> list[SrsFinding]:
    findings: list[SrsFinding] = []
    users: dict[str, list[SrsUse]] = {}
    for use in uses:
        users.setdefault(use.sha256, []).append(use)
    for cached in cache.status():
        findings.append(
            SrsFinding(
                k=cached.k,
                origin=cached.origin.value,
                path=str(cached.path),
                sha256=cached.sha256,
                cached=True,
                used_by=tuple(use.artifact for use in users.get(cached.sha256, ())),
                problem=cache.problem(cached),
            )
        )
    known = {finding.sha256 for finding in findings}
    for use in (each for used in users.values() for each in used):
        found = sha256_of(use.file) if use.file.is_file() else ""
        damaged = None if found == use.sha256 else "is missing" if not found else "is corrupt"
        if damaged is None and use.sha256 in known:
            continue
        remedy = f"; restore it, its SHA-256 is {use.sha256}" if damaged else ""
        known.add(use.sha256)
        findings.append(
            SrsFinding(
                k=use.k,
                origin=origin_of(use.k, use.sha256).value,
                path=str(use.file),
                sha256=found,
                cached=False,
                used_by=tuple(each.artifact for each in ([use] if damaged else users[use.sha256])),
                problem=None if damaged is None else f"{damaged} in {use.artifact}{remedy}",
            )
        )
    return findings
