"""Tests of the vectors that a contract's own detector with a peer is compared with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.bench.rivals import ONCHAIN
from oracle.detectors.registry import packaged
from scripts import make_peers_vectors


def test_the_vectors_are_those_that_the_script_writes(project_root: Path) -> None:
    command = [sys.executable, "-m", "scripts.make_peers_vectors", "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, cwd=project_root)
    assert checked.returncode == 0, f"run `python -m scripts.make_peers_vectors`: {checked.stderr}"


def test_the_check_of_the_vectors_can_fail(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = json.loads((project_root / "tests/vectors/peers.json").read_text(encoding="utf-8"))
    table["default"]["own"][0] += "0"
    changed = tmp_path / "peers.json"
    changed.write_text(json.dumps(table, indent=1) + "\n")
    monkeypatch.setattr(make_peers_vectors, "TARGET", changed)
    assert make_peers_vectors.main(["--check"]) == 1
    assert make_peers_vectors.main([]) == 0
    assert changed.read_text() == (project_root / "tests/vectors/peers.json").read_text()


def test_the_vectors_have_the_packaged_models_weights(project_root: Path) -> None:
    table = json.loads((project_root / "tests/vectors/peers.json").read_text(encoding="utf-8"))["default"]
    weights = [int(weight) for weight in table["weights"].values()]
    assert tuple(weights) == ONCHAIN["peers"].constructor(packaged())


def test_some_windows_are_the_last_that_is_accepted_and_the_next(project_root: Path) -> None:
    """A step of the move is a step of the score, so both are on the edge; and a verdict is a score above zero."""
    table = json.loads((project_root / "tests/vectors/peers.json").read_text(encoding="utf-8"))
    for of in table.values():
        moves, held = [int(move) for move in of["move"]], [verdict == "1" for verdict in of["held"]]
        # Eleven extreme windows and those that are drawn come first.
        start = 11 + make_peers_vectors._WINDOWS
        pairs = list(zip(moves[start:], held[start:], strict=True))
        edges = list(zip(pairs[::2], pairs[1::2], strict=True))
        assert len(edges) > 5
        assert all(not low[1] and high == (low[0] + 1, True) for low, high in edges)
        scores = zip(of["own"], of["peer"], of["peerSeen"], held, strict=True)
        assert all((int(own) > 0 or (seen == "1" and int(peer) > 0)) is verdict for own, peer, seen, verdict in scores)
        assert all(int(score) % 4 == 0 for score in (*of["own"], *of["peer"]))
