"""`oracle deploy`: deploy what the configuration asks for. `oracle.app.finding` finds it on the chain again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from oracle.app.adapters import adapter_terms
from oracle.app.circuits import Progress, find_artifact
from oracle.app.keys import address_of, open_key
from oracle.app.regeneration import require_regenerated
from oracle.chain.connect import connect
from oracle.chain.deploy import CommitteePlan, Deployment, DeployPlan, FeedPlan, feed_id_of
from oracle.chain.deploy import deploy as deploy_plan
from oracle.chain.deploy.create2 import NO_SALT
from oracle.chain.hub import HubFeedConfig
from oracle.chain.reach import out_of_reach, own_problem
from oracle.config import Config, FeedConfig
from oracle.core.errors import ConfigError, DeploymentError, InsecureSetup, PayerEmpty
from oracle.core.formats import from_hex

__all__ = ["deploy", "terms"]


async def deploy(
    config: Config, progress: Progress, env: Mapping[str, str] | None = None, *, adds_model: bool = False
) -> Deployment:
    """Build the circuits, deploy on the configured chain what is missing there, and check all of it.

    Args:
        config: The configuration.
        progress: Called with each step.
        env: The environment, for passwords; None: that of the process.
        adds_model: See `DeployPlan.adds_model`.
    """
    environment = os.environ if env is None else env
    async with connect(config.chain) as rpc:
        # First come the checks that a person may have to act on: the circuits take a minute.
        payer = await open_key(config.keys.deployer, rpc, environment)
        reporter = await address_of(config.keys.reporter, rpc, environment)
        await rpc.chain_id()
        if not await rpc.balance(payer.address):
            raise PayerEmpty(f"{payer.address}, which deploys ([keys] deployer), has no ether: send it some")
        if problem := own_problem(config, reporter):
            raise ConfigError(problem)
        if config.prover.srs == "insecure-local" and not await rpc.is_local():
            raise InsecureSetup(
                '[prover] srs = "insecure-local" is for a local chain only: run `oracle srs fetch`, and remove it'
            )
        committees = tuple(
            CommitteePlan(each.name, each.reporters or (reporter,), each.quorum) for each in config.committees
        )
        for committee in committees:
            members = config.members_of(committee.name)
            if problem := out_of_reach(committee.reporters, committee.quorum, [reporter], members):
                raise DeploymentError(f"committee {committee.name}: {problem}")
        batches = config.prover.batch_sizes
        progress(f"model: {config.prover.named_model}, {config.prover.privacy}")
        artifacts = [await asyncio.to_thread(find_artifact, config, batch, progress) for batch in batches]
        # An artifact may have lain there: what it says of its key and its code is not believed.
        await require_regenerated(artifacts, progress)
        plan = DeployPlan(
            committees=committees,
            feeds=tuple(
                FeedPlan(
                    feed.name,
                    terms(feed),
                    committee=feed.committee,
                    adapters=tuple(map(adapter_terms, feed.adapters)),
                    pair=feed.pair,
                )
                for feed in config.feeds
            ),
            models={"default": artifacts},
            change_delay=config.deploy.change_delay,
            admin=config.deploy.admin,
            guardian=config.deploy.guardian,
            adds_model=adds_model,
            salt=NO_SALT if config.deploy.salt is None else from_hex(config.deploy.salt),
        )
        return await deploy_plan(plan, rpc, payer, config.chain.deployment, progress)


def terms(feed: FeedConfig) -> HubFeedConfig:
    """Return the part of a feed's configuration that is fixed in the contract, without its committee's number."""
    return HubFeedConfig(
        description=feed.description,
        kind=feed.measure,
        decimals=feed.decimals,
        confirmations=feed.confirmations,
        heartbeat=feed.heartbeat,
        max_age=feed.max_age,
        max_skew=feed.max_skew,
        confirm_delay=feed.confirm_delay,
        tolerance=feed.tolerance,
        max_spread=feed.max_spread,
        max_repeats=feed.max_repeats,
        sigma=feed.sigma,
        committee=0,
        peers=tuple(map(feed_id_of, feed.peers)),
    )
