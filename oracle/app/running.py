"""A running oracle that proves and sends: all its parts, opened in order and closed in reverse.

The daemon, the demonstration and the tests open their parts here, so they run the same oracle. A node that only answers
for a network needs `oracle.app.node` and `oracle.app.network` alone.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from oracle.app.budget import NodeBudget, price_of_next
from oracle.app.circuits import deployed_circuits
from oracle.app.detectors import detector_of
from oracle.app.keys import open_key
from oracle.app.network import NetworkNode, open_network
from oracle.app.node import Node, open_node
from oracle.app.provers import DetectorWithProvers, log_proving, make_prover
from oracle.app.readiness import NodeReadiness, node_readiness, open_outlook
from oracle.app.seams import NodeSeams
from oracle.chain.deploy import Deployment
from oracle.chain.hub import Hub
from oracle.chain.keys.signer import AnyKey
from oracle.chain.listener import ChainListener
from oracle.chain.rpc import Rpc
from oracle.chain.transport.heads import Heads
from oracle.chain.tx.fees import FeePolicy
from oracle.chain.tx.policy import SendPolicy, send_policy
from oracle.chain.tx.sender import Sender
from oracle.chain.tx.submit import Submitter
from oracle.config import Config
from oracle.core.errors import ConfigError
from oracle.core.money import ExpenseKind
from oracle.core.types import SignedTransaction
from oracle.feeds.desk import Desk, FeedListener
from oracle.feeds.interface import ReportListener, ReportListeners, Signers
from oracle.feeds.journal import Journal
from oracle.feeds.outlook import ObstacleListener, ReadOutlook
from oracle.feeds.provers import Provers
from oracle.feeds.reporting import Reporting
from oracle.feeds.shadows import ShadowListener, Shadows
from oracle.feeds.shelf import Shelf
from oracle.feeds.signing import LocalSigners
from oracle.feeds.waiting import BatchPolicy
from oracle.proving.interface import OnEvent
from oracle.proving.pool.cache import ProofCache
from oracle.web.tls import Certificate

__all__ = ["RunningOracle", "open_oracle"]

SIGNED_READ = 256
"""The latest transactions that are read from the journal before a nonce is chosen: more than can be unmined at once."""


@dataclass(frozen=True)
class RunningOracle:
    """The parts of one running oracle.

    Attributes:
        node: What every running oracle has.
        reporting: Takes one report from a stage to its end.
        desk: Where reports wait for a prover, and go their ways side by side.
        models: Detectors with their provers, by the numbers that the hub gave the models.
        payer: Address of the account that pays for reports.
        shadows: Makes shadow reports; None: no account pays for them.
        shelf: Has the reports that are kept for whoever brings them.
        network: The node's part in its network; None: it is alone.
        budget: Pays for all transactions, as far as the daily limit goes.
        readiness: Says whether the chain would take the next reports.
        outlook: Has the obstacles of the next reports, as they were read last.
    """

    node: Node
    reporting: Reporting
    desk: Desk
    models: Mapping[int, DetectorWithProvers]
    payer: str
    shadows: Shadows | None
    shelf: Shelf
    budget: NodeBudget
    readiness: NodeReadiness
    outlook: ReadOutlook
    network: NetworkNode | None = None

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.node.config

    @property
    def deployment(self) -> Deployment:
        """The contracts' addresses."""
        return self.node.deployment

    @property
    def rpc(self) -> Rpc:
        """The chain."""
        return self.node.rpc

    @property
    def hub(self) -> Hub:
        """The hub."""
        return self.node.hub

    @property
    def journal(self) -> Journal:
        """The journal."""
        return self.node.journal

    @property
    def reporter(self) -> str:
        """Address of the key that signs reports."""
        return self.node.reporter


