"""Tests of benchmarks of model cards: which windows are drawn, what identifies them, and that they are reproducible."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from eth_utils.crypto import keccak

from oracle.cli import oracle
from oracle.core import encoding
from oracle.core.documents import file_hash
from oracle.core.errors import DataError
from oracle.core.gate import HoldPolicy, empty_feed, judge
from oracle.core.types import Kind
from oracle.detectors.cards.benchmark import Benchmark
from oracle.detectors.cards.drawing import build
from oracle.detectors.cards.merkle import MerkleTree
from oracle.detectors.cards.recipe import Recipe
from oracle.sources.packaged.series import load_series

SMALL = Recipe(series=("sp500", "wti"), normals=5, per_kind=2)
LISTED = encoding.window_features(14)
SP500_SIGMA = 11_434
"""The root mean square of the series' moves until 2006, in ppm."""


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    return build(SMALL, 4)


def test_the_default_benchmark_is_the_same_everywhere() -> None:
    built = build(Recipe(), 16)
    assert built.root.hex() == "e1bfee6e0f295d0b9d2d7129cd5ebcb83c00799b79a12b40665cc7b5eff167fa"
    assert (built.batches, len(built.windows)) == (24, 384)
    assert Counter(built.labels) == {0: 192, 1: 48, 2: 48, 3: 48, 4: 48}


