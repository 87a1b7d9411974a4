"""Audit sets, and what an audit's verdicts add up to. Proofs are in tests/integration/test_claim_evidence.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.claims import AtLeast, Between, Feature, ModelSpec, audit_set, fairness
from oracle.claims.audit_set import AuditSet
from oracle.claims.statement import edges
from oracle.core.errors import DataError
from oracle.proving.batches import ProvenBatch

FEATURES = (Feature("age", 18, 98), Feature("home", categories=("own", "rent, or none")))
ROWS = AuditSet(({"age": 30.0, "home": "own"}, {"age": 18.0, "home": "rent, or none"}), ("a", "b"))


def test_a_set_is_the_same_after_a_file(tmp_path: Path) -> None:
    ROWS.save(tmp_path / "set.csv")
    loaded = AuditSet.load(tmp_path / "set.csv", FEATURES)
    assert loaded == ROWS and loaded.fingerprint(FEATURES) == ROWS.fingerprint(FEATURES)
    # Rows, groups and their order are named by it; how a number is written is not.
    for other in (
        replace(ROWS, groups=("a", "a")),
        AuditSet(ROWS.rows[::-1], ROWS.groups),
        AuditSet(({"age": 31.0, "home": "own"}, ROWS.rows[1]), ROWS.groups),
    ):
        assert other.fingerprint(FEATURES) != ROWS.fingerprint(FEATURES)
    (tmp_path / "set.csv").write_text('\ufeffhome,age,group\r\nown,30,a\r\n"rent, or none",1.8e1,b\r\n')
    assert AuditSet.load(tmp_path / "set.csv", FEATURES).fingerprint(FEATURES) == ROWS.fingerprint(FEATURES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "can't be read: No such file"),
        ("", "no column 'group'"),
        ("age,home\n30,own\n", "no column 'group'"),
        ("group,age,home\n", "1 to 10,000 rows"),
        ("group,age,home\na,30\n", r"set\.csv:2: it has more or fewer values"),
        ("group,age,home\na,30,own,more\n", r"set\.csv:2: it has more or fewer values"),
        ("group,age,home\n,30,own\n", "row 1 of the audit set is of no group"),
        ("group,age\na,30\n", "row 1 of the audit set: the inputs of audited lack home"),
        ("group,age,home,x\na,30,own,1\n", "have unknown x"),
        ("group,age,home\na,30,own\nb,old,own\n", "row 2 of the audit set: age is not a finite number"),
        ("group,age,home\na,nan,own\n", "not a finite number"),
        ("group,age,home\na,17,own\n", "outside the trained range"),
        ("group,age,home\na,30,boat\n", "home is none of"),
        ('group,age,home\na,30,"own\n', "is no CSV file"),
    ],
)
def test_files_that_are_no_audit_set(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "set.csv").write_text(text)
    with pytest.raises(DataError, match=says):
        AuditSet.load(tmp_path / "set.csv", FEATURES).encode(FEATURES)


def test_made_up_rows_are_the_same_everywhere() -> None:
    model = ModelSpec.packaged("credit")
    rows = audit_set.made_up(model, 200, 1)
    assert rows.fingerprint(model.features)[:12] == "4f4b7d23c73c"
    assert set(rows.groups) == {"25 or younger", "over 25"}
    assert all(
        (row["age_in_years"] <= 25) == (group == "25 or younger")
        for row, group in zip(rows.rows, rows.groups, strict=True)
    )
    assert set(audit_set.made_up(ModelSpec.packaged("fair-play"), 3, 1).groups) == {"all"}


def test_rates_and_differences() -> None:
    verdicts = [1] * 56 + [0] * 14 + [1] * 48 + [0] * 32
    found = fairness.rates(["a"] * 70 + ["b"] * 80, verdicts)
    assert [(each.group, each.rows, each.within, each.share) for each in found] == [
        ("a", 70, 56, 0.8),
        ("b", 80, 48, 0.6),
    ]
    # Clopper and Pearson's, of the same numbers, from tables; Newcombe's (1998) own example for the difference.
    assert (found[0].low, found[0].high) == pytest.approx((0.6873, 0.8861), abs=1e-4)
    (difference,) = fairness.differences(found)
    assert (difference.group, difference.reference) == ("a", "b")
    assert difference.difference == pytest.approx(0.2)
    assert (difference.low, difference.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert fairness.differences(found[:1]) == fairness.differences(()) == ()


@pytest.mark.parametrize("name", ["identity", "credit", "fair-play"])
def test_a_verdict_says_whether_a_claim_would_hold(name: str) -> None:
    model = ModelSpec.packaged(name)
    claim = model.circuit()
    circuit = fairness.AuditCircuit(claim)
    for constraint in (AtLeast(0.6), Between(0.2, 0.7)):
        lo, hi = model.bounds(constraint, claim.score_unit, claim.limit)
        for row in audit_set.made_up(model, 20, 2).encode(model.features):
            # A claim's last two outputs, of the same data and bounds.
            told = claim.score_int((*row, 0, 0, 0, *edges(lo, hi), 1, 1, 0, 0, 0))[-2:]
            assert circuit.score_int((*row, *edges(lo, hi))) == (int(told == (1, 1)),)


def test_no_score_equals_what_it_is_compared_with() -> None:
    """Of equal numbers a prover chooses which is greater: at bounds that are scores there must be no choice."""
    circuit = fairness.AuditCircuit(ModelSpec.packaged("credit").circuit())
    for *data, lower, upper in circuit.windows():
        assert lower % 2 == upper % 2 == 1
        score = circuit.score(data)
        for lo, hi, verdict in ((score, score, 1), (score + 1, score + 1, 0), (score - 1, score - 1, 0)):
            assert circuit.score_int((*data, *edges(lo, hi))) == (verdict,)


def audit() -> fairness.Audit:
    batch = ProvenBatch(((1,), (0,)), b"\x01\x02")
    return fairness.Audit("credit", 5, "a" * 64, "f" * 64, -3, 4, 256, (batch,))


def test_an_audit_is_the_same_after_a_file(tmp_path: Path) -> None:
    audit().save(tmp_path / "audit.json")
    assert fairness.Audit.load(tmp_path / "audit.json") == audit()


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text[:-20],
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text.replace("claim-audit-v1", "claim-audit-v0"),
        lambda text: text.replace("[1, 0]", "[1, 2]"),
        lambda text: text.replace("[1, 0]", "[true, 0]"),
        lambda text: text.replace("[1, 0]", "5"),
        lambda text: text.replace("0x0102", "0x010"),
        lambda text: text.replace('"lo": -3', '"lo": -3.5'),
        lambda text: text.replace('"lo": -3', f'"lo": {-(1 << 127)}'),
        lambda text: text.replace('"unit": 256', '"units": 256'),
    ],
)
def test_files_that_are_no_audit(tmp_path: Path, edit: Callable[[str], str]) -> None:
    path = tmp_path / "audit.json"
    audit().save(path)
    path.write_text(edit(path.read_text()))
    with pytest.raises(DataError, match=r"is no audit|can't be read"):
        fairness.Audit.load(path)
