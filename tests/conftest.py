"""What all tests share. Tests that open sockets live in tests/integration and tests/contracts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from oracle.chain.local import toolchain
from oracle.chain.local.anvil import Anvil, load_anvil_config
from tests.postgres import Postgres

pytest.register_assert_rewrite("tests.proving_conformance")

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers fill the cores: a proof with a thread for each core takes longer beside them, and more of their time.
    os.environ.setdefault("RAYON_NUM_THREADS", "1")

# Derandomised: a run that failed fails again. No deadline: the first example may load a library.
settings.register_profile("project", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


@pytest.fixture(autouse=True)
def _log_as_by_default() -> Iterator[None]:
    """A command run in this process configures the log for itself, not for the tests after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The repository."""
    return toolchain.project_root(Path(__file__).parent)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, started when it is first asked for."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def anvil(project_root: Path) -> Iterator[Callable[..., Anvil]]:
    """Starts local chains, each on a port of its own: `chain = anvil(start_time=1_600_000_000)`.

    They are those of anvil.toml, with the given keys replaced, and stop with the session; stop one earlier by
    using it as a context manager or with `chain.stop()`.
    """
    with ExitStack() as running:

        def start(**overrides: Any) -> Anvil:
            config = load_anvil_config(project_root / "anvil.toml", **{"port": 0, **overrides})
            chain = Anvil(config)
            running.callback(chain.stop)
            return chain.start()

        yield start
