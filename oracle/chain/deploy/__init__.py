"""Deployment: from the hub's libraries to the feeds' adapters; written down step by step, so that it can be run again.

Each transaction is signed, written to the deployment file, and only then sent. Whatever ends a run in between, the next
one sends the same bytes again, or finds them mined: nothing is deployed or added twice. What the chain has counts more
than what the file says; the file says where to look.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.compiled import Compiled
from oracle.chain.contract import read
from oracle.chain.hub import Hub, HubFeedConfig, aggregator_interface, hub_interface
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.transport.reverts import describe_revert
from oracle.chain.tx.sender import Sender
from oracle.core.errors import ChainUnavailable, ContractRejected, DeploymentError, InsecureSetup, StateMoved
from oracle.core.types import SignedTransaction

if TYPE_CHECKING:
    from oracle.chain.keys.signer import AnyKey

T = TypeVar("T")
Progress = Callable[[str], None]

FORMAT = 2
PUBLIC_CEREMONY = "public-ceremony"
INSECURE_LOCAL = "insecure-local"

CEREMONY_CONSTANT = bytes.fromhex("186282957db913abd99f91db59fe69922e95040603ef44c0bd7aa3adeef8f5ac")
"""`neg_s_g2_x_1` of verifiers whose SRS is the public ceremony's: it stands in their code as it is."""

_ATTEMPTS = 3


# --- what is to be deployed ----------------------------------------------------------------------------------------


