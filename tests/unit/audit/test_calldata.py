"""Tests of reading submissions in every encoding that the hub takes, and of finding the calls in a trace."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest

from oracle.audit.calldata import read_submission, submit_calls
from oracle.chain.hub import FeedUpdate, Submission, hub_interface
from oracle.core.types import SignedObservation

HUB = "0x" + "ab" * 20
SELECTOR = hub_interface().selector("submit")


def update(number: int) -> FeedUpdate:
    signed = tuple(SignedObservation(-number - each, 100 + each, 27, bytes(32), b"\1" * 32) for each in range(2))
    return FeedUpdate(number.to_bytes(32), number, signed, (-3, 4))


SUBMISSION = Submission(7, (update(1), update(2)), b"a proof, of more than 32 bytes of calldata")


def encode(submission: Submission) -> bytes:
    return hub_interface().encode_call("submit", *astuple(submission))


def word(value: int) -> bytes:
    return (value % 2**256).to_bytes(32)


def test_the_usual_encoding() -> None:
    assert read_submission(encode(SUBMISSION)) == SUBMISSION
    assert read_submission(encode(SUBMISSION) + b"more than it needs") == SUBMISSION


def test_a_list_that_refers_to_an_element_before_it() -> None:
    """Solidity's decoder adds offsets modulo 2^256; the ABI library refuses them."""
    submission = Submission(7, (update(1),), b"proof")
    arguments = encode(submission)[4:]
    updates_at, proof_at = (int.from_bytes(arguments[at : at + 32]) for at in (32, 64))
    table, proof = arguments[updates_at:proof_at], arguments[proof_at:]
    assert table[:64] == word(1) + word(32)
    size = len(table) - 64
    head = arguments[:32] + word(96 + size) + word(96 + size + 64)
    backwards = head + table[64:] + word(1) + word(-(size + 32)) + proof
    assert read_submission(SELECTOR + backwards) == submission


@pytest.mark.parametrize(
    "calldata",
    [
        b"",
        SELECTOR[:3],
        hub_interface().selector("submitShadow") + encode(SUBMISSION)[4:],
        SELECTOR + word(7) + word(96) + word(96) + word(256),
        SELECTOR + word(7) + word(96) + word(96) + word(2**256 - 1),
    ],
    ids=["nothing", "cut", "of a shadow", "too many updates", "endless updates"],
)
def test_calldata_of_no_submission(calldata: bytes) -> None:
    with pytest.raises(ValueError):
        read_submission(calldata)


def call(data: bytes = SELECTOR, *inner: dict[str, Any], to: str = HUB, **values: Any) -> dict[str, Any]:
    return {"type": "CALL", "to": to, "input": "0x" + data.hex(), "calls": list(inner), **values}


def test_the_calls_of_a_trace() -> None:
    first, second, third = (SELECTOR + bytes([each]) for each in (1, 2, 3))
    trace = call(
        b"relay",
        call(first),
        call(b"another", call(second), to="0x" + "cd" * 20),
        call(third, error="execution reverted"),
        call(b"reverted", call(third), to="0x" + "cd" * 20, error="execution reverted"),
        call(third, type="DELEGATECALL"),
        call(third, type="STATICCALL"),
        call(third, to="0x" + "cd" * 20),
        call(b"feedIds"),
        to="0x" + "ef" * 20,
    )
    assert submit_calls(trace, HUB) == [first, second]
    assert submit_calls({"type": "CALL"}, HUB) == []
