"""The operations of the claims service, once for its server and once for OpenAPI: they can't disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from oracle.claims.service.documents import (
    ClaimRequest,
    ErrorDocument,
    JobDocument,
    ModelsDocument,
    ServiceDocument,
)

__all__ = ["OPERATIONS", "Admission", "Operation"]


class Admission(StrEnum):
    """The callers that an operation is for."""

    ANYONE = "anyone"
    CALLER = "a caller with a token, or whoever has an attestation and its data"
    OWNER = "the caller of the job: with the caller's token, or the job's own key"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        name: Its name, by which the server knows the handler.
        method: The HTTP method.
        path: The path, with names in braces.
        summary: One line on it.
        admission: Who may use it.
        body: The document of the request's body; None: it has none.
        answers: By status: the document of the body, or None, and when it is given.
        streams: True if the answer of 200 is a stream of events that have the document.
    """

    name: str
    method: str
    path: str
    summary: str
    admission: Admission
    answers: Mapping[int, tuple[type[ServiceDocument] | None, str]]
    body: type[ServiceDocument] | None = None
    streams: bool = field(default=False)


_MANY: tuple[type[ServiceDocument], str] = (ErrorDocument, "There are too many requests: see `Retry-After`.")
_NONE: tuple[type[ServiceDocument], str] = (ErrorDocument, "There is no such job, or none of this caller.")

OPERATIONS = (
    Operation(
        "models",
        "GET",
        "/v1/models",
        "The served models, with the JSON Schema of their inputs.",
        Admission.ANYONE,
        {200: (ModelsDocument, "The models."), 429: _MANY},
    ),
    Operation(
        "submit",
        "POST",
        "/v1/claims",
        "Ask for a claim to be proven. The data is kept until the job ends, in memory alone.",
        Admission.CALLER,
        {
            202: (JobDocument, "The job was taken. `Location` is its path."),
            400: (ErrorDocument, "The body is not JSON, or not this document."),
            401: (ErrorDocument, "There is neither a known token nor an attestation."),
            403: (ErrorDocument, "The attestation is not of a trusted issuer, or not of this data."),
            408: (ErrorDocument, "The body did not arrive in time."),
            413: (ErrorDocument, "The body is too large."),
            422: (ErrorDocument, "The inputs or bounds are not the model's, or the attestation is for another claim."),
            429: (ErrorDocument, "The caller has asked too often, or has too many jobs under way."),
            503: (ErrorDocument, "The queue is full, or the service is about to end."),
        },
        body=ClaimRequest,
    ),
    Operation(
        "show",
        "GET",
        "/v1/claims/{id}",
        "A job as it is now, with its claim once that is proven.",
        Admission.OWNER,
        {200: (JobDocument, "The job."), 404: _NONE, 429: _MANY},
    ),
    Operation(
        "watch",
        "GET",
        "/v1/claims/{id}/events",
        "The job's states as server-sent events, each the whole job; the last is its end. A stream may end before: "
        "open it again.",
        Admission.OWNER,
        {200: (JobDocument, "The events."), 404: _NONE, 429: _MANY},
        streams=True,
    ),
    Operation(
        "cancel",
        "DELETE",
        "/v1/claims/{id}",
        "Cancel a job that is under way, and forget it with its claim.",
        Admission.OWNER,
        {204: (None, "It is gone."), 404: _NONE, 429: _MANY},
    ),
    Operation(
        "health",
        "GET",
        "/healthz",
        "Says that the service answers.",
        Admission.ANYONE,
        {204: (None, "It does."), 429: _MANY},
    ),
)
