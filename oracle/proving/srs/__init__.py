"""The structured reference strings (SRS) that keys are made from, one file per k.

A KZG SRS is [τ^i]₁ for a secret τ; who knows τ can prove anything. The public ceremony's τ is known to nobody as long
as one of its participants was honest. A locally generated one was known to the process that drew it: it is for tests
and local chains, and marked wherever it goes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from oracle.core.errors import ArtifactError, DataError, SrsUnavailable
from oracle.proving.engine.child import EngineProcess
from oracle.proving.srs.download import Patience, Progress, download, without_secrets

CEREMONY_URL = "https://kzg.ezkl.xyz"
"""Where ezkl 23.0.5 fetches the public ceremony's files from: `kzg10.srs` for k = 10."""

GENERATION_DEADLINE = 1_800.0
"""Seconds. Eight on two cores at k = 15, and twice as long for each k more."""

CEREMONY_NEG_S_G2 = (
    0x186282957DB913ABD99F91DB59FE69922E95040603EF44C0BD7AA3ADEEF8F5AC,
    0x17944351223333F260DDC3B4AF45191B856689EDA9EAB5CBCDDBBE570CE860D2,
    0x06D971FF4A7467C3EC596ED6EFC674572E32FD6F52B721F97E35B0B3D3546753,
    0x06ECDB9F9567F59ED2EEE36E1E1D58797FD13CC97FAFC2910F5E8A12F202FA9A,
)
"""−[τ]₂ of the public ceremony as generated verifiers have it: `neg_s_g2_x_1`, `x_2`, `y_1`, `y_2`."""

CEREMONY_SHA256 = dict(
    enumerate(
        (
            "cafb2aa72c200ddc4e28aacabb8066e829207e2484b8d17059a566232f8a297b",
            "8194ec51da5d332d2e17283ade34920644774452c2fadf33742e8c739e275d8e",
            "0729e815bce2ac4dfad7819982c6479c3b22c32b71f64dca05e8fdd90e8535ef",
            "2c0785da20217fcafd3b12cc363a95eb2529037cc8a9bddf8fb15025cbc8cdc9",
            "5b950e3b76e7a9923d69f6d6585ce6b5f9458e5ec57a71c9de5005d32d544692",
            "85030b2924111fc60acaf4fb8a7bad89531fbe0271aeab0c21e545f71eee273d",
            "e65f95150519fe01c2bedf8f832f5249822ef84c9c017307419e10374ff9eeb1",
            "446092fd1d6030e5bb2f2a8368267d5ed0fbdb6a766f6c5e4a4841827ad3106f",
            "493d088951882ad81af11e08c791a38a37c0ffff14578cf2c7fb9b7bca654d8b",
            "9705d450e5dfd06adb673705f7bc34418ec86339203198beceb2ae7f1ffefedb",
            "257fa566ed9bc0767d3e63e92b5e966829fa3347d320a32055dc31ee7d33f8a4",
            "28b151069f41abc121baa6d2eaa8f9e4c4d8326ddbefee2bd9c0776b80ac6fad",
            "d5d94bb25bdc024f649213593027d861042ee807cafd94b49b54f1663f8f267d",
            "c09129f064c08ecb07ea3689a2247dcc177de6837e7d2f5f946e30453abbccef",
            "90807800a1c3b248a452e1732c45ee5099f38b737356f5542c0584ec9c3ebb45",
            "2a1a494630e71bc026dd5c0eab4c1b9a5dbc656228c1f0d48f5dbd3909b161d3",
            "41509f380362a8d14401c5ae92073154922fe23e45459ce6f696f58607655db7",
            "d0148475717a2ba269784a178cb0ab617bc77f16c58d4a3cbdfe785b591c7034",
            "d1a1655b4366a766d1578beb257849a92bf91cb1358c1a2c37ab180c5d3a204d",
            "54ef75911da76d7a6b7ea341998aaf66cb06c679c53e0a88a4fe070dd3add963",
            "486e044cf98704e07f41137d2b89698dc03d1fbf34d13b60902fea19a6013b4b",
            "1ee9b4396db3e4e2516ac5016626ab6ba967f091d5d23afbdb7df122a0bb9d0c",
            "748e48b9b6d06f9c82d26bf551d0af43ee2e801e4be56d7ccb20312e267fd1d6",
            "f94fa4afa2f5147680f907d4dd96a8826206c26bd3328cd379feaed614b234de",
            "dec49a69893fbcd66cd06296b2d936a6aceb431c130b2e52675fe4274b504f57",
            "b198a51d48b88181508d8e4ea9dea39db285e4585663b29b7e4ded0c22a94875",
        ),
        start=1,
    )
)
"""The files that ezkl 23.0.5 accepts as the public ceremony's (perpetual powers of tau), by k."""


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


