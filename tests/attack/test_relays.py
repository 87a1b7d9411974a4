"""Tests of relays: a copy of our report gains nothing, and our pipeline learns how its observation ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account

from oracle.chain.hub import Submission, SubmitCall, encode_submission
from oracle.chain.keys.signer import ReporterKey
from oracle.chain.tx.sender import Sender
from oracle.chain.tx.submit import Submitter
from oracle.core.encoding import Feature
from oracle.core.stages import Confirmed, Decided, Observed, Proven, Scored, Submitted
from oracle.core.types import Outcome, Status
from oracle.feeds.interface import ReportListener
from oracle.feeds.journal import Journal
from oracle.feeds.reporting import Reporting
from oracle.feeds.signing import LocalSigners
from tests.attack.calldata import IF_NEWER, SUBMIT, WORD, Calldata, encode, flipped
from tests.attack.node import DEPLOYER, OUTSIDER
from tests.attack.proofs import MODEL
from tests.attack.rig import ANOMALOUS, NORMAL, REPORTER, Rig, Sighting

pytestmark = pytest.mark.attack


class CachedModel:
    """A model whose proofs are made once for all tests."""

    features: Sequence[Feature] = MODEL.features

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def scores(self, features: Sequence[int]) -> tuple[int, ...]:
        return MODEL.score_int(features)

    def seconds(self) -> Mapping[int, float]:
        return {1: 0.1}

    async def prove(self, scored: Scored) -> Proven:
        proofs = self._rig.proofs
        return Proven(scored, await proofs.proof(*scored.features), proofs.artifact().artifact_hash, 0.0)


class Running(ReportListener):
    """Our reports' way to the chain, with a hook after each stage."""

    def __init__(self, rig: Rig, journal: Journal) -> None:
        reporter, payer = (Account.from_key(rig.chain.accounts[each].key) for each in (REPORTER, DEPLOYER))
        self.rig = rig
        self.journal = journal
        self.hook: Callable[[Scored | Proven | Submitted | Confirmed], None] = lambda stage: None
        self.stages: list[Scored | Proven | Submitted | Confirmed] = []
        self.outcome: Outcome | None = None
        self.reason = ""
        self.reporting = Reporting(
            rig.hub,
            LocalSigners([ReporterKey(reporter, rig.chain.chain_id, rig.hub.address)]),
            {1: CachedModel(rig)},
            Submitter(rig.hub, Sender(rig.rpc, payer, poll_s=0.01)),
            journal,
            self,
        )

    def reached(self, stage: Scored | Proven | Submitted | Confirmed) -> None:
        self.stages.append(stage)
        self.hook(stage)

    def ended(self, observed: Observed, outcome: Outcome, reason: str, confirmed: Confirmed | None) -> None:
        self.outcome, self.reason = outcome, reason

    def report(self, sighting: Sighting) -> Outcome | None:
        feed_id = self.rig.feed_id("solo")
        observed = Observed("solo", feed_id, sighting.answer, self.rig.start + sighting.after)
        self.rig.run(self.reporting.report_now(Decided(self.rig.committee("solo"), (observed,))))
        return self.outcome


@pytest.fixture
def running(rig: Rig, tmp_path: Path) -> Iterator[Running]:
    with Journal(tmp_path / "journal.db") as journal:
        yield Running(rig, journal)


def calldata_of(proven: Proven, call: SubmitCall = SUBMIT) -> bytes:
    scored = proven.scored
    return encode_submission(Submission.of(scored.model_number, scored.signed, scored.scores, proven.proof), call)


def copied(rig: Rig, stage: object, call: SubmitCall = SUBMIT) -> None:
    """Do what a searcher does who sees our transaction: mine the same calldata before it."""
    if isinstance(stage, Submitted):
        assert rig.send(calldata_of(stage.proven, call))


def test_the_first_of_two_copies_wins(rig: Rig, normal: Calldata) -> None:
    assert rig.accepts(normal)
    rig.refuses(normal, "WrongRound", DEPLOYER)
    state = rig.state("solo")
    assert (state.round_id, state.answer, state.status) == (2, NORMAL, Status.OK)


def test_two_copies_in_one_block(rig: Rig, normal: Calldata) -> None:
    """The second copy reverts, whoever sent it."""
    receipts = rig.in_one_block((DEPLOYER, encode(normal)), (OUTSIDER, encode(normal)))
    assert [receipt["status"] for receipt in receipts] == ["0x1", "0x0"]
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

    def overtaken(stage: object) -> None:
        if isinstance(stage, Proven):
            assert rig.send(calldata_of(stage))

    running.hook = overtaken
    ended = running.report(Sighting(NORMAL))
    assert (ended, running.reason) == (Outcome.ACCEPTED, "another's transaction carried it")
    assert rig.state("solo").round_id == 2


def test_an_altered_copy_changes_nothing(running: Running) -> None:
    """The altered copy of a front-runner reverts, and our transaction succeeds."""
    rig = running.rig

    def altered(stage: object) -> None:
        if isinstance(stage, Submitted):
            proven = stage.proven
            higher = replace(proven.scored, scores=((1, 1),))
            assert not rig.send(calldata_of(replace(proven, scored=higher)))
            assert not rig.send(calldata_of(replace(proven, proof=flipped(proven.proof, 0))))

    running.hook = altered
    ended = running.report(Sighting(NORMAL))
    assert (ended, running.reason) == (Outcome.ACCEPTED, "")
    assert rig.state("solo").round_id == 2


