"""Tests of the way of one report, with fakes of the chain and the prover and a real journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.deploy import feed_id_of
from oracle.core import encoding
from oracle.core.encoding import Feature, PeerAnswer
from oracle.core.errors import (
    ChainUnavailable,
    ContractRejected,
    JournalError,
    ProverCrashed,
    SignerUnavailable,
    TransactionPending,
)
from oracle.core.stages import Decided, Proven, Scored, Stage, Submitted
from oracle.feeds.interface import ReportStep
from tests.fakes import FakeKey, feed_config
from tests.unit.feeds.market import ANOMALOUS, NORMAL, Market

OTHER_KEYS = ("0x" + "22" * 32, "0x" + "33" * 32)


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    made = Market(tmp_path)
    yield made
    made.journal.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Market]:
    """Return a market in which `a` and `b` name each other as peers, and `c` names nobody."""
    ids = {name: feed_id_of(f"{name} / USD") for name in "ab"}
    terms = {
        "a": feed_config("a / USD", peers=(ids["b"],)),
        "b": feed_config("b / USD", peers=(ids["a"],), sigma=20_000),
    }
    made = Market(tmp_path, "a", "b", "c", terms=terms)
    yield made
    made.journal.close()


# --- one report ----------------------------------------------------------------------------------------------------


async def test_a_report_is_signed_once_proven_once_and_every_stage_is_journalled(market: Market) -> None:
    await market.report(c=NORMAL + 5)
    assert market.heard.stages == ["observed", "scored", "proven", "submitted", "confirmed"]
    assert market.heard.steps == [
        ReportStep.SIGN,
        ReportStep.PROVE,
        ReportStep.SHADOW,
        ReportStep.SIMULATE,
        ReportStep.SEND,
        ReportStep.CONFIRM,
    ]
    assert len(market.keys[0].reports) == 1 and market.model.proofs == 1 and market.carried == ["abc"]
    assert market.ends == {"a@1000": "accepted", "b@1000": "accepted", "c@1000": "accepted"}
    assert market.hub.states[market.ids["c"]].answer == NORMAL + 5
    entries = market.journal.rows()
    assert len({entry.tx_hash for entry in entries}) == 1
    assert [(entry.round_id, entry.gas_used, entry.attempts) for entry in entries] == [(1, 500_000 // 3, 1)] * 3
    assert market.open == [] and market.journal.check().problems == ()


async def test_each_observation_has_its_own_end(market: Market) -> None:
    await market.report()
    await market.report(at=2_000, b=ANOMALOUS)
    assert [market.ends[key] for key in ("a@2000", "b@2000", "c@2000")] == ["accepted", "held", "accepted"]
    assert market.model.proofs == 2
    [held] = market.journal.rows("b", 1)
    assert held.scores == (1, 0) and market.journal.rows("a", 1)[0].scores == (-1, 0)


async def test_a_feed_that_is_not_due_writes_nothing(market: Market) -> None:
    await market.report("a", b=ANOMALOUS)
    assert [market.round_of(name) for name in "abc"] == [1, 0, 0]
    assert list(market.ends) == ["a@1000"]
    [report] = market.keys[0].reports
    assert report.feed_ids == (market.ids["a"],), "only peers are listed as references"


# --- peers ---------------------------------------------------------------------------------------------------------


async def test_peers_that_are_not_due_are_references_with_their_answers_of_the_same_time(pair: Market) -> None:
    pair.model.features = (Feature.MOVE, Feature.PEER_MOVE_0, Feature.PEER_SEEN_0, Feature.GAP)
    await pair.report("a", b=NORMAL)
    await pair.report("a", at=4_600, a=NORMAL * 101 // 100, b=NORMAL * 102 // 100)
    first, second = pair.keys[0].reports
    rounds = dict(zip(second.feed_ids, second.round_ids, strict=True))
    assert rounds == {pair.ids["a"]: 2, pair.ids["b"]: 0} and first.due != second.references
    assert pair.round_of("b") == 0, "a reference is not judged"
    scored = pair.heard.scored[-1]
    features = dict(zip(scored.feeds, scored.features, strict=True))
    moved = encoding.move(pair.hub.configs[pair.ids["b"]].kind, 20_000, NORMAL * 102 // 100, NORMAL)
    assert features["a"] == (1_000, moved, 1, 1_000), "b's own sigma measures its move"
    assert pair.hub.states[pair.ids["a"]].peer_answers == (NORMAL * 102 // 100,)


async def test_features_are_those_of_the_encoding_with_count_and_spread_of_the_signed_answers(pair: Market) -> None:
    pair.model.features = (Feature.MOVE, Feature.SPREAD, Feature.COUNT, Feature.PEER_MOVE_0, Feature.GAP)
    pair.keys[:] = [FakeKey(), FakeKey(OTHER_KEYS[0], -NORMAL // 100), FakeKey(OTHER_KEYS[1], NORMAL // 50)]
    pair.hub.rotate(1, *(key.address for key in pair.keys), quorum=3)
    pair.begin()
    await pair.report("ab")
    before = dict(pair.hub.states)
    await pair.report("ab", at=2_000, b=NORMAL + 7)
    scored = pair.heard.scored[-1]
    assert len(scored.signed.signatures) == 3
    kind = before[pair.ids["a"]].kind
    spread = encoding.spread(kind, 10_000, NORMAL * 99 // 100, NORMAL * 102 // 100)
    wanted = encoding.features(
        before[pair.ids["a"]], NORMAL, 2_000, pair.model.features, tolerance=3_000, spread=spread, count=3,
        peers=[PeerAnswer(kind, 20_000, NORMAL + 7)],
    )  # fmt: skip
    assert dict(zip(scored.feeds, scored.features, strict=True))["a"] == wanted
    assert spread > 0 and wanted[1:3] == (spread, 3)


async def test_a_feed_whose_peer_has_no_answer_is_left_out_and_the_others_go_on(pair: Market) -> None:
    full = pair.decided("ac")
    await pair.reporting.report_now(replace(full, others=()))
    assert pair.ends == {"a@1000": "failed", "c@1000": "accepted"}
    assert pair.reasons == {"a@1000": "a peer of the feed has no answer"}


async def test_a_feed_that_is_left_out_still_answers_as_a_peer(pair: Market) -> None:
    pair.hub.pause(pair.ids["b"])
    await pair.report()
    assert pair.ends == {"a@1000": "accepted", "b@1000": "failed", "c@1000": "accepted"}
    assert pair.hub.states[pair.ids["a"]].peer_answers == (NORMAL,)


async def test_an_error_about_a_peer_is_about_the_feed_that_has_it(pair: Market) -> None:
    """A reference's answers are too far apart: the feeds that need it can't be reported, the others can."""
    sign = pair.submitter.sign

    async def signing(proven: Proven) -> Submitted:
        if pair.ids["b"] in proven.scored.signed.report.feed_ids:
            raise ContractRejected("SpreadTooWide: …", "SpreadTooWide", pair.ids["b"])
        return await sign(proven)

    pair.submitter.sign = signing  # type: ignore[method-assign]
    await pair.report("ac")
    assert pair.ends == {"a@1000": "failed", "c@1000": "accepted"}


# --- signers -------------------------------------------------------------------------------------------------------


async def test_a_committee_that_changes_under_the_proof_is_signed_for_anew(market: Market) -> None:
    key = market.keys[0]

    async def rotate(scored: Scored) -> None:
        market.model.before = None
        market.hub.rotate(1, key.address)

    market.model.before = rotate
    await market.report()
    assert [report.epoch for report in key.reports] == [1, 2]
    assert set(market.ends.values()) == {"accepted"}


async def test_without_a_quorum_nothing_is_proven_and_nothing_is_lost(market: Market) -> None:
    market.hub.rotate(1, market.keys[0].address, FakeKey(OTHER_KEYS[0]).address, quorum=2)
    with pytest.raises(SignerUnavailable, match="its quorum is 2, and this process has the keys of 1"):
        await market.report()
    assert market.model.proofs == 0
    [stage] = market.open
    assert isinstance(stage, Decided) and len(stage.due) == 3


# --- failures that pass --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["sign", "broadcast", "confirm"])
async def test_a_chain_that_fails_at_any_step_costs_no_second_proof_and_no_second_round(
    market: Market, step: str
) -> None:
    failures = [ChainUnavailable("down")]

    def before(at: str) -> None:
        if at == step and failures:
            raise failures.pop()

    market.submitter.before = before
    with pytest.raises(ChainUnavailable):
        await market.report()
    await market.restart()
    [stage] = market.open
    assert isinstance(stage, Proven if step == "sign" else Submitted)
    assert await market.reporting.report(stage) == ()
    assert market.model.proofs == 1 and len(market.keys[0].reports) == 1
    assert len(market.hub.events) == 3 and market.carried == ["abc"]
    assert len(set(market.submitter.broadcasts)) == 1, "the same signed bytes, or it could be mined twice"


async def test_a_prover_that_dies_is_asked_again_with_the_same_signatures(market: Market) -> None:
    market.model.fails = [ProverCrashed("killed")]
    with pytest.raises(ProverCrashed):
        await market.report("a")
    [stage] = market.open
    assert isinstance(stage, Scored)
    assert await market.reporting.report(stage) == ()
    assert len(market.keys[0].reports) == 1 and market.ends == {"a@1000": "accepted"}


async def test_a_transaction_that_is_not_mined_is_waited_for_not_replaced(market: Market) -> None:
    market.submitter.mines = False
    with pytest.raises(TransactionPending):
        await market.report()
    await market.restart()
    market.submitter.mines = True
    [stage] = market.open
    assert await market.reporting.report(stage) == ()
    assert len(set(market.submitter.broadcasts)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("stage", [Scored, Proven, Submitted])
async def test_killed_at_any_stage_the_report_goes_on_from_there(market: Market, stage: type[Stage], when: str) -> None:
    """The process dies when a stage is about to be journalled, or right after it was."""
    record = market.journal.record

    def die(*stages: Stage, superseded: Mapping[str, str] | None = None) -> None:
        if isinstance(stages[0], stage):
            if when == "after":
                record(*stages)
            raise RuntimeError("killed")
        record(*stages, superseded=superseded or {})

    market.journal.record = die  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        await market.report()
    proofs = market.model.proofs
    await market.restart()
    [found] = market.open
    before = {Scored: Decided, Proven: Scored, Submitted: Proven}
    assert type(found) is (stage if when == "after" else before[stage])
    assert await market.reporting.report(found) == ()
    assert set(market.ends.values()) == {"accepted"} and market.carried == ["abc"]
    assert market.model.proofs - proofs == (stage is Scored or (stage is Proven and when == "before"))
    assert len(market.hub.events) == 3


async def test_killed_between_the_mined_transaction_and_its_outcome(market: Market) -> None:
    """All outcomes are written at once, so all of the report is followed again, and none of it twice."""
    write = market.journal._writer._end
    count = [0]

    def end(*arguments: Any) -> None:
        count[0] += 1
        if count[0] == 2:
            raise RuntimeError("killed")
        write(*arguments)

    market.journal._writer._end = end  # type: ignore[method-assign, assignment]
    with pytest.raises(RuntimeError):
        await market.report()
    await market.restart()
    [stage] = market.open
    assert isinstance(stage, Submitted) and len(stage.due) == 3
    assert await market.reporting.report(stage) == ()
    assert set(market.ends.values()) == {"accepted"} and len(market.hub.events) == 3


async def test_what_can_not_be_journalled_is_not_sent(market: Market) -> None:
    record = market.journal.record

    def refuse(*stages: Stage, superseded: Mapping[str, str] | None = None) -> None:
        if isinstance(stages[0], Submitted):
            raise JournalError("the disk is full")
        record(*stages, superseded=superseded or {})

    market.journal.record = refuse  # type: ignore[method-assign]
    with pytest.raises(JournalError):
        await market.report()
    assert market.submitter.broadcasts == []
