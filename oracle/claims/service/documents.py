"""The documents of the claims service, for both ends: requests are checked by them, and OpenAPI describes them.

No error about a document repeats a value of it: data and salts are private, and errors get into logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr, ValidationError, model_validator

from oracle.claims.constraints import AtLeast, AtMost, Between, Constraint, Equals, OneOf
from oracle.claims.models import ClaimFeature, ModelSpec
from oracle.claims.statement import SALT_BITS, SALT_LIMBS
from oracle.core.errors import DataError
from oracle.core.formats import one_line

__all__ = [
    "BoundsDocument",
    "ClaimRequest",
    "ErrorDocument",
    "JobDocument",
    "JobState",
    "ModelDocument",
    "ModelsDocument",
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


class BoundsDocument(ServiceDocument):
    """The claim about the model's output: bounds, both included, or classes by name or number."""

    at_least: float | None = Field(None, description="The lower bound, in the model's own units.")
    at_most: float | None = Field(None, description="The upper bound, in the model's own units.")
    classes: list[StrictInt | _Text] = Field(
        [], max_length=64, description="The class, or several that follow each other, of a model with classes."
    )

    @model_validator(mode="after")
    def _is_one(self) -> BoundsDocument:
        bounded = self.at_least is not None or self.at_most is not None
        if bounded == bool(self.classes):
            raise ValueError("state at_least, at_most, or both; of a model with classes, classes alone")
        return self

    @staticmethod
    def of(constraint: Constraint) -> BoundsDocument:
        """Return a constraint as a document."""
        match constraint:
            case Between(lo, hi):
                return BoundsDocument(at_least=lo, at_most=hi)
            case AtLeast(value):
                return BoundsDocument(at_least=value)
            case AtMost(value):
                return BoundsDocument(at_most=value)
            case Equals(number):
                return BoundsDocument(classes=[number])
            case OneOf(numbers):
                return BoundsDocument(classes=list(numbers))

    def constraint(self, spec: ModelSpec) -> Constraint:
        """Return the constraint, for a model that knows its classes' numbers.

        Raises:
            DataError: The model has no such class, or the bounds are none.
        """
        if self.classes:
            unknown = [each for each in self.classes if isinstance(each, str) and each not in spec.classes]
            if unknown:
                known = ", ".join(spec.classes) or "none"
                raise DataError(f"{spec.name} has no class {one_line(unknown[0], 40)!r}: its classes are {known}")
            numbers = tuple(spec.classes.index(each) if isinstance(each, str) else each for each in self.classes)
            return Equals(numbers[0]) if len(numbers) == 1 else OneOf(numbers)
        if self.at_least is not None and self.at_most is not None:
            return Between(self.at_least, self.at_most)
        if self.at_least is not None:
            return AtLeast(self.at_least)
        assert self.at_most is not None  # one of them is there
        return AtMost(self.at_most)


class ClaimRequest(ServiceDocument):
    """A claim to be proven. Inputs and salt are private: the service needs them, and keeps them until the job ends."""

    model: _Text = Field(description="The name of a served model; `/v1/models` has them.")
    inputs: dict[_Text, StrictInt | StrictFloat | _Text] = Field(
        max_length=_MOST_FEATURES,
        repr=False,
        description="The value of each feature by name; the model's document has their JSON Schema.",
    )
    salt: list[Annotated[StrictInt, Field(ge=0, lt=1 << SALT_BITS)]] = Field(
        min_length=SALT_LIMBS,
        max_length=SALT_LIMBS,
        repr=False,
        description=f"The salt of the commitment: {SALT_LIMBS} random integers of {SALT_BITS} bits. The issuer drew "
        "it, or, without an attestation, the caller. The service never draws one.",
    )
    constraint: BoundsDocument
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
    is_probability: bool = Field(description="True if its output is a probability, and so are bounds.")
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
    if where[:1] == ("inputs",):
        return "inputs"
    return one_line(".".join(map(str, where)), 60) or "the document"
