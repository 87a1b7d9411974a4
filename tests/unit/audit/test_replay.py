"""Tests of the auditor without a chain: its findings, and the state that it carries on. Each test decides on proofs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import astuple, replace
from typing import Any

import pytest

from oracle.audit.history import AuditedFeed, AuditedModel, AuditedSubmission, RoundTransaction, UpdateOutcome
from oracle.audit.judge import state_differences
from oracle.audit.replay import Auditor
from oracle.chain.hub import FeedUpdate, RoundAccepted, hub_interface
from oracle.chain.keys.signer import recover
from oracle.core.gate import HoldPolicy
from oracle.core.types import HoldReason, Kind, Outcome, SignedObservation, Status

FEED_ID = (1).to_bytes(32)
NOW = 1_700_000_000
ALICE, BOB, STRANGER = "alice", "bob", "stranger"
ANSWER = 10**10

FEED = AuditedFeed(
    FEED_ID, "eth / USD", Kind.RELATIVE, 10_000, 3_600, 600, 30, 2_000, 2, HoldPolicy(2, 60, 500),
    frozenset({ALICE, BOB}), model_number=1,
)  # fmt: skip


def signed(answer: int, observed_at: int, by: str = ALICE) -> SignedObservation:
    return SignedObservation(answer, observed_at, 27, by.encode().ljust(32, b"\0"), bytes(32))


def named(feed_id: bytes, round_id: int, observation: SignedObservation) -> str:
    """Return the signer's name, which is the signature here."""
    return observation.r.rstrip(b"\0").decode()


def model(holds: bool = True, **changes: Any) -> AuditedModel:
    async def check(batch: int, proof: bytes, instances: tuple[int, ...]) -> bool:
        return holds

    of: Callable[[int, bytes, tuple[int, ...]], Awaitable[bool]] = check
    return replace(AuditedModel(1, 16, 2, 5, 1_000, (1, 4), of), **changes)


def auditor(with_model: AuditedModel | None = None) -> Auditor:
    made = Auditor(named)
    made.add_model(with_model or model())
    made.add_feed(FEED)
    return made


def update(**changes: Any) -> FeedUpdate:
    observations = (signed(ANSWER, NOW, ALICE), signed(ANSWER + 10, NOW + 2, BOB))
    return replace(FeedUpdate(FEED_ID, 1, observations, (-5, -7)), **changes)


SAID = UpdateOutcome(FEED_ID, 1, Outcome.ACCEPTED, ANSWER + 10, NOW, False, HoldReason.NONE, 0)


def submission(*updates: FeedUpdate, outcomes: tuple[UpdateOutcome, ...] = (SAID,), **changes: Any) -> Any:
    made = AuditedSubmission("0x12", 9, NOW + 10, 1, updates or (update(),), b"proof", outcomes)
    return replace(made, **changes)


async def problem_of(of: Auditor, given: AuditedSubmission) -> str:
    await of.submission(given)
    return of.findings[-1].problem


async def test_what_holds_is_taken_over() -> None:
    made = auditor()
    await made.submission(submission())
    (finding,) = made.findings
    assert finding.verified and (finding.feed, finding.outcome, finding.answer) == (
        "eth / USD",
        Outcome.ACCEPTED,
        ANSWER + 10,
    )
    state = made.expected_states()[FEED_ID]
    assert (state.status, state.round_id, state.answer, state.last_report_at) == (Status.OK, 1, ANSWER + 10, NOW + 2)
    assert made.expected_rounds()[FEED_ID, 1].published_at == NOW + 10


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (submission(update(feed_id=bytes(32))), "the feed was never added"),
        (submission(model_number=2), "model 2 was never added"),
        (submission(update(round_id=2)), "signed for round 2, but 1 was next"),
        (submission(update(scores=(1,))), "1 scores where the model has 2"),
        (submission(update(observations=(signed(ANSWER, NOW),))), "1 observations where 2 are the quorum"),
        (submission(update(observations=update().observations[::-1])), "the observations are not sorted"),
        (submission(update(observations=(signed(ANSWER, NOW),) * 2)), "a reporter signed twice"),
        (
            submission(update(observations=(signed(ANSWER, NOW), signed(ANSWER, NOW, STRANGER)))),
            "stranger was not a reporter",
        ),
        (
            submission(update(observations=(signed(ANSWER, NOW), signed(2 * ANSWER, NOW, BOB)))),
            "the reporters' answers were too far apart",
        ),
        (
            submission(update(observations=(signed(ANSWER, 0), signed(ANSWER, NOW, BOB)))),
            "an observation was not newer than the last report",
        ),
        (submission(block_time=NOW - 29), "an observation was from the future"),
        (submission(block_time=NOW + 601), "an observation was too old"),
        (submission(outcomes=()), "the hub emitted nothing, where accepted was due"),
        (
            submission(outcomes=(replace(SAID, confirmed=True),)),
            f"the hub said accepted by confirmation {ANSWER + 10} of {NOW}, but it was accepted {ANSWER + 10} of {NOW}",
        ),
    ],
)
async def test_what_the_hub_should_have_refused(given: AuditedSubmission, says: str) -> None:
    assert await problem_of(auditor(), given) == says


