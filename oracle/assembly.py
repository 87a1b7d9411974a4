"""Where concrete parts meet: from a configuration to feeds, provers, keys, a hub and a pipeline that fit together.

The command line, the demonstration, the benchmark and the tests all build their parts here, so what they run is the
same oracle.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle import encoding, toolchain
from oracle.batching import BatchPolicy
from oracle.detectors.interface import Detector, Disclosure
from oracle.errors import ArtifactError, ConfigError, DataError
from oracle.pipeline import Pipeline, Watch
from oracle.proving.interface import ProofJob
from oracle.types import Proven, Scored

if TYPE_CHECKING:
    from oracle.audit import AuditReport
    from oracle.chain.contracts import Hub
    from oracle.chain.deploy import Deployment
    from oracle.chain.listener import Listener
    from oracle.chain.rpc import EndpointState, Rpc
    from oracle.chain.sender import SendPolicy
    from oracle.chain.signer import AnyKey
    from oracle.config import ChainConfig, Config, FeedConfig, JournalConfig, KeyConfig
    from oracle.doctor import Check
    from oracle.inspection import SrsFinding
    from oracle.journal import Journal
    from oracle.proving.artifact import Artifact
    from oracle.proving.cutting import Plan
    from oracle.proving.graph import GraphReport
    from oracle.proving.interface import OnEvent, Prover, ProverEvent
    from oracle.proving.split import Chain, ModelProof
    from oracle.proving.srs import SrsCache, SrsStatus
    from oracle.proving.tuning import Request
    from oracle.proving.verification import Verification

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
    from oracle.chain.solc import compile_standard
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
    from oracle.proving.cache import ProofCache

    prover = config.prover
    cache = ProofCache(folder=prover.proof_cache)
    if prover.backend == "ray":
        from oracle.proving.ray import RayProver

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
    from oracle.proving.local import LocalProver

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


@dataclass(frozen=True)
class ModelOptions:
    """What the command line says about a model of one's own. See `oracle model build --help`."""

    onnx: Path
    data: Path | None = None
    batch: int = 1
    rule: str | None = None
    value: float = 0.0
    max_flips: float = 1.0
    objective: str = "time"
    output: str | None = None
    keep_activation: bool = False
    clip: int = encoding.CLIP
    public_model: bool = False
    disclosure: str = "score"
    srs: str = "insecure-local"
    settings: Path | None = None
    out: Path | None = None
    split: bool = False
    memory_limit: float | None = None
    cores: int | None = None


@dataclass(frozen=True)
class SplitModel:
    """A split model, and how it was cut."""

    chain: Chain
    plan: Plan


@dataclass(frozen=True)
class BuiltModel:
    """An artifact of a brought model, and how its settings were chosen."""

    artifact: Artifact
    tuning: Mapping[str, Any]


def inspect_model(options: ModelOptions) -> GraphReport:
    """What is in an ONNX file, and what it would cost."""
    from oracle.proving import graph

    return graph.inspect(
        graph.read_file(options.onnx),
        options.onnx.name,
        output=options.output,
        keep_activation=options.keep_activation,
        whole=not options.split,
    )


def _request(options: ModelOptions) -> Request:
    """What is to be tuned."""
    from oracle.proving import artifact, graph, tuning
    from oracle.proving.imported import model_name
    from oracle.proving.samples import load

    if options.data is None:
        raise DataError("tuning needs samples of the model's inputs")
    return tuning.Request(
        name=model_name(options.onnx.stem),
        data=graph.read_file(options.onnx),
        samples=load(options.data),
        verdict=None if options.rule is None else tuning.Verdict(tuning.Rule(options.rule), options.value),
        max_flips_per_10k=options.max_flips,
        visibility=artifact.Visibility.PUBLIC if options.public_model else artifact.Visibility.PRIVATE,
        objective=tuning.Objective(options.objective),
        output=options.output,
        keep_activation=options.keep_activation,
        clip=options.clip,
        disclosure=options.disclosure,
        whole=not options.split,
    )


