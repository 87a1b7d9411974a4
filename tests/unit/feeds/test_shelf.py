"""Tests of pulled feeds: what is kept and what is sent, what is on the shelf, and what the chain shows of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.chain.hub import SubmitCall, decode_submission, encode_submission
from oracle.chain.hub.submissions import Submission
from oracle.core.errors import ContractRejected, JournalUnavailable
from oracle.core.stages import Decided, KeptReport, Observed, Proven, Submitted
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Kind, Outcome, Status
from oracle.feeds.deciding import Decision, Look, decide
from oracle.feeds.interface import ReportStep
from oracle.feeds.reporting import Reporting
from oracle.feeds.shelf import KEPT, Shelf
from oracle.feeds.signing import LocalSigners
from oracle.sources.aggregate import DuePolicy
from tests.unit.feeds.market import ANOMALOUS, NORMAL, Market
from tests.unit.feeds.test_deciding import IDS, look, state

PULL = DuePolicy(Kind.RELATIVE, heartbeat=3_600, deviation=10_000, held_interval=30, pull_interval=60)
SPACED = replace(PULL, is_spaced=True)
PUSH = replace(PULL, pull_interval=0)


def kept(name: str = "a", answer: int = 100_000, at: int = 1_060, round_id: int = 2) -> KeptReport:
    return KeptReport(name, IDS[name], round_id, answer, at, b"")


def decided(
    seen: Look,
    *states: FeedState,
    policies: Mapping[str, DuePolicy] | None = None,
    on_shelf: Mapping[str, KeptReport] | None = None,
    waiting: Mapping[str, Observed] | None = None,
    under_way: Mapping[str, Observed] | None = None,
    offering: str = "",
) -> Decision:
    return decide(
        seen,
        {each.feed_id: each for each in states},
        dict.fromkeys("abcd", PULL) | dict(policies or {}),
        waiting=waiting or {},
        under_way=under_way or {},
        reported={},
        kept=on_shelf or {},
        offering=offering,
    )


def why(found: Decision) -> str:
    """Return what one feed's report is due for, and whether it is kept: "heartbeat, sent"."""
    if not found.reports:
        return ""
    [(_, report)] = found.reports
    reason = next(iter(found.reasons.values()))
    return f"{reason.value if reason else 'waits'}, {'kept' if report.is_offered else 'sent'}"


# --- what is due, and in which way ---------------------------------------------------------------------------------


def held(reason: HoldReason = HoldReason.ANOMALOUS) -> HeldAnswer:
    return HeldAnswer(reason, 150_000, 150_000, 1_000, 1_000, 1_000, 0, 1, 5_000, 1, 1_000, 1_000, 1_000)


@pytest.mark.parametrize(
    ("at", "answer", "of", "expected"),
    [
        (1_059, 100_000, state("a"), ""),
        (1_060, 100_000, state("a"), "interval, kept"),
        (1_001, 101_000, state("a"), "deviation, kept"),
        (4_599, 101_000, state("a"), "deviation, kept"),
        (4_600, 100_000, state("a"), "heartbeat, sent"),
        (1_001, 5, state("a", round_id=0, observed_at=0, last_report_at=0), "first, sent"),
        (1_030, 150_000, state("a", status=Status.HELD, held=held()), "held, sent"),
        (1_001, 100_000, state("a", status=Status.HELD, held=held()), "deviation, sent"),
        (1_060, 100_000, state("a", paused=True), ""),
        (1_060, 100_000, state("a", last_report_at=1_060), ""),
    ],
)
def test_only_the_interval_and_a_move_are_kept(at: int, answer: int, of: FeedState, expected: str) -> None:
    assert why(decided(look(at, {"a": answer}), of)) == expected


def test_a_feed_that_is_not_pulled_is_sent_as_ever() -> None:
    for at, answer, expected in ((1_060, 100_000, ""), (1_001, 101_000, "deviation, sent")):
        assert why(decided(look(at, {"a": answer}), state("a"), policies={"a": PUSH})) == expected


