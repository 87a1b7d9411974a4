"""Tests of how a model is admitted: its circuits prove that they are its own; it is compared with the active one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode

from oracle.chain.hub import CHANGE_WINDOW, ShadowTally, hub_interface
from oracle.chain.local import toolchain
from oracle.chain.local.solc import compile_standard, standard_input
from oracle.core.encoding import CLIP, FIELD_MODULUS, Feature
from oracle.core.formats import keccak
from oracle.core.types import Status
from tests.attack.calldata import SHADOW, Calldata, flipped
from tests.attack.node import DEPLOYER
from tests.attack.proofs import CALM
from tests.attack.rig import ANOMALOUS, ANSWER, HOURS, NORMAL, REPORTER, STRANGER, Probe, Rig, Sighting

pytestmark = pytest.mark.attack


# --- probes ---


SIZES = (1, 4)


@pytest.fixture
def architecture(rig: Rig) -> int:
    """Return an architecture with circuits for one window and for four, without a model."""
    larger = rig.put(rig.proofs.artifact(batch=4).verifier().bytecode)
    return rig.add_architecture(batches=SIZES, verifiers=[rig.verifier(), larger])


@pytest.fixture
def refused(rig: Rig, architecture: int) -> Callable[..., None]:
    """Assert that the private model is refused with changed probes or arguments, and admitted without changes."""
    good = rig.probe("private", SIZES)

    def check(error: str, probe: Probe | None = None, **changes: Any) -> None:
        before = rig.run(rig.hub.model_count())
        rig.refuses(rig.model_call("private", architecture, probe=probe or good, **changes), error, DEPLOYER)
        assert rig.run(rig.hub.model_count()) == before

    assert rig.refusal(rig.model_call("private", architecture, probe=good), DEPLOYER) is None
    return check


def test_a_model_with_a_good_probe(rig: Rig, architecture: int) -> None:
    assert rig.send(rig.model_call("private", architecture, probe=rig.probe("private", SIZES)), DEPLOYER)
    number = rig.run(rig.hub.model_count())
    assert (number, rig.run(rig.hub.model(number)).architecture_id) == (2, architecture)


def test_a_probe_of_other_weights(rig: Rig, refused: Callable[..., None]) -> None:
    """The attempts: other weights in each of the circuits, with their scores or ours, and our probe for their hash."""
    ours, theirs = rig.probe("private", SIZES), rig.probe("other", SIZES)
    assert ours.scores != theirs.scores
    for index in range(len(SIZES)):
        mixed = tuple(theirs.proofs[at] if at == index else ours.proofs[at] for at in range(len(SIZES)))
        refused("ProofRejected", replace(ours, proofs=mixed))
    refused("ProofRejected", theirs)
    refused("ProofRejected", replace(theirs, scores=ours.scores))
    refused("ProofRejected", modelHash=rig.proofs.artifact("other").model_hash)


def test_a_probe_of_another_batch(rig: Rig, refused: Callable[..., None]) -> None:
    """The attempts: one proof for both circuits, and each circuit's proof for the other circuit."""
    good = rig.probe("private", SIZES)
    one, four = good.proofs
    for proofs in ((one, one), (four, four), (four, one)):
        refused("ProofRejected", replace(good, proofs=proofs))
    refused("InvalidModel", replace(good, proofs=(one,)))
    refused("InvalidModel", replace(good, proofs=(one, four, four)))
    refused("InvalidModel", replace(good, proofs=()))


def test_a_probe_of_a_batch_that_is_not_one_window(rig: Rig, refused: Callable[..., None]) -> None:
    """The proof is about the window and others beside it; the hub repeats the one window instead."""
    good = rig.probe("private", SIZES)
    other = (100, *CALM[1:])
    mixed = rig.proofs.prove(CALM, other, other, other, batch=4)
    refused("ProofRejected", replace(good, proofs=(good.proofs[0], mixed)))


def test_a_probe_with_other_scores(rig: Rig, refused: Callable[..., None]) -> None:
    """The attempts: scores flipped, off by one, swapped, of another window, and equal to ours in the field."""
    good = rig.probe("private", SIZES)
    first, second = good.scores
    for scores in ((-first, second), (first, -second), (first + 1, second), (second, first), (-1, -1), (0, 0)):
        refused("ProofRejected", replace(good, scores=scores))
    for value in (first + FIELD_MODULUS, first - FIELD_MODULUS, first + 2**255, 2**127, -(2**127)):
        refused("InvalidModel", replace(good, scores=(value, second)))
    refused("InvalidModel", replace(good, scores=(first,)))
    refused("InvalidModel", replace(good, scores=(first, second, second)))


