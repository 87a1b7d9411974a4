"""Test of the experiment in docs/privacy.md: public weights can be computed from proofs, private ones can not."""

from __future__ import annotations

from docs.experiments.fixed_weights import K, run


def test_fixed_weights_come_out_of_our_own_proofs_and_hashed_ones_do_not() -> None:
    weights = [-31, 5, 0, 17]
    result = run(weights, seed=2)
    outcome = {(each["circuit"], each["proofs"]): each for each in result["attempts"]}
    assert [key for key, each in outcome.items() if each["found"]] == [
        ("fixed", 32),
        ("fixed", 4),
        ("fixed", 1),
        ("polycommit", 32),
    ]
    assert [key for key, each in outcome.items() if not each["found"]] == [("hashed", 4), ("hashed", 1)]
    # A constant of the hash is found where it should be. Otherwise a misread challenge would look like privacy.
    assert outcome["hashed", 4]["columns_explained"] >= 1
    # The hashed circuit's proofs are all of one statement, yet no column repeats: each has its own blinding.
    assert {kind: result[kind]["columns_that_repeat"] for kind in K} == {"fixed": 0, "polycommit": 1, "hashed": 0}
    assert result["hashed"]["columns"] >= 3