@pytest.mark.parametrize(
    ("at", "answer", "expected"),
    [
        (1_119, 100_000, ""),
        (1_120, 100_000, "interval, kept"),
        (1_061, 101_000, "deviation, kept"),
        (1_061, 100_900, ""),
    ],
)
def test_the_next_one_is_measured_from_the_one_that_is_kept(at: int, answer: int, expected: str) -> None:
    assert why(decided(look(at, {"a": answer}), state("a"), on_shelf={"a": kept()})) == expected


@pytest.mark.parametrize("on_shelf", [kept(at=990), kept(round_id=1), kept(round_id=3), kept(at=1_000)])
def test_what_the_chain_has_or_has_passed_counts_no_more(on_shelf: KeptReport) -> None:
    """Somebody brought it, or an older one of the same round: the next is measured from what the chain has."""
    assert why(decided(look(1_061, {"a": 100_000}), state("a"), on_shelf={"a": on_shelf})) == "interval, kept"


def test_the_same_reading_again_is_no_news() -> None:
    seen = look(1_060, {"a": 100_000, "b": 100_000}, read_at={"a": 1_000})
    assert why(decided(seen, state("a"), policies={"b": PUSH})) == ""


def test_pushed_and_kept_feeds_never_share_a_report_and_kept_ones_go_alone() -> None:
    seen = look(1_060, {"a": 102_000, "b": 102_000, "c": 102_000, "d": 102_000})
    found = decided(seen, *map(state, "abcd"), policies={"c": PUSH, "d": PUSH})
    assert [(report.feeds, report.is_offered) for _, report in found.reports] == [
        (("c", "d"), False),
        (("a",), True),
        (("b",), True),
    ]
    assert [len(report.others) for _, report in found.reports] == [2, 3, 3], "each may have the others as peers"


def observed(at: int, answer: int = 100_000) -> Observed:
    return Observed("a", IDS["a"], answer, at)


def test_what_will_be_kept_does_not_stand_in_for_the_heartbeat() -> None:
    """A feed whose proofs take as long as its interval always offers something. Its heartbeat comes all the same."""
    seen = look(4_600, {"a": 100_000})
    for where in ("waiting", "under_way"):
        there = {where: {"a": observed(4_590)}}
        assert why(decided(seen, state("a"), offering="a", **there)) == "heartbeat, sent"  # type: ignore[arg-type]
        assert why(decided(seen, state("a"), **there)) == ""  # type: ignore[arg-type]


def test_what_is_under_way_is_not_offered_again() -> None:
    for offering in ("", "a"):
        seen = look(1_119, {"a": 100_000})
        assert why(decided(seen, state("a"), under_way={"a": observed(1_060)}, offering=offering)) == ""
        seen = look(1_120, {"a": 100_000})
        assert why(decided(seen, state("a"), under_way={"a": observed(1_060)}, offering=offering)) == "interval, kept"


def test_a_kept_feed_does_not_join_the_report_of_others() -> None:
    seen = look(1_061, {"a": 100_000, "b": 102_000})
    found = decided(
        seen, *map(state, "ab"), policies={"b": PUSH}, waiting={"a": observed(1_060)}, offering="a"
    )  # fmt: skip
    assert [report.feeds for _, report in found.reports] == [("b",)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 90), st.integers(90_000, 110_000), st.sampled_from(["", "brought", "lost"])),
        min_size=1,
        max_size=40,
    )
)
def test_of_a_private_model_there_is_one_verdict_an_interval_whatever_happens(
    looks: list[tuple[int, int, str]],
) -> None:
    """For every walk, and whoever brings which report: kept verdicts are an interval apart, each verdict told once."""
    now, chain = 1_000, state("a")
    shelf: KeptReport | None = None
    verdicts = [1_000]
    for later, answer, event in looks:
        now += later
        if event == "brought" and shelf is not None and shelf.is_ahead_of(chain):
            chain = replace(
                chain,
                round_id=shelf.round_id,
                answer=shelf.answer,
                observed_at=shelf.observed_at,
                last_report_at=shelf.observed_at,
            )
        on_shelf = {} if shelf is None else {"a": shelf}
        found = decided(look(now, {"a": answer}), chain, policies={"a": SPACED}, on_shelf=on_shelf)
        for _, report in found.reports:
            if report.is_offered:
                verdicts.append(now)
                shelf = kept(answer=answer, at=now, round_id=chain.round_id + 1)
    assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(verdicts))