def build_split_model(options: ModelOptions, progress: Progress = lambda step: None) -> SplitModel:
    """Cut a brought model into segments that fit the memory, and build them; found again if they were built before.

    The same model, samples, options, memory limit and cores give the same artifact.

    Raises:
        ModelError: The model can't be proven, flips too many verdicts, or has a layer that does not fit.
        DataError: The samples do not fit.
    """
    import os
    import tempfile

    from oracle.chain.solc import compile_standard
    from oracle.proving import cutting, split, tuning
    from oracle.proving.child import EngineProcess
    from oracle.proving.srs import SrsOrigin
    from oracle.proving.verifier import SOLC_VERSION

    out = options.out or toolchain.build_dir() / "artifacts"
    request = _request(options)
    if request.disclosure != "score":
        raise DataError("a split model publishes its scores: build it without --split, or without --disclosure verdict")
    circuit, _, model = tuning.coarsest(request, progress)
    with tempfile.TemporaryDirectory(prefix="oracle-cutting-") as folder, EngineProcess() as engine:
        plan = cutting.plan(
            circuit,
            name=request.name,
            visibility=request.visibility,
            objective=request.objective,
            memory=_bytes(options.memory_limit) or split.default_memory(),
            cores=options.cores or os.cpu_count() or 1,
            engine=engine,
            folder=Path(folder),
            progress=progress,
        )
    chain = split.build(
        plan,
        circuit,
        name=request.name,
        visibility=request.visibility,
        facts=model.facts(),
        srs=srs_cache(out).source(SrsOrigin(options.srs)),
        compile_standard=lambda standard: compile_standard(standard, SOLC_VERSION),
        cache=out,
        progress=progress,
    )
    return SplitModel(chain, plan)


def _chain(path: Path, *, prover: bool = True) -> Chain:
    """A whole model's artifact that a user named: what is wrong with it is no verdict on a proof."""
    from oracle.proving.split import load_chain

    try:
        return load_chain(path, prover=prover)
    except ArtifactError as error:
        raise DataError(str(error)) from error


def _bytes(gib: float | None) -> int | None:
    return None if gib is None else int(gib * 2**30)


async def prove_model(
    path: Path,
    data: Path,
    *,
    row: int = 0,
    memory_limit: float | None = None,
    cores: int | None = None,
    deadline_s: float | None = None,
    progress: Progress = lambda step: None,
) -> tuple[Chain, ModelProof]:
    """Prove one inference of an imported model, split or not.

    Args:
        path: Its artifact.
        data: Inputs: .npy, .csv or .json, one row each.
        row: Which of them.
        memory_limit: GiB that proofs may take together.
        cores: Proofs at once.
        deadline_s: For each proof.
        progress: Told what is done.

    Raises:
        DataError: The file has no such row, or it does not fit the model.
    """
    from oracle.proving import split
    from oracle.proving.samples import load

    rows = load(data)
    if not 0 <= row < len(rows):
        raise DataError(f"{data} has {len(rows)} rows; there is no row {row}, they are counted from 0")
    chain = await asyncio.to_thread(_chain, path)
    async with split.ChainProver(chain, cores=cores, memory=_bytes(memory_limit), deadline=deadline_s) as prover:
        return chain, await prover.prove(prover.quantise(rows[row]), progress)


def verify_model(path: Path, proof: Path, deadline_s: float | None = None) -> tuple[Chain, ModelProof, Verification]:
    """Verify one inference against a model's artifact, of which an auditor's copy will do."""
    from oracle.proving import split

    chain = _chain(path, prover=False)
    found = split.read_proof(proof)
    deadline = {} if deadline_s is None else {"deadline": deadline_s}
    return chain, found, split.verify(chain, found, **deadline)


