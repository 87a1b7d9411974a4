"""Tests of how a model is admitted: its circuits prove that they are its own; it is compared with the active one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from oracle.chain.hub import Submission, hub_interface
from oracle.core.encoding import CLIP, FIELD_MODULUS
from oracle.core.types import Status
from tests.attack.rig import (
    ANOMALOUS,
    ANSWER,
    CALM,
    DEPLOYER,
    HOURS,
    NORMAL,
    OUTSIDER,
    Probe,
    Rig,
    Sighting,
    encode,
    flipped,
    with_observation,
    with_update,
)

pytestmark = pytest.mark.attack


# --- probes ---


SIZES = (1, 4)


@pytest.fixture
def architecture(rig: Rig) -> int:
    """Return an architecture with circuits for one window and for four, without a model."""
    larger = rig.receipt(rig.proofs.artifact(batch=4).verifier().bytecode, to="")["contractAddress"]
    rig.admin("addArchitecture", 16, 2, True, False, SIZES, [rig.verifier(), larger])
    return rig.run(rig.hub.architecture_count())


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
        refused("ScoreOutOfRange", replace(good, scores=(value, second)))
    refused("WrongScoreCount", replace(good, scores=(first,)))
    refused("WrongScoreCount", replace(good, scores=(first, second, second)))


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
    rig.admin("addArchitecture", 16, 2, True, False, SIZES, [rig.verifier(), rig.verifier()])
    number = rig.run(rig.hub.architecture_count())
    good = rig.probe("private", SIZES)
    for proofs in (good.proofs, good.proofs[:1] * 2):
        rig.refuses(rig.model_call("private", number, probe=replace(good, proofs=proofs)), "ProofRejected", DEPLOYER)


@pytest.mark.parametrize(("features", "outputs"), [(16, 1), (16, 3), (15, 2), (14, 4)])
def test_a_circuit_of_another_shape(rig: Rig, features: int, outputs: int) -> None:
    """The number of features or of scores is registered wrong (16 and 2 are right), and the probe reveals it."""
    rig.admin("addArchitecture", features, outputs, True, False, (1,), [rig.verifier()])
    number = rig.run(rig.hub.architecture_count())
    good = rig.probe()
    probe = replace(good, window=CALM[-features:], scores=(good.scores * 2)[:outputs])
    rig.refuses(rig.model_call("private", number, probe=probe), "ProofRejected", DEPLOYER)


# --- the shadow period ---


@dataclass(frozen=True)
class Proposed:
    """Another model, proposed for `solo`."""

    rig: Rig
    number: int

    def shadow(self, answer: int, after: int = 600) -> Submission:
        """Return a report as the proposed model judges it."""
        return self.rig.honest("solo", Sighting(answer, after), kind="other", model_number=self.number)

    def counts(self, submission: Submission) -> bool:
        return self.rig.send(encode(submission, "submitShadow"))

    def tally(self) -> dict[str, Any]:
        found: dict[str, Any] = self.rig.run(self.rig.hub.read("shadow", self.rig.feed_id("solo")))
        return found


@pytest.fixture
def proposed(rig: Rig) -> Proposed:
    number = rig.add_model("other")
    rig.propose("solo", number, compared=2, distance=2**24)
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
    assert (proposed.tally()["reports"], proposed.tally()["compared"]) == (3, 0)
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


def test_a_real_submission_as_a_shadow_one(rig: Rig, proposed: Proposed, normal: Submission) -> None:
    rig.refuses(encode(normal, "submitShadow"), "ModelNotProposed")
    rig.refuses(encode(replace(normal, model_number=proposed.number), "submitShadow"), "ProofRejected")
    assert proposed.tally()["reports"] == 0
    assert rig.accepts(normal)
    rig.refuses(encode(replace(normal, model_number=proposed.number), "submitShadow"), "WrongRound")


def test_one_report_in_both(rig: Rig, proposed: Proposed, normal: Submission) -> None:
    """Both take the same observations, which is what makes them comparable. The observations were signed for one
    round, and become one."""
    shadow = proposed.shadow(NORMAL)
    assert shadow.updates[0].observations == normal.updates[0].observations
    assert proposed.counts(shadow)
    assert rig.accepts(normal)
    rig.refuses(normal, "WrongRound")
    rig.refuses(encode(shadow, "submitShadow"), "WrongRound")
    assert rig.state("solo").round_id == 2


def test_a_shadow_submission_that_was_kept_back(rig: Rig, proposed: Proposed) -> None:
    """Once its model is active, it is a good submission if its round is still to come: the reporters signed it, the
    active model judges it, and it is no older than any report may be. For a round that has passed, it is worth
    nothing."""
    rig.propose("solo", proposed.number)
    kept = proposed.shadow(NORMAL)
    assert proposed.counts(kept)
    rig.admin("activateModel", rig.feed_id("solo"))
    rig.refuses(encode(kept, "submitShadow"), "ModelNotProposed")
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
        rig.refuses(encode(copy, "submitShadow"), "ObservationNotNewer")
    older = proposed.shadow(NORMAL, 599)
    rig.refuses(encode(older, "submitShadow"), "ObservationNotNewer")
    assert proposed.tally()["reports"] == 1


def test_reports_that_the_active_model_never_saw(rig: Rig, proposed: Proposed) -> None:
    """They are counted but not compared, so a shadow period can't be passed without the feed's own reports."""
    for after in range(600, 1_000, 100):
        assert proposed.counts(proposed.shadow(NORMAL, after))
    assert (proposed.tally()["reports"], proposed.tally()["compared"]) == (4, 0)
    rig.refuses(hub_interface().encode_call("activateModel", rig.feed_id("solo")), "ShadowTooShort", DEPLOYER)
    # The latest of them becomes a round. Four were judged, and one is compared.
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 900)))
    rig.refuses(hub_interface().encode_call("activateModel", rig.feed_id("solo")), "ShadowTooShort", DEPLOYER)
    assert proposed.counts(proposed.shadow(NORMAL, 1_000))
    assert (proposed.tally()["reports"], proposed.tally()["compared"]) == (5, 1)
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 1_000)))
    rig.admin("activateModel", rig.feed_id("solo"))
    assert rig.state("solo").model_number == proposed.number


def test_one_held_report_is_compared_once(rig: Rig, proposed: Proposed) -> None:
    """While a feed is held, its round keeps its number, and the same hold must not count again."""
    assert proposed.counts(proposed.shadow(ANOMALOUS, 600))
    assert rig.accepts(rig.honest("solo", Sighting(ANOMALOUS, 600)))
    for after in (700, 800, 900):
        assert proposed.counts(proposed.shadow(ANOMALOUS, after))
    assert (proposed.tally()["reports"], proposed.tally()["compared"]) == (4, 1)


def test_a_model_that_is_too_far_from_the_active_one(rig: Rig) -> None:
    number = rig.add_model("other")
    rig.propose("solo", number, compared=1, distance=0)
    shadow = Proposed(rig, number)
    answer = ANSWER + 4 * ANSWER // 100
    assert shadow.counts(shadow.shadow(answer))
    assert rig.accepts(rig.honest("solo", Sighting(answer)))
    rig.refuses(hub_interface().encode_call("activateModel", rig.feed_id("solo")), "ShadowTooFar", DEPLOYER)
    assert rig.state("solo").model_number == 1


def test_forged_shadow_submissions(rig: Rig, proposed: Proposed, normal: Submission) -> None:
    """Every rule for a submission is a rule for a shadow submission too."""
    shadow, held = proposed.shadow(NORMAL), proposed.shadow(ANOMALOUS)

    def refuses(attack: Submission, error: str) -> None:
        rig.refuses(encode(attack, "submitShadow"), error)

    refuses(replace(shadow, proof=flipped(shadow.proof, 9)), "ProofRejected")
    refuses(replace(shadow, proof=normal.proof), "ProofRejected")
    refuses(with_update(shadow, scores=normal.updates[0].scores), "ProofRejected")
    refuses(with_update(held, scores=(-1, -1)), "ProofRejected")
    refuses(replace(held, proof=shadow.proof), "ProofRejected")
    refuses(with_update(shadow, scores=(shadow.updates[0].scores[0] + FIELD_MODULUS, 0)), "ScoreOutOfRange")
    refuses(with_observation(shadow, answer=NORMAL + 1), "NotAReporter")
    refuses(with_update(shadow, observations=(rig.sign("solo", Sighting(NORMAL, 600, OUTSIDER)),)), "NotAReporter")
    refuses(with_update(shadow, observations=(rig.sign("solo", Sighting(NORMAL, 0)),)), "ObservationNotNewer")
    refuses(with_update(shadow, observations=(rig.sign("solo", Sighting(NORMAL, 9 * HOURS)),)), "ObservationInFuture")
    refuses(with_update(shadow, observations=()), "QuorumNotMet")
    refuses(with_update(shadow, feed_id=rig.feed_id("level")), "ModelNotProposed")
    refuses(replace(shadow, updates=shadow.updates * 2), "NoCircuitForBatch")
    refuses(replace(shadow, model_number=proposed.number + 1), "UnknownModel")
    refuses(replace(shadow, updates=()), "NoUpdates")
    assert proposed.tally()["reports"] == 0
    rig.admin("pause", rig.feed_id("solo"))
    refuses(shadow, "FeedPaused")


def test_a_shadow_of_a_proposal_that_is_gone(rig: Rig, proposed: Proposed) -> None:
    """After the proposal was cancelled or replaced, its count is not carried over."""
    assert proposed.counts(proposed.shadow(NORMAL, 600))
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 600)))
    assert proposed.counts(proposed.shadow(NORMAL, 700))
    assert proposed.tally()["compared"] == 1
    rig.admin("cancelModel", rig.feed_id("solo"))
    shadow = proposed.shadow(NORMAL, 800)
    rig.refuses(encode(shadow, "submitShadow"), "ModelNotProposed")
    rig.refuses(hub_interface().encode_call("activateModel", rig.feed_id("solo")), "NothingProposed", DEPLOYER)
    rig.propose("solo", proposed.number, compared=1, distance=2**24)
    assert (proposed.tally()["reports"], proposed.tally()["compared"]) == (0, 0)
    rig.refuses(hub_interface().encode_call("activateModel", rig.feed_id("solo")), "ShadowTooShort", DEPLOYER)
    assert proposed.counts(shadow)
