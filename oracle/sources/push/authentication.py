"""Who may push a value: signatures and bearer tokens.

A push is a body, `{"value": "2345.67", "time": 1700000000}`, with proof of where it comes from. Signed:

    X-Oracle-Timestamp: 1700000000      unix seconds, within the window of this machine's clock
    X-Oracle-Nonce: 3f9c…               8 to 64 letters, digits, '-' and '_', never the same twice
    X-Oracle-Signature: 9a0b…           HMAC-SHA256, hexadecimal, of POST, path, timestamp, nonce and body, a line each

or with a bearer token. The path, `/push/FEED/SOURCE`, is signed too, so a push to one feed is none to another. `value`
is a string: a decimal number as it is meant, which no float has touched. `time` is when it was observed; without it,
when the push was signed or arrived.
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
"""Bytes that a key or token has at least."""

_SECONDS = re.compile(r"[0-9]{1,10}\Z")
_NONCE = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")


class RefusalReason(Enum):
    """Why a push is refused."""

    MALFORMED = "malformed"
    NOT_AUTHENTIC = "not authentic"
    REPEATED = "repeated"
    NOT_BELIEVED = "not believed"
    TOO_MANY = "too many"


class PushRefused(Exception):
    """A push that is not taken; the reason is for its sender."""

    def __init__(self, why: RefusalReason, reason: str) -> None:
        super().__init__(reason)
        self.why = why
        self.reason = reason


def push_path(feed: str, source: str) -> str:
    """Where a source's values are pushed to."""
    return f"/push/{feed}/{source}"


def signature(secret: bytes, path: str, timestamp: str, nonce: str, body: bytes) -> str:
    """What a sender puts into `X-Oracle-Signature`."""
    message = b"\n".join([b"POST", path.encode(), timestamp.encode(), nonce.encode(), body])
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def read_secret(path: Path, what: str) -> bytes:
    """The key or token in a file, which its owner alone may read; blanks around it do not count.

    Raises:
        ConfigError: It is missing, short, or others may read it. The message does not have it.
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
    """A bearer token, compared in constant time."""

    def __init__(self, token: bytes, now: Callable[[], float]) -> None:
        self._expected = b"Bearer " + token
        self._now = now

    @classmethod
    def of(cls, config: PushSourceConfig, now: Callable[[], float]) -> Self:
        assert config.token_file is not None
        return cls(read_secret(config.token_file, "token_file"), now)

    def check(self, headers: Mapping[str, str], body: bytes) -> int:
        """When it was sent, unix seconds. Raises: PushRefused."""
        given = headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._expected):
            raise PushRefused(RefusalReason.NOT_AUTHENTIC, "the bearer token is missing or wrong")
        return int(self._now())


class SignatureCheck:
    """Signatures, each of which counts once.

    What was signed before this process began is refused, as the nonces of then are forgotten.
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
        assert config.key_file is not None
        return cls(read_secret(config.key_file, "key_file"), path, config.window, now)

    def check(self, headers: Mapping[str, str], body: bytes) -> int:
        """When it was signed, unix seconds. Raises: PushRefused."""
        timestamp, nonce = headers.get(TIMESTAMP, ""), headers.get(NONCE, "")
        if not _SECONDS.match(timestamp) or not _NONCE.match(nonce):
            raise PushRefused(RefusalReason.NOT_AUTHENTIC, f"{TIMESTAMP} or {NONCE} is missing or malformed")
        given = headers.get(SIGNATURE, "").lower().encode("utf-8", "surrogateescape")
        # First of all: nobody without the key learns anything about clocks and nonces, or fills the memory.
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
