"""Tests of good proofs that are about something else: other weights, other circuits, other verifiers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.chain.hub import hub_interface
from oracle.core import encoding
from oracle.core.types import Status
from oracle.proving.verification import LocalVerifier
from tests.attack.calldata import SHADOW, Calldata
from tests.attack.node import DEPLOYER, OUTSIDER
from tests.attack.proofs import Proofs, limit
from tests.attack.rig import ANSWER, NORMAL, STRANGER, Rig, Sighting

pytestmark = pytest.mark.attack


def accepted(rig: Rig, submission: Calldata) -> None:
    assert rig.accepts(submission)
    state = rig.state("solo")
    assert (state.round_id, state.answer, state.status) == (2, NORMAL, Status.OK)


def test_other_weights_share_the_verifier(proofs: Proofs) -> None:
    """Otherwise the tests below would show nothing: only the model's hash tells the proofs apart."""
    ours, other = proofs.artifact().manifest, proofs.artifact("other").manifest
    assert ours.verifier_code_hash == other.verifier_code_hash
    assert ours.model_hash != other.model_hash


def test_a_proof_of_other_weights(rig: Rig, normal: Calldata) -> None:
    """This holds whether or not the hub knows the other model and has it active on another feed."""
    forged = rig.honest("solo", Sighting(NORMAL), kind="other")
    assert forged.first_scores != normal.first_scores
    rig.refuses(forged, "ProofRejected")
    rig.refuses(forged.with_scores(*normal.first_scores), "ProofRejected")
    number = rig.add_model("other")
    rig.refuses(forged, "ProofRejected")
    rig.refuses(replace(forged, model_number=number), "ModelNotActive")
    rig.activate("level", number)
    rig.refuses(replace(forged, model_number=number), "ModelNotActive")
    accepted(rig, normal)


def test_the_same_proof_is_good_for_its_own_model(rig: Rig, normal: Calldata) -> None:
    number = rig.add_model("other")
    rig.activate("solo", number)
    rig.refuses(normal, "ModelNotActive")
    rig.refuses(replace(normal, model_number=number), "ProofRejected")
    accepted(rig, rig.honest("solo", Sighting(NORMAL), kind="other", model_number=number))


def test_a_looser_model_does_not_pass_what_the_active_one_holds(rig: Rig) -> None:
    """Somebody who knows another model of the architecture would try this."""
    between = ANSWER + ANSWER * (limit() + limit(kind="other")) // 200_000
    strict = rig.honest("solo", Sighting(between))
    loose = rig.honest("solo", Sighting(between), kind="other")
    assert max(strict.first_scores) > 0 >= max(loose.first_scores)
    rig.refuses(loose, "ProofRejected")
    rig.refuses(strict.with_scores(*loose.first_scores), "ProofRejected")
    assert rig.accepts(strict)
    assert rig.state("solo").status is Status.HELD


@pytest.mark.parametrize("kind", ["verdict", "public"])
def test_a_proof_of_another_circuit(rig: Rig, normal: Calldata, kind: str) -> None:
    """The model and the window are the same, but the circuit publishes verdicts, or its weights are public."""
    window = rig.window("solo", NORMAL, 600)
    artifact = rig.proofs.artifact(kind)
    forged = rig.honest("solo", Sighting(NORMAL), kind=kind)
    with LocalVerifier(artifact) as verifier:
        statement = encoding.instances(artifact.model_hash, [window], [forged.first_scores], 1)
        assert verifier.verify(forged.proof, statement).verified
    # The hub expects two scores of the active model, and a verdict is one number.
    count = len(forged.first_scores)
    assert count == (1 if kind == "verdict" else 2)
    rig.refuses(forged, "ProofRejected" if count == 2 else "MalformedSubmission")
    rig.refuses(forged.with_scores(*(forged.first_scores * 2)[:2]), "ProofRejected")
    rig.refuses(forged.with_scores(*normal.first_scores), "ProofRejected")
    accepted(rig, normal)


def test_a_public_circuit_takes_its_own_proofs_only(rig: Rig, normal: Calldata) -> None:
    """It is a second architecture of the same hub. Its weights are in the verifying key, so it serves one model."""
    assert rig.add_architecture("public") == 2
    number = rig.add_model("public", 2)
    rig.refuses(rig.model_call("public", 2), "InvalidModel", DEPLOYER)
    rig.activate("solo", number)
    rig.refuses(replace(normal, model_number=number), "ProofRejected")
    honest = rig.honest("solo", Sighting(NORMAL), kind="public", model_number=number)
    rig.refuses(honest.with_scores(-1, -1), "ProofRejected")
    accepted(rig, honest)


