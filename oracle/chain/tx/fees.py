"""Fees: what a transaction offers for its gas. The policy is pure; the market is its input. All amounts are in wei.

A node takes a second transaction for a nonce only if it pays distinctly more than the first: geth asks for 10 % of
*both* fees (`core/txpool/legacypool/list.go`, `Add`), others for an eighth. So each replacement raises both by an
eighth at least.
"""

from __future__ import annotations

from dataclasses import dataclass

from oracle.chain.transport.answers import Market
from oracle.core.errors import FeesTooHigh

GWEI = 10**9

HEADROOM = 2
"""A new transaction offers this many times the base fee: six full blocks in a row double it."""

RAISE = (9, 8)
"""The least ratio of a replacement's fees to those before: above over below."""


@dataclass(frozen=True, slots=True)
class Fees:
    """A transaction's fee fields, in wei per gas. Without EIP-1559 `max_fee` is the gas price."""

    max_fee: int
    priority_fee: int | None

    def fields(self) -> dict[str, int]:
        """Return the fields under the names that a transaction has for them."""
        if self.priority_fee is None:
            return {"gasPrice": self.max_fee}
        return {"type": 2, "maxFeePerGas": self.max_fee, "maxPriorityFeePerGas": self.priority_fee}


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """The limits of what may be paid. An endpoint that lies about prices can't make this process pay more.

    Attributes:
        max_fee: Wei per gas, base fee and tip together; None sets no limit, here and below.
        max_priority_fee: Wei per gas of the tip.
        max_cost: Wei of a whole transaction.
        leads: True if new transactions offer a replacement's raise more than the market, to be mined before others.
    """

    max_fee: int | None = None
    max_priority_fee: int | None = None
    max_cost: int | None = None
    leads: bool = False

    def fresh(self, market: Market, gas: int = 1) -> Fees:
        """Return the fees of a new transaction, which should be mined soon.

        Args:
            gas: Its gas limit.

        Raises:
            FeesTooHigh: It could not be mined under the caps.
        """
        cap = self._cap(gas)
        least = market.price if market.base_fee is None else market.base_fee
        if cap is not None and least > cap:
            raise FeesTooHigh(
                f"gas costs {_gwei(least)} gwei, and [chain] max_fee_gwei and max_tx_cost_ether allow {_gwei(cap)}: "
                "nothing is sent until it is cheaper"
            )
        price = _raise(market.price) if self.leads else market.price
        if market.base_fee is None:
            return Fees(_least(price, cap), None)
        tip = _least(price, self.max_priority_fee)
        max_fee = _least(HEADROOM * market.base_fee + tip, cap)
        return Fees(max_fee, min(tip, max_fee))

    def raised(self, before: Fees, market: Market, gas: int) -> Fees | None:
        """Return the fees of a transaction that is to take another's place; None if the caps do not allow any.

        Args:
            before: The highest fees that were offered for the nonce.
            gas: Its gas limit.
        """
        cap = self._cap(gas)
        floor = _raise(before.max_fee)
        if cap is not None and floor > cap:
            return None
        base_fee = market.base_fee or 0
        if before.priority_fee is None:
            return Fees(_least(max(floor, base_fee + market.price), cap), None)
        floor_tip = _raise(before.priority_fee)
        if self.max_priority_fee is not None and floor_tip > self.max_priority_fee:
            return None
        tip = max(floor_tip, _least(market.price, self.max_priority_fee))
        max_fee = _least(max(floor, HEADROOM * base_fee + tip), cap)
        return Fees(max_fee, min(tip, max_fee))

    def _cap(self, gas: int) -> int | None:
        if self.max_cost is None:
            return self.max_fee
        return _least(self.max_cost // gas, self.max_fee)


def _raise(fee: int) -> int:
    above, below = RAISE
    return max(-(-fee * above // below), fee + 1)


def _least(value: int, cap: int | None) -> int:
    return value if cap is None else min(value, cap)


def _gwei(wei: int) -> str:
    return f"{wei / GWEI:.4g}"
