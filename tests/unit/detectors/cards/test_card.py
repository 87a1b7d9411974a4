"""Tests of proven cards as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oracle.core.errors import DataError
from oracle.detectors.cards.benchmark import Benchmark
from oracle.detectors.cards.card import CardModel, ProvenCard, Summary, count
from oracle.detectors.cards.drawing import build
from oracle.detectors.cards.recipe import Recipe
from oracle.proving.batches import ProvenBatch


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    return build(Recipe(normals=5, per_kind=2), 4)


def test_counts_are_of_verdicts_by_label() -> None:
    window = (0,) * 13 + (1_000,)
    benchmark = Benchmark(3, 14, ("a", "b"), (window,) * 5, (0, 1, 2, 2, 0))
    scores = (((0, -1), (5, -3), (0, 0)), ((-9, 1), (1, 1)))
    assert count(benchmark, scores) == Summary(3, 2, 2, 1, {"a": (1, 1), "b": (2, 1)})


def test_a_file_of_a_card(benchmark: Benchmark, tmp_path: Path) -> None:
    scores = tuple(((0, 1),) * len(benchmark.windows_of(index)) for index in range(benchmark.batches))
    model = CardModel("m", 5, "aa", "0xbb", "verdict", 14, ("move", "gap"), 2, 4)
    card = ProvenCard(model, benchmark, tuple(ProvenBatch(each, b"\1\2") for each in scores), count(benchmark, scores))
    path = tmp_path / "card.json"
    card.save(path)
    assert ProvenCard.load(path) == card
    document = json.loads(path.read_text())
    for changes, message in (
        ({"format": "x"}, "format 'x'"),
        ({"model": {}}, "'features' is missing"),
        ({"batches": [{"scores": [[2**127]], "proof": "0x"}]}, "is not a score"),
        ({"batches": [{"scores": [[0.5]], "proof": "0x"}]}, "is not a score"),
        ({"batches": [{"scores": [[0]], "proof": "0xx"}]}, "non-hexadecimal"),
        ({"benchmark": document["benchmark"] | {"root": "0x00"}}, "it was altered"),
    ):
        path.write_text(json.dumps(document | changes))
        with pytest.raises(DataError, match=message):
            ProvenCard.load(path)
