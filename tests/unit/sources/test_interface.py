"""Tests of the values that sources may give, and of how messages show their URLs."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.core.errors import DataError
from oracle.sources.interface import check_value, mask_url, parse_decimal


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=18))
def test_a_number_survives_being_written(value: Decimal) -> None:
    assert parse_decimal(str(value), "here") == value


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity", "1e39", "-1e39", "1e-40"])
def test_values_that_no_feed_can_have(value: str) -> None:
    with pytest.raises(DataError, match=r"^here: "):
        check_value(Decimal(value), "here")


@pytest.mark.parametrize("value", ["0", "0e-999", "-9.99e38", "1e-39"])
def test_values_that_a_feed_can_have(value: str) -> None:
    assert check_value(Decimal(value), "here") == Decimal(value)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://user:pass@host.example:8443/v3/key?token=x#y", "https://host.example:8443/…"),
        ("https://host.example", "https://host.example"),
        ("https://host.example/", "https://host.example"),
        ("https://host.example/?token=x", "https://host.example/…"),
        ("https://[::1", "an invalid URL"),
        ("https://host:port/", "an invalid URL"),
    ],
)
def test_credentials_are_masked(url: str, masked: str) -> None:
    assert mask_url(url) == masked
