"""Tests of reporters whose keys this process has."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from oracle.chain.hub import Committee
from oracle.chain.keys.signer import recover
from oracle.chain.keys.typed import readings_hash
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import JournalUnavailable, SignerUnavailable
from oracle.core.report import NO_READINGS, Report
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


class Documents:
    """Documents of one reporter's answers, and what was noted of them."""

    def __init__(self, reporter: str, answers: dict[tuple[bytes, int], bytes]) -> None:
        self.reporter = reporter
        self.answers = answers
        self.signed: dict[bytes, list[bytes]] = {}

    def hashes(self, reporter: str, observed_at: int, answers: Sequence[tuple[bytes, int]]) -> list[bytes]:
        assert observed_at == REPORT.observed_at
        return [self.answers.get(each, NO_READINGS) if reporter == self.reporter else NO_READINGS for each in answers]

    def sign(self, signed: bytes, hashes: Sequence[bytes]) -> None:
        self.signed[signed] = list(hashes)


async def test_each_key_signs_the_hashes_of_its_own_documents_and_they_are_noted_before() -> None:
    one, two = b"\1" * 32, b"\2" * 32
    documents = Documents(KEYS[0].address, {(one, 5): b"\xaa" * 32, (two, 7): b"\xbb" * 32})
    signers = LocalSigners(KEYS[:2], documents)
    signed = await signers.collect(REPORT, {one: 5, two: 6}, committee(*KEYS[:2], quorum=2))
    mine, other = [b"\xaa" * 32, NO_READINGS], [NO_READINGS] * 2
    assert [each.readings for each in signed.signatures] == [readings_hash(mine), readings_hash(other)]
    assert documents.signed == {readings_hash(mine): mine, readings_hash(other): other}
    assert [recover(CHAIN_ID, HUB_ADDRESS, REPORT, each) for each in signed.signatures] == [
        key.address for key in KEYS[:2]
    ]


async def test_a_signature_whose_documents_can_not_be_noted_does_not_leave() -> None:
    class Full(Documents):
        def sign(self, signed: bytes, hashes: Sequence[bytes]) -> None:
            raise JournalUnavailable("no space left")

    with pytest.raises(JournalUnavailable):
        await LocalSigners(KEYS, Full("", {})).collect(REPORT, {b"\1" * 32: 5}, committee(*KEYS))
