"""Where concrete parts meet: from a configuration to feeds, provers, keys, a hub and a pipeline that fit together.

The command line, the demonstration, the benchmark and the tests all build their parts here, so what they run is the
same oracle.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.core.errors import ArtifactError, ConfigError, PayerEmpty
from oracle.core.types import Proven, Scored
from oracle.detectors.interface import Detector, Disclosure
from oracle.feeds.batching import BatchPolicy, Spare
from oracle.feeds.pipeline import Pipeline, Watch
from oracle.feeds.shadows import Listener as ShadowListener
from oracle.feeds.shadows import Shadows
from oracle.proving.interface import ProofJob

if TYPE_CHECKING:
    from oracle.audit import AuditReport
    from oracle.chain.deploy import Deployment
    from oracle.chain.hub import Hub
    from oracle.chain.keys.signer import AnyKey
    from oracle.chain.listener import Listener
    from oracle.chain.transport.rpc import Rpc
    from oracle.chain.tx.sender import SendPolicy
    from oracle.config import ChainConfig, Config, FeedConfig, JournalConfig, KeyConfig
    from oracle.feeds.journal import Journal
    from oracle.proving.artifact import Artifact
    from oracle.proving.interface import OnEvent, Prover, ProverEvent
    from oracle.proving.srs import SrsCache

Progress = Callable[[str], None]


# --- models and their circuits -------------------------------------------------------------------------------------


class ProvenModel:
    """A detector with a prover for each of its circuits: what the pipeline calls a model.

    Args:
        provers: By the windows of their circuits.
        rows: Of the circuits: which proofs take longer, until they were measured.
    """

    def __init__(self, detector: Detector, provers: Mapping[int, Prover], rows: Mapping[int, int]) -> None:
        self.detector = detector
        self.provers = dict(sorted(provers.items()))
        self._rows = rows
        self._measured: dict[int, float] = {}

    @property
    def features(self) -> int:
        return self.detector.features

    @property
    def spread(self) -> bool:
        return bool(getattr(self.detector, "spread", False))

    def scores(self, features: Sequence[int]) -> tuple[int, ...]:
        """The integers that the circuit publishes."""
        return self.detector.score_int(features)

    def seconds(self) -> Mapping[int, float]:
        """Of a proof by windows: what the latest took, and by the circuits' rows where there was none yet."""
        rows = sum(self._rows[size] for size in self._measured)
        a_row = sum(self._measured.values()) / rows if rows else SECONDS_A_ROW
        return {size: self._measured.get(size, self._rows[size] * a_row) for size in self.provers}

    async def prove(self, batch: Sequence[Scored]) -> Sequence[Proven]:
        """One verified proof of all statements, by the smallest circuit that has room for them."""
        size = next(size for size in self.provers if size >= len(batch))
        job = ProofJob(tuple(each.features for each in batch), tuple(each.scores for each in batch))
        proof = await self.provers[size].prove(job)
        before = self._measured.get(size, proof.seconds)
        self._measured[size] = before + (proof.seconds - before) / 4
        keys = tuple(each.observed.key for each in batch) if len(batch) > 1 else ()
        return [Proven(each, proof.proof, proof.artifact_hash, proof.seconds, keys) for each in batch]


SECONDS_A_ROW = 0.0004
"""Of a proof with one thread, before any was measured; only its order matters."""


def srs_cache(artifacts: Path) -> SrsCache:
    """The SRS files beside a folder of artifacts."""
    from oracle.proving.srs import SrsCache

    return SrsCache(artifacts.parent / "srs")


def load_detector(path: Path, disclosure: Disclosure = Disclosure.SCORE) -> Detector:
    """Reads a model file of any kind, networks included.

    Raises:
        DataError: The file can't be read, its content is wrong, or it can't publish that.
        ModelError: Its network can't be proven.
    """
    from oracle import detectors
    from oracle.proving.imported import at_scales

    return detectors.load(path, disclosure, at_scales)


def detector(config: Config) -> Detector:
    """The detector that the configuration asks for."""
    from oracle.detectors.quadratic import QuadraticModel

    disclosure = Disclosure(config.prover.disclosure)
    if config.prover.model is not None:
        return load_detector(config.prover.model, disclosure)
    return QuadraticModel.default(disclosure)


