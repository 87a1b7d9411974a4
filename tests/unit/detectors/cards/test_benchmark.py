"""Tests of benchmarks of model cards: which windows are drawn, what identifies them, and that they are reproducible."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise
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
from oracle.detectors.cards.recipe import FEATURES, Recipe
from oracle.detectors.registry import packaged
from oracle.detectors.training import reports
from oracle.sources.packaged.series import load_series
from tests.peer_models import peer_model

SMALL = Recipe(series=("sp500", "wti"), peers={"sp500": ("nasdaq",)}, normals=5, per_kind=2)
SP500_SIGMA = 11_434
"""The root mean square of the series' moves until 2006, in ppm."""


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    return build(SMALL, 4)


def test_the_default_benchmark_is_the_same_everywhere() -> None:
    built = build(Recipe(), 16)
    assert built.root.hex() == "024cc6a43532a999425cb805daf2fc6e5eab0feefeb9ccba4e0377c14d3d138c"
    assert (built.batches, len(built.windows)) == (24, 384)
    assert Counter(built.labels) == {0: 192, 1: 48, 2: 48, 3: 48, 4: 48}


@pytest.mark.parametrize("names", [FEATURES, encoding.feature_names(reports.FEATURES)])
@pytest.mark.parametrize("peers", [{}, {"sp500": ("nasdaq",)}, {"sp500": ("wti", "nasdaq")}])
def test_a_window_is_what_the_gate_sees(names: tuple[str, ...], peers: dict[str, tuple[str, ...]]) -> None:
    """A feed has accepted the clean series; the windows are those of its next report, as recorded or with a fault."""
    built = build(Recipe(series=("sp500",), features=names, peers=peers, normals=5, per_kind=2), 4)
    listed = encoding.parse_features(names)
    beside = peers.get("sp500", ())
    sigmas = {"nasdaq": 19_450, "wti": 26_684}
    series = {name: {each.observed_at: each.value for each in load_series(name)} for name in ("sp500", *beside)}
    state = empty_feed(b"\1" * 32, Kind.RELATIVE, SP500_SIGMA, 86_400, 1, peers=[each.encode() for each in beside])
    clean, before_fault = set(), {}
    for time, value in series["sp500"].items():
        answer = encoding.answer_from_decimal(value, 8)
        # A peer's answer is its last one, unless it is older than a heartbeat and a half.
        answers = [series[name].get(time, series[name].get(time - 86_400)) for name in beside]
        given = [encoding.NO_ANSWER if each is None else encoding.answer_from_decimal(each, 8) for each in answers]
        seen = [
            encoding.PeerAnswer(Kind.RELATIVE, sigmas[name], each) for name, each in zip(beside, given, strict=True)
        ]
        window = encoding.features(state, answer, time, listed, tolerance=0, peers=seen)
        clean.add(window)
        before_fault[window[1:]] = (state, answer, time, seen)
        accepted = judge(
            state,
            HoldPolicy(1, 1, 0),
            answer,
            time,
            (-1,),
            score_unit=1,
            published_at=0,
            peer_answers=given,
        )
        state = accepted.state
    assert Counter(built.labels) == {0: 5, 1: 2, 2: 2, 3: 2, 4: 2}
    for window, label in zip(built.windows, built.labels, strict=True):
        assert window[1:] in before_fault
        assert (window in clean) == (label == 0)
        if label:
            state, answer, time, seen = before_fault[window[1:]]
            percent = (3, 5, 10, 20)[label - 1]
            faulty = {answer * (100 + sign * percent) // 100 for sign in (-1, 1)}
            moves = {encoding.features(state, each, time, listed, tolerance=0, peers=seen)[0] for each in faulty}
            # The fault is rounded to the series' own decimals.
            assert min(abs(window[0] - each) for each in moves) <= 1


def test_the_feature_list_changes_nothing_else(benchmark: Benchmark) -> None:
    """Models of different lists are asked about the same ticks: each sees its own part of the same windows."""
    names = encoding.feature_names(reports.FEATURES)
    whole = build(replace(SMALL, features=names), 4)
    taken = [names.index(name) for name in SMALL.features]
    assert whole.labels == benchmark.labels and whole.width == len(names)
    assert tuple(tuple(window[at] for at in taken) for window in whole.windows) == benchmark.windows
    swapped = build(replace(SMALL, features=("gap", "move")), 4)
    assert swapped.windows == tuple((window[-1], window[0]) for window in benchmark.windows)


def test_windows_without_a_peer_see_none(benchmark: Benchmark) -> None:
    moved, seen = (SMALL.features.index(name) for name in ("peer_move_0", "peer_seen_0"))
    alone = build(replace(SMALL, peers={}), 4)
    assert {(window[moved], window[seen]) for window in alone.windows} == {(0, 0)}
    # Half of the windows are of wti, which has no peer.
    assert Counter(window[seen] for window in benchmark.windows) == {0: 13, 1: 13}


def test_an_answer_that_the_hub_never_accepts_is_nobodys_past(tmp_path: Path) -> None:
    """The feed's last accepted answer stays the one before; no window is drawn of the tick itself, or of the next."""
    rows = [(reading.observed_at, reading.value) for reading in load_series("sp500")]
    day = next(at for at, (time, _) in enumerate(rows) if time > dt.datetime(2008, 1, 10, tzinfo=dt.UTC).timestamp())
    path = tmp_path / "own.csv"
    lines = [f"{time},{0 if at == day else value}" for at, (time, value) in enumerate(rows)]
    path.write_text("\n".join(["time,value", *lines]) + "\n")
    start, end = (dt.datetime.fromtimestamp(rows[day + at][0], dt.UTC).date().isoformat() for at in (-1, 2))
    own = Recipe(series=("own",), peers={}, start=start, end=end, normals=2, per_kind=0, files={"own": file_hash(path)})
    windows = build(own, 2, {"own": path}).windows
    with pytest.raises(DataError, match="too few ticks"):
        build(replace(own, normals=3), 2, {"own": path})
    answers = [encoding.answer_from_decimal(value, 8) for _, value in rows]
    before_start = answers[: day - 1]
    moves = [
        encoding.truncated_quotient((now - before) * 10**6, min(now, before)) for before, now in pairwise(before_start)
    ]
    sigma = math.isqrt(sum(move * move for move in moves) // len(moves))
    across = encoding.move(Kind.RELATIVE, sigma, answers[day + 1], answers[day - 1])
    assert {window[1] for window in windows} == {
        across,
        encoding.move(Kind.RELATIVE, sigma, answers[day - 2], answers[day - 3]),
    }


def test_the_default_features_are_the_packaged_models() -> None:
    assert encoding.feature_names(packaged().features) == FEATURES


def test_what_the_hub_decides_alone_is_left_out() -> None:
    """The hub decides on all decimal shifts, zeros and negative answers of such series, so none is left to draw."""
    for kind in ("decimal_shift", "zero", "negative"):
        with pytest.raises(DataError, match="series sp500: too few ticks from 2018-01-01"):
            build(replace(SMALL, kinds=(kind,), start="2018-01-01"), 4)


def test_another_recipe_is_another_root(benchmark: Benchmark) -> None:
    short = replace(SMALL, series=("wti",), peers={})
    peered = replace(short, peers={"wti": ("sp500",)})
    recipes = (
        short,
        peered,
        replace(short, seed=2),
        replace(short, start="2008-01-01"),
        replace(short, end="2010-01-01"),
    )
    roots = {build(recipe, 4).root for recipe in recipes}
    same = replace(benchmark, batch=2)
    assert len({*roots, benchmark.root, same.root}) == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"series": ()}, "needs series"),
        ({"series": ("sp500", "sp500")}, "different names"),
        ({"series": ("dax",), "peers": {}}, "no packaged series 'dax'"),
        ({"peers": {"sp500": ("dax",)}}, "no packaged series 'dax'"),
        ({"peers": {"nasdaq": ("sp500",)}}, "'nasdaq' has peers, but no windows are drawn from it: sp500, wti"),
        ({"peers": {"sp500": ("sp500",)}}, "the peers of sp500 are sp500: name 1 to 2 other series"),
        ({"peers": {"sp500": ("wti", "wti")}}, "each once"),
        ({"peers": {"sp500": ("wti", "nasdaq", "vix")}}, "name 1 to 2"),
        ({"series": ("vix",), "peers": {}}, "series vix: 0 moves before the benchmark begins, sigma needs 250"),
        ({"start": "yesterday"}, "are days like"),
        ({"kinds": ("drift",)}, "'drift' is not a fault of one tick"),
        ({"kinds": ("wrong_asset",)}, "'wrong_asset' is not a fault of one tick and one series"),
        ({"normals": 10**6}, "too few ticks"),
        ({"features": ("move", "volume")}, "unknown feature 'volume'"),
        ({"features": ("past_0", "gap")}, 'needs "move"'),
        ({"features": ("move", "gap", "gap")}, "'gap' twice"),
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
    assert (len(windows), len(labels)) == (4 * 8 * 2, 4)
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
    refused("window 0 has 7 integers", windows=[rows[0][:-1], *rows[1:]])
    refused("window 1 is not of integers", windows=[rows[0], [0, 2**15, *rows[1][2:]]])
    refused("labels are from 0", windows=[[5, *rows[0][1:]], *rows[1:]])
    refused("is not a benchmark: format 'x'", format="x")
    refused("batch = 65", batch=65)
    refused("other keys", recipe={})
    refused("is not a benchmark", recipe=document["recipe"] | {"peers": ["sp500"]})
    refused("unknown feature", recipe=document["recipe"] | {"features": ["move", "x"]})
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
    own = replace(SMALL, series=("own",), peers={"own": ("wti",)}, files={"own": file_hash(path)})
    built = build(own, 4, {"own": path})
    assert build(own, 4, {"own": path}).root == built.root
    with pytest.raises(DataError, match="name it with --csv own=FILE"):
        build(own, 4)
    path.write_text(path.read_text() + "4000000000,1\n")
    with pytest.raises(DataError, match=r"own.csv has the SHA-256 .*, series own is of"):
        build(own, 4, {"own": path})


