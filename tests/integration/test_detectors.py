"""Trained detectors in circuits: every kind's witness is its integer reference; one is deployed, and gates a feed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.detectors.interface import Disclosure
from oracle.proving.child import EngineProcess
from tests.detector_conformance import check_circuit
from tests.unit.test_detectors import fitted


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    with EngineProcess() as found:
        yield found


@pytest.mark.parametrize(
    ("kind", "batch", "most_rows"),
    [
        ("cap", 2, 60),
        ("cap-static", 1, 60),
        ("arch-window", 1, 400),
        ("arch-window", 3, 650),
        ("cross-source", 1, 500),
        ("mahalanobis", 1, 500),
        ("autoencoder", 1, 2_500),
        ("imported", 2, 800),
    ],
)
def test_the_witness_is_the_reference(
    engine: EngineProcess, tmp_path: Path, kind: str, batch: int, most_rows: int
) -> None:
    assert check_circuit(fitted(kind), engine, tmp_path, batch) <= most_rows


@pytest.mark.parametrize("kind", ["arch-window", "mahalanobis"])
def test_the_witness_of_verdicts_is_the_reference(engine: EngineProcess, tmp_path: Path, kind: str) -> None:
    check_circuit(fitted(kind).publishing(Disclosure.VERDICT), engine, tmp_path)
