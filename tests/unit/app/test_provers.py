"""Tests that provers are made as the configuration says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oracle.app.provers import make_prover
from oracle.config import ProverConfig, WorkersConfig
from oracle.core.errors import ToolMissing
from oracle.proving.pool.cache import ProofCache


def test_the_configuration_chooses_the_prover(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[tuple[str, dict[str, Any]]] = []
    for kind in ("local", "ray"):
        name = f"{kind.capitalize()}Prover"
        monkeypatch.setattr(f"oracle.app.provers.{name}", lambda artifact, name=name, **o: made.append((name, o)))
    artifact: Any = object()
    make_prover(ProverConfig(workers=3, memory_mb=512, queue=5), artifact, ProofCache(folder=tmp_path))
    make_prover(
        WorkersConfig(workers=3, backend="ray", ray_address="10.0.0.1:6379", memory_mb=512, queue=5),
        artifact,
        ProofCache(),
    )
    [(first, local), (second, cluster)] = made
    assert (first, second) == ("LocalProver", "RayProver")
    assert (local.pop("processes"), cluster.pop("workers"), cluster.pop("address")) == (3, 3, "10.0.0.1:6379")
    assert (local.pop("cache").on_disk, cluster.pop("cache").on_disk) == (True, False)
    assert local.pop("scratch") is None
    assert local == cluster
    assert (local["memory_mb"], local["queue"], local["deadline"]) == (512, 5, 60.0)


def test_a_cluster_needs_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.proving.pool.ray.find_spec", lambda name: None)
    artifact: Any = object()
    with pytest.raises(ToolMissing, match=r"pip install 'verifiable-oracle\[ray\]'"):
        make_prover(WorkersConfig(backend="ray"), artifact, ProofCache())
