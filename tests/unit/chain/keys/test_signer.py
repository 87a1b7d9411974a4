"""Tests of signatures of reports: the digest against the standard's text, the document, and what a signature covers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.chain.keys.signer import HALF_ORDER, LocalReporter, ReporterKey, recover
from oracle.chain.keys.typed import readings_hash, report_digest, typed_report
from oracle.core.encoding import INT128_MAX, NO_ANSWER
from oracle.core.errors import DataError
from oracle.core.report import Report, ReporterSignature

KEY = "0x" + "11" * 32
CHAIN = 31337
HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
OTHER_HUB = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

uint32s = st.integers(1, 2**32 - 2)
words = st.binary(min_size=32, max_size=32)


@st.composite
def reports(draw: st.DrawFn) -> tuple[Report, tuple[int, ...], tuple[bytes, ...]]:
    """Draw a report with a reporter's answers and readings."""
    feeds = sorted(draw(st.sets(words, min_size=1, max_size=4)))
    rounds = draw(st.lists(st.just(0) | uint32s, min_size=len(feeds), max_size=len(feeds)).filter(any))
    report = Report(draw(uint32s), draw(uint32s), draw(uint32s), tuple(feeds), tuple(rounds))
    some = st.just(NO_ANSWER) | st.integers(NO_ANSWER, INT128_MAX)
    answers = draw(st.lists(some, min_size=len(feeds), max_size=len(feeds)))
    readings = draw(st.lists(words, min_size=len(feeds), max_size=len(feeds)))
    return report, tuple(answers), tuple(readings)


def reporter(key: str = KEY) -> LocalReporter:
    return LocalReporter(Account.from_key(key), CHAIN, HUB)


@settings(max_examples=30)
@given(reports())
def test_the_digest_is_eip_712_s(drawn: tuple[Report, tuple[int, ...], tuple[bytes, ...]]) -> None:
    """The test computes it from the standard's text, without a library's help: atomic arrays are words in a row."""
    report, answers, readings = drawn
    domain_type = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    domain = keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [keccak(domain_type), keccak(b"ZkOracle"), keccak(b"2"), CHAIN, HUB],
        )
    )
    type_hash = keccak(
        b"Report(uint32 committee,uint32 epoch,uint32 observedAt,bytes32[] feedIds,uint32[] roundIds,"
        b"int128[] answers,bytes32[] readings)"
    )

    def array(kind: str, values: tuple[object, ...]) -> bytes:
        return keccak(encode([kind] * len(values), values))

    hashed = keccak(b"".join(readings))
    struct = keccak(
        encode(
            ["bytes32", "uint32", "uint32", "uint32", "bytes32", "bytes32", "bytes32", "bytes32"],
            [
                type_hash,
                report.committee,
                report.epoch,
                report.observed_at,
                array("bytes32", report.feed_ids),
                array("uint32", report.round_ids),
                array("int128", answers),
                hashed,
            ],
        )
    )
    assert report_digest(CHAIN, HUB, report, answers, hashed) == keccak(b"\x19\x01" + domain + struct)


@settings(max_examples=30)
@given(reports())
def test_the_document_is_what_is_signed(drawn: tuple[Report, tuple[int, ...], tuple[bytes, ...]]) -> None:
    """Another library hashes it as we do, from its JSON."""
    typed = typed_report(CHAIN, HUB, *drawn)
    assert encode_typed_data(full_message=json.loads(json.dumps(typed.document))) == typed.message


@settings(max_examples=20)
@given(reports())
async def test_the_signer_is_recovered(drawn: tuple[Report, tuple[int, ...], tuple[bytes, ...]]) -> None:
    report, answers, readings = drawn
    signed = reporter().sign_report(report, answers, readings)
    assert recover(CHAIN, HUB, report, signed) == reporter().address
    assert signed == await ReporterKey(Account.from_key(KEY), CHAIN, HUB).sign_report(report, answers, readings)
    assert (signed.answers, signed.readings) == (answers, keccak(b"".join(readings)))


