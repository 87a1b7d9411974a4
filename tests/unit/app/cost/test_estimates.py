"""Tests of what feeds cost: what was paid, what is an estimate, and what other settings would make of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from oracle.app.cost.estimates import Past, WhatIf, cost_of
from oracle.app.cost.figures import Basis, CostChange, CostReport, Price, PriceIn
from oracle.app.cost.gas import BENCHMARK, GasOfReports
from oracle.app.cost.reading import read_past
from oracle.app.cost.replaying import due_times, grouped
from oracle.cli.render.cost import cost_document, print_cost
from oracle.config import Config, load
from oracle.core.money import WEI, Expense, ExpenseKind, Settlement
from oracle.core.types import SECONDS_A_DAY, Kind
from oracle.feeds.journal import Journal
from oracle.feeds.journal.expenses import ExpenseBook
from oracle.sources.aggregate import DuePolicy

GWEI = 10**9
NOW = 1_800_000_000
BEGAN = NOW - SECONDS_A_DAY

CONFIG = """
[chain]
rpc_url = "http://127.0.0.1:1"
chain_id = 31337
deployment = "deployment.json"
[keys]
reporter = { anvil_account = 0 }
submitter = { anvil_account = 1 }
[prover]
srs = "insecure-local"
batch_sizes = [1, 4]
[budget]
ether_per_day = 0.5
[journal]
path = "journal.sqlite"
[[feeds]]
name = "eth"
description = "ETH / USD"
kind = "relative"
decimals = 2
sigma = 6_000
heartbeat = 3_600
deviation_ppm = 10_000
min_sources = 1
poll_interval = 10
sources = [{ type = "http", url = "https://a.example/eth", path = "$.p" }]
[[feeds]]
name = "btc"
description = "BTC / USD"
kind = "relative"
decimals = 2
sigma = 6_000
heartbeat = 7_200
deviation_ppm = 10_000
min_sources = 1
poll_interval = 10
sources = [{ type = "http", url = "https://a.example/btc", path = "$.p" }]
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path = tmp_path_factory.mktemp("cost") / "oracle.toml"
    path.write_text(CONFIG)
    return load(path, env={})


def settled(
    nonce: int, at: int, feeds: tuple[str, ...], gas: int, gwei: int = 10, kind: ExpenseKind = ExpenseKind.REPORT
) -> tuple[float, Settlement, Expense]:
    tx_hash = bytes([nonce % 256]) * 32
    expense = Expense("0x", nonce, tx_hash, 2 * gas, 2 * gwei * GWEI, kind, feeds)
    return float(at), Settlement("0x", nonce, tx_hash, gas, gas * gwei * GWEI), expense


def change(report: CostReport, setting: str, feed: str = "eth") -> CostChange:
    [found] = [each for each in report.changes if (each.feed, each.setting) == (feed, setting)]
    return found


# --- what was paid -------------------------------------------------------------------------------------------------


def test_what_was_paid_is_divided_among_the_feeds_of_a_transaction(config: Config) -> None:
    past = Past(
        [
            settled(0, BEGAN, ("eth",), 600_000),
            settled(1, BEGAN + 100, ("btc", "eth"), 700_000),
            settled(2, BEGAN + 101, ("eth#2",), 500_000, kind=ExpenseKind.SHADOW),
            settled(3, BEGAN + 200, (), 21_000, kind=ExpenseKind.FILLER),
            (float(BEGAN + 300), Settlement("0x", 4, None, 0, 10**16), settled(4, 0, ("eth",), 500_000)[2]),
        ]
    )
    report = cost_of(config, config.feeds, past, WhatIf(), None, 7, NOW)
    assert report.days == 1 and report.since == BEGAN
    eth, btc = report.feeds["eth"], report.feeds["btc"]
    assert (eth.reports, eth.gas, eth.wei) == (3, 950_000, 950_000 * 10 * GWEI + 10**16)
    assert (eth.shadows, eth.shadow_wei) == (1, 5_000_000 * GWEI)
    assert (btc.reports, btc.gas, btc.wei) == (1, 350_000, 3_500_000 * GWEI)
    assert [*report.fillers, report.assumed] == [1, 210_000 * GWEI, 10**16]
    assert report.paid == sum(each.paid for _, each, _ in past.settled)
    assert report.price == Price(10 * GWEI, Basis.MEASURED)
    assert report.daily["btc"].basis is Basis.MEASURED and report.daily["btc"].wei == btc.wei


