"""Tests of the daily limit: whatever is signed, replaced, mined, lost or begun again, no 24 hours cost more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.core.errors import BudgetSpent
from oracle.core.money import REPORT_GAS, WEI, Expense, ExpenseKind, Purse, Settlement, ether
from oracle.core.obstacles import ObstacleKind
from oracle.core.types import SECONDS_A_DAY
from oracle.feeds.budget import Bookkeeping, Budget, Spent
from oracle.feeds.journal import Journal
from oracle.feeds.journal.expenses import ExpenseBook

GWEI = 10**9
PAYER, SHADOW = "0x" + "11" * 20, "0x" + "22" * 20
NOON = datetime(2027, 3, 1, 12, tzinfo=UTC).timestamp()


@dataclass
class Clock:
    now: float = NOON

    def __call__(self) -> float:
        return self.now


@dataclass
class Notes:
    """A journal in memory."""

    clock: Clock
    signed: list[Expense] = field(default_factory=list)
    settled: list[tuple[float, int, Settlement]] = field(default_factory=list)

    def reserve(self, expense: Expense) -> None:
        self.signed.append(expense)

    def settle(self, settlement: Settlement) -> None:
        self.settled.append((self.clock(), len(self.signed), settlement))

    def spent(self, since: float, reports: int) -> Spent:
        def is_open(index: int, one: Expense) -> bool:
            return not any(
                (one.account, one.nonce) == (each.account, each.nonce) and index < count
                for _, count, each in self.settled
            )

        gas = [each.gas_limit for each in self.signed if each.kind is ExpenseKind.REPORT]
        return Spent(
            [each for index, each in enumerate(self.signed) if is_open(index, each)],
            [(at, each) for at, _, each in self.settled if at > since],
            gas[-reports:],
        )


def expense(nonce: int, gas: int = 500_000, fee: int = 10 * GWEI, **more: object) -> Expense:
    values = {"account": PAYER, "tx_hash": bytes([nonce]) * 32, "kind": ExpenseKind.REPORT, "feeds": ("eth",), **more}
    return Expense(nonce=nonce, gas_limit=gas, max_fee=fee, **values)  # type: ignore[arg-type]


def paid(nonce: int, wei: int, account: str = PAYER) -> Settlement:
    return Settlement(account, nonce, bytes([nonce]) * 32, 400_000, wei)


# --- any series ----------------------------------------------------------------------------------------------------


@dataclass
class Chain:
    """A chain that mines what it likes, when it likes, at the prices that it likes, within what was signed."""

    clock: Clock = field(default_factory=Clock)
    pool: dict[tuple[str, int], list[Expense]] = field(default_factory=dict)
    mined: dict[str, int] = field(default_factory=lambda: {PAYER: 0, SHADOW: 0})
    payments: list[tuple[float, int]] = field(default_factory=list)
    untold: list[Settlement] = field(default_factory=list)

    def next_nonce(self, account: str) -> int:
        nonce = self.mined[account]
        while (account, nonce) in self.pool:
            nonce += 1
        return nonce

    def send(self, budget: Purse, signed: Expense, *, is_lost: bool = False) -> bool:
        try:
            budget.reserve(signed)
        except BudgetSpent:
            return False
        if not is_lost:  # a process that is killed here has not sent it, and the nonce is used again
            self.pool.setdefault((signed.account, signed.nonce), []).append(signed)
        return True

    def mine(self, account: str, which: float, share: float) -> None:
        signed = self.pool.pop((account, self.mined[account]), None)
        if signed is None:
            return
        self.mined[account] += 1
        one = signed[int(which * (len(signed) - 1))]
        gas_used = int(one.gas_limit * share)
        cost = gas_used * int(one.max_fee * share)
        self.payments.append((self.clock.now, cost))
        self.untold.append(Settlement(account, one.nonce, one.tx_hash, gas_used, cost))

    def dearest_day(self) -> int:
        """Return what the dearest 24 hours cost if all that is signed is mined now, at the most that it can cost."""
        now = self.clock.now
        worst = sum(max(each.most for each in signed) for signed in self.pool.values())
        payments = [*self.payments, (now, worst)]
        ends = {at for at, _ in payments}
        return max(sum(cost for at, cost in payments if end - SECONDS_A_DAY < at <= end) for end in ends)


ACCOUNTS = st.sampled_from([PAYER, SHADOW])
SHARES = st.floats(0, 1)
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([1, 600, 7_200, SECONDS_A_DAY // 2, SECONDS_A_DAY - 1, SECONDS_A_DAY])),
    st.tuples(st.just("send"), ACCOUNTS, st.integers(21_000, 3_000_000), st.integers(1, 300), st.booleans()),
    st.tuples(st.just("send"), ACCOUNTS, st.integers(400_000, 700_000), st.integers(5, 40), st.just(False)),
    st.tuples(st.just("replace"), ACCOUNTS, st.integers(0, 3), st.integers(1, 500), st.booleans()),
    st.tuples(st.just("mine"), ACCOUNTS, SHARES, SHARES),
    st.tuples(st.just("mine"), ACCOUNTS, st.just(1.0), st.just(1.0)),
    st.tuples(st.just("tell"), st.booleans()),
    st.tuples(st.just("restart")),
)


@settings(max_examples=300, deadline=None)
@given(st.integers(10**16, 5 * 10**16), st.integers(0, 23), st.lists(STEPS, max_size=40))
def test_no_24_hours_cost_more_than_the_limit(limit: int, hour: int, steps: list[tuple[object, ...]]) -> None:
    chain = Chain(Clock(NOON + 3_600 * hour))
    book = Notes(chain.clock)
    budget = Budget(book, limit, chain.clock)
    for name, *more in steps:
        match name, more:
            case "wait", [int(seconds)]:
                chain.clock.now += seconds
            case "send", [str(account), int(gas), int(gwei), bool(is_lost)]:
                kind = ExpenseKind.SHADOW if account == SHADOW else ExpenseKind.REPORT
                nonce = chain.next_nonce(account)
                one = Expense(account, nonce, bytes([len(book.signed) % 256]) * 32, gas, gwei * GWEI, kind, ("eth",))
                chain.send(budget, one, is_lost=is_lost)
            case "replace", [str(account), int(which), int(gwei), bool(is_filler)]:
                waiting = [nonce for of, nonce in chain.pool if of == account]
                if waiting:
                    nonce = sorted(waiting)[which % len(waiting)]
                    kind = ExpenseKind.FILLER if is_filler else ExpenseKind.REPORT
                    gas = 21_000 if is_filler else chain.pool[account, nonce][0].gas_limit
                    tx_hash = bytes([len(book.signed) % 256]) * 32
                    chain.send(budget, Expense(account, nonce, tx_hash, gas, gwei * GWEI, kind))
            case "mine", [str(account), float(which), float(share)]:
                chain.mine(account, which, share)
            case "tell", [bool(is_known)]:
                for each in chain.untold:
                    most = max(
                        one.most for one in book.signed if (one.account, one.nonce) == (each.account, each.nonce)
                    )
                    budget.settle(each if is_known else Settlement(each.account, each.nonce, None, 0, most))
                chain.untold.clear()
            case "restart", []:
                before = budget.spent
                budget = Budget(book, limit, chain.clock)
                assert budget.spent == before
            case _:
                raise AssertionError(name)
        assert budget.spent <= limit
        assert chain.dearest_day() <= limit


REPORTS = st.tuples(st.integers(0, 14), st.integers(400_000, 700_000), st.integers(5, 40), st.floats(0.5, 1))


@settings(max_examples=200, deadline=None)
@given(st.integers(2 * 10**16, 5 * 10**16), st.integers(0, 23), st.lists(REPORTS, min_size=4, max_size=12))
def test_no_24_hours_of_reports_cost_more_at_any_prices(
    limit: int, hour: int, reports: list[tuple[int, int, int, float]]
) -> None:
    chain = Chain(Clock(NOON + 3_600 * hour))
    budget = Budget(Notes(chain.clock), limit, chain.clock)
    for hours, gas, gwei, share in reports:
        chain.clock.now += 3_600 * hours
        one = Expense(PAYER, chain.next_nonce(PAYER), b"", gas, gwei * GWEI, ExpenseKind.REPORT)
        if chain.send(budget, one):
            chain.mine(PAYER, 1.0, share)
            budget.settle(chain.untold.pop())
        assert chain.dearest_day() <= limit


# --- what it does --------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["notes", "journal"])
def book(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Bookkeeping]:
    if request.param == "notes":
        yield Notes(clock)
        return
    with Journal(tmp_path / "journal.sqlite", now=clock) as journal:
        yield ExpenseBook(journal.store, clock)


def test_what_is_set_aside_is_replaced_by_what_was_paid_and_counts_for_a_day(book: Bookkeeping, clock: Clock) -> None:
    budget = Budget(book, 10**16, clock)
    budget.reserve(expense(0))  # 0.005 ether
    with pytest.raises(
        BudgetSpent, match=r"may cost 0\.006 ether, and of the 0\.01 of a day 0\.005 are spent or set aside"
    ):
        budget.reserve(expense(1, gas=600_000))
    assert [each.nonce for each in budget.open()] == [0]
    clock.now += 30
    budget.settle(paid(0, 2 * 10**15))
    assert budget.spent == 2 * 10**15 and budget.open() == ()
    budget.reserve(expense(1, gas=600_000))
    clock.now += SECONDS_A_DAY - 1
    assert Budget(book, None, clock).spent == 8 * 10**15
    clock.now += 1
    assert budget.spent == Budget(book, None, clock).spent == 6 * 10**15


def test_a_clock_that_was_ahead_for_a_while_makes_no_payment_old(book: Bookkeeping, clock: Clock) -> None:
    budget = Budget(book, 10**16, clock)
    budget.reserve(expense(0))
    budget.settle(paid(0, 4 * 10**15))
    budget.reserve(expense(1))
    clock.now += 3 * SECONDS_A_DAY
    budget.settle(paid(1, 5 * 10**15))
    clock.now = NOON + 3600
    for each in (budget, Budget(book, 10**16, clock)):
        assert each.spent == 9 * 10**15
        with pytest.raises(BudgetSpent):
            each.reserve(expense(2))


def test_a_nonce_counts_once_with_its_dearest_transaction(book: Bookkeeping, clock: Clock) -> None:
    budget = Budget(book, 10**16, clock)
    budget.reserve(expense(0))
    budget.reserve(expense(0, fee=15 * GWEI, feeds=(), tx_hash=b"\x07" * 32))
    budget.reserve(expense(0, gas=21_000, fee=100 * GWEI, kind=ExpenseKind.FILLER, feeds=(), tx_hash=b"\x08" * 32))
    assert budget.spent == 7_500_000 * GWEI
    with pytest.raises(BudgetSpent):
        budget.reserve(expense(0, fee=21 * GWEI, feeds=()))
    for each in (budget, Budget(book, 10**16, clock)):
        assert [one.feeds for one in each.open()] == [("eth",), ("eth",), ()], "a replacement carries the same"
        assert each.spent == 7_500_000 * GWEI
    budget.settle(paid(0, 5))
    budget.settle(paid(0, 5))
    assert budget.spent == Budget(book, None, clock).spent == 5, "it is settled once"


def test_accounts_have_nonces_of_their_own_and_one_limit(book: Bookkeeping, clock: Clock) -> None:
    budget = Budget(book, 10**16, clock)
    budget.reserve(expense(0))
    budget.reserve(expense(0, account=SHADOW, kind=ExpenseKind.SHADOW))
    with pytest.raises(BudgetSpent):
        budget.reserve(expense(1, gas=21_000))
    budget.settle(paid(0, 1, SHADOW))
    assert [each.account for each in budget.open()] == [PAYER]


def test_a_chain_that_was_begun_anew_has_the_same_nonces_again(book: Bookkeeping, clock: Clock) -> None:
    budget = Budget(book, 10**16, clock)
    for _ in range(2):
        budget.reserve(expense(0))
        assert [each.nonce for each in Budget(book, None, clock).open()] == [0]
        budget.settle(paid(0, 1))
        assert Budget(book, None, clock).open() == ()
    assert budget.spent == 2


def test_without_a_limit_everything_is_written_down_all_the_same(book: Bookkeeping, clock: Clock) -> None:
    budget = Budget(book, None, clock)
    budget.reserve(expense(0, gas=30_000_000, fee=10**6 * GWEI))
    budget.priced(10**6 * GWEI)
    assert budget.obstacle() is None and budget.has_room_for(1_000)
    assert budget.spent == Budget(book, None, clock).spent == 30_000 * WEI


# --- the obstacle --------------------------------------------------------------------------------------------------


def test_reports_pause_before_the_limit_is_spent_and_it_is_said_until_when(book: Bookkeeping, clock: Clock) -> None:
    budget = Budget(book, 12 * 10**15, clock)
    budget.priced(10 * GWEI)
    assert budget.obstacle() is None, f"one of {REPORT_GAS} gas fits"
    for nonce in range(2):
        budget.reserve(expense(nonce))
        budget.settle(paid(nonce, 4 * 10**15))
        clock.now += 3_600
    for each in (budget, Budget(book, 12 * 10**15, clock)):
        each.priced(10 * GWEI)
        found = each.obstacle()
        assert found is not None and (found.kind, found.feed) == (ObstacleKind.BUDGET, "")
        assert found.detail == (
            "0.008 of the 0.012 ether that 24 hours may cost are spent or set aside, and the next report may cost 0.005"
        )
        assert found.remedy == "it goes on at 2027-03-02 12:00 UTC by itself, or raise [budget] ether_per_day"
        assert each.has_room_for(0) and not each.has_room_for(1)
    budget.priced(8 * GWEI)
    assert budget.obstacle() is None, "gas is cheaper"
    budget.priced(10 * GWEI)
    clock.now = NOON + SECONDS_A_DAY - 1
    assert budget.obstacle() is not None
    clock.now += 1
    assert budget.obstacle() is None


def test_a_limit_below_one_report_and_transactions_under_way_are_told(clock: Clock) -> None:
    budget = Budget(Notes(clock), 12 * 10**15, clock)
    budget.reserve(expense(0))
    budget.reserve(expense(1))
    budget.priced(10 * GWEI)
    found = budget.obstacle()
    assert found is not None and found.remedy.startswith(
        "it goes on when the transactions that are under way are mined"
    )
    budget.priced(100 * GWEI)
    found = budget.obstacle()
    assert found is not None and "it is less than one report may cost" in found.remedy


@pytest.mark.parametrize(
    ("wei", "text"),
    [(0, "0"), (1, "0.000000000000000001"), (5 * 10**15, "0.005"), (123_456 * 10**12, "0.1235"), (25 * WEI, "25")],
)
def test_amounts_are_told_in_ether(wei: int, text: str) -> None:
    assert ether(wei) == text