# --- the way of a kept report --------------------------------------------------------------------------------------


class Shop:
    """A market with a shelf."""

    def __init__(self, path: Path) -> None:
        self.market = Market(path)
        self.pulled: list[tuple[str, int]] = []
        self.begin()

    def begin(self) -> None:
        market = self.market
        self.shelf = Shelf(
            market.journal, self.pack, lambda feed, state: self.pulled.append((feed, state.last_report_at))
        )
        market.reporting = Reporting(
            market.hub,
            LocalSigners(market.keys),
            market.models,
            market.submitter,
            market.journal,
            market.heard,
            shelf=self.shelf,
        )

    async def pack(self, proven: Proven) -> bytes:
        calldata = (await self.market.submitter.sign(proven)).raw_transaction[4:]
        return encode_submission(decode_submission(calldata), SubmitCall.SUBMIT_IF_NEWER)

    def offered(self, name: str, at: int, answer: int = NORMAL) -> Decided:
        return replace(self.market.decided([name], at, **{name: answer}), is_offered=True)

    async def offer(self, name: str, at: int, answer: int = NORMAL) -> None:
        await self.market.reporting.report_now(self.offered(name, at, answer))

    def bring(self, calldata: bytes) -> None:
        """Bring what was kept to the chain, as a consumer does."""
        self.market.hub.apply(calldata, block_number=9, tx_hash=b"\7" * 32, now=2_000)

    def look(self) -> None:
        self.shelf.looked((name, self.market.hub.states[feed_id]) for name, feed_id in self.market.ids.items())


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.market.journal.close()


async def test_an_offered_report_is_proven_kept_and_never_sent(shop: Shop) -> None:
    market = shop.market
    await market.report(at=1_000)
    market.heard.stages.clear()
    market.heard.steps.clear()
    await shop.offer("a", 1_060, NORMAL + 5)
    assert market.heard.stages == ["observed", "scored", "proven"]
    assert market.heard.steps == [ReportStep.SIGN, ReportStep.PROVE, ReportStep.OFFER]
    assert market.ends["a@1060"] == "offered" and market.reasons["a@1060"] == KEPT
    assert market.heard.ends[-1] == ("a@1060", Outcome.OFFERED, KEPT)
    assert len(market.carried) == 1, "nothing was sent but the first round"
    found = shop.shelf.kept("a")
    assert found is not None
    assert (found.round_id, found.answer, found.observed_at) == (2, NORMAL + 5, 1_060)
    submission = decode_submission(found.calldata, [SubmitCall.SUBMIT_IF_NEWER])
    assert isinstance(submission, Submission) and submission.signed.report.due == (0,)
    assert shop.shelf.kept("b") is None


async def test_the_shelf_has_the_newest_and_survives_a_restart(shop: Shop) -> None:
    market = shop.market
    await market.report(at=1_000)
    await shop.offer("a", 1_060)
    await shop.offer("b", 1_060)
    await shop.offer("a", 1_120, NORMAL + 7)
    before = {name: shop.shelf.kept(name) for name in "abc"}
    await market.restart()
    shop.begin()
    assert {name: shop.shelf.kept(name) for name in "abc"} == before
    assert before["a"] is not None and before["a"].observed_at == 1_120


async def test_a_restart_between_proof_and_shelf_keeps_it_and_does_not_send_it(shop: Shop) -> None:
    market = shop.market
    await market.report(at=1_000)

    class Kill(Exception):
        """The process ends here."""

    async def end(proven: Proven) -> bytes:
        raise Kill

    market.reporting.decide([shop.offered("a", 1_060)])
    shop.shelf._pack = end
    with pytest.raises(Kill):
        await market.reporting.report(market.open[0])
    await market.restart()
    shop.begin()
    [stage] = market.open
    assert isinstance(stage, Proven) and stage.decided.is_offered
    proofs = market.model.proofs
    assert await market.reporting.report(stage) == ()
    assert (market.ends["a@1060"], market.model.proofs, len(market.carried)) == ("offered", proofs, 1)