def test_a_window_is_what_the_gate_sees(benchmark: Benchmark) -> None:
    """A feed has accepted the clean series; the windows are those of its next report, as recorded or with a fault."""
    state = empty_feed(b"\1" * 32, Kind.RELATIVE, SP500_SIGMA, 86_400, 1)
    clean, before_fault = set(), {}
    for reading in load_series("sp500"):
        answer = encoding.answer_from_decimal(reading.value, 8)
        window = encoding.features(state, answer, reading.observed_at, LISTED, tolerance=0)
        clean.add(window)
        before_fault[window[1:]] = (state, answer, reading.observed_at)
        accepted = judge(state, HoldPolicy(1, 1, 0), answer, reading.observed_at, (-1,), score_unit=1, published_at=0)
        state = accepted.state
    own = [
        (window, label)
        for window, label in zip(benchmark.windows, benchmark.labels, strict=True)
        if window[1:] in before_fault
    ]
    assert Counter(label for _, label in own) == {0: 5, 1: 2, 2: 2, 3: 2, 4: 2}
    for window, label in own:
        assert (window in clean) == (label == 0)
        if label:
            state, answer, observed_at = before_fault[window[1:]]
            percent = (3, 5, 10, 20)[label - 1]
            faulty = {answer * (100 + sign * percent) // 100 for sign in (-1, 1)}
            seen = {encoding.features(state, each, observed_at, LISTED, tolerance=0)[0] for each in faulty}
            # The fault is rounded to the series' own decimals.
            assert min(abs(window[0] - each) for each in seen) <= 1


def test_what_the_hub_decides_alone_is_left_out() -> None:
    """The hub decides on all decimal shifts, zeros and negative answers of such series, so none is left to draw."""
    for kind in ("decimal_shift", "zero", "negative"):
        with pytest.raises(DataError, match="series sp500: too few ticks from 2018-01-01"):
            build(replace(SMALL, kinds=(kind,), start="2018-01-01"), 4)


def test_another_recipe_is_another_root(benchmark: Benchmark) -> None:
    short = replace(SMALL, series=("wti",))
    recipes = (short, replace(short, seed=2), replace(short, start="2008-01-01"), replace(short, end="2010-01-01"))
    roots = {build(recipe, 4).root for recipe in recipes}
    same = replace(benchmark, batch=2)
    assert len({*roots, benchmark.root, same.root}) == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"series": ()}, "needs series"),
        ({"series": ("sp500", "sp500")}, "different names"),
        ({"series": ("dax",)}, "no packaged series 'dax'"),
        ({"series": ("vix",)}, "series vix: 0 moves before the benchmark begins, sigma needs 250"),
        ({"start": "yesterday"}, "are days like"),
        ({"kinds": ("drift",)}, "'drift' is not a fault of one tick"),
        ({"kinds": ("wrong_asset",)}, "'wrong_asset' is not a fault of one tick and one series"),
        ({"normals": 10**6}, "too few ticks"),
        ({"width": 15}, "from 3 to 14"),
    ],
)
def test_recipes_that_are_none(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        build(replace(SMALL, **changes), 4)


@pytest.mark.parametrize("leaves", range(1, 10))
def test_proofs_of_the_tree(leaves: int) -> None:
    """The check is that of OpenZeppelin's `MerkleProof`: each step hashes the sorted pair."""
    content = [keccak(bytes([number])) for number in range(leaves)]
    tree = MerkleTree(content)
    for index, node in enumerate(content):
        for other in tree.proof(index):
            node = keccak(min(node, other) + max(node, other))
        assert node == tree.root


def test_the_leaf_has_all_of_a_batch(benchmark: Benchmark) -> None:
    """The leaf hashes index, number of batches, windows and labels, twice."""
    windows, labels = benchmark.packed(1)
    assert windows[:2] == (benchmark.windows[4][0] % 2**16).to_bytes(2)
    assert (len(windows), len(labels)) == (4 * 14 * 2, 4)
    padded = windows.ljust(-(-len(windows) // 32) * 32, b"\0")
    words = [1, benchmark.batches, 0x80, 0x80 + 0x20 + len(padded), len(windows)]
    encoded = (
        b"".join(each.to_bytes(32) for each in words) + padded + len(labels).to_bytes(32) + labels.ljust(32, b"\0")
    )
    node = keccak(keccak(encoded))
    for other in benchmark.tree().proof(1):
        node = keccak(min(node, other) + max(node, other))
    assert node == benchmark.root


def test_the_last_batch_may_be_short() -> None:
    built = build(replace(SMALL, series=("sp500",)), 8)
    assert (built.batches, len(built.windows_of(1)), len(built.packed(1)[1])) == (2, 5, 5)


def test_a_file_of_a_benchmark(benchmark: Benchmark, tmp_path: Path) -> None:
    path = tmp_path / "benchmark.json"
    benchmark.save(path)
    assert Benchmark.load(path) == benchmark
    document = json.loads(path.read_text())
    brought = {key: value for key, value in document.items() if key != "root"} | {"recipe": None}
    path.write_text(json.dumps(brought))
    assert Benchmark.load(path).root == benchmark.root

    def refused(message: str, **changes: Any) -> None:
        path.write_text(json.dumps(document | changes))
        with pytest.raises(DataError, match=message):
            Benchmark.load(path)

    rows = document["windows"]
    refused("it was altered", windows=[[2, *rows[0][1:]], *rows[1:]])
    refused("window 0 has 13 integers", windows=[rows[0][:-1], *rows[1:]])
    refused("window 1 is not of integers", windows=[rows[0], [0, 2**15, *rows[1][2:]]])
    refused("labels are from 0", windows=[[5, *rows[0][1:]], *rows[1:]])
    refused("is not a benchmark: format 'x'", format="x")
    refused("batch = 65", batch=65)
    refused("other keys", recipe={})
    path.write_text("{}")
    with pytest.raises(DataError, match="'format' is missing"):
        Benchmark.load(path)
    with pytest.raises(DataError, match="can't be read"):
        Benchmark.load(tmp_path / "none.json")


def test_a_series_of_ones_own(benchmark: Benchmark, tmp_path: Path) -> None:
    """The same values from a file give the same windows; another file is refused."""
    path = tmp_path / "own.csv"
    lines = [f"{reading.observed_at},{reading.value}" for reading in load_series("sp500")]
    path.write_text("\n".join(["day,close", *lines]) + "\n")
    own = replace(SMALL, series=("own",), files={"own": file_hash(path)})
    built = build(own, 4, {"own": path})
    assert build(own, 4, {"own": path}).root == built.root
    with pytest.raises(DataError, match="name it with --csv own=FILE"):
        build(own, 4)
    path.write_text(path.read_text() + "4000000000,1\n")
    with pytest.raises(DataError, match=r"own.csv has the SHA-256 .*, series own is of"):
        build(own, 4, {"own": path})


def test_build_by_command(tmp_path: Path) -> None:
    out = tmp_path / "benchmark.json"
    options = ["--series", "sp500", "--series", "wti", "--normals", "5", "--per-kind", "2", "--batch", "4"]
    done = CliRunner().invoke(oracle, ["card", "build", *options, "--out", str(out)], catch_exceptions=False)
    assert done.output.splitlines() == [f"{out}: 26 windows in 7 batches", f"root 0x{build(SMALL, 4).root.hex()}"]
    assert Benchmark.load(out).recipe == SMALL
    done = CliRunner().invoke(oracle, ["card", "build", "--csv", "own", "--out", str(out)])
    assert done.exit_code == 2 and "write it as NAME=FILE" in done.output
