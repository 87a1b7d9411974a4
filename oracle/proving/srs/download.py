"""The download of one known file: resumed where it was cut, and kept only if its SHA-256 is the expected one.

The bytes that arrive go to `.NAME.part` beside the target. They stay there when the connection is cut or time is up, so
that the next attempt, in this process or a later one, asks for the rest only. They are removed when they can't be of
use: the hash of the whole is wrong, or the disk is full. The target is replaced by a complete file or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from tenacity import retry_if_exception_type, retry_if_not_exception_type

from oracle.core import http
from oracle.core.backoff import blocking_attempts
from oracle.core.errors import ArtifactError, SrsUnavailable
from oracle.proving.hashing import sha256_of

Progress = Callable[[int, int], None]
"""Called with the number of bytes that are there, and of all."""

_BUSY = frozenset({408, 425, 429})
_SLOWEST = 128 * 1024
_REDIRECTS = 5
_ELSEWHERE = "name another source: `oracle srs fetch --mirror URL`"


@dataclass(frozen=True, slots=True)
class Patience:
    """The rules of when to try again, and when to give up.

    Attributes:
        deadline_s: Seconds for all attempts together; None: ten minutes, and longer for large files.
        stall_s: Seconds without a byte after which a connection counts as cut.
        attempts: Attempts in a row that bring nothing.
        first_wait_s: Seconds between two attempts; doubled each time, with jitter.
        longest_wait_s: Seconds between two attempts, at most.
    """

    deadline_s: float | None = None
    stall_s: float = 30.0
    attempts: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0

    def deadline(self, size: int) -> float:
        """Return the seconds that a file of this many bytes may take."""
        return 600.0 + size / _SLOWEST if self.deadline_s is None else self.deadline_s


class _Interrupted(Exception):
    """This attempt ended before the file was complete; another one may succeed."""


class _OutOfTime(_Interrupted):
    """The deadline passed."""


def download(
    url: str,
    target: Path,
    *,
    size: int,
    sha256: str,
    patience: Patience | None = None,
    progress: Progress = lambda done, total: None,
) -> None:
    """Fetch a file whose size and hash are known. The caller holds a lock on the target.

    Args:
        url: Address of the file.
        target: The file to write.
        size: Its bytes.
        sha256: Its SHA-256, hex.
        patience: Says when to give up.
        progress: Called with the part that is there.

    Raises:
        SrsUnavailable: The server did not answer, or not in time. The bytes that arrived are kept for the next call.
        ArtifactError: The server has another file, or the file does not fit on the disk. Nothing is kept.
    """
    _Download(url, target, size, sha256, patience or Patience(), progress).run()


def without_secrets(url: str) -> str:
    """Return a URL without user, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "<unreadable URL>"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


