"""A node: the parts that every running oracle has, whether it proves and sends, or only answers with what it sees."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from oracle.app.finding import find_hub, require_quorum
from oracle.app.keys import open_key
from oracle.chain.connect import connect
from oracle.chain.deploy import Deployment, load_deployment
from oracle.chain.hub import Hub
from oracle.chain.keys.signer import ReporterKey
from oracle.chain.listener import ChainListener
from oracle.chain.rpc import Rpc
from oracle.config import Config, JournalConfig
from oracle.core.errors import JournalUnavailable
from oracle.feeds.journal import Journal, open_journal
from oracle.feeds.journal.readings import ReadingsArchive

__all__ = ["Node", "open_node"]

STANDBY_S = 0.5
"""Seconds between two tries of a standby to lead."""


@dataclass(frozen=True)
class Node:
    """The parts that every running oracle has.

    Attributes:
        config: The configuration.
        env: The environment, for passwords.
        deployment: The contracts' addresses.
        rpc: The chain.
        hub: The hub.
        journal: The journal, which this node leads.
        key: The reporter's key.
        readings: Has the documents behind the reporter's answers.
        clock: Unix seconds.
    """

    config: Config
    env: Mapping[str, str]
    deployment: Deployment
    rpc: Rpc
    hub: Hub
    journal: Journal
    key: ReporterKey
    readings: ReadingsArchive
    clock: Callable[[], float]

    @property
    def reporter(self) -> str:
        """The address of the key that signs reports, checksummed."""
        return self.key.address

    @property
    def feed_ids(self) -> Mapping[str, bytes]:
        """The ids of all deployed feeds, by name."""
        return {name: feed.feed_id for name, feed in self.deployment.feeds.items()}


@contextlib.asynccontextmanager
async def open_node(
    config: Config,
    env: Mapping[str, str],
    *,
    on_chain: ChainListener | None = None,
    on_standby: Callable[[str | None], None],
    clock: Callable[[], float],
) -> AsyncIterator[Node]:
    """Open what every running oracle has, and close it in reverse.

    Args:
        config: The configuration.
        env: The environment, for passwords.
        on_chain: Notified of endpoints.
        on_standby: Called with the daemon that leads; with None once this one leads.
        clock: Unix seconds.

    Raises:
        ConfigError: The deployment file is of another chain, or does not have a feed; or the reporter is no member.
        DeploymentError: The hub is not on the chain, or does not have a feed; or the quorum of a committee is out of
            reach.
    """
    async with contextlib.AsyncExitStack() as stack:
        deployment = load_deployment(config.chain.deployment)
        rpc = await stack.enter_async_context(connect(config.chain, on_chain))
        hub = await find_hub(config, deployment, rpc)
        journal = stack.enter_context(await _lead(config.journal, env, on_standby))
        account = await open_key(config.keys.reporter, rpc, env)
        key = ReporterKey(account, deployment.chain_id, deployment.hub)
        await require_quorum(config, deployment, hub, key.address)
        readings = ReadingsArchive(journal.store, clock)
        yield Node(config, env, deployment, rpc, hub, journal, key, readings, clock)


async def _lead(config: JournalConfig, env: Mapping[str, str], on_standby: Callable[[str | None], None]) -> Journal:
    """Open the journal, and wait until this daemon is the one that writes to it."""
    journal = await asyncio.to_thread(open_journal, config, env, standby=config.standby)
    told: str | None = None
    try:
        while not journal.is_leader:
            try:
                if await asyncio.to_thread(journal.try_lead):
                    break
                leader = (await asyncio.to_thread(journal.leader)).holder or "another daemon"
            except JournalUnavailable:
                leader = "nobody: the database does not answer"
            if leader != told:
                on_standby(leader)
                told = leader
            await asyncio.sleep(STANDBY_S)
    except BaseException:
        journal.close()
        raise
    on_standby(None)
    return journal
