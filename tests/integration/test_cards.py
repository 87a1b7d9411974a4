"""Tests of proven cards from end to end: the page's example as written, and the card of a public model of scores."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from oracle.chain.local.anvil import Anvil
from oracle.core.encoding import feature_names
from oracle.detectors.cards.benchmark import Benchmark
from oracle.detectors.cards.card import count
from oracle.detectors.cards.drawing import build
from oracle.detectors.cards.recipe import Recipe
from oracle.detectors.interface import Disclosure
from oracle.detectors.registry import load, packaged
from tests.circuits import artifacts
from tests.integration.workspace import Workspace, feed

SMALL = "--normals 2 --per-kind 1 --batch 4"
"""Twelve windows in place of the page's 384: three proofs."""


def test_the_example_as_written(
    project_root: Path, tmp_path: Path, anvil: Callable[..., Anvil], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and commands are the page's, apart from the size, the chain's port, the salt and the folder of circuits."""
    page = (project_root / "docs" / "model-card.md").read_text()
    text = page.split("\n## A worked example\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```(python|toml)\n(.*?)^```|^    oracle ([a-z][^\n]*)$", text, re.MULTILINE | re.DOTALL)
    chain, told = anvil(), {}
    workspace = Workspace(tmp_path, chain)
    monkeypatch.chdir(tmp_path)
    for language, code, command in blocks:
        if language == "python":
            exec(compile(code, "model-card.md", "exec"), {})
        elif code.startswith("[[data]]"):
            (tmp_path / "train.toml").write_text(f'salt = "{"5a17" * 8}"\n{code}')
        elif language == "toml":
            for old, new in (
                ("http://127.0.0.1:8545", chain.rpc_url),
                ('"artifacts"', f'"{artifacts()}"'),
                ("batch_sizes = [1, 16]", "batch_sizes = [1, 4]"),
            ):
                assert old in code
                code = code.replace(old, new)
            (tmp_path / "oracle.toml").write_text(code)
        else:
            if command.startswith("card build"):
                command += f" {SMALL}"
            command = command.replace("--artifacts artifacts", f"--artifacts {artifacts()}")
            done = workspace.run(*shlex.split(command.replace("http://127.0.0.1:8545", chain.rpc_url)))
            assert done.returncode == 0, (command, done.stderr)
            told[" ".join(command.split()[:2])] = done.stdout
    assert list(told) == [
        "detector train",
        "card build",
        "card prove",
        "card verify",
        "deploy",
        "card publish",
        "card show",
    ]

    # The model is private, and a window's verdict is one number: 1 or 0.
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["model"]["disclosure"] == "verdict" and card["model"]["outputs"] == 1
    assert int(card["model"]["model_hash"], 16) > 0
    rows = [row for batch in card["batches"] for row in batch["scores"]]
    assert {tuple(row) for row in rows} == {(0,), (1,)}
    benchmark = Benchmark.load(tmp_path / "benchmark.json")
    model = load(tmp_path / "models" / "indices.json", Disclosure.VERDICT)
    assert [tuple(row) for row in rows] == [model.score_int(window) for window in benchmark.windows]
    assert "3 of 3 verified" in told["card verify"] and "the card is what it says" in told["card verify"]
    summary = card["summary"]
    assert f"faults caught   {summary['caught']} of {summary['faults']}" in told["card show"]
    assert "verifier: key from the architecture, bytecode from the key" in told["card show"]
    assert "complete" in told["card show"] and card["model"]["model_hash"][2:] in told["card show"]

    # The figures of the text are those of the whole benchmark, which the model judges here without proofs.
    whole = build(Recipe(features=feature_names(model.features)), 16)
    found = count(whole, [tuple(model.score_int(window) for window in whole.windows)])
    for kind, (faults, caught) in found.by_kind.items():
        assert f"      {kind}: {caught} of {faults} caught\n" in text
    assert f"faults caught   {found.caught} of {found.faults}\n" in text
    assert f"false holds     {found.false_holds} of {found.normals} normal windows\n" in text
    assert f"benchmark root  0x{whole.root.hex()}\n" in text


def test_a_public_model_of_scores(tmp_path: Path, anvil: Callable[..., Anvil]) -> None:
    """The packaged model has nothing to hide: its card has exact scores, no hash, and counts on the chain too."""
    workspace = Workspace(tmp_path, anvil())
    source = '{ type = "packaged", series = "sp500" }'
    workspace.configure(feed("a", source, min_sources=1), prover="batch_sizes = [1, 4]")
    for command in (f"card build {SMALL}", "card prove benchmark.json", "card verify card.json", "deploy"):
        done = workspace.run(*command.split())
        assert done.returncode == 0, (command, done.stderr)
    done = workspace.run("card", "publish", "card.json", "--json")
    assert done.returncode == 0, done.stderr
    published = json.loads(done.stdout)["card"]
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["model"]["model_hash"], card["model"]["disclosure"]) == (None, "score")
    benchmark, model = Benchmark.load(tmp_path / "benchmark.json"), packaged()
    rows = [tuple(row) for batch in card["batches"] for row in batch["scores"]]
    assert rows == [model.score_int(window) for window in benchmark.windows] and len(rows[0]) == 2
    assert (published["model_hash"], published["complete"]) == (0, True)
    assert (published["caught"], published["faults"]) == (card["summary"]["caught"], card["summary"]["faults"])