@pytest.mark.parametrize("answer", [ANOMALOUS, -1])
async def test_what_the_hub_would_hold_is_sent_so_that_everybody_sees_it(shop: Shop, answer: int) -> None:
    await shop.market.report(at=1_000)
    await shop.offer("a", 1_060, answer)
    assert shop.market.ends["a@1060"] == "held"
    assert shop.shelf.kept("a") is None
    assert shop.market.hub.states[shop.market.ids["a"]].status is Status.HELD


async def test_of_a_held_feed_everything_is_sent(shop: Shop) -> None:
    await shop.market.report(at=1_000)
    await shop.offer("a", 1_060, ANOMALOUS)
    await shop.offer("a", 1_120, NORMAL)
    assert shop.market.ends["a@1120"] == "accepted"


async def test_a_report_that_the_chain_would_not_take_is_not_kept(shop: Shop) -> None:
    market = shop.market
    await market.report(at=1_000)

    async def refuse(proven: Proven) -> bytes:
        raise ContractRejected("ProofRejected: no", "ProofRejected", market.ids["a"])

    shop.shelf._pack = refuse
    await shop.offer("a", 1_060)
    assert market.ends["a@1060"] == "failed" and shop.shelf.kept("a") is None


async def test_a_feed_that_moves_during_the_proof_is_signed_again_for_its_next_round(shop: Shop) -> None:
    market = shop.market
    await market.report(at=1_000)
    moved = False

    async def rival(scored: object) -> None:
        nonlocal moved
        if not moved:
            moved = True
            await market.rival("a", at=1_010)

    market.model.before = rival
    await shop.offer("a", 1_060)
    found = shop.shelf.kept("a")
    assert found is not None and found.round_id == 3
    shop.bring(found.calldata)
    assert market.round_of("a") == 3


async def test_what_was_not_journalled_is_not_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    market = shop.market
    await market.report(at=1_000)

    def full(*of: object) -> None:
        raise JournalUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(market.journal, "offer", full)
        with pytest.raises(JournalUnavailable):
            await shop.offer("a", 1_060)
    assert shop.shelf.kept("a") is None and market.ends["a@1060"] == "open"


async def test_without_a_shelf_it_is_sent(shop: Shop) -> None:
    shop.market.begin()
    await shop.market.report(at=1_000)
    await shop.offer("a", 1_060)
    assert shop.market.ends["a@1060"] == "accepted"


async def test_a_transaction_that_was_signed_is_followed_whatever_the_mode(shop: Shop) -> None:
    market = shop.market
    await market.report(at=1_000)
    market.submitter.mines = False
    market.begin()
    decision = shop.offered("a", 1_060)
    market.reporting.decide([decision])
    with pytest.raises(Exception, match="not mined"):
        await market.reporting.report(decision)
    [stage] = market.open
    assert isinstance(stage, Submitted)
    market.submitter.mines = True
    shop.begin()
    assert await market.reporting.report(stage) == ()
    assert market.ends["a@1060"] == "accepted" and shop.shelf.kept("a") is None


# --- what the chain shows ------------------------------------------------------------------------------------------


async def test_a_pull_is_noticed_once_also_of_an_older_report_and_nobody_elses(shop: Shop) -> None:
    market = shop.market
    await market.report(at=1_000)
    shop.look()
    await shop.offer("a", 1_060)
    older = shop.shelf.kept("a")
    await shop.offer("a", 1_120)
    await shop.offer("b", 1_060)
    shop.look()
    assert shop.pulled == []
    assert older is not None
    shop.bring(older.calldata)
    shop.look()
    shop.look()
    assert shop.pulled == [("a", 1_060)]
    await market.report(at=1_200)  # ours, sent
    await market.rival("c", at=1_210)
    shop.look()
    assert shop.pulled == [("a", 1_060)]
    newest = shop.shelf.kept("a")
    assert newest is not None and not newest.is_ahead_of(market.hub.states[market.ids["a"]])