def test_a_probe_of_another_window(rig: Rig, refused: Callable[..., None]) -> None:
    good = rig.probe("private", SIZES)
    refused("ProofRejected", replace(good, window=(1, *CALM[1:])))
    refused("ProofRejected", replace(good, window=CALM[::-1]))
    refused("InvalidModel", replace(good, window=CALM[:-1]))
    refused("InvalidModel", replace(good, window=(*CALM, 0)))
    for value in (CLIP + 1, -CLIP - 1, FIELD_MODULUS, -FIELD_MODULUS, 2**255 - 1, -(2**255)):
        refused("InvalidModel", replace(good, window=(value, *CALM[1:])))


def test_a_probe_without_a_proof(rig: Rig, refused: Callable[..., None]) -> None:
    good = rig.probe("private", SIZES)
    one, four = good.proofs
    for proof in (b"", four[:-1], four + b"\0", bytes(len(four)), flipped(four, 5), flipped(four, 8 * len(four) - 1)):
        refused("ProofRejected", replace(good, proofs=(one, proof)))


def test_a_verifier_in_another_ones_place(rig: Rig) -> None:
    """If a circuit for one window is registered for four, no model is admitted, because its statements are shorter."""
    number = rig.add_architecture(batches=SIZES, verifiers=[rig.verifier()] * 2)
    good = rig.probe("private", SIZES)
    for proofs in (good.proofs, good.proofs[:1] * 2):
        rig.refuses(rig.model_call("private", number, probe=replace(good, proofs=proofs)), "ProofRejected", DEPLOYER)


@pytest.mark.parametrize(("features", "outputs"), [(14, 1), (14, 3), (13, 2), (12, 4)])
def test_a_circuit_of_another_shape(rig: Rig, features: int, outputs: int) -> None:
    """The number of features or of scores is registered wrong (14 and 2 are right), and the probe reveals it."""
    listed = bytes(rig.proofs.listed()[:features])
    rig.admin("addArchitecture", listed, outputs, True, (1,), [rig.verifier()])
    number = rig.run(rig.hub.architecture_count())
    good = rig.probe()
    probe = replace(good, window=CALM[-features:], scores=(good.scores * 2)[:outputs])
    rig.refuses(rig.model_call("private", number, probe=probe), "ProofRejected", DEPLOYER)


@pytest.mark.parametrize(
    "codes",
    [b"", b"\1", b"\0\0", b"\0\1\1", bytes([0, 9]), bytes([0, 15]), bytes([0, 28]), bytes([0, 255]), bytes(33)],
    ids=["none", "no move", "move twice", "gap twice", "9", "15", "28", "255", "33 of them"],
)
def test_features_that_are_none(rig: Rig, codes: bytes) -> None:
    data = hub_interface().encode_call("addArchitecture", codes, 2, True, [1], [rig.verifier()])
    rig.refuses(data, "InvalidArchitecture", DEPLOYER)


@pytest.mark.parametrize("extra", [Feature.PEER_MOVE_0, Feature.PEER_SEEN_0, Feature.PEER_MOVE_1, Feature.PEER_SEEN_1])
def test_a_model_of_peers_on_a_feed_without(rig: Rig, extra: Feature) -> None:
    """The feature of a peer that a feed lacks is 0. A proof that the feed saw one is refused."""
    listed = (*rig.proofs.listed()[:-1], extra)
    number = rig.add_model("private", rig.add_architecture(listed=listed, verifiers=[rig.verifier()]))
    rig.add_feed("lonely", "solo", number)
    rig.activate("solo", number)
    honest = rig.together({"solo": (Sighting(NORMAL),)}, model_number=number, batch=1, listed=listed)
    window = rig.window("solo", NORMAL, 600, listed=listed)
    assert window[-1] == 0
    for value in (1, -1, CLIP):
        other = (*window[:-1], value)
        forged = replace(honest, proof=rig.proofs.prove(other)).with_scores(*rig.proofs.scores(other))
        rig.refuses(forged, "ProofRejected")
    assert rig.accepts(honest)


