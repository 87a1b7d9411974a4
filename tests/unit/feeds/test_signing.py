"""Tests of reporters whose keys this process has."""

from __future__ import annotations

import pytest

from oracle.chain.hub import Committee
from oracle.chain.keys.signer import recover
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import SignerUnavailable
from oracle.core.report import Report
from oracle.feeds.signing import LocalSigners
from tests.fakes import CHAIN_ID, HUB_ADDRESS, FakeKey

KEYS = [FakeKey(), FakeKey("0x" + "22" * 32), FakeKey("0x" + "33" * 32)]
REPORT = Report(1, 4, 1_000, (b"\1" * 32, b"\2" * 32), (7, 0))


def committee(*keys: FakeKey, quorum: int = 1) -> Committee:
    return Committee(1, tuple(key.address for key in keys), quorum, 4)


async def test_as_many_keys_sign_as_the_quorum_asks_for() -> None:
    signed = await LocalSigners(KEYS).collect(REPORT, {b"\1" * 32: 5, b"\2" * 32: 6}, committee(*KEYS, quorum=1))
    assert len(signed.signatures) == 1
    signed = await LocalSigners(KEYS).collect(REPORT, {b"\1" * 32: 5, b"\2" * 32: 6}, committee(*KEYS, quorum=3))
    assert [each.answers for each in signed.signatures] == [(5, 6)] * 3
    signers = [recover(CHAIN_ID, HUB_ADDRESS, REPORT, each) for each in signed.signatures]
    assert signers == [key.address for key in KEYS]


async def test_only_reporters_of_the_committee_sign() -> None:
    signed = await LocalSigners(KEYS).collect(REPORT, {b"\1" * 32: 5}, committee(KEYS[1]))
    [one] = signed.signatures
    assert recover(CHAIN_ID, HUB_ADDRESS, REPORT, one) == KEYS[1].address
    assert one.answers == (5, NO_ANSWER), "an answer that is not there is said to be missing"


async def test_a_quorum_that_can_not_be_reached_is_said_with_the_reason() -> None:
    signers = LocalSigners(KEYS[:1])
    assert signers.problem(committee(*KEYS)) is None
    too_few = signers.problem(committee(*KEYS, quorum=3))
    assert too_few == (
        f"its quorum is 3, and this process has the keys of 1 of its reporters ({KEYS[0].address}): no report would "
        "ever reach it"
    )
    assert "none of its reporters is" in (signers.problem(committee(KEYS[1])) or "")
    with pytest.raises(SignerUnavailable, match="committee 1: its quorum is 3"):
        await signers.collect(REPORT, {}, committee(*KEYS, quorum=3))
