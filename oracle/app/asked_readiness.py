"""Readiness as commands ask for it, once: a node's configuration, keys, artifacts and journal against the chain.

`oracle doctor`, `oracle config check --chain` and `oracle status` show what `ask_readiness` returns.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial

from oracle.app.budget import budget_obstacle
from oracle.app.circuits import deployed_artifact
from oracle.app.keys import address_of
from oracle.app.readiness import KEYS, gas_of_reports, node_facts, silent_members
from oracle.chain.connect import connect
from oracle.chain.deploy import Deployment, load_deployment
from oracle.chain.hub import Hub
from oracle.chain.obstacles import NodeFacts
from oracle.chain.reach import own_problem
from oracle.chain.readiness import Readiness, ReadinessReader, unreadable
from oracle.chain.rpc import Rpc
from oracle.config import Config
from oracle.core.errors import ArtifactError, ConfigError, DeploymentError, KeystoreError, OracleError
from oracle.core.obstacles import Obstacle, ObstacleKind
from oracle.feeds.journal import Journal, open_journal

__all__ = ["ask_readiness"]


async def ask_readiness(
    config: Config, env: Mapping[str, str], rpc: Rpc | None = None, *, clock: Callable[[], float] = time.time
) -> Readiness:
    """Ask chain and members once whether reports of the configured node would be taken.

    Args:
        config: The configuration.
        env: The environment, for passwords.
        rpc: The chain, if it is open already; None: it is opened and closed.
        clock: Unix seconds.

    Returns:
        How ready the node is. Whatever can't be read is an obstacle: nothing is raised.
    """
    try:
        deployment = load_deployment(config.chain.deployment)
        async with contextlib.AsyncExitStack() as stack:
            here = rpc if rpc is not None else await stack.enter_async_context(connect(config.chain))
            if deployment.chain_id != (served := await here.chain_id()):
                detail = f"{config.chain.deployment} is of chain {deployment.chain_id}, but the RPC serves {served}"
                remedy = "name that chain's deployment file in [chain] deployment"
                return Readiness((Obstacle(ObstacleKind.DEPLOYMENT, "", detail, remedy),))
            journal = _journal(config, env, stack)
            facts, found = await _own(config, deployment, here, env, clock)
            facts = replace(facts, gas=gas_of_reports(journal))
            read = await ReadinessReader(Hub(here, deployment.hub), clock).read(facts)
            if facts.payer is not None and journal is not None and read.max_fee is not None:
                spent = budget_obstacle(journal, config.budget.wei_per_day, read.max_fee, clock)
                found += [] if spent is None else [spent]
            return replace(read, obstacles=(*found, *read.obstacles))
    except DeploymentError as error:
        return Readiness((Obstacle(ObstacleKind.DEPLOYMENT, "", str(error), ""),), error=error)
    except OracleError as error:
        return Readiness((unreadable(error),), error=error)


async def _own(
    config: Config, deployment: Deployment, rpc: Rpc, env: Mapping[str, str], clock: Callable[[], float]
) -> tuple[NodeFacts, list[Obstacle]]:
    """Return the facts about this node, and the obstacles that keys and files show by themselves."""
    found: list[Obstacle] = []
    facts, transmits = node_facts(config, deployment), config.network is None or config.network.is_transmitter
    try:
        reporter = await address_of(config.keys.reporter, rpc, env)
        facts = replace(facts, reporter=reporter)
        if problem := own_problem(config, reporter):
            found.append(Obstacle(ObstacleKind.REPORTER, "", problem, ""))
    except KeystoreError as error:
        facts = replace(facts, keyless=str(error))
    if transmits:
        try:
            facts = replace(facts, payer=await address_of(config.keys.submitter, rpc, env))
        except KeystoreError as error:
            found.append(Obstacle(ObstacleKind.FUNDS, "", f"the submitter's key is not here: {error}", KEYS))
        facts = replace(facts, unprovable=cache(partial(_unprovable, config, deployment)))
    try:
        facts = replace(facts, silent=await silent_members(config, facts.reporter, clock))
    except ConfigError as error:
        found.append(Obstacle(ObstacleKind.SILENT, "", str(error), "correct [network] ca_file"))
    return facts, found


def _journal(config: Config, env: Mapping[str, str], stack: contextlib.AsyncExitStack) -> Journal | None:
    """Open the journal to read it; None if there is none, or if it can't be read: `oracle journal check` says why."""
    if config.journal.path is not None and not config.journal.path.exists():
        return None
    try:
        return stack.enter_context(open_journal(config.journal, env, read_only=True))
    except OracleError:
        return None


def _unprovable(config: Config, deployment: Deployment, number: int) -> str:
    """Return why reports of a model can't be proven with the artifacts that are here; empty if they can."""
    if number not in deployment.models:
        known = ", ".join(map(str, sorted(deployment.models))) or "none"
        return (
            f"the deployment file has {known} only. Take over the file of whoever deployed it, and its artifact; or "
            "build the model, and run `oracle deploy`"
        )
    try:
        deployed_artifact(config, deployment, number)
    except ArtifactError as error:
        return str(error)
    return ""
