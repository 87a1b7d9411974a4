"""Submissions: the arguments of `submit`, encoded and decoded. Nothing is sent from here, and no chain is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.chain.hub.interface import hub_interface
from oracle.core.types import Scored, SignedObservation


@dataclass(frozen=True, slots=True)
class FeedUpdate:
    """One feed's part of a submission."""

    feed_id: bytes
    round_id: int
    observations: tuple[SignedObservation, ...]
    scores: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """The arguments of `submit`; `submitShadow` has the same."""

    model_number: int
    updates: tuple[FeedUpdate, ...]
    proof: bytes


def encode_submission(scored: Sequence[Scored], proof: bytes, *, shadow: bool = False) -> bytes:
    """Return the calldata of `submit`.

    Args:
        scored: The statements that the proof shows, in the circuit's order, all of one model.
        proof: Shows all of them.
        shadow: Return the calldata of `submitShadow`: the model is proposed for each of the feeds.

    Raises:
        ValueError: They are of several models, or the ids of the feeds do not ascend.
    """
    if len({each.model_number for each in scored}) != 1:
        raise ValueError("one submission is of one model, and of at least one feed")
    ids = [each.observed.feed_id for each in scored]
    if ids != sorted(set(ids)):
        raise ValueError("the feeds of one submission ascend by id: sort them before they are proven")
    updates = [
        (
            each.observed.feed_id,
            each.round_id,
            [
                (one.answer, one.observed_at, one.v, one.r, one.s)
                for one in sorted(each.signed, key=lambda one: one.answer)
            ],
            list(each.scores),
        )
        for each in scored
    ]
    return hub_interface().encode_call("submitShadow" if shadow else "submit", scored[0].model_number, updates, proof)


def decode_submission(calldata: bytes) -> Submission:
    """Return the submission that calldata carries: the inverse of `encode_submission`, for auditors.

    Raises:
        ValueError: The calldata is not of `submit`, or malformed.
    """
    name, arguments = hub_interface().decode_call(calldata)
    if name != "submit":
        raise ValueError(f"the call is of {name}, not of submit")
    updates = tuple(
        FeedUpdate(
            feed_id=update["feedId"],
            round_id=update["roundId"],
            observations=tuple(
                SignedObservation(one["answer"], one["observedAt"], one["v"], one["r"], one["s"])
                for one in update["observations"]
            ),
            scores=tuple(update["scores"]),
        )
        for update in arguments["updates"]
    )
    return Submission(arguments["modelNumber"], updates, arguments["proof"])
