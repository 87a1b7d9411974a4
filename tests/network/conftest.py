"""A network of four members that the tests of a module share: real processes, real HTTP, real proofs, a real chain."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from oracle.app.local_network import FeedLayout, Layout, LocalNetwork
from tests import circuits
from tests.network.prices import price

TURN_S = 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalNetwork]:
    """Return the running network, as it was left by the test before."""
    layout = Layout(turn_s=TURN_S, feeds=(FeedLayout("one"),))
    folder = tmp_path_factory.mktemp("network")
    async with LocalNetwork(layout, folder, circuits.artifacts(), prices=price) as network:
        yield network


@pytest_asyncio.fixture(loop_scope="module")
async def network(running: LocalNetwork) -> LocalNetwork:
    """Return the network with all members running and honest, and all links whole. It has made a round.

    A test that uses it has `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
    """
    for member in running.members:
        running.misbehave(member.place.index, {})
        running.prices.troubles.pop(member.name, None)
    for link in running.links.values():
        link.heal()
        link.delay_s = 0.0
    gone = [member.place.index for member in running.members if not member.runs]
    if gone:
        await running.start_all(gone, faulty=gone)
        await running.until_rounds(1)
    return running
