"""The files of a new folder: none is overwritten, and all go away again if something fails."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from oracle.config.explain import tell
from oracle.core.errors import ConfigError

__all__ = ["NewFiles"]


@dataclass
class NewFiles:
    """The files of a new folder. As a context manager, it removes what it has written if something fails.

    Attributes:
        path: The folder.
        written: The files that were written.
        kept: The files that were there already, with the same content.
    """

    path: Path
    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    _made: list[Path] = field(default_factory=list)

    def __enter__(self) -> NewFiles:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            return
        for path in self.written:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def inside(self, name: str) -> NewFiles:
        """Return the files of a folder in this one. They go away with this one's."""
        return replace(self, path=self.path / name)

    def add(self, name: Path, text: str) -> bool:
        """Write a file, unless it is there with the same content. Return True if it is.

        Raises:
            ConfigError: It is there with other content, or can't be written.
        """
        return self._write(self.path / name, text.encode(), 0o666)

    def secret(self, name: Path, text: str) -> bool:
        """Write a file that only its owner can read. See `add`."""
        return self._write(self.path / name, text.encode(), 0o600)

    def copy(self, source: Path, name: Path) -> bool:
        """Copy a file, with who may read it. See `add`."""
        try:
            content, mode = source.read_bytes(), source.stat().st_mode & 0o777
        except OSError as error:
            raise ConfigError(f"{source}: can't be read: {error}") from None
        return self._write(self.path / name, content, mode)

    def _write(self, path: Path, content: bytes, mode: int) -> bool:
        try:
            if path.exists():
                if path.read_bytes() == content:
                    self.kept.append(path)
                    return True
                self.refuse([path])
            self._make(path.parent, 0o777 if mode & 0o077 else 0o700)
            self.written.append(path)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
        except OSError as error:
            raise ConfigError(f"{path}: can't be written: {error.strerror or error}") from None
        return False

    def refuse(self, paths: Sequence[Path]) -> None:
        """Refuse to go on if any of these files is there.

        Raises:
            ConfigError: One is.
        """
        there = [f"{path}: is there already, with other content" for path in paths if path.exists()]
        if there:
            raise ConfigError(f"{tell(there)}. `oracle init` overwrites nothing: name another folder, or remove it")

    @contextlib.contextmanager
    def making(self, paths: Sequence[Path]) -> Iterator[None]:
        """Take note of files that the caller writes."""
        self._make(paths[0].parent)
        self.written.extend(paths)
        yield

    def _make(self, folder: Path, mode: int = 0o777) -> None:
        """Make a folder that is missing, and those above it. The mode is that of the last one."""
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(mode if each == folder else 0o777)
            self._made.append(each)