def find_artifact(config: Config, batch: int = 1, progress: Progress = lambda step: None) -> Artifact:
    """The circuit that the configuration asks for; built if it is not in the artifacts folder yet."""
    from oracle.chain.local.solc import compile_standard
    from oracle.proving import artifact
    from oracle.proving.srs import SrsOrigin
    from oracle.proving.verifier import SOLC_VERSION

    source = srs_cache(config.prover.artifacts).source(SrsOrigin(config.prover.srs))
    wanted = detector(config)
    found = artifact.build(
        wanted,
        batch,
        visibility=artifact.Visibility(config.prover.visibility),
        srs=source,
        compile_standard=lambda request: compile_standard(request, SOLC_VERSION),
        cache=config.prover.artifacts,
        progress=progress,
    )
    if config.prover.model is not None:
        _keep_detector(wanted, found)
    return found


def log_proving(event: ProverEvent) -> None:
    import structlog

    told: dict[str, Any] = {"running": event.running, "waiting": event.waiting, "seconds": round(event.seconds, 3)}
    if event.detail:
        told["detail"] = event.detail
    level = "warning" if event.kind == "retried" else "debug"
    # A failure is not told twice: it reaches whoever asked for the proof.
    getattr(structlog.get_logger(__name__), level)(f"proof {event.kind}", statement=event.statement[:16], **told)


def make_prover(config: Config, artifact: Artifact, on_event: OnEvent = log_proving) -> Prover:
    """The prover of one circuit that the configuration asks for.

    Raises:
        ToolMissing: It is on a Ray cluster, and Ray is not installed.
    """
    from oracle.proving.pool.cache import ProofCache

    prover = config.prover
    cache = ProofCache(folder=prover.proof_cache)
    if prover.backend == "ray":
        from oracle.proving.pool.ray import RayProver

        return RayProver(
            artifact,
            address=prover.ray_address,
            workers=prover.workers,
            deadline=prover.deadline_s,
            memory_mb=prover.memory_mb,
            queue=prover.queue,
            cache=cache,
            on_event=on_event,
        )
    from oracle.proving.pool.local import LocalProver

    return LocalProver(
        artifact,
        processes=prover.workers,
        deadline=prover.deadline_s,
        memory_mb=prover.memory_mb,
        queue=prover.queue,
        cache=cache,
        on_event=on_event,
    )


async def build_artifact(config: Config, batch: int) -> Path:
    """Build or find the configured circuit; returns its folder."""
    return (await asyncio.to_thread(find_artifact, config, batch)).path


# --- keys and deployment -------------------------------------------------------------------------------------------


async def account(key: KeyConfig, rpc: Rpc, env: Mapping[str, str]) -> AnyKey:
    """The signing key that the configuration names."""
    from oracle.chain.keys import keystore

    if key.anvil_account is not None:
        return await keystore.local_chain_key(key.anvil_account, rpc)
    if key.remote is not None:
        from oracle.chain.keys.remote import RemoteKey

        assert key.address is not None
        return RemoteKey(key.remote, key.address, key.timeout_s)
    assert key.keystore is not None
    password = await asyncio.to_thread(_password, key, env)
    # Decrypting takes a second on purpose.
    return await asyncio.to_thread(keystore.load, key.keystore, password)


def _password(key: KeyConfig, env: Mapping[str, str]) -> str:
    from oracle.chain.keys import keystore

    assert key.keystore is not None
    if key.password_file is not None:
        return keystore.password_from_file(key.password_file)
    if key.password_env_file is not None:
        return keystore.password_from_file(Path(keystore.password_from_env(key.password_env_file, env)))
    if key.password_keyring is not None:
        return keystore.password_from_keyring(key.password_keyring, keystore.address_of(key.keystore))
    if key.password_prompt:
        return keystore.password_from_prompt(key.keystore)
    return keystore.password_from_env(key.password_env or "", env)