class Manifest(Protocol):
    """What deployment reads of an artifact's manifest. Hashes are hex, with or without 0x."""

    @property
    def batch(self) -> int: ...
    @property
    def features(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def spread(self) -> bool: ...
    @property
    def score_unit(self) -> int: ...
    @property
    def srs_origin(self) -> str: ...
    @property
    def verifier_code_hash(self) -> str: ...
    @property
    def artifact_hash(self) -> str: ...


class CompiledVerifier(Protocol):
    """A verifier's creation code."""

    @property
    def bytecode(self) -> bytes: ...


class CircuitProbe(Protocol):
    """A proof that shows a circuit to work, of one window and its scores, which fill the batch."""

    @property
    def window(self) -> tuple[int, ...]: ...
    @property
    def scores(self) -> tuple[int, ...]: ...
    @property
    def proof(self) -> bytes: ...


class VerifierArtifact(Protocol):
    """A circuit as deployment sees it; `oracle.proving.artifact.Artifact` is one.

    Attributes:
        path: Where it was found, as a hint for the daemon.
        model_hash: The hash that its proofs bind, a field element; None if the weights are in the verifying key.
    """

    @property
    def path(self) -> Path: ...
    @property
    def manifest(self) -> Manifest: ...
    @property
    def model_hash(self) -> int | None: ...
    def verifier(self) -> CompiledVerifier: ...
    def probe(self) -> CircuitProbe: ...


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """A feed that there is to be.

    Attributes:
        name: In the configuration and in the deployment file.
        config: What is fixed in the contract.
        reporters: Checksummed addresses.
        strict: Also deploy the adapter that gives no answer while the feed is held, stale or paused.
        model: Which of the plan's models judges it.
        pair: Base and quote under which the registry lists its adapter; None: it is not listed.
    """

    name: str
    config: HubFeedConfig
    reporters: tuple[str, ...]
    strict: bool = False
    model: str = "default"
    pair: tuple[str, ...] | None = None


@dataclass(frozen=True)
class DeployPlan:
    """What there is to be on one chain.

    Attributes:
        feeds: In the order in which they are added.
        models: Name to the circuits of one model, one for each batch size.
        change_delay: Seconds between the proposal of a change and its taking effect.
        admin: Owns the hub in the end; None: the deployer. Another one has to accept the role.
        guardian: May pause and roll back; None: the deployer.
        adds_model: Whether feeds may be judged by another model by now than the plan's, which is only added: it then is
            proposed for them. Else that is an error, as the plan may be the wrong one.
    """

    feeds: tuple[FeedPlan, ...]
    models: Mapping[str, Sequence[VerifierArtifact]]
    change_delay: int
    admin: str | None = None
    guardian: str | None = None
    adds_model: bool = False


# --- what was deployed ---------------------------------------------------------------------------------------------


def _from_hex(value: object) -> object:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("must be 0x and hexadecimal digits")
    return bytes.fromhex(value[2:])


def _number_from_hex(value: object) -> object:
    if isinstance(value, int):
        return value
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("must be 0x and hexadecimal digits")
    return int(value, 16)


def _checksummed(value: object) -> object:
    from eth_utils.address import is_checksum_address

    if not is_checksum_address(value):
        raise ValueError("is no address with its checksum")
    return value


Address = Annotated[str, BeforeValidator(_checksummed)]
Hash32 = Annotated[
    bytes,
    BeforeValidator(_from_hex),
    Field(min_length=32, max_length=32),
    PlainSerializer(lambda value: "0x" + value.hex()),
]
FieldElement = Annotated[int, BeforeValidator(_number_from_hex), PlainSerializer(lambda value: f"{value:#066x}")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeployedVerifier(_Part):
    """A verifier; `srs_origin` is what its code says, "public-ceremony" or "insecure-local"."""

    address: Address
    code_hash: Hash32
    batch: int
    srs_origin: Literal["public-ceremony", "insecure-local"]


class DeployedModel(_Part):
    """A model.

    Attributes:
        model_hash: 0 if its architecture binds none.
        artifact_hash: Of the circuit of the smallest batch; hex, as in the artifact's manifest.
        artifacts: Where the circuits' artifacts were when it was deployed, by batch size.
    """

    name: str
    architecture_id: int
    model_hash: FieldElement
    artifact_hash: str
    artifacts: dict[int, str]


class DeployedFeed(_Part):
    """A feed with its Chainlink adapters."""

    feed_id: Hash32
    description: str
    decimals: int
    aggregator: Address
    strict_aggregator: Address | None = None


class Deployment(_Part):
    """A finished deployment, as the daemon and others read it.

    Attributes:
        block: In which the hub was deployed: no event is older.
        libraries: By name; their addresses are in the hub's code.
        factory: Deploys the feeds' adapters.
        models: By the number that the hub gave them.
        feeds: By their names in the configuration.
        registry: Where feeds are looked up by base and quote, if any of them is.
    """

    chain_id: int
    hub: Address
    hub_code_hash: Hash32
    libraries: dict[str, Address]
    factory: Address
    block: int
    deployer: Address
    verifiers: tuple[DeployedVerifier, ...]
    models: dict[int, DeployedModel]
    feeds: dict[str, DeployedFeed]
    registry: Address | None = None


class _Step(_Part):
    """A transaction of a deployment. `raw` is kept until it is mined."""

    tx_hash: Hash32
    nonce: int
    raw: str | None
    block: int | None = None
    address: Address | None = None


class _File(_Part):
    """The deployment file. `deployment` is what the latest finished run left, `steps` the way to the next one."""

    format: Literal[2]
    chain_id: int
    deployment: Deployment | None
    steps: dict[str, _Step]


def load_deployment(path: Path) -> Deployment:
    """Read a deployment file.

    Raises:
        DeploymentError: It is missing, damaged, of another release, or of a deployment that was not finished.
    """
    found = _read_file(path)
    if found is None:
        raise DeploymentError(f"{path}: there is no deployment file; make one with `oracle deploy`")
    if found.deployment is None:
        raise DeploymentError(f"{path}: the deployment was not finished; run `oracle deploy` again, it goes on")
    return found.deployment


def _read_file(path: Path) -> _File | None:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DeploymentError(f"{path}: can't be read: {error}") from error
    try:
        return _File.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DeploymentError(
            f"{path}: is no deployment file of this release: {where}: {first['msg'].removeprefix('Value error, ')}. "
            "Restore it, or move it away to deploy anew"
        ) from error


def _write_file(path: Path, content: _File) -> None:
    """Replace the file in one step: a reader sees the old one or the new one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise DeploymentError(f"{path}: can't be written: {error}") from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(content.model_dump(mode="json"), indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DeploymentError(f"{path}: can't be written: {error}") from error


# --- the deployment ------------------------------------------------------------------------------------------------


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
        account: The deployer; owns the hub while it is being set up.
        path: The deployment file; for instance `deployments/31337.json`.
        progress: Called with a line for each step.
        contracts: As compiled, by name; default: the packaged ones.
        deadline_s: Seconds to wait for each transaction.
        poll_s: Seconds between two looks for a receipt.

    Raises:
        InsecureSetup: A verifier's SRS was generated locally, and the chain is no local one.
        DeploymentError: The file is of another chain or of one that was reset; or what is on-chain is not the plan.
        ContractRejected: The hub refused, with the reason.
        TransactionPending: A transaction is not mined within the deadline; run again, it goes on.
        ChainUnavailable: No answer; likewise.
    """
    from filelock import FileLock, Timeout

    contracts = contracts or _packaged()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        with lock:
            sender = Sender(rpc, account, poll_s=poll_s)
            run = _Run(plan, rpc, sender, contracts, path, progress, deadline_s)
            return await run()
    except Timeout:
        raise DeploymentError(f"{path}: another deployment is writing it now; wait until it is done") from None


class _Run:
    """One run of `deploy`."""

    def __init__(
        self,
        plan: DeployPlan,
        rpc: Rpc,
        sender: Sender,
        contracts: Mapping[str, Compiled],
        path: Path,
        progress: Progress,
        deadline_s: float,
    ) -> None:
        self.plan = plan
        self.rpc = rpc
        self.sender = sender
        self.contracts = contracts
        self.path = path
        self.progress = progress
        self.deadline_s = deadline_s
        self.admin = plan.admin or sender.address
        self.guardian = plan.guardian or sender.address

    async def __call__(self) -> Deployment:
        _check_plan(self.plan)
        await self._require_public_srs()
        self.file = await self._open()
        if "hub" in self.file.steps and self.file.steps["hub"].address is not None:
            await self._check_existing_feeds(Hub(self.rpc, self.file.steps["hub"].address))
        self.libraries = {name: await self._library(name) for name in self.contracts["ZkOracle"].needs}
        self.factory = await self._factory()
        verifiers = {name: [await self._verifier(each) for each in found] for name, found in self._models()}
        hub = await self._hub()
        models: dict[str, int] = {}
        deployed_models: dict[int, DeployedModel] = {}
        for name, artifacts in self._models():
            architecture_id = await self._architecture(hub, artifacts, verifiers[name])
            number = await self._model(hub, artifacts, architecture_id)
            models[name] = number
            deployed_models[number] = DeployedModel(
                name=name,
                architecture_id=architecture_id,
                model_hash=artifacts[0].model_hash or 0,
                artifact_hash=_bare(artifacts[0].manifest.artifact_hash),
                artifacts={each.manifest.batch: str(each.path) for each in artifacts},
            )
        feeds = {feed.name: await self._feed(hub, feed, models[feed.model]) for feed in self.plan.feeds}
        registry = await self._registry(feeds)
        await self._hand_over(hub)
        deployed = [each for found in verifiers.values() for each in found]
        deployment = await self._finish(hub, deployed, deployed_models, feeds, registry)
        self.progress(f"done: hub {hub.address} on chain {deployment.chain_id}")
        return deployment

    def _models(self) -> list[tuple[str, list[VerifierArtifact]]]:
        """The plan's models with their circuits, smallest batch first, as the hub wants them."""
        by_batch = {
            name: sorted(found, key=lambda each: each.manifest.batch) for name, found in self.plan.models.items()
        }
        return sorted(by_batch.items())

    # --- before anything is sent -------------------------------------------------------------------------------

    async def _require_public_srs(self) -> None:
        if await self.rpc.is_local():
            return
        for name, artifacts in self._models():
            for artifact in artifacts:
                origin = srs_origin(artifact.verifier().bytecode)
                if origin != PUBLIC_CEREMONY or artifact.manifest.srs_origin != PUBLIC_CEREMONY:
                    raise InsecureSetup(
                        f"model {name}, batch {artifact.manifest.batch}: its SRS is not the public ceremony's, so "
                        f"whoever made it can forge proofs, and chain {await self.rpc.chain_id()} is no local chain: "
                        'build the artifact with srs = "public-ceremony"'
                    )

    async def _open(self) -> _File:
        """The deployment file, if it is of this very chain; else an empty one, where that is safe."""
        chain_id = await self.rpc.chain_id()
        empty = _File(format=FORMAT, chain_id=chain_id, deployment=None, steps={})
        found = _read_file(self.path)
        if found is None:
            return empty
        if found.chain_id != chain_id:
            raise DeploymentError(
                f"{self.path} is of chain {found.chain_id}, but {self.rpc.name} serves chain {chain_id}: "
                "name another deployment file, or correct the RPC URL"
            )
        for name, step in found.steps.items():
            if step.address is not None and not await self.rpc.code(step.address):
                if not await self.rpc.is_local():
                    raise DeploymentError(
                        f"{self.path}: there is no contract at {step.address} ({name}) on chain {chain_id}: "
                        "is the node in sync? If this is another chain of the same id, move the file away"
                    )
                self.progress("the local chain was reset: deploying anew")
                return empty
        return found

    async def _check_existing_feeds(self, hub: Hub) -> None:
        """Feeds can't be changed by deploying: say so before anything is sent."""
        existing = set(await hub.feed_ids())
        for feed in self.plan.feeds:
            if feed_id_of(feed.config.description) in existing:
                await self._check_feed(hub, feed)

    # --- the steps ---------------------------------------------------------------------------------------------

    async def _library(self, name: str) -> str:
        address = await self._contract(f"library {name}", self.contracts[name].bytecode)
        await self._require_code(address, self.contracts[name])
        return address

    async def _factory(self) -> str:
        contract = self.contracts["ZkAggregatorFactory"]
        address = await self._contract("factory", contract.bytecode)
        await self._require_code(address, contract)
        return address

    async def _verifier(self, artifact: VerifierArtifact) -> DeployedVerifier:
        """Private models of one architecture share their verifier: it is found by its code's hash."""
        expected = bytes.fromhex(_bare(artifact.manifest.verifier_code_hash))
        name = f"verifier {expected.hex()[:16]}"
        address = await self._contract(name, artifact.verifier().bytecode)
        code = await self.rpc.code(address)
        if _keccak(code) != expected:
            raise DeploymentError(
                f"the verifier at {address} has code of hash 0x{_keccak(code).hex()}, the artifact's manifest says "
                f"0x{expected.hex()}: the artifact in {artifact.path} does not fit; build it again"
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
            self.sender.address, self.guardian, self.plan.change_delay, self.factory
        )
        hub = Hub(self.rpc, await self._contract("hub", contract.bytecode + arguments))
        await self._require_code(hub.address, contract)
        if (factory := await hub.read("aggregatorFactory")) != self.factory:
            raise DeploymentError(
                f"the hub at {hub.address} takes adapters of the factory {factory}, not of {self.factory}: "
                f"the file {self.path} is not of this deployment"
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

        name = f"architecture {_keccak(repr((shape, batches, addresses)).encode()).hex()[:16]}"
        data = hub_interface().encode_call("addArchitecture", *shape, batches, addresses)
        return await self._once(name, hub.address, data, find)

    async def _model(self, hub: Hub, artifacts: Sequence[VerifierArtifact], architecture_id: int) -> int:
        artifact = artifacts[0]
        artifact_hash = bytes.fromhex(_bare(artifact.manifest.artifact_hash))
        wanted = (artifact.model_hash or 0, architecture_id, artifact_hash, artifact.manifest.score_unit)

        async def find() -> int | None:
            for number in range(1, await hub.model_count() + 1):
                found = await hub.model(number)
                if (found.model_hash, found.architecture_id, found.artifact_hash, found.score_unit) == wanted:
                    return number
            return None

        name = f"model {artifact_hash.hex()[:16]} of architecture {architecture_id}"
        data = hub_interface().encode_call("addModel", *wanted, _probe(artifacts))
        return await self._once(name, hub.address, data, find)

    async def _feed(self, hub: Hub, feed: FeedPlan, model_number: int) -> DeployedFeed:
        feed_id = feed_id_of(feed.config.description)

        async def find() -> bool | None:
            return True if feed_id in await hub.feed_ids() else None

        data = hub_interface().encode_call("addFeed", _config_tuple(feed.config), feed.reporters, model_number)
        await self._once(f"feed {feed.config.description}", hub.address, data, find)
        await self._check_feed(hub, feed)
        active = (await hub.feed_state(feed_id)).model_number
        if active != model_number:
            self.progress(f"feed {feed.name} stays with model {active}: model {model_number} has to be proposed for it")
        aggregator = await self._aggregator(hub, feed, feed_id, strict=False)

        async def find_link() -> str | None:
            return await hub.aggregator(feed_id)

        data = hub_interface().encode_call("linkAggregator", feed_id)
        linked = await self._once(f"link of {feed.config.description}", hub.address, data, find_link)
        if linked != aggregator:
            raise DeploymentError(
                f"feed {feed.name}: the hub has {linked} as its aggregator, not {aggregator}, and that can't be "
                f"changed: the file {self.path} is not of this deployment"
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
        """The factory's adapter of this feed: its address follows from what it is, whoever deploys it."""
        name = f"{'strict ' if strict else ''}aggregator of {feed.config.description}"
        arguments = (hub.address, feed_id, strict)
        planned: str = await read(self.rpc, _factory_interface(), self.factory, "addressOf", *arguments)

        async def find() -> str | None:
            return planned if await self.rpc.code(planned) else None

        address = await self._once(name, self.factory, _factory_interface().encode_call("deploy", *arguments), find)
        await self._require_code(address, self.contracts["ZkAggregator"])
        interface = aggregator_interface()
        expected = {"hub": hub.address, "feedId": feed_id, "strict": strict, "decimals": feed.config.decimals}
        for view, value in expected.items():
            if (found := await read(self.rpc, interface, address, view)) != value:
                raise DeploymentError(f"{name} at {address}: {view} is {found}, not {value}")
        return address

    async def _registry(self, feeds: Mapping[str, DeployedFeed]) -> str | None:
        """Feeds by base and quote. A listing takes effect after the change delay: a later run confirms it."""
        pairs = {feed.name: feed.pair for feed in self.plan.feeds if feed.pair is not None}
        if not pairs:
            return None
        contract = self.contracts["ZkFeedRegistry"]
        interface = _registry_interface()
        arguments = interface.encode_constructor(self.sender.address, self.plan.change_delay)
        address = await self._contract("registry", contract.bytecode + arguments)
        await self._require_code(address, contract)
        waiting = False
        for name, pair in pairs.items():
            waiting |= not await self._listing(address, name, pair, feeds[name].aggregator)
        if not waiting and self.admin != self.sender.address:

            async def find() -> bool | None:
                found = [await read(self.rpc, interface, address, view) for view in ("owner", "pendingOwner")]
                return True if self.admin in found else None

            data = interface.encode_call("transferOwnership", self.admin)
            await self._once(f"handover of the registry to {self.admin}", address, data, find)
            if await read(self.rpc, interface, address, "owner") != self.admin:
                self.progress(f"the registry waits for {self.admin} to call acceptOwnership()")
        return address

    async def _listing(self, registry: str, name: str, pair: Sequence[str], aggregator: str) -> bool:
        """Propose a feed for its pair, or confirm it. Whether it is listed now."""
        interface = _registry_interface()

        async def at(view: str) -> str | None:
            try:
                return str(await read(self.rpc, interface, registry, view, *pair))
            except ContractRejected:
                return None  # "Feed not found"

        async def listed() -> bool | None:
            return True if await at("getFeed") == aggregator else None

        async def proposed() -> bool | None:
            return True if aggregator in (await at("getProposedFeed"), await at("getFeed")) else None

        if await listed():
            return True
        arguments = (*pair, aggregator)
        step = f"proposal of {name} as {pair[0]} / {pair[1]}"
        await self._once(step, registry, interface.encode_call("proposeFeed", *arguments), proposed)
        step = f"listing of {name} as {pair[0]} / {pair[1]}"
        try:
            await self._once(step, registry, interface.encode_call("confirmFeed", *arguments), listed)
        except ContractRejected as error:
            if error.name != "TooEarly":
                raise
            since = await read(self.rpc, interface, registry, "confirmableFrom", *pair)
            self.progress(f"feed {name} can be listed from {since} (unix seconds) on: run again then")
            return False
        return True

    async def _require_code(self, address: str, contract: Compiled) -> None:
        if not contract.matches(await self.rpc.code(address), address):
            raise DeploymentError(
                f"the contract at {address} is not the {contract.name} of this release: go on with the release that "
                f"deployed it, or move {self.path} away to deploy anew"
            )

    async def _hand_over(self, hub: Hub) -> None:
        """Give the hub to its admin, who has to accept: a mistyped address can't take it away."""
        if self.admin == self.sender.address:
            return

        async def find() -> bool | None:
            pending = await hub.read("pendingDefaultAdmin")
            return True if self.admin in (await hub.read("defaultAdmin"), next(iter(pending.values()))) else None

        data = hub_interface().encode_call("beginDefaultAdminTransfer", self.admin)
        await self._once(f"handover to {self.admin}", hub.address, data, find)
        if await hub.read("defaultAdmin") != self.admin:
            self.progress(
                f"the hub is still {self.sender.address}'s: {self.admin} must call acceptDefaultAdminTransfer() "
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
        """Write the result down. What earlier runs deployed on this hub stays in it."""
        before = self.file.deployment
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
            hub_code_hash=_keccak(await self.rpc.code(hub.address)),
            libraries=self.libraries,
            factory=self.factory,
            block=self.file.steps["hub"].block or 0,
            deployer=self.sender.address if before is None else before.deployer,
            verifiers=tuple({each.address: each for each in verifiers}.values()),
            models=dict(models),
            feeds=dict(feeds),
            registry=registry,
        )
        if before is not None and before.hub == hub.address and before.hub_code_hash != deployment.hub_code_hash:
            raise DeploymentError(f"the code of the hub at {hub.address} is not the one that was deployed")
        self._save(deployment=deployment)
        return deployment

    # --- one step ----------------------------------------------------------------------------------------------

    async def _contract(self, name: str, code: bytes) -> str:
        """Deploy a contract, unless that was done."""

        async def find() -> str | None:
            step = self.file.steps.get(name)
            return step.address if step is not None else None

        return await self._once(name, None, code, find)

    async def _once(self, name: str, to: str | None, data: bytes, find: Callable[[], Awaitable[T | None]]) -> T:
        """Send a transaction, unless what it is for is there.

        Args:
            find: Looks for what the transaction brings about.
        """
        for _ in range(_ATTEMPTS):
            if (found := await find()) is not None:
                return found
            try:
                await self._transact(name, to, data)
            except StateMoved as error:
                # Another transaction of this key took the nonce. The signed one can never be mined: forget it.
                self.progress(f"{name}: {error}; trying again")
                self._save(steps={key: step for key, step in self.file.steps.items() if key != name})
                continue
            if (found := await find()) is not None:
                return found
            # Never sent again on the word of a node that lags behind.
            raise ChainUnavailable(f"{name}: mined, but {self.rpc.name} does not show it yet; run again")
        raise ChainUnavailable(f"{name}: other transactions of {self.sender.address} keep coming first; run again")

    async def _transact(self, name: str, to: str | None, data: bytes) -> None:
        """Sign, write down, send, wait, write down."""
        step = self.file.steps.get(name)
        if step is not None and step.raw is not None and step.nonce > await self.rpc.nonce(self.sender.address):
            step = None  # its predecessors were never mined here: the chain was reset
        if step is None:
            self.progress(f"{name}: sending")
            signed = await self.sender.sign(to, data, hub_interface().decode_error)
            step = _Step(
                tx_hash=signed.tx_hash,
                nonce=signed.nonce,
                raw="0x" + signed.raw.hex(),
            )
            self._save(steps={**self.file.steps, name: step})
            self.progress(f"{name}: signed {_hex(step.tx_hash)}")
        if step.raw is not None:
            raw = bytes.fromhex(step.raw.removeprefix("0x"))
            await self.sender.broadcast(SignedTransaction(step.tx_hash, raw, step.nonce))
            self.progress(f"{name}: sent")
        receipt = await self.sender.wait(step.tx_hash, self.deadline_s)
        if not receipt.succeeded:
            self._save(steps={key: each for key, each in self.file.steps.items() if key != name})
            raise await self._why_reverted(name, to, data, receipt)
        self.progress(f"{name}: mined in block {receipt.block_number}")
        address = receipt.contract_address if to is None else None
        done = step.model_copy(update={"raw": None, "block": receipt.block_number, "address": address})
        self._save(steps={**self.file.steps, name: done})
        self.progress(f"{name}: done")

    async def _why_reverted(self, name: str, to: str | None, data: bytes, receipt: Receipt) -> ContractRejected:
        if to is not None:
            try:
                await self.rpc.call(
                    to,
                    data,
                    sender=self.sender.address,
                    block=receipt.block_number,
                    decode=hub_interface().decode_error,
                )
            except ContractRejected as error:
                return ContractRejected(f"{name}: {error}", error.name)
        return ContractRejected(f"{name}: {describe_revert(b'').message} ({receipt.gas_used:,} gas used)")

    async def _check_feed(self, hub: Hub, feed: FeedPlan) -> None:
        """Compare a feed on-chain with the plan.

        Raises:
            DeploymentError: They differ; names each difference.
        """
        feed_id = feed_id_of(feed.config.description)
        found = await hub.fresh_feed_config(feed_id)
        differences = [
            f"{field.name} is {getattr(found, field.name)} on-chain, {getattr(feed.config, field.name)} here"
            for field in fields(HubFeedConfig)
            if getattr(found, field.name) != getattr(feed.config, field.name)
        ]
        reporters = await hub.reporters(feed_id)
        if set(reporters) != set(feed.reporters):
            differences.append(f"reporters are {', '.join(reporters)} on-chain, {', '.join(feed.reporters)} here")
        if differences:
            raise DeploymentError(
                f"feed {feed.name} ({feed.config.description}) exists and differs: {'; '.join(differences)}. A feed is "
                "fixed once it is made (reporters and quorum change by proposal): correct the configuration, "
                "or give the feed another description"
            )
        if self.plan.adds_model:
            return
        artifact = dict(self._models())[feed.model][0]
        active = await hub.model((await hub.feed_state(feed_id)).model_number)
        if active.artifact_hash != bytes.fromhex(_bare(artifact.manifest.artifact_hash)):
            raise DeploymentError(
                f"feed {feed.name} ({feed.config.description}) is judged by the model of artifact "
                f"{active.artifact_hash.hex()}, here it is {_bare(artifact.manifest.artifact_hash)}: "
                "a feed's model changes by proposal, not by deploying (add it first with `oracle deploy --add-model`)"
            )

    def _save(self, **changes: Any) -> None:
        self.file = self.file.model_copy(update=changes)
        _write_file(self.path, self.file)


# --- details -------------------------------------------------------------------------------------------------------


async def code_problems(rpc: Rpc, hub: str, contracts: Mapping[str, Compiled] | None = None) -> list[str]:
    """What of a hub is not this release's code: its own, its libraries' (whose addresses are in it), its factory's.

    Needs no deployment file. The adapters are not looked at: their code follows from the factory's.

    Args:
        contracts: As compiled, by name; default: the packaged ones.

    Returns:
        A sentence for each; none if all of it is.
    """
    contracts = contracts or _packaged()
    contract = contracts["ZkOracle"]
    code = await rpc.code(hub)
    try:
        libraries = contract.libraries_in(code)
        is_hub = contract.link(libraries).matches(code, hub)
    except DeploymentError:
        is_hub = False
    if not is_hub:
        return [f"the code at {hub} is not this release's hub"]
    problems = []
    for name, address in libraries.items():
        if not contracts[name].matches(await rpc.code(address), address):
            problems.append(f"the code at {address} is not this release's {name}, a library of the hub")
    factory = await Hub(rpc, hub).read("aggregatorFactory")
    if not contracts["ZkAggregatorFactory"].matches(await rpc.code(factory), factory):
        problems.append(f"the code at {factory} is not this release's factory of adapters")
    return problems


def srs_origin(code: bytes) -> Literal["public-ceremony", "insecure-local"]:
    """Where the SRS of a verifier is from, by the constant in its code (creation code or runtime code)."""
    return "public-ceremony" if CEREMONY_CONSTANT in code else "insecure-local"


def feed_id_of(description: str) -> bytes:
    """The hub's id of a feed: keccak256 of its description, 32 bytes."""
    return _keccak(description.encode())


def _check_plan(plan: DeployPlan) -> None:
    """Mistakes that need no chain to be seen."""
    for values, what in (
        ([feed.name for feed in plan.feeds], "name"),
        ([feed.config.description for feed in plan.feeds], "description"),
    ):
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise DeploymentError(f"two feeds have the same {what}: {', '.join(sorted(twice))}")
    for feed in plan.feeds:
        if feed.model not in plan.models:
            raise DeploymentError(f"feed {feed.name}: there is no model {feed.model!r} in the plan")
    for name, artifacts in plan.models.items():
        if not artifacts:
            raise DeploymentError(f"model {name} has no artifact")
        hashes = {artifact.model_hash for artifact in artifacts}
        manifests = [artifact.manifest for artifact in artifacts]
        shapes = {(each.features, each.outputs, each.spread, each.score_unit) for each in manifests}
        if len(hashes) > 1 or len(shapes) > 1:
            raise DeploymentError(f"model {name}: its artifacts are not of one model")
        batches = [each.batch for each in manifests]
        if len(set(batches)) != len(batches):
            raise DeploymentError(f"model {name} has two artifacts of one batch size ({', '.join(map(str, batches))})")
        probes = [artifact.probe() for artifact in artifacts]
        if len({(probe.window, probe.scores) for probe in probes}) > 1:
            raise DeploymentError(
                f"model {name}: the probes of its artifacts are not of one window and its scores: build them again"
            )


def _probe(artifacts: Sequence[VerifierArtifact]) -> tuple[Sequence[int], Sequence[int], Sequence[bytes]]:
    """The contract's `Probe` of one model's circuits, in their order."""
    probes = [artifact.probe() for artifact in artifacts]
    return probes[0].window, probes[0].scores, [probe.proof for probe in probes]


def _packaged() -> dict[str, Compiled]:
    return {name: compiled.load(name) for name in compiled.SOURCES}


@cache
def _registry_interface() -> Interface:
    return Interface(compiled.load("ZkFeedRegistry").abi)


def _factory_interface() -> Interface:
    return Interface(compiled.load("ZkAggregatorFactory").abi)


def _config_tuple(config: HubFeedConfig) -> tuple[Any, ...]:
    """A feed's configuration in the order of the contract's struct, whatever ours is."""
    entry = next(each for each in hub_interface().abi if each.get("name") == "addFeed")
    return tuple(getattr(config, _snake(part["name"])) for part in entry["inputs"][0]["components"])


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _bare(text: str) -> str:
    return text.removeprefix("0x")


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _keccak(data: bytes) -> bytes:
    from eth_utils.crypto import keccak

    return bytes(keccak(data))
