"""Fixtures of the oracle under attack. It is deployed once per session, and each test finds it unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from oracle.chain.local.anvil import Anvil

pytest.register_assert_rewrite("tests.attack.rig")

from tests.attack.calldata import Calldata  # noqa: E402
from tests.attack.node import GENESIS  # noqa: E402
from tests.attack.proofs import Proofs  # noqa: E402
from tests.attack.rig import ANOMALOUS, ANSWER, COMMITTEE, NORMAL, Rig, Sighting  # noqa: E402


@pytest.fixture(scope="session")
def proofs() -> Iterator[Proofs]:
    with Proofs() as made:
        yield made


@pytest.fixture(scope="session")
def deployed(anvil: Callable[..., Anvil], proofs: Proofs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig.build(proofs, anvil(start_time=GENESIS), tmp_path_factory.mktemp("attacked"))
    yield rig
    rig.close()


@pytest.fixture
def rig(deployed: Rig) -> Iterator[Rig]:
    """Return the hub with a first round on some feeds. A test's changes to the chain are undone afterwards."""
    snapshot = deployed.chain.snapshot()
    yield deployed
    deployed.chain.revert(snapshot)


@pytest.fixture
def normal(rig: Rig) -> Calldata:
    """Return a submission that the hub accepts: round 2 of `solo`."""
    assert rig.state("solo").answer == ANSWER
    return rig.honest("solo", Sighting(NORMAL))


@pytest.fixture
def anomalous(rig: Rig) -> Calldata:
    """Return a submission that the hub holds."""
    return rig.honest("solo", Sighting(ANOMALOUS))


@pytest.fixture
def quorum(rig: Rig) -> Calldata:
    """Return a submission of three of five reporters: round 2 of `trio`. Their answers differ; the middle is normal."""
    low, middle, high = COMMITTEE[:3]
    apart = ANSWER // 1_000
    return rig.honest(
        "trio",
        Sighting(NORMAL - apart, account=low),
        Sighting(NORMAL, account=middle),
        Sighting(NORMAL + apart, account=high),
    )


@pytest.fixture
def fork(rig: Rig, anvil: Callable[..., Anvil]) -> Iterator[Rig]:
    """Return the same oracle on a chain with another id, which split off from the attacked one."""
    with anvil(chain_id=1337, start_time=GENESIS) as chain:
        other = rig.fork(chain)
        yield other
        other.close()
