"""Tests of audit sets as files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oracle.claims import ClaimFeature
from oracle.claims.fairness import AuditSet
from oracle.core.errors import DataError

FEATURES = (ClaimFeature("age", 18, 98), ClaimFeature("home", categories=("own", "rent, or none")))
ROWS = AuditSet(({"age": 30.0, "home": "own"}, {"age": 18.0, "home": "rent, or none"}), ("a", "b"))


def test_a_set_is_the_same_after_a_file(tmp_path: Path) -> None:
    ROWS.save(tmp_path / "set.csv")
    loaded = AuditSet.load(tmp_path / "set.csv", FEATURES)
    assert loaded == ROWS and loaded.fingerprint(FEATURES) == ROWS.fingerprint(FEATURES)
    # The fingerprint covers rows, groups and their order, but not how a number is written.
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
        ("group,age,home\n,30,own\n", "row 1 of the audit set has no group"),
        ("group,age\na,30\n", "row 1 of the audit set: the inputs of audited lack home"),
        ("group,age,home,x\na,30,own,1\n", "have unknown x"),
        ("group,age,home\na,30,own\nb,old,own\n", "row 2 of the audit set: age is not a finite number"),
        ("group,age,home\na,nan,own\n", "not a finite number"),
        ("group,age,home\na,17,own\n", "outside the trained range"),
        ("group,age,home\na,30,boat\n", "home is none of"),
        ('group,age,home\na,30,"own\n', "is not a CSV file"),
    ],
)
def test_files_that_are_no_audit_set(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "set.csv").write_text(text)
    with pytest.raises(DataError, match=says):
        AuditSet.load(tmp_path / "set.csv", FEATURES).encode(FEATURES)
