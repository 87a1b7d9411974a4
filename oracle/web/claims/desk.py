"""The interface of what serves claims behind HTTP, and the ways in which it refuses."""

from __future__ import annotations

from typing import Protocol

from oracle.claims.service.documents import ClaimRequest, ModelsDocument
from oracle.claims.service.jobs import Job

__all__ = ["ClaimDesk", "ClaimEvents", "NotAdmitted", "OverQuota"]


class NotAdmitted(Exception):
    """The attestation admits nobody, or there is none and the caller has no token. The message says which."""


class OverQuota(Exception):
    """The caller has asked for as many claims as one may in a day."""


class ClaimDesk(Protocol):
    """Takes claims to be proven, and has them proven one after the other."""

    def models(self) -> ModelsDocument:
        """Return the served models."""
        ...

    async def submit(self, request: ClaimRequest, caller: str | None) -> Job:
        """Take a claim to be proven.

        Args:
            request: The claim.
            caller: The caller's name; None: without a token, so that the request's attestation has to admit it.

        Raises:
            DataError: The request fits no model, or no rule. Nothing was taken.
            NotAdmitted, OverQuota, NoRoom, TooManyJobs, Stopping: It is not taken now, or not from this caller.
        """
        ...

    def find(self, name: str) -> Job | None:
        """Return a job by its id; None if there is none, or none any more."""
        ...

    def ahead(self, job: Job) -> int:
        """Return how many jobs are served before one that waits."""
        ...

    def collect(self, job: Job) -> None:
        """Note that its caller has seen a job, and how it ended if it has."""
        ...

    def cancel(self, job: Job) -> None:
        """End a job that is under way, and forget it with all that it has."""
        ...


class ClaimEvents:
    """Hears of requests; override what is of interest. Must not raise."""

    def refused(self, status: int) -> None:
        """A request was refused with this status."""
