"""Tests of one proof for several feeds: no report passes on another report's window, order, place or padding."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from oracle.chain.local.anvil import Anvil
from oracle.core import encoding
from oracle.core.encoding import FIELD_MODULUS
from oracle.core.types import HoldReason, Status
from tests.attack.calldata import IF_NEWER, INT128, OUTPUTS, SHADOW, WORD, Calldata, encode, filling, flipped, packed
from tests.attack.node import GENESIS
from tests.attack.proofs import CALM, Proofs, Window
from tests.attack.rig import (
    ANOMALOUS,
    ANSWER,
    BATCHES,
    NORMAL,
    REPORTER,
    STRANGER,
    Rig,
    Sighting,
    ascending,
    pairs,
)

pytestmark = pytest.mark.attack

FEEDS = 17
"""One feed more than the largest circuit has room for."""
USUAL = ("solo", "level")
PAIRS = ascending(pairs(FEEDS - len(USUAL)))
FOUR = ascending((*USUAL, *PAIRS[:2]))
SIXTEEN = ascending((*USUAL, *PAIRS[: 16 - len(USUAL)]))


@pytest.fixture(scope="module")
def deployed(anvil: Callable[..., Anvil], proofs: Proofs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Deploy circuits for 1, 4 and 16 windows, and 17 feeds with a first round. Replaces the hub of the other files."""
    chain = anvil(start_time=GENESIS)
    folder = tmp_path_factory.mktemp("batched")
    rig = Rig.build(proofs, chain, folder, batches=BATCHES, others=pairs(FEEDS - len(USUAL)))
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


def settled(
    rig: Rig, names: Sequence[str], anomalous: Sequence[str] = (), everyone: Sequence[str] | None = None
) -> None:
    """Assert that the anomalous reports are held, and that all others became round 2 of their feed.

    Args:
        everyone: The feeds of the report, with references; None: all are due.
    """
    for index, name in enumerate(everyone or names):
        if name not in names:
            continue
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
def four(rig: Rig) -> Calldata:
    """Return a full batch of four feeds of both kinds."""
    return rig.together(reports(rig, FOUR))


@pytest.fixture
def two(rig: Rig) -> Calldata:
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
        (FOUR, ("solo", "level")),
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
    """A seventeenth feed may be listed as a reference: it takes no place in the proof."""
    everyone = reports(rig, ascending((*USUAL, *PAIRS)))
    draft = rig.draft(everyone)
    signed = rig.sign(replace(draft, scores=bytes(17 * OUTPUTS * INT128), proof=b"\0"), REPORTER)
    rig.refuses(signed, "NoCircuitForBatch")
    sixteen = rig.together(everyone, due=SIXTEEN)
    assert (len(sixteen.feed_ids), len(sixteen.score_rows)) == (17, 16)
    assert rig.accepts(sixteen)
    settled(rig, [name for name in ascending(everyone) if name in SIXTEEN], everyone=ascending(everyone))


# --- padding ---


@pytest.mark.parametrize("padding", ["the first window", "a calm one", "an anomalous one", "one that differs", "zeros"])
def test_padding_with_another_window(rig: Rig, two: Calldata, padding: str) -> None:
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


def test_a_report_beyond_or_below_those_that_were_proven(rig: Rig, four: Calldata, two: Calldata) -> None:
    """The padding can't carry a further report, and no proven report can be left out, even if reporters sign so."""
    for answer in (NORMAL, ANOMALOUS):
        three = reports(rig, PAIRS[:2]) | {PAIRS[2]: rig.seen(PAIRS[2], answer)}
        more = rig.sign(replace(rig.draft(three), proof=two.proof), REPORTER)
        own = rig.proofs.scores(rig.window(PAIRS[2], answer, 600))
        for scores in (own, two.score_rows[-1], (-1, -1)):
            rig.refuses(replace(more, scores=two.scores + packed(*scores)), "ProofRejected")
    for order in ((0, 1, 2), (0, 1), (1, 2, 3)):
        rig.refuses(four.columns(order), "NotAReporter")
        rig.refuses(rig.sign(four.columns(order), REPORTER), "ProofRejected")
    assert [rig.refusal(each) for each in (four, two)] == [None, None], "as they were proven they are good"


