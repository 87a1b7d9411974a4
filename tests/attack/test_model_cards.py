"""Tests of model cards: anyone can verify real verdicts, off-chain and by `ModelCard`, and nobody can improve them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from eth_account import Account

from oracle.chain import compiled
from oracle.chain.contract import read
from oracle.cli import oracle
from oracle.core import encoding
from oracle.core.encoding import FIELD_MODULUS, INT128_MAX
from oracle.core.errors import ArtifactError, ContractRejected, DeploymentError, ModelError, ProverUnavailable
from oracle.core.formats import keccak
from oracle.detectors.cards import onchain
from oracle.detectors.cards.benchmark import Benchmark
from oracle.detectors.cards.card import ProvenCard, Summary
from oracle.detectors.cards.drawing import build
from oracle.detectors.cards.prove import prove
from oracle.detectors.cards.recipe import Recipe
from oracle.detectors.cards.verify import CardReport, verify
from oracle.proving import artifact as artifacts
from oracle.proving.artifact import AUDIT_FILES, MANIFEST, SRS, Artifact, Regeneration, regenerate
from oracle.proving.verification import LocalVerifier
from tests.attack.calldata import flipped
from tests.attack.node import OUTSIDER
from tests.attack.proofs import MODEL, Proofs
from tests.attack.rig import Rig
from tests.attack.storage import leaving
from tests.circuits import compiler, regenerated

pytestmark = pytest.mark.attack

BATCH = 4
RECIPE = Recipe(series=("sp500",), features=encoding.feature_names(MODEL.features), peers={}, normals=3, per_kind=1)
"""Seven windows: a full batch, and a batch of three."""


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    return build(RECIPE, BATCH)


@pytest.fixture(scope="module")
def circuit(proofs: Proofs) -> Artifact:
    return proofs.artifact("verdict", BATCH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("card")


@pytest.fixture(scope="module")
def card(proofs: Proofs, benchmark: Benchmark, circuit: Artifact, folder: Path) -> ProvenCard:
    return proofs.run(prove(benchmark, circuit, folder / "proofs"))


# --- off-chain ---


@pytest.fixture(scope="module")
def verifier(circuit: Artifact) -> Iterator[LocalVerifier]:
    with LocalVerifier(circuit) as opened:
        yield opened


def again(circuit: Artifact) -> Regeneration:
    return regenerate(circuit, compiler, cache=regenerated())


def problems(card: ProvenCard, circuit: Artifact, verifier: LocalVerifier) -> Sequence[str]:
    """Return the problems that anyone finds with the circuit's verifying key and the public series."""
    report: CardReport = verify(card, circuit, verifier, build(RECIPE, BATCH), again(circuit))
    assert report.ok == (not report.problems)
    return report.problems


def with_batch(card: ProvenCard, index: int, **changes: Any) -> ProvenCard:
    altered = replace(card.batches[index], **changes)
    return replace(card, batches=(*card.batches[:index], altered, *card.batches[index + 1 :]))


def test_a_card_is_verified(card: ProvenCard, circuit: Artifact, verifier: LocalVerifier, proofs: Proofs) -> None:
    report = verify(card, circuit, verifier, build(RECIPE, BATCH), again(circuit))
    assert "the circuit: key from the architecture, bytecode from the key" in report.notes
    assert (report.ok, report.verified, report.batches) == (True, 2, 2)
    assert report.summary == card.summary
    # The verdicts are the model's own.
    held = [max(proofs.scores(window, "verdict")) for window in card.benchmark.windows]
    assert [max(row) for batch in card.batches for row in batch.scores] == held
    assert (report.summary.normals, report.summary.faults) == (3, 4)
    assert report.summary.caught == sum(held) - report.summary.false_holds > 0


def test_nothing_is_proven_twice(
    proofs: Proofs, card: ProvenCard, benchmark: Benchmark, circuit: Artifact, folder: Path
) -> None:
    """Two fresh proofs of a statement always differ, and these are equal. Only lost proofs are made again."""
    assert proofs.run(prove(benchmark, circuit, folder / "proofs")) == card
    lost = next(path for path in (folder / "proofs").iterdir() if card.batches[1].proof.hex() in path.read_text())
    lost.unlink()
    again = proofs.run(prove(benchmark, circuit, folder / "proofs"))
    assert again.batches[0] == card.batches[0]
    assert again.batches[1].proof != card.batches[1].proof and again.batches[1].scores == card.batches[1].scores


