"""Tests of the demonstration's summary and its own verdict: it fails when chain and journal disagree."""

from __future__ import annotations

from decimal import Decimal

import pytest

from oracle.audit.report import AuditReport
from oracle.chain.hub import RoundAccepted, RoundHeld
from oracle.core.types import HoldReason, Outcome
from oracle.demo.acts import Act
from oracle.demo.summary import disagreements, summarise
from oracle.feeds.journal import Entry, StageName
from oracle.sources.faults import Injection
from oracle.sources.interface import Reading

FEED = b"\7" * 32
PAYER = "0x" + "5" * 40
EVENTS: list[RoundAccepted | RoundHeld] = [
    RoundAccepted(FEED, 1, 100, 1_000, 1, (-1,), False, PAYER, 5, b"\1" * 32, 0),
    RoundHeld(FEED, 2, 900, 2_000, 1, (1,), HoldReason.ANOMALOUS, 0, PAYER, 6, b"\2" * 32, 0),
]


def entry(answer: int, observed_at: int, outcome: Outcome) -> Entry:
    return Entry(
        key=f"one@{observed_at}",
        feed="one",
        feed_id=FEED,
        answer=answer,
        observed_at=observed_at,
        stage=StageName.CONFIRMED,
        attempts=1,
        recorded_at=0.0,
        outcome=outcome,
        reason="",
        finished_at=1.0,
        round_id=1,
        scores=(-1,),
        prove_seconds=0.1,
        tx_hash=b"\1" * 32,
        block_number=5,
        gas_used=1,
    )


ENTRIES = [entry(100, 1_000, Outcome.ACCEPTED), entry(900, 2_000, Outcome.HELD)]


def test_nothing_differs_where_both_say_the_same() -> None:
    assert disagreements(EVENTS, ENTRIES, []) == []


@pytest.mark.parametrize(
    ("events", "entries", "open_", "says"),
    [
        (EVENTS, ENTRIES[:1], [], "only the chain has 0x07070707… of 2000: 900 held"),
        (EVENTS[:1], ENTRIES, [], "only the journal has 0x07070707… of 2000: 900 held"),
        ([*EVENTS, EVENTS[0]], ENTRIES, [], "only the chain has 0x07070707… of 1000: 100 accepted"),
        (EVENTS, [ENTRIES[0], entry(900, 2_000, Outcome.ACCEPTED)], [], "only the chain has"),
        (EVENTS, [ENTRIES[0], entry(901, 2_000, Outcome.HELD)], [], "only the journal has"),
        (EVENTS, ENTRIES, ["one@3000"], "one@3000 has not ended"),
    ],
)
def test_each_difference_is_told(
    events: list[RoundAccepted | RoundHeld], entries: list[Entry], open_: list[str], says: str
) -> None:
    assert any(says in line for line in disagreements(events, entries, open_))


def accepted(observed_at: int, confirmed: bool = False) -> RoundAccepted:
    return RoundAccepted(FEED, 1, 100, observed_at, 1, (-1,), confirmed, PAYER, 5, b"\1" * 32, 0)


def test_a_fault_of_several_ticks_counts_once_and_is_held_if_one_of_them_is() -> None:
    """Ticks 1 and 2 are one fault, and the second is held. Tick 3 is another fault, which passes.

    Tick 4 is true, and held against that fault. Tick 6 is held although nothing near is wrong.
    """
    readings = [Reading(Decimal(tick), 1_000 + tick, "one") for tick in range(7)]
    faults = [
        Injection("one", 1, "stuck", 1, Decimal(1), Decimal(9)),
        Injection("one", 2, "stuck", 1, Decimal(2), Decimal(9)),
        Injection("one", 3, "zero", 3, Decimal(3), Decimal(0)),
    ]
    events: list[RoundAccepted | RoundHeld] = [
        accepted(1_000),
        accepted(1_001),
        RoundHeld(FEED, 3, 9, 1_002, 1, (1,), HoldReason.ANOMALOUS, 0, PAYER, 6, b"\2" * 32, 0),
        accepted(1_003, confirmed=True),
        RoundHeld(FEED, 5, 9, 1_004, 1, (1,), HoldReason.ANOMALOUS, 0, PAYER, 6, b"\2" * 32, 0),
        accepted(1_005),
        RoundHeld(FEED, 7, 9, 1_006, 1, (1,), HoldReason.ANOMALOUS, 0, PAYER, 6, b"\2" * 32, 0),
    ]
    report = AuditReport("0x", 31337, 7, "0x07", 1_000, (), ())
    summary = summarise(events, {FEED: "one"}, [Act({"one": readings}, faults)], [1.0, 3.0], [100, 300], report)
    assert summary["faults"] == {"stuck": {"injected": 1, "held": 1}, "zero": {"injected": 1, "held": 0}}
    assert (summary["observations"], summary["accepted"], summary["held"]) == (7, 4, 3)
    assert (summary["false_holds"], summary["held_after_faults"], summary["confirmed_regime_changes"]) == (1, 1, 1)
    # Two transactions had all seven.
    assert (summary["submissions"], summary["gas_per_submission"], summary["gas_per_observation"]) == (2, 200, 57)
    assert summary["latency_s"]["p50"] == 2.0
