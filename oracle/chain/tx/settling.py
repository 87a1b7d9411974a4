"""Nonces that nobody waits for any more: found mined, and settled.

A sender settles the nonces that it waits for. Others are left open: of a report that was given up, of a filler, of a
daemon that was killed. This looks at the chain for what they did cost.
"""

from __future__ import annotations

from collections.abc import Sequence

from oracle.chain.rpc import Rpc
from oracle.core.money import Expense, Purse, Settlement

__all__ = ["LOOKS_WITHOUT_A_RECEIPT", "settle_used"]

LOOKS_WITHOUT_A_RECEIPT = 3
"""Looks at a used nonce of which the chain shows no transaction, until it is settled at the most that it can cost."""


async def settle_used(
    rpc: Rpc, expenses: Sequence[Expense], purse: Purse, confirmations: int, missed: dict[tuple[str, int], int]
) -> None:
    """Settle the nonces that are used up on the chain, for good.

    Args:
        rpc: The chain.
        expenses: The expenses of nonces that are not settled.
        purse: Is told what they did cost.
        confirmations: Blocks after which a transaction is final, its own included.
        missed: Counts the looks that found no transaction, by nonce; kept from look to look.

    Raises:
        ChainUnavailable: No answer.
        JournalError, JournalUnavailable: It can't be written down.
    """
    by_nonce: dict[tuple[str, int], list[Expense]] = {}
    for each in expenses:
        by_nonce.setdefault((each.account, each.nonce), []).append(each)
    next_nonce = {account: await rpc.nonce(account) for account in {account for account, _ in by_nonce}}
    for slot, signed in by_nonce.items():
        if slot[1] >= next_nonce[slot[0]]:
            continue
        settlement = await _mined(rpc, signed, confirmations)
        if settlement is None and not await _is_any_mined(rpc, signed):
            missed[slot] = missed.get(slot, 0) + 1
            if missed[slot] >= LOOKS_WITHOUT_A_RECEIPT:
                settlement = Settlement(*slot, None, 0, max(each.most for each in signed))
        if settlement is not None:
            missed.pop(slot, None)
            purse.settle(settlement)


async def _mined(rpc: Rpc, signed: Sequence[Expense], confirmations: int) -> Settlement | None:
    """Return what a nonce did cost; None if none of its transactions is mined for good."""
    for each in reversed(signed):
        receipt = await rpc.receipt(each.tx_hash)
        if receipt is not None:
            if await rpc.block_number() - receipt.block_number + 1 < confirmations:
                return None
            return Settlement(each.account, each.nonce, each.tx_hash, receipt.gas_used, receipt.paid(each.max_fee))
    return None


async def _is_any_mined(rpc: Rpc, signed: Sequence[Expense]) -> bool:
    return any([await rpc.receipt(each.tx_hash) is not None for each in signed])
