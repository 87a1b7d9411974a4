"""A run of a deployment: from the hub's libraries to the feeds' adapters, each unless it is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.compiled import Compiled
from oracle.chain.contract import read
from oracle.chain.deploy.check import check_feed, check_plan, require_code, require_public_srs, srs_origin
from oracle.chain.deploy.file import DeployedFeed, DeployedModel, DeployedVerifier, Deployment
from oracle.chain.deploy.plan import DeployPlan, FeedPlan, VerifierArtifact, feed_id_of
from oracle.chain.deploy.registry import deploy_registry
from oracle.chain.deploy.steps import Progress, Steps
from oracle.chain.hub import Hub, HubFeedConfig, aggregator_interface, hub_interface
from oracle.chain.keys.signer import AnyKey
from oracle.chain.rpc import Rpc
from oracle.chain.tx.sender import Sender
from oracle.core.errors import DeploymentError
from oracle.core.formats import from_hex, keccak, to_hex


async def deploy(
    plan: DeployPlan,
    rpc: Rpc,
    account: AnyKey,
    path: Path,
    progress: Progress = lambda line: None,
    *,
    contracts: Mapping[str, Compiled] | None = None,
    deadline_s: float = 300.0,
    poll_s: float = 0.25,
) -> Deployment:
    """Deploy what is missing of a plan, and check all of it.

    Args:
        account: The deployer; it owns the hub while it is being set up.
        path: The deployment file; for instance `deployments/31337.json`.
        progress: Called with a line for each step.
        contracts: Compiled contracts, by name; default: the packaged ones.
        deadline_s: Seconds to wait for each transaction.
        poll_s: Seconds between two looks for a receipt.

    Raises:
        InsecureSetup: A verifier's SRS was generated locally, and the chain is not a local one.
        DeploymentError: The file is of another chain, or of one that was reset; or the chain differs from the plan.
        ContractRejected: The hub refused; the message is the reason.
        TransactionPending: A transaction is not mined within the deadline; the next run goes on from there.
        ChainUnavailable: No answer; likewise.
    """
    contracts = contracts or compiled.packaged()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        with lock:
            steps = Steps(rpc, Sender(rpc, account, poll_s=poll_s), path, progress, deadline_s)
            return await DeploymentRun(plan, steps, contracts)()
    except Timeout:
        raise DeploymentError(f"{path}: another deployment is writing it now; wait until it is done") from None


class DeploymentRun:
    """One run of `deploy`."""

    def __init__(self, plan: DeployPlan, steps: Steps, contracts: Mapping[str, Compiled]) -> None:
        self.plan = plan
        self.steps = steps
        self.rpc = steps.rpc
        self.contracts = contracts
        self.deployer = steps.sender.address
        self.admin = plan.admin or self.deployer
        self.guardian = plan.guardian or self.deployer

    async def __call__(self) -> Deployment:
        check_plan(self.plan)
        await require_public_srs(self.plan, self.rpc)
        await self.steps.open()
        hub_step = self.steps.file.steps.get("hub")
        if hub_step is not None and hub_step.address is not None:
            await self._check_existing_feeds(Hub(self.rpc, hub_step.address))
        self.libraries = {name: await self._library(name) for name in self.contracts["ZkOracle"].needs}
        self.factory = await self._factory()
        verifiers = {name: [await self._verifier(each) for each in found] for name, found in self.plan.circuits()}
        hub = await self._hub()
        models: dict[str, int] = {}
        deployed_models: dict[int, DeployedModel] = {}
        for name, artifacts in self.plan.circuits():
            architecture_id = await self._architecture(hub, artifacts, verifiers[name])
            number = await self._model(hub, artifacts, architecture_id)
            models[name] = number
            deployed_models[number] = DeployedModel(
                name=name,
                architecture_id=architecture_id,
                model_hash=artifacts[0].model_hash or 0,
                artifact_hash=artifacts[0].manifest.artifact_hash.removeprefix("0x"),
                artifacts={each.manifest.batch: str(each.path) for each in artifacts},
            )
        feeds = {feed.name: await self._feed(hub, feed, models[feed.model]) for feed in self.plan.feeds}
        registry = await self._registry(feeds)
        await self._hand_over(hub)
        deployed = [each for found in verifiers.values() for each in found]
        deployment = await self._finish(hub, deployed, deployed_models, feeds, registry)
        self.steps.progress(f"done: hub {hub.address} on chain {deployment.chain_id}")
        return deployment

    async def _check_existing_feeds(self, hub: Hub) -> None:
        """Compare feeds that exist with the plan, before anything is sent: deploying can't change them."""
        existing = set(await hub.feed_ids())
        for feed in self.plan.feeds:
            if feed_id_of(feed.config.description) in existing:
                await check_feed(self.plan, hub, feed)

    # --- the steps ---------------------------------------------------------------------------------------------

    async def _library(self, name: str) -> str:
        address = await self.steps.contract(f"library {name}", self.contracts[name].bytecode)
        await require_code(self.rpc, address, self.contracts[name], self.steps.path)
        return address

    async def _factory(self) -> str:
        contract = self.contracts["ZkAggregatorFactory"]
        address = await self.steps.contract("factory", contract.bytecode)
        await require_code(self.rpc, address, contract, self.steps.path)
        return address

    async def _verifier(self, artifact: VerifierArtifact) -> DeployedVerifier:
        """Deploy a circuit's verifier. Private models of one architecture share it: it is found by its code's hash."""
        expected = from_hex(artifact.manifest.verifier_code_hash)
        name = f"verifier {expected.hex()[:16]}"
        address = await self.steps.contract(name, artifact.verifier().bytecode)
        code = await self.rpc.code(address)
        if keccak(code) != expected:
            raise DeploymentError(
                f"the verifier at {address} has code of hash {to_hex(keccak(code))}, the artifact's manifest says "
                f"{to_hex(expected)}: the artifact in {artifact.path} does not fit; build it again"
            )
        return DeployedVerifier(
            address=address,
            code_hash=expected,
            batch=artifact.manifest.batch,
            srs_origin=srs_origin(code),
        )

    async def _hub(self) -> Hub:
        contract = self.contracts["ZkOracle"].link(self.libraries)
        arguments = hub_interface().encode_constructor(
            self.deployer, self.guardian, self.plan.change_delay, self.factory
        )
        hub = Hub(self.rpc, await self.steps.contract("hub", contract.bytecode + arguments))
        await require_code(self.rpc, hub.address, contract, self.steps.path)
        if (factory := await hub.read("aggregatorFactory")) != self.factory:
            raise DeploymentError(
                f"the hub at {hub.address} takes adapters of the factory {factory}, not of {self.factory}: "
                f"the file {self.steps.path} is not of this deployment"
            )
        if (delay := await hub.read("changeDelay")) != self.plan.change_delay:
            raise DeploymentError(
                f"the hub at {hub.address} has a change delay of {delay} s, the configuration says "
                f"{self.plan.change_delay}: it is fixed when the hub is made; correct the configuration"
            )
        role = await hub.read("GUARDIAN_ROLE")
        if not await hub.read("hasRole", role, self.guardian):
            raise DeploymentError(
                f"{self.guardian} is not guardian of the hub at {hub.address}: correct the configuration, "
                "or have the admin grant the role"
            )
        return hub

    async def _architecture(
        self, hub: Hub, artifacts: Sequence[VerifierArtifact], verifiers: Sequence[DeployedVerifier]
    ) -> int:
        first = artifacts[0]
        binds = first.model_hash is not None
        shape = (first.manifest.features, first.manifest.outputs, binds, first.manifest.spread)
        batches = tuple(each.batch for each in verifiers)
        addresses = tuple(each.address for each in verifiers)

        async def find() -> int | None:
            for number in range(1, await hub.architecture_count() + 1):
                found = await hub.architecture(number)
                same = (found.features, found.outputs, found.binds_model, found.has_spread) == shape
                if not same or (found.batch_sizes, found.verifiers) != (batches, addresses):
                    continue
                if found.code_hashes != tuple(each.code_hash for each in verifiers):
                    raise DeploymentError(f"architecture {number} pins other code than its verifiers have")
                return number
            return None

        name = f"architecture {keccak(repr((shape, batches, addresses)).encode()).hex()[:16]}"
        data = hub_interface().encode_call("addArchitecture", *shape, batches, addresses)
        return await self.steps.once(name, hub.address, data, find)

    async def _model(self, hub: Hub, artifacts: Sequence[VerifierArtifact], architecture_id: int) -> int:
        artifact = artifacts[0]
        artifact_hash = from_hex(artifact.manifest.artifact_hash)
        wanted = (artifact.model_hash or 0, architecture_id, artifact_hash, artifact.manifest.score_unit)

        async def find() -> int | None:
            for number in range(1, await hub.model_count() + 1):
                found = await hub.model(number)
                if (found.model_hash, found.architecture_id, found.artifact_hash, found.score_unit) == wanted:
                    return number
            return None

        name = f"model {artifact_hash.hex()[:16]} of architecture {architecture_id}"
        data = hub_interface().encode_call("addModel", *wanted, _probe(artifacts))
        return await self.steps.once(name, hub.address, data, find)

    async def _feed(self, hub: Hub, feed: FeedPlan, model_number: int) -> DeployedFeed:
        feed_id = feed_id_of(feed.config.description)

        async def find() -> bool | None:
            return True if feed_id in await hub.feed_ids() else None

        data = hub_interface().encode_call("addFeed", _config_tuple(feed.config), feed.reporters, model_number)
        await self.steps.once(f"feed {feed.config.description}", hub.address, data, find)
        await check_feed(self.plan, hub, feed)
        active = (await hub.feed_state(feed_id)).model_number
        if active != model_number:
            self.steps.progress(
                f"feed {feed.name} stays with model {active}: model {model_number} has to be proposed for it"
            )
        aggregator = await self._aggregator(hub, feed, feed_id, strict=False)

        async def find_link() -> str | None:
            return await hub.aggregator(feed_id)

        data = hub_interface().encode_call("linkAggregator", feed_id)
        linked = await self.steps.once(f"link of {feed.config.description}", hub.address, data, find_link)
        if linked != aggregator:
            raise DeploymentError(
                f"feed {feed.name}: the hub has {linked} as its aggregator, not {aggregator}, and that can't be "
                f"changed: the file {self.steps.path} is not of this deployment"
            )
        strict = await self._aggregator(hub, feed, feed_id, strict=True) if feed.strict else None
        return DeployedFeed(
            feed_id=feed_id,
            description=feed.config.description,
            decimals=feed.config.decimals,
            aggregator=aggregator,
            strict_aggregator=strict,
        )

    async def _aggregator(self, hub: Hub, feed: FeedPlan, feed_id: bytes, *, strict: bool) -> str:
        """Let the factory deploy a feed's adapter. Its address follows from its arguments, whoever deploys it."""
        name = f"{'strict ' if strict else ''}aggregator of {feed.config.description}"
        arguments = (hub.address, feed_id, strict)
        planned: str = await read(self.rpc, _factory_interface(), self.factory, "addressOf", *arguments)

        async def find() -> str | None:
            return planned if await self.rpc.code(planned) else None

        address = await self.steps.once(
            name, self.factory, _factory_interface().encode_call("deploy", *arguments), find
        )
        await require_code(self.rpc, address, self.contracts["ZkAggregator"], self.steps.path)
        interface = aggregator_interface()
        expected = {"hub": hub.address, "feedId": feed_id, "strict": strict, "decimals": feed.config.decimals}
        for view, value in expected.items():
            if (found := await read(self.rpc, interface, address, view)) != value:
                raise DeploymentError(f"{name} at {address}: {view} is {found}, not {value}")
        return address

    async def _registry(self, feeds: Mapping[str, DeployedFeed]) -> str | None:
        """List feeds that have a pair in the registry. A later run confirms what this one proposes."""
        pairs = {
            feed.name: (feed.pair, feeds[feed.name].aggregator) for feed in self.plan.feeds if feed.pair is not None
        }
        if not pairs:
            return None
        contract = self.contracts["ZkFeedRegistry"]
        return await deploy_registry(self.steps, contract, pairs, self.plan.change_delay, self.admin)

    async def _hand_over(self, hub: Hub) -> None:
        """Offer the hub to its admin, who has to accept: a mistyped address can't take it away."""
        if self.admin == self.deployer:
            return

        async def find() -> bool | None:
            pending = await hub.read("pendingDefaultAdmin")
            return True if self.admin in (await hub.read("defaultAdmin"), next(iter(pending.values()))) else None

        data = hub_interface().encode_call("beginDefaultAdminTransfer", self.admin)
        await self.steps.once(f"handover to {self.admin}", hub.address, data, find)
        if await hub.read("defaultAdmin") != self.admin:
            self.steps.progress(
                f"the hub is still {self.deployer}'s: {self.admin} must call acceptDefaultAdminTransfer() "
                f"once {self.plan.change_delay} s have passed"
            )

    async def _finish(
        self,
        hub: Hub,
        verifiers: Sequence[DeployedVerifier],
        models: Mapping[int, DeployedModel],
        feeds: Mapping[str, DeployedFeed],
        registry: str | None,
    ) -> Deployment:
        """Write the result to the file. What earlier runs deployed on this hub stays in it."""
        before = self.steps.file.deployment
        if before is not None and before.hub == hub.address:
            ids = {feed.feed_id for feed in feeds.values()}
            kept = {name: feed for name, feed in before.feeds.items() if feed.feed_id not in ids}
            feeds = {**kept, **feeds}
            models = {**before.models, **models}
            verifiers = [*before.verifiers, *verifiers]
            registry = registry or before.registry
        deployment = Deployment(
            chain_id=await self.rpc.chain_id(),
            hub=hub.address,
            hub_code_hash=keccak(await self.rpc.code(hub.address)),
            libraries=self.libraries,
            factory=self.factory,
            block=self.steps.file.steps["hub"].block or 0,
            deployer=self.deployer if before is None else before.deployer,
            verifiers=tuple({each.address: each for each in verifiers}.values()),
            models=dict(models),
            feeds=dict(feeds),
            registry=registry,
        )
        if before is not None and before.hub == hub.address and before.hub_code_hash != deployment.hub_code_hash:
            raise DeploymentError(f"the code of the hub at {hub.address} is not the one that was deployed")
        self.steps.save(deployment=deployment)
        return deployment


# --- details -------------------------------------------------------------------------------------------------------


def _probe(artifacts: Sequence[VerifierArtifact]) -> tuple[Sequence[int], Sequence[int], Sequence[bytes]]:
    """Return the contract's `Probe` of one model's circuits, in their order."""
    probes = [artifact.probe() for artifact in artifacts]
    return probes[0].window, probes[0].scores, [probe.proof for probe in probes]


@cache
def _factory_interface() -> Interface:
    return Interface(compiled.load("ZkAggregatorFactory").abi)


def _config_tuple(config: HubFeedConfig) -> tuple[Any, ...]:
    """Return a feed's configuration in the order of the contract's struct, whatever ours is."""
    entry = next(each for each in hub_interface().abi if each.get("name") == "addFeed")
    return tuple(getattr(config, _snake(part["name"])) for part in entry["inputs"][0]["components"])


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
