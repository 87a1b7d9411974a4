"""Tests of the benchmark of large models, with small ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.bench import cases, large
from oracle.bench.large import LargeCase, measure_split
from oracle.proving.artifact import Visibility
from scripts import bench_tables


def test_each_case_has_its_model() -> None:
    assert set(large.MODELS) == set(cases.LARGE) and not set(cases.LARGE) & set(cases.USUAL)
    public, private = (large.MODELS[case] for case in cases.LARGE)
    assert public.weights >= 1_000_000 and public.visibility is Visibility.PUBLIC
    assert private.weights >= 10_000 and private.visibility is Visibility.PRIVATE


@pytest.mark.deep
def test_a_small_one_is_split_proven_and_shown(tmp_path: Path) -> None:
    """One private network, from a file to verified proofs of its verdict, as a row of the table."""
    lines: list[str] = []
    found = measure_split(LargeCase((4, 6, 6, 2), Visibility.PRIVATE, 0.3), tmp_path, lines.append)
    assert found["verified"] and found["visibility"] == "private" and found["weights"] >= 72
    assert found["build_steps_s"]["keys"] > 0 and found["prove_memory_mb"] > 10
    assert found["build_cpu_s"] > 0 and found["prove_cpu_s"] > 0
    report = {
        "split-private-10k": found,
        "repeat": 1,
        "seconds": 60,
        "measured_at": "2026-11-30",
        "machine": {"cpu": "c", "cores": 2, "memory_gb": 1, "system": "s", "load_before": 0},
        "versions": {"python": "3", "ezkl": "23", "anvil": "1", "solc": "0.8.30"},
    }
    assert f"| `split-private-10k` | {found['weights']:,} | 0.3 GiB |" in bench_tables.large(report)
