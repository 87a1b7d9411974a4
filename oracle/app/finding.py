"""Finding on the chain what was deployed, and whether this process can report for its committees."""

from __future__ import annotations

from collections.abc import Mapping

from oracle.chain.deploy import Deployment
from oracle.chain.hub import Committee, Hub
from oracle.chain.reach import joins, out_of_reach, own_problem
from oracle.chain.rpc import Rpc
from oracle.config import Config, too_few
from oracle.core.errors import ConfigError, DeploymentError

__all__ = ["find_hub", "require_quorum"]


async def find_hub(config: Config, deployment: Deployment, rpc: Rpc) -> Hub:
    """Return the deployed hub, once the chain has shown that it is there with the configured feeds.

    Raises:
        ConfigError: The deployment file is of another chain, or does not have a feed.
        DeploymentError: The hub is not on the chain, or does not have a feed.
        ChainUnavailable: The chain does not answer.
    """
    if deployment.chain_id != await rpc.chain_id():
        raise ConfigError(
            f"{config.chain.deployment} is of chain {deployment.chain_id}, but the RPC serves "
            f"{await rpc.chain_id()}: name that chain's deployment file in [chain] deployment"
        )
    for feed in config.feeds:
        if feed.name not in deployment.feeds:
            raise ConfigError(f"feed {feed.name} is not in {config.chain.deployment}: run `oracle deploy` again")
    hub = Hub(rpc, deployment.hub)
    await hub.find({feed.name: deployment.feeds[feed.name].feed_id for feed in config.feeds})
    return hub


async def require_quorum(config: Config, deployment: Deployment, hub: Hub, reporter: str) -> None:
    """Make sure that a process can meet the quorum of each committee, by itself or with the members of its network.

    A new member may start before the hub has its key, once that is proposed: it signs nothing until it is active.

    Args:
        reporter: The address of its reporter key.

    Raises:
        ConfigError: The key is not that of a member.
        DeploymentError: It can't; the message says why.
        ChainUnavailable: The chain does not answer.
    """
    if problem := own_problem(config, reporter):
        raise ConfigError(problem)
    now = (await hub.rpc.block()).timestamp if config.network is not None else 0
    for name, found in (await _found_committees(config, deployment, hub)).items():
        members = config.members_of(name)
        problem = out_of_reach(found.reporters, found.quorum, [reporter], members)
        if members and joins(found, reporter, now):
            problem = out_of_reach(found.proposed, found.proposed_quorum or 1, [reporter], members)
        elif members and config.network is not None:
            problem = problem or too_few(found.quorum, config.network.faulty)
        if problem:
            raise DeploymentError(f"committee {name}: {problem}")


async def _found_committees(config: Config, deployment: Deployment, hub: Hub) -> Mapping[str, Committee]:
    """Return the committees of the configured feeds as the hub has them, by name."""
    names = sorted({deployment.feeds[feed.name].committee for feed in config.feeds})
    return {name: await hub.committee(deployment.committees[name].number) for name in names}
