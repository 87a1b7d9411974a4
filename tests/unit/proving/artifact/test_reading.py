"""Attacks with manifests that say of a window or a label what no circuit has: their own hashes fit all the same."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.proving.artifact.manifest import check_reading


@pytest.mark.attack
@pytest.mark.parametrize(
    ("facts", "width", "says"),
    [
        ({"input_shifts": 5}, 3, "input_shifts must be whole numbers"),
        ({"input_shifts": [1, 2.0, 3]}, 3, "input_shifts must be whole numbers"),
        ({"input_shifts": [True, 2, 3]}, 3, "input_shifts must be whole numbers"),
        ({"input_shifts": [10**9, 2, 3]}, 3, "input_shifts must be whole numbers from -1100 to 1100"),
        ({"input_shifts": [1]}, 3, "of 1 features, and its windows have 3 integers"),
        ({"input_shifts": [1]}, None, "of 1 features, and a segment's window has one scale"),
        ({"labels": "cat"}, 3, "labels must be texts"),
        ({"labels": []}, 3, "labels must be texts"),
        ({"labels": ["cat", 1]}, 3, "labels must be texts"),
        ({"labels": ["cat", "dog", "cat"]}, 3, "two of its labels are the same"),
    ],
)
def test_no_window_and_no_label_is_read_in_such_a_way(facts: dict[str, Any], width: int | None, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        check_reading(facts, width)


def test_scales_and_labels_that_circuits_have() -> None:
    check_reading({}, None)
    check_reading({"input_shifts": [-10, 0, 7], "labels": ["cat", "dog"]}, 3)
