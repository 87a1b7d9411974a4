"""Tests of hostile surroundings: contracts that call back, calldata with extra content, gas that runs out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode

from oracle.chain.hub import aggregator_interface, hub_interface, lens_interface
from oracle.core import encoding
from oracle.core.types import Status
from tests.attack.calldata import DYNAMIC, IF_NEWER, SUBMIT, WORD, Calldata, encode, packed, place, word
from tests.attack.node import OUTSIDER
from tests.attack.proofs import CALM
from tests.attack.rig import ANOMALOUS, ANSWER, NORMAL, REPORTER, VERIFY, Rig, Sighting

pytestmark = pytest.mark.attack


def accepted(rig: Rig, feed: str = "solo", answer: int = NORMAL) -> None:
    state = rig.state(feed)
    assert (state.round_id, state.answer, state.status) == (2, answer, Status.OK)


# --- contracts that call back ---


def calling(target: str, data: bytes, *, bubbles: bool, once: bool = False) -> bytes:
    """Return code that calls a contract, whatever it is called with, then fails as the call fails or logs its result.

    Args:
        once: Call only the first time, which the code remembers in a word of its storage.
    """
    # SLOAD(0), ISZERO, PUSH1 7, JUMPI, STOP, JUMPDEST, SSTORE(0, 1)
    head = bytes.fromhex("5f5415600757005b60015f55") if once else b""
    length = b"\x61" + len(data).to_bytes(2)  # PUSH2
    call = b"\x5f\x5f" + length + b"\x5f\x5f\x73" + bytes.fromhex(target[2:]) + b"\x5a\xf1"
    fetch = bytes.fromhex("3d5f5f3e")  # RETURNDATACOPY(0, 0, RETURNDATASIZE)
    before = len(head) + 2 * len(length) + 2 + len(call)
    if bubbles:
        revert = fetch + bytes.fromhex("3d5ffd")
        after = before + 3 + len(revert)
        rest = bytes([0x60, after, 0x57]) + revert + b"\x5b\x00"  # PUSH1, JUMPI, …, JUMPDEST, STOP
    else:
        rest = b"\x50" + fetch + bytes.fromhex("3d5fa000")  # POP, …, LOG0, STOP
    offset = b"\x61" + (before + len(rest)).to_bytes(2)
    return head + length + offset + b"\x5f\x39" + call + rest + data  # CODECOPY(0, offset, length)


def logged(rig: Rig, receipt: dict[str, Any], address: str) -> list[bytes]:
    return [bytes.fromhex(log["data"][2:]) for log in receipt["logs"] if log["address"] == address.lower()]


@pytest.fixture
def aggregator(rig: Rig) -> str:
    """Return the one contract that the hub calls after its effects. A test replaces its code by force."""
    found = rig.run(rig.hub.aggregator(rig.feed_id("solo")))
    assert found is not None
    return found


def test_another_submission_within_a_submission(rig: Rig, normal: Calldata, quorum: Calldata, aggregator: str) -> None:
    """The inner submission counts like one that comes later: the hub finishes the outer one before it calls anyone."""
    data = encode(quorum)
    rig.chain.rpc("anvil_setCode", aggregator, "0x" + calling(rig.hub.address, data, bubbles=False).hex())
    receipt = rig.receipt(encode(normal))
    assert receipt["status"] == "0x1" and rig.changed(receipt) == {rig.hub.address.lower()}
    assert logged(rig, receipt, aggregator) == [b""]
    accepted(rig)
    accepted(rig, "trio")
    for submission in (normal, quorum):
        rig.refuses(submission, "WrongRound")


def test_the_same_submission_within_itself(rig: Rig, normal: Calldata, aggregator: str) -> None:
    """The inner submission is out of date by then. Even if the outer one fails with it, no round is written twice."""
    data = encode(normal)
    rig.chain.rpc("anvil_setCode", aggregator, "0x" + calling(rig.hub.address, data, bubbles=True).hex())
    rig.refuses(normal, "WrongRound")
    rig.chain.rpc("anvil_setCode", aggregator, "0x" + calling(rig.hub.address, data, bubbles=False).hex())
    receipt = rig.receipt(data)
    assert receipt["status"] == "0x1"
    (answer,) = logged(rig, receipt, aggregator)
    refused = hub_interface().decode_error(answer)
    assert refused is not None and refused.name == "WrongRound"
    accepted(rig)


def test_the_next_submission_within_a_submission(rig: Rig, normal: Calldata, aggregator: str) -> None:
    """The inner one is proven on the history after the outer one: one transaction writes two rounds, in order."""
    before = rig.chain.snapshot()
    assert rig.accepts(normal)
    data = encode(rig.honest("solo", Sighting(NORMAL + ANSWER // 1_000, 700)))
    rig.chain.revert(before)
    rig.refuses(data, "WrongRound")
    rig.chain.rpc("anvil_setCode", aggregator, "0x" + calling(rig.hub.address, data, bubbles=True, once=True).hex())
    assert rig.accepts(normal)
    assert (rig.state("solo").round_id, rig.state("solo").answer) == (3, NORMAL + ANSWER // 1_000)
    second = rig.run(rig.hub.round(rig.feed_id("solo"), 2))
    assert second is not None and second.answer == NORMAL


def test_a_reader_within_a_submission(rig: Rig, normal: Calldata, aggregator: str) -> None:
    """A reader inside a submission sees what everyone sees after it, because calls come after all effects."""
    question = hub_interface().encode_call("latestRound", rig.feed_id("solo"))
    rig.chain.rpc("anvil_setCode", aggregator, "0x" + calling(rig.hub.address, question, bubbles=False).hex())
    receipt = rig.receipt(encode(normal))
    (seen,) = logged(rig, receipt, aggregator)
    assert seen == rig.run(rig.rpc.call(rig.hub.address, question))
    assert hub_interface().decode_output("latestRound", seen)["roundId"] == 2
    accepted(rig)


def test_a_verifier_that_calls_back(rig: Rig, normal: Calldata, quorum: Calldata) -> None:
    """The hub calls it statically, so even code that was never registered could write nothing."""
    verifier = rig.verifier()
    for data in (encode(quorum), encode(normal)):
        code = calling(rig.hub.address, data, bubbles=True)
        rig.chain.rpc("anvil_setCode", verifier, "0x" + code.hex())
        rig.refuses(normal, "ProofRejected")
    for name in ("solo", "trio"):
        assert (rig.state(name).round_id, rig.state(name).status) == (1, Status.OK)


def test_a_consumer_that_submits_and_reads_at_once(rig: Rig, normal: Calldata, aggregator: str) -> None:
    """A consumer may carry the report that it reads next. It reads what was proven, and nothing else."""
    outer = rig.receipt(_creation(calling(rig.hub.address, encode(normal), bubbles=True)), to="")["contractAddress"]
    assert rig.send(b"", to=outer)
    accepted(rig)
    question = aggregator_interface().encode_call("latestRoundData")
    reader = rig.receipt(_creation(calling(aggregator, question, bubbles=False)), to="")["contractAddress"]
    (seen,) = logged(rig, rig.receipt(b"", to=reader), reader)
    assert int.from_bytes(seen[WORD : 2 * WORD]) == NORMAL
    assert not rig.send(b"", to=outer), "once"


def _creation(runtime: bytes) -> bytes:
    """Return creation code for some runtime code: PUSH2 length, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN."""
    return b"\x61" + len(runtime).to_bytes(2) + bytes.fromhex("80600a5f395ff3") + runtime


def test_nobody_but_the_hub_announces(rig: Rig, aggregator: str) -> None:
    """Off-chain consumers follow the events of an adapter."""
    data = aggregator_interface().encode_call("announce", 2, ANOMALOUS, rig.start + 600, rig.address(OUTSIDER))
    for account in (0, REPORTER, OUTSIDER):
        receipt = rig.receipt(data, account, aggregator)
        assert receipt["status"] == "0x0" and receipt["logs"] == []


# --- instances that a caller would like ---


def instances(rig: Rig, scores: tuple[int, ...]) -> bytes:
    """Return the array, in the verifier's ABI, that would make an anomalous answer pass."""
    window = rig.window("solo", ANOMALOUS, 600)
    values = encoding.instances(rig.proofs.artifact().model_hash, [window], [scores], 1)
    return abi_encode(["uint256[]"], [values])[WORD:]


