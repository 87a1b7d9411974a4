"""The hub's events of rounds, decoded from a node's logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from oracle.chain.hub.interface import hub_interface
from oracle.chain.hub.types import enum_member
from oracle.chain.transport.answers import Log
from oracle.core.errors import ChainUnavailable, DeploymentError
from oracle.core.types import HoldReason


@dataclass(frozen=True, slots=True)
class RoundAccepted:
    """A report became the round `round_id`. `submitter` called the hub.

    `confirmed`: the model calls it anomalous, and reports confirmed it.
    """

    feed_id: bytes
    round_id: int
    answer: int
    observed_at: int
    model_number: int
    scores: tuple[int, ...]
    confirmed: bool
    submitter: str
    block_number: int
    tx_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class RoundHeld:
    """A report did not become the round `round_id`, for the reason given: the model, or a rule of the feed."""

    feed_id: bytes
    round_id: int
    answer: int
    observed_at: int
    model_number: int
    scores: tuple[int, ...]
    reason: HoldReason
    confirmations: int
    submitter: str
    block_number: int
    tx_hash: bytes
    log_index: int


RoundEvent: TypeAlias = RoundAccepted | RoundHeld


@dataclass(frozen=True, slots=True)
class ShadowScored:
    """A proposed model judged a report for the round `round_id`. Only its tally was written."""

    feed_id: bytes
    round_id: int
    answer: int
    observed_at: int
    model_number: int
    scores: tuple[int, ...]
    block_number: int
    tx_hash: bytes
    log_index: int


def round_event(log: Log) -> RoundEvent | None:
    """Return a log of the hub as the event of a round; None if it is another event.

    Raises:
        ChainUnavailable: The node's log is malformed.
        DeploymentError: The log is of another contract than this release's hub.
    """
    found = decoded(log)
    if found is None or found[0] not in ("RoundAccepted", "RoundHeld"):
        return None
    name, values = found
    common = _common(log, values) | {"submitter": values["submitter"]}
    if name == "RoundAccepted":
        return RoundAccepted(**common, confirmed=values["confirmed"])
    reason = enum_member(HoldReason, values["reason"], log.address)
    if reason is HoldReason.NONE:
        raise DeploymentError(f"the contract at {log.address} holds an answer without a reason: it is no hub of ours")
    return RoundHeld(**common, reason=reason, confirmations=values["confirmations"])


def shadow_event(log: Log) -> ShadowScored | None:
    """Return a log of the hub as a proposed model's judgement; None if it is another event.

    Raises:
        ChainUnavailable: The node's log is malformed.
    """
    found = decoded(log)
    return None if found is None or found[0] != "ShadowScored" else ShadowScored(**_common(log, found[1]))


def decoded(log: Log) -> tuple[str, dict[str, Any]] | None:
    """Return name and arguments of one of the hub's events; None if the log is not one of them.

    Raises:
        ChainUnavailable: The node's log is malformed.
    """
    try:
        return hub_interface().decode_log(log)
    except ValueError as error:
        raise ChainUnavailable(f"the RPC endpoint answers a malformed log: {error}") from error


def _common(log: Log, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "feed_id": values["feedId"],
        "round_id": values["roundId"],
        "answer": values["answer"],
        "observed_at": values["observedAt"],
        "model_number": values["modelNumber"],
        "scores": tuple(values["scores"]),
        "block_number": log.block_number,
        "tx_hash": log.tx_hash,
        "log_index": log.log_index,
    }