@contextlib.asynccontextmanager
async def open_oracle(
    config: Config,
    *,
    env: Mapping[str, str] | None = None,
    listener: ReportListener | None = None,
    feeds: FeedListener | None = None,
    obstacles: ObstacleListener | None = None,
    on_proof: OnEvent = log_proving,
    on_chain: ChainListener | None = None,
    on_standby: Callable[[str | None], None] = lambda leader: None,
    on_shadow: ShadowListener | None = None,
    certificate: Certificate | None = None,
    seams: NodeSeams | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[RunningOracle]:
    """Open everything that takes observations to the chain, and close it in reverse.

    Args:
        config: The configuration.
        env: The environment, for passwords; None: that of the process.
        listener: Hears what becomes of reports.
        feeds: Hears how each feed is.
        obstacles: Hears what stands in the way of reports.
        on_proof: Called with each event of a prover.
        on_chain: Notified of transactions and endpoints.
        on_standby: Called with the daemon that leads; with None once this one leads.
        on_shadow: Notified of shadow reports.
        certificate: That of the server for the members of a network.
        seams: What the parts for a network are passed through.
        clock: Unix seconds.

    Raises:
        ArtifactError: The deployed model's artifact is not here, or is another one.
        ConfigError: The deployment file is of another chain, or does not have a feed.
        DeploymentError: The hub is not on the chain, or does not have a feed; or this process can't meet the quorum of
            a committee.
    """
    environment, seams = os.environ if env is None else env, seams or NodeSeams()
    opening = open_node(config, environment, on_chain=on_chain, on_standby=on_standby, clock=clock)
    async with contextlib.AsyncExitStack() as stack:
        node = await stack.enter_async_context(opening)
        network = None
        if config.network is not None:
            # Before the provers: the others need this node's answers while they start.
            network = await stack.enter_async_context(open_network(node, seams, certificate))
        payer = await open_key(config.keys.submitter, node.rpc, environment)
        models = _models(config, node.deployment, stack, on_proof)
        heads = Heads(config.chain.ws_url)
        stack.push_async_callback(heads.close)
        policy, limit = send_policy(config.chain), config.budget.wei_per_day
        budget = NodeBudget(node.journal, limit, node.rpc, policy.fees, policy.confirmations, clock, on_chain)
        sending = _Sending(node, policy, partial(node.journal.signed, SIGNED_READ), heads, budget)
        submitter = sending.submitter(payer, on_chain, None if network is None else network.guard.pace.mined)
        batching, provers, shadows = _batching(config, clock), Provers(config.prover.workers), None
        if config.keys.shadow is not None:
            key = await open_key(config.keys.shadow, node.rpc, environment)
            if str(key.address) == str(payer.address):
                raise ConfigError(
                    f"[keys] shadow is the submitter's account, {payer.address}: a shadow that is stuck there would "
                    "hold up reports; make another with `oracle key create`"
                )
            shadows = sending.shadows(key, models, provers, batching, on_shadow)
            stack.push_async_callback(shadows.close)
        readiness = node_readiness(
            node, network, payer=str(payer.address), models=models.keys(), budget=budget.obstacles
        )
        outlook = open_outlook(readiness, obstacles)
        stack.push_async_callback(outlook.close)
        pace = None if network is None else network.guard.pace
        listeners = ReportListeners([each for each in (listener, seams.listener, pace) if each is not None])
        shelf = Shelf(node.journal, submitter.pack, listeners.pulled)
        signers: Signers = LocalSigners([node.key], node.readings) if network is None else network.signers
        permission = None if network is None else network.guard
        reporting = Reporting(
            node.hub,
            signers,
            models,
            seams.sender(submitter),
            node.journal,
            listeners,
            shadows,
            now=clock,
            shelf=shelf,
            permission=permission,
            outlook=outlook,
        )
        desk = Desk(reporting, node.journal, models, provers, batching, feeds, listeners, permission, outlook)
        stack.push_async_callback(desk.stop, 0.0)
        yield RunningOracle(
            node, reporting, desk, models, str(payer.address), shadows, shelf, budget, readiness, outlook, network
        )


@dataclass(frozen=True)
class _Sending:
    """The things that the senders of a node share."""

    node: Node
    policy: SendPolicy
    known: Callable[[], Sequence[SignedTransaction]]
    heads: Heads
    budget: NodeBudget

    def submitter(
        self, payer: AnyKey, listener: ChainListener | None, on_mined: Callable[[float], None] | None
    ) -> Submitter:
        sender = Sender(
            self.node.rpc,
            payer,
            policy=self.policy,
            known=self.known,
            heads=self.heads,
            listener=listener,
            purse=self.budget,
            on_mined=on_mined or (lambda seconds: None),
        )
        return self._submitter(sender, shadow=False)

    def shadows(
        self,
        payer: AnyKey,
        models: Mapping[int, DetectorWithProvers],
        provers: Provers,
        batching: BatchPolicy,
        listener: ShadowListener | None,
    ) -> Shadows:
        return Shadows(
            self.node.hub,
            self.node.feed_ids,
            models,
            self._shadow_submitter(payer),
            self.node.journal,
            provers,
            can_pay=partial(_can_pay, self.node.rpc, self.policy.fees, str(payer.address), self.budget),
            slack=batching.slack,
            wait_s=self.node.config.prover.shadow_wait_ms / 1_000,
            listener=listener,
        )

    def _shadow_submitter(self, payer: AnyKey) -> Submitter:
        leading = replace(self.policy, fees=replace(self.policy.fees, leads=True))
        sender = Sender(
            self.node.rpc,
            payer,
            policy=leading,
            known=self.known,
            heads=self.heads,
            purse=self.budget,
            pays_for=ExpenseKind.SHADOW,
        )
        return self._submitter(sender, shadow=True)

    def _submitter(self, sender: Sender, *, shadow: bool) -> Submitter:
        deadline_s = self.node.config.chain.tx_deadline_s
        return Submitter(self.node.hub, sender, deadline_s=deadline_s, clock=self.node.clock, shadow=shadow)


def _models(
    config: Config, deployment: Deployment, stack: contextlib.AsyncExitStack, on_proof: OnEvent
) -> dict[int, DetectorWithProvers]:
    """Start the provers of all deployed models. The stack closes them."""
    models = {}
    for number in deployment.models:
        circuits = deployed_circuits(config, deployment, number)
        provers = {
            batch: make_prover(config.prover, artifact, ProofCache(folder=config.prover.proof_cache), on_proof)
            for batch, artifact in circuits.items()
        }
        for prover in provers.values():
            stack.push_async_callback(prover.close)
        rows = {batch: 1 << artifact.manifest.k for batch, artifact in circuits.items()}
        models[number] = DetectorWithProvers(detector_of(circuits[min(circuits)]), provers, rows)
    return models


def _batching(config: Config, clock: Callable[[], float]) -> BatchPolicy:
    """Return how reports wait for further feeds."""
    max_age = {feed.name: feed.max_age for feed in config.feeds}
    return BatchPolicy(
        window_s=config.prover.batch_window_ms / 1_000,
        slack=lambda observed: observed.observed_at + max_age.get(observed.feed, 0) - clock(),
    )


async def _can_pay(rpc: Rpc, fees: FeePolicy, address: str, budget: NodeBudget) -> bool:
    """Return whether an account has enough for a shadow report, and the daily limit room for it and for its report."""
    budget.priced(await price_of_next(rpc, fees))
    return budget.has_room_for(2) and await rpc.balance(address) >= budget.next_most