async def deploy(
    config: Config, progress: Progress, env: Mapping[str, str] | None = None, *, adds_model: bool = False
) -> Deployment:
    """Build the circuits, deploy what is missing on the configured chain, and check all of it.

    Args:
        config: What there is to be.
        progress: Told each step.
        env: For passwords; None: the process's.
        adds_model: See `DeployPlan.adds_model`.
    """
    import os

    from oracle.chain.deploy import DeployPlan, FeedPlan
    from oracle.chain.deploy import deploy as run
    from oracle.chain.transport.endpoints import connect

    environment = os.environ if env is None else env
    async with connect(config.chain) as rpc:
        # What a person may have to put right comes before the minute that circuits take.
        deployer = await account(config.keys.deployer, rpc, environment)
        reporter = await address_of(config.keys.reporter, rpc, environment)
        await rpc.chain_id()
        if not await rpc.balance(deployer.address):
            raise PayerEmpty(f"{deployer.address}, which deploys ([keys] deployer), has no ether: send it some")
        batches = config.prover.batch_sizes
        artifacts = [await asyncio.to_thread(find_artifact, config, batch, progress) for batch in batches]
        plan = DeployPlan(
            feeds=tuple(
                FeedPlan(feed.name, terms(feed), feed.reporters or (reporter,), feed.strict_adapter, pair=feed.pair)
                for feed in config.feeds
            ),
            models={"default": artifacts},
            change_delay=config.deploy.change_delay,
            admin=config.deploy.admin,
            guardian=config.deploy.guardian,
            adds_model=adds_model,
        )
        return await run(plan, rpc, deployer, config.chain.deployment, progress)


def terms(feed: FeedConfig) -> Any:
    """A feed's part of the configuration that is fixed in the contract."""
    from oracle.chain.hub import FeedConfig as Terms

    return Terms(
        description=feed.description,
        kind=feed.measure,
        decimals=feed.decimals,
        quorum=feed.quorum,
        confirmations=feed.confirmations,
        heartbeat=feed.heartbeat,
        max_age=feed.max_age,
        max_skew=feed.max_skew,
        confirm_delay=feed.confirm_delay,
        tolerance=feed.tolerance,
        max_spread=feed.max_spread,
        max_repeats=feed.max_repeats,
        sigma=feed.sigma,
    )


async def address_of(key: KeyConfig, rpc: Rpc, env: Mapping[str, str]) -> str:
    """The address of a key; of a keystore it is known without its password."""
    from oracle.chain.keys import keystore

    if key.address is not None:
        return key.address
    if key.keystore is not None:
        return keystore.address_of(key.keystore)
    return str((await account(key, rpc, env)).address)


async def rotation(config: Config, old: str, new: str) -> list[str]:
    """List what the hub's admin has to do to replace a reporter's key. See `oracle.chain.keys.rotation`."""
    from oracle.chain.deploy import load_deployment
    from oracle.chain.hub import Hub
    from oracle.chain.keys import rotation
    from oracle.chain.transport.endpoints import connect

    deployment = load_deployment(config.chain.deployment)
    async with connect(config.chain) as rpc:
        feeds = {name: feed.feed_id for name, feed in deployment.feeds.items()}
        return await rotation.steps(Hub(rpc, deployment.hub), feeds, old, new)


# --- a running oracle ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Oracle:
    """The parts of one running oracle."""

    config: Config
    deployment: Deployment
    rpc: Rpc
    hub: Hub
    journal: Journal
    pipeline: Pipeline
    models: Mapping[int, ProvenModel]
    payer: str
    shadows: Shadows | None


STANDBY_S = 0.5
"""Seconds between two tries of a standby to lead."""


async def _lead(config: JournalConfig, env: Mapping[str, str], on_standby: Callable[[str | None], None]) -> Journal:
    """The journal, once this daemon is the one that writes to it.

    Args:
        on_standby: Told who leads while another does; None: this one.
    """
    from oracle.core.errors import JournalUnavailable
    from oracle.feeds.journal import open_journal

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


async def _found_hub(config: Config, deployment: Deployment, rpc: Rpc) -> Hub:
    """The deployed hub, once it was found on the chain with the configured feeds."""
    from oracle.chain.hub import Hub

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


async def check_chain(config: Config) -> str:
    """See that the chain has what `oracle run` needs there: the hub, with the configured feeds; returns where.

    Raises:
        ConfigError: The deployment file is of another chain, or does not have a feed.
        DeploymentError: The hub is not on the chain, or does not have a feed.
        ChainUnavailable: No answer.
    """
    from oracle.chain.deploy import load_deployment
    from oracle.chain.transport.endpoints import connect

    deployment = load_deployment(config.chain.deployment)
    async with connect(config.chain) as rpc:
        hub = await _found_hub(config, deployment, rpc)
    return f"hub {hub.address} on chain {deployment.chain_id}"


