"""The demonstration's verdict on itself: it fails when chain and journal do not say the same."""

from __future__ import annotations

import pytest

from oracle.chain.hub import RoundAccepted, RoundHeld
from oracle.core.types import HoldReason, Outcome
from oracle.demo.summary import disagreements
from oracle.feeds.journal import Entry, StageName

FEED = b"\7" * 32
EVENTS: list[RoundAccepted | RoundHeld] = [
    RoundAccepted(FEED, 1, 100, 1_000, 1, (-1,), False, 5, b"\1" * 32, 0),
    RoundHeld(FEED, 2, 900, 2_000, 1, (1,), HoldReason.ANOMALOUS, 0, 6, b"\2" * 32, 0),
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