def test_an_architecture_and_its_model_in_one_transaction(rig: Rig) -> None:
    """Within one transaction a verifier's code could be replaced after it was hashed. An admin may be a contract."""
    puppet = puppet_admin(rig)
    shape = (bytes(rig.proofs.listed()), 2, True, [1], [rig.verifier()])
    number = rig.run(rig.hub.architecture_count()) + 1
    add = hub_interface().encode_call("addArchitecture", *shape)
    model = rig.model_call("other", number)
    assert puppet(add, model) == [True, False]
    assert puppet(add, rig.model_call("other", number + 1), rig.model_call("other", 1)) == [True, False, True]
    assert puppet(model) == [True]
    assert rig.run(rig.hub.model_count()) == 3


def test_a_verifier_whose_code_changed_before_its_model_came(rig: Rig) -> None:
    number = rig.add_architecture()
    verifier = rig.run(rig.hub.architecture(number)).verifiers[0]
    code = rig.chain.rpc("eth_getCode", verifier, "latest")
    for other in (code + "00", "0x60015f5260205ff3", "0x"):
        rig.chain.rpc("anvil_setCode", verifier, other)
        rig.refuses(rig.model_call("other", number), "VerifierChanged", DEPLOYER)
    rig.chain.rpc("anvil_setCode", verifier, code)
    assert rig.send(rig.model_call("other", number), DEPLOYER)


def test_a_verifier_that_delegates(rig: Rig) -> None:
    """An account that delegates (EIP-7702) has code, which its key replaces at will."""
    account = rig.address(STRANGER)
    rig.chain.rpc("anvil_setCode", account, "0xef0100" + rig.verifier()[2:])
    data = hub_interface().encode_call("addArchitecture", bytes(rig.proofs.listed()), 2, True, [1], [account])
    rig.refuses(data, "NoFixedCode", DEPLOYER)


def puppet_admin(rig: Rig) -> Callable[..., list[bool]]:
    """Make a contract the hub's admin, and return what it does: a few calls of the hub in one transaction."""
    source = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;