@contextlib.asynccontextmanager
async def oracle(
    config: Config,
    *,
    env: Mapping[str, str] | None = None,
    watch: Watch = lambda stage, outcome, reason: None,
    on_proof: OnEvent = log_proving,
    on_chain: Listener | None = None,
    on_standby: Callable[[str | None], None] = lambda leader: None,
    on_shadow: ShadowListener | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Oracle]:
    """Everything that takes observations to the chain, opened in order and closed in reverse.

    Raises:
        ArtifactError: The deployed model's artifact is not here, or another one.
        ConfigError: The deployment file is of another chain, or does not have a feed.
        DeploymentError: The hub is not on the chain, or does not have a feed.
    """
    import os

    from oracle.chain.deploy import load_deployment
    from oracle.chain.keys.signer import Reporter
    from oracle.chain.transport.endpoints import connect
    from oracle.chain.transport.heads import Heads
    from oracle.chain.tx.sender import Sender
    from oracle.chain.tx.submit import Submitter

    environment = os.environ if env is None else env
    async with contextlib.AsyncExitStack() as stack:
        deployment = load_deployment(config.chain.deployment)
        rpc = await stack.enter_async_context(connect(config.chain, on_chain))
        hub = await _found_hub(config, deployment, rpc)
        journal = stack.enter_context(await _lead(config.journal, environment, on_standby))
        reporter = await account(config.keys.reporter, rpc, environment)
        payer = await account(config.keys.submitter, rpc, environment)
        models: dict[int, ProvenModel] = {}
        for number in deployment.models:
            circuits = deployed_circuits(config, deployment, number)
            provers = {batch: make_prover(config, artifact, on_proof) for batch, artifact in circuits.items()}
            for prover in provers.values():
                stack.push_async_callback(prover.close)
            rows = {batch: 1 << artifact.manifest.k for batch, artifact in circuits.items()}
            models[number] = ProvenModel(detector_of(circuits[min(circuits)]), provers, rows)
        heads = Heads(config.chain.ws_url)
        stack.push_async_callback(heads.close)
        policy = send_policy(config.chain)
        sender = Sender(rpc, payer, policy=policy, known=journal.signed, heads=heads, listener=on_chain)
        submitter = Submitter(hub, sender, deadline_s=config.chain.tx_deadline_s, clock=clock)
        reporters = [Reporter(reporter, deployment.chain_id, deployment.hub)]
        batching, spare, shadows = _batching(config, deployment, clock), Spare(), None
        if config.keys.shadow is not None:
            purse = await account(config.keys.shadow, rpc, environment)
            if str(purse.address) == str(payer.address):
                raise ConfigError(
                    f"[keys] shadow is the submitter's account, {payer.address}: a shadow that is stuck there would "
                    "hold up reports; make another with `oracle key create`"
                )
            leading = replace(policy, fees=replace(policy.fees, leads=True))
            its_sender = Sender(rpc, purse, policy=leading, known=journal.signed, heads=heads)
            shadows = Shadows(
                hub,
                {name: feed.feed_id for name, feed in deployment.feeds.items()},
                reporters,
                models,
                Submitter(hub, its_sender, deadline_s=config.chain.tx_deadline_s, clock=clock, shadow=True),
                journal,
                spare,
                can_pay=partial(_can_pay, rpc, str(purse.address)),
                slack=batching.slack,
                wait_s=config.prover.shadow_wait_ms / 1_000,
                listener=on_shadow,
            )
            stack.push_async_callback(shadows.close)
        pipeline = Pipeline(
            hub, reporters, models, submitter, journal, watch, batching=batching, shadows=shadows, spare=spare
        )
        stack.push_async_callback(pipeline.close)
        yield Oracle(config, deployment, rpc, hub, journal, pipeline, models, str(payer.address), shadows)


async def _can_pay(rpc: Rpc, address: str) -> bool:
    """Whether an account has enough for a submission."""
    return await rpc.balance(address) >= (await rpc.fees()).max_fee * SUBMISSION_GAS


SUBMISSION_GAS = 1_000_000
"""Of one report, at most, its margin included."""


def _batching(config: Config, deployment: Deployment, clock: Callable[[], float]) -> BatchPolicy:
    max_age = {feed.name: feed.max_age for feed in config.feeds}
    return BatchPolicy(
        window_s=config.prover.batch_window_ms / 1_000,
        provers=config.prover.workers,
        feeds=len(deployment.feeds),
        slack=lambda observed: observed.observed_at + max_age.get(observed.feed, 0) - clock(),
    )