def test_instances_behind_the_calldata(rig: Rig, normal: Calldata, anomalous: Calldata) -> None:
    """Bytes after the arguments have no effect: the verifier gets what the hub wrote."""
    forged = instances(rig, (-1, -1))
    claimed = encode(anomalous.with_scores(-1, -1))
    calm = abi_encode(["uint256[]"], [[rig.proofs.artifact().model_hash, *CALM, *(1, 1)]])[WORD:]
    for tail in (forged, calm, bytes(WORD) + forged, forged * 3):
        rig.refuses(claimed + tail, "ProofRejected")
    statement = VERIFY + abi_encode(["bytes", "uint256[]"], [anomalous.proof, [0]])
    rig.refuses(claimed + statement, "ProofRejected")
    assert rig.refusal(encode(anomalous) + forged) is None
    assert rig.send(encode(anomalous) + forged)
    assert rig.state("solo").status is Status.HELD, "the forged scores are not what was looked at"


def test_instances_inside_the_proof(rig: Rig, normal: Calldata, anomalous: Calldata) -> None:
    """The proof's bytes can't overwrite the array that follows them."""
    for scores in ((-1, -1), anomalous.first_scores):
        forged = instances(rig, scores)
        claimed = anomalous.with_scores(-1, -1)
        for proof in (anomalous.proof + forged, anomalous.proof[: -len(forged)] + forged, forged + anomalous.proof):
            rig.refuses(replace(claimed, proof=proof), "ProofRejected")
            rig.refuses(replace(anomalous, proof=proof), "ProofRejected")
    assert rig.accepts(normal)


