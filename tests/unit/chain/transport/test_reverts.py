"""Tests of revert data in words: Solidity's own errors."""

from __future__ import annotations

from eth_abi.abi import encode

from oracle.chain.transport.reverts import describe_revert


def test_solidity_s_own_errors() -> None:
    text = bytes.fromhex("08c379a0") + encode(["string"], ["No data present"])
    assert describe_revert(text).message == "reverted: No data present"
    assert describe_revert(text[:20]).message == "reverted with a malformed reason"
    panic = bytes.fromhex("4e487b71") + encode(["uint256"], [0x11])
    assert describe_revert(panic).message == "panic 0x11: arithmetic overflow"
    assert describe_revert(b"\x01\x02\x03\x04").message == "unknown error 0x01020304"
