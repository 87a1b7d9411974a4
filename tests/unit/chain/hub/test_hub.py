"""Tests of the hub's words as types and back: submissions, events and reads, by the packaged ABI."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak

from oracle.chain.hub import (
    Hub,
    HubFeedConfig,
    Proposals,
    RoundAccepted,
    RoundHeld,
    ShadowTally,
    decode_submission,
    encode_submission,
    hub_interface,
    round_event,
)
from oracle.chain.transport.answers import Log
from oracle.core.errors import AnswerNotBelieved, ContractRejected, DeploymentError
from oracle.core.types import HoldReason, Observed, Scored, SignedObservation, Status

FEED = b"\5" * 32
HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
SCORED = Scored(
    observed=Observed("eth", FEED, 100, 1_000),
    round_id=7,
    model_number=2,
    signed=(
        SignedObservation(101, 1_000, 27, b"\1" * 32, b"\2" * 32),
        SignedObservation(100, 999, 28, b"\3" * 32, b"\4" * 32),
    ),
    features=(0,) * 16,
    scores=(-3, 4),
)


@dataclass
class Answers:
    """An endpoint that gives one answer to every call."""

    answer: bytes
    asked: list[bytes] = field(default_factory=list)
    reverts: ContractRejected | None = None
    name: str = "http://node"

    async def call(self, address: str, data: bytes, **options: Any) -> bytes:
        self.asked.append(data[:4])
        if self.reverts is not None:
            raise self.reverts
        if problem := options["doubt"](self.answer):
            raise AnswerNotBelieved(problem)
        return self.answer

    async def code(self, address: str) -> bytes:
        return b""

    async def chain_id(self) -> int:
        return 31337


def hub_that_answers(function: str, *values: Any) -> Hub:
    outputs = next(each for each in hub_interface().abi if each.get("name") == function)["outputs"]
    return Hub(Answers(encode([collapse_if_tuple(part) for part in outputs], values)), HUB)  # type: ignore[arg-type]


def log_of(event: str, *values: Any) -> Log:
    """Return a log of the hub; the first two arguments are indexed."""
    entry = next(each for each in hub_interface().abi if each["type"] == "event" and each["name"] == event)
    kinds = [collapse_if_tuple(part) for part in entry["inputs"]]
    indexed = [encode([kind], [value]) for kind, value in zip(kinds[:2], values[:2], strict=True)]
    assert [part["indexed"] for part in entry["inputs"]] == [True] * 2 + [False] * (len(kinds) - 2)
    data = encode(kinds[2:], values[2:])
    return Log(HUB, (hub_interface().topic(event), *indexed), data, 9, b"\6" * 32, 3)


# --- submissions ---


def test_feeds_of_a_submission_ascend() -> None:
    other = replace(SCORED, observed=replace(SCORED.observed, feed_id=b"\6" * 32))
    assert [update.feed_id for update in decode_submission(encode_submission([SCORED, other], b"")).updates] == [
        FEED,
        b"\6" * 32,
    ]
    for scored in ([other, SCORED], [SCORED, SCORED]):
        with pytest.raises(ValueError, match="ascend by id"):
            encode_submission(scored, b"")
    with pytest.raises(ValueError, match="of one model"):
        encode_submission([SCORED, replace(other, model_number=3)], b"")
    with pytest.raises(ValueError, match="at least one feed"):
        encode_submission([], b"")


def test_a_submission_is_read_as_it_was_written() -> None:
    submission = decode_submission(encode_submission([SCORED], b"proof"))
    (update,) = submission.updates
    assert (submission.model_number, submission.proof) == (2, b"proof")
    assert (update.feed_id, update.round_id, update.scores) == (FEED, 7, (-3, 4))
    assert [each.answer for each in update.observations] == [100, 101], "sorted by answer, as the hub demands"


def test_a_shadow_submission_differs_by_the_function_alone() -> None:
    plain, shadow = (encode_submission([SCORED], b"proof", shadow=each) for each in (False, True))
    arguments = "(uint16,(bytes32,uint32,(int128,uint32,uint8,bytes32,bytes32)[],int256[])[],bytes)"
    assert plain[:4] == keccak(text="submit" + arguments)[:4]
    assert shadow[:4] == keccak(text="submitShadow" + arguments)[:4]
    assert plain[4:] == shadow[4:]


def test_a_shadow_submission_is_not_taken_for_a_submission() -> None:
    with pytest.raises(ValueError, match="of submitShadow, not of submit"):
        decode_submission(encode_submission([SCORED], b"proof", shadow=True))


# --- events ---


@pytest.mark.parametrize("reason", [HoldReason.ANOMALOUS, HoldReason.NOT_POSITIVE, HoldReason.REPEATED])
def test_a_hold_says_why(reason: HoldReason) -> None:
    found = round_event(log_of("RoundHeld", FEED, 7, -5, 1_000, 2, [3], int(reason), 4))
    assert found == RoundHeld(FEED, 7, -5, 1_000, 2, (3,), reason, 4, 9, b"\6" * 32, 3)


def test_an_accepted_round() -> None:
    found = round_event(log_of("RoundAccepted", FEED, 7, 100, 1_000, 2, [-3], True))
    assert found == RoundAccepted(FEED, 7, 100, 1_000, 2, (-3,), True, 9, b"\6" * 32, 3)


def test_a_reason_that_there_is_none_of_is_another_contract_s() -> None:
    with pytest.raises(DeploymentError, match="answers 4 for a HoldReason"):
        round_event(log_of("RoundHeld", FEED, 7, 100, 1_000, 2, [3], 4, 0))


def test_what_a_shadow_period_emits_is_no_round_and_can_be_read() -> None:
    scored = log_of("ShadowScored", FEED, 7, 100, 1_000, 3, [-3, 4])
    compared = log_of("ShadowCompared", FEED, 7, 3, False, 250)
    assert round_event(scored) is None
    assert round_event(compared) is None
    assert hub_interface().decode_log(scored) == (
        "ShadowScored",
        {"feedId": FEED, "roundId": 7, "answer": 100, "observedAt": 1_000, "modelNumber": 3, "scores": (-3, 4)},
    )
    assert hub_interface().decode_log(compared) == (
        "ShadowCompared",
        {"feedId": FEED, "roundId": 7, "modelNumber": 3, "agrees": False, "distance": 250},
    )


# --- reading ---


CONFIG = ("ETH / USD", 1, 8, 1, 2, 5, 3_600, 600, 60, 7_200, 3_000, 20, 10_000)
HELD = (3, -6, -7, 800, 900, 2, 4, -9_000, 11, 650)
STATE = (2, True, 6, 100, 700, 705, 950, 4, 254, tuple(range(14)), HELD)


async def test_a_feed_s_configuration_has_its_repeats() -> None:
    config = await hub_that_answers("feedConfig", CONFIG).feed_config(FEED)
    assert (config.confirmations, config.max_repeats, config.heartbeat) == (2, 5, 3_600)
    assert (config.max_age, config.max_skew, config.confirm_delay) == (600, 60, 7_200)
    assert (config.tolerance, config.max_spread, config.sigma) == (3_000, 20, 10_000)


async def state_of(*found: Any) -> Any:
    hub = hub_that_answers("feedState", found)
    hub._configs[FEED] = await hub_that_answers("feedConfig", CONFIG).feed_config(FEED)
    return await hub.feed_state(FEED)


async def test_a_held_feed_says_why_and_how_often_its_answer_was_repeated() -> None:
    state = await state_of(*STATE)
    assert (state.status, state.repeats, state.last_report_at) == (Status.HELD, 254, 950)
    assert state.returns == tuple(range(14))
    assert state.held is not None
    assert state.held.reason is HoldReason.REPEATED
    assert (state.held.answer, state.held.first_answer, state.held.score_ratio) == (-6, -7, -9_000)
    assert (state.held.first_observed_at, state.held.observed_at, state.held.confirmations) == (800, 900, 2)
    assert (state.held.anomalies, state.held.anomalous_since) == (11, 650)


async def test_what_was_held_once_is_nothing_while_the_feed_is_not() -> None:
    assert (await state_of(1, *STATE[1:])).held is None


@pytest.mark.parametrize(
    ("found", "what"), [((3, *STATE[1:]), "3 for a Status"), ((*STATE[:-1], (4, *HELD[1:])), "4 for a HoldReason")]
)
async def test_a_state_that_is_another_contract_s(found: tuple[Any, ...], what: str) -> None:
    with pytest.raises(DeploymentError, match=what):
        await state_of(*found)


@pytest.mark.attack
@pytest.mark.parametrize("lie", [b"", b"\1", encode(["uint256"] * 9, [2**256 - 1] * 9)], ids=["0x", "short", "rubbish"])
async def test_a_hub_that_was_found_is_never_believed_to_be_gone(lie: bytes) -> None:
    hub = hub_that_answers("feedConfig", CONFIG)
    await hub.find({"one": FEED})
    endpoint: Any = hub.rpc
    endpoint.answer = lie
    for ask in (hub.feed_state, hub.proposals, hub.reporters):
        with pytest.raises(AnswerNotBelieved, match=r"as the hub and its feeds were there before: .* no contract"):
            await ask(FEED)
    # Before the hub was found, the same answer means a wrong configuration.
    endpoint.answer = b""
    with pytest.raises(DeploymentError, match="there is no contract"):
        await Hub(endpoint, HUB).find({"one": FEED})


@pytest.mark.attack
@pytest.mark.parametrize(
    ("found", "what"), [((3, *STATE[1:]), "3 for a Status"), ((*STATE[:-1], (4, *HELD[1:])), "4 for a HoldReason")]
)
async def test_a_state_that_can_not_be_is_not_believed_of_a_hub_that_was_found(
    found: tuple[Any, ...], what: str
) -> None:
    hub = hub_that_answers("feedConfig", CONFIG)
    await hub.find({"one": FEED})
    hub.rpc = hub_that_answers("feedState", found).rpc
    with pytest.raises(AnswerNotBelieved, match=what):
        await hub.feed_state(FEED)
    with pytest.raises(AnswerNotBelieved, match="answers 4 for a HoldReason"):
        hub._round_events([log_of("RoundHeld", FEED, 7, 100, 1_000, 2, [3], 4, 0)])


async def test_a_feed_that_vanishes_is_not_believed_to_and_one_that_never_was_is_told() -> None:
    hub = hub_that_answers("feedConfig", CONFIG)
    await hub.find({"one": FEED})
    endpoint: Any = hub.rpc
    endpoint.reverts = ContractRejected("UnknownFeed: the hub has no feed", "UnknownFeed", FEED)
    with pytest.raises(AnswerNotBelieved, match="UnknownFeed"):
        await hub.feed_state(FEED)
    endpoint.reverts = ContractRejected("UnknownFeed: the hub has no feed", "UnknownFeed", b"\7" * 32)
    with pytest.raises(ContractRejected):
        await hub.read("feedState", b"\7" * 32)
    with pytest.raises(DeploymentError, match=r"feed two is not in the hub at 0x.* run `oracle deploy`"):
        await Hub(endpoint, HUB).find({"two": b"\7" * 32})


async def test_what_is_proposed() -> None:
    reporter = "0x" + "11" * 20
    assert await hub_that_answers("proposals", (10, 20, 30, 4, 3, 2), [reporter]).proposals(FEED) == Proposals(
        model=4, model_from=10, reporters=(reporter,), quorum=2, reporters_from=20, unpause_from=30, previous_model=3
    )
    nothing = Proposals(None, None, (), None, None, None, None)
    assert await hub_that_answers("proposals", (0,) * 6, []).proposals(FEED) == nothing


async def test_the_tally_of_a_shadow_period() -> None:
    found = await hub_that_answers("shadow", (4, 9, 8, 1, 250, 5, 300)).shadow(FEED)
    assert found == ShadowTally(
        model_number=4, reports=9, compared=8, disagreements=1, distance=250, min_compared=5, max_distance=300
    )
    assert await hub_that_answers("shadow", (0,) * 7).shadow(FEED) is None


def test_a_feed_s_configuration_has_the_order_of_the_contract_s_struct() -> None:
    entry = next(each for each in hub_interface().abi if each.get("name") == "addFeed")
    theirs = [part["name"].lower() for part in entry["inputs"][0]["components"]]
    assert [field.name.replace("_", "") for field in fields(HubFeedConfig)] == theirs
