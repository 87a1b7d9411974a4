"""The oracle under attack, deployed once per session; each test finds it as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from oracle.chain.hub import Submission
from oracle.chain.local.anvil import Anvil

pytest.register_assert_rewrite("tests.attack.rig")

from tests.attack.rig import ANOMALOUS, ANSWER, GENESIS, NORMAL, Proofs, Rig, Sighting  # noqa: E402


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
    """The hub with a first round on some feeds. Whatever a test does to the chain is undone."""
    snapshot = deployed.chain.rpc("evm_snapshot")
    yield deployed
    assert deployed.chain.rpc("evm_revert", snapshot)


@pytest.fixture
def normal(rig: Rig) -> Submission:
    """A submission that the hub accepts: round 2 of `solo`."""
    assert rig.state("solo").answer == ANSWER
    return rig.honest("solo", Sighting(NORMAL))


@pytest.fixture
def anomalous(rig: Rig) -> Submission:
    """A submission that the hub holds."""
    return rig.honest("solo", Sighting(ANOMALOUS))


@pytest.fixture
def quorum(rig: Rig) -> Submission:
    """A submission of two of three reporters: round 2 of `trio`. Its answer is the higher one."""
    return rig.honest("trio", Sighting(NORMAL - ANSWER // 1_000, 590, 2), Sighting(NORMAL, 600, 3))


@pytest.fixture
def fork(rig: Rig, anvil: Callable[..., Anvil]) -> Iterator[Rig]:
    """The oracle as it is on a chain with another id that split off from the attacked one."""
    with anvil(chain_id=1337, start_time=GENESIS) as chain:
        other = rig.fork(chain)
        yield other
        other.close()
