"""Tests of one proof for several feeds: no report passes on another report's window, order, place or padding."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from oracle.chain.hub import Submission
from oracle.chain.local.anvil import Anvil
from oracle.core import encoding
from oracle.core.encoding import FIELD_MODULUS
from oracle.core.types import HoldReason, Status
from tests.attack.rig import (
    ANOMALOUS,
    ANSWER,
    BATCHES,
    CALM,
    COMMITTEE,
    GENESIS,
    NORMAL,
    OUTSIDER,
    Proofs,
    Rig,
    Sighting,
    Window,
    ascending,
    encode,
    flipped,
    pairs,
)

pytestmark = pytest.mark.attack

FEEDS = 17
"""One feed more than the largest circuit has room for."""
WORD = 32
USUAL = ("solo", "trio", "level")
PAIRS = ascending(pairs(FEEDS - len(USUAL)))
FOUR = ascending((*USUAL, PAIRS[0]))
SIXTEEN = ascending((*USUAL, *PAIRS[: 16 - len(USUAL)]))

Reports = Mapping[str, Sequence[Sighting]]


@pytest.fixture(scope="module")
def deployed(anvil: Callable[..., Anvil], proofs: Proofs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Deploy circuits for 1, 4 and 16 windows, and 17 feeds with a first round. Replaces the hub of the other files."""
    chain = anvil(start_time=GENESIS)
    rig = Rig.build_batched(proofs, chain, tmp_path_factory.mktemp("batched"), FEEDS)
    yield rig
    rig.close()


def normal_answer(name: str, index: int) -> int:
    """Return a normal answer. Each feed gets another one, so no two windows are the same."""
    return ANSWER + 500 + index if name == "level" else NORMAL + index * ANSWER // 10_000


def reports(rig: Rig, names: Sequence[str], anomalous: Sequence[str] = ()) -> dict[str, tuple[Sighting, ...]]:
    return {
        name: rig.seen(name, ANOMALOUS if name in anomalous else normal_answer(name, index))
        for index, name in enumerate(names)
    }


def windows(rig: Rig, names: Sequence[str]) -> list[Window]:
    """Return the windows of `reports`, without anomalies."""
    return [rig.window(name, normal_answer(name, index), 600) for index, name in enumerate(names)]


def settled(rig: Rig, names: Sequence[str], anomalous: Sequence[str] = ()) -> None:
    """Assert that the anomalous reports are held, and that all others became round 2 of their feed."""
    for index, name in enumerate(names):
        state = rig.state(name)
        if name in anomalous:
            assert (state.status, state.round_id, state.answer) == (Status.HELD, 1, ANSWER), name
            assert state.held is not None, name
            assert (state.held.answer, state.held.reason) == (ANOMALOUS, HoldReason.ANOMALOUS), name
        else:
            assert (state.status, state.round_id, state.answer) == (Status.OK, 2, normal_answer(name, index)), name


def untouched(rig: Rig, names: Sequence[str]) -> None:
    for name in names:
        state = rig.state(name)
        assert (state.status, state.round_id, state.answer) == (Status.OK, 1, ANSWER), name


@pytest.fixture
def four(rig: Rig) -> Submission:
    """Return a full batch of four feeds of both kinds, one of them with two reporters."""
    return rig.together(reports(rig, FOUR))


@pytest.fixture
def two(rig: Rig) -> Submission:
    """Return two feeds in the circuit for four: the second window is repeated."""
    return rig.together(reports(rig, PAIRS[:2]))


# --- what a batch is for ---


def test_one_model_in_circuits_of_all_sizes(rig: Rig, proofs: Proofs) -> None:
    """The hash names the model, whatever the batch size; the verifier names the circuit."""
    artifacts = [proofs.artifact(batch=batch) for batch in BATCHES]
    assert len({artifact.model_hash for artifact in artifacts}) == 1
    assert len({artifact.manifest.verifier_code_hash for artifact in artifacts}) == len(BATCHES)
    found = rig.run(rig.hub.architecture(1))
    assert found.batch_sizes == BATCHES and len(set(found.verifiers)) == len(BATCHES)
    assert rig.run(rig.hub.model(1)).model_hash == artifacts[0].model_hash


