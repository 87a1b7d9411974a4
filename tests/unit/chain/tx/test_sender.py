"""Tests of signed transactions that are stuck, forgotten, taken back or overtaken, on a node in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from oracle.chain.keys.signer import LocalKey
from oracle.chain.listener import ChainListener
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.tx import transactions
from oracle.chain.tx.fees import GWEI, FeePolicy, Fees
from oracle.chain.tx.policy import SendPolicy
from oracle.chain.tx.sender import Sender
from oracle.chain.tx.settling import LOOKS_WITHOUT_A_RECEIPT, settle_used
from oracle.core.errors import (
    BudgetSpent,
    ContractRejected,
    FeesTooHigh,
    JournalError,
    StateMoved,
    TransactionPending,
)
from oracle.core.money import Expense, ExpenseKind, Settlement
from oracle.core.types import SignedTransaction
from oracle.feeds.budget import Budget, Spent
from tests.fakenode import CHAIN_ID, FakeNode, Ticks, geth_takes

ACCOUNT = Account.from_key("0x" + "22" * 32)
HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


class Heard(ChainListener):
    def __init__(self) -> None:
        self.told: list[str] = []

    def replaced(self) -> None:
        self.told.append("replaced")

    def sent_again(self) -> None:
        self.told.append("sent again")

    def filled(self) -> None:
        self.told.append("filled")


class NoBook:
    """Keeps nothing: `tests/unit/feeds/test_budget.py` has what is kept."""

    def spent(self, since: float, reports: int) -> Spent:
        return Spent()

    def reserve(self, expense: Expense) -> None: ...

    def settle(self, settlement: Settlement) -> None: ...


class World:
    def __init__(self, **node: Any) -> None:
        self.node = FakeNode(**node)
        self.ticks = Ticks()
        self.heard = Heard()
        self.journal: list[SignedTransaction] = []
        self.budget = Budget(NoBook(), None, self.ticks)

    def sender(self, known: Callable[[], Iterable[SignedTransaction]] | None = None, **policy: Any) -> Sender:
        """Return the sender of a process that has just been started."""
        return Sender(
            Rpc(self.node),
            ACCOUNT,
            policy=SendPolicy(**policy),
            known=known or (lambda: self.journal),
            heads=self.ticks,  # type: ignore[arg-type]
            listener=self.heard,
            purse=self.budget,
            clock=self.ticks,
        )

    async def send(self, sender: Sender, data: bytes = b"report") -> SignedTransaction:
        signed = await sender.sign(HUB, data)
        self.journal.append(signed)
        await sender.broadcast(signed)
        return signed

    async def through(self, sender: Sender, transaction: SignedTransaction, deadline_s: float = 10_000) -> Receipt:
        """Act like a report: keep, send and watch each replacement until one is mined."""
        replaced: tuple[bytes, ...] = ()
        while isinstance(reached := await sender.watch(transaction, deadline_s, replaced=replaced), SignedTransaction):
            self.journal.append(reached)
            replaced = (*replaced, transaction.tx_hash)
            transaction = reached
            await sender.broadcast(transaction, replaced)
        return reached


@pytest.fixture
def world() -> World:
    return World()


async def stuck(world: World, sender: Sender, transaction: SignedTransaction) -> SignedTransaction:
    reached = await sender.watch(transaction, 10_000)
    assert isinstance(reached, SignedTransaction)
    return reached


# --- replacement ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base_fee", [GWEI, None])
async def test_what_is_stuck_is_replaced_by_the_same_with_higher_fees(base_fee: int | None) -> None:
    world = World(base_fee=base_fee)
    sender = world.sender(replace_after_s=30)
    first = await world.send(sender)
    second = await stuck(world, sender, first)
    assert 30 <= world.ticks.now < 32
    (before, paid), (after, pays) = (transactions.read(each.raw) for each in (first, second))
    assert after == before and second.nonce == first.nonce and second.tx_hash != first.tx_hash
    assert geth_takes(paid, pays)
    assert world.node.sent[-1] == first.raw, "it is not sent before it was kept"
    assert transactions.signer_of(second.raw) == ACCOUNT.address

    await sender.broadcast(second, (first.tx_hash,))
    world.node.mine()
    receipt = await world.through(sender, second)
    assert receipt.tx_hash == second.tx_hash and world.heard.told == ["replaced"]


async def test_the_older_of_two_is_mined_after_all(world: World) -> None:
    sender = world.sender()
    first = await world.send(sender)
    second = await stuck(world, sender, first)
    await sender.broadcast(second, (first.tx_hash,))
    world.node.mine_this(first.raw)
    receipt = await world.through(sender, second)
    assert receipt.tx_hash == first.tx_hash


async def test_fees_rise_with_the_market_until_it_is_mined(world: World) -> None:
    sender = world.sender(replace_after_s=10)
    first = await world.send(sender)
    world.node.base_fee = 40 * GWEI
    world.ticks.then = lambda now: world.node.mine()
    receipt = await world.through(sender, first)
    assert world.heard.told.count("replaced") == 1
    assert transactions.read(world.journal[-1].raw)[1].max_fee >= 80 * GWEI
    assert receipt.tx_hash == world.journal[-1].tx_hash


async def test_nothing_is_paid_above_the_caps_and_it_is_said_once(world: World) -> None:
    policy = FeePolicy(max_fee=4 * GWEI)
    sender = world.sender(replace_after_s=10, fees=policy)
    first = await world.send(sender)
    world.node.base_fee = 50 * GWEI
    with capture_logs() as logs, pytest.raises(TransactionPending, match="not mined after 500 s"):
        await world.through(sender, first, 500)
    transaction, replaced = world.journal[-1], tuple(each.tx_hash for each in world.journal[:-1])
    assert len(replaced) == 1, "from 3 gwei to the cap at once, as the market rose"
    assert all(transactions.read(raw)[1].max_fee <= 4 * GWEI for raw in world.node.sent)
    assert [each["event"] for each in logs].count("stuck at the highest fees that are allowed") == 1
    with pytest.raises(FeesTooHigh, match="gas costs 50 gwei"):
        await sender.sign(HUB, b"next")
    world.node.base_fee = GWEI
    world.node.mine()
    assert isinstance(await sender.watch(transaction, 10, replaced=replaced), Receipt)


async def test_fees_that_a_node_calls_too_low_are_raised_soon_but_not_at_once(world: World) -> None:
    sender = world.sender(replace_after_s=1_000, resend_s=5)
    signed = await sender.sign(HUB, b"report")
    world.node.base_fee = 30 * GWEI
    await sender.broadcast(signed)
    second = await stuck(world, sender, signed)
    assert 5 <= world.ticks.now < 8
    await sender.broadcast(second, (signed.tx_hash,))
    assert world.node.pool[0] == second.raw


async def test_what_would_revert_is_not_replaced(world: World) -> None:
    sender = world.sender(replace_after_s=10)
    first = await world.send(sender)
    world.node.reverts = ContractRejected("WrongRound: …", "WrongRound")
    with pytest.raises(ContractRejected, match="WrongRound"):
        await sender.watch(first, 100)
    with pytest.raises(TransactionPending):
        await sender.watch(first, 100, may_replace=False)
    assert set(world.node.sent) == {first.raw}


async def test_two_who_share_a_transaction_are_given_the_same_replacement(world: World) -> None:
    sender = world.sender()
    first = await world.send(sender)
    replacements = await asyncio.gather(stuck(world, sender, first), stuck(world, sender, first))
    assert replacements[0] == replacements[1] and world.heard.told == ["replaced"]
    assert await stuck(world, sender, first) == replacements[0]
    assert world.node.sent.count(replacements[0].raw) == 0, "before it was kept"


async def test_two_who_share_a_transaction_both_see_its_end(world: World) -> None:
    sender = world.sender()
    first = await world.send(sender)
    world.ticks.then = lambda now: world.node.mine() if now > 100 else None
    receipts = await asyncio.gather(*(world.through(sender, first) for _ in range(3)))
    assert len({each.tx_hash for each in receipts}) == 1 and world.node.nonce == 1


async def test_the_lowest_nonce_is_replaced_first(world: World) -> None:
    sender = world.sender(replace_after_s=20)
    lower, upper = await world.send(sender, b"lower"), await world.send(sender, b"upper")
    assert (lower.nonce, upper.nonce) == (0, 1)
    watching = asyncio.create_task(world.through(sender, upper))
    replacement = await stuck(world, sender, lower)
    assert replacement.nonce == 0 and world.heard.told == ["replaced"]
    await sender.broadcast(replacement, (lower.tx_hash,))
    world.node.mine()
    world.node.mine()
    assert (await watching).tx_hash == upper.tx_hash, (
        "which was never replaced: it was not its own fees that it waited for"
    )


# --- forgotten, taken back -------------------------------------------------------------------------------------------


async def test_what_the_node_forgot_is_sent_again_with_patience(world: World) -> None:
    sender = world.sender(replace_after_s=1_000, resend_s=5)
    first = await world.send(sender)
    world.node.forget()
    world.node.accepts = False
    with pytest.raises(TransactionPending):
        await sender.watch(first, 200)
    assert 4 <= len(world.node.sent) <= 8, "at 5, 15, 35, 75, 135 and 195 seconds"
    assert set(world.node.sent) == {first.raw}
    world.node.accepts = True
    world.ticks.then = lambda now: world.node.mine()
    assert (await world.through(sender, first)).tx_hash == first.tx_hash
    assert "sent again" in world.heard.told


@pytest.mark.parametrize("depth", [1, 3, 12])
async def test_a_receipt_that_a_reorganisation_takes_back_is_waited_for_again(world: World, depth: int) -> None:
    sender = world.sender(confirmations=depth + 2)
    first = await world.send(sender)
    blocks = iter([*["mine"] * (depth + 1), "reorganise", *["mine"] * 100])

    def then(now: float) -> None:
        if next(blocks) == "mine":
            world.node.mine()
        else:
            world.node.reorganise(depth + 1)

    world.ticks.then = then
    with capture_logs() as logs:
        receipt = await world.through(sender, first)
    assert receipt.block_number > depth + 1
    assert any(each["event"] == "a reorganisation took a transaction back" for each in logs)
    assert "sent again" in world.heard.told and set(world.node.sent) == {first.raw}


async def test_a_receipt_of_a_block_that_is_not_the_chain_s_is_not_final(world: World) -> None:
    """The node still has the receipt of a block that has left the chain."""
    sender = world.sender(confirmations=2)
    first = await world.send(sender)
    world.node.mine()
    world.node.mine()
    right = world.node._eth_getTransactionReceipt

    def left(tx_hash: str) -> Any:
        return (right(tx_hash) or {}) | ({"blockHash": "0x" + "66" * 32} if world.ticks.now < 50 else {})

    world.node._eth_getTransactionReceipt = left  # type: ignore[method-assign]
    receipt = await world.through(sender, first)
    assert world.ticks.now >= 50 and receipt.tx_hash == first.tx_hash


# --- nonces --------------------------------------------------------------------------------------------------------


async def test_a_nonce_that_another_took(world: World) -> None:
    sender = world.sender()
    first = await world.send(sender)
    world.node.chain.append(b"\7" * 32)
    with pytest.raises(StateMoved, match="nonce 0 went to another"):
        await world.through(sender, first)
    assert (await sender.sign(HUB, b"again")).nonce == 1


async def test_a_receipt_that_is_shown_later_than_the_nonce_is_no_other_s(world: World) -> None:
    sender = world.sender()
    first = await world.send(sender)
    world.node.mine()
    hidden = iter([None, None])
    right = world.node._eth_getTransactionReceipt
    world.node._eth_getTransactionReceipt = lambda tx_hash: next(hidden, right(tx_hash))  # type: ignore[method-assign]
    assert (await world.through(sender, first)).tx_hash == first.tx_hash


async def test_nonces_are_the_chain_s_with_the_journal_s_on_top(world: World) -> None:
    before = world.sender()
    for data in (b"one", b"two"):
        await world.send(before, data)
    world.node.mine()
    world.node.forget()
    stranger = Account.from_key("0x" + "33" * 32)
    content = transactions.Content(2, 50_000, bytes.fromhex(HUB[2:]), 0, b"")
    world.journal.append(await transactions.sign(LocalKey(stranger), CHAIN_ID, content, Fees(GWEI, 1)))
    after = world.sender()
    assert (await after.sign(HUB, b"three")).nonce == 2, "1 is in the journal; 2 is another key's there"


async def test_what_another_daemon_has_written_meanwhile_is_known(world: World) -> None:
    """Two daemons share a journal, and take turns in leading."""
    one, other = world.sender(), world.sender()
    assert [(await world.send(sender, b"%d" % turn)).nonce for turn, sender in enumerate((one, other, one))] == [
        0,
        1,
        2,
    ]


async def test_after_a_restart_all_are_watched_and_the_best_paid_is_sent(world: World) -> None:
    before = world.sender()
    first = await world.send(before)
    second = await stuck(world, before, first)
    world.journal.append(second)  # then the process was killed before it was sent
    world.node.forget()
    world.node.sent.clear()
    after = world.sender()
    await after.broadcast(second, (first.tx_hash,))
    assert world.node.sent == [second.raw]
    world.node.mine_this(first.raw)
    assert (await world.through(after, second)).tx_hash == first.tx_hash
    assert world.heard.told == ["replaced"], "once, before the restart"


async def test_a_lower_nonce_that_nobody_waits_for_is_sent_again_from_the_journal(world: World) -> None:
    before = world.sender()
    await world.send(before, b"its observation has ended")
    world.node.forget()
    after = world.sender()
    later = await world.send(after, b"later")
    assert later.nonce == 1
    world.ticks.then = lambda now: world.node.mine()
    assert (await world.through(after, later)).tx_hash == later.tx_hash
    assert world.node.nonce == 2 and "filled" not in world.heard.told


async def test_a_gap_that_nothing_is_known_of_is_filled(world: World) -> None:
    sender = world.sender(replace_after_s=20)
    await sender.sign(HUB, b"never kept, so never to be sent")
    later = await world.send(sender, b"later")
    world.ticks.then = lambda now: world.node.mine()
    with capture_logs() as logs:
        assert (await world.through(sender, later)).tx_hash == later.tx_hash
    assert world.heard.told == ["filled"]
    [filler] = [raw for raw in world.node.sent if raw != later.raw]
    content, _ = transactions.read(filler)
    assert (content.nonce, content.to.hex(), content.value, content.data) == (0, ACCOUNT.address[2:].lower(), 0, b"")
    assert any(each["event"].startswith("a nonce that nobody waits for") for each in logs)


async def test_whose_nonce_was_filled_is_told(world: World) -> None:
    sender = world.sender(replace_after_s=20)
    abandoned = await world.send(sender, b"abandoned")
    world.node.base_fee = 60 * GWEI
    later = await sender.sign(HUB, b"later")
    await sender.broadcast(later)
    world.ticks.then = lambda now: world.node.mine()
    assert (await world.through(sender, later)).tx_hash == later.tx_hash
    with pytest.raises(StateMoved, match="went to a transfer"):
        await sender.watch(abandoned, 10)


async def test_a_journal_with_bytes_that_are_no_transaction(world: World) -> None:
    world.journal.append(SignedTransaction(b"\1" * 32, b"\xc1rubbish", 0))
    with pytest.raises(JournalError, match="not a signed transaction"):
        await world.sender().broadcast(world.journal[0])


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["send", "send", "mine", "forget", "restart", "abandon"]), max_size=10))
def test_whatever_happens_every_kept_transaction_is_mined_once(steps: list[str]) -> None:
    """No nonce is used twice: each is chosen above those of the chain and of the journal."""

    async def run() -> None:
        world = World()
        sender = world.sender()
        kept: list[SignedTransaction] = []
        for number, step in enumerate(steps):
            if step == "send":
                kept.append(await world.send(sender, b"%d" % number))
            elif step == "abandon":
                await sender.sign(HUB, b"abandoned")
            elif step == "mine":
                world.node.mine()
            elif step == "forget":
                world.node.forget()
            else:
                sender = world.sender()
        assert len({each.nonce for each in kept}) == len(kept)
        world.ticks.then = lambda now: world.node.mine()
        for each in kept:
            await sender.broadcast(each)
        receipts = await asyncio.gather(*(world.through(sender, each) for each in kept))
        assert len(receipts) == len(kept)
        content = [transactions.read(raw)[0].data for raw in world.node.sent]
        assert b"abandoned" not in content

    asyncio.run(run())


# --- simulation ----------------------------------------------------------------------------------------------------


async def test_only_the_first_transaction_of_a_kind_is_estimated(world: World) -> None:
    sender, node = world.sender(), world.node
    first = await sender.sign(HUB, b"report", kind="one feed")
    second = await sender.sign(HUB, b"another", kind="one feed")
    third = await sender.sign(HUB, b"report", kind="two feeds")
    plain = await sender.sign(HUB, b"report")
    gas = [transactions.read(each.raw)[0].gas for each in (first, second, third, plain)]
    # The second is simulated with a little more than the first needed, and keeps the whole margin above that.
    assert gas == [125_000, 137_500, 125_000, 125_000]
    assert [call.get("gas") for call in node.calls] == [hex(110_000)]


async def test_what_fails_with_the_gas_of_others_is_estimated_like_the_first(world: World) -> None:
    """It may only need more gas. The estimate says, and says the reason if there is another."""
    sender, node = world.sender(), world.node
    await sender.sign(HUB, b"report", kind="one feed")
    node.reverts = ContractRejected("ProofRejected: the verifier ran out of gas", "ProofRejected")
    signed = await sender.sign(HUB, b"another", kind="one feed")
    assert transactions.read(signed.raw)[0].gas == 125_000


# --- paying --------------------------------------------------------------------------------------------------------

FIRST = 125_000 * 3 * GWEI
"""The most that the first transaction can cost: its gas limit, at twice the base fee and the tip."""


async def test_what_it_can_cost_is_set_aside_before_it_is_sent_and_what_it_cost_is_settled(world: World) -> None:
    sender = world.sender()
    signed = await sender.sign(HUB, b"report", feeds=["eth", "btc"])
    [expense] = world.budget.open()
    assert (expense.tx_hash, expense.nonce, expense.kind) == (signed.tx_hash, 0, ExpenseKind.REPORT)
    assert expense.feeds == ("eth", "btc") and world.budget.spent == expense.most == FIRST
    await sender.broadcast(signed)
    world.node.mine()
    await sender.watch(signed, 10)
    assert world.budget.spent == 90_000 * 2 * GWEI and not world.budget.open()


async def test_a_node_that_does_not_say_what_it_cost_is_taken_to_have_taken_the_most(world: World) -> None:
    world.node.paid = None
    sender = world.sender()
    signed = await world.send(sender)
    world.node.mine()
    await sender.watch(signed, 10)
    assert world.budget.spent == 90_000 * 3 * GWEI


@pytest.mark.attack
async def test_nothing_is_signed_that_the_limit_does_not_bear_however_often_it_is_tried(world: World) -> None:
    world.budget.limit = 2 * FIRST - 1
    sender = world.sender()
    await world.send(sender)
    for _ in range(3):
        with pytest.raises(BudgetSpent, match="raise \\[budget\\] ether_per_day"):
            await sender.sign(HUB, b"another")
    assert len(world.node.sent) == 1 and world.budget.spent == FIRST
    world.node.mine()
    await sender.watch(world.journal[0], 10)
    assert (await sender.sign(HUB, b"another")).nonce == 1, "no nonce was lost"


@pytest.mark.attack
async def test_a_node_that_keeps_transactions_back_can_not_make_replacements_cost_more(world: World) -> None:
    world.budget.limit = FIRST * 3 // 2
    sender = world.sender(replace_after_s=10)
    first = await world.send(sender)
    with capture_logs() as logs, pytest.raises(TransactionPending):
        await world.through(sender, first, 500)
    assert 1 < len(world.journal) < 6
    assert world.budget.spent <= world.budget.limit
    assert max(transactions.read(raw)[1].max_fee for raw in world.node.sent) * 125_000 == world.budget.spent
    assert any(each["event"] == "stuck, and not replaced or filled yet" for each in logs)
    world.node.mine()
    assert isinstance(await sender.watch(world.journal[-1], 10), Receipt), "it is still waited for"


async def test_a_filler_is_paid_for_too(world: World) -> None:
    before = world.sender()
    await before.sign(HUB, b"never kept, so never to be sent")
    later = await world.send(before, b"later")
    world.budget = Budget(NoBook(), 21_000 * 3 * GWEI - 1, world.ticks)
    sender = world.sender(replace_after_s=20)
    world.ticks.then = lambda now: world.node.mine()
    with pytest.raises(TransactionPending):
        await world.through(sender, later, 300)
    assert world.heard.told == [] and set(world.node.sent) == {later.raw}, "the limit does not bear it"
    world.budget.limit = 10 * FIRST
    await world.through(sender, later)
    assert world.heard.told == ["filled"]
    [filler] = world.budget.open()
    assert (filler.nonce, filler.kind) == (0, ExpenseKind.FILLER), "nobody waits for it"
    await settle_used(Rpc(world.node), world.budget.open(), world.budget, 1, {})
    assert world.budget.open() == () and world.budget.spent == 90_000 * 2 * GWEI


async def test_nonces_that_nobody_waits_for_are_settled_once_they_are_used_up_for_good(world: World) -> None:
    sender, rpc, missed = world.sender(), Rpc(world.node), dict[tuple[str, int], int]()
    await world.send(sender)
    await settle_used(rpc, world.budget.open(), world.budget, 2, missed)
    assert world.budget.open(), "it is not mined"
    world.node.mine()
    await settle_used(rpc, world.budget.open(), world.budget, 2, missed)
    assert world.budget.open(), "a reorganisation may take it back"
    world.node.mine()
    await settle_used(rpc, world.budget.open(), world.budget, 2, missed)
    assert world.budget.open() == () and world.budget.spent == 90_000 * 2 * GWEI and missed == {}


async def test_a_nonce_that_went_to_an_unknown_transaction_counts_with_the_most(world: World) -> None:
    sender, rpc, missed = world.sender(), Rpc(world.node), dict[tuple[str, int], int]()
    await sender.sign(HUB, b"report")
    world.node.mine_this(b"another program's, with the same key")
    for _ in range(LOOKS_WITHOUT_A_RECEIPT):
        assert world.budget.open(), "the node may not show it yet"
        await settle_used(rpc, world.budget.open(), world.budget, 1, missed)
    assert world.budget.open() == () and world.budget.spent == FIRST and missed == {}