contract Puppet {
    function play(address hub, bytes[] calldata calls) external returns (bool[] memory done) {
        done = new bool[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) (done[i],) = hub.call(calls[i]);
    }
}
"""
    output = compile_standard(standard_input({"Puppet.sol": source}), toolchain.contracts_solc_version())
    contract = rig.put(bytes.fromhex(output["contracts"]["Puppet.sol"]["Puppet"]["evm"]["bytecode"]["object"]))

    def play(*calls: bytes) -> list[bool]:
        data = keccak(b"play(address,bytes[])")[:4] + abi_encode(["address", "bytes[]"], [rig.hub.address, calls])
        (done,) = abi_decode(["bool[]"], rig.run(rig.rpc.call(contract, data)))
        assert rig.send(data, to=contract)
        return list(done)

    rig.admin("beginDefaultAdminTransfer", contract)
    rig.later(1)
    assert play(hub_interface().encode_call("acceptDefaultAdminTransfer")) == [True]
    return play


# --- the shadow period ---


@dataclass(frozen=True)
class Proposed:
    """Another model, proposed for `solo`."""

    rig: Rig
    number: int

    def shadow(self, answer: int, after: int = 600) -> Calldata:
        """Return a report as the proposed model judges it."""
        return self.rig.honest("solo", Sighting(answer, after), kind="other", model_number=self.number)

    def counts(self, submission: Calldata) -> bool:
        return self.rig.accepts(submission, call=SHADOW)

    def scores(self, answer: int) -> tuple[tuple[int, ...], ...]:
        """Return what the active and the proposed model say of an answer."""
        window = self.rig.window("solo", answer, 600)
        return self.rig.proofs.scores(window), self.rig.proofs.scores(window, "other")

    def tally(self) -> ShadowTally:
        found = self.rig.run(self.rig.hub.shadow(self.rig.feed_id("solo")))
        assert found is not None
        return found


@pytest.fixture
def proposed(rig: Rig) -> Proposed:
    number = rig.add_model("other")
    rig.propose("solo", number, compared=2)
    return Proposed(rig, number)


def untouched(rig: Rig) -> None:
    state = rig.state("solo")
    assert (state.status, state.round_id, state.answer, state.held) == (Status.OK, 1, ANSWER, None)
    assert (state.observed_at, state.last_report_at) == (rig.start, rig.start)


def test_a_shadow_submission_writes_no_round_and_no_hold(rig: Rig, proposed: Proposed) -> None:
    """Consumers see nothing of it, whether it is normal or anomalous."""
    before = rig.state("solo")
    for after, answer in ((600, NORMAL), (700, ANOMALOUS), (800, 1)):
        assert proposed.counts(proposed.shadow(answer, after))
        assert rig.state("solo") == before
    untouched(rig)
    assert (proposed.tally().reports, proposed.tally().compared) == (3, 0)
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 600))), "nor does it make older observations stale"


@pytest.mark.parametrize("answer", [NORMAL, ANOMALOUS])
def test_a_shadow_submission_as_a_real_one(rig: Rig, proposed: Proposed, answer: int) -> None:
    """Its model is not active, so it is refused under its own number and as a proof of the active model."""
    shadow = proposed.shadow(answer)
    rig.refuses(shadow, "ModelNotActive")
    rig.refuses(replace(shadow, model_number=1), "ProofRejected")
    honest = rig.honest("solo", Sighting(answer))
    rig.refuses(replace(honest, proof=shadow.proof), "ProofRejected")
    assert proposed.counts(shadow)
    rig.refuses(shadow, "ModelNotActive")
    assert rig.accepts(honest)


def test_a_real_submission_as_a_shadow_one(rig: Rig, proposed: Proposed, normal: Calldata) -> None:
    rig.refuses(normal, "NothingDue", call=SHADOW)
    rig.refuses(replace(normal, model_number=proposed.number), "ProofRejected", call=SHADOW)
    assert proposed.tally().reports == 0
    assert rig.accepts(normal)
    rig.refuses(replace(normal, model_number=proposed.number), "WrongRound", call=SHADOW)


def test_one_report_in_both(rig: Rig, proposed: Proposed, normal: Calldata) -> None:
    """Both take the same observations, which is what makes them comparable. The observations were signed for one
    round, and become one."""
    shadow = proposed.shadow(NORMAL)
    assert (shadow.signatures, shadow.answers) == (normal.signatures, normal.answers)
    assert proposed.counts(shadow)
    assert rig.accepts(normal)
    rig.refuses(normal, "WrongRound")
    rig.refuses(shadow, "WrongRound", call=SHADOW)
    assert rig.state("solo").round_id == 2


def test_a_shadow_submission_that_was_kept_back(rig: Rig, proposed: Proposed) -> None:
    """Once its model is active, it is a good submission if its round is still to come: the reporters signed it, the
    active model judges it, and it is no older than any report may be. For a round that has passed, it is worth
    nothing."""
    rig.propose("solo", proposed.number)
    kept = proposed.shadow(NORMAL)
    assert proposed.counts(kept)
    rig.admin("activateModel", rig.feed_id("solo"))
    rig.refuses(kept, "NothingDue", call=SHADOW)
    assert rig.refusal(kept) is None
    later = proposed.shadow(NORMAL, 700)
    assert rig.accepts(later)
    rig.refuses(kept, "WrongRound")
    assert rig.state("solo").observed_at == rig.start + 700


def test_a_shadow_submission_again(rig: Rig, proposed: Proposed) -> None:
    """A report counts once, however often it is proven. Otherwise a favourable report could fill the tally."""
    shadow = proposed.shadow(NORMAL)
    again = replace(shadow, proof=rig.proofs.prove(rig.window("solo", NORMAL, 600), kind="other", anew=True))
    assert again.proof != shadow.proof
    assert proposed.counts(shadow)
    for copy in (shadow, again):
        rig.refuses(copy, "ObservationNotNewer", call=SHADOW)
    older = proposed.shadow(NORMAL, 599)
    rig.refuses(older, "ObservationNotNewer", call=SHADOW)
    assert proposed.tally().reports == 1


def test_reports_that_the_active_model_never_saw(rig: Rig, proposed: Proposed) -> None:
    """They are counted but not compared, so a shadow period can't be passed without the feed's own reports."""
    for after in range(600, 1_000, 100):
        assert proposed.counts(proposed.shadow(NORMAL, after))
    assert (proposed.tally().reports, proposed.tally().compared) == (4, 0)
    rig.refuses(hub_interface().encode_call("activateModel", rig.feed_id("solo")), "ShadowTooShort", DEPLOYER)
    # The latest of them becomes a round. Four were judged, and one is compared.
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 900)))
    rig.refuses(hub_interface().encode_call("activateModel", rig.feed_id("solo")), "ShadowTooShort", DEPLOYER)
    assert proposed.counts(proposed.shadow(NORMAL, 1_000))
    assert (proposed.tally().reports, proposed.tally().compared) == (5, 1)
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 1_000)))
    rig.admin("activateModel", rig.feed_id("solo"))
    assert rig.state("solo").model_number == proposed.number


def test_one_held_report_is_compared_once(rig: Rig, proposed: Proposed) -> None:
    """While a feed is held, its round keeps its number, and the same hold must not count again."""
    assert proposed.counts(proposed.shadow(ANOMALOUS, 600))
    assert rig.accepts(rig.honest("solo", Sighting(ANOMALOUS, 600)))
    for after in (700, 800, 900):
        assert proposed.counts(proposed.shadow(ANOMALOUS, after))
    assert (proposed.tally().reports, proposed.tally().compared) == (4, 1)


def test_a_model_that_disagrees_with_the_active_one_too_often(rig: Rig) -> None:
    """Agreement on later reports makes up for nothing. Only the verdicts count, however far apart the scores are."""
    number = rig.add_model("other")
    rig.propose("solo", number, compared=1)
    shadow = Proposed(rig, number)
    activate = hub_interface().encode_call("activateModel", rig.feed_id("solo"))
    moves = (ANSWER + ANSWER * step // 1_000 for step in range(1, 300))
    differing = next(each for each in moves if len({max(scores) > 0 for scores in shadow.scores(each)}) == 2)
    assert shadow.counts(shadow.shadow(differing))
    assert rig.accepts(rig.honest("solo", Sighting(differing)))
    rig.refuses(activate, "ShadowTooFar", DEPLOYER)
    for after in (700, 800):
        assert shadow.counts(shadow.shadow(NORMAL, after))
        assert rig.accepts(rig.honest("solo", Sighting(NORMAL, after)))
    assert (shadow.tally().compared, shadow.tally().disagreements) == (2, 1)
    rig.refuses(activate, "ShadowTooFar", DEPLOYER)
    assert rig.state("solo").model_number == 1


def test_forged_shadow_submissions(rig: Rig, proposed: Proposed, normal: Calldata) -> None:
    """Every rule for a submission is a rule for a shadow submission too."""
    shadow, held = proposed.shadow(NORMAL), proposed.shadow(ANOMALOUS)

    def refuses(attack: Calldata, error: str) -> None:
        rig.refuses(attack, error, call=SHADOW)

    def at(after: int) -> Calldata:
        return rig.sign(replace(shadow, observed_at=rig.start + after), REPORTER)

    refuses(replace(shadow, proof=flipped(shadow.proof, 9)), "ProofRejected")
    refuses(replace(shadow, proof=normal.proof), "ProofRejected")
    refuses(replace(shadow, scores=normal.scores), "ProofRejected")
    refuses(held.with_scores(-1, -1), "ProofRejected")
    refuses(replace(held, proof=shadow.proof), "ProofRejected")
    refuses(shadow.with_scores(-(2**127), 0), "ScoreOutOfRange")
    refuses(shadow.with_answer(NORMAL + 1), "NotAReporter")
    refuses(rig.sign(shadow, STRANGER), "NotAReporter")
    refuses(at(0), "ObservationNotNewer")
    refuses(at(9 * HOURS), "ObservationInFuture")
    refuses(replace(shadow, epoch=2), "WrongEpoch")
    refuses(replace(shadow, committee=rig.committee("trio")), "WrongCommittee")
    refuses(replace(shadow, feed_ids=(rig.feed_id("level"),)), "NothingDue")
    refuses(replace(shadow, round_ids=(0,)), "NothingDue")
    refuses(replace(shadow, round_ids=(3,)), "WrongRound")
    refuses(replace(shadow, medians=b"\1"), "NotTheMedian")
    refuses(replace(shadow, model_number=proposed.number + 1), "NothingDue")
    refuses(replace(shadow, scores=shadow.scores * 2), "MalformedSubmission")
    assert proposed.tally().reports == 0
    rig.admin("pause", rig.feed_id("solo"))
    refuses(shadow, "FeedPaused")


def test_a_shadow_of_a_proposal_that_is_gone(rig: Rig, proposed: Proposed) -> None:
    """After the proposal was cancelled or replaced, its count is not carried over."""
    assert proposed.counts(proposed.shadow(NORMAL, 600))
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 600)))
    assert proposed.counts(proposed.shadow(NORMAL, 700))
    assert proposed.tally().compared == 1
    rig.admin("cancelModel", rig.feed_id("solo"))
    shadow = proposed.shadow(NORMAL, 800)
    rig.refuses(shadow, "NothingDue", call=SHADOW)
    rig.refuses(hub_interface().encode_call("activateModel", rig.feed_id("solo")), "NothingProposed", DEPLOYER)
    rig.propose("solo", proposed.number, compared=1)
    assert (proposed.tally().reports, proposed.tally().compared) == (0, 0)
    rig.refuses(hub_interface().encode_call("activateModel", rig.feed_id("solo")), "ShadowTooShort", DEPLOYER)
    assert proposed.counts(shadow)


# --- changes that expire, and who may make them ---


def test_a_proposed_model_expires(rig: Rig, proposed: Proposed) -> None:
    """A proposal that was forgotten can't come into force years later, nor be shown any more."""
    activate = hub_interface().encode_call("activateModel", rig.feed_id("solo"))
    rig.propose("solo", proposed.number)
    assert rig.refusal(activate, DEPLOYER) is None
    rig.later(CHANGE_WINDOW + 60)
    rig.refuses(activate, "ProposalExpired", DEPLOYER)
    after = rig.now() - rig.start - 60
    rig.refuses(proposed.shadow(NORMAL, after), "NothingDue", call=SHADOW)
    rig.propose("solo", proposed.number)
    rig.admin("activateModel", rig.feed_id("solo"))


