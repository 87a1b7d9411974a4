"""Frozen types of what the hub keeps: configurations, rounds, architectures, models, proposals."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from oracle.core.encoding import Feature
from oracle.core.errors import DeploymentError
from oracle.core.types import Kind

CHANGE_WINDOW = 30 * 86_400
"""Seconds for which a proposal can be activated, and an activated model rolled back, in the contract."""

E = TypeVar("E", bound=IntEnum)


@dataclass(frozen=True, slots=True)
class HubFeedConfig:
    """A feed's terms in the hub, fixed when the feed is made: `IZkOracle.FeedConfig`, in its order.

    Attributes:
        max_repeats: How many reports in a row may repeat the last answer exactly; 0 sets no limit.
        heartbeat: Seconds; so are `max_age`, `max_skew` and `confirm_delay`.
        tolerance: Thousandths of sigma; so is `max_spread`.
        sigma: Parts per million on relative feeds, answer units on absolute ones.
        committee: The number of the committee whose reporters sign; 0 in a plan, before the committee has a number.
        peers: The ids of the feeds that every report of this one has to list.
    """

    description: str
    kind: Kind
    decimals: int
    confirmations: int
    max_repeats: int
    heartbeat: int
    max_age: int
    max_skew: int
    confirm_delay: int
    tolerance: int
    max_spread: int
    sigma: int
    committee: int
    peers: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Committee:
    """A committee as it is now, with what is proposed for it.

    Attributes:
        number: Its number on the hub, from 1.
        reporters: The addresses that may sign.
        quorum: How many of them must have an answer for a feed.
        epoch: How many sets of reporters it has had. A signature is valid in one epoch only.
        proposed: The proposed reporters; empty if none are.
        proposed_quorum: Their quorum; None if none are proposed.
        active_from: From when on they can be activated, unix seconds; None if none are proposed.
    """

    number: int
    reporters: tuple[str, ...]
    quorum: int
    epoch: int
    proposed: tuple[str, ...] = ()
    proposed_quorum: int | None = None
    active_from: int | None = None


@dataclass(frozen=True, slots=True)
class Architecture:
    """Circuits that share a shape. `verifiers[i]` takes proofs of `batch_sizes[i]` windows.

    Attributes:
        features: The features of a window, in its order.
    """

    features: tuple[Feature, ...]
    outputs: int
    binds_model: bool
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
    """The proposals for a feed; None where nothing is proposed. Times are unix seconds.

    Attributes:
        model: The proposed model's number.
        model_from: From when on it can be activated, for `CHANGE_WINDOW` seconds.
        unpause_from: From when on the feed can be unpaused, for as long.
        previous_model: The model that a rollback returns to; None if there is none.
        previous_until: Until when a rollback is possible; None if there is no previous model.
    """

    model: int | None
    model_from: int | None
    unpause_from: int | None
    previous_model: int | None
    previous_until: int | None


@dataclass(frozen=True, slots=True)
class ShadowTally:
    """The tally of a shadow period: how a proposed model judged reports, compared with the active model.

    Attributes:
        reports: How many reports the proposed model judged.
        compared: How many of them the active model judged too.
        disagreements: How many of those only one of the two models accepts.
        min_compared: How many compared reports an activation needs.
        max_disagreements: How many disagreements an activation allows.
    """

    model_number: int
    reports: int
    compared: int
    disagreements: int
    min_compared: int
    max_disagreements: int


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