@pytest.mark.parametrize(
    ("names", "anomalous"),
    [
        (FOUR, FOUR[-1:]),
        (FOUR, FOUR[:1]),
        (FOUR, ("trio", "level")),
        # The last window is repeated.
        (PAIRS[:2], (PAIRS[1],)),
        (PAIRS[:2], (PAIRS[0],)),
        (PAIRS[:3], ()),
        (SIXTEEN, ("level",)),
        (SIXTEEN, SIXTEEN[1:]),
        (SIXTEEN, SIXTEEN),
        (PAIRS[:5], (PAIRS[4],)),
    ],
    ids=["4, last", "4, first", "4, two", "2, last", "2, first", "3", "16, one", "16, all but one", "16, all", "5"],
)
def test_anomalous_feeds_are_held_and_the_others_written(
    rig: Rig, names: Sequence[str], anomalous: Sequence[str]
) -> None:
    """An anomaly does not hide among normal reports, and the normal reports do not suffer from it."""
    assert rig.accepts(rig.together(reports(rig, names, anomalous)))
    settled(rig, names, anomalous)
    untouched(rig, [name for name in (*USUAL, *PAIRS) if name not in names])


def test_more_feeds_than_any_circuit_takes(rig: Rig) -> None:
    everyone = rig.together(reports(rig, SIXTEEN))
    seventeenth = rig.honest(PAIRS[-1], *rig.seen(PAIRS[-1], NORMAL))
    rig.refuses(replace(everyone, updates=(*everyone.updates, *seventeenth.updates)), "NoCircuitForBatch")
    assert rig.accepts(everyone)
    settled(rig, SIXTEEN)


# --- padding ---


@pytest.mark.parametrize("padding", ["the first window", "a calm one", "an anomalous one", "one that differs", "zeros"])
def test_padding_with_another_window(rig: Rig, two: Submission, padding: str) -> None:
    """Nobody can use a circuit's free places: the hub fills them with the last window."""
    first, second = windows(rig, PAIRS[:2])
    filled: tuple[Window, ...] = {
        "the first window": (first, second, first, first),
        "a calm one": (first, second, CALM, CALM),
        "an anomalous one": (first, second, second, rig.window("solo", ANOMALOUS, 600)),
        "one that differs": (first, second, second, (second[0] + 1, *second[1:])),
        "zeros": (first, second, (0,) * len(CALM), (0,) * len(CALM)),
    }[padding]
    proof = rig.proofs.prove(*filled, batch=4)
    rig.refuses(replace(two, proof=proof), "ProofRejected")
    assert rig.accepts(two)
    settled(rig, PAIRS[:2])


def test_padding_of_the_largest_circuit(rig: Rig) -> None:
    names = PAIRS[:5]
    five = rig.together(reports(rig, names))
    filled = windows(rig, names)
    proof = rig.proofs.prove(*filled, *[filled[0]] * 11, batch=16)
    rig.refuses(replace(five, proof=proof), "ProofRejected")
    assert rig.accepts(five)
    settled(rig, names)


def test_a_report_beyond_or_below_those_that_were_proven(rig: Rig, four: Submission, two: Submission) -> None:
    """The padding can't carry a further report, and no proven report can be left out."""
    third = rig.honest(PAIRS[2], *rig.seen(PAIRS[2], NORMAL)).updates
    anomalous = rig.honest(PAIRS[2], *rig.seen(PAIRS[2], ANOMALOUS)).updates
    rig.refuses(replace(two, updates=(*two.updates, *third)), "ProofRejected")
    rig.refuses(replace(two, updates=(*two.updates, *anomalous)), "ProofRejected")
    copied = replace(anomalous[0], scores=two.updates[-1].scores)
    rig.refuses(replace(two, updates=(*two.updates, copied)), "ProofRejected")
    for left in (four.updates[:-1], four.updates[:2], four.updates[1:]):
        rig.refuses(replace(four, updates=left), "ProofRejected")
    assert [rig.refusal(each) for each in (four, two)] == [None, None], "as they were proven they are good"


# --- order, and what belongs to whom ---


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (1, 2, 3, 0), (0, 1, 3, 2)], ids=["descending", "turned", "swapped"])
def test_another_order(rig: Rig, four: Submission, order: Sequence[int]) -> None:
    """The attempts reorder the reports (even to the proven order), the proven windows, or the scores alone."""
    updates = tuple(four.updates[at] for at in order)
    proven = [windows(rig, FOUR)[at] for at in order]
    proof = rig.proofs.prove(*proven, batch=4)
    rig.refuses(replace(four, updates=updates), "FeedsNotAscending")
    rig.refuses(replace(four, updates=updates, proof=proof), "FeedsNotAscending")
    rig.refuses(replace(four, proof=proof), "ProofRejected")
    rows = zip(four.updates, updates, strict=True)
    relabelled = replace(four, updates=tuple(replace(ours, scores=other.scores) for ours, other in rows))
    rig.refuses(relabelled, "ProofRejected")
    rig.refuses(replace(relabelled, proof=proof), "ProofRejected")
    assert rig.accepts(four)
    settled(rig, FOUR)


