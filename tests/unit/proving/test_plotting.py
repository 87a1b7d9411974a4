"""Tests that the plot of a tuning can be read: nothing is cut off, no text lies on another, each point is explained."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

import pytest

from oracle.proving.cost import estimate
from oracle.proving.imported import Settings
from oracle.proving.tuning import Candidate, Tuning
from oracle.proving.tuning.plotting import HEIGHT, LABELLED, WIDTH, plot, svg

_SVG = "{http://www.w3.org/2000/svg}"
_LETTER = 0.6
"""Width of a letter, as a share of its size: more than the usual fonts take on average."""


def candidate(base: int, columns: int, seconds: float | None = None, *, rows: int = 900) -> Candidate:
    cost = estimate(rows // columns, instances=4, private=False, lookups=True, columns=columns, table=base)
    settings = Settings(12, 7, base, 4, columns)
    measured: dict[str, Any] = {} if seconds is None else {"seconds": seconds, "proof_bytes": cost.proof_bytes, "k": 11}
    return Candidate(settings, 8, cost, **measured)


def tuned(candidates: list[Candidate], chosen: int = 0, name: str = "a-model-with-a-long-name") -> Tuning:
    return Tuning(cast(Any, SimpleNamespace(name=name)), cast(Any, None), candidates, chosen)


@pytest.fixture
def tuning() -> Tuning:
    """Return fifteen candidates: three were proven, and the second of those is chosen."""
    proven = [candidate(64, 1, 0.12), candidate(128, 1, 0.05), candidate(256, 2, 0.051)]
    others = [candidate(base, columns) for base in (64, 128, 256, 512, 1024) for columns in (1, 2, 3)]
    return tuned([*proven, *others[:12]], 1)


def texts(page: str) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Return each text of a page, with the box that it takes: left, top, right, bottom."""
    found = []
    for each in ElementTree.fromstring(page).iter(f"{_SVG}text"):
        x, y, size = float(each.attrib["x"]), float(each.attrib["y"]), float(each.attrib.get("font-size", 12))
        text = each.text or ""
        width = _LETTER * size * len(text)
        before = {"start": 0.0, "middle": 0.5, "end": 1.0}[each.attrib["text-anchor"]] * width
        box = (x - before, y - size, x - before + width, y + 0.25 * size)
        if "transform" in each.attrib:
            box = (x - size, y - width / 2, x + 0.25 * size, y + width / 2)
        found.append((text, box))
    return found


def lies_on(one: tuple[float, float, float, float], two: tuple[float, float, float, float]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def test_nothing_is_cut_off_and_no_text_lies_on_another(tuning: Tuning) -> None:
    alone = [candidate(64, 1, 0.12)]
    far = [candidate(64, 1, 0.001), candidate(1024, 3, 900.0, rows=9_000_000)]
    for each in (tuning, tuned(alone), tuned(far), tuned([candidate(2, 1, 0.1)] * 3)):
        boxes = texts(svg(each))
        for text, (left, top, right, bottom) in boxes:
            assert left >= 0 and top >= 0 and right <= WIDTH and bottom <= HEIGHT, text
        on_each_other = [(a, b) for (a, one), (b, two) in itertools.combinations(boxes, 2) if lies_on(one, two)]
        assert on_each_other == []


def test_points_are_numbered_and_explained(tuning: Tuning) -> None:
    page = svg(tuning)
    found = [text for text, _ in texts(page)]
    assert "scales 12/7, 4 digits of base 128, k = 11" in found
    assert any(text.startswith("0.05 s, ") and text.endswith(" gas") for text in found)
    assert f"and {15 - LABELLED} more, estimated" in found
    numbers = [number for text in found for number in text.split(", ") if number.isdigit() and len(number) == 1]
    # Each number is beside its point, and before its explanation; the only other one is a mark of the axis.
    assert all(numbers.count(str(at)) >= 2 for at in range(1, LABELLED + 1)) and str(LABELLED + 1) not in numbers
    assert [text for text in found if text in ("chosen", "proven", "estimated") or "column" in text] == [
        *("chosen", "proven", "estimated"),
        *("1 column", "2 columns", "3 columns"),
    ]
    titles = [each.text or "" for each in ElementTree.fromstring(page).iter(f"{_SVG}title")]
    assert len(titles) == 15 and sum("estimated" in title for title in titles) == 12, "each point says what it is"
    marks = [text for text in found if text.replace(",", "").isdigit() and len(text) > 4]
    assert 3 <= len(marks) <= 8, "the axis of gas is marked"


def test_the_same_tuning_makes_the_same_file_and_no_name_is_markup(tuning: Tuning, tmp_path: Path) -> None:
    plot(tuning, tmp_path / "a.svg")
    plot(tuning, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "<b>&" in [text for text, _ in texts(svg(tuned([candidate(64, 1)], name="<b>&")))]


def test_no_library_for_plots_is_loaded() -> None:
    """It takes longer to load than a small model's keys."""
    import subprocess  # the only test here that needs it

    code = "import sys, oracle.app.models; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
