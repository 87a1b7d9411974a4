"""Tests of the rates at which strangers may ask."""

from __future__ import annotations

import pytest

from oracle.web.rates import Rates, client_at


async def test_each_client_has_a_share_and_a_crowd_is_not_remembered_for_ever() -> None:
    counted = Rates(1, 60.0)
    for number in range(3_000):
        assert await counted.allow(f"address {number}")
    assert len(counted._each) == 1_024
    assert not await counted.allow("address 2999")


async def test_all_together_have_a_share_too() -> None:
    both = Rates(10, 60.0, together=15)
    assert sum([await both.allow(f"address {number % 2}") for number in range(40)]) == 15


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", None, True),
        ("/run/socket", "", False),
    ],
)
def test_whoever_has_an_ipv6_network_is_one_client(one: str | None, other: str | None, same: bool) -> None:
    assert (client_at(one) == client_at(other)) is same
