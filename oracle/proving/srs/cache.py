"""A folder of SRS files, which are downloaded, generated or imported."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from oracle.core.errors import ArtifactError, DataError, SrsUnavailable
from oracle.proving.engine.child import EngineProcess
from oracle.proving.hashing import sha256_of
from oracle.proving.srs.ceremony import CEREMONY_SHA256, CEREMONY_URL, ceremony_name, srs_bytes
from oracle.proving.srs.download import Patience, Progress, download, without_secrets
from oracle.proving.srs.files import SrsFile, SrsOrigin, SrsSource, origin_of

GENERATION_DEADLINE = 1_800.0
"""Seconds. It takes eight on two cores at k = 15, and twice as long for each k more."""


class SrsCache:
    """A folder of SRS files, by k and origin.

    Args:
        directory: Created with the first file.
        mirror: URL of a folder with the public ceremony's files, named as at `CEREMONY_URL`. The mirror need not be
            trusted: its files are checked against the known hashes.
        patience: Says when to give up on the ceremony's server.
        progress: Called with the part of a download that is there.
    """

    def __init__(
        self,
        directory: Path,
        mirror: str | None = None,
        patience: Patience | None = None,
        progress: Progress = lambda done, total: None,
    ) -> None:
        self._directory = directory
        self._base = (mirror or CEREMONY_URL).rstrip("/")
        self._patience = patience or Patience()
        self._progress = progress

    @property
    def directory(self) -> Path:
        """The folder."""
        return self._directory

    def source(self, origin: SrsOrigin) -> SrsSource:
        """Return a source of files that all have one origin."""
        make = self.public_ceremony if origin is SrsOrigin.PUBLIC_CEREMONY else self.insecure_local
        return _Source(origin, make)

    def insecure_local(self, k: int) -> SrsFile:
        """Return an SRS that this machine generates, once per k. Whoever generated it can forge proofs."""
        path = self._path(k, SrsOrigin.INSECURE_LOCAL)
        with self._locked(path):
            if not path.is_file():
                self._place(path, lambda partial: _generate(k, partial))
            return SrsFile(k, path, sha256_of(path), SrsOrigin.INSECURE_LOCAL)

    def public_ceremony(self, k: int) -> SrsFile:
        """Return the public ceremony's SRS, downloaded once per k and checked against its known hash each time.

        A file that is there but is not the ceremony's is replaced by the right one.

        Raises:
            SrsUnavailable: The server did not answer, or not in time.
            ArtifactError: The server sent another file, or the file can't be written.
        """
        if k not in CEREMONY_SHA256:
            raise ArtifactError(f"the public ceremony's SRS is known for k of 1 to {max(CEREMONY_SHA256)}, not {k}")
        expected = CEREMONY_SHA256[k]
        path = self._path(k, SrsOrigin.PUBLIC_CEREMONY)
        with self._locked(path):
            wrong = ""
            if path.is_file():
                if sha256_of(path) == expected:
                    return SrsFile(k, path, expected, SrsOrigin.PUBLIC_CEREMONY)
                wrong = f" {path} is not the ceremony's file and is not used."
            url = f"{self._base}/{ceremony_name(k)}"
            try:
                download(
                    url, path, size=srs_bytes(k), sha256=expected, patience=self._patience, progress=self._progress
                )
            except (ArtifactError, SrsUnavailable) as error:
                raise type(error)(
                    f"the public ceremony's SRS for k = {k} can't be fetched: {error}.{wrong} Or "
                    f"download {without_secrets(url)} elsewhere and `oracle srs import` it; a local chain can use "
                    "a local SRS"
                ) from error
            return SrsFile(k, path, expected, SrsOrigin.PUBLIC_CEREMONY)

    def import_file(self, path: Path) -> SrsFile:
        """Copy the public ceremony's file from elsewhere.

        Raises:
            DataError: The file can't be read, or is not the ceremony's.
        """
        try:
            with path.open("rb") as file:
                k = int.from_bytes(file.read(4), "little")
            digest = sha256_of(path)
        except OSError as error:
            raise DataError(f"SRS file {path} can't be read: {error}") from error
        if CEREMONY_SHA256.get(k) != digest:
            raise DataError(
                f"{path} is not the public ceremony's SRS for any k of 1 to {max(CEREMONY_SHA256)} (SHA-256 {digest}); "
                "download it again"
            )
        target = self._path(k, SrsOrigin.PUBLIC_CEREMONY)
        with self._locked(target):
            self._place(target, lambda partial: shutil.copyfile(path, partial))
        return SrsFile(k, target, digest, SrsOrigin.PUBLIC_CEREMONY)

    def status(self) -> list[SrsFile]:
        """Return all cached files. A file that is named as the ceremony's but has another hash counts as local."""
        found = []
        for origin in SrsOrigin:
            for path in sorted(self._directory.glob(f"{origin.value}-k*.srs")):
                digits = path.stem.rpartition("-k")[2]
                if digits.isdecimal():
                    digest = sha256_of(path)
                    found.append(SrsFile(int(digits), path, digest, origin_of(int(digits), digest)))
        return found

    def problem(self, srs: SrsFile) -> str | None:
        """Return the problem of a cached file that `status` found; None if it is what its name says.

        Raises:
            OSError: The file can't be read.
        """
        claimed = SrsOrigin(srs.path.stem.rpartition("-k")[0])
        if claimed is SrsOrigin.PUBLIC_CEREMONY and srs.origin is not claimed:
            return f"is not the public ceremony's file for k = {srs.k}; `oracle srs fetch {srs.k}` replaces it"
        with srs.path.open("rb") as file:
            k = int.from_bytes(file.read(4), "little")
        size = srs.path.stat().st_size
        if (k, size) != (srs.k, srs_bytes(srs.k)):
            return (
                f"is not an SRS for k = {srs.k}: it has {size:,} bytes and begins with k = {k}; delete it, and it is "
                "generated anew"
            )
        return None

    def _path(self, k: int, origin: SrsOrigin) -> Path:
        return self._directory / f"{origin.value}-k{k}.srs"

    @contextlib.contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        """Let one process at a time fetch or make a file; the others wait for it."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._directory / f".{path.name}.lock")
            lock.acquire()
        except OSError as error:
            raise ArtifactError(
                f"{self._directory} can't be written ({error.strerror or error}): check that it is a writable folder"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _place(self, target: Path, write: Callable[[Path], object]) -> None:
        """Write a file completely or not at all."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._directory, prefix=".partial-") as folder:
            partial = Path(folder, target.name)
            write(partial)
            if not partial.is_file():
                raise ArtifactError(f"no SRS was written for {target.name}")
            os.replace(partial, target)


@dataclass(frozen=True, slots=True)
class _Source:
    origin: SrsOrigin
    make: Callable[[int], SrsFile]

    def file(self, k: int) -> SrsFile:
        return self.make(k)


def _generate(k: int, path: Path) -> None:
    with EngineProcess() as engine:
        engine.call("gen_srs", deadline=GENERATION_DEADLINE, srs=str(path), logrows=k)