def test_proposed_reporters_expire(rig: Rig, normal: Calldata) -> None:
    number = rig.committee("solo")
    rig.admin("proposeReporters", number, [rig.address(STRANGER)], 1)
    rig.later(CHANGE_WINDOW + 60)
    rig.refuses(hub_interface().encode_call("activateReporters", number), "ProposalExpired", DEPLOYER)
    assert rig.run(rig.hub.committee(number)).reporters == (rig.address(REPORTER),)


def test_a_proposed_unpause_expires(rig: Rig) -> None:
    feed_id = rig.feed_id("solo")
    rig.admin("pause", feed_id)
    rig.admin("proposeUnpause", feed_id)
    rig.later(CHANGE_WINDOW + 60)
    rig.refuses(hub_interface().encode_call("unpause", feed_id), "ProposalExpired", DEPLOYER)
    assert rig.state("solo").paused


def test_a_rollback_is_possible_for_a_while(rig: Rig, proposed: Proposed) -> None:
    """A model that was replaced because it is unsound can't be brought back at once, a year later."""
    rig.activate("solo", proposed.number)
    rollback = hub_interface().encode_call("rollbackModel", rig.feed_id("solo"))
    assert rig.refusal(rollback, DEPLOYER) is None
    rig.later(CHANGE_WINDOW + 60)
    rig.refuses(rollback, "NoPreviousModel", DEPLOYER)
    assert rig.state("solo").model_number == proposed.number


