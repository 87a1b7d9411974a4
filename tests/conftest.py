"""Fixtures that all tests share. Tests that open sockets live in tests/integration and tests/contracts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from oracle.chain.local import toolchain
from oracle.chain.local.anvil import Anvil, load_anvil_config
from tests.distribution import Distribution, in_order
from tests.postgres import Postgres
from tests.rewriting import rewrite_share
from tests.staying_solc import StayingSolc

pytest.register_assert_rewrite("tests.proving_conformance")

if "PYTEST_XDIST_WORKER" in os.environ:
    # The test workers use all cores. A proof with a thread for each core would take longer and slow the others down,
    # and threads of numpy wait for each other in a loop.
    for _threads in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(_threads, "1")

# The terminal of whoever runs the tests decides nothing; the workers have its width in a variable.
for _variable in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
    os.environ.pop(_variable, None)

# Derandomised, so that a failure can be repeated. No deadline: the first example may load a library.
settings.register_profile("project", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Make this worker's share of the tests' bytecode."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        rewrite_share(session.config, Path(__file__).parent, number, int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into the order in which they run."""
    items[:] = in_order(items, lambda item: item.nodeid)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Distribution | None:
    """Return the distribution to workers that run whole files; None: xdist has one for any other `--dist`."""
    return Distribution(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(autouse=True)
def _log_as_by_default() -> Iterator[None]:
    """Restore the log after each test, because a command that runs in this process configures it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Return the folder of the repository."""
    return toolchain.project_root(Path(__file__).parent)


@pytest.fixture(scope="session", autouse=True)
def staying_solc() -> Iterator[StayingSolc]:
    """Compile verifiers with a solc that is loaded once."""
    solc = StayingSolc()
    with solc.in_place():
        yield solc


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a real PostgreSQL, started when it is first used."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def anvil(project_root: Path) -> Iterator[Callable[..., Anvil]]:
    """Return a function that starts local chains, each on its own port: `chain = anvil(start_time=1_600_000_000)`.

    A chain has the settings of anvil.toml, with the given keys replaced, and stops with the session. To stop one
    earlier, use it as a context manager or call `chain.stop()`.
    """
    with ExitStack() as running:

        def start(**overrides: Any) -> Anvil:
            config = load_anvil_config(project_root / "anvil.toml", **{"port": 0, **overrides})
            chain = Anvil(config)
            running.callback(chain.stop)
            return chain.start()

        yield start