SrsStatus = SrsFile
"""What `oracle doctor` shows of each cached file."""


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


class SrsCache:
    """A folder of SRS files, by k and origin.

    Args:
        directory: Created when the first file is.
        mirror: URL of a folder with the public ceremony's files, named as at `CEREMONY_URL`. It need not be trusted:
            what it has is checked against the known hashes.
        patience: With the ceremony's server.
        progress: Told how much of a download is there.
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
        """Where the files are."""
        return self._directory

    def source(self, origin: SrsOrigin) -> SrsSource:
        """All files of one origin."""
        make = self.public_ceremony if origin is SrsOrigin.PUBLIC_CEREMONY else self.insecure_local
        return _Source(origin, make)

    def insecure_local(self, k: int) -> SrsFile:
        """An SRS that this machine generated, once per k. Whoever generated it can forge proofs."""
        path = self._path(k, SrsOrigin.INSECURE_LOCAL)
        with self._locked(path):
            if not path.is_file():
                self._place(path, lambda partial: _generate(k, partial))
            return SrsFile(k, path, sha256_of(path), SrsOrigin.INSECURE_LOCAL)

    def public_ceremony(self, k: int) -> SrsFile:
        """The public ceremony's SRS, downloaded once per k and checked against its known hash each time.

        A file that is there but is not the ceremony's is replaced by the right one.

        Raises:
            SrsUnavailable: The server did not answer, or not in time.
            ArtifactError: What came is something else, or can't be written.
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
                    f"download {without_secrets(url)} elsewhere and `oracle srs import` it; a local chain can do with "
                    "a local one"
                ) from error
            return SrsFile(k, path, expected, SrsOrigin.PUBLIC_CEREMONY)

    def import_file(self, path: Path) -> SrsFile:
        """Takes the public ceremony's file from elsewhere.

        Raises:
            DataError: It can't be read, or is not the ceremony's.
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

    def status(self) -> list[SrsStatus]:
        """All cached files. A file that is named as the ceremony's but has another hash is told as a local one."""
        found = []
        for origin in SrsOrigin:
            for path in sorted(self._directory.glob(f"{origin.value}-k*.srs")):
                digits = path.stem.rpartition("-k")[2]
                if digits.isdecimal():
                    digest = sha256_of(path)
                    found.append(SrsFile(int(digits), path, digest, origin_of(int(digits), digest)))
        return found

    def problem(self, srs: SrsFile) -> str | None:
        """What is wrong with a cached file as it was found by `status`; None if it is what its name says."""
        claimed = SrsOrigin(srs.path.stem.rpartition("-k")[0])
        if claimed is SrsOrigin.PUBLIC_CEREMONY and srs.origin is not claimed:
            return f"is not the public ceremony's file for k = {srs.k}; `oracle srs fetch {srs.k}` replaces it"
        with srs.path.open("rb") as file:
            k = int.from_bytes(file.read(4), "little")
        size = srs.path.stat().st_size
        if (k, size) != (srs.k, srs_bytes(srs.k)):
            return f"is no SRS for k = {srs.k}: {size:,} bytes that begin with k = {k}; delete it, it is generated anew"
        return None

    def _path(self, k: int, origin: SrsOrigin) -> Path:
        return self._directory / f"{origin.value}-k{k}.srs"

    @contextlib.contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        """One process at a time fetches or makes a file; the others wait for it."""
        from filelock import FileLock

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
        """Writes a file completely or not at all."""
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


def ceremony_name(k: int) -> str:
    """What the public ceremony's file is called at its source and at mirrors."""
    return f"kzg{k}.srs"


def srs_bytes(k: int) -> int:
    """Size of an SRS file: k, 2^k points of G1 in monomial and 2^k in Lagrange form, [1]₂ and [τ]₂, uncompressed."""
    return 4 + 2 * 64 * (1 << k) + 2 * 128


def origin_of(k: int, sha256: str) -> SrsOrigin:
    """Whose SRS a file is: the ceremony's if it has the known hash, and nobody's to trust otherwise."""
    return SrsOrigin.PUBLIC_CEREMONY if CEREMONY_SHA256.get(k) == sha256 else SrsOrigin.INSECURE_LOCAL


def _generate(k: int, path: Path) -> None:
    with EngineProcess() as engine:
        engine.call("gen_srs", deadline=GENERATION_DEADLINE, srs=str(path), logrows=k)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