# --- gas ---


def intrinsic(data: bytes) -> int:
    """Return what a transaction costs before any code runs: by EIP-2028, and at least EIP-7623's floor."""
    zeros = data.count(0)
    others = len(data) - zeros
    return 21_000 + max(4 * zeros + 16 * others, 10 * zeros + 40 * others)


def refused_within(rig: Rig, data: bytes, error: str, gas: int) -> None:
    """Assert that a call is refused with this error, given so much gas beyond the transaction's own cost."""
    request = {"from": rig.address(OUTSIDER), "to": rig.hub.address, "data": "0x" + data.hex()}
    limit = intrinsic(data) + gas
    assert rig.refusal(data) == error
    trace = rig.chain.rpc("debug_traceCall", {**request, "gas": hex(limit)}, "latest", {"tracer": "callTracer"})
    answer = bytes.fromhex(trace.get("output", "0x")[2:])
    said = hub_interface().decode_error(answer)
    assert said is not None and said.name == error, f"{error} takes more than {gas:,} gas: {trace.get('error')}"


def test_huge_arrays_are_refused_before_any_work(rig: Rig, normal: Calldata) -> None:
    """A careless relayer can lose the cost of the calldata, and no more."""
    one = normal.signatures[0]
    feeds = replace(normal, feed_ids=normal.feed_ids * 97, round_ids=(2,) * 97, medians=bytes(97))
    refused_within(rig, encode(replace(feeds, answers=normal.answers * 97)), "MalformedSubmission", 30_000)
    twice = replace(normal, feed_ids=normal.feed_ids * 96, round_ids=(2,) * 96, medians=bytes(96))
    refused_within(rig, encode(replace(twice, answers=normal.answers * 96)), "FeedsNotAscending", 120_000)
    crowd = replace(normal, signatures=(one,) * 500, answers=normal.answers * 500)
    refused_within(rig, encode(crowd), "TooManySignatures", 40_000)
    refused_within(rig, encode(replace(normal, answers=normal.answers * 5_000)), "MalformedSubmission", 30_000)
    refused_within(rig, encode(replace(normal, proof=b"\xff" * 50_000)), "ProofTooLong", 30_000)
    refused_within(rig, encode(replace(normal, scores=packed(-1) * 1_000)), "MalformedSubmission", 60_000)
    rig.refuses(crowd, "TooManySignatures")
    assert rig.accepts(normal)
    accepted(rig)


def test_a_crowd_of_signatures_stops_at_the_first_bad_one(rig: Rig, normal: Calldata) -> None:
    """Nobody can make the hub recover 31 signatures by means of one good signature."""
    one = normal.signatures[0]
    twice = replace(normal, signatures=(one,) * 31, answers=normal.answers * 31)
    refused_within(rig, encode(twice), "DuplicateReporter", 70_000)
    strangers = replace(twice, signatures=(replace(one, r=bytes(32)), *(one,) * 30))
    refused_within(rig, encode(strangers), "NotAReporter", 60_000)


@pytest.mark.parametrize("length", [2**32, 2**64 - 1, 2**64, 2**255, 2**256 - 1])
@pytest.mark.parametrize("call", [SUBMIT, IF_NEWER], ids=str)
def test_arrays_that_say_to_be_huge(rig: Rig, normal: Calldata, length: int, call: str) -> None:
    """A length without content costs nothing to write, and nothing to refuse."""
    data = encode(normal, SUBMIT if call == SUBMIT else IF_NEWER)
    for part in DYNAMIC:
        at = place(data, part)
        altered = data[:at] + word(length) + data[at + WORD :]
        assert rig.refusal(altered) is not None, part
        receipt = rig.receipt(altered)
        assert receipt["status"] == "0x0"
        assert int(receipt["gasUsed"], 16) < intrinsic(altered) + 100_000, part
    assert rig.send(data)


@pytest.mark.parametrize("kind", ["normal", "anomalous"])
def test_a_submission_with_too_little_gas(rig: Rig, kind: str, request: pytest.FixtureRequest) -> None:
    """Wherever the gas runs out, in the verifier too, the hub writes neither a round nor a hold."""
    submission: Calldata = request.getfixturevalue(kind)
    data = encode(submission)
    sent = {"to": rig.hub.address, "data": "0x" + data.hex()}
    needed = int(rig.chain.rpc("eth_estimateGas", sent), 16)
    least = intrinsic(data)
    before = rig.storage()
    for step in range(24):
        gas = least + (needed - least) * step // 24
        assert not rig.send(data, gas=gas), f"{gas:,} of {needed:,}"
    assert rig.storage() == before
    assert rig.send(data, gas=needed)
    assert rig.state("solo").status is (Status.OK if kind == "normal" else Status.HELD)