def test_another_report_comes_first(running: Running) -> None:
    """It is not a copy but a later observation. Our report is out of date, which is no failure either."""
    rig = running.rig
    later = encode(rig.honest("solo", Sighting(NORMAL - 1_000, 1_200)))

    def overtaken(stage: object) -> None:
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

    def overtaken(stage: object) -> None:
        if isinstance(stage, Submitted) and waiting:
            assert rig.send(waiting.pop())

    running.hook = overtaken
    ended = running.report(Sighting(NORMAL))
    assert (ended, running.reason) == (Outcome.ACCEPTED, "")
    state = rig.state("solo")
    assert (state.round_id, state.answer) == (3, NORMAL)
    assert [type(stage) for stage in running.stages].count(Proven) == 2


# --- submitIfNewer: what a consumer brings along ---


def brought(rig: Rig, submission: Calldata) -> bool:
    """Return what `submitIfNewer` answers, and check that a transaction with it does just that."""
    data = encode(submission, IF_NEWER)
    written = rig.run(rig.rpc.call(rig.hub.address, data)) == (1).to_bytes(WORD)
    receipt = rig.receipt(data)
    assert receipt["status"] == "0x1"
    assert bool(receipt["logs"]) == written
    assert written or rig.changed(receipt) == set()
    return written


@pytest.mark.parametrize("answer", [NORMAL, ANOMALOUS], ids=["accepted", "held"])
def test_a_copy_of_what_a_consumer_brings(rig: Rig, answer: int) -> None:
    """Whoever copies the report from the mempool does the consumer's work: its call does nothing, and does not fail."""
    report = rig.honest("solo", Sighting(answer))
    assert rig.accepts(report, DEPLOYER)
    before = rig.state("solo")
    for _ in range(2):
        assert not brought(rig, report)
    assert rig.state("solo") == before


def test_both_in_one_block(rig: Rig, normal: Calldata) -> None:
    data = encode(normal, IF_NEWER)
    receipts = rig.in_one_block((DEPLOYER, data), (OUTSIDER, data), (REPORTER, encode(normal)))
    assert [receipt["status"] for receipt in receipts] == ["0x1", "0x1", "0x0"]
    assert [len(receipt["logs"]) > 0 for receipt in receipts] == [True, False, False]
    assert rig.state("solo").round_id == 2


def test_an_older_report_than_the_feed_has(rig: Rig, normal: Calldata) -> None:
    """It would be refused. For a consumer it is enough that there is a newer one."""
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL - 1, 900)))
    rig.refuses(normal, "WrongRound")
    assert not brought(rig, normal)


@pytest.mark.parametrize("what", ["a score", "the proof", "an answer", "a signature", "the model", "the epoch"])
def test_an_altered_copy_of_what_a_consumer_brings(rig: Rig, normal: Calldata, what: str) -> None:
    """Before the report is there, it is refused as by `submit`. After it, it does nothing, as it says nothing new."""
    altered, error = {
        "a score": (normal.with_scores(-1, -1), "ProofRejected"),
        "the proof": (replace(normal, proof=flipped(normal.proof, 7)), "ProofRejected"),
        "an answer": (normal.with_answer(NORMAL + 1), "NotAReporter"),
        "a signature": (normal.with_signature(r=bytes(WORD)), "NotAReporter"),
        "the model": (replace(normal, model_number=2), "ModelNotActive"),
        "the epoch": (replace(normal, epoch=2), "WrongEpoch"),
    }[what]
    rig.refuses(altered, error, call=IF_NEWER)
    assert brought(rig, normal)
    before = rig.state("solo")
    assert not brought(rig, altered)
    assert rig.state("solo") == before


@pytest.mark.parametrize("what", ["no feeds", "a reference alone", "an unknown feed", "a paused one", "the next round"])
def test_what_is_not_there_is_not_called_there(rig: Rig, normal: Calldata, what: str) -> None:
    """A false answer means that every feed has it. Whatever can't be judged is refused instead."""
    assert brought(rig, normal)
    empty = replace(normal.emptied(), feed_ids=(), round_ids=(), medians=b"", scores=b"")
    later = rig.honest("solo", Sighting(NORMAL, 900))
    if what == "a paused one":
        rig.admin("pause", rig.feed_id("solo"))
    altered, error = {
        "no feeds": (empty, "NothingDue"),
        "a reference alone": (replace(normal, round_ids=(0,)), "NothingDue"),
        "an unknown feed": (replace(normal, feed_ids=(bytes(31) + b"\1",)), "UnknownFeed"),
        "a paused one": (later, "FeedPaused"),
        "the next round": (replace(later, round_ids=(4,)), "WrongRound"),
    }[what]
    rig.refuses(altered, error, call=IF_NEWER)


def test_our_transaction_is_front_run_by_a_consumer(running: Running) -> None:
    rig = running.rig
    running.hook = lambda stage: copied(rig, stage, IF_NEWER)
    assert running.report(Sighting(NORMAL)) is Outcome.ACCEPTED
    assert running.reason == "another's transaction carried it"
    assert rig.state("solo").round_id == 2
