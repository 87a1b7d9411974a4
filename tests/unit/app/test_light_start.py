"""A node that only answers loads nothing that proves, computes or sends: that would take time and memory."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("ezkl", "web3", "onnx", "onnxruntime", "numpy", "scipy", "pandas", "ray", "oracle.proving", "oracle.detectors",
         "oracle.chain.tx.submit", "oracle.feeds.shadows", "oracle.app.running", "oracle.app.provers")  # fmt: skip


def loaded(*modules: str) -> set[str]:
    """Return which of the heavy modules are loaded once these are imported."""
    code = f"import sys, {', '.join(modules)}; print(*(each for each in {HEAVY!r} if each in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return set(found.stdout.split())


def test_a_node_that_only_answers_loads_nothing_heavy() -> None:
    assert loaded("oracle.app.run", "oracle.app.answering") == set()


def test_what_starts_members_loads_no_numbers() -> None:
    assert not {"numpy", "onnx", "ezkl"} & loaded("oracle.app.local_network.process")


def test_a_node_that_transmits_does() -> None:
    """Without this, the test above could fail to see anything."""
    assert {"oracle.proving", "oracle.detectors", "oracle.app.provers"} <= loaded("oracle.app.transmitting")