def test_the_cost_of_a_report_does_not_grow(rig: Rig) -> None:
    """It grows neither with the history nor with holds: nobody can make a feed too expensive to report."""
    used = []
    for report in range(4):
        submission = rig.honest("solo", Sighting(NORMAL + report * 1_000, 600 + 60 * report))
        used.append(int(rig.receipt(encode(submission))["gasUsed"], 16))
    assert rig.state("solo").round_id == 5
    held = []
    for report in range(4):
        answer = (ANOMALOUS, 2 * ANOMALOUS)[report % 2]
        submission = rig.honest("solo", Sighting(answer, 1_200 + 60 * report))
        held.append(int(rig.receipt(encode(submission))["gasUsed"], 16))
    assert rig.state("solo").status is Status.HELD
    assert max(used[1:]) - min(used[1:]) < 5_000
    # The first hold pays for its slots.
    assert max(held[1:]) - min(held[1:]) < 5_000 and max(held[1:]) <= held[0]


def test_reports_for_feeds_that_there_are_not(rig: Rig, normal: Calldata) -> None:
    """They are refused before any signature is checked."""
    unknown = replace(normal, feed_ids=(bytes(31) + b"\1",), round_ids=(1,))
    refused_within(rig, encode(unknown), "UnknownFeed", 30_000)
    # Zero is no feed's id: it stands for the feed before the first one of a submission.
    refused_within(rig, encode(replace(unknown, feed_ids=(bytes(32),))), "FeedsNotAscending", 30_000)
    refused_within(rig, encode(replace(normal, committee=9)), "UnknownCommittee", 20_000)
    refused_within(rig, encode(replace(normal, epoch=9)), "WrongEpoch", 20_000)
    refused_within(rig, encode(replace(normal, round_ids=(9,))), "WrongRound", 35_000)
    refused_within(rig, encode(normal.with_scores(-(2**127), 0)), "ScoreOutOfRange", 80_000)
    assert rig.state("solo").answer == ANSWER


def test_a_lost_race_is_cheap(rig: Rig, normal: Calldata) -> None:
    """Whoever comes second pays for the calldata and a few words of storage, not for signatures or the proof."""
    assert rig.accepts(normal)
    refused_within(rig, encode(normal), "WrongRound", 40_000)
    data = encode(normal, IF_NEWER)
    receipt = rig.receipt(data)
    assert receipt["status"] == "0x1" and receipt["logs"] == [] and rig.changed(receipt) == set()
    assert int(receipt["gasUsed"], 16) < intrinsic(data) + 20_000


# --- reading the storage ---


@pytest.mark.parametrize("count", [0, 1, 3, 300])
def test_reading_slots_changes_none(rig: Rig, normal: Calldata, count: int) -> None:
    """`extsload` gives any word to anybody, and takes none: as a transaction too, and for slots that are written."""
    slots = sorted(rig.storage())[:3]
    asked = [slots[at % 3].to_bytes(32) for at in range(count)]
    before = rig.storage()
    data = hub_interface().encode_call("extsload", asked)
    receipt = rig.receipt(data)
    assert receipt["status"] == "0x1" and receipt["logs"] == [] and rig.changed(receipt) == set()
    assert rig.storage() == before
    words = hub_interface().decode_output("extsload", rig.run(rig.rpc.call(rig.hub.address, data)))
    assert [int.from_bytes(each) for each in words] == [before[slots[at % 3]] for at in range(count)]
    assert rig.accepts(normal)


def test_slots_that_are_asked_for_badly(rig: Rig) -> None:
    data = hub_interface().encode_call("extsload", [bytes(32)] * 2)
    for altered in (data[:-1], data[:4] + word(2**255) + data[36:], data[:36] + word(2**64) + data[68:], data[:4]):
        assert rig.refusal(altered) is not None
        rig.fails(altered)


def test_the_lens_writes_nothing(rig: Rig) -> None:
    """It has no storage and no rights; what it says of another hub is that hub's business."""
    lens = rig.run(rig.hub.lens())
    for function, arguments in (("feedState", (rig.feed_id("solo"),)), ("feedIds", ()), ("committee", (1,))):
        data = lens_interface().encode_call(function, rig.hub.address, *arguments)
        receipt = rig.receipt(data, to=lens)
        assert receipt["status"] == "0x1" and rig.changed(receipt) == set()
    assert not rig.send(lens_interface().encode_call("feedIds", lens), to=lens), "no hub"