def test_any_two_feeds_descending(rig: Rig, two: Submission) -> None:
    """The hub compares each pair of feeds. That nothing precedes the first feed of a batch makes no room for others."""
    rig.refuses(replace(two, updates=two.updates[::-1]), "FeedsNotAscending")
    none = replace(two.updates[0], feed_id=bytes(32))
    rig.refuses(replace(two, updates=(none, *two.updates)), "FeedsNotAscending")
    rig.refuses(replace(two, updates=(*two.updates, none)), "FeedsNotAscending")
    last = replace(two.updates[0], feed_id=b"\xff" * 32)
    rig.refuses(replace(two, updates=(*two.updates, last)), "UnknownFeed")
    rig.refuses(replace(two, updates=(last, *two.updates)), "UnknownFeed")
    assert rig.accepts(two)
    settled(rig, PAIRS[:2])


def test_a_shadow_batch_in_another_order(rig: Rig) -> None:
    """Otherwise one report could count twice beside the active model's."""
    number = rig.add_model("other")
    for name in PAIRS[:2]:
        rig.propose(name, number)
    shadow = rig.together(reports(rig, PAIRS[:2]), kind="other", model_number=number)
    first, second = shadow.updates
    for updates in ((second, first), (first, first), (second, second), (first, second, first)):
        rig.refuses(encode(replace(shadow, updates=updates), "submitShadow"), "FeedsNotAscending")
    assert rig.send(encode(shadow, "submitShadow"))
    assert [rig.run(rig.hub.read("shadow", rig.feed_id(name)))["reports"] for name in PAIRS[:2]] == [1, 1]
    untouched(rig, PAIRS[:2])


def test_an_anomalous_feed_behind_a_normal_ones_scores(rig: Rig) -> None:
    held = rig.together(reports(rig, FOUR, ("level",)))
    level, other = FOUR.index("level"), FOUR.index("solo")
    high, normal = held.updates[level].scores, held.updates[other].scores
    assert max(high) > 0 >= max(normal)
    for claimed in (normal, (-1, -1), high[::-1]):
        altered = list(held.updates)
        altered[level] = replace(altered[level], scores=claimed)
        rig.refuses(replace(held, updates=tuple(altered)), "ProofRejected")
    altered[level] = replace(altered[level], scores=normal)
    altered[other] = replace(altered[other], scores=high)
    rig.refuses(replace(held, updates=tuple(altered)), "ProofRejected")
    assert rig.accepts(held)
    settled(rig, FOUR, ("level",))


def test_scores_that_run_over_into_the_next_report(rig: Rig, four: Submission) -> None:
    """The instances are the same, but they are divided among the reports at another place."""
    first, second, *rest = four.updates
    shifted = (replace(first, scores=first.scores[:1]), replace(second, scores=(first.scores[1], *second.scores)))
    rig.refuses(replace(four, updates=(*shifted, *rest)), "WrongScoreCount")
    shifted = (replace(first, scores=(*first.scores, *second.scores)), replace(second, scores=()))
    rig.refuses(replace(four, updates=(*shifted, *rest)), "WrongScoreCount")
    assert rig.accepts(four)


def test_one_feed_twice(rig: Rig, four: Submission, two: Submission) -> None:
    """The two are side by side or apart, are the same round or successive ones, and have the same time or not."""
    one = two.updates[0]
    window = windows(rig, PAIRS[:1])[0]
    padded = rig.proofs.prove(window, batch=4)
    rig.refuses(Submission(1, (one, one), padded), "FeedsNotAscending")
    later = replace(one, observations=(rig.sign(PAIRS[0], Sighting(NORMAL, 700)),))
    rig.refuses(Submission(1, (one, later), padded), "FeedsNotAscending")
    signed = (rig.sign(PAIRS[0], Sighting(NORMAL, 700), round_id=3),)
    rig.refuses(Submission(1, (one, replace(one, round_id=3, observations=signed)), padded), "FeedsNotAscending")
    for index in range(3):
        rig.refuses(replace(four, updates=(*four.updates[:3], four.updates[index])), "FeedsNotAscending")
    assert rig.accepts(two)
    assert rig.state(PAIRS[0]).round_id == 2