def test_an_admin_that_handed_over_is_no_guardian(rig: Rig, normal: Calldata) -> None:
    """The deployer was both. With the handover it loses both."""
    rig.admin("beginDefaultAdminTransfer", rig.address(STRANGER))
    pause = hub_interface().encode_call("pause", rig.feed_id("solo"))
    assert rig.refusal(pause, DEPLOYER) is None
    rig.later(1)
    assert rig.send(hub_interface().encode_call("acceptDefaultAdminTransfer"), STRANGER)
    for function, arguments in (
        ("pause", (rig.feed_id("solo"),)),
        ("cancelModel", (rig.feed_id("solo"),)),
        ("rollbackModel", (rig.feed_id("solo"),)),
        ("cancelReporters", (rig.committee("solo"),)),
        ("addCommittee", ([rig.address(DEPLOYER)], 1)),
    ):
        data = hub_interface().encode_call(function, *arguments)
        rig.refuses(data, "AccessControlUnauthorizedAccount", DEPLOYER)
    assert rig.refusal(pause, STRANGER) is None
    assert rig.accepts(normal)


@pytest.mark.parametrize("account", [REPORTER, STRANGER])
def test_nobody_else_accepts_a_handover(rig: Rig, account: int) -> None:
    rig.admin("beginDefaultAdminTransfer", rig.address(DEPLOYER))
    rig.later(1)
    data = hub_interface().encode_call("acceptDefaultAdminTransfer")
    rig.refuses(data, "AccessControlInvalidDefaultAdmin", account)
