"""Tests of the frame in which networks are measured: what counts as lost, twice or outside, and what the tables say."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from oracle.app.local_network.layout import Layout
from oracle.bench.network import host, run, sampling, soak, tables
from oracle.bench.network.collusion import collusion
from oracle.bench.network.loopback import operator_text
from oracle.bench.network.rounds import TRANSMITTERS, RoundsCase, reports_of, spread_of
from oracle.bench.network.sizes import SIZES
from oracle.bench.network.soak import Accounts, Signed, check
from oracle.chain.hub import RoundAccepted
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import Fatal
from oracle.core.types import Outcome
from oracle.feeds.journal import Entry
from oracle.feeds.journal.rows import StageName

FEED = bytes(31) + b"\1"
ACCEPTED = RoundAccepted(FEED, 1, 105, 1_000, 1, (-1,), False, "0x00", 7, b"\1" * 32, 0)
ENTRY = Entry(
    "one@1000", "one", FEED, 104, 1_000, StageName.CONFIRMED, 1, 1_000.5, Outcome.ACCEPTED, "", 1_001.0, 1, (-1,), 0.1,
    b"\1" * 32, 7, 600_000,
)  # fmt: skip
LEDGERS = {0: [Signed(FEED, 500, 1_000, 104)], 1: [Signed(FEED, 500, 1_000, 106)], 2: []}


def test_what_agrees_is_neither_lost_nor_twice_nor_outside() -> None:
    assert check([ACCEPTED], {0: [ENTRY], 1: []}, LEDGERS, turn_s=2) == Accounts(0, 0, 0)


@pytest.mark.parametrize(
    "entry",
    [replace(ENTRY, outcome=None, finished_at=None), replace(ENTRY, observed_at=1_002)],
    ids=["open", "not there"],
)
def test_an_observation_without_an_end_or_without_its_round_is_lost(entry: Entry) -> None:
    assert check([ACCEPTED], {0: [entry]}, LEDGERS, turn_s=2).lost == 1


def test_a_superseded_observation_is_not_lost() -> None:
    entry = replace(ENTRY, observed_at=1_002, outcome=Outcome.SUPERSEDED)
    assert check([ACCEPTED], {0: [entry]}, LEDGERS, turn_s=2).lost == 0


def test_two_rounds_of_one_turn_and_two_signatures_of_one_turn_are_double() -> None:
    again = replace(ACCEPTED, round_id=2, observed_at=1_001)
    signed = {0: [*LEDGERS[0], Signed(FEED, 500, 1_001, 105)], 1: LEDGERS[1]}
    found = check([ACCEPTED, again], {}, signed, turn_s=2)
    assert found.double == 2
    assert check([ACCEPTED, replace(again, observed_at=1_002)], {}, LEDGERS, turn_s=2).double == 0


@pytest.mark.parametrize("answer", [103, 107, 1_050])
def test_an_answer_that_no_honest_ones_surround_is_outside(answer: int) -> None:
    assert check([replace(ACCEPTED, answer=answer)], {}, LEDGERS, turn_s=2).outside == 1


def test_a_round_of_which_no_honest_member_knows_is_outside() -> None:
    unknown = {0: [Signed(FEED, 500, 1_000, NO_ANSWER)]}
    assert check([ACCEPTED], {}, unknown, turn_s=2).outside == 1


def test_feeds_of_one_transaction_are_one_report() -> None:
    slower = replace(ENTRY, feed="two", finished_at=1_001.5)
    other = replace(ENTRY, tx_hash=b"\2" * 32, finished_at=1_000.75)
    lost = replace(ENTRY, outcome=Outcome.SUPERSEDED, tx_hash=None)
    found = reports_of({0: [ENTRY, slower], 1: [other, lost]})
    assert found["due_to_confirmed_s"] == {"count": 2, "mean": 0.625, "p50": 0.625, "p95": 0.9625}
    assert found["outcomes"] == {"accepted": 3, "superseded": 1}
    assert spread_of([]) == {"count": 0}


def test_delays_follow_from_the_seed_and_a_quorum_needs_all_but_the_slowest() -> None:
    case = RoundsCase(SIZES[0], 1)
    delays = case.delays(1)
    assert delays == case.delays(1) != case.delays(2)
    assert len(delays) == 12 and set(delays.values()) <= {0.02, 0.1, 0.3}
    given = {(0, 1): 0.02, (0, 2): 0.1, (0, 3): 0.3, (1, 0): 0.3}
    assert case.slowest_needed(given, 0) == pytest.approx(0.2)
    assert set(RoundsCase(SIZES[0], 1, ()).delays(1).values()) == {0.0}


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_member_has_a_place_and_no_plain_reporter_shares_it_with_a_transmitter(size: object) -> None:
    case = next(RoundsCase(each, 8) for each in SIZES if each is size)
    hosts = case.hosts()
    assert sorted(index for of in hosts for index in of) == list(range(case.size.members))
    for of in hosts:
        assert len({index < TRANSMITTERS for index in of}) == 1
    layout = case.layout()
    assert layout.turn_s > 2 * layout.clock_bound_s + 1 and layout.request_timeout_s < layout.turn_s


def test_steps_are_written_and_read_again(tmp_path: Path) -> None:
    assert list(host.steps_taken(tmp_path)) == []
    writer = host.StepWriter(tmp_path / host.STEPS)
    writer.took("collect", 0.25)
    writer.took("prove", 0.5)
    assert [(each.step, each.seconds) for each in host.steps_taken(tmp_path)] == [("collect", 0.25), ("prove", 0.5)]


def test_an_operators_configuration_is_a_members_without_the_network() -> None:
    text = (
        '[chain]\nchain_id = 1\n\n[[committees]]\nname = "default"\n\n[network]\nturn_s = 3\n\n[[network.members]]\n'
        'name = "alpha"\n\n[[feeds]]\nname = "one"\nheartbeat = 3\ndeviation_ppm = 1\nmax_age = 3\n'
    )
    found = operator_text(text, 3)
    assert "network" not in found and "committees" not in found
    assert found.startswith("[chain]\nchain_id = 1\n") and 'name = "one"\nheartbeat = 2\n' in found
    assert "deviation_ppm = 999999\n" in found and "max_age = 3" in found


async def test_parts_that_are_not_measured_stay_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "collusion", partial(collusion, rounds=200))
    out = tmp_path / "network.json"
    options = run.MeasureOptions(echo=lambda line: None)
    out.write_text('{"gas": {"cases": []}}')
    report = await run.measure(["collusion"], options, out, "make network {}".format)
    assert report["gas"] == {"cases": []} and report["collusion"]["measured"]["command"] == "make network collusion"
    out.write_text("nonsense")
    with pytest.raises(Fatal, match="is no report"):
        await run.measure(["collusion"], options, out, "make network {}".format)


def test_a_large_network_is_measured_for_fewer_rounds() -> None:
    options = run.MeasureOptions(rounds=40)
    assert [options.rounds_of(size) for size in SIZES] == [40, 40, 20, 10]


def test_samples_say_where_the_time_goes() -> None:
    with sampling.sampled() as samples:
        until = 200_000
        while not samples.counts and until:
            until -= 1
            sum(range(100))
    assert samples.counts and sum(samples.shares().values()) == pytest.approx(1, abs=0.01)


def test_layouts_of_the_long_run_are_of_four_members() -> None:
    assert Layout().members == 4 and soak.FAULTY < 4


def test_the_tables_say_what_was_measured() -> None:
    measured = {
        "at": "2026-01-01T00:00:00+00:00",
        "machine": {"cpu": "CPU", "cores": 2, "memory_gb": 8, "load_before": 0.1},
        "versions": {"python": "3.11", "commit": "abc"},
        "command": "make network",
        "seconds": 60,
    }
    times = {"count": 4, "mean": 0.5, "p50": 0.4, "p95": 0.8}
    case = {
        "members": 4, "quorum": 3, "feeds": 8, "placement": "processes", "due_to_confirmed_s": times,
        "collecting_s": times | {"mean": 0.25}, "needed_round_trip_s": times, "collecting_within_expected": 3,
        "until_quorum_s": times, "until_quorum_within_expected": 4,
        "messages_per_round": {"/v1/report": 3.0, "/v1/answer": 9.0}, "bytes_per_round": 12_345,
        "reporter_cpu_ms_per_round": 7.5, "reporter_rss_mb": 60.0,
    }  # fmt: skip
    of = {"due_to_confirmed_s": times, "steps_s": {"sign": 0.01, "prove": 0.05}}
    report = {
        "rounds": {"cases": [case], "measured": measured},
        "loopback": {"network": of, "operator": of, "ratio": 1.0, "expected": 1.3, "measured": measured},
    }
    found = tables.TABLES["rounds"](report)
    cells = "4 | 0.40, 0.80 s | 0.50 s | 0.40, 0.80 s | 4 of 4 | 0.40, 0.80 s | 3 of 4 | 50% | 3, 9 | 12 | 7.5 ms"
    assert f"| 4, 3 | 8 | processes | {cells} |" in found
    assert "Nothing else was running." in found
    beside = tables.TABLES["loopback"](report)
    assert "| prove, mean | 50 ms | 50 ms |" in beside and "**1.00**" in beside