def test_one_proof_of_equal_windows(rig: Rig) -> None:
    """A proof is about numbers, not about feeds: one proof serves all feeds whose windows are equal, or some of them.

    This attack gains nothing. The hub derives the windows, so the statement is true of every feed that uses it, and the
    hub writes what each feed's reporters signed for that feed.
    """
    names = PAIRS[:4]
    alike = rig.together({name: rig.seen(name, NORMAL) for name in names})
    assert len({rig.window(name, NORMAL, 600) for name in names}) == 1
    for chosen in (alike.updates[:2], alike.updates[1:], alike.updates[::2]):
        assert rig.refusal(replace(alike, updates=chosen)) is None
    rig.refuses(replace(alike, updates=alike.updates[:1]), "ProofRejected")
    rig.refuses(replace(alike, updates=alike.updates[::-1]), "FeedsNotAscending")
    first, second = alike.updates[:2]
    crossed = (replace(first, observations=second.observations), replace(second, observations=first.observations))
    rig.refuses(replace(alike, updates=crossed), "NotAReporter")
    assert rig.accepts(alike)
    assert [rig.state(name).answer for name in names] == [NORMAL] * 4


# --- circuits of other sizes ---


@pytest.mark.parametrize(("count", "batch"), [(1, 4), (1, 16), (2, 16), (4, 16)])
def test_a_proof_of_a_larger_circuit(rig: Rig, count: int, batch: int) -> None:
    """The windows are the same, padded as the hub would pad them; but the hub chooses the circuit, not the caller."""
    chosen = reports(rig, PAIRS[:count])
    rig.refuses(rig.together(chosen, batch=batch), "ProofRejected")
    assert rig.accepts(rig.together(chosen))
    settled(rig, PAIRS[:count])


def test_a_proof_of_a_smaller_circuit(rig: Rig, two: Submission) -> None:
    """The attempts: a proof of one of two reports, and a proof of four of five."""
    for window in windows(rig, PAIRS[:2]):
        rig.refuses(replace(two, proof=rig.proofs.prove(window)), "ProofRejected")
    five = rig.together(reports(rig, PAIRS[:5]))
    rig.refuses(replace(five, proof=rig.together(reports(rig, PAIRS[:4])).proof), "ProofRejected")
    assert rig.accepts(five)


# --- all or nothing ---


