"""Circuits for integration tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oracle.proving.artifact import Artifact
from tests.circuits import quadratic

Circuits = Callable[..., Artifact]


@pytest.fixture(scope="session")
def circuits() -> Circuits:
    """Build circuits, or find them in the tests' cache: `circuits(batch=4, visibility=Visibility.PUBLIC)`."""
    return quadratic