def test_a_price_that_was_said_stays_and_that_of_the_chain_gives_way_to_what_was_paid(config: Config) -> None:
    past = Past([settled(0, BEGAN, ("eth",), 600_000)])
    given, chain = Price(3.0, Basis.GIVEN), Price(4.0, Basis.CHAIN)
    assert cost_of(config, config.feeds, past, WhatIf(), given, 7, NOW).price == given
    assert cost_of(config, config.feeds, past, WhatIf(), chain, 7, NOW).price == Price(10 * GWEI, Basis.MEASURED)
    assert cost_of(config, config.feeds, Past(), WhatIf(), chain, 7, NOW).price == chain


def test_the_price_that_was_said_is_that_of_a_measured_day_too(config: Config) -> None:
    past = Past([settled(0, BEGAN, ("eth",), 600_000)])
    daily = cost_of(config, config.feeds, past, WhatIf(), Price(3 * GWEI, Basis.GIVEN), 7, NOW).daily["eth"]
    assert daily.wei == 600_000 * 3 * GWEI, "the table's head says 3 gwei"


def minutes(reports: int, every: int = 6) -> Past:
    """The first minutes of a feed that reports moves of 1.1 %; the replay has all, but half of them were overtaken."""
    began = NOW - reports * every
    answers = [(began + index * every, 100_000 + 1_100 * (index % 2)) for index in range(reports)]
    return Past([settled(n, at, ("eth",), 600_000) for n, (at, _) in enumerate(answers[::2])], {"eth": answers})


def test_less_than_a_day_is_no_measured_day(config: Config) -> None:
    first = cost_of(config, config.feeds, minutes(2), WhatIf(), None, 7, NOW)
    assert first.daily["eth"].basis is Basis.BOUND, "one report in twelve seconds says nothing of a day"
    assert {each.before.basis for each in first.changes} == {Basis.BOUND}
    more = cost_of(config, config.feeds, minutes(40), WhatIf(), None, 7, NOW)
    assert more.daily["eth"].basis is Basis.EXTRAPOLATED and round(more.daily["eth"].reports) == 7_200


