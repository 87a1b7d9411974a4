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
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Self

from oracle.core.secrets import SecretFile
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
    "signature",
]

TIMESTAMP, NONCE, SIGNATURE = "X-Oracle-Timestamp", "X-Oracle-Nonce", "X-Oracle-Signature"

_SECONDS = re.compile(r"[0-9]{1,10}\Z")
_NONCE = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")


class RefusalReason(Enum):
    """The reason for which a push is refused."""

    MALFORMED = "malformed"
    NOT_AUTHENTIC = "not authentic"
    REPEATED = "repeated"
    NOT_BELIEVED = "not believed"
    TOO_MANY = "too many"
    NO_SECRET = "no secret"


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


class TokenCheck:
    """A check of bearer tokens. They are compared in constant time."""

    def __init__(self, token: SecretFile, now: Callable[[], float]) -> None:
        self._token = token
        self._now = now

    @classmethod
    def of(cls, config: PushSourceConfig, now: Callable[[], float]) -> Self:
        """Return the check of the token in `token_file`. Raises as `SecretFile`."""
        assert config.token_file is not None
        return cls(SecretFile(config.token_file, "token_file"), now)

    def check(self, headers: Mapping[str, str], body: bytes) -> int:
        """Return when an authentic push arrived, unix seconds.

        Raises:
            PushRefused: The push is not authentic, or there is no token now.
        """
        expected = b"Bearer " + _present(self._token)
        given = headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected):
            raise PushRefused(RefusalReason.NOT_AUTHENTIC, "the bearer token is missing or wrong")
        return int(self._now())


class SignatureCheck:
    """A check of signatures, each of which counts once.

    A push that was signed before this process began is refused, because the nonces of that time are forgotten.
    """

    def __init__(self, key: SecretFile, path: str, window: int, now: Callable[[], float]) -> None:
        self._key = key
        self._path = path
        self._window = window
        self._now = now
        self._began = int(now())
        self._seen: dict[str, int] = {}

    @classmethod
    def of(cls, config: PushSourceConfig, path: str, now: Callable[[], float]) -> Self:
        """Return the check of signatures with the key in `key_file`. Raises as `SecretFile`."""
        assert config.key_file is not None
        return cls(SecretFile(config.key_file, "key_file"), path, config.window, now)

    def check(self, headers: Mapping[str, str], body: bytes) -> int:
        """Return when an authentic push was signed, unix seconds.

        Raises:
            PushRefused: The push is not authentic, or was accepted before; or there is no key now.
        """
        timestamp, nonce = headers.get(TIMESTAMP, ""), headers.get(NONCE, "")
        if not _SECONDS.match(timestamp) or not _NONCE.match(nonce):
            raise PushRefused(RefusalReason.NOT_AUTHENTIC, f"{TIMESTAMP} or {NONCE} is missing or malformed")
        given = headers.get(SIGNATURE, "").lower().encode("utf-8", "surrogateescape")
        # The signature comes first: without the key, nobody learns about clocks and nonces, or fills the memory.
        key = _present(self._key)
        if not hmac.compare_digest(given, signature(key, self._path, timestamp, nonce, body).encode()):
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


def _present(secret: SecretFile) -> bytes:
    """Return a secret as it is now. Raises: PushRefused if it can't be used."""
    found = secret.value()
    if found is None:
        raise PushRefused(RefusalReason.NO_SECRET, "this source's secret can't be read now; its operator has to look")
    return found