def deployed_circuits(config: Config, deployment: Deployment, number: int) -> dict[int, Artifact]:
    """The artifacts of a deployed model by their windows. Those for several are left out where they are not here.

    Raises:
        ArtifactError: That of the smallest circuit is not here, or is another one.
    """
    import structlog

    from oracle.proving import artifact

    model = deployment.models[number]
    smallest = min(model.artifacts)
    found = {smallest: deployed_artifact(config, deployment, number)}
    verifiers = {each.code_hash for each in deployment.verifiers}
    for batch in sorted(model.artifacts.keys() - {smallest}):
        hint = Path(model.artifacts[batch])
        for folder in (hint, config.prover.artifacts / hint.name):
            if (folder / artifact.MANIFEST).is_file():
                circuit = artifact.load(folder)
                if bytes.fromhex(circuit.manifest.verifier_code_hash.removeprefix("0x")) in verifiers:
                    found[batch] = circuit
                    break
        else:
            structlog.get_logger(__name__).warning(
                "no circuit for batches of this size", batch=batch, artifact=hint.name
            )
    return found


def send_policy(chain: ChainConfig) -> SendPolicy:
    """How transactions are cared for, and what they may cost."""
    from oracle.chain.fees import GWEI, FeePolicy
    from oracle.chain.tx.sender import SendPolicy

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


def deployed_artifact(config: Config, deployment: Deployment, number: int) -> Artifact:
    """The artifact of a deployed model: where it was deployed from, or in the artifacts folder."""
    from oracle.proving import artifact

    model = deployment.models[number]
    hint = Path(model.artifacts[min(model.artifacts)])
    for folder in (hint, config.prover.artifacts / hint.name):
        if (folder / artifact.MANIFEST).is_file():
            found = artifact.load(folder)
            if found.artifact_hash != model.artifact_hash:
                raise ArtifactError(
                    f"{folder} is artifact {found.artifact_hash}, but model {number} was deployed from "
                    f"{model.artifact_hash}: restore that one, or propose this one as a new model"
                )
            return found
    raise ArtifactError(
        f"the artifact of model {number} ({hint.name}) is neither at {hint} nor in {config.prover.artifacts}: "
        "copy its folder there from the machine that deployed it"
    )


DETECTOR = "detector.json"
"""The model file in the folder of its artifact: what runs a deployed model, whatever is configured by now."""


def _keep_detector(detector: Detector, artifact: Artifact) -> None:
    path = artifact.path / DETECTOR
    text = detector.to_json()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)


def detector_of(artifact: Artifact) -> Detector:
    """The integer reference of a circuit.

    Raises:
        ArtifactError: There is no model file beside it, or one of another model.
    """
    import hashlib

    from oracle.detectors.quadratic import QuadraticModel
    from oracle.proving.artifact import MODEL

    manifest = artifact.manifest
    disclosure = Disclosure(manifest.disclosure)
    path = artifact.path / DETECTOR
    if path.is_file():
        found = load_detector(path, disclosure)
        if hashlib.sha256(found.to_onnx(manifest.batch)).hexdigest() != manifest.files[MODEL]:
            raise ArtifactError(f"{path} is another model than its circuit's: restore the file, or build it again")
        return found
    default = QuadraticModel.default(disclosure)
    if manifest.name != default.name:
        raise ArtifactError(
            f"{artifact.path} is of the model {manifest.name!r}, and its {DETECTOR} is missing: copy it from the "
            "machine that deployed it"
        )
    return default


# --- a local chain, and the audit -------------------------------------------------------------------------------------


def chain_up(path: Path, port: int | None, announce: Callable[[str], None]) -> None:
    """Run the local chain until it ends, or SIGINT or SIGTERM asks it to."""
    import signal
    import types

    from oracle.chain.local.anvil import Anvil, load_anvil_config

    def stop(number: int, frame: types.FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    overrides = {} if port is None else {"port": port}
    with Anvil(load_anvil_config(path, **overrides)) as chain:
        announce(f"chain {chain.chain_id} at {chain.rpc_url}, process {chain.pid}; Ctrl-C stops it")
        with contextlib.suppress(KeyboardInterrupt):
            chain.wait()
    announce("stopped")


async def audit(hub: str, rpc_url: str, artifacts: Path, from_block: int = 0) -> AuditReport:
    """Verify every round of a hub again. See `oracle.audit`."""
    from oracle.audit import audit_hub
    from oracle.chain.transport.rpc import Rpc, checksum_address

    async with Rpc(rpc_url) as rpc:
        return await audit_hub(rpc, checksum_address(hub, "HUB"), artifacts, from_block)
