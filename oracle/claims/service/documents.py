"""The documents of the claims service, for both ends: requests are checked by them, and OpenAPI describes them.

No error about a document repeats a value of it: data and salts are private, and errors get into logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr, ValidationError

from oracle.claims.client import Earlier
from oracle.claims.constraints import Constraints, constraints_document, constraints_of
from oracle.claims.models import ClaimFeature, ModelSpec
from oracle.claims.statement import SALT_BITS, SALT_LIMBS
from oracle.core.errors import DataError
from oracle.core.formats import one_line

__all__ = [
    "ClaimRequest",
    "ConstraintDocument",
    "EarlierDocument",
    "ErrorDocument",
    "JobDocument",
    "JobState",
    "ModelDocument",
    "ModelsDocument",
    "OutputDocument",
    "ServiceDocument",
    "read_document",
    "schema_of",
]

_MOST_FEATURES = 4_096
_LONGEST_TEXT = 1_000


class ServiceDocument(BaseModel):
    """The base of all documents: frozen, without unknown keys, without conversions between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


Document = TypeVar("Document", bound=ServiceDocument)

_Text = Annotated[StrictStr, Field(max_length=_LONGEST_TEXT)]


_Inputs = Annotated[dict[_Text, StrictInt | StrictFloat | _Text], Field(max_length=_MOST_FEATURES)]


def _drawn(limbs: list[int]) -> list[int]:
    """Refuse zeros, and whatever else fills a place: who guesses the salt finds the data behind a commitment."""
    if len(set(limbs)) == 1:
        raise ValueError("its numbers are all the same: draw each at random")
    return limbs


_Salt = Annotated[
    list[Annotated[StrictInt, Field(ge=0, lt=1 << SALT_BITS)]],
    Field(min_length=SALT_LIMBS, max_length=SALT_LIMBS),
    AfterValidator(_drawn),
]


class OutputDocument(ServiceDocument):
    """The claim about one output: bounds, both included, or classes by name or number; bounds of a change; or both."""

    at_least: float | None = Field(None, description="The lower bound, in the model's own units.")
    at_most: float | None = Field(None, description="The upper bound, in the model's own units.")
    classes: list[StrictInt | _Text] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="The class, or several that follow each other, of a model with classes.",
    )
    change: list[float] | None = Field(
        None, min_length=2, max_length=2, description="The least and the largest change of the output since `earlier`."
    )


class ConstraintDocument(OutputDocument):
    """The claim: about the model's only output, or about some of several by their names."""

    outputs: dict[_Text, OutputDocument] | None = Field(None, min_length=1, max_length=64)

    @staticmethod
    def of(told: Constraints) -> ConstraintDocument:
        """Return constraints as a document."""
        return read_document(ConstraintDocument, constraints_document(told))

    def constraints(self, spec: ModelSpec) -> Constraints:
        """Return the constraints, for a model that knows its classes' numbers.

        Raises:
            DataError: They are none, or the model has no such class.
        """
        return constraints_of(self.model_dump(exclude_none=True), spec.classes)


class EarlierDocument(ServiceDocument):
    """Earlier data of the same subject, from which changes are measured. They are as private as the others."""

    inputs: _Inputs = Field(repr=False)
    salt: _Salt = Field(repr=False, description="The salt of the commitment that the earlier claim rests on.")
    attestation: dict[str, Any] | None = Field(
        None, description="The issuer's attestation of them. Without a token, it is needed. It may have expired."
    )

    def data(self) -> Earlier:
        """Return the data as the client takes them."""
        return Earlier(self.inputs, tuple(self.salt))


class ClaimRequest(ServiceDocument):
    """A claim to be proven. Inputs and salt are private: the service needs them, and keeps them until the job ends."""

    model: _Text = Field(description="The name of a served model; `/v1/models` has them.")
    inputs: _Inputs = Field(
        repr=False,
        description="The value of each feature by name; the model's document has their JSON Schema.",
    )
    salt: _Salt = Field(
        repr=False,
        description=f"The salt of the commitment: {SALT_LIMBS} random integers of {SALT_BITS} bits. The issuer drew "
        "it, or, without an attestation, the caller. The service never draws one.",
    )
    constraint: ConstraintDocument
    earlier: EarlierDocument | None = Field(None, description="For changes alone.")
    subject: _Text | None = Field(None, description="Address of the claim's owner; default: the attestation's.")
    expires_at: Annotated[int, Field(gt=0, lt=1 << 40)] | None = Field(
        None,
        description="Unix seconds until which the claim is valid; default: as long as the attestation, or 30 days.",
    )
    attestation: dict[str, Any] | None = Field(
        None,
        description="An issuer's attestation of the commitment, as `oracle claim attest` writes it. With one of a "
        "trusted issuer, no token is needed.",
    )

    def salt_limbs(self) -> tuple[int, ...]:
        """Return the salt as the client takes it."""
        return tuple(self.salt)


