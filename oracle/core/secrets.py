"""Keys and tokens in files that only their owner can read, read again when the files change."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import structlog

from oracle.core.errors import ConfigError
from oracle.core.trust import stamp

__all__ = ["MIN_SECRET", "SecretFile"]

log = structlog.get_logger(__name__)

MIN_SECRET = 16
"""The fewest bytes that a key or token may have."""

_LARGEST = 64 << 10
"""The most bytes of a file that are read."""

_NO_WAITING = getattr(os, "O_NONBLOCK", 0)
"""The option with which a pipe that nobody writes to does not hold up everything."""


class SecretFile:
    """A key or a token in a file, without blanks around it.

    Args:
        path: The file.
        name: The key of the configuration that names the file, for messages.

    Raises:
        ConfigError: The file is missing or short, or others may read it. The message does not show the secret.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._stamp = stamp(path)
        self._secret: bytes | None = self._read()

    def value(self) -> bytes | None:
        """Return what is in the file now; None while it can't be used: a secret that was taken away opens nothing."""
        found = stamp(self._path)
        if found != self._stamp:
            self._stamp = found
            try:
                self._secret = self._read()
                log.info("secret read again", file=str(self._path))
            except ConfigError as error:
                self._secret = None
                log.error("secret can't be used, and nothing is accepted with it", reason=str(error))
        return self._secret

    def _read(self) -> bytes:
        where = f"{self._name} {self._path}"
        try:
            # The file that is read is the one that is looked at: meanwhile, another may get its name.
            with open(os.open(self._path, os.O_RDONLY | _NO_WAITING), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise ConfigError(f"{where}: is not a file")
                secret = file.read(_LARGEST).strip()
        except FileNotFoundError:
            raise ConfigError(f"{where}: no such file; make one with `openssl rand -hex 32`, mode 0600") from None
        except OSError as error:
            raise ConfigError(f"{where}: can't be read: {error.strerror}") from None
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise ConfigError(f"{where}: others may read it; run `chmod 600 {self._path}`, and make a new secret")
        if len(secret) < MIN_SECRET:
            raise ConfigError(f"{where}: has {len(secret)} bytes; a secret has {MIN_SECRET} at least")
        return secret
