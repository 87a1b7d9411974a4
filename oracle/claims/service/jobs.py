"""The jobs of the claims service: their states, who may see them, and how many there may be.

A job has somebody's data until it ends, and not a moment longer: `Job.end` drops it. What stays for a while is the
claim, which is public. All of it is in memory, and used from one event loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from oracle.claims.attestation import Attested
from oracle.claims.proof import ClaimProof
from oracle.claims.service.documents import ClaimRequest, JobDocument, JobState

__all__ = ["Job", "JobBook", "NoRoom", "PrivatePart", "Stopping", "TooManyJobs"]

_ID_BYTES = 24
_KEY_BYTES = 32


class NoRoom(Exception):
    """The queue is full: the service takes no further job now."""


class TooManyJobs(Exception):
    """The caller has as many jobs under way as one may have."""


class Stopping(Exception):
    """The service is about to end, and takes no further job."""


@dataclass(frozen=True, slots=True, repr=False)
class PrivatePart:
    """The private part of a job."""

    request: ClaimRequest
    subject: str
    attested: Attested | None


@dataclass(eq=False, repr=False)
class Job:
    """A claim that somebody asked for.

    Attributes:
        id: A random name, which nobody can guess.
        caller: Who asked: the name of a caller with a token, or "subject 0x…", which is no such name.
        model: The model's name.
        private: The caller's data; None once the job has ended.
        asked_at: Unix seconds.
        state: The present state.
        is_collected: True once its caller has seen how it ended.
        key: The bearer token of this job alone, until it was given to the caller; None if the caller has a token.
    """

    caller: str
    model: str
    private: PrivatePart | None
    asked_at: float
    has_key: bool = False
    id: str = field(default_factory=lambda: secrets.token_urlsafe(_ID_BYTES))
    state: JobState = JobState.WAITING
    reason: str = ""
    claim: ClaimProof | None = None
    seconds: float | None = None
    ended_at: float | None = None
    kept_until: float | None = None
    is_collected: bool = False
    watchers: int = 0
    key: str | None = field(init=False, default=None)
    _key_hash: bytes | None = field(init=False, default=None)
    _changed: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        if self.has_key:
            self.key = secrets.token_urlsafe(_KEY_BYTES)
            self._key_hash = _digest(self.key.encode())

    @property
    def short(self) -> str:
        """A name for the log, from which the id can't be found."""
        return _digest(self.id.encode()).hex()[:12]

    def fits(self, key: bytes) -> bool:
        """Return True if this is the job's own key. The time that it takes tells nothing of it."""
        return self._key_hash is not None and hmac.compare_digest(self._key_hash, _digest(key))

    def moves(self, state: JobState) -> None:
        """Go on to a state that is not the end."""
        self.state = state
        self.tell()

    def end(self, state: JobState, reason: str = "", claim: ClaimProof | None = None) -> None:
        """End the job, and drop the data. A job that has ended stays as it is."""
        if self.state.is_end:
            return
        self.private = None
        self.state, self.reason, self.claim = state, reason, claim
        self.tell()

    def tell(self) -> None:
        """Wake those who wait for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def change(self) -> asyncio.Event:
        """Return the event of the next change."""
        return self._changed

    def document(self, ahead: int, *, with_key: bool = False) -> JobDocument:
        """Return the job as its caller sees it.

        Args:
            ahead: Jobs that are served before it.
            with_key: True to tell the job's key, which happens once.
        """
        return JobDocument(
            id=self.id,
            model=self.model,
            state=self.state,
            ahead=ahead,
            reason=self.reason,
            asked_at=int(self.asked_at),
            ended_at=None if self.ended_at is None else int(self.ended_at),
            kept_until=None if self.kept_until is None else int(self.kept_until),
            seconds=self.seconds,
            claim=None if self.claim is None else self.claim.document(),
            key=self.key if with_key else None,
        )


class JobBook:
    """All jobs that the service knows: those under way, and those that ended a while ago at most.

    Args:
        queue: Jobs that may wait.
        workers: Jobs that are worked on at once.
        per_caller: Jobs of one caller that may be under way.
        keep_s: Seconds for which an ended job is kept.
        most_kept: Ended jobs that are kept at most. The oldest go first, of the caller who has the most.
        clock: Unix seconds.
    """

    def __init__(
        self,
        *,
        queue: int,
        workers: int,
        per_caller: int,
        keep_s: float,
        most_kept: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._most_open = queue + workers
        self._per_caller = per_caller
        self._keep_s = keep_s
        self._most_kept = most_kept
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._stopping = False
        self._moved = asyncio.Event()

    def require_room(self, caller: str) -> None:
        """Check that a caller may add a job.

        Raises:
            Stopping, TooManyJobs, NoRoom: It may not.
        """
        if self._stopping:
            raise Stopping
        found = list(self.open())
        if sum(each.caller == caller for each in found) >= self._per_caller:
            raise TooManyJobs
        if len(found) >= self._most_open:
            raise NoRoom

    def add(self, job: Job) -> None:
        """Take a new job. Raises as `require_room`."""
        self.require_room(job.caller)
        self._jobs[job.id] = job

    def begins(self, job: Job) -> None:
        """Note that a worker has a job: those behind it come nearer."""
        job.moves(JobState.CHECKING)
        self._tell_waiting()

    def end(self, job: Job, state: JobState, reason: str = "", claim: ClaimProof | None = None) -> None:
        """End a job, and forget one of those that ended if there are too many: see `most_kept`."""
        if job.state.is_end:
            return
        job.ended_at = self._clock()
        job.kept_until = job.ended_at + self._keep_s
        job.end(state, reason, claim)
        self._moves()
        self._tell_waiting()
        while len(ended := [each for each in self._jobs.values() if each.state.is_end]) > self._most_kept:
            # Refusals take milliseconds: whoever asks for many must not have others' claims forgotten.
            kept = Counter(each.caller for each in ended)
            crowd = (each for each in ended if kept[each.caller] == max(kept.values()))
            self.forget(min(crowd, key=lambda each: each.ended_at or 0))

    def collect(self, job: Job) -> None:
        """Note that its caller has seen a job, and how it ended if it has."""
        job.is_collected = job.state.is_end
        self._moves()

    def forget(self, job: Job) -> None:
        """Forget an ended job, with its claim."""
        job.claim = None
        self._jobs.pop(job.id, None)
        self._moves()

    def expire(self) -> None:
        """Forget the jobs whose time is over."""
        now = self._clock()
        for each in list(self._jobs.values()):
            if each.kept_until is not None and each.kept_until <= now:
                self.forget(each)

    def find(self, name: str) -> Job | None:
        """Return a job by its id; None if there is none, or none any more."""
        self.expire()
        return self._jobs.get(name)

    def open(self) -> Iterator[Job]:
        """Return the jobs that have not ended."""
        return (each for each in self._jobs.values() if not each.state.is_end)

    def ahead(self, job: Job) -> int:
        """Return how many jobs are served before one that waits; 0 if it does not wait."""
        if job.state is not JobState.WAITING:
            return 0
        waiting = [each for each in self._jobs.values() if each.state is JobState.WAITING]
        return waiting.index(job) if job in waiting else 0

    def counts(self) -> tuple[int, int, int]:
        """Return how many jobs wait, are worked on, and are kept after their end."""
        waiting = sum(each.state is JobState.WAITING for each in self._jobs.values())
        kept = sum(each.state.is_end for each in self._jobs.values())
        return waiting, len(self._jobs) - waiting - kept, kept

    def stop(self) -> None:
        """Take no further job."""
        self._stopping = True

    @property
    def is_stopping(self) -> bool:
        """True once no further job is taken."""
        return self._stopping

    async def until_done(self) -> None:
        """Wait until all jobs have ended and their callers know how."""
        while not all(each.state.is_end and each.is_collected for each in self._jobs.values()):
            await self._moved.wait()

    def _moves(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _tell_waiting(self) -> None:
        for each in self._jobs.values():
            if each.state is JobState.WAITING:
                each.tell()


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