def test_a_verifier_without_code_is_not_registered(rig: Rig) -> None:
    """A call to an address without code succeeds, so such a verifier would accept everything."""
    nobody, listed = rig.address(OUTSIDER), bytes(rig.proofs.listed())
    for verifiers in ([nobody], ["0x" + "00" * 20], ["0x" + "00" * 19 + "01"]):
        data = hub_interface().encode_call("addArchitecture", listed, 2, True, [1], verifiers)
        rig.refuses(data, "NoFixedCode", DEPLOYER)
    mixed = hub_interface().encode_call("addArchitecture", listed, 2, True, [1, 4], [rig.verifier(), nobody])
    rig.refuses(mixed, "NoFixedCode", DEPLOYER)
    rig.admin("addArchitecture", listed, 2, True, [1], [rig.verifier()])


def answering(word: int, length: int = 32, *, reverts: bool = False) -> str:
    """Return code that answers with the first `length` bytes of a word, followed by zeros."""
    # PUSH32 word, PUSH0, MSTORE, PUSH3 length, PUSH0, RETURN or REVERT
    return f"0x7f{word:064x}5f5262{length:06x}5f{'fd' if reverts else 'f3'}"


ANSWERS = [
    pytest.param(answering(0), id="false"),
    pytest.param(answering(2), id="2"),
    pytest.param(answering(3), id="3"),
    pytest.param(answering(2**255 + 1), id="dirty high bit"),
    pytest.param(answering(1 << 248), id="1 in the first byte"),
    pytest.param(answering(2**256 - 1), id="all bits"),
    pytest.param(answering(0, 0), id="nothing"),
    pytest.param(answering(1 << 248, 1), id="a byte"),
    pytest.param(answering(1, 31), id="a byte less"),
    pytest.param(answering(1, 33), id="a byte more"),
    pytest.param(answering(1, 64), id="two words"),
    # PUSH1 1, PUSH0, MSTORE, PUSH1 1, PUSH1 32, MSTORE, PUSH1 64, PUSH0, RETURN
    pytest.param("0x60015f52600160205260405ff3", id="true twice"),
    pytest.param(answering(1, 2**18), id="a quarter of a megabyte"),
    pytest.param(answering(0, 0, reverts=True), id="reverts"),
    pytest.param(answering(1, reverts=True), id="reverts with true"),
    pytest.param(answering(2, 64, reverts=True), id="reverts with two words"),
    pytest.param("0xfe", id="takes all gas"),
    pytest.param("0x", id="is gone"),
]


@pytest.mark.parametrize("code", ANSWERS)
def test_a_verifier_that_does_not_say_true(rig: Rig, normal: Calldata, code: str) -> None:
    """Whatever code is at the pinned address, only one word with the value 1 means yes."""
    shadow = replace(normal, model_number=2)
    rig.propose("solo", rig.add_model("other"))
    rig.chain.rpc("anvil_setCode", rig.verifier(), code)
    rig.refuses(normal, "ProofRejected")
    rig.refuses(shadow, "ProofRejected", call=SHADOW)
    # The control: the same calls succeed with a verifier that says yes to everything.
    rig.chain.rpc("anvil_setCode", rig.verifier(), answering(1))
    assert rig.refusal(shadow, call=SHADOW) is None
    accepted(rig, normal)


@pytest.mark.parametrize("code", ANSWERS[:-1])
def test_a_probe_of_a_verifier_that_does_not_say_true(rig: Rig, code: str) -> None:
    """No model is admitted whose circuit has such a verifier from the start."""
    place = rig.address(STRANGER)
    rig.chain.rpc("anvil_setCode", place, code)
    number = rig.add_architecture(verifiers=[place])
    rig.refuses(rig.model_call("private", number), "ProofRejected", DEPLOYER)
    rig.chain.rpc("anvil_setCode", place, answering(1))
    yes = rig.add_architecture(verifiers=[place])
    assert rig.refusal(rig.model_call("private", yes), DEPLOYER) is None


@pytest.mark.parametrize("model_hash", [0, encoding.FIELD_MODULUS, encoding.FIELD_MODULUS + 1, 2**256 - 1])
def test_model_hashes_that_are_none(rig: Rig, model_hash: int) -> None:
    rig.refuses(rig.model_call(modelHash=model_hash), "InvalidModel", DEPLOYER)