def test_a_card_that_can_not_be_proven_says_why(
    proofs: Proofs, benchmark: Benchmark, circuit: Artifact, tmp_path: Path
) -> None:
    """The error of the first batch that failed is raised, as one of this package's errors."""
    for path in circuit.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    broken = artifacts.load(tmp_path)
    (tmp_path / SRS).write_bytes(bytes((circuit.path / SRS).stat().st_size))  # at which ezkl panics
    with pytest.raises(ProverUnavailable, match="ezkl panicked during prove"):
        proofs.run(prove(benchmark, broken, tmp_path / "proofs"))


def test_a_better_card_than_the_proven_one(card: ProvenCard, circuit: Artifact, verifier: LocalVerifier) -> None:
    """Each altered claim of a card is detected by its own check."""
    benchmark = card.benchmark
    first, second = card.batches
    better = tuple(tuple(1 - score for score in row) for row in first.scores)
    altered = {
        "verdicts": with_batch(card, 0, scores=better),
        "a verdict": with_batch(
            card, 1, scores=((*second.scores[0][:-1], 1 - second.scores[0][-1]), *second.scores[1:])
        ),
        "a proof of another batch": with_batch(card, 0, proof=second.proof),
        "a bit of a proof": with_batch(card, 0, proof=flipped(first.proof, 77)),
        "a long proof": with_batch(card, 0, proof=first.proof + bytes(32)),
        "a short proof": with_batch(card, 0, proof=first.proof[:-32]),
        "batches in another order": replace(card, batches=(second, first)),
        "a batch dropped": replace(card, batches=(first,)),
        "a batch twice": replace(card, batches=(first, second, second)),
        "too many scores": with_batch(card, 0, scores=(*first.scores, first.scores[-1])),
        "a score more": with_batch(card, 0, scores=tuple((*row, 0) for row in first.scores)),
        "the summary": replace(card, summary=replace(card.summary, caught=card.summary.caught + 1)),
        "the summary's kinds": replace(card, summary=replace(card.summary, by_kind={})),
        "the model": replace(card, model=replace(card.model, model_hash=5)),
        "a window": replace(card, benchmark=replace(benchmark, windows=(benchmark.windows[1], *benchmark.windows[1:]))),
        "a label": replace(
            card, benchmark=replace(benchmark, labels=(1 - min(1, benchmark.labels[0]), *benchmark.labels[1:]))
        ),
        "kinds named better": replace(card, benchmark=replace(benchmark, kinds=("a", "b", "c", "d"))),
    }
    assert {
        name: problems(each, circuit, verifier)
        for name, each in altered.items()
        if not problems(each, circuit, verifier)
    } == {}
    assert problems(card, circuit, verifier) == ()


def test_a_benchmark_of_ones_own_choice(card: ProvenCard, circuit: Artifact, verifier: LocalVerifier) -> None:
    """A card of other windows has another root. Without a benchmark to compare with, the report says so."""
    report = verify(card, circuit, verifier, build(replace(RECIPE, seed=2), BATCH), again(circuit))
    assert not report.ok and report.problems[0].startswith("the benchmark's root is 0x")
    unknown = verify(card, circuit, verifier, None, again(circuit))
    assert unknown.ok and "compares the root 0x" + card.benchmark.root.hex() in unknown.notes[0]


def test_a_circuit_whose_key_or_code_is_anothers(
    card: ProvenCard, circuit: Artifact, verifier: LocalVerifier, proofs: Proofs
) -> None:
    """The proofs hold with the key, whatever the key is of."""
    made = replace(again(circuit), problems=("its key is not that of the graph",), key_from="")
    report = verify(card, circuit, verifier, card.benchmark, made)
    assert report.problems == ("its key is not that of the graph",) and report.verified == 2
    report = verify(card, circuit, verifier, card.benchmark, again(proofs.artifact("private", BATCH)))
    assert report.problems == ("another circuit was made again than the card's",)


