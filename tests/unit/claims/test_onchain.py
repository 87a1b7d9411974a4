"""Tests of what is said of claims on a chain."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.chain.rpc import Rpc
from oracle.claims import ClaimProof, onchain
from oracle.claims.statement import ClaimBound, ClaimTerms

CLAIM = ClaimProof("m", 1, 2, 42, ClaimTerms((), (ClaimBound(0, -5, 5),), 41), 256, "0x" + "ab" * 20, 99, 3, b"")
ISSUER = "0x" + "12" * 20


@pytest.mark.parametrize(
    ("commitment", "checked", "told"),
    [
        (42, 69, "it expired at 90"),
        (42, 70, "the earlier data were checked again at 70, and not before its own"),
        (42, 71, "the earlier data were checked again at 71, and not before its own"),
        (41, 70, "it expired at 90"),
    ],
)
async def test_why_a_change_counts_no_more(
    monkeypatch: pytest.MonkeyPatch, commitment: int, checked: int, told: str
) -> None:
    answers: dict[str, Any] = {
        "isValid": False,
        "recorded": {"issuer": ISSUER, "expiresAt": 90, "issuedAt": 70, "commitment": commitment},
        "model": {"isRetired": False},
        "isRevoked": False,
        "isIssuer": True,
        "source": {"issuer": ISSUER, "issuedAt": checked},
    }

    async def read(rpc: Rpc, interface: Any, registry: str, function: str, *arguments: Any) -> Any:
        return answers[function]

    monkeypatch.setattr(onchain, "read", read)
    async with Rpc("http://127.0.0.1:1") as rpc:
        assert await onchain.problem(rpc, ISSUER, CLAIM) == told
