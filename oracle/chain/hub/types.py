"""Frozen types of what the hub keeps: configurations, rounds, architectures, models, proposals."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from oracle.core.errors import DeploymentError
from oracle.core.types import Kind

E = TypeVar("E", bound=IntEnum)


@dataclass(frozen=True, slots=True)
class HubFeedConfig:
    """A feed's configuration in the hub, fixed when the feed is made: `IZkOracle.FeedConfig`, in its order.

    Attributes:
        sigma: Parts per million on relative feeds, answer units on absolute ones.
        heartbeat: Seconds; so are `max_age`, `max_skew` and `confirm_delay`.
        tolerance: Thousandths of sigma; so is `max_spread`.
        max_repeats: How many reports in a row may repeat the last answer exactly; 0 sets no limit.
    """

    description: str
    kind: Kind
    decimals: int
    quorum: int
    confirmations: int
    max_repeats: int
    heartbeat: int
    max_age: int
    max_skew: int
    confirm_delay: int
    tolerance: int
    max_spread: int
    sigma: int


@dataclass(frozen=True, slots=True)
class Round:
    """An accepted round. Times in unix seconds; `score_ratio` in thousandths of the model's score unit."""

    round_id: int
    answer: int
    observed_at: int
    published_at: int
    model_number: int
    score_ratio: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """Circuits that share a shape. `verifiers[i]` takes proofs of `batch_sizes[i]` windows.

    Attributes:
        has_spread: True if the last feature but one is the spread between the reporters' answers.
    """

    features: int
    outputs: int
    binds_model: bool
    has_spread: bool
    batch_sizes: tuple[int, ...]
    verifiers: tuple[str, ...]
    code_hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model as the hub pins it. `model_hash` is a field element; 0 if the architecture binds none."""

    model_hash: int
    architecture_id: int
    artifact_hash: bytes
    score_unit: int


@dataclass(frozen=True, slots=True)
class Proposals:
    """The proposals for a feed; None where nothing is proposed. Changes may be activated from the given unix times on.

    Attributes:
        reporters: The proposed reporters, with `quorum`; empty where none are.
        previous_model: The model that a rollback returns to; None if there is none.
    """

    model: int | None
    model_from: int | None
    reporters: tuple[str, ...]
    quorum: int | None
    reporters_from: int | None
    unpause_from: int | None
    previous_model: int | None


@dataclass(frozen=True, slots=True)
class ShadowTally:
    """The tally of a shadow period: how a proposed model judged reports, compared with the active model.

    Attributes:
        reports: How many reports the proposed model judged.
        compared: How many of them the active model judged too.
        disagreements: How many of those only one of the two models accepts.
        distance: Difference between the two score ratios of the latest compared report, in thousandths.
        min_compared: How many compared reports an activation needs.
        max_distance: The largest `distance` that an activation allows.
    """

    model_number: int
    reports: int
    compared: int
    disagreements: int
    distance: int
    min_compared: int
    max_distance: int


def enum_member(enum: type[E], value: int, address: str) -> E:
    """Return a word as a member of one of the contract's enums.

    Raises:
        DeploymentError: It is not a member: the contract at `address` is another one than this release's hub.
    """
    try:
        return enum(value)
    except ValueError:
        raise DeploymentError(
            f"the contract at {address} answers {value} for a {enum.__name__}, which this release does not know: "
            "check the address and the deployment file"
        ) from None