def test_another_models_circuit(card: ProvenCard, proofs: Proofs) -> None:
    other = proofs.artifact("private", BATCH)
    with LocalVerifier(other) as opened:
        found = verify(card, other, opened, card.benchmark, again(other)).problems
    assert found[0].startswith("the card's model is not the artifact's") and len(found) == 3
    with pytest.raises(ArtifactError, match="batches of 4 with 14: take the model's artifact for 4"):
        proofs.run(prove(card.benchmark, proofs.artifact(), Path("nowhere")))
    swapped = replace(RECIPE, features=(*RECIPE.features[::-1],))
    with pytest.raises(ArtifactError, match=r"windows have gap, .*: build the benchmark with --features move,past_0,"):
        proofs.run(prove(build(swapped, BATCH), other, Path("nowhere")))


def test_verified_by_command_from_public_files(card: ProvenCard, circuit: Artifact, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in (*AUDIT_FILES, MANIFEST):
        (copy / name).symlink_to(circuit.path / name)
    assert artifacts.load(copy, prover=False).artifact_hash == circuit.artifact_hash
    path = tmp_path / "card.json"
    card.save(path)

    def run(*options: str) -> tuple[int, str]:
        arguments = ["card", "verify", str(path), "--artifact", str(copy), *options]
        done = CliRunner().invoke(oracle, arguments, catch_exceptions=False)
        return done.exit_code, done.output

    code, output = run("--model-hash", hex(circuit.model_hash or 0))
    assert code == 0 and "2 of 2 verified" in output and "the card is what it says" in output
    code, output = run("--model-hash", "0x5", "--json")
    assert code == 1 and json.loads(output)["problems"] == ["the model is not the one of hash 0x5"]
    replace(card, summary=replace(card.summary, false_holds=0, caught=4)).save(path)
    code, output = run()
    assert code == 1 and "NOT what it says" in output


def test_a_card_of_scores_is_not_made_by_accident(card: ProvenCard, proofs: Proofs, tmp_path: Path) -> None:
    """Scores give the weights away, which the hash is there to hide."""
    benchmark = tmp_path / "benchmark.json"
    card.benchmark.save(benchmark)
    scores = proofs.artifact("private", BATCH)
    arguments = ["card", "prove", str(benchmark), "--artifact", str(scores.path), "--out", str(tmp_path / "card.json")]
    refused = CliRunner().invoke(oracle, arguments)
    assert isinstance(refused.exception, ModelError) and "--publish-scores" in str(refused.exception)
    assert not (tmp_path / "card.json").exists()


# --- on-chain ---


@dataclass(frozen=True)
class Counter:
    """A card on the chain, and the calls that fill it."""

    rig: Rig
    card: ProvenCard
    contract: str
    card_id: bytes

    def call(self, at: int, **changes: Any) -> bytes:
        """Return the call that submits a batch, with some of its arguments changed."""
        windows, labels = self.card.benchmark.packed(at)
        batch = self.card.batches[at]
        arguments = {
            "cardId": self.card_id,
            "index": at,
            "windows": windows,
            "labels": labels,
            "scores": [score for row in batch.scores for score in row],
            "merkleProof": self.card.benchmark.tree().proof(at),
            "proof": batch.proof,
        }
        assert changes.keys() <= arguments.keys()
        return onchain.card_interface().encode_call("submitBatch", *(arguments | changes).values())

    def refuses(self, error: str, at: int = 0, **changes: Any) -> None:
        """Assert that a call reverts with this error and counts nothing."""
        data, before = self.call(at, **changes), self.read("card", self.card_id)
        decode, sender = onchain.card_interface().decode_error, self.rig.address(OUTSIDER)
        with pytest.raises(ContractRejected) as refused:
            self.rig.run(self.rig.rpc.call(self.contract, data, sender=sender, decode=decode))
        assert refused.value.name == error
        assert not self.rig.send(data, to=self.contract)
        assert self.read("card", self.card_id) == before

    def counts(self, index: int) -> bool:
        return self.rig.send(self.call(index), to=self.contract)

    def read(self, view: str, *arguments: Any) -> Any:
        return self.rig.run(read(self.rig.rpc, onchain.card_interface(), self.contract, view, *arguments))

    def opened(
        self, model_number: int, card: ProvenCard, *, batches: int | None = None, root: bytes | None = None
    ) -> Counter:
        """Open another card on the same contract."""
        benchmark = card.benchmark
        arguments = (self.rig.hub.address, model_number, BATCH, root or benchmark.root, batches or benchmark.batches)
        assert self.rig.send(onchain.card_interface().encode_call("open", *arguments), to=self.contract)
        return replace(self, card=card, card_id=self.read("cardIdOf", *arguments))


@pytest.fixture(scope="module")
def prepared(deployed: Rig, circuit: Artifact) -> Iterator[Rig]:
    """Prepare a hub that has the verdict model as number 2, and the same weights with exact scores as number 3."""
    snapshot = deployed.chain.snapshot()
    for kind in ("verdict", "private"):
        number = deployed.add_architecture(kind, (BATCH,))
        deployed.add_model(kind, number, probe=deployed.probe(kind, [BATCH]))
    yield deployed
    deployed.chain.revert(snapshot)


@pytest.fixture
def counter(prepared: Rig, card: ProvenCard) -> Iterator[Counter]:
    """Open a card that has counted nothing yet, and undo what the test does."""
    rig, snapshot = prepared, prepared.chain.snapshot()
    contract = rig.create("ModelCard")
    yield Counter(rig, card, contract, b"").opened(2, card)
    rig.chain.revert(snapshot)


def publish(rig: Rig, card: ProvenCard, contract: str | None = None) -> onchain.Publication:
    payer = Account.from_key(rig.chain.accounts[OUTSIDER].key)
    circuit = rig.proofs.artifact("verdict", BATCH)
    return rig.run(onchain.publish(card, circuit, rig.rpc, rig.hub.address, payer, contract=contract, poll_s=0.01))


def test_published_by_anyone(prepared: Rig, card: ProvenCard, circuit: Artifact) -> None:
    """The contract's address follows from its code. A second attempt sends nothing."""
    snapshot = prepared.chain.snapshot()
    done = publish(prepared, card)
    found, summary = done.card, card.summary
    assert done.contract == onchain.contract_address()
    assert (found.hub, found.model_number, found.batch_size) == (prepared.hub.address, 2, BATCH)
    assert (found.model_hash, found.root) == (card.model.model_hash, "0x" + card.benchmark.root.hex())
    assert (found.complete, found.counted, found.batches) == (True, 2, 2)
    assert (found.faults, found.caught) == (summary.faults, summary.caught)
    assert (found.normals, found.false_holds) == (summary.normals, summary.false_holds)
    assert any("local reference string" in note for note in found.notes)
    assert len(done.gas) == 2 and max(done.gas) < 800_000
    block = prepared.run(prepared.rpc.block_number())
    assert replace(publish(prepared, card), gas=done.gas) == done
    assert prepared.run(prepared.rpc.block_number()) == block
    assert found.problems == () and "verifier: key from the architecture, bytecode from the key" in found.notes
    folder = circuit.path.parent
    assert prepared.run(onchain.show(prepared.rpc, done.contract, root=found.root, circuits=folder)) == [found]
    (unchecked,) = prepared.run(onchain.show(prepared.rpc, done.contract))
    assert "is not tied to a circuit: no artifacts were named" in unchecked.notes[0]
    assert prepared.run(onchain.show(prepared.rpc, done.contract, root="0x" + "00" * 32)) == []
    shown = CliRunner().invoke(oracle, ["card", "show", "--rpc", prepared.chain.rpc_url], catch_exceptions=False)
    assert f"faults caught   {summary.caught} of {summary.faults}" in shown.output and "complete" in shown.output
    prepared.chain.revert(snapshot)


def test_publishing_goes_on_where_it_was(counter: Counter) -> None:
    assert counter.counts(1)
    done = publish(counter.rig, counter.card, counter.contract)
    assert len(done.gas) == 1 and done.card.complete


def test_what_can_not_be_published(counter: Counter, proofs: Proofs) -> None:
    rig, card = counter.rig, counter.card
    with pytest.raises(DeploymentError, match="is not this release's ModelCard"):
        publish(rig, card, rig.hub.address)
    with pytest.raises(DeploymentError, match=r"has no model of hash 0x0*5 with the card's circuit for 4 windows"):
        publish(rig, replace(card, model=replace(card.model, model_hash=5)), counter.contract)
    better = with_batch(card, 0, scores=tuple(tuple(1 - each for each in row) for row in card.batches[0].scores))
    with pytest.raises(ContractRejected, match="batch 1 of 2: ProofRejected"):
        publish(rig, better, counter.contract)
    with pytest.raises(DeploymentError, match=r"has counted .* the card says"):
        publish(rig, replace(card, summary=Summary(4, 4, 3, 0, {})), counter.contract)


def test_an_incomplete_card_is_seen(counter: Counter) -> None:
    """Somebody never submits the batch with the bad result."""
    assert counter.counts(0)
    assert not counter.read("isComplete", counter.card_id)
    (shown,) = counter.rig.run(onchain.show(counter.rig.rpc, counter.contract))
    assert (shown.complete, shown.counted, shown.batches) == (False, 1, 2)


def test_counts_that_were_there_before_the_first_card(counter: Counter) -> None:
    """Creation code of one's own leaves the best of all cards behind the release's own code."""
    rig, contract = counter.rig, compiled.load("ModelCard")
    assert [each.card_id for each in rig.run(onchain.show(rig.rpc, counter.contract))] == ["0x" + counter.card_id.hex()]
    planted = rig.put(leaving({keccak(counter.card_id + bytes(32)): 2**64 + 2}, contract.runtime))
    assert contract.matches(rig.run(rig.rpc.code(planted)), planted), "or this test shows nothing"
    assert replace(counter, contract=planted).read("card", counter.card_id)["batches"] == 2
    with pytest.raises(DeploymentError, match="other creation code put it there in transaction 0x"):
        rig.run(onchain.show(rig.rpc, planted))
    with pytest.raises(DeploymentError, match="it may have left anything in its storage"):
        publish(rig, counter.card, planted)


def test_a_card_by_a_verifier_that_says_yes(counter: Counter, circuit: Artifact) -> None:
    """The hub is a genuine one; its admin gave it a verifier of his own for the model's hash."""
    rig = counter.rig
    yes = rig.put(leaving({}, bytes.fromhex("600160005260206000f3")))
    model = rig.run(rig.hub.model(2))
    found = rig.run(rig.hub.architecture(model.architecture_id))
    rig.admin("addArchitecture", bytes(found.features), found.outputs, found.binds_model, found.batch_sizes, [yes])
    number = rig.run(rig.hub.architecture_count())
    probe = astuple(rig.probe("verdict", [BATCH]))
    rig.admin("addModel", model.model_hash, number, model.artifact_hash, model.score_unit, probe)
    perfect = tuple(
        replace(
            batch,
            scores=tuple((int(label > 0),) for label in counter.card.benchmark.labels_of(index)),
            proof=bytes(len(batch.proof)),
        )
        for index, batch in enumerate(counter.card.batches)
    )
    forged = counter.opened(rig.run(rig.hub.model_count()), replace(counter.card, batches=perfect))
    assert forged.counts(0) and forged.counts(1), "the contract can't know better"
    shown = rig.run(onchain.show(rig.rpc, counter.contract, circuits=circuit.path.parent))
    honest, best = sorted(shown, key=lambda each: each.counted)
    assert (best.caught, best.faults, best.false_holds, best.complete) == (4, 4, 0, True)
    assert best.problems == (
        f"the verifier at {yes} is not tied to a circuit: no artifact here is of its code and its model",
    )
    assert honest.problems == ()
    done = CliRunner().invoke(
        oracle, ["card", "show", counter.contract, "--rpc", rig.chain.rpc_url, "--artifacts", str(circuit.path.parent)]
    )
    assert done.exit_code == 1 and "the figures show NOTHING" in done.output


def test_a_batch_twice(counter: Counter) -> None:
    assert counter.counts(0)
    counter.refuses("BatchAlreadyCounted", 0)
    # A batch can't take another batch's place either.
    counter.refuses("NotInBenchmark", 0, index=1)
    counter.refuses("BatchOutOfRange", 0, index=2)


def test_a_label_altered(counter: Counter) -> None:
    _, labels = counter.card.benchmark.packed(0)
    for at in range(len(labels)):
        for label in {0, 1, 2} - {labels[at]}:
            counter.refuses("NotInBenchmark", labels=labels[:at] + bytes([label]) + labels[at + 1 :])
    counter.refuses("NotInBenchmark", labels=labels[:-1])


def test_a_window_altered(counter: Counter) -> None:
    windows, _ = counter.card.benchmark.packed(0)
    for bit in (0, 447, 8 * len(windows) - 1):
        counter.refuses("NotInBenchmark", windows=flipped(windows, bit))
    counter.refuses("NotInBenchmark", windows=windows[32:] + windows[:32])
    counter.refuses("NotInBenchmark", windows=windows + bytes(32))


def test_a_verdict_altered(counter: Counter) -> None:
    scores = [score for row in counter.card.batches[0].scores for score in row]
    for at, score in enumerate(scores):
        for claimed in {0, 1, -1, 2, INT128_MAX} - {score}:
            counter.refuses("ProofRejected", scores=[*scores[:at], claimed, *scores[at + 1 :]])
        for claimed in (score + FIELD_MODULUS, score - FIELD_MODULUS):
            counter.refuses("ScoreOutOfRange", scores=[*scores[:at], claimed, *scores[at + 1 :]])
        if at == 1:
            break
    counter.refuses("MalformedBatch", scores=scores[:-1])
    counter.refuses("MalformedBatch", scores=[*scores, 0])


def test_a_proof_of_another_batch(counter: Counter) -> None:
    """It comes with its own scores, and with those of the batch that it stands for."""
    other = counter.card.batches[1]
    counter.refuses("ProofRejected", proof=other.proof)
    scores = [score for row in (*other.scores, other.scores[-1]) for score in row]
    counter.refuses("ProofRejected", proof=other.proof, scores=scores)


def test_proofs_of_another_form(counter: Counter) -> None:
    """The attempts: another length, a flipped bit, and a word beyond its field that stands for the same number."""
    proof = counter.card.batches[0].proof
    for altered in (b"", proof[:-1], proof[:-32], proof + b"\0", proof + bytes(32), bytes(len(proof)), proof * 2):
        counter.refuses("ProofRejected", proof=altered)
    words = [int.from_bytes(proof[at : at + 32]) for at in range(0, len(proof), 32)]
    for at in range(0, len(words), 9):
        aliased = [*words[:at], words[at] + FIELD_MODULUS, *words[at + 1 :]]
        counter.refuses("ProofRejected", proof=b"".join(word.to_bytes(32) for word in aliased))
        counter.refuses("ProofRejected", proof=flipped(proof, 256 * at + 3))


def test_a_benchmark_of_another_root(counter: Counter) -> None:
    """A card with another root, or opened for the batches that its owner prefers, counts nothing."""
    card = counter.card
    for other in (
        counter.opened(2, card, root=build(replace(RECIPE, seed=2), BATCH).root),
        counter.opened(2, card, batches=1),
        counter.opened(2, card, batches=3),
    ):
        other.refuses("NotInBenchmark")
    # These use inner nodes as leaves, and leaves as inner nodes.
    counter.refuses("NotInBenchmark", merkleProof=())
    counter.refuses("NotInBenchmark", merkleProof=card.benchmark.tree().proof(1))
    counter.refuses("NotInBenchmark", merkleProof=(*card.benchmark.tree().proof(0), bytes(32)))


def test_another_models_proof(counter: Counter, proofs: Proofs) -> None:
    """The attempts: other weights in the same circuit (with their scores or ours), another circuit of our weights."""
    windows = counter.card.benchmark.windows_of(0)
    ours = [score for window in windows for score in proofs.scores(window)]
    theirs = [score for window in windows for score in proofs.scores(window, "other")]
    assert ours != theirs
    proof, other = (proofs.prove(*windows, kind=kind, batch=BATCH) for kind in ("private", "other"))
    scored = counter.opened(3, counter.card)
    for scores in (ours, theirs):
        scored.refuses("ProofRejected", proof=other, scores=scores)
    # The verdict circuit has one number for each window, the other one two.
    scored.refuses("MalformedBatch")
    counter.refuses("ProofRejected", proof=proof)
    counter.refuses("MalformedBatch", proof=proof, scores=ours)
    assert counter.rig.send(scored.call(0, proof=proof, scores=ours), to=counter.contract)
    assert scored.read("card", scored.card_id)["counted"] == 1
    # Both circuits give the same verdicts.
    verdicts = tuple((int(max(proofs.scores(window)) > 0),) for window in windows)
    assert counter.card.batches[0].scores == verdicts
