"""Tests of the hub's words as types and back: submissions, events and reads, by the packaged ABI."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from oracle.chain.hub import (
    Committee,
    Hub,
    HubFeedConfig,
    Proposals,
    RoundAccepted,
    RoundHeld,
    ShadowTally,
    Submission,
    SubmitCall,
    decode_submission,
    encode_submission,
    hub_interface,
    lens_interface,
    reader,
    round_event,
)
from oracle.chain.transport.answers import Log
from oracle.core.encoding import INT128_MAX, NO_ANSWER, Feature
from oracle.core.errors import AnswerNotBelieved, ContractRejected, DataError, DeploymentError
from oracle.core.report import Report, ReporterSignature, SignedReport
from oracle.core.types import HoldReason, Status

FEED = b"\5" * 32
PEER = b"\6" * 32
HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
LENS = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
SUBMITTER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"

REPORT = Report(3, 2, 1_000, (b"\1" * 32, FEED, PEER), (7, 0, 9))
SIGNED = SignedReport(
    REPORT,
    (
        ReporterSignature((100, 5, NO_ANSWER), b"\1" * 32, b"\2" * 32, b"\3" * 32),
        ReporterSignature((-102, NO_ANSWER, -8), b"\4" * 32, b"\5" * 32, b"\6" * 32),
        ReporterSignature((101, 4, 2**100), b"\7" * 32, b"\10" * 32, b"\11" * 32),
    ),
)
SUBMISSION = Submission.of(2, SIGNED, ((-3, 4), (2**126, -(2**126))), b"proof")


@dataclass
class Answers:
    """An endpoint that names a lens, and gives one answer to every call of it."""

    answer: bytes
    asked: list[bytes] = field(default_factory=list)
    blocks: list[int | str] = field(default_factory=list)
    reverts: ContractRejected | None = None
    name: str = "http://node"

    async def call(self, address: str, data: bytes, **options: Any) -> bytes:
        self.asked.append(data[:4])
        self.blocks.append(options.get("block", "latest"))
        if data[:4] == hub_interface().selector("lens"):
            assert address == HUB
            return encode(["address"], [LENS])
        assert address in (HUB, LENS)
        if self.reverts is not None:
            raise self.reverts
        if problem := options["doubt"](self.answer):
            raise AnswerNotBelieved(problem)
        return self.answer

    async def block_number(self) -> int:
        return 41

    async def code(self, address: str) -> bytes:
        return b""

    async def chain_id(self) -> int:
        return 31337


def hub_that_answers(function: str, *values: Any) -> Hub:
    """Return a hub whose lens answers one function."""
    outputs = next(each for each in lens_interface().abi if each.get("name") == function)["outputs"]
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


def arguments(calldata: bytes) -> dict[str, Any]:
    """Return the fields of a submission as the contract has them."""
    (found,) = hub_interface().decode_call(calldata)[1].values()
    return dict(found)


def changed(**changes: Any) -> bytes:
    """Return the calldata of a submission with fields changed, well-formed or not."""
    values = arguments(encode_submission(SUBMISSION)) | changes
    values["signatures"] = [tuple(each.values()) for each in values["signatures"]]
    return hub_interface().encode_call("submit", tuple(values.values()))


def test_the_calldata_is_as_the_contract_reads_it() -> None:
    found = arguments(encode_submission(SUBMISSION))
    assert (found["modelNumber"], found["committee"], found["epoch"], found["observedAt"]) == (2, 3, 2, 1_000)
    assert (found["feedIds"], found["roundIds"]) == (REPORT.feed_ids, REPORT.round_ids)
    rows = [100, 5, NO_ANSWER, -102, NO_ANSWER, -8, 101, 4, 2**100]
    assert found["answers"] == b"".join(each.to_bytes(16, "big", signed=True) for each in rows)
    assert found["answers"][32:48] == b"\x80" + bytes(15)
    assert found["medians"] == bytes([0, 0, 2]), "the upper one of two"
    assert found["scores"] == b"".join(each.to_bytes(16, "big", signed=True) for each in (-3, 4, 2**126, -(2**126)))
    assert [tuple(each.values()) for each in found["signatures"]] == [
        (each.readings, each.r, each.vs) for each in SIGNED.signatures
    ]


int128s = st.integers(NO_ANSWER + 1, INT128_MAX)


@given(st.data())
def test_a_submission_is_read_as_it_was_written(data: st.DataObject) -> None:
    feeds, rows, outputs = (data.draw(st.integers(1, most)) for most in (4, 5, 3))
    rounds = data.draw(st.lists(st.integers(0, 2**32 - 1), min_size=feeds, max_size=feeds).filter(any))
    ids = tuple(bytes([number]) * 32 for number in range(feeds))
    report = Report(1, 2**32 - 1, 0, ids, tuple(rounds))
    answers = st.lists(int128s, min_size=feeds, max_size=feeds).map(tuple)
    words = st.binary(min_size=32, max_size=32)
    signatures = st.lists(st.builds(ReporterSignature, answers, words, words, words), min_size=rows, max_size=rows)
    scores = st.lists(int128s, min_size=outputs, max_size=outputs).map(tuple)
    submission = Submission.of(
        data.draw(st.integers(0, 2**16 - 1)),
        SignedReport(report, tuple(data.draw(signatures))),
        data.draw(st.lists(scores, min_size=len(report.due), max_size=len(report.due))),
        data.draw(st.binary(max_size=80)),
    )
    for call in (SubmitCall.SUBMIT, SubmitCall.SUBMIT_IF_NEWER):
        assert decode_submission(encode_submission(submission, call)) == submission


def test_the_functions_differ_by_their_selectors_alone() -> None:
    calls = {call: encode_submission(SUBMISSION, call) for call in SubmitCall}
    of = "((uint16,uint32,uint32,uint32,bytes32[],uint32[],(bytes32,bytes32,bytes32)[],bytes,bytes,bytes,bytes))"
    assert {call: data[:4] for call, data in calls.items()} == {call: keccak(text=call + of)[:4] for call in calls}
    assert len({data[4:] for data in calls.values()}) == 1


def test_a_shadow_judges_some_of_the_feeds_that_are_due() -> None:
    shadow = replace(SUBMISSION, scores=((-3, 4),))
    calldata = encode_submission(shadow, SubmitCall.SUBMIT_SHADOW)
    assert decode_submission(calldata, [SubmitCall.SUBMIT_SHADOW], outputs=2) == shadow
    with pytest.raises(ValueError, match="of submitShadow, not of submit or submitIfNewer"):
        decode_submission(calldata)
    with pytest.raises(ValueError, match="2 feeds are due, but there are scores of 1"):
        encode_submission(shadow)


def test_scores_that_do_not_fit() -> None:
    for scores, what in (
        ((), "scores of 0"),
        (((1,), (1,), (1,)), "scores of 3"),
        (((1,), (1, 2)), "as many scores each"),
        (((1,), (2**127,)), "does not fit an int128"),
    ):
        with pytest.raises(ValueError, match=what):
            encode_submission(replace(SUBMISSION, scores=scores))


def test_a_feed_without_an_answer_has_no_median() -> None:
    silent = replace(SIGNED.signatures[0], answers=(1, NO_ANSWER, NO_ANSWER))
    with pytest.raises(DataError, match=f"no reporter has an answer for feed 0x{FEED.hex()}"):
        Submission.of(2, SignedReport(REPORT, (silent,)), (), b"")


@pytest.mark.attack
@pytest.mark.parametrize(
    "changes",
    [
        {"answers": b"\0" * 143},
        {"answers": b"\0" * 160},
        {"answers": b""},
        {"medians": b"\0\0"},
        {"medians": b"\0\0\3"},
        {"scores": b""},
        {"scores": b"\0" * 16},
        {"scores": b"\0" * 48},
        {"scores": b"\0" * 65},
        {"roundIds": [1, 2]},
        {"roundIds": [0, 0, 0]},
        {"feedIds": [FEED, FEED, PEER]},
        {"feedIds": [], "roundIds": []},
        {"signatures": []},
        {"committee": 0},
        {"epoch": 0},
    ],
    ids=str,
)
def test_a_malformed_submission_is_refused(changes: dict[str, Any]) -> None:
    """The hub would refuse it, too: an auditor meets such calldata only where something lies."""
    with pytest.raises(ValueError, match="malformed submission"):
        decode_submission(changed(**changes))


@pytest.mark.parametrize("data", [b"", b"\1\2\3\4", hub_interface().selector("submit") + b"\0" * 31])
def test_calldata_of_something_else(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a function|malformed"):
        decode_submission(data)


def test_calldata_of_another_function() -> None:
    with pytest.raises(ValueError, match="of pause, not of submit"):
        decode_submission(hub_interface().encode_call("pause", FEED))


# --- events ---


@pytest.mark.parametrize("reason", [HoldReason.ANOMALOUS, HoldReason.NOT_POSITIVE, HoldReason.REPEATED])
def test_a_hold_says_why(reason: HoldReason) -> None:
    found = round_event(log_of("RoundHeld", FEED, 7, -5, 1_000, 2, [3], int(reason), 4, SUBMITTER))
    assert found == RoundHeld(FEED, 7, -5, 1_000, 2, (3,), reason, 4, SUBMITTER, 9, b"\6" * 32, 3)


def test_an_accepted_round() -> None:
    found = round_event(log_of("RoundAccepted", FEED, 7, 100, 1_000, 2, [-3], True, SUBMITTER))
    assert found == RoundAccepted(FEED, 7, 100, 1_000, 2, (-3,), True, SUBMITTER, 9, b"\6" * 32, 3)


def test_a_reason_that_there_is_none_of_is_another_contract_s() -> None:
    with pytest.raises(DeploymentError, match="answers 4 for a HoldReason"):
        round_event(log_of("RoundHeld", FEED, 7, 100, 1_000, 2, [3], 4, 0, SUBMITTER))


def test_a_hold_without_a_reason_is_another_contract_s() -> None:
    with pytest.raises(DeploymentError, match="holds an answer without a reason"):
        round_event(log_of("RoundHeld", FEED, 7, 100, 1_000, 2, [3], int(HoldReason.NONE), 0, SUBMITTER))


def test_what_a_shadow_period_emits_is_no_round_and_can_be_read() -> None:
    scored = log_of("ShadowScored", FEED, 7, 100, 1_000, 3, [-3, 4])
    compared = log_of("ShadowCompared", FEED, 7, 3, False)
    assert round_event(scored) is None
    assert round_event(compared) is None
    assert hub_interface().decode_log(scored) == (
        "ShadowScored",
        {"feedId": FEED, "roundId": 7, "answer": 100, "observedAt": 1_000, "modelNumber": 3, "scores": (-3, 4)},
    )
    assert hub_interface().decode_log(compared) == (
        "ShadowCompared",
        {"feedId": FEED, "roundId": 7, "modelNumber": 3, "agrees": False},
    )


# --- reading ---


CONFIG = ("ETH / USD", 1, 8, 2, 5, 3_600, 600, 60, 7_200, 3_000, 20, 10_000, 3, [PEER])
HELD = (3, -6, -7, 800, 805, 900, 2, 4, -9_000, 11, 650, 655, 1_500)
STATE = (2, True, 6, 100, 700, 705, 950, 4, 254, 2**27, tuple(range(12)), [PEER], [-12], 3, 9, HELD)


async def test_a_feed_s_terms() -> None:
    config = await hub_that_answers("feedConfig", CONFIG).feed_config(FEED)
    assert (config.confirmations, config.max_repeats, config.heartbeat) == (2, 5, 3_600)
    assert (config.max_age, config.max_skew, config.confirm_delay) == (600, 60, 7_200)
    assert (config.tolerance, config.max_spread, config.sigma) == (3_000, 20, 10_000)
    assert (config.committee, config.peers) == (3, (PEER,))


async def hub_with_state(function: str, found: Any) -> Hub:
    hub = hub_that_answers(function, found)
    hub._configs[FEED] = hub._configs[PEER] = await hub_that_answers("feedConfig", CONFIG).feed_config(FEED)
    return hub


async def state_of(*found: Any) -> Any:
    return await (await hub_with_state("feedState", found)).feed_state(FEED)


async def test_a_held_feed_says_why_and_how_often_its_answer_was_repeated() -> None:
    state = await state_of(*STATE)
    assert (state.status, state.repeats, state.last_report_at, state.variance) == (Status.HELD, 254, 950, 2**27)
    assert state.returns == tuple(range(12))
    assert (state.peers, state.peer_answers, state.committee) == ((PEER,), (-12,), 3)
    assert state.held_reports == 9
    assert state.held is not None
    assert state.held.reason is HoldReason.REPEATED
    assert (state.held.answer, state.held.first_answer, state.held.score_ratio) == (-6, -7, -9_000)
    assert (state.held.first_observed_at, state.held.first_seen_at, state.held.observed_at) == (800, 805, 900)
    assert (state.held.confirmations, state.held.first_gap) == (2, 1_500)
    assert (state.held.anomalies, state.held.anomalous_since, state.held.anomalous_seen_at) == (11, 650, 655)


async def test_answers_of_peers_count_once_there_is_a_round() -> None:
    assert (await state_of(*STATE[:2], 0, *STATE[3:])).peer_answers == ()


async def test_several_feeds_are_read_in_one_call() -> None:
    hub = await hub_with_state("feedStates", [STATE, (1, *STATE[1:])])
    one, two = await hub.feed_states([FEED, PEER])
    assert (one.feed_id, one.status, two.feed_id, two.status) == (FEED, Status.HELD, PEER, Status.OK)
    endpoint: Any = hub.rpc
    assert len(endpoint.asked) == 2, "the lens's address and the states"
    with pytest.raises(DeploymentError, match="gives 2 states for 1"):
        await hub.feed_states([FEED])


async def test_very_many_feeds_are_read_in_several_calls_of_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes allow one call only so much gas. A block that comes meanwhile does not mix two states of the hub."""
    monkeypatch.setattr(reader, "_STATES_AT_ONCE", 2)
    hub = await hub_with_state("feedStates", [STATE, STATE])
    endpoint: Any = hub.rpc
    found = await hub.feed_states([FEED, PEER] * 3)
    assert [each.feed_id for each in found] == [FEED, PEER] * 3
    assert endpoint.blocks[-3:] == [41, 41, 41]
    # Few feeds need no number, and whoever names a block is asked for none.
    await hub.feed_states([FEED, PEER])
    assert endpoint.blocks[-1] == "latest"
    await hub.feed_states([FEED, PEER] * 2, block=7)
    assert endpoint.blocks[-2:] == [7, 7]


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
    for ask in (hub.feed_state, hub.proposals, hub.shadow):
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
        hub._round_events([log_of("RoundHeld", FEED, 7, 100, 1_000, 2, [3], 4, 0, SUBMITTER)])


