"""A run of a deployment: from the hub's libraries to the feeds' adapters, each unless it is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from oracle.chain import compiled
from oracle.chain.compiled import Compiled
from oracle.chain.deploy.adapters import AdapterPlace, deploy_adapter
from oracle.chain.deploy.check import (
    PUBLIC_CEREMONY,
    check_committee,
    check_feed,
    check_plan,
    features_of,
    require_code,
    require_public_srs,
)
from oracle.chain.deploy.create2 import Creation
from oracle.chain.deploy.file import (
    DeployedAdapter,
    DeployedCommittee,
    DeployedFeed,
    DeployedModel,
    DeployedVerifier,
    Deployment,
)
from oracle.chain.deploy.origin import first_block
from oracle.chain.deploy.plan import CommitteePlan, DeployPlan, FeedPlan, VerifierArtifact
from oracle.chain.deploy.registry import deploy_registry
from oracle.chain.deploy.steps import Progress, Steps
from oracle.chain.deploy.terms import AdapterMode, AdapterTerms
from oracle.chain.hub import Hub, HubFeedConfig, hub_interface
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
        await self._check_existing()
        self.libraries = {name: await self._library(name) for name in self.contracts["ZkOracle"].needs}
        self.factory = await self._apart("factory", "ZkAggregatorFactory")
        self.lens = await self._apart("lens", "ZkOracleLens")
        verifiers = {name: [await self._verifier(each) for each in found] for name, found in self.plan.circuits()}
        hub = await self._hub()
        self.committees = {each.name: await self._committee(hub, each) for each in self.plan.committees}
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

    async def _check_existing(self) -> None:
        """Compare what exists with the plan, before anything is sent: deploying can't change it."""
        place = self._planned_hub()
        if place is None or not await self.rpc.code(place):
            return
        hub = Hub(self.rpc, place)
        existing = set(await hub.feed_ids())
        numbers = {each.name: await self._find_committee(hub, each) for each in self.plan.committees}
        for committee in self.plan.committees:
            if (number := numbers[committee.name]) is not None:
                await check_committee(hub, committee, number)
        for feed in self.plan.feeds:
            if feed.feed_id in existing:
                await check_feed(self.plan, hub, feed, numbers[feed.committee])

    async def _find_committee(self, hub: Hub, committee: CommitteePlan) -> int | None:
        """Return a committee's number: the one in the file, or that of the one with its reporters; None: neither."""
        before = self.steps.file.deployment
        named = before.committees if before is not None and before.hub == hub.address else {}
        if committee.name in named:
            return named[committee.name].number
        others = {each.number for each in named.values()}
        for number in range(1, await hub.committee_count() + 1):
            found = await hub.committee(number)
            same = (set(found.reporters), found.quorum) == (set(committee.reporters), committee.quorum)
            if same and number not in others:
                return number
        return None

    def _planned_hub(self) -> str | None:
        """Return the hub's address by the file or by its creation; None if nothing tells it."""
        apart = {name: Creation(name, self.contracts[name].bytecode) for name in self.contracts["ZkOracle"].needs}
        libraries = {name: self.steps.place_of(f"library {name}", each) for name, each in apart.items()}
        factory, lens = (
            self.steps.place_of(step, Creation(name, self.contracts[name].bytecode))
            for step, name in (("factory", "ZkAggregatorFactory"), ("lens", "ZkOracleLens"))
        )
        known = {name: place for name, place in libraries.items() if place is not None}
        if factory is None or lens is None or len(known) < len(libraries):
            return None
        return self.steps.place_of("hub", self._hub_creation(known, factory, lens))

    def _hub_creation(self, libraries: Mapping[str, str], factory: str, lens: str) -> Creation:
        contract = self.contracts["ZkOracle"].link(libraries)
        arguments = hub_interface().encode_constructor(
            self.deployer, self.guardian, self.plan.change_delay, factory, lens
        )
        return Creation(contract.name, contract.bytecode, arguments, self.plan.salt)

    # --- the steps ---------------------------------------------------------------------------------------------

    async def _library(self, name: str) -> str:
        address = await self.steps.contract(f"library {name}", Creation(name, self.contracts[name].bytecode))
        await require_code(self.rpc, address, self.contracts[name], self.steps.path)
        return address

    async def _apart(self, step: str, name: str) -> str:
        """Deploy a contract that the hub only names, and that takes no arguments."""
        contract = self.contracts[name]
        address = await self.steps.contract(step, Creation(name, contract.bytecode))
        await require_code(self.rpc, address, contract, self.steps.path)
        return address

    async def _verifier(self, artifact: VerifierArtifact) -> DeployedVerifier:
        """Deploy a circuit's verifier. Private models of one architecture share it: it is found by its code's hash."""
        expected = from_hex(artifact.manifest.verifier_code_hash)
        name = f"verifier {expected.hex()[:16]}"
        address = await self.steps.contract(name, Creation("verifier", artifact.verifier().bytecode))
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
            srs_origin=PUBLIC_CEREMONY if artifact.manifest.srs_origin == PUBLIC_CEREMONY else "insecure-local",
        )

    async def _hub(self) -> Hub:
        contract = self.contracts["ZkOracle"].link(self.libraries)
        creation = self._hub_creation(self.libraries, self.factory, self.lens)
        hub = Hub(self.rpc, await self.steps.contract("hub", creation, hub_interface().decode_error))
        await require_code(self.rpc, hub.address, contract, self.steps.path)
        for view, expected in (("aggregatorFactory", self.factory), ("lens", self.lens)):
            if (found := await hub.read(view)) != expected:
                raise DeploymentError(
                    f"the hub at {hub.address} names {found} as its {view}, not {expected}: "
                    f"the file {self.steps.path} is not of this deployment"
                )
        if (delay := await hub.read("changeDelay")) != self.plan.change_delay:
            raise DeploymentError(
                f"the hub at {hub.address} has a change delay of {delay} s, the configuration says "
                f"{self.plan.change_delay}: it is fixed when the hub is made; correct the configuration"
            )
        role = await hub.read("GUARDIAN_ROLE")
        # An admin who hands the hub over is its guardian no more, unless the plan names it as such.
        was_handed_over = self.plan.guardian is None and await hub.read("defaultAdmin") != self.deployer
        if not was_handed_over and not await hub.read("hasRole", role, self.guardian):
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
        features = features_of(first)
        shape = (features, first.manifest.outputs, binds)
        batches = tuple(each.batch for each in verifiers)
        addresses = tuple(each.address for each in verifiers)

        async def find() -> int | None:
            for number in range(1, await hub.architecture_count() + 1):
                found = await hub.architecture(number)
                same = (found.features, found.outputs, found.binds_model) == shape
                if not same or (found.batch_sizes, found.verifiers) != (batches, addresses):
                    continue
                if found.code_hashes != tuple(each.code_hash for each in verifiers):
                    raise DeploymentError(f"architecture {number} pins other code than its verifiers have")
                return number
            return None

        name = f"architecture {keccak(repr((shape, batches, addresses)).encode()).hex()[:16]}"
        data = hub_interface().encode_call("addArchitecture", bytes(features), *shape[1:], batches, addresses)
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

    async def _committee(self, hub: Hub, committee: CommitteePlan) -> int:
        async def find() -> int | None:
            return await self._find_committee(hub, committee)

        data = hub_interface().encode_call("addCommittee", committee.reporters, committee.quorum)
        number = await self.steps.once(f"committee {committee.name}", hub.address, data, find)
        await check_committee(hub, committee, number)
        return number

    async def _feed(self, hub: Hub, feed: FeedPlan, model_number: int) -> DeployedFeed:
        feed_id, committee = feed.feed_id, self.committees[feed.committee]

        async def find() -> bool | None:
            return True if feed_id in await hub.feed_ids() else None

        data = hub_interface().encode_call(
            "addFeed", _config_tuple(replace(feed.config, committee=committee)), model_number
        )
        await self.steps.once(f"feed {feed.config.description}", hub.address, data, find)
        await check_feed(self.plan, hub, feed, committee)
        active = (await hub.feed_state(feed_id)).model_number
        if active != model_number:
            self.steps.progress(
                f"feed {feed.name} stays with model {active}: model {model_number} has to be proposed for it"
            )
        place = AdapterPlace(self.factory, hub.address, feed_id, feed.config.description, feed.config.decimals)
        contract = self.contracts["ZkAggregator"]
        aggregator = await deploy_adapter(self.steps, contract, place)

        async def find_link() -> str | None:
            return await hub.aggregator(feed_id)

        data = hub_interface().encode_call("linkAggregator", feed_id)
        linked = await self.steps.once(f"link of {feed.config.description}", hub.address, data, find_link)
        if linked != aggregator:
            raise DeploymentError(
                f"feed {feed.name}: the hub has {linked} as its aggregator, not {aggregator}, and that can't be "
                f"changed: the file {self.steps.path} is not of this deployment"
            )
        adapters = [
            _deployed(await deploy_adapter(self.steps, contract, place, terms), terms) for terms in feed.adapters
        ]
        return DeployedFeed(
            feed_id=feed_id,
            description=feed.config.description,
            decimals=feed.config.decimals,
            committee=feed.committee,
            aggregator=aggregator,
            adapters=tuple(adapters),
        )

    async def _registry(self, feeds: Mapping[str, DeployedFeed]) -> str | None:
        """List feeds that have a pair in the registry. A later run confirms what this one proposes."""
        pairs = {
            feed.name: (feed.pair, feeds[feed.name].aggregator) for feed in self.plan.feeds if feed.pair is not None
        }
        if not pairs:
            return None
        contract = self.contracts["ZkFeedRegistry"]
        delay, salt = self.plan.change_delay, self.plan.salt
        return await deploy_registry(self.steps, contract, pairs, delay, self.admin, salt)

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

    async def _first_block(self, hub: str) -> int:
        """Return the block of the hub's creation; where only an old state would tell, a block before it."""
        step = self.steps.file.steps.get("hub")
        if step is not None and step.block is not None:
            return step.block
        before = self.steps.file.deployment
        return before.block if before is not None and before.hub == hub else await first_block(self.rpc, hub)

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
        committees = {name: DeployedCommittee(number=number) for name, number in self.committees.items()}
        if before is not None and before.hub == hub.address:
            committees = {**before.committees, **committees}
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
            lens=self.lens,
            factory=self.factory,
            block=await self._first_block(hub.address),
            deployer=self.deployer if before is None else before.deployer,
            admin=self.admin,
            guardian=self.guardian if before is None or self.plan.guardian is not None else before.guardian,
            change_delay=self.plan.change_delay,
            verifiers=tuple({each.address: each for each in verifiers}.values()),
            models=dict(models),
            committees=committees,
            feeds=dict(feeds),
            registry=registry,
            created={**({} if before is None else before.created), **self.steps.created},
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


def _deployed(address: str, terms: AdapterTerms) -> DeployedAdapter:
    return DeployedAdapter(
        address=address,
        mode="strict" if terms.mode is AdapterMode.STRICT else "last-good",
        bound=terms.bound,
        uptime_feed=terms.uptime_feed if terms.is_guarded else None,
        grace=terms.grace,
    )


def _config_tuple(config: HubFeedConfig) -> tuple[Any, ...]:
    """Return a feed's configuration in the order of the contract's struct, whatever ours is."""
    entry = next(each for each in hub_interface().abi if each.get("name") == "addFeed")
    return tuple(getattr(config, _snake(part["name"])) for part in entry["inputs"][0]["components"])


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