def test_a_feed_that_is_due_becomes_a_reference(rig: Rig, four: Calldata) -> None:
    """Reporters sign which feeds are judged; a relayer can't spare a feed its verdict."""
    for at in range(4):
        rounds = tuple(0 if index == at else 2 for index in range(4))
        scores = packed(*(score for index, row in enumerate(four.score_rows) if index != at for score in row))
        spared = replace(four, round_ids=rounds, scores=scores)
        rig.refuses(spared, "NotAReporter")
        rig.refuses(rig.sign(spared, REPORTER), "ProofRejected")
    assert rig.accepts(four)
    settled(rig, FOUR)


# --- order, and what belongs to whom ---


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (1, 2, 3, 0), (0, 1, 3, 2)], ids=["descending", "turned", "swapped"])
def test_another_order(rig: Rig, four: Calldata, order: Sequence[int]) -> None:
    """The attempts reorder the report (even as it was proven, and signed so), the proven windows, or the scores."""
    turned = four.columns(order)
    proof = rig.proofs.prove(*(windows(rig, FOUR)[at] for at in order), batch=4)
    for attack in (turned, rig.sign(turned, REPORTER), replace(rig.sign(turned, REPORTER), proof=proof)):
        rig.refuses(attack, "FeedsNotAscending")
    rig.refuses(replace(four, proof=proof), "ProofRejected")
    relabelled = replace(four, scores=turned.scores)
    rig.refuses(relabelled, "ProofRejected")
    rig.refuses(replace(relabelled, proof=proof), "ProofRejected")
    rig.refuses(replace(four, answers=turned.answers), "NotAReporter")
    rig.refuses(replace(rig.sign(replace(four, answers=turned.answers), REPORTER), proof=proof), "ProofRejected")
    assert rig.accepts(four)
    settled(rig, FOUR)


def test_any_two_feeds_descending(rig: Rig, two: Calldata) -> None:
    """The hub compares each pair of feeds. That nothing precedes the first feed of a batch makes no room for others."""
    rig.refuses(two.columns((1, 0)), "FeedsNotAscending")
    three = two.columns((0, 1, 0))
    for name, feed_id in (("FeedsNotAscending", bytes(32)), ("UnknownFeed", b"\xff" * 32)):
        for at in range(3):
            ids = [*two.feed_ids[:at], feed_id, *two.feed_ids[at:]]
            # Whatever is wrong first is told.
            expected = "FeedsNotAscending" if name == "UnknownFeed" and at < 2 else name
            attack = rig.sign(replace(three, feed_ids=tuple(ids)), REPORTER)
            assert rig.refusal(attack) in {expected, name}
            rig.fails(encode(attack))
    assert rig.accepts(two)
    settled(rig, PAIRS[:2])


def test_a_shadow_batch_in_another_order(rig: Rig) -> None:
    """Otherwise one report could count twice beside the active model's."""
    number = rig.add_model("other")
    for name in PAIRS[:2]:
        rig.propose(name, number)
    shadow = rig.together(reports(rig, PAIRS[:2]), kind="other", model_number=number)
    for order in ((1, 0), (0, 0), (1, 1), (0, 1, 0)):
        rig.refuses(rig.sign(shadow.columns(order), REPORTER), "FeedsNotAscending", call=SHADOW)
    assert rig.accepts(shadow, call=SHADOW)
    for name in PAIRS[:2]:
        tally = rig.run(rig.hub.shadow(rig.feed_id(name)))
        assert tally is not None and tally.reports == 1
    untouched(rig, PAIRS[:2])


def test_a_shadow_of_a_part_of_a_report(rig: Rig) -> None:
    """The model is proposed for one of three feeds. The same signatures serve; the others count as references."""
    number = rig.add_model("other")
    rig.propose(PAIRS[1], number)
    names = PAIRS[:3]
    whole = rig.together(reports(rig, names))
    window = windows(rig, names)[1]
    own = rig.proofs.scores(window, "other")
    shadow = replace(
        whole, model_number=number, scores=packed(*own), proof=rig.proofs.prove(window, kind="other", batch=1)
    )
    for altered in (whole.scores, packed(*own) * 3, b"", packed(own[0])):
        rig.refuses(replace(shadow, scores=altered), "MalformedSubmission", call=SHADOW)
    rig.refuses(replace(shadow, scores=packed(-1, -1)), "ProofRejected", call=SHADOW)
    rig.refuses(replace(shadow, proof=whole.proof), "ProofRejected", call=SHADOW)
    rig.refuses(shadow, "ModelNotActive")
    rig.refuses(whole, "NothingDue", call=SHADOW)
    assert rig.accepts(shadow, call=SHADOW)
    untouched(rig, names)
    assert rig.accepts(whole)
    settled(rig, names)