@settings(max_examples=20)
@given(reports())
def test_each_field_is_signed(drawn: tuple[Report, tuple[int, ...], tuple[bytes, ...]]) -> None:
    report, answers, readings = drawn
    signed = reporter().sign_report(report, answers, readings)
    feeds = tuple(sorted(bytes([each[0] ^ 1]) + each[1:] for each in report.feed_ids))
    rounds = (report.round_ids[0] + 1, *report.round_ids[1:])
    other = (answers[0] + 1 if answers[0] < INT128_MAX else 0, *answers[1:])
    changed = [
        (CHAIN + 1, HUB, report, signed),
        (CHAIN, OTHER_HUB, report, signed),
        (CHAIN, HUB, replace(report, committee=report.committee + 1), signed),
        (CHAIN, HUB, replace(report, epoch=report.epoch + 1), signed),
        (CHAIN, HUB, replace(report, observed_at=report.observed_at + 1), signed),
        (CHAIN, HUB, replace(report, feed_ids=feeds), signed),
        (CHAIN, HUB, replace(report, round_ids=rounds), signed),
        (CHAIN, HUB, report, replace(signed, answers=other)),
        (CHAIN, HUB, report, replace(signed, readings=bytes([signed.readings[0] ^ 1]) + signed.readings[1:])),
    ]
    right = report_digest(CHAIN, HUB, report, answers, signed.readings)
    for chain, hub, about, one in changed:
        assert report_digest(chain, hub, about, one.answers, one.readings) != right
        assert recover(chain, hub, about, one) != reporter().address


REPORT = Report(1, 1, 1_000, (b"\1" * 32, b"\2" * 32), (7, 0))


@pytest.mark.attack
def test_only_the_canonical_signature_counts() -> None:
    """The other s is mathematically valid. It does not fit the form, and what fits above half the order is refused."""
    signed = reporter().sign_report(REPORT, (1, 2))
    vs = int.from_bytes(signed.vs)
    parity, s = vs >> 255, vs & (2**255 - 1)
    assert s <= HALF_ORDER
    for mirrored in ((ORDER - s) | ((1 - parity) << 255), ORDER - s, (ORDER - s) & (2**255 - 1)):
        assert recovered(replace(signed, vs=mirrored.to_bytes(32))) != reporter().address
    with pytest.raises(ValueError, match="above half the order"):
        recover(CHAIN, HUB, REPORT, replace(signed, vs=(HALF_ORDER + 1).to_bytes(32)))


def recovered(signed: ReporterSignature) -> str | None:
    try:
        return recover(CHAIN, HUB, REPORT, signed)
    except ValueError:
        return None


def test_what_is_no_signature() -> None:
    for vs in (bytes(32), b"\x80" + bytes(31)):
        assert recovered(ReporterSignature((1, 2), bytes(32), bytes(32), vs)) is None


def test_without_readings_the_words_are_zero() -> None:
    signed = reporter().sign_report(REPORT, (1, 2))
    assert signed.readings == keccak(bytes(64)) == readings_hash([bytes(32)] * 2)
    assert signed == reporter().sign_report(REPORT, (1, 2), [bytes(32)] * 2)


async def test_nothing_is_signed_that_does_not_fit_the_report() -> None:
    key = ReporterKey(Account.from_key(KEY), CHAIN, HUB)
    for answers, readings, what in (
        ((1,), (), "2 feeds, but there are 1 answers"),
        ((1, 2, 3), (), "2 feeds, but there are 3 answers"),
        ((1, 2), (bytes(32),), "2 feeds, but there are 1 hashes of readings"),
        ((1, 2), (bytes(32), b""), "has 0 bytes, not 32"),
        ((1, 2**127), (), "an answer is 1701"),
    ):
        with pytest.raises(DataError, match=what):
            reporter().sign_report(REPORT, answers, readings)
        with pytest.raises(DataError, match=what):
            await key.sign_report(REPORT, answers, readings)


def test_a_reporter_does_not_show_its_key() -> None:
    assert "11111111" not in repr(reporter())
