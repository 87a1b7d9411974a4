"""Certificates of other machines: the authorities that vouch for them, read again when their files change."""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from oracle.core.errors import ConfigError

__all__ = ["FileStamp", "Trust", "stamp"]

log = structlog.get_logger(__name__)

FileStamp = tuple[int, ...] | None
"""The signs by which a file is known to be another one: inode, size, times of change. None: it is not there."""


class Trust:
    """The authorities that are trusted for https.

    Args:
        ca_file: PEM file with their certificates. None: those of the system.
        name: The key of the configuration that names the file, for messages.

    Raises:
        ConfigError: The file can't be read, or has no certificate.
    """

    def __init__(self, ca_file: Path | None = None, name: str = "ca_file") -> None:
        self._ca_file = ca_file
        self._name = name
        self._stamps: tuple[FileStamp, ...] = ()
        self._context: ssl.SSLContext | None = None
        if ca_file is not None:
            self._renew(self._now())

    @property
    def context(self) -> ssl.SSLContext:
        """The context for the next connection. If a changed file can't be read, the authorities in use stay."""
        stamps = self._now()
        if self._context is None:
            return self._renew(stamps)
        if stamps == self._stamps:
            return self._context
        self._stamps = stamps
        try:
            self._renew(stamps)
            log.info("trusted authorities read again", file=str(self._ca_file or "the system's"))
        except ConfigError as error:
            log.error("trusted authorities not read again", reason=str(error))
        return self._context

    def _renew(self, stamps: tuple[FileStamp, ...]) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
        except ssl.SSLError:
            raise ConfigError(f"{self._name} {self._ca_file}: is not a PEM file of certificates") from None
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(f"{self._name} {self._ca_file}: can't be read: {reason}") from None
        self._context, self._stamps = context, stamps
        return context

    def _now(self) -> tuple[FileStamp, ...]:
        if self._ca_file is not None:
            return (stamp(self._ca_file),)
        paths = ssl.get_default_verify_paths()
        return tuple(stamp(Path(each)) for each in (paths.cafile, paths.capath) if each)


def stamp(path: Path) -> FileStamp:
    """Return the signs by which a changed file is noticed; None if it can't be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
