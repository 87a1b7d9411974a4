"""Tests of the gas of a transaction that verifies a proof, from its bytes alone."""

from __future__ import annotations

from oracle.proving.gas import calldata_gas, floor_gas


def test_floor_of_a_verification() -> None:
    assert calldata_gas(bytes([0, 0, 1, 255])) == 2 * 4 + 2 * 16
    assert floor_gas(bytes(10), 3) == 21_000 + 40 + 113_000 + 3 * 6_150
