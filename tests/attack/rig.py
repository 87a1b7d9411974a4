"""A deployed oracle to attack: a real Anvil, the real hub, real proofs, and submissions that can be altered.

The submissions are built by hand, without `oracle.feeds.pipeline`, because an attacker does not have to use it.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from eth_abi.abi import encode as abi_encode
from eth_account import Account
from eth_utils.address import to_checksum_address

from oracle.app.deploy import deploy, terms
from oracle.chain import compiled
from oracle.chain.deploy import Deployment, DeployPlan, FeedPlan, feed_id_of
from oracle.chain.deploy import deploy as deploy_plan
from oracle.chain.hub import FeedUpdate, Hub, HubFeedConfig, Submission, hub_interface
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.config import Config, load
from oracle.core import encoding
from oracle.core.encoding import GAP_ONE
from oracle.core.errors import ContractRejected
from oracle.core.formats import keccak
from oracle.core.types import FeedState, SignedObservation
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.quadratic import PAST, QuadraticModel
from oracle.proving.artifact import Artifact, Visibility
from oracle.proving.interface import ProofJob
from oracle.proving.pool.cache import ProofCache
from oracle.proving.pool.local import LocalProver
from tests.circuits import circuit, folder

T = TypeVar("T")
Window = tuple[int, ...]

GENESIS = 1_700_000_000
HOURS = 3_600
HEARTBEAT = 24 * HOURS
SIGMA_PPM = 10_000
UNIT = 10**8
ANSWER = 100 * UNIT
"""The answer of round 1, on each feed that has a first round."""
NORMAL = ANSWER + ANSWER // 200
"""An answer half a sigma higher, which the model accepts."""
ANOMALOUS = ANSWER + ANSWER // 2
"""An answer fifty sigmas higher, which the model does not accept."""
LEVEL_SIGMA = 1_000

DEPLOYER, REPORTER, OUTSIDER = 0, 1, 9
COMMITTEE = (2, 3, 4)
STRANGER = 5

MODEL = QuadraticModel.default()
CALM: Window = (*(0,) * (PAST + 1), GAP_ONE)
BATCHES = (1, 4, 16)
"""The numbers of windows for which a model has circuits."""

VERIFY = keccak(b"verifyProof(bytes,uint256[])")[:4]

_GAS = 15_000_000


class Proofs:
    """Make each artifact and each proof once. All asynchronous work runs on an event loop of this object's own."""

    DETECTORS: ClassVar[dict[str, QuadraticModel]] = {
        "private": MODEL,
        "public": MODEL,
        "verdict": MODEL.publishing(Disclosure.VERDICT),
        # The same architecture with other weights.
        "other": replace(MODEL, name="quadratic-other", floor=MODEL.floor * 2, drift_floor=MODEL.drift_floor * 2),
    }

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._provers: dict[tuple[str, int, bool], LocalProver] = {}
        self._artifacts: dict[tuple[str, int], Artifact] = {}
        self._made: dict[tuple[str, int, tuple[Window, ...]], bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for prover in self._provers.values():
            self.run(prover.close())
        self._runner.close()

    def run(self, awaitable: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(awaitable)

    def artifact(self, kind: str = "private", batch: int = 1) -> Artifact:
        """Return the circuit of the default model, or of a similar one from `DETECTORS`, for a batch size."""
        if (kind, batch) not in self._artifacts:
            visibility = Visibility.PUBLIC if kind == "public" else Visibility.PRIVATE
            self._artifacts[kind, batch] = circuit(self.DETECTORS[kind], batch, visibility)
        return self._artifacts[kind, batch]

    def scores(self, window: Window, kind: str = "private") -> tuple[int, ...]:
        return self.DETECTORS[kind].score_int(window)

    def prove(self, *windows: Window, kind: str = "private", batch: int = 1, anew: bool = False) -> bytes:
        """Prove the scores of some windows; the last window is repeated up to `batch`.

        An earlier proof of the same statement is returned, unless `anew` is set.
        """
        return self.run(self.proof(*windows, kind=kind, batch=batch, anew=anew))

    async def proof(self, *windows: Window, kind: str = "private", batch: int = 1, anew: bool = False) -> bytes:
        """Do the same as `prove`, for callers on the event loop."""
        if anew or (kind, batch, windows) not in self._made:
            if (kind, batch, anew) not in self._provers:
                # `anew` asks for another proof of the same statement; a proof without it may come from an earlier run.
                cache = ProofCache(entries=0) if anew else ProofCache(folder=folder() / "proofs")
                self._provers[kind, batch, anew] = LocalProver(self.artifact(kind, batch), cache=cache)
            job = ProofJob(windows, tuple(self.scores(window, kind) for window in windows))
            self._made[kind, batch, windows] = (await self._provers[kind, batch, anew].prove(job)).proof
        return self._made[kind, batch, windows]


@dataclass(frozen=True)
class Sighting:
    """An answer for a reporter to sign, at a time in seconds from the rig's `start`."""

    answer: int
    after: int = 600
    account: int = REPORTER


@dataclass(frozen=True)
class Probe:
    """The hub's `Probe`."""

    window: Window
    scores: tuple[int, ...]
    proofs: tuple[bytes, ...]


class Rig:
    """One hub on one chain, with a first round on each of its feeds: `solo`, `trio` (two of three reporters), `level`.

    Attributes:
        start: When the first rounds were observed, unix seconds. The chain's time is 6 hours later.
        batches: Windows of the circuits of the hub's model.
    """

    def __init__(
        self, proofs: Proofs, chain: Anvil, config: Config, deployment: Deployment, rpc: Rpc | None = None
    ) -> None:
        self.proofs = proofs
        self.chain = chain
        self.config = config
        self.deployment = deployment
        self.rpc = rpc or Rpc(chain.rpc_url, chain.chain_id)
        self.hub = Hub(self.rpc, deployment.hub)
        self.start = 0
        self.batches: tuple[int, ...] = (1,)

    @classmethod
    def build(cls, proofs: Proofs, chain: Anvil, folder: Path) -> Self:
        """Deploy with circuits for single reports only, and give each feed its first round."""
        config = configure(proofs, chain, folder)
        rig = cls(proofs, chain, config, proofs.run(deploy(config, lambda line: None)))
        try:
            rig.start = rig.now()
            for name in ("solo", "trio", "level"):
                assert rig.accepts(rig.honest(name, *rig.seen(name, ANSWER, 0)))
            rig.wait_until(6 * HOURS)
        except BaseException:
            rig.close()
            raise
        return rig

    @classmethod
    def build_batched(cls, proofs: Proofs, chain: Anvil, folder: Path, feeds: int) -> Self:
        """Deploy with circuits for batches. The feeds beyond the usual three are like `solo`; see `pairs`."""
        config = configure(proofs, chain, folder, pairs=pairs(feeds - 3))
        plan = DeployPlan(
            feeds=tuple(
                FeedPlan(feed.name, terms(feed), feed.reporters or (chain.accounts[REPORTER].address,))
                for feed in config.feeds
            ),
            models={"default": [proofs.artifact(batch=batch) for batch in BATCHES]},
            change_delay=0,
        )
        payer = Account.from_key(chain.accounts[DEPLOYER].key)

        async def deployed() -> Deployment:
            async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
                return await deploy_plan(plan, rpc, payer, config.chain.deployment, poll_s=0.01)

        rig = cls(proofs, chain, config, proofs.run(deployed()))
        try:
            rig.batches = BATCHES
            rig.start = rig.now()
            names = ascending([feed.name for feed in config.feeds])
            for at in range(0, len(names), BATCHES[-1]):
                some = names[at : at + BATCHES[-1]]
                assert rig.accepts(rig.together({name: rig.seen(name, ANSWER, 0) for name in some}))
            rig.wait_until(6 * HOURS)
        except BaseException:
            rig.close()
            raise
        return rig

    def close(self) -> None:
        self.run(self.rpc.close())

    def second_hub(self, verifier: str | None = None) -> Rig:
        """Deploy another hub of the same code, with the same model and feed `solo`, and without rounds.

        Args:
            verifier: Another verifier than this hub's.
        """
        owner, factory = self.address(DEPLOYER), self.create("ZkAggregatorFactory")
        hub = self.create("ZkOracle", hub_interface().encode_constructor(owner, owner, 0, factory))
        deployment = self.deployment.model_copy(update={"hub": hub})
        other = Rig(self.proofs, self.chain, self.config, deployment, self.rpc)
        other.start = self.start
        architecture, model = self.run(self.hub.architecture(1)), self.run(self.hub.model(1))
        shape = (architecture.features, architecture.outputs, architecture.binds_model, architecture.has_spread)
        other.admin("addArchitecture", *shape, architecture.batch_sizes, [verifier or self.verifier()])
        other.admin("addModel", model.model_hash, 1, model.artifact_hash, model.score_unit, astuple(self.probe()))
        other.add_feed("solo", like="solo", reporters=[self.address(REPORTER)])
        return other

    def create(self, name: str, arguments: bytes = b"") -> str:
        """Deploy one of our contracts and the libraries that it is linked with, and return its address."""
        contract = compiled.load(name)
        contract = contract.link({library: self.create(library) for library in contract.needs})
        return str(to_checksum_address(self.receipt(contract.bytecode + arguments, DEPLOYER, to="")["contractAddress"]))

    def fork(self, chain: Anvil) -> Rig:
        """Return the same hub on a chain that starts from this chain's state."""
        assert chain.rpc("anvil_loadState", self.chain.rpc("anvil_dumpState"))
        other = Rig(self.proofs, chain, self.config, self.deployment)
        other.start = self.start
        # A state does not include the clock.
        other.wait_until(self.now() - self.start + 1)
        return other

    def run(self, awaitable: Coroutine[Any, Any, T]) -> T:
        return self.proofs.run(awaitable)

    # --- the chain ---------------------------------------------------------------------------------------------

    def now(self) -> int:
        return self.run(self.rpc.block()).timestamp

    def wait_until(self, after: int) -> None:
        """Mine a block `after` seconds from `start`."""
        self.chain.rpc("evm_setNextBlockTimestamp", self.start + after)
        self.chain.rpc("evm_mine")

    def address(self, account: int) -> str:
        return self.chain.accounts[account].address

    def feed_id(self, name: str) -> bytes:
        return feed_id_of(f"{name} / USD")

    def add_feed(self, name: str, like: str, reporters: Sequence[str] = (), **changes: Any) -> None:
        """Add a feed without rounds, with another feed's terms except `changes`, and with its reporters by default."""
        config = replace(terms(self.config.feed(like)), description=f"{name} / USD", **changes)
        self.admin("addFeed", in_order(config), reporters or self.run(self.hub.reporters(self.feed_id(like))), 1)

    def state(self, name: str) -> FeedState:
        return self.run(self.hub.feed_state(self.feed_id(name)))

    def storage(self) -> dict[str, str]:
        """Return everything that the hub has written, as a map of slots to words."""
        # Don't compare the hashes of eth_getProof: Anvil counts slots that were only read.
        dumped = gzip.decompress(bytes.fromhex(self.chain.rpc("anvil_dumpState").removeprefix("0x")))
        slots: dict[str, str] = json.loads(dumped)["accounts"][self.hub.address.lower()]["storage"]
        return {slot: word for slot, word in slots.items() if int(word, 16)}

    def changed(self, receipt: Mapping[str, Any]) -> set[str]:
        """Return the accounts whose storage or code a transaction has changed."""
        tracer = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
        states: dict[str, dict[str, dict[str, Any]]] = self.chain.rpc(
            "debug_traceTransaction", receipt["transactionHash"], tracer
        )
        changes = [(account, state) for side in states.values() for account, state in side.items()]
        return {account for account, state in changes if state.keys() & {"storage", "code"}}

    def verifier(self, batch: int = 1) -> str:
        found = self.run(self.hub.architecture(1))
        return found.verifiers[found.batch_sizes.index(batch)]

    def send(self, data: bytes, account: int = OUTSIDER, to: str | None = None, gas: int = _GAS) -> bool:
        """Mine a transaction without simulating it first. Return whether it succeeded."""
        return bool(self.receipt(data, account, to, gas)["status"] == "0x1")

    def receipt(self, data: bytes, account: int = OUTSIDER, to: str | None = None, gas: int = _GAS) -> dict[str, Any]:
        target = {} if to == "" else {"to": to or self.hub.address}
        sent = {"from": self.address(account), "data": "0x" + data.hex(), "gas": hex(gas), **target}
        tx_hash = self.chain.rpc("eth_sendTransaction", sent)
        # Poll for the receipt: a call that waits inside the node was seen to hang.
        until = time.monotonic() + 30
        while (found := self.chain.rpc("eth_getTransactionReceipt", tx_hash)) is None:
            assert time.monotonic() < until, "not mined"
        receipt: dict[str, Any] = found
        return receipt

    def admin(self, function: str, *arguments: Any) -> None:
        assert self.send(hub_interface().encode_call(function, *arguments), DEPLOYER), function

    def probe(self, kind: str = "private", batches: Sequence[int] | None = None) -> Probe:
        """Return what shows the hub that circuits belong to this model: a proof of a calm window by each of them."""
        probes = [self.proofs.artifact(kind, batch).probe() for batch in batches or self.batches]
        return Probe(probes[0].window, probes[0].scores, tuple(probe.proof for probe in probes))

    def model_call(self, kind: str = "private", architecture: int = 1, **changes: Any) -> bytes:
        """Return the call that adds a model, with some of its arguments changed."""
        found = self.proofs.artifact(kind)
        arguments = {
            "modelHash": found.model_hash or 0,
            "architectureId": architecture,
            "artifactHash": bytes.fromhex(found.artifact_hash),
            "scoreUnit": found.manifest.score_unit,
        }
        probe = changes.pop("probe", None) or self.probe(kind)
        return hub_interface().encode_call("addModel", *(arguments | changes).values(), astuple(probe))

    def add_model(self, kind: str, architecture: int = 1) -> int:
        """Add other weights of the same architecture, or a model of another one, and return its number."""
        assert self.send(self.model_call(kind, architecture), DEPLOYER)
        return self.run(self.hub.model_count())

    def propose(self, name: str, model_number: int, compared: int = 0, distance: int = 0) -> None:
        self.admin("proposeModel", self.feed_id(name), model_number, compared, distance)

    def activate(self, name: str, model_number: int) -> None:
        """Make another model judge a feed from now on."""
        self.propose(name, model_number)
        self.admin("activateModel", self.feed_id(name))

    def verifies(self, verifier: str, proof: bytes, instances: Sequence[int]) -> bool:
        """Return whether a verifier itself returns true. A revert counts as false."""
        data = VERIFY + abi_encode(["bytes", "uint256[]"], [proof, list(instances)])
        try:
            answer = self.run(self.rpc.call(verifier, data, sender=self.address(OUTSIDER)))
        except ContractRejected:
            return False
        return bool(answer == (1).to_bytes(32))

    # --- submissions -------------------------------------------------------------------------------------------

    def sign(
        self, name: str, sighting: Sighting, *, round_id: int | None = None, hub: str | None = None
    ) -> SignedObservation:
        account = Account.from_key(self.chain.accounts[sighting.account].key)
        signer = LocalReporter(account, self.chain.chain_id, hub or self.hub.address)
        round_id = self.state(name).round_id + 1 if round_id is None else round_id
        return signer.sign_observation(self.feed_id(name), round_id, sighting.answer, self.start + sighting.after)

    def window(self, name: str, answer: int, after: int) -> Window:
        return encoding.features(self.state(name), answer, self.start + after, MODEL.features)

    def seen(self, name: str, answer: int, after: int = 600) -> tuple[Sighting, ...]:
        """Return one answer, observed by as many reporters as the feed needs."""
        accounts = COMMITTEE[:2] if name == "trio" else (REPORTER,)
        return tuple(Sighting(answer, after, account) for account in accounts)

    def honest(self, name: str, *sightings: Sighting, kind: str = "private", model_number: int = 1) -> Submission:
        """Return a submission as the pipeline would make it."""
        return self.together({name: sightings}, kind=kind, model_number=model_number)

    def together(
        self,
        reports: Mapping[str, Sequence[Sighting]],
        *,
        kind: str = "private",
        model_number: int = 1,
        batch: int | None = None,
    ) -> Submission:
        """Return one submission for several feeds, proven by the circuit that the hub will choose or by another one.

        The reports stay in the given order. The hub takes feeds in one order only: see `ascending`.
        """
        if batch is None:
            batch = next(size for size in self.batches if size >= len(reports))
        updates, windows = [], []
        for name, sightings in reports.items():
            ordered = sorted(sightings, key=lambda sighting: sighting.answer)
            times = sorted(sighting.after for sighting in ordered)
            window = self.window(name, ordered[len(ordered) // 2].answer, times[(len(times) - 1) // 2])
            windows.append(window)
            updates.append(
                FeedUpdate(
                    feed_id=self.feed_id(name),
                    round_id=self.state(name).round_id + 1,
                    observations=tuple(self.sign(name, sighting) for sighting in ordered),
                    scores=self.proofs.scores(window, kind),
                )
            )
        proof = self.proofs.prove(*windows, kind=kind, batch=batch)
        return Submission(model_number, tuple(updates), proof)

    def refusal(self, attack: Submission | bytes, account: int = OUTSIDER) -> str | None:
        """Return the custom error that a submission or another call reverts with; None if it would succeed."""
        data = attack if isinstance(attack, bytes) else encode(attack)
        decode, sender = hub_interface().decode_error, self.address(account)
        try:
            self.run(self.rpc.call(self.hub.address, data, sender=sender, decode=decode))
        except ContractRejected as error:
            return error.name or str(error)
        return None

    def refuses(self, attack: Submission | bytes, error: str, account: int = OUTSIDER) -> None:
        """Assert that a call reverts with this custom error, and that a transaction with it writes nothing."""
        data = attack if isinstance(attack, bytes) else encode(attack)
        assert self.refusal(data, account) == error
        self.fails(data, account)

    def fails(self, data: bytes, account: int = OUTSIDER, gas: int = _GAS) -> None:
        """Assert that a transaction reverts, and changes no contract."""
        receipt = self.receipt(data, account, gas=gas)
        assert receipt["status"] == "0x0"
        assert self.changed(receipt) == set()

    def accepts(self, submission: Submission, account: int = OUTSIDER) -> bool:
        """Send a submission and return whether the hub takes it. The feed's state tells if it was accepted or held."""
        return self.send(encode(submission), account)


def in_order(config: HubFeedConfig) -> tuple[Any, ...]:
    """Return a feed's terms in the order of the contract's struct."""
    entry = next(each for each in hub_interface().abi if each.get("name") == "addFeed")
    names = (part["name"] for part in entry["inputs"][0]["components"])
    return tuple(getattr(config, re.sub("([A-Z])", r"_\1", name).lower()) for name in names)


def encode(submission: Submission, function: str = "submit") -> bytes:
    """Return the calldata of a submission, with everything in the order that it has there."""
    updates = [
        (
            update.feed_id,
            update.round_id,
            [(one.answer, one.observed_at, one.v, one.r, one.s) for one in update.observations],
            list(update.scores),
        )
        for update in submission.updates
    ]
    return hub_interface().encode_call(function, submission.model_number, updates, submission.proof)


def with_update(submission: Submission, **changes: Any) -> Submission:
    """Return the submission with changes to its first update."""
    first, *rest = submission.updates
    return replace(submission, updates=(replace(first, **changes), *rest))


def with_observation(submission: Submission, **changes: Any) -> Submission:
    """Return the submission with changes to its first observation."""
    first, *rest = submission.updates[0].observations
    return with_update(submission, observations=(replace(first, **changes), *rest))


def flipped(value: bytes, bit: int) -> bytes:
    """Return `value` with one bit changed; bit 0 is the lowest bit of the last byte."""
    return (int.from_bytes(value) ^ (1 << bit)).to_bytes(len(value))


def ascending(names: Iterable[str]) -> tuple[str, ...]:
    """Sort feeds by their ids, the order in which the hub takes them."""
    return tuple(sorted(names, key=lambda name: feed_id_of(f"{name} / USD")))


def pairs(count: int) -> list[str]:
    """Return the names of feeds that are like `solo`."""
    return [f"pair{index:02}" for index in range(count)]


def configure(proofs: Proofs, chain: Anvil, folder: Path, keys: str = "", pairs: Sequence[str] = ()) -> Config:
    """Write the configuration file for a chain, and return it as it is loaded.

    Args:
        keys: The section of keys; Anvil's by default.
        pairs: Further feeds, which are like `solo`.
    """
    keys = keys or f"reporter = {{ anvil_account = {REPORTER} }}\nsubmitter = {{ anvil_account = {DEPLOYER} }}"
    committee = ", ".join(f'"{chain.accounts[each].address}"' for each in COMMITTEE)
    relative = f'kind = "relative"\ndecimals = 8\nsigma = {SIGMA_PPM}\ndeviation_ppm = 1\n'
    absolute = f'kind = "absolute"\ndecimals = 8\nsigma = {LEVEL_SIGMA}\ndeviation = 1\n'
    feeds = {
        "solo": relative,
        "trio": f"{relative}quorum = 2\nreporters = [{committee}]\nmax_spread = 2000\n",
        "level": absolute,
        **dict.fromkeys(pairs, relative),
    }
    shared = f"""heartbeat = {HEARTBEAT}
confirmations = 2
confirm_delay = 60
tolerance = 3000
min_sources = 1
sources = [{{ type = "packaged", series = "sp500" }}]
"""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "oracle.toml"
    path.write_text(
        f"""[chain]
rpc_url = "{chain.rpc_url}"
chain_id = {chain.chain_id}
deployment = "deployment.json"

[keys]
{keys}

[prover]
artifacts = "{proofs.artifact().path.parent}"
srs = "insecure-local"
workers = 1

[journal]
path = "journal.db"

[deploy]
change_delay = 0
"""
        + "".join(
            f'\n[[feeds]]\nname = "{name}"\ndescription = "{name} / USD"\n{own}{shared}' for name, own in feeds.items()
        ),
        encoding="utf-8",
    )
    return load(path, {})


def audit_folder(folder: Path, *found: Artifact) -> Path:
    """Return a folder with just these artifacts."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in found:
        (folder / each.path.name).symlink_to(each.path)
    return folder
