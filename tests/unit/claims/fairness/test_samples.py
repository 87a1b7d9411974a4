"""Tests of the audit sets that come with the package."""

from __future__ import annotations

from oracle.claims import ModelSpec
from oracle.claims.fairness import samples


def test_made_up_rows_are_the_same_everywhere() -> None:
    model = ModelSpec.packaged("credit")
    rows = samples.made_up(model, 200, 1)
    assert rows.fingerprint(model.features)[:12] == "4f4b7d23c73c"
    assert set(rows.groups) == {"25 or younger", "over 25"}
    assert all(
        (row["age_in_years"] <= 25) == (group == "25 or younger")
        for row, group in zip(rows.rows, rows.groups, strict=True)
    )
    assert set(samples.made_up(ModelSpec.packaged("fair-play"), 3, 1).groups) == {"all"}