async def test_a_feed_that_vanishes_is_not_believed_to_and_one_that_never_was_is_told() -> None:
    hub = hub_that_answers("feedConfig", CONFIG)
    await hub.find({"one": FEED})
    endpoint: Any = hub.rpc
    endpoint.reverts = ContractRejected("UnknownFeed: the hub has no feed", "UnknownFeed", FEED)
    with pytest.raises(AnswerNotBelieved, match="UnknownFeed"):
        await hub.feed_state(FEED)
    endpoint.reverts = ContractRejected("UnknownFeed: the hub has no feed", "UnknownFeed", b"\7" * 32)
    with pytest.raises(ContractRejected):
        await hub.look("feedState", b"\7" * 32)
    with pytest.raises(DeploymentError, match=r"feed two is not in the hub at 0x.* run `oracle deploy`"):
        await Hub(endpoint, HUB).find({"two": b"\7" * 32})


async def test_what_is_proposed() -> None:
    assert await hub_that_answers("proposals", (10, 30, 40, 4, 3)).proposals(FEED) == Proposals(
        model=4, model_from=10, unpause_from=30, previous_model=3, previous_until=40
    )
    nothing = Proposals(None, None, None, None, None)
    assert await hub_that_answers("proposals", (0,) * 5).proposals(FEED) == nothing


