"""Tests of relays: a copy of our report gains nothing, and our pipeline learns how its observation ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account

from oracle.chain.hub import Submission, encode_submission
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.tx.sender import Sender
from oracle.chain.tx.submit import Submitter
from oracle.core.types import Observed, Outcome, Proven, Scored, Stage, Status, Submitted
from oracle.feeds.journal import Journal
from oracle.feeds.pipeline import Pipeline
from tests.attack.rig import ANOMALOUS, DEPLOYER, MODEL, NORMAL, OUTSIDER, REPORTER, Rig, Sighting, encode

pytestmark = pytest.mark.attack


class CachedModel:
    """A model whose proofs are made once for all tests."""

    features = MODEL.features
    spread = False

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def scores(self, features: Sequence[int]) -> tuple[int, ...]:
        return MODEL.score_int(features)

    def seconds(self) -> Mapping[int, float]:
        return {1: 0.1}

    async def prove(self, batch: Sequence[Scored]) -> Sequence[Proven]:
        (scored,), proofs = batch, self._rig.proofs
        return [Proven(scored, await proofs.proof(scored.features), proofs.artifact().artifact_hash, 0.0)]


class Running:
    """Our pipeline, with a hook after each stage."""

    def __init__(self, rig: Rig, journal: Journal) -> None:
        reporter, payer = (Account.from_key(rig.chain.accounts[each].key) for each in (REPORTER, DEPLOYER))
        self.rig = rig
        self.journal = journal
        self.hook: Callable[[Stage], None] = lambda stage: None
        self.stages: list[Stage] = []
        self.reason = ""
        self.pipeline = Pipeline(
            rig.hub,
            [LocalReporter(reporter, rig.chain.chain_id, rig.hub.address)],
            {1: CachedModel(rig)},
            Submitter(rig.hub, Sender(rig.rpc, payer, poll_s=0.01)),
            journal,
            self._watch,
        )

    def _watch(self, stage: Stage, outcome: Outcome | None, reason: str) -> None:
        self.stages.append(stage)
        self.reason = reason
        self.hook(stage)

    def report(self, sighting: Sighting) -> Outcome:
        observed = Observed("solo", self.rig.feed_id("solo"), sighting.answer, self.rig.start + sighting.after)
        return self.rig.run(self.pipeline.report(observed))


@pytest.fixture
def running(rig: Rig, tmp_path: Path) -> Iterator[Running]:
    with Journal(tmp_path / "journal.db") as journal:
        yield Running(rig, journal)


def copied(rig: Rig, stage: Stage) -> None:
    """Do what a searcher does who sees our transaction: mine the same calldata before it."""
    if isinstance(stage, Submitted):
        assert rig.send(encode_submission([stage.proven.scored], stage.proven.proof))


def test_the_first_of_two_copies_wins(rig: Rig, normal: Submission) -> None:
    assert rig.accepts(normal)
    rig.refuses(normal, "WrongRound", DEPLOYER)
    state = rig.state("solo")
    assert (state.round_id, state.answer, state.status) == (2, NORMAL, Status.OK)


def test_two_copies_in_one_block(rig: Rig, normal: Submission) -> None:
    """The second copy reverts, whoever sent it."""
    sent = {"to": rig.hub.address, "data": "0x" + encode(normal).hex(), "gas": hex(2_000_000)}
    rig.chain.rpc("evm_setAutomine", False)
    try:
        copies = [{**sent, "from": rig.address(account)} for account in (DEPLOYER, OUTSIDER)]
        hashes = [rig.chain.rpc("eth_sendTransaction", copy) for copy in copies]
        rig.chain.rpc("evm_mine")
    finally:
        rig.chain.rpc("evm_setAutomine", True)
    receipts = [rig.chain.rpc("eth_getTransactionReceipt", each) for each in hashes]
    assert len({receipt["blockNumber"] for receipt in receipts}) == 1
    assert sorted(receipt["status"] for receipt in receipts) == ["0x0", "0x1"]
    assert rig.state("solo").round_id == 2


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [(NORMAL, Outcome.ACCEPTED, Status.OK), (ANOMALOUS, Outcome.HELD, Status.HELD)],
    ids=["accepted", "held"],
)
def test_our_transaction_is_front_run(running: Running, answer: int, outcome: Outcome, status: Status) -> None:
    """It happens between our simulation and our broadcast. Our transaction reverts, but the observation is on-chain."""
    rig = running.rig
    running.hook = lambda stage: copied(rig, stage)
    ended = running.report(Sighting(answer))
    assert ended is outcome
    assert running.reason == "another's transaction carried it"
    assert rig.state("solo").status is status
    assert rig.state("solo").round_id == (2 if outcome is Outcome.ACCEPTED else 1)
    assert running.journal.unfinished() == []
    assert [type(stage) for stage in running.stages].count(Proven) == 1, "nothing is proven again"
    # The next observation is reported as usual.
    running.hook = lambda stage: None
    ended = running.report(Sighting(NORMAL, 1_200))
    assert ended is Outcome.ACCEPTED


def test_our_report_is_carried_while_we_prove(running: Running) -> None:
    """The copy is mined before we simulate, and the simulation's refusal does not count as a failure."""
    rig = running.rig

    def overtaken(stage: Stage) -> None:
        if isinstance(stage, Proven):
            assert rig.send(encode_submission([stage.scored], stage.proof))

    running.hook = overtaken
    ended = running.report(Sighting(NORMAL))
    assert (ended, running.reason) == (Outcome.ACCEPTED, "another's transaction carried it")
    assert rig.state("solo").round_id == 2


def test_an_altered_copy_changes_nothing(running: Running) -> None:
    """The altered copy of a front-runner reverts, and our transaction succeeds."""
    rig = running.rig

    def altered(stage: Stage) -> None:
        if isinstance(stage, Submitted):
            scored, proof = stage.proven.scored, stage.proven.proof
            assert not rig.send(encode_submission([replace(scored, scores=(1, 1))], proof))
            assert not rig.send(encode_submission([scored], proof[:-1] + bytes([proof[-1] ^ 1])))

    running.hook = altered
    ended = running.report(Sighting(NORMAL))
    assert (ended, running.reason) == (Outcome.ACCEPTED, "")
    assert rig.state("solo").round_id == 2


def test_another_report_comes_first(running: Running) -> None:
    """It is not a copy but a later observation. Our report is out of date, which is no failure either."""
    rig = running.rig
    later = encode(rig.honest("solo", Sighting(NORMAL - 1_000, 1_200)))

    def overtaken(stage: Stage) -> None:
        if isinstance(stage, Submitted):
            assert rig.send(later)

    running.hook = overtaken
    ended = running.report(Sighting(NORMAL))
    assert ended is Outcome.SUPERSEDED
    assert rig.state("solo").answer == NORMAL - 1_000
    assert running.journal.unfinished() == []


def test_an_earlier_report_comes_first(running: Running) -> None:
    """The feed changes while we prove, so the features are derived and proven again on the new history."""
    rig = running.rig
    earlier = encode(rig.honest("solo", Sighting(NORMAL - ANOMALOUS // 1_000, 300)))
    waiting = [earlier]

    def overtaken(stage: Stage) -> None:
        if isinstance(stage, Submitted) and waiting:
            assert rig.send(waiting.pop())

    running.hook = overtaken
    ended = running.report(Sighting(NORMAL))
    assert (ended, running.reason) == (Outcome.ACCEPTED, "")
    state = rig.state("solo")
    assert (state.round_id, state.answer) == (3, NORMAL)
    assert [type(stage) for stage in running.stages].count(Proven) == 2