def test_an_anomalous_feed_behind_a_normal_ones_scores(rig: Rig) -> None:
    held = rig.together(reports(rig, FOUR, ("level",)))
    level, other = FOUR.index("level"), FOUR.index("solo")
    high, normal = held.score_rows[level], held.score_rows[other]
    assert max(high) > 0 >= max(normal)
    for claimed in (normal, (-1, -1), high[::-1]):
        rig.refuses(held.with_scores(*claimed, at=level), "ProofRejected")
    rig.refuses(held.with_scores(*normal, at=level).with_scores(*high, at=other), "ProofRejected")
    assert rig.accepts(held)
    settled(rig, FOUR, ("level",))


def test_scores_in_another_number(rig: Rig, four: Calldata) -> None:
    """Scores are packed without a mark between feeds, so their number has to be exact."""
    one = INT128
    for altered in (four.scores[one:], four.scores[:-one], four.scores + bytes(one), four.scores[: 4 * one], b""):
        rig.refuses(replace(four, scores=altered), "MalformedSubmission")
    rig.refuses(replace(four, scores=four.scores[one:] + four.scores[:one]), "ProofRejected")
    assert rig.accepts(four)


def test_one_feed_twice(rig: Rig, four: Calldata, two: Calldata) -> None:
    """The two are side by side or apart, are the same round or successive ones, or one of them is a reference."""
    window = windows(rig, PAIRS[:1])[0]
    twice = replace(two.columns((0, 0)), proof=rig.proofs.prove(window, batch=4))
    for rounds in ((2, 2), (2, 3), (0, 2), (2, 0)):
        judged = tuple(each for each in rounds if each)
        attack = replace(twice, round_ids=rounds, scores=packed(*two.first_scores) * len(judged))
        rig.refuses(rig.sign(attack, REPORTER), "FeedsNotAscending")
    for index in range(3):
        rig.refuses(rig.sign(four.columns((0, 1, 2, index)), REPORTER), "FeedsNotAscending")
    assert rig.accepts(two)
    assert rig.state(PAIRS[0]).round_id == 2


def test_one_proof_of_equal_windows(rig: Rig) -> None:
    """A proof is about numbers, not about feeds: one proof serves all feeds whose windows are equal, or some of them.

    This attack gains nothing. The hub derives the windows, so the statement is true of every feed that uses it, and the
    hub writes what the reporters signed for each feed.
    """
    names = PAIRS[:4]
    alike = rig.together({name: rig.seen(name, NORMAL) for name in names})
    assert len({rig.window(name, NORMAL, 600) for name in names}) == 1
    for chosen in ((0, 1), (1, 2, 3), (0, 2)):
        rig.refuses(alike.columns(chosen), "NotAReporter")
        assert rig.refusal(rig.sign(alike.columns(chosen), REPORTER)) is None
    rig.refuses(rig.sign(alike.columns((0,)), REPORTER), "ProofRejected")
    rig.refuses(rig.sign(alike.columns((3, 2, 1, 0)), REPORTER), "FeedsNotAscending")
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


def test_a_proof_of_a_smaller_circuit(rig: Rig, two: Calldata) -> None:
    """The attempts: a proof of one of two reports, and a proof of four of five."""
    for window in windows(rig, PAIRS[:2]):
        rig.refuses(replace(two, proof=rig.proofs.prove(window)), "ProofRejected")
    five = rig.together(reports(rig, PAIRS[:5]))
    rig.refuses(replace(five, proof=rig.together(reports(rig, PAIRS[:4])).proof), "ProofRejected")
    assert rig.accepts(five)


# --- all or nothing ---