async def test_a_committee_and_who_is_proposed_for_it() -> None:
    one, two = "0x" + "11" * 20, "0x" + "22" * 20
    found = await hub_that_answers("committee", (4, 3, [one], 70, 1, [two, one])).committee(9)
    assert found == Committee(9, (one,), 3, 4, proposed=(two, one), proposed_quorum=1, active_from=70)
    found = await hub_that_answers("committee", (4, 3, [one], 0, 0, [])).committee(9)
    assert found == Committee(9, (one,), 3, 4)


async def test_an_architecture_lists_its_features() -> None:
    listed = [Feature.PAST_11, Feature.MOVE, Feature.PEER_SEEN_1]
    found = await hub_that_answers("architecture", (bytes(listed), 2, True, [1], [HUB], [FEED])).architecture(1)
    assert (found.features, found.outputs, found.binds_model, found.verifiers) == (tuple(listed), 2, True, (HUB,))
    with pytest.raises(DeploymentError, match="answers 9 for a Feature"):
        await hub_that_answers("architecture", (b"\x09", 2, True, [1], [HUB], [FEED])).architecture(1)


async def test_the_tally_of_a_shadow_period() -> None:
    found = await hub_that_answers("shadow", (4, 9, 8, 1, 5, 3)).shadow(FEED)
    assert found == ShadowTally(
        model_number=4, reports=9, compared=8, disagreements=1, min_compared=5, max_disagreements=3
    )
    assert await hub_that_answers("shadow", (0,) * 6).shadow(FEED) is None


def test_a_feed_s_configuration_has_the_order_of_the_contract_s_struct() -> None:
    entry = next(each for each in hub_interface().abi if each.get("name") == "addFeed")
    theirs = [part["name"].lower() for part in entry["inputs"][0]["components"]]
    assert [field.name.replace("_", "") for field in fields(HubFeedConfig)] == theirs
