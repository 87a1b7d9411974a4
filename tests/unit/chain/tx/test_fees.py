"""Tests of the fees of transactions: nodes take each replacement, and no fee exceeds its cap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.chain.transport.answers import Market
from oracle.chain.tx.fees import GWEI, FeePolicy, Fees
from oracle.core.errors import FeesTooHigh
from tests.fakenode import geth_takes

wei = st.integers(0, 10**15)
caps = st.none() | st.integers(1, 10**15)
markets = st.builds(Market, st.none() | wei, wei)
policies = st.builds(FeePolicy, max_fee=caps, max_priority_fee=caps, max_cost=st.none() | st.integers(1, 10**22))
gases = st.integers(21_000, 30_000_000)


@st.composite
def offers(draw: st.DrawFn) -> Fees:
    max_fee = draw(wei)
    return Fees(max_fee, draw(st.none() | st.integers(0, max_fee)))


def is_capped(policy: FeePolicy, fees: Fees, gas: int) -> bool:
    return (
        (policy.max_fee is None or fees.max_fee <= policy.max_fee)
        and (policy.max_cost is None or fees.max_fee * gas <= policy.max_cost)
        and (policy.max_priority_fee is None or (fees.priority_fee or 0) <= policy.max_priority_fee)
    )


@given(offers(), markets, policies, gases)
def test_a_replacement_is_taken_and_never_above_its_caps(
    before: Fees, market: Market, policy: FeePolicy, gas: int
) -> None:
    after = policy.raised(before, market, gas)
    if after is None:
        assert (policy.max_fee, policy.max_cost, policy.max_priority_fee) != (None, None, None)
        return
    assert geth_takes(before, after)
    assert is_capped(policy, after, gas)
    assert (after.priority_fee is None) == (before.priority_fee is None)
    assert after.priority_fee is None or 0 <= after.priority_fee <= after.max_fee


@given(offers(), markets)
def test_without_caps_there_is_always_a_replacement_and_it_follows_the_market(before: Fees, market: Market) -> None:
    after = FeePolicy().raised(before, market, 21_000)
    assert after is not None
    assert after.max_fee >= (market.base_fee or 0) + market.price


@given(markets, policies, gases)
def test_a_new_transaction_can_be_mined_under_its_caps_or_is_not_made(
    market: Market, policy: FeePolicy, gas: int
) -> None:
    try:
        fees = policy.fresh(market, gas)
    except FeesTooHigh:
        assert policy.max_fee is not None or policy.max_cost is not None
        return
    assert is_capped(policy, fees, gas)
    assert fees.max_fee >= (market.price if market.base_fee is None else market.base_fee)
    assert fees.priority_fee is None or 0 <= fees.priority_fee <= fees.max_fee


def test_what_is_offered() -> None:
    market = Market(20 * GWEI, 2 * GWEI)
    assert FeePolicy().fresh(market) == Fees(42 * GWEI, 2 * GWEI)
    assert FeePolicy(max_fee=30 * GWEI, max_priority_fee=GWEI).fresh(market) == Fees(30 * GWEI, GWEI)
    assert FeePolicy().fresh(Market(None, 5)).fields() == {"gasPrice": 5}
    with pytest.raises(FeesTooHigh, match=r"gas costs 20 gwei, and .* allow 19.*: nothing is sent"):
        FeePolicy(max_fee=19 * GWEI).fresh(market)
    with pytest.raises(FeesTooHigh, match="max_tx_cost_ether"):
        FeePolicy(max_cost=10**15).fresh(market, 500_000)


def test_a_replacement_pays_an_eighth_more_and_more_where_the_market_rose() -> None:
    before = Fees(80, 8)
    assert FeePolicy().raised(before, Market(10, 1), 1) == Fees(90, 9)
    assert FeePolicy().raised(before, Market(100, 20), 1) == Fees(220, 20)
    assert FeePolicy().raised(Fees(0, 0), Market(0, 0), 1) == Fees(1, 1)
    assert FeePolicy(max_fee=89).raised(before, Market(10, 1), 1) is None
    assert FeePolicy(max_priority_fee=8).raised(before, Market(10, 1), 1) is None
    assert FeePolicy(max_fee=90).raised(before, Market(100, 20), 1) == Fees(90, 20)


@pytest.mark.parametrize("base_fee", [None, 100 * GWEI])
def test_what_is_to_be_mined_first_offers_more_than_the_market_within_the_caps(base_fee: int | None) -> None:
    market = Market(base_fee, 8 * GWEI)

    def offered(policy: FeePolicy) -> int:
        fees = policy.fresh(market)
        return fees.max_fee if fees.priority_fee is None else fees.priority_fee

    assert (offered(FeePolicy()), offered(FeePolicy(leads=True))) == (8 * GWEI, 9 * GWEI)
    cap = 8 * GWEI + (base_fee or 0)
    capped = FeePolicy(max_fee=cap, max_priority_fee=8 * GWEI, leads=True)
    assert offered(capped) <= 8 * GWEI