class _Download:
    def __init__(self, url: str, target: Path, size: int, sha256: str, patience: Patience, progress: Progress) -> None:
        self._url = url
        self._shown = without_secrets(url)
        self._target = target
        self._partial = target.with_name(f".{target.name}.part")
        self._size = size
        self._sha256 = sha256
        self._patience = patience
        self._progress = progress
        self._end = time.monotonic() + patience.deadline(size)
        # Attempts in a row that brought nothing, and whether the file is of several attempts.
        self._fruitless = 0
        self._pieced = False
        self._again = False

    def run(self) -> None:
        """Make attempt after attempt, until the file is complete or patience is at its end."""
        attempts = blocking_attempts(
            retry=retry_if_exception_type(_Interrupted) & retry_if_not_exception_type(_OutOfTime),
            stop=lambda: self._fruitless >= self._patience.attempts or time.monotonic() >= self._end,
            first_s=self._patience.first_wait_s,
            last_s=self._patience.longest_wait_s,
            jitter_s=self._patience.first_wait_s,
        )
        try:
            self._check_space()
            attempts(self._attempt)
            with self._partial.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(self._partial, self._target)
        except _Interrupted as error:
            have = self._have()
            if not have:
                self._discard()
            rest = f"{have:,} of {self._size:,} bytes are kept, and the next attempt goes on from there" if have else ""
            raise SrsUnavailable(f"{self._shown}: {error}; {rest or 'nothing has arrived'}") from error
        except OSError as error:
            self._discard()
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = f"free {self._size:,} bytes there, and try again" if full else "check that it is writable"
            raise ArtifactError(
                f"{self._target.parent}: {self._target.name} can't be written ({error.strerror or error}); {remedy}"
            ) from error

    def _check_space(self) -> None:
        missing = self._size - self._have()
        if shutil.disk_usage(self._target.parent).free < missing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _attempt(self) -> None:
        before = self._have()
        try:
            http.run(self._receive(before))
        except aiohttp.TooManyRedirects as error:
            raise ArtifactError(f"{self._shown}: more than {_REDIRECTS} redirects") from error
        except aiohttp.RedirectClientError as error:
            raise ArtifactError(f"{self._shown}: a redirect to something that is no http or https URL") from error
        except aiohttp.InvalidURL as error:
            raise ArtifactError(f"{self._shown}: {http.reason(error)}") from error
        except aiohttp.ServerTimeoutError as error:
            raise self._interruption(before, f"no answer within {self._patience.stall_s:g} s") from error
        except aiohttp.ClientError as error:
            raise self._interruption(before, http.reason(error)) from error
        except _Interrupted as error:
            raise self._interruption(before, str(error)) from error
        self._check_hash()

    def _interruption(self, before: int, reason: str) -> _Interrupted:
        self._fruitless = 0 if self._have() > before else self._fruitless + 1
        if time.monotonic() >= self._end:
            return _OutOfTime(f"not complete within {self._patience.deadline(self._size):g} s")
        return _Interrupted(reason)

    async def _receive(self, have: int) -> None:
        """Ask for the missing bytes and append them."""
        if have == self._size:
            self._pieced = True
            return
        # Compressed answers are declined: their ranges would be ranges of the compressed bytes.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        patience = max(0.05, min(self._patience.stall_s, self._end - time.monotonic()))
        async with (
            http.open_session(packed=False) as session,
            session.get(
                self._url,
                headers=headers,
                # A proxy that the environment names is for the outside; a mirror on this machine is asked directly.
                proxy=None if http.is_loopback(self._url) else http.proxy_for(self._url),
                timeout=aiohttp.ClientTimeout(connect=patience, sock_read=patience),
                max_redirects=_REDIRECTS + 1,  # aiohttp counts the one that it refuses
            ) as response,
        ):
            start = self._start(response, have)
            self._pieced = start > 0
            self._progress(start, self._size)
            with self._partial.open("ab" if start else "wb") as file:
                done = start
                # Chunks as they come: bytes that wait for a larger chunk would be lost when the connection is cut.
                async for chunk in response.content.iter_any():
                    done += len(chunk)
                    if done > self._size:
                        raise self._other_file(f"has more than {self._size:,} bytes")
                    file.write(chunk)
                    self._progress(done, self._size)
                    if time.monotonic() >= self._end:
                        raise _OutOfTime("time is up")
            if done < self._size:
                raise _Interrupted(f"the answer ended after {done:,} bytes")

    def _start(self, response: aiohttp.ClientResponse, have: int) -> int:
        """Return the position in the file at which an answer begins; refuse an answer without any of the file."""
        status = response.status
        if status == 416:
            self._discard()
            raise _Interrupted("the server does not have the rest of what is here")
        if status in _BUSY or status >= 500:
            raise _Interrupted(f"HTTP {status}")
        if status not in (200, 206):
            raise ArtifactError(
                f"{self._shown}: HTTP {status}: the file is not there; name another source with --mirror"
            )
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise ArtifactError(
                f"{self._shown}: the answer is compressed, though that was declined; name another source"
            )
        start = 0
        if status == 206:
            unit, _, rest = response.headers.get("content-range", "").partition(" ")
            span, _, total = rest.partition("/")
            if total.isdecimal() and int(total) != self._size:
                raise self._other_file(f"has {int(total):,} bytes instead of {self._size:,}")
            if (unit, span.partition("-")[0]) != ("bytes", str(have)):
                self._discard()
                raise _Interrupted("the server sent another part than was asked for")
            start = have
        declared = response.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) != self._size - start:
            raise self._other_file(f"has {start + int(declared):,} bytes instead of {self._size:,}")
        return start

    def _other_file(self, how: str) -> ArtifactError:
        self._discard()
        return ArtifactError(f"what is at {self._shown} is another file: it {how}. Nothing of it is kept; {_ELSEWHERE}")

    def _check_hash(self) -> None:
        digest = sha256_of(self._partial)
        if digest == self._sha256:
            return
        self._discard()
        if self._pieced and not self._again:
            # The beginning may be of another file, or the file changed: fetch all of it once more.
            self._again = True
            raise _Interrupted("the parts together are not the file that was asked for")
        raise ArtifactError(
            f"what is at {self._shown} is another file: its SHA-256 is {digest} instead of {self._sha256}. Nothing of "
            f"it is kept; {_ELSEWHERE}"
        )

    def _have(self) -> int:
        with contextlib.suppress(OSError):
            have = self._partial.stat().st_size
            if have <= self._size:
                return have
            self._discard()
        return 0

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)