async def test_a_model_that_was_not_active() -> None:
    made = auditor()
    made.add_model(model(number=2))
    assert await problem_of(made, submission(model_number=2)) == "model 2 was not active; 1 was"
    made.change_model(FEED_ID, 2)
    assert await problem_of(made, submission(model_number=2)) == ""


async def test_another_committee() -> None:
    made = auditor()
    made.change_reporters(FEED_ID, [STRANGER], 1)
    given = submission(update(observations=(signed(ANSWER + 10, NOW, STRANGER),)))
    assert await problem_of(made, given) == ""


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (model(holds=False), "the proof does not verify"),
        (model(batches=()), "the model has no circuit for 1 feeds"),
        (model(check_proof=None, problem="no artifact"), "no artifact"),
        (model(check_proof=None), "there is no artifact here for the deployed verifier"),
    ],
)
async def test_a_proof_that_is_not_shown_to_hold(of: AuditedModel, says: str) -> None:
    """The audit applies its update all the same: the history that follows is the hub's."""
    made = auditor(of)
    assert await problem_of(made, submission()) == says
    assert made.expected_states()[FEED_ID].round_id == 1


async def test_one_bad_update_leaves_the_proof_of_the_others_unchecked() -> None:
    made = auditor()
    made.add_feed(replace(FEED, feed_id=(2).to_bytes(32), description="btc / USD"))
    other = update(feed_id=(2).to_bytes(32), round_id=7)
    await made.submission(submission(update(), other))
    assert [finding.problem for finding in made.findings] == [
        "the statement can't be rebuilt, so its proof can't be checked",
        "signed for round 7, but 1 was next",
    ]


async def test_a_signature_that_is_none() -> None:
    """A malformed signature is a finding like any other, and does not end the audit."""
    malformed = SignedObservation(ANSWER, NOW, 0, bytes(32), bytes(32))
    made = Auditor(lambda feed, round_id, each: recover(31337, "0x" + "11" * 20, feed, round_id, each))
    made.add_model(model())
    made.add_feed(replace(FEED, quorum=1))
    assert "no valid signature" in await problem_of(made, submission(update(observations=(malformed,))))
    assert made.expected_states()[FEED_ID].round_id == 0


async def test_a_transaction_with_calls_that_can_and_cant_be_read() -> None:
    event = RoundAccepted(FEED_ID, 1, ANSWER + 10, NOW, 1, (-5, -7), False, 9, b"\x12", 0)
    calldata = hub_interface().encode_call("submit", 1, (astuple(update()),), b"proof")
    transaction = RoundTransaction("0x12", 9, NOW + 10, (event,), (calldata,))
    made = auditor()
    assert await made.transaction(transaction) == []
    assert [finding.problem for finding in made.findings] == [""]
    problems = await auditor().transaction(replace(transaction, calls=(calldata[:4] + b"\xff" * 96,)))
    assert problems[0].startswith("transaction 0x12: its calldata can't be read: ")
    assert problems[1] == "transaction 0x12: 1 rounds without a submission that carries them"


async def test_the_state_of_the_hub_is_compared() -> None:
    made = auditor()
    await made.submission(submission())
    expected = made.expected_states()[FEED_ID]
    assert state_differences(expected, replace(expected, paused=True)) == ""
    assert (
        state_differences(expected, replace(expected, round_id=2, answer=5))
        == f"answer is 5 but must be {ANSWER + 10}, round_id is 2 but must be 1"
    )
