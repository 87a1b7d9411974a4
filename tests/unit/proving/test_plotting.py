"""Tests that the plot of a tuning can be read: nothing is cut off, no text lies on another, each point is explained."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from oracle.proving.cost import estimate
from oracle.proving.imported import Settings
from oracle.proving.tuning import Candidate, Tuning
from oracle.proving.tuning.plotting import LABELLED, figure, plot


def candidate(base: int, columns: int, seconds: float | None = None, *, rows: int = 900) -> Candidate:
    cost = estimate(rows // columns, instances=4, private=False, lookups=True, columns=columns, table=base)
    settings = Settings(12, 7, base, 4, columns)
    measured: dict[str, Any] = {} if seconds is None else {"seconds": seconds, "proof_bytes": cost.proof_bytes, "k": 11}
    return Candidate(settings, 8, cost, **measured)


@pytest.fixture
def tuning() -> Tuning:
    """Return fifteen candidates: three were proven, and the second of those is chosen."""
    proven = [candidate(64, 1, 0.12), candidate(128, 1, 0.05), candidate(256, 2, 0.051)]
    others = [candidate(base, columns) for base in (64, 128, 256, 512, 1024) for columns in (1, 2, 3)]
    model = cast(Any, SimpleNamespace(name="a-model-with-a-long-name"))
    return Tuning(model, cast(Any, None), [*proven, *others[:12]], 1)


def test_nothing_is_cut_off_and_no_text_lies_on_another(tuning: Tuning) -> None:
    page = figure(tuning, Figure(figsize=(10, 5)))
    canvas: Any = FigureCanvasAgg(page)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = {}
    axes = page.axes[0]
    for text in [*page.texts, *axes.texts, axes.xaxis.label, axes.yaxis.label, *page.legends[0].get_texts()]:
        boxes[text.get_text()] = text.get_window_extent(renderer)
    boxes |= {
        f"tick {text.get_text()} of {axis.axis_name}": text.get_window_extent(renderer)
        for axis in (axes.xaxis, axes.yaxis)
        for text in axis.get_ticklabels()
        if text.get_text() and axes.bbox.padded(30).overlaps(text.get_window_extent(renderer))
    }
    for name, box in boxes.items():
        assert page.bbox.x0 <= box.x0 and box.x1 <= page.bbox.x1, name
        assert page.bbox.y0 <= box.y0 and box.y1 <= page.bbox.y1, name
    on_each_other = [(a, b) for (a, one), (b, two) in itertools.combinations(boxes.items(), 2) if one.overlaps(two)]
    assert on_each_other == []


def test_points_are_numbered_and_explained(tuning: Tuning) -> None:
    page = figure(tuning, Figure(figsize=(10, 5)))
    explained = page.texts[0].get_text()
    assert explained.startswith("1  scales 12/7, 4 digits of base 128, k = 11\n    0.05 s, ")
    assert [f"{at}  " in explained for at in (2, 3, LABELLED, LABELLED + 1)] == [True, True, True, False]
    assert f"and {15 - LABELLED} more, estimated" in explained
    numbered = {number for text in page.axes[0].texts for number in text.get_text().split(", ")}
    assert numbered == {str(at) for at in range(1, LABELLED + 1)}
    shown = [text.get_text() for text in page.legends[0].get_texts()]
    assert shown == ["chosen", "proven", "estimated", "1 column", "2 columns", "3 columns"]


def test_the_same_tuning_makes_the_same_file(tuning: Tuning, tmp_path: Path) -> None:
    assert plot(tuning, tmp_path / "a.png") and plot(tuning, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
