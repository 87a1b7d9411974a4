"""Tests of keys that a build takes over: only those of the very circuit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from oracle.proving import artifact
from oracle.proving.artifact.made import Made
from oracle.proving.srs.files import SrsFile, SrsOrigin


@pytest.mark.parametrize("damage", ["graph", "settings", "string", "missing"])
def test_keys_of_another_circuit_are_not_taken_over(tmp_path: Path, damage: str) -> None:
    """Keys are a circuit's if they were made of its graph, at its settings, with this reference string."""
    graph, settings, string = b"graph", {"run_args": {"logrows": 7}}, b"string"
    written = {artifact.MODEL: graph, artifact.SETTINGS: json.dumps(settings).encode(), artifact.SRS: string}
    for name, data in written.items():
        (tmp_path / name).write_bytes(data)
    made = Made(tmp_path, 7, {})
    srs = SrsFile(7, tmp_path / artifact.SRS, hashlib.sha256(string).hexdigest(), SrsOrigin.INSECURE_LOCAL)
    assert made.is_of(graph, settings, srs)
    match damage:
        case "graph":
            (tmp_path / artifact.MODEL).write_bytes(b"Graph")
        case "settings":
            settings = {"run_args": {"logrows": 8}}
        case "string":
            (tmp_path / artifact.SRS).write_bytes(b"String")
        case "missing":
            (tmp_path / artifact.SETTINGS).unlink()
    assert not made.is_of(graph, settings, srs)