def test_what_is_told_of_less_than_a_day(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    for past, told in (
        (minutes(2), "only 12 s of a day were seen, with too few reports"),
        (minutes(40), "only 4 min of a day were seen: what is extrapolated takes the rest of it to be the same"),
    ):
        print_cost(cost_of(config, config.feeds, past, WhatIf(), None, 7, NOW))
        shown = capsys.readouterr().out
        assert told in shown and "measured" not in shown


def test_changes_begin_with_what_was_paid(config: Config) -> None:
    """The journal has twice as many answers as were paid for: half of the reports were overtaken."""
    report = cost_of(config, config.feeds, minutes(40), WhatIf(), None, 7, NOW)
    daily, found = report.daily["eth"], change(report, "deviation_ppm = 20000")
    assert found.before == daily
    assert found.share is not None and found.after.gas == pytest.approx(daily.gas * (1 - found.share))
    assert found.after.reports < daily.reports


def test_without_a_journal_the_heartbeats_bound_the_cost(config: Config) -> None:
    report = cost_of(config, config.feeds, Past(), WhatIf(), Price(10 * GWEI, Basis.GIVEN), 7, NOW)
    daily = report.daily["eth"]
    assert (daily.reports, daily.basis) == (24, Basis.BOUND)
    assert daily.gas == 24 * BENCHMARK.of(1) and daily.wei == daily.gas * 10 * GWEI
    assert {each.setting for each in report.changes} == {f"heartbeat = {n}" for n in (7200, 1800, 14400, 3600)}
    assert change(report, "heartbeat = 7200").share == 0.5
    assert cost_of(config, config.feeds, Past(), WhatIf(), None, 7, NOW).daily["eth"].wei is None


def test_the_benchmark_is_the_one_of_the_page(project_root: Path) -> None:
    page = (project_root / "docs/performance.md").read_text()
    one = int(page.split("| `submit-default-private-b1-q1`, gas per feed |")[1].split("|")[1].strip().replace(",", ""))
    sixteen = int(page.split("| `submit-default-private-b16-q5`, gas per feed |")[1].split("|")[1].replace(",", ""))
    assert BENCHMARK.of(1) == pytest.approx(one, rel=0.05)
    assert BENCHMARK.of(16) / 16 == pytest.approx(sixteen, rel=0.05)


def test_the_gas_of_batches_is_the_line_through_what_was_measured() -> None:
    assert GasOfReports.measured([]) is None
    found = GasOfReports.measured([(1, 600_000), (3, 740_000), (2, 670_000)])
    assert found is not None and [found.of(1), found.of(5)] == pytest.approx([600_000, 880_000])
    alone = GasOfReports.measured([(1, 500_000), (1, 520_000)])
    assert alone is not None and alone.of(1) == pytest.approx(510_000) and alone.feed == BENCHMARK.feed


# --- what other settings would make of it --------------------------------------------------------------------------


def steady(*answers: int, every: int) -> list[tuple[int, int]]:
    return [(BEGAN + index * every, answer) for index, answer in enumerate(answers)]


POLICY = DuePolicy(Kind.RELATIVE, 3_600, 10_000)


def test_a_replay_of_what_was_reported_is_what_was_reported() -> None:
    answers = [(BEGAN, 100_000), (BEGAN + 600, 101_500), (BEGAN + 4_200, 101_600), (BEGAN + 4_260, 99_000)]
    assert due_times(answers, POLICY, BEGAN + 5_000) == [at for at, _ in answers]


def test_a_longer_heartbeat_and_a_larger_deviation_leave_reports_out() -> None:
    answers = steady(*[100_000 + 1_100 * (index % 2) for index in range(24)], every=3_600)
    until = BEGAN + 24 * 3_600 - 1
    assert len(due_times(answers, POLICY, until)) == 24, "each is a move of 1.1 %"
    assert len(due_times(answers, replace(POLICY, deviation=20_000), until)) == 24, "the heartbeat"
    assert len(due_times(answers, replace(POLICY, deviation=20_000, heartbeat=7_200), until)) == 12
    assert len(due_times(answers, replace(POLICY, heartbeat=7_200), until)) == 24, "the moves are due all the same"
    assert len(due_times(answers, replace(POLICY, heartbeat=7_200), until, with_moves=False)) == 12


def test_a_shorter_heartbeat_is_due_between_what_the_journal_has() -> None:
    answers = steady(100_000, 100_000, 100_000, every=3_600)
    due = due_times(answers, replace(POLICY, heartbeat=1_800), BEGAN + 9_001)
    assert due == [BEGAN + at for at in (0, 1_800, 3_600, 5_400, 7_200, 9_000)]
    assert due_times([], POLICY, NOW) == [] and due_times(answers[:1], POLICY, BEGAN + 1) == [BEGAN]


def test_reports_that_wait_share_transactions_up_to_the_largest_circuit() -> None:
    times = [0, 10, 20, 500, 505, 506, 507, 508]
    assert grouped(times, 0, 4) == [1] * 8
    assert grouped(times, 20, 4) == [3, 4, 1]
    assert grouped(times, 20, 1) == [1] * 8


def test_changes_are_told_with_what_they_stand_on(config: Config) -> None:
    moves = [100_000 + 1_100 * (index % 2) for index in range(48)]
    flat = [100_000] * 24
    past = Past(
        [
            *(settled(n, BEGAN + n * 1_800, ("eth",), 600_000) for n in range(48)),
            *(settled(n, BEGAN + 5 + n * 3_600, ("btc",), 600_000) for n in range(12)),
        ],
        {"eth": steady(*moves, every=1_800), "btc": [(at + 5, answer) for at, answer in steady(*flat, every=3_600)]},
    )
    report = cost_of(config, config.feeds, past, WhatIf(), None, 7, NOW)
    doubled = change(report, "heartbeat = 7200")
    assert (round(doubled.before.reports), round(doubled.after.reports)) == (48, 48), "the moves make it due"
    larger = change(report, "deviation_ppm = 20000")
    assert round(larger.after.reports) == 24 and larger.share == pytest.approx(0.5)
    assert larger.after.basis is Basis.REPLAYED
    assert change(report, "deviation_ppm = 5000").after.basis is Basis.AT_LEAST
    assert change(report, 'mode = "pull"').share == pytest.approx(0.5)
    window = change(report, "batch_window_ms = 10000", feed="")
    assert window.share is not None and 0.05 < window.share < 0.5, "what is due within ten seconds shares a proof"
    given = cost_of(config, config.feeds, past, WhatIf(9_000, 30_000, 0), None, 7, NOW)
    assert {each.setting for each in given.changes} == {
        "heartbeat = 9000", "deviation_ppm = 30000", 'mode = "pull"', "batch_window_ms = 0",
    }  # fmt: skip


def test_a_window_does_nothing_without_a_circuit_for_several_and_it_is_said(config: Config) -> None:
    alone = config.model_copy(update={"prover": config.prover.model_copy(update={"batch_sizes": (1,)})})
    past = Past(answers={name: steady(*[100_000] * 10, every=7_200) for name in ("eth", "btc")})
    report = cost_of(alone, alone.feeds, past, WhatIf(window_ms=60_000), None, 7, NOW)
    found = change(report, "batch_window_ms = 60000", feed="")
    assert found.share == 0 and "batch_sizes" in found.note


# --- what is read, and shown ---------------------------------------------------------------------------------------


def test_the_journal_says_what_was_paid_and_what_counts_of_the_limit(config: Config, tmp_path: Path) -> None:
    clock = [float(BEGAN)]
    with Journal(tmp_path / "journal.sqlite", now=lambda: clock[0]) as journal:
        book = ExpenseBook(journal.store, lambda: clock[0])
        for nonce in range(4):
            _, paid, expense = settled(nonce, 0, ("eth",), 500_000)
            book.reserve(expense)
            if nonce < 3:
                book.settle(paid)
            clock[0] += 40_000
        past = read_past(config, journal, 7, 20 * GWEI, clock[0])
    assert len(past.settled) == 3 and past.limit is not None and past.ether is None
    assert past.limit.limit == WEI // 2
    assert past.limit.dearest == 3 * 500_000 * 10 * GWEI
    assert past.limit.set_aside == 1_000_000 * 20 * GWEI
    assert past.limit.spent == past.limit.set_aside + 500_000 * 10 * GWEI, "the others are more than a day old"
    assert past.limit.next_most == 1_000_000 * 20 * GWEI


def test_a_report_is_shown_in_tables_and_as_json(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    past = Past(
        [settled(0, BEGAN, ("eth",), 600_000), settled(1, BEGAN, (), 21_000, kind=ExpenseKind.FILLER)],
        {"eth": steady(*[100_000] * 24, every=3_600)},
        ether=PriceIn("eth", "USD", 2_000.5, NOW),
    )
    report = cost_of(config, config.feeds, past, WhatIf(), None, 7, NOW)
    print_cost(report)
    shown = capsys.readouterr().out
    assert "0.006" in shown and "12.00" in shown, "0.006 ether are 12 dollars"
    assert "nonces that were used up" in shown and "measured" in shown and "heartbeats alone" in shown
    assert "10 gwei a gas, as it was paid" in shown and "1 ether = 2,000.5 USD, of feed eth" in shown
    document = cost_document(report)
    assert document["fillers"] == {"count": 1, "wei": 210_000 * GWEI}
    assert document["changes"][0]["saves"] == report.changes[0].share
    assert Decimal(document["paid"]) == 6_210_000 * GWEI
