"""Folders that belong to this process alone, and are removed with it: of scratch files, and of an artifact's copies."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from oracle.core.errors import ArtifactError, ProverUnavailable

ENGINE_FOLDER = "engine"
"""The name of the folders of engine processes."""


class OwnedFolder:
    """A new folder that only this user can read.

    It may hold a private model's weights or somebody's data, so a process that was killed must not leave it. Each
    folder is locked by its owner, and whoever makes the next one removes the folders that nobody locks.

    Args:
        root: An existing folder.
        name: What such folders are for, a part of their path.

    Raises:
        ProverUnavailable: There is no room, or no permission.
    """

    def __init__(self, root: Path, name: str) -> None:
        user = str(os.getuid()) if hasattr(os, "getuid") else "user"
        self._base = root / f"oracle-{name}-{user}"
        try:
            self._base.mkdir(mode=0o700, exist_ok=True)
            found = self._base.lstat()
            # The root may be shared by all users, and any of them may have made this folder.
            if hasattr(os, "getuid") and (self._base.is_symlink() or found.st_uid != os.getuid()):
                raise ProverUnavailable(f"{self._base} belongs to somebody else: remove it, or take another folder")
            with FileLock(self._base / ".staging.lock"):
                self._sweep()
                token = secrets.token_hex(8)
                self._lock = FileLock(self._base / f"{token}.lock", thread_local=False)
                self._lock.acquire(timeout=0)
            self.folder = self._base / token
            self.folder.mkdir(mode=0o700)
        except OSError as error:
            raise ProverUnavailable(f"files can't be staged below {root}: {error}") from error

    def remove(self) -> None:
        """Remove the folder with its files."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()
        with contextlib.suppress(OSError):
            Path(self._lock.lock_file).unlink()

    def _sweep(self) -> None:
        for path in self._base.glob("*.lock"):
            if path.name == ".staging.lock":
                continue
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            lock.release()
            with contextlib.suppress(OSError):
                path.unlink()


class StagedFiles(OwnedFolder):
    """Copies of an artifact's files, in a folder in memory (`/dev/shm`) or of temporary files.

    Args:
        root: An existing folder.
        files: By name: a file or its content, and the SHA-256 that it must have.

    Raises:
        ArtifactError: A file is gone, or has another hash.
        ProverUnavailable: There is no room, or no permission.
    """

    def __init__(self, root: Path, files: Mapping[str, tuple[Path | bytes, str]]) -> None:
        super().__init__(root, "prover")
        try:
            for file, (content, expected) in files.items():
                self._stage(file, content, expected)
        except BaseException:
            self.remove()
            raise

    def path(self, name: str) -> str:
        """Return the path of a staged file."""
        return str(self.folder / name)

    def _stage(self, name: str, content: Path | bytes, expected: str) -> None:
        target = self.folder / name
        try:
            if isinstance(content, bytes):
                target.write_bytes(content)
            else:
                shutil.copyfile(content, target)
            with target.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise ArtifactError(f"{error.filename} is gone; restore the artifact") from error
        except OSError as error:
            raise ProverUnavailable(f"{name} can't be staged in {self.folder}: {error}") from error
        if digest != expected:
            raise ArtifactError(f"{name} changed since the artifact was loaded: its SHA-256 is not the manifest's")