def test_one_bad_report_takes_all_others_down(rig: Rig, four: Calldata) -> None:
    """The hub never writes part of a batch. Whoever leaves the bad feed out needs other signatures and a proof."""
    solo = FOUR.index("solo")
    answer = normal_answer("solo", solo)
    rig.refuses(rig.sign(four, STRANGER), "NotAReporter")
    rig.refuses(rig.sign(replace(four, observed_at=rig.start), REPORTER), "ObservationNotNewer")
    rig.refuses(rig.sign(replace(four, observed_at=rig.start + 10**6), REPORTER), "ObservationInFuture")
    rounds = tuple(3 if at == solo else 2 for at in range(4))
    rig.refuses(rig.sign(replace(four, round_ids=rounds), REPORTER), "WrongRound")
    changed = four.with_answer(answer + ANSWER // 100, column=solo)
    rig.refuses(rig.sign(changed, REPORTER), "ProofRejected")
    rig.admin("pause", rig.feed_id("level"))
    rig.refuses(four, "FeedPaused")
    rest = [name for name in FOUR if name != "level"]
    untouched(rig, rest)
    assert rig.accepts(rig.together(reports(rig, rest)))
    settled(rig, rest)


def test_a_feed_that_another_report_has_moved(rig: Rig, four: Calldata) -> None:
    """A later report of one feed makes the whole out of date. The rest has to be signed and proven again.

    `submitIfNewer` does not hide that: three of the four feeds could still be written.
    """
    other = rig.honest("solo", Sighting(NORMAL - 1_000, 500))
    assert rig.accepts(other)
    rig.refuses(four, "WrongRound")
    rig.refuses(encode(four, IF_NEWER), "WrongRound")
    rest = [name for name in FOUR if name != "solo"]
    assert rig.accepts(rig.together({name: rig.seen(name, normal_answer(name, at)) for at, name in enumerate(rest)}))
    assert rig.run(rig.rpc.call(rig.hub.address, encode(four, IF_NEWER))) == bytes(WORD), "all are there now"
    settled(rig, rest)


def test_a_batch_again_whole_and_in_parts(rig: Rig, four: Calldata) -> None:
    assert rig.accepts(four)
    rig.refuses(four, "WrongRound")
    for index, name in enumerate(FOUR):
        window = (rig.window(name, normal_answer(name, index), 600),)
        part = replace(four.columns((index,)), proof=rig.proofs.prove(*window))
        rig.refuses(part, "WrongRound")
        rig.refuses(replace(part, round_ids=(3,)), "ObservationNotNewer")
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


def test_one_bit_in_each_word_of_a_batchs_calldata(rig: Rig, four: Calldata) -> None:
    """Offsets and lengths of all parts are included."""
    chosen = random.Random(5)
    data = encode(four)
    idle = {at for part in ("answers", "medians", "scores", "proof") for at in filling(data, part)}
    for word in range((len(data) - 4) // WORD):
        bit = 8 * WORD * word + chosen.randrange(8 * WORD)
        if len(data) - 1 - bit // 8 in idle:
            continue
        assert rig.refusal(data[:4] + flipped(data[4:], bit)) is not None, f"bit {bit}"
    assert rig.send(data)
    settled(rig, FOUR)


@pytest.mark.parametrize("batch", [4, 16])
def test_each_instance_of_a_batch_counts(rig: Rig, proofs: Proofs, batch: int) -> None:
    """The verifier itself refuses any other model, feature or score, in each window."""
    names = SIXTEEN[:batch]
    submission = rig.together(reports(rig, names))
    rows = submission.score_rows
    statement = encoding.instances(proofs.artifact().model_hash, windows(rig, names), rows, batch)
    verifier = rig.verifier(batch)
    assert rig.verifies(verifier, submission.proof, statement)
    for index, value in enumerate(statement):
        altered = (*statement[:index], (value + 1) % FIELD_MODULUS, *statement[index + 1 :])
        assert not rig.verifies(verifier, submission.proof, altered), f"instance {index}"


def test_a_batch_with_too_little_gas(rig: Rig, four: Calldata) -> None:
    """Wherever the gas runs out, either all feeds are written or none is."""
    data = encode(four)
    gas = int(rig.chain.rpc("eth_estimateGas", {"to": rig.hub.address, "data": "0x" + data.hex()}), 16)
    for share in range(30, 100, 10):
        rig.fails(data, gas=gas * share // 100)
    assert rig.send(data, gas=gas)
    settled(rig, FOUR)


# --- other models ---


def test_feeds_of_two_models(rig: Rig, proofs: Proofs, four: Calldata) -> None:
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


def test_a_batch_of_other_weights(rig: Rig, four: Calldata) -> None:
    """The other model has the same circuits, so its proofs reach the same verifier, and the hash refuses them."""
    theirs = rig.together(reports(rig, FOUR), kind="other")
    rig.refuses(theirs, "ProofRejected")
    rig.refuses(replace(theirs, scores=four.scores), "ProofRejected")
    assert rig.accepts(four)