def test_one_bad_report_takes_all_others_down(rig: Rig, four: Submission) -> None:
    """The hub never writes part of a batch. A relayer who leaves the bad report out needs another proof."""

    def altered(name: str, sighting: Sighting, round_id: int = 2) -> Submission:
        index = FOUR.index(name)
        observations = (rig.sign(name, sighting), *four.updates[index].observations[1:])
        update = replace(four.updates[index], observations=observations, round_id=round_id)
        return replace(four, updates=(*four.updates[:index], update, *four.updates[index + 1 :]))

    answer = normal_answer("solo", FOUR.index("solo"))
    rig.refuses(altered("solo", Sighting(answer, 600, OUTSIDER)), "NotAReporter")
    rig.refuses(altered("solo", Sighting(answer, 0)), "ObservationNotNewer")
    rig.refuses(altered("solo", Sighting(answer, 10**6)), "ObservationInFuture")
    rig.refuses(altered("solo", Sighting(answer), round_id=3), "WrongRound")
    rig.refuses(altered("solo", Sighting(answer + ANSWER // 100)), "ProofRejected")
    rig.refuses(altered("trio", Sighting(ANSWER, 600, COMMITTEE[0]), round_id=1), "WrongRound")
    rig.admin("pause", rig.feed_id("level"))
    rig.refuses(four, "FeedPaused")
    rest = [name for name in FOUR if name != "level"]
    untouched(rig, rest)
    assert rig.accepts(rig.together(reports(rig, rest)))
    settled(rig, rest)


def test_a_part_of_a_batch_that_someone_carried_alone(rig: Rig, four: Submission) -> None:
    """The batch as a whole is then out of date. Nothing is written twice, and the other reports need a new proof.

    The one who does this pays for it and has to make a proof, which needs the weights if the model is private.
    """
    index = FOUR.index("solo")
    alone = rig.together({"solo": rig.seen("solo", normal_answer("solo", index))})
    assert alone.updates[0] == four.updates[index]
    assert rig.accepts(alone)
    rig.refuses(four, "WrongRound")
    rest = {name: rig.seen(name, normal_answer(name, at)) for at, name in enumerate(FOUR) if at != index}
    assert rig.accepts(rig.together(rest))
    settled(rig, FOUR)


def test_a_batch_again_whole_and_in_parts(rig: Rig, four: Submission) -> None:
    assert rig.accepts(four)
    rig.refuses(four, "WrongRound")
    for index, name in enumerate(FOUR):
        window = (rig.window(name, normal_answer(name, index), 600),)
        part = Submission(1, (four.updates[index],), rig.proofs.prove(*window))
        rig.refuses(part, "WrongRound")
    settled(rig, FOUR)


# --- the proof and its statement ---


@pytest.mark.parametrize("count", [4, 16])
def test_one_bit_in_each_word_of_a_batchs_proof(rig: Rig, count: int) -> None:
    chosen = random.Random(count)
    submission = rig.together(reports(rig, SIXTEEN[:count]))
    proof = submission.proof
    for word in range(len(proof) // WORD):
        bit = 8 * WORD * word + chosen.randrange(8 * WORD)
        assert rig.refusal(replace(submission, proof=flipped(proof, bit))) == "ProofRejected", f"bit {bit}"
    for altered in (b"", proof[:-WORD], proof + bytes(WORD), proof[:-1], proof + b"\0"):
        assert rig.refusal(replace(submission, proof=altered)) == "ProofRejected", len(altered)
    rig.refuses(replace(submission, proof=flipped(proof, 0)), "ProofRejected")
    assert rig.accepts(submission)
    settled(rig, SIXTEEN[:count])


def test_one_bit_in_each_word_of_a_batchs_calldata(rig: Rig, four: Submission) -> None:
    """With four reports, many offsets could point into another report's part."""
    chosen = random.Random(5)
    data = encode(four)
    for word in range((len(data) - 4) // WORD):
        bit = 8 * WORD * word + chosen.randrange(8 * WORD)
        assert rig.refusal(data[:4] + flipped(data[4:], bit)) is not None, f"bit {bit}"
    assert rig.send(data)
    settled(rig, FOUR)


@pytest.mark.parametrize("batch", [4, 16])
def test_each_instance_of_a_batch_counts(rig: Rig, proofs: Proofs, batch: int) -> None:
    """The verifier itself refuses any other model, feature or score, in each window."""
    names = SIXTEEN[:batch]
    submission = rig.together(reports(rig, names))
    rows = [update.scores for update in submission.updates]
    statement = encoding.instances(proofs.artifact().model_hash, windows(rig, names), rows, batch)
    verifier = rig.verifier(batch)
    assert rig.verifies(verifier, submission.proof, statement)
    for index, value in enumerate(statement):
        altered = (*statement[:index], (value + 1) % FIELD_MODULUS, *statement[index + 1 :])
        assert not rig.verifies(verifier, submission.proof, altered), f"instance {index}"


def test_a_batch_with_too_little_gas(rig: Rig, four: Submission) -> None:
    """Wherever the gas runs out, either all feeds are written or none is."""
    data = encode(four)
    gas = int(rig.chain.rpc("eth_estimateGas", {"to": rig.hub.address, "data": "0x" + data.hex()}), 16)
    for share in range(30, 100, 10):
        rig.fails(data, gas=gas * share // 100)
    assert rig.send(data, gas=gas)
    settled(rig, FOUR)


# --- other models ---


def test_feeds_of_two_models(rig: Rig, proofs: Proofs, four: Submission) -> None:
    """A proof is about one model. A feed that another model judges can't join, whichever model the caller names."""
    number = rig.add_model("other")
    rig.activate("level", number)
    rig.refuses(four, "ModelNotActive")
    rig.refuses(replace(four, model_number=number), "ModelNotActive")
    theirs = rig.together(reports(rig, FOUR), kind="other", model_number=number)
    rig.refuses(theirs, "ModelNotActive")
    rig.refuses(replace(theirs, model_number=1), "ModelNotActive")
    rest = [name for name in FOUR if name != "level"]
    ours = rig.together(reports(rig, rest))
    rig.refuses(replace(ours, proof=rig.together(reports(rig, rest), kind="other").proof), "ProofRejected")
    assert rig.accepts(ours)
    settled(rig, rest)
    assert rig.accepts(rig.honest("level", *rig.seen("level", ANSWER + 500), kind="other", model_number=number))


def test_a_batch_of_other_weights(rig: Rig, four: Submission) -> None:
    """The other model has the same circuits, so its proofs reach the same verifier, and the hash refuses them."""
    theirs = rig.together(reports(rig, FOUR), kind="other")
    rig.refuses(theirs, "ProofRejected")
    scores = zip(theirs.updates, four.updates, strict=True)
    claimed = tuple(replace(one, scores=ours.scores) for one, ours in scores)
    rig.refuses(replace(theirs, updates=claimed), "ProofRejected")
    assert rig.accepts(four)
