"""Check who pushes a value: by a signature, or by a bearer token.

A push has a body, `{"value": "2345.67", "time": 1700000000}`, and proof of its sender. A signed push has three headers:

    X-Oracle-Timestamp: 1700000000      unix seconds, within the window of this machine's clock
    X-Oracle-Nonce: 3f9c…               8 to 64 letters, digits, '-' and '_', never the same twice
    X-Oracle-Signature: 9a0b…           HMAC-SHA256, hexadecimal, of POST, path, timestamp, nonce and body, a line each

The path, `/push/FEED/SOURCE`, is signed too, so a push to one feed can't be used for another. A push with a bearer
token has the header `Authorization: Bearer TOKEN` instead.

`value` is a string with a decimal number, so that no float touches it. `time` is when it was observed; without it, the
time of the signature or of the arrival counts.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import stat
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Self

from oracle.core.errors import ConfigError
from oracle.sources.push.config import PushSourceConfig

__all__ = [
    "NONCE",
    "SIGNATURE",
    "TIMESTAMP",
    "PushRefused",
    "RefusalReason",
    "SignatureCheck",
    "TokenCheck",
    "push_path",
    "read_secret",
    "signature",
]

TIMESTAMP, NONCE, SIGNATURE = "X-Oracle-Timestamp", "X-Oracle-Nonce", "X-Oracle-Signature"

MIN_SECRET = 16
"""The fewest bytes that a key or token may have."""

_SECONDS = re.compile(r"[0-9]{1,10}\Z")
_NONCE = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")


class RefusalReason(Enum):
    """The reason for which a push is refused."""

    MALFORMED = "malformed"
    NOT_AUTHENTIC = "not authentic"
    REPEATED = "repeated"
    NOT_BELIEVED = "not believed"
    TOO_MANY = "too many"


class PushRefused(Exception):
    """A push is not accepted.

    Attributes:
        why: The kind of reason.
        reason: The reason in words, for the sender.
    """

    def __init__(self, why: RefusalReason, reason: str) -> None:
        super().__init__(reason)
        self.why = why
        self.reason = reason


def push_path(feed: str, source: str) -> str:
    """Return the path to which a source's values are pushed."""
    return f"/push/{feed}/{source}"


def signature(secret: bytes, path: str, timestamp: str, nonce: str, body: bytes) -> str:
    """Return what a sender puts into `X-Oracle-Signature`."""
    message = b"\n".join([b"POST", path.encode(), timestamp.encode(), nonce.encode(), body])
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def read_secret(path: Path, what: str) -> bytes:
    """Return the key or token in a file that only its owner can read, without blanks around it.

    Args:
        path: The file.
        what: What the file is called in messages.

    Raises:
        ConfigError: The file is missing or short, or others may read it. The message does not show the secret.
    """
    try:
        mode = path.stat().st_mode
        secret = path.read_bytes().strip()
    except FileNotFoundError:
        raise ConfigError(f"{what} {path}: no such file; make one with `openssl rand -hex 32`, mode 0600") from None
    except OSError as error:
        raise ConfigError(f"{what} {path}: can't be read: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{what} {path}: others may read it; run `chmod 600 {path}`, and make a new secret")
    if len(secret) < MIN_SECRET:
        raise ConfigError(f"{what} {path}: has {len(secret)} bytes; a secret has {MIN_SECRET} at least")
    return secret


class TokenCheck:
    """A check of bearer tokens. They are compared in constant time."""

    def __init__(self, token: bytes, now: Callable[[], float]) -> None:
        self._expected = b"Bearer " + token
        self._now = now

    @classmethod
    def of(cls, config: PushSourceConfig, now: Callable[[], float]) -> Self:
        """Return the check of the token in `token_file`. Raises as `read_secret`."""
        assert config.token_file is not None
        return cls(read_secret(config.token_file, "token_file"), now)

    def check(self, headers: Mapping[str, str], body: bytes) -> int:
        """Return when an authentic push arrived, unix seconds.

        Raises:
            PushRefused: The push is not authentic.
        """
        given = headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._expected):
            raise PushRefused(RefusalReason.NOT_AUTHENTIC, "the bearer token is missing or wrong")
        return int(self._now())


class SignatureCheck:
    """A check of signatures, each of which counts once.

    A push that was signed before this process began is refused, because the nonces of that time are forgotten.
    """

    def __init__(self, key: bytes, path: str, window: int, now: Callable[[], float]) -> None:
        self._key = key
        self._path = path
        self._window = window
        self._now = now
        self._began = int(now())
        self._seen: dict[str, int] = {}

    @classmethod
    def of(cls, config: PushSourceConfig, path: str, now: Callable[[], float]) -> Self:
        """Return the check of signatures with the key in `key_file`. Raises as `read_secret`."""
        assert config.key_file is not None
        return cls(read_secret(config.key_file, "key_file"), path, config.window, now)

    def check(self, headers: Mapping[str, str], body: bytes) -> int:
        """Return when an authentic push was signed, unix seconds.

        Raises:
            PushRefused: The push is not authentic, or was accepted before.
        """
        timestamp, nonce = headers.get(TIMESTAMP, ""), headers.get(NONCE, "")
        if not _SECONDS.match(timestamp) or not _NONCE.match(nonce):
            raise PushRefused(RefusalReason.NOT_AUTHENTIC, f"{TIMESTAMP} or {NONCE} is missing or malformed")
        given = headers.get(SIGNATURE, "").lower().encode("utf-8", "surrogateescape")
        # The signature comes first: without the key, nobody learns about clocks and nonces, or fills the memory.
        if not hmac.compare_digest(given, signature(self._key, self._path, timestamp, nonce, body).encode()):
            raise PushRefused(RefusalReason.NOT_AUTHENTIC, f"{SIGNATURE} is missing or wrong")
        at, now = int(timestamp), int(self._now())
        if abs(now - at) > self._window:
            raise PushRefused(
                RefusalReason.NOT_AUTHENTIC, f"it was signed {now - at} s ago; at most {self._window} s are allowed"
            )
        if at < self._began:
            raise PushRefused(RefusalReason.NOT_AUTHENTIC, "it was signed before this daemon began; sign it again")
        self._seen = {known: until for known, until in self._seen.items() if until >= now}
        if nonce in self._seen:
            raise PushRefused(RefusalReason.REPEATED, "this nonce was used already")
        self._seen[nonce] = at + self._window
        return at