def build_model(options: ModelOptions, progress: Progress = lambda step: None) -> BuiltModel:
    """Tune, build and describe a brought model; found again if it was built before.

    A choice is kept beside the artifacts, because it rests on times: the same model, samples and options give the same
    artifact again.

    Raises:
        ModelError: The model can't be proven, or flips too many verdicts.
        DataError: The samples do not fit.
    """
    import json

    from oracle.chain.solc import compile_standard
    from oracle.proving import artifact, tuning
    from oracle.proving.srs import SrsOrigin
    from oracle.proving.verifier import SOLC_VERSION

    out = options.out or toolchain.build_dir() / "artifacts"
    request = _request(options)
    source = srs_cache(out).source(SrsOrigin(options.srs))
    kept = out / "tuned" / f"{request.digest()}.json"
    known = options.settings or (kept if kept.exists() else None)
    found: tuning.Tuning | None = None
    if known is not None:
        try:
            document = json.loads(known.read_text(encoding="utf-8"))
            model, _ = tuning.apply(request, document["chosen"], document["segments"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{known} holds no settings of a model ({error}): delete it, and tune again") from error
    else:
        found = tuning.tune(request, source, progress)
        document, model = found.document(), found.model
    built = artifact.build(
        model,
        options.batch,
        visibility=request.visibility,
        srs=source,
        compile_standard=lambda standard: compile_standard(standard, SOLC_VERSION),
        cache=out,
        progress=progress,
    )
    for path in (kept, built.path / "tuning.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if known is None or not path.exists():
            path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if found is not None:
        tuning.plot(found, built.path / "tuning.png")
    return BuiltModel(built, document)


# --- keys and deployment -------------------------------------------------------------------------------------------


async def account(key: KeyConfig, rpc: Rpc, env: Mapping[str, str]) -> AnyKey:
    """The signing key that the configuration names."""
    from oracle.chain import keystore

    if key.anvil_account is not None:
        return await keystore.local_chain_key(key.anvil_account, rpc)
    if key.remote is not None:
        from oracle.chain.remote import RemoteKey

        assert key.address is not None
        return RemoteKey(key.remote, key.address, key.timeout_s)
    assert key.keystore is not None
    password = await asyncio.to_thread(_password, key, env)
    # Decrypting takes a second on purpose.
    return await asyncio.to_thread(keystore.load, key.keystore, password)


def _password(key: KeyConfig, env: Mapping[str, str]) -> str:
    from oracle.chain import keystore

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
    from oracle.chain.endpoints import connect

    environment = os.environ if env is None else env
    async with connect(config.chain) as rpc:
        # What a person may have to put right comes before the minute that circuits take.
        deployer = await account(config.keys.deployer, rpc, environment)
        reporter = await _address(config.keys.reporter, rpc, environment)
        await rpc.chain_id()
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
    from oracle.chain.contracts import FeedConfig as Terms

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


async def _address(key: KeyConfig, rpc: Rpc, env: Mapping[str, str]) -> str:
    """The address of a key; of a keystore it is known without its password."""
    from oracle.chain import keystore

    if key.address is not None:
        return key.address
    if key.keystore is not None:
        return keystore.address_of(key.keystore)
    return str((await account(key, rpc, env)).address)


async def rotation(config: Config, old: str, new: str) -> list[str]:
    """What the hub's admin has to do for a reporter's key to be followed by another. See `oracle.chain.rotation`."""
    from oracle.chain import rotation
    from oracle.chain.contracts import Hub
    from oracle.chain.deploy import load_deployment
    from oracle.chain.endpoints import connect

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


STANDBY_S = 0.5
"""Seconds between two tries of a standby to lead."""


async def _lead(config: JournalConfig, env: Mapping[str, str], on_standby: Callable[[str | None], None]) -> Journal:
    """The journal, once this daemon is the one that writes to it.

    Args:
        on_standby: Told who leads while another does; None: this one.
    """
    from oracle.errors import JournalUnavailable
    from oracle.journal import open_journal

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


@contextlib.asynccontextmanager
async def oracle(
    config: Config,
    *,
    env: Mapping[str, str] | None = None,
    watch: Watch = lambda stage, outcome, reason: None,
    on_proof: OnEvent = log_proving,
    on_chain: Listener | None = None,
    on_standby: Callable[[str | None], None] = lambda leader: None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Oracle]:
    """Everything that takes observations to the chain, opened in order and closed in reverse.

    Raises:
        ArtifactError: The deployed model's artifact is not here, or another one.
    """
    import os

    from oracle.chain.contracts import Hub
    from oracle.chain.deploy import load_deployment
    from oracle.chain.endpoints import connect
    from oracle.chain.heads import Heads
    from oracle.chain.sender import Sender
    from oracle.chain.signer import Reporter
    from oracle.chain.submit import Submitter

    environment = os.environ if env is None else env
    async with contextlib.AsyncExitStack() as stack:
        deployment = load_deployment(config.chain.deployment)
        rpc = await stack.enter_async_context(connect(config.chain, on_chain))
        if deployment.chain_id != await rpc.chain_id():
            raise ConfigError(
                f"{config.chain.deployment} is of chain {deployment.chain_id}, but the RPC serves "
                f"{await rpc.chain_id()}: name that chain's deployment file in [chain] deployment"
            )
        journal = stack.enter_context(await _lead(config.journal, environment, on_standby))
        hub = Hub(rpc, deployment.hub)
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
        pipeline = Pipeline(
            hub, reporters, models, submitter, journal, watch, batching=_batching(config, deployment, clock)
        )
        stack.push_async_callback(pipeline.close)
        yield Oracle(config, deployment, rpc, hub, journal, pipeline, models, str(payer.address))


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
    from oracle.chain.sender import SendPolicy

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


# --- looking -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FeedStatus:
    """A feed for people: answers and times in words.

    Attributes:
        age_s: Seconds since the latest round was observed, by the chain's clock; None if there is none.
        open: Observations that have not ended.
        sources: What each source said at the latest look, as the daemon has it; empty if it does not answer.
    """

    name: str
    status: str
    round_id: int
    answer: str
    observed_at: str
    age_s: int | None
    held: str
    open: int
    sources: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class OracleStatus:
    """An oracle for people.

    Attributes:
        head: Number of the chain's latest block.
        head_at: Its time.
        payer: The account that pays.
        balance: What it has, in ether.
        reports_left: Submissions that this pays for at the present price; None if the journal has none to tell what one
            costs.
        journal: Observations by how they ended; those that have not as `open`.
        daemon: Whether the daemon answers at the address of [web]; None: there is none to ask.
        is_dry: Whether `reports_left` is below `[web] min_reports`.
        endpoints: The RPC endpoints, in order of preference.
        leader: Machine and process of the daemon that writes to the journal; empty if none does.
    """

    chain_id: int
    hub: str
    head: int
    head_at: str
    payer: str
    balance: str
    reports_left: int | None
    journal: Mapping[str, int]
    feeds: Sequence[FeedStatus]
    is_dry: bool
    endpoints: Sequence[EndpointState]
    leader: str
    daemon: bool | None = None


async def status(config: Config, env: Mapping[str, str] | None = None) -> OracleStatus:
    """Each feed as the chain has it, the payer's balance, and what the journal has."""
    import os
    from decimal import Decimal

    from oracle.chain.contracts import Hub
    from oracle.chain.deploy import load_deployment
    from oracle.chain.endpoints import connect
    from oracle.journal import open_journal

    environment = os.environ if env is None else env
    deployment = load_deployment(config.chain.deployment)
    begun = config.journal.path is None or config.journal.path.exists()
    journal = open_journal(config.journal, environment, read_only=True) if begun else None
    with contextlib.ExitStack() as stack:
        if journal is not None:
            stack.enter_context(journal)
        async with connect(config.chain) as rpc:
            hub = Hub(rpc, deployment.hub)
            head = await rpc.block()
            payer = await _address(config.keys.submitter, rpc, environment)
            balance = await rpc.balance(payer)
            gas = [entry.gas_used for entry in journal.rows(limit=20) if entry.gas_used] if journal is not None else []
            price = max(1, (await rpc.fees()).max_fee)
            looks = await _looks(config)
            found = []
            for name, feed in deployment.feeds.items():
                state = await hub.feed_state(feed.feed_id)
                paused = " (paused)" if state.paused else ""
                answer = encoding.decimal_from_answer(state.answer, feed.decimals)
                held = f"{encoding.decimal_from_answer(state.held.answer, feed.decimals):f}" if state.held else ""
                found.append(
                    FeedStatus(
                        name=name,
                        status=state.status.name + paused,
                        round_id=state.round_id,
                        answer=f"{answer:f}" if state.round_id else "",
                        observed_at=_moment(state.observed_at),
                        age_s=max(0, head.timestamp - state.observed_at) if state.round_id else None,
                        held=held,
                        open=journal.counts(name)["open"] if journal is not None else 0,
                        sources=(looks or {}).get(name, {}).get("sources", ()),
                    )
                )
            left = balance // (price * max(gas)) if gas else None
            return OracleStatus(
                chain_id=deployment.chain_id,
                hub=deployment.hub,
                head=head.number,
                head_at=_moment(head.timestamp),
                payer=payer,
                balance=f"{Decimal(balance).scaleb(-18).normalize():f}",
                reports_left=left,
                journal=journal.counts() if journal is not None else {},
                feeds=found,
                daemon=None if config.web.address is None else looks is not None,
                is_dry=left is not None and left < config.web.min_reports,
                endpoints=await rpc.endpoints(),
                leader=journal.leader().holder if journal is not None else "",
            )


async def _looks(config: Config) -> Mapping[str, Any] | None:
    """What the running daemon says of its sources; None if there is none to ask, or it does not answer."""
    import httpx

    if config.web.address is None:
        return None
    host, port = config.web.address
    host = f"[{host}]" if ":" in host else {"0.0.0.0": "127.0.0.1"}.get(host, host)
    try:
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            answer = await client.get(f"http://{host}:{port}/sources")
            found = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    return found if answer.status_code == httpx.codes.OK and isinstance(found, dict) else None


def _moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds") if seconds else ""


def diagnose(config: Config | None) -> list[Check]:
    """The doctor's findings for a configuration, or for the machine alone."""
    from oracle import doctor

    def in_use() -> list[doctor.SrsInUse]:
        from oracle.proving.srs import SrsOrigin

        return [
            doctor.SrsInUse(each.k, each.path, each.origin is SrsOrigin.PUBLIC_CEREMONY, f"sha256 {each.sha256[:16]}…")
            for each in srs_status(config)
        ]

    found = doctor.diagnose(
        rpc_urls=() if config is None else config.chain.endpoints,
        chain_id=None if config is None else config.chain.chain_id,
        srs_status=in_use,
    )
    return [*found, *([] if config is None else _keys_apart(config))]


def _keys_apart(config: Config) -> list[Check]:
    """Whether who takes the paying key, which is used all the time, could report, too."""
    from oracle.chain import keystore
    from oracle.chain.rpc import LOCAL_CHAIN_IDS
    from oracle.doctor import Check
    from oracle.errors import KeystoreError

    if config.chain.chain_id in LOCAL_CHAIN_IDS:
        return []

    def who(key: KeyConfig) -> str | None:
        return key.address or (keystore.address_of(key.keystore) if key.keystore is not None else None)

    keys = config.keys
    try:
        same = [
            name
            for name in ("submitter", "deployer")
            if who(keys.reporter) is not None and who(getattr(keys, name)) == who(keys.reporter)
        ]
        problems = [
            problem
            for key in (keys.reporter, keys.submitter)
            if key.keystore is not None and (problem := keystore.open_to_others(key.keystore))
        ]
    except KeystoreError as error:
        return [Check("keys", ok=False, detail=str(error), remedy="see docs/operations.md, Keys")]
    if problems:
        return [Check("keys", ok=False, detail=problems[0], remedy="give each file to the daemon's user alone")]
    if same:
        detail = f"the reporter's key is the {' and the '.join(same)}'s, too: whoever gets it can sign reports"
        remedy = "make another with `oracle key create`, give it some ether, and name it in [keys]"
        return [Check("keys", ok=False, level="warning", detail=detail, remedy=remedy)]
    return [Check("keys", ok=True, detail="reporting and paying are apart")]


def _default_srs_cache() -> SrsCache:
    """The cache of a configuration that names no artifacts folder."""
    from oracle.config import ProverConfig

    return srs_cache(ProverConfig().artifacts)


def srs_status(config: Config | None = None) -> list[SrsStatus]:
    """What is in the SRS cache; without a configuration, in the user's and in the project's, which the demo uses."""
    if config is not None:
        return srs_cache(config.prover.artifacts).status()
    caches = (_default_srs_cache(), srs_cache(toolchain.build_dir() / "artifacts"))
    # Outside of a project they are one.
    return [found for cache in {each.directory: each for each in caches}.values() for found in cache.status()]


def srs_fetch(
    what: Sequence[str],
    config: Config | None = None,
    *,
    mirror: str | None = None,
    deadline_s: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Fetch the public ceremony's SRS; returns the files.

    Args:
        what: For each of these: a k, or an artifact's folder. None: what the configured circuits need.
        config: Its cache, and its mirror, are used.
        mirror: In the place of the configured one.
        deadline_s: For each file.
        progress: Told how much of a file is there.

    Raises:
        DataError: Something that is to be fetched is neither.
    """
    from oracle.proving.download import Patience
    from oracle.proving.srs import CEREMONY_SHA256, SrsCache

    if not what and config is None:
        raise DataError("say what for: a k (rows are 2^k), an artifact's folder, or a configuration with --config")
    sizes = [_k_of(each) for each in what]
    if not what and config is not None:
        sizes = [_needed_k(config, batch) for batch in config.prover.batch_sizes]
    for k in sizes:
        if k not in CEREMONY_SHA256:
            raise DataError(f"k = {k}: the public ceremony's SRS is known for k of 1 to {max(CEREMONY_SHA256)}")
    if mirror is not None and not mirror.startswith(("https://", "http://")):
        raise DataError("--mirror: write it as https://host/path")
    directory = (_default_srs_cache() if config is None else srs_cache(config.prover.artifacts)).directory
    cache = SrsCache(directory, mirror, Patience(deadline_s=deadline_s), progress)
    return [cache.public_ceremony(k).path for k in dict.fromkeys(sizes)]


def _k_of(what: str) -> int:
    """The k that a user means by a number or by an artifact's folder."""
    from oracle.proving import artifact

    if what.isdecimal():
        return int(what)
    try:
        return artifact.load(Path(what), prover=False).manifest.k
    except ArtifactError as error:
        raise DataError(f"{what!r} is neither a k nor an artifact's folder: {error}") from error


def _needed_k(config: Config, batch: int) -> int:
    """The k with which building the configured circuit begins, asked of the build itself."""
    import tempfile

    from oracle.proving import artifact
    from oracle.proving.srs import SrsFile, SrsOrigin

    class Asked(Exception):
        pass

    class Ask:
        origin = SrsOrigin.PUBLIC_CEREMONY

        def file(self, k: int) -> SrsFile:
            raise Asked(k)

    with tempfile.TemporaryDirectory(prefix="oracle-") as folder:
        try:
            artifact.build(
                detector(config),
                batch,
                visibility=artifact.Visibility(config.prover.visibility),
                srs=Ask(),
                compile_standard=dict,
                cache=Path(folder),
            )
        except Asked as asked:
            return int(asked.args[0])
    raise AssertionError("a circuit was built without an SRS")


def srs_generate(k: int, config: Config | None = None) -> Path:
    """Generate an SRS, with which this machine could forge proofs: for local chains; returns its file."""
    cache = _default_srs_cache() if config is None else srs_cache(config.prover.artifacts)
    return cache.insecure_local(k).path


def srs_verify(config: Config | None = None) -> list[SrsFinding]:
    """Each SRS, checked, with the artifacts that use it; without a configuration, the user's and the project's."""
    from oracle.config import ProverConfig
    from oracle.inspection import check_srs

    folders = [ProverConfig().artifacts, toolchain.build_dir() / "artifacts"]
    if config is not None:
        folders = [config.prover.artifacts]
    return check_srs({folder: srs_cache(folder) for folder in folders})


def srs_import(path: Path, config: Config | None = None) -> Path:
    """Take the public ceremony's SRS from a file whose hash is checked; returns its place in the cache."""
    cache = _default_srs_cache() if config is None else srs_cache(config.prover.artifacts)
    return cache.import_file(path).path


def chain_up(path: Path, port: int | None, announce: Callable[[str], None]) -> None:
    """Run the local chain until it ends, or SIGINT or SIGTERM asks it to."""
    import signal
    import types

    from oracle.chain.anvil import Anvil, load_anvil_config

    def stop(number: int, frame: types.FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    overrides = {} if port is None else {"port": port}
    with Anvil(load_anvil_config(path, **overrides)) as chain:
        announce(f"chain {chain.chain_id} at {chain.rpc_url}, process {chain.pid}; Ctrl-C stops it")
        with contextlib.suppress(KeyboardInterrupt):
            chain.wait()
    announce("stopped")


# --- the audit -----------------------------------------------------------------------------------------------------


async def audit(hub: str, rpc_url: str, artifacts: Path, from_block: int = 0) -> AuditReport:
    """Verify every round of a hub again. See `oracle.audit`."""
    from oracle.audit import audit_hub
    from oracle.chain.rpc import Rpc, checksum_address

    async with Rpc(rpc_url) as rpc:
        return await audit_hub(rpc, checksum_address(hub, "HUB"), artifacts, from_block)
