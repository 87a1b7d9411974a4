"""A running oracle: all parts that take observations to the chain, opened in order and closed in reverse.

The daemon, the demonstration and the tests open their parts here, so they run the same oracle.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from oracle.app.circuits import deployed_circuits
from oracle.app.deploy import find_hub, require_quorum
from oracle.app.detectors import detector_of
from oracle.app.keys import open_key
from oracle.app.provers import DetectorWithProvers, log_proving, make_prover
from oracle.chain.connect import connect
from oracle.chain.deploy import Deployment, load_deployment
from oracle.chain.hub import Hub
from oracle.chain.keys.signer import ReporterKey
from oracle.chain.listener import ChainListener
from oracle.chain.rpc import Rpc
from oracle.chain.transport.heads import Heads
from oracle.chain.tx.fees import GWEI, FeePolicy, fees_now
from oracle.chain.tx.policy import SendPolicy
from oracle.chain.tx.sender import Sender
from oracle.chain.tx.submit import Submitter
from oracle.config import ChainConfig, Config, JournalConfig
from oracle.core.errors import ConfigError, JournalUnavailable
from oracle.feeds.desk import Desk, FeedListener
from oracle.feeds.interface import ReportListener
from oracle.feeds.journal import Journal, open_journal
from oracle.feeds.journal.readings import ReadingsArchive
from oracle.feeds.provers import Provers
from oracle.feeds.reporting import Reporting
from oracle.feeds.shadows import ShadowListener, Shadows
from oracle.feeds.shelf import Shelf
from oracle.feeds.signing import LocalSigners
from oracle.feeds.waiting import BatchPolicy
from oracle.proving.interface import OnEvent

__all__ = ["RunningOracle", "open_oracle", "send_policy"]

STANDBY_S = 0.5
"""Seconds between two tries of a standby to lead."""

SIGNED_READ = 256
"""The latest transactions that are read from the journal before a nonce is chosen: more than can be unmined at once."""

SUBMISSION_GAS = 1_000_000
"""Gas of a report of one feed at most, its margin included."""


@dataclass(frozen=True)
class RunningOracle:
    """The parts of one running oracle.

    Attributes:
        reporting: Takes one report from a stage to its end.
        desk: Where reports wait for a prover, and go their ways side by side.
        models: Detectors with their provers, by the numbers that the hub gave the models.
        reporter: Address of the key that signs reports.
        payer: Address of the account that pays for reports.
        shadows: Makes shadow reports; None: no account pays for them.
        readings: Has the documents behind the reporter's answers.
        shelf: Has the reports that are kept for whoever brings them.
    """

    config: Config
    deployment: Deployment
    rpc: Rpc
    hub: Hub
    journal: Journal
    reporting: Reporting
    desk: Desk
    models: Mapping[int, DetectorWithProvers]
    reporter: str
    payer: str
    shadows: Shadows | None
    readings: ReadingsArchive
    shelf: Shelf


@contextlib.asynccontextmanager
async def open_oracle(
    config: Config,
    *,
    env: Mapping[str, str] | None = None,
    listener: ReportListener | None = None,
    feeds: FeedListener | None = None,
    on_proof: OnEvent = log_proving,
    on_chain: ChainListener | None = None,
    on_standby: Callable[[str | None], None] = lambda leader: None,
    on_shadow: ShadowListener | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[RunningOracle]:
    """Open everything that takes observations to the chain, and close it in reverse.

    Args:
        config: The configuration.
        env: The environment, for passwords; None: that of the process.
        listener: Hears what becomes of reports.
        feeds: Hears how each feed is.
        on_proof: Called with each event of a prover.
        on_chain: Notified of transactions and endpoints.
        on_standby: Called with the daemon that leads; with None once this one leads.
        on_shadow: Notified of shadow reports.
        clock: Unix seconds.

    Raises:
        ArtifactError: The deployed model's artifact is not here, or is another one.
        ConfigError: The deployment file is of another chain, or does not have a feed.
        DeploymentError: The hub is not on the chain, or does not have a feed; or this process can't meet the quorum of
            a committee.
    """
    environment = os.environ if env is None else env
    async with contextlib.AsyncExitStack() as stack:
        deployment = load_deployment(config.chain.deployment)
        rpc = await stack.enter_async_context(connect(config.chain, on_chain))
        hub = await find_hub(config, deployment, rpc)
        journal = stack.enter_context(await _lead(config.journal, environment, on_standby))
        reporter = await open_key(config.keys.reporter, rpc, environment)
        payer = await open_key(config.keys.submitter, rpc, environment)
        models = _models(config, deployment, stack, on_proof)
        heads = Heads(config.chain.ws_url)
        stack.push_async_callback(heads.close)
        policy, signed = send_policy(config.chain), partial(journal.signed, SIGNED_READ)
        sender = Sender(rpc, payer, policy=policy, known=signed, heads=heads, listener=on_chain)
        submitter = Submitter(hub, sender, deadline_s=config.chain.tx_deadline_s, clock=clock)
        await require_quorum(config, deployment, hub, str(reporter.address))
        readings = ReadingsArchive(journal.store, clock)
        signers = LocalSigners([ReporterKey(reporter, deployment.chain_id, deployment.hub)], readings)
        batching, provers, shadows = _batching(config, clock), Provers(config.prover.workers), None
        if config.keys.shadow is not None:
            purse = await open_key(config.keys.shadow, rpc, environment)
            if str(purse.address) == str(payer.address):
                raise ConfigError(
                    f"[keys] shadow is the submitter's account, {payer.address}: a shadow that is stuck there would "
                    "hold up reports; make another with `oracle key create`"
                )
            leading = replace(policy, fees=replace(policy.fees, leads=True))
            shadow_sender = Sender(rpc, purse, policy=leading, known=signed, heads=heads)
            shadows = Shadows(
                hub,
                {name: feed.feed_id for name, feed in deployment.feeds.items()},
                models,
                Submitter(hub, shadow_sender, deadline_s=config.chain.tx_deadline_s, clock=clock, shadow=True),
                journal,
                provers,
                can_pay=partial(_can_pay, rpc, str(purse.address)),
                slack=batching.slack,
                wait_s=config.prover.shadow_wait_ms / 1_000,
                listener=on_shadow,
            )
            stack.push_async_callback(shadows.close)
        shelf = Shelf(journal, submitter.pack, (listener or ReportListener()).pulled)
        reporting = Reporting(hub, signers, models, submitter, journal, listener, shadows, shelf=shelf)
        desk = Desk(reporting, journal, models, provers, batching, feeds, listener)
        stack.push_async_callback(desk.stop, 0.0)
        yield RunningOracle(
            config,
            deployment,
            rpc,
            hub,
            journal,
            reporting,
            desk,
            models,
            str(reporter.address),
            str(payer.address),
            shadows,
            readings,
            shelf,
        )


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


def _models(
    config: Config, deployment: Deployment, stack: contextlib.AsyncExitStack, on_proof: OnEvent
) -> dict[int, DetectorWithProvers]:
    """Start the provers of all deployed models. The stack closes them."""
    models = {}
    for number in deployment.models:
        circuits = deployed_circuits(config, deployment, number)
        provers = {batch: make_prover(config, artifact, on_proof) for batch, artifact in circuits.items()}
        for prover in provers.values():
            stack.push_async_callback(prover.close)
        rows = {batch: 1 << artifact.manifest.k for batch, artifact in circuits.items()}
        models[number] = DetectorWithProvers(detector_of(circuits[min(circuits)]), provers, rows)
    return models


def send_policy(chain: ChainConfig) -> SendPolicy:
    """Return how transactions are followed, and what they may cost."""
    cost = chain.max_tx_cost_ether
    return SendPolicy(
        confirmations=chain.confirmations,
        replace_after_s=chain.replace_after_s,
        fees=FeePolicy(
            max_fee=int(chain.max_fee_gwei * GWEI),
            max_priority_fee=int(chain.max_priority_fee_gwei * GWEI),
            max_cost=None if cost is None else int(cost * 10**18),
        ),
    )


def _batching(config: Config, clock: Callable[[], float]) -> BatchPolicy:
    """Return how reports wait for further feeds."""
    max_age = {feed.name: feed.max_age for feed in config.feeds}
    return BatchPolicy(
        window_s=config.prover.batch_window_ms / 1_000,
        slack=lambda observed: observed.observed_at + max_age.get(observed.feed, 0) - clock(),
    )


async def _can_pay(rpc: Rpc, address: str) -> bool:
    """Return whether an account has enough for a submission."""
    return await rpc.balance(address) >= (await fees_now(rpc)).max_fee * SUBMISSION_GAS