def test_build_by_command(tmp_path: Path) -> None:
    out = tmp_path / "benchmark.json"
    size = ("--normals", "5", "--per-kind", "2", "--batch", "4", "--out", str(out))

    def built(*options: str) -> Recipe | None:
        done = CliRunner().invoke(oracle, ["card", "build", *options, *size], catch_exceptions=False)
        loaded = Benchmark.load(out)
        if "--json" in options:
            found = {"benchmark": str(out), "windows": 26, "batches": 7, "root": f"0x{loaded.root.hex()}"}
            assert json.loads(done.output) == found
        else:
            assert done.output.splitlines() == [f"{out}: 26 windows in 7 batches", f"root 0x{loaded.root.hex()}"]
        assert loaded.recipe is not None and loaded.root == build(loaded.recipe, 4).root
        return loaded.recipe

    series = ("--series", "sp500", "--series", "wti")
    assert built() == Recipe(normals=5, per_kind=2)
    assert built(*series, "--json") == SMALL
    assert built(*series, "--peer", "wti=sp500", "--peer", "wti=nasdaq") == replace(
        SMALL, peers={"wti": ("sp500", "nasdaq")}
    )
    assert built(*series, "--features", "gap, move, count") == replace(SMALL, features=("gap", "move", "count"))
    # A model may see a spread, and both peers; its file says in which order.
    model = tmp_path / "model.json"
    model.write_text(peer_model().to_json())
    assert built(*series, "--model", str(model)) == replace(
        SMALL, features=encoding.feature_names(peer_model().features)
    )
    for options, message in (
        (("--csv", "own"), "write it as NAME=FILE"),
        (("--peer", "sp500"), "write it as SERIES=PEER"),
        (("--model", str(model), "--features", "move"), "exclude each other"),
    ):
        done = CliRunner().invoke(oracle, ["card", "build", *options, *size])
        assert done.exit_code == 2 and message in done.output
