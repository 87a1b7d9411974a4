"""Tests of signatures of observations, and of the calldata that carries them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.chain.hub import decode_submission, encode_submission, hub_interface
from oracle.chain.keys.signer import LocalReporter, observation_digest, recover
from oracle.core.types import Observed, Scored, SignedObservation

KEY = "0x" + "11" * 32
CHAIN = 31337
HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
OTHER_HUB = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"

feed_ids = st.binary(min_size=32, max_size=32)
rounds = st.integers(1, 2**32 - 2)
answers = st.integers(-(2**127), 2**127 - 1)
times = st.integers(0, 2**32 - 2)


def reporter(key: str = KEY) -> LocalReporter:
    return LocalReporter(Account.from_key(key), CHAIN, HUB)


@settings(max_examples=30)
@given(feed_ids, rounds, answers, times)
def test_the_digest_is_eip_712_s(feed_id: bytes, round_id: int, answer: int, at: int) -> None:
    """The test computes it from the standard's text, without a library's help."""
    domain_type = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    domain = keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [keccak(domain_type), keccak(b"ZkOracle"), keccak(b"1"), CHAIN, HUB],
        )
    )
    type_hash = keccak(b"Observation(bytes32 feedId,uint32 roundId,int128 answer,uint32 observedAt)")
    struct = keccak(
        encode(["bytes32", "bytes32", "uint32", "int128", "uint32"], [type_hash, feed_id, round_id, answer, at])
    )
    assert observation_digest(CHAIN, HUB, feed_id, round_id, answer, at) == keccak(b"\x19\x01" + domain + struct)


@settings(max_examples=20)
@given(feed_ids, rounds, answers, times)
def test_the_signer_is_recovered(feed_id: bytes, round_id: int, answer: int, at: int) -> None:
    signed = reporter().sign_observation(feed_id, round_id, answer, at)
    assert recover(CHAIN, HUB, feed_id, round_id, signed) == reporter().address
    assert signed.v in (27, 28)
    assert len(signed.r) == len(signed.s) == 32


@settings(max_examples=20)
@given(feed_ids, rounds, answers, times)
def test_each_field_is_signed(feed_id: bytes, round_id: int, answer: int, at: int) -> None:
    signed = reporter().sign_observation(feed_id, round_id, answer, at)
    other_feed = bytes([feed_id[0] ^ 1]) + feed_id[1:]
    other_answer = answer + 1 if answer < 2**127 - 1 else answer - 1
    changed = [
        (CHAIN + 1, HUB, feed_id, round_id, signed),
        (CHAIN, OTHER_HUB, feed_id, round_id, signed),
        (CHAIN, HUB, other_feed, round_id, signed),
        (CHAIN, HUB, feed_id, round_id + 1, signed),
        (CHAIN, HUB, feed_id, round_id, replace(signed, answer=other_answer)),
        (CHAIN, HUB, feed_id, round_id, replace(signed, observed_at=at + 1)),
    ]
    right = observation_digest(CHAIN, HUB, feed_id, round_id, answer, at)
    for chain, hub, feed, number, one in changed:
        assert observation_digest(chain, hub, feed, number, one.answer, one.observed_at) != right
        assert recover(chain, hub, feed, number, one) != reporter().address


def test_what_is_no_signature() -> None:
    with pytest.raises(ValueError, match="no valid signature"):
        recover(CHAIN, HUB, b"\0" * 32, 1, SignedObservation(1, 1, 27, b"\0" * 32, b"\0" * 32))


def test_a_reporter_does_not_show_its_key() -> None:
    assert "11111111" not in repr(reporter())


def scored(feed: int, signed: tuple[SignedObservation, ...], model: int = 1) -> Scored:
    observed = Observed(f"feed-{feed}", bytes([feed]) * 32, 100, 1_000)
    return Scored(observed, 7, model, signed, (1, 2, 3), (-(2**100), 5))


def test_calldata_and_back() -> None:
    high, low = (SignedObservation(answer, 1_000, 27, b"\1" * 32, b"\2" * 32) for answer in (9, -9))
    calldata = encode_submission([scored(1, (high, low)), scored(2, (low,))], b"proof")
    found = decode_submission(calldata)
    assert found.model_number == 1
    assert found.proof == b"proof"
    assert [update.feed_id for update in found.updates] == [b"\1" * 32, b"\2" * 32]
    # The hub wants the observations sorted by answer, in whatever order they were signed.
    assert found.updates[0].observations == (low, high)
    assert found.updates[0].scores == (-(2**100), 5)
    assert found.updates[0].round_id == 7


def test_one_submission_is_of_one_model() -> None:
    with pytest.raises(ValueError, match="one model"):
        encode_submission([scored(1, ()), scored(2, (), model=2)], b"")
    with pytest.raises(ValueError, match="at least one"):
        encode_submission([], b"")


@pytest.mark.parametrize("data", [b"", b"\1\2\3\4", hub_interface().selector("submit") + b"\0" * 31])
def test_calldata_of_something_else(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a function|malformed"):
        decode_submission(data)


def test_calldata_of_another_function() -> None:
    with pytest.raises(ValueError, match="not of submit"):
        decode_submission(hub_interface().encode_call("pause", b"\0" * 32))