class JobState(StrEnum):
    """The states of a job. Each job ends in one of the last four."""

    WAITING = "waiting"
    CHECKING = "checking"
    PROVING = "proving"
    PROVEN = "proven"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """True if nothing comes after it."""
        return self in (JobState.PROVEN, JobState.REFUSED, JobState.FAILED, JobState.CANCELLED)


class JobDocument(ServiceDocument):
    """A job, as its caller sees it. Nothing of it is private but, of a caller without a token, `key`."""

    id: str = Field(description="The job's name in URLs.")
    model: str
    state: JobState = Field(
        description="`refused`: the claim does not hold, so nothing can be proven. `failed`: nothing is known of it."
    )
    ahead: int = Field(0, description="Jobs that are served before this one, while it waits.")
    reason: str = Field("", description="Why it was refused, failed or cancelled.")
    asked_at: int = Field(description="Unix seconds.")
    ended_at: int | None = Field(None, description="Unix seconds.")
    kept_until: int | None = Field(None, description="Unix seconds at which an ended job is forgotten.")
    seconds: float | None = Field(None, description="Seconds that the proof took.")
    claim: dict[str, Any] | None = Field(
        None, description="The proven claim, as `oracle claim submit` takes it. All of it is public."
    )
    key: str | None = Field(
        None,
        repr=False,
        description="Only in the answer to a request without a token: the bearer token of this job alone.",
    )


class ModelDocument(ServiceDocument):
    """A served model, without its weights."""

    name: str
    model_id: str = Field(description="The model's id in `ClaimRegistry`, hexadecimal.")
    model_hash: str = Field(description="The Poseidon hash of the weights, hexadecimal.")
    classes: list[str] = Field(description="The names of its classes; empty if its output is a number.")
    outputs: list[str] = Field(description="The names of its outputs; empty if it has one.")
    changes: bool = Field(description="True if claims can be about changes since earlier data.")
    is_probability: bool = Field(description="True if its output is a probability, and so are bounds.")
    guard_band: str = Field(
        "", description="How near a bound nothing can be proven, in words; empty if the model is exact."
    )
    inputs: dict[str, Any] = Field(description="The JSON Schema of `inputs`.")


class ModelsDocument(ServiceDocument):
    """All served models."""

    models: list[ModelDocument]


class ErrorDocument(ServiceDocument):
    """The body of an answer that is no success."""

    error: str = Field(description="What is wrong, and what to do.")


def schema_of(features: tuple[ClaimFeature, ...]) -> dict[str, Any]:
    """Return the JSON Schema of a model's features, as `claim_model` takes it."""
    properties: dict[str, Any] = {}
    for each in features:
        if each.categories:
            properties[each.name] = {"enum": list(each.categories)}
        else:
            kind = "integer" if each.whole else "number"
            properties[each.name] = {"type": kind, "minimum": each.low, "maximum": each.high}
    return {
        "type": "object",
        "properties": properties,
        "required": [each.name for each in features],
        "additionalProperties": False,
    }


def read_document(kind: type[Document], value: Any) -> Document:
    """Return a document of JSON that anybody may have written.

    Args:
        kind: The document's class.
        value: What JSON has.

    Raises:
        DataError: It is another one. The message names the keys, and repeats no value.
    """
    if not isinstance(value, Mapping):
        raise DataError("the document is not a JSON object")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        # Of one wrong input there are several problems, one for each type that it could have.
        problems = dict.fromkeys(
            f"{_place(each['loc'])}: {each['msg']}" for each in error.errors(include_url=False, include_input=False)
        )
        raise DataError("; ".join(list(problems)[:5])) from None


def _place(where: tuple[int | str, ...]) -> str:
    # A key within `inputs` is the caller's text, which may be a value in the wrong place.
    if "inputs" in where:
        where = where[: where.index("inputs") + 1]
    return one_line(".".join(map(str, where)), 60) or "the document"
