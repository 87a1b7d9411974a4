"""Tests of an audit's circuit in integers. Its proofs are tested in tests/integration/test_claim_evidence.py."""

from __future__ import annotations

import pytest

from oracle.claims import AtLeast, Between, ModelSpec, fairness
from oracle.claims.fairness import samples
from oracle.claims.statement import edges


@pytest.mark.parametrize("name", ["identity", "credit", "fair-play"])
def test_a_verdict_says_whether_a_claim_would_hold(name: str) -> None:
    model = ModelSpec.packaged(name)
    claim = model.circuit()
    circuit = fairness.AuditCircuit(claim)
    for constraint in (AtLeast(0.6), Between(0.2, 0.7)):
        lo, hi = model.bounds(constraint, claim.score_unit, claim.limit)
        for row in samples.made_up(model, 20, 2).encode(model.features):
            # It is the last output of a claim with the same data and bounds.
            told = claim.score_int((*row, 0, 0, 0, *edges(lo, hi), 1, 1, 0, 0, 0))[-1]
            assert circuit.score_int((*row, *edges(lo, hi))) == (told,)


def test_no_score_equals_what_it_is_compared_with() -> None:
    """If two numbers are equal, the prover chooses which is greater, so bounds that are scores must leave no choice."""
    circuit = fairness.AuditCircuit(ModelSpec.packaged("credit").circuit())
    for *data, lower, upper in circuit.windows():
        assert lower % 2 == upper % 2 == 1
        score = circuit.score(data)
        for lo, hi, verdict in ((score, score, 1), (score + 1, score + 1, 0), (score - 1, score - 1, 0)):
            assert circuit.score_int((*data, *edges(lo, hi))) == (verdict,)
