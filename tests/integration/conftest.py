"""Fixtures with circuits for integration tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oracle.proving.artifact import Artifact
from tests.circuits import quadratic

Circuits = Callable[..., Artifact]


@pytest.fixture(scope="session")
def circuits() -> Circuits:
    """Return a function that builds or finds circuits: `circuits(batch=4, visibility=Visibility.PUBLIC)`."""
    return quadratic
