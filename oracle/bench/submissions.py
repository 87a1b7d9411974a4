"""What a submission costs on the chain: batches of feeds, beside the bare verification of the same proofs.

Real proofs and real verifiers on Anvil. Half of the feeds have an adapter, half have none; both have their first rounds
behind them, so that what is measured is what every later report costs. Gas depends on nothing but the bytes that are
sent, so a few submissions of each size are enough.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.chain.local import toolchain
from oracle.core import encoding
from oracle.core.errors import Fatal
from oracle.core.types import Kind, Observed, Scored

if TYPE_CHECKING:
    from rich.table import Table

    from oracle.chain.deploy import Deployment, DeployPlan
    from oracle.chain.hub import Hub
    from oracle.chain.keys.signer import LocalReporter
    from oracle.chain.local.anvil import Anvil
    from oracle.chain.transport.rpc import Receipt, Rpc
    from oracle.chain.tx.submit import Sender
    from oracle.detectors.quadratic import QuadraticModel
    from oracle.proving.artifact import Artifact
    from oracle.proving.interface import Proof
    from oracle.proving.pool.local import LocalProver

BATCHES = (1, 4, 16)
VISIBILITIES = ("public", "private")
CASES = tuple(f"submit-{visibility}-b{batch}" for visibility in reversed(VISIBILITIES) for batch in BATCHES)

WARM_ROUNDS = encoding.RING_SIZE + 1
"""With this many, the ring is full, and no slot of a feed that is written again is empty."""

HEARTBEAT = 86_400
_REPORTER = 1

TRANSACTION_GAS = 21_000
PAIRING_GAS = 113_000
FOLD_GAS = 6_150
"""ECMUL and ECADD: what each commitment of a KZG proof costs, as it is folded into the one that is opened."""

_PRICES = {"ecadd": 150, "ecmul": 6_000, "pairing": PAIRING_GAS}
_CALLS = ("CALL", "STATICCALL", "DELEGATECALL")


# --- the parts of a transaction's gas ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """An executed instruction: `gas` is what was left before it."""

    op: str
    gas: int
    depth: int


@dataclass(frozen=True)
class Profile:
    """Where a submission's gas went, in the whole transaction.

    Attributes:
        calldata_beyond: What its calldata costs beyond that of the bare verification; may be below zero.
        verifier: All that the verifier's code did.
        adapters: All that the adapters' code did, their events included.
        hub: What the hub's own code did, by kind: see `kind_of`.
        precompiles: How often the verifier called each.
    """

    calldata_beyond: int
    verifier: int
    adapters: int
    hub: Mapping[str, int]
    precompiles: Mapping[str, int]

    def report(self, feeds: int) -> dict[str, Any]:
        """What is the hub's, as one feed's share."""
        return {
            "verifier": self.verifier,
            "precompiles": dict(sorted(self.precompiles.items())),
            "calldata_beyond_per_feed": round(self.calldata_beyond / feeds),
            "adapter_per_feed": round(self.adapters / feeds),
            "hub_per_feed": {kind: round(gas / feeds) for kind, gas in sorted(self.hub.items())},
        }


def kind_of(op: str, entered: bool) -> str:
    """What the hub spends on an instruction is for: storage, events, signatures, reaching other accounts, or computing.

    Args:
        entered: Whether it is a call of code; else it is of a precompile, and the hub uses one only.
    """
    if op in ("SSTORE", "SLOAD"):
        return op.lower()
    if op.startswith("LOG"):
        return "log"
    if op == "EXTCODESIZE" or (op in _CALLS and entered):
        return "accounts"
    return "ecrecover" if op in _CALLS else "computing"


def profile(steps: Sequence[Step], gas_used: int, bare_calldata_gas: int) -> Profile:
    """Add a trace up, frame by frame.

    Args:
        steps: Of the whole transaction, in order; the hub is at depth 1, and calls the verifier before any adapter.
        gas_used: By the transaction. Nothing was refunded.
        bare_calldata_gas: Of the bare verification's calldata.
    """
    hub: Counter[str] = Counter()
    precompiles: Counter[str] = Counter()
    frames: Counter[str] = Counter()
    frame = ""
    for index, step in enumerate(steps[:-1]):
        after = steps[index + 1]
        if step.depth == 1:
            inner = 0
            if entered := after.depth > 1:
                end = next(later for later in range(index + 1, len(steps)) if steps[later].depth == 1)
                # The last instruction of a frame, a RETURN or STOP, is free.
                inner = after.gas - steps[end - 1].gas
                after = steps[end]
                frame = "adapters" if frame else "verifier"
                frames[frame] += inner
            # What a call costs is known once it is over: what is left then, less what its frame has used.
            hub[kind_of(step.op, entered)] += step.gas - after.gas - inner
        elif frame == "verifier" and step.op == "STATICCALL":
            precompiles[_precompile(step.gas - after.gas)] += 1
    executed = hub.total() + frames.total()
    return Profile(
        gas_used - executed - TRANSACTION_GAS - bare_calldata_gas,
        frames["verifier"],
        frames["adapters"],
        hub,
        precompiles,
    )


def _precompile(gas: int) -> str:
    """Which one it was, by its price: 100 for the call, and perhaps some memory, are in it."""
    for name, price in _PRICES.items():
        if price <= gas < price + 200:
            return name
    return "modexp"


def calldata_gas(data: bytes) -> int:
    """What the bytes of a transaction cost: 4 for a zero, 16 for another."""
    zeros = data.count(0)
    return 4 * zeros + 16 * (len(data) - zeros)


def commitments(verifier_source: str) -> tuple[int, int]:
    """The points that a generated verifier folds: those in a proof, and those in its verifying key.

    Of the proof's points all but the last count, which goes into the pairing as it is.
    """
    loops = re.findall(
        r"add\(proof_cptr, 0x([0-9a-f]+)\) }\s+lt\(.*?\)\s+{}\s+{\s+success, proof_cptr", verifier_source
    )
    in_key = re.findall(r"// (?:fixed|permutation)_comms\[[0-9]+\]\.x", verifier_source)
    return sum(int(length, 16) // 0x40 for length in loops) + 1, len(in_key)


def floor(bare_calldata: bytes, folded: int) -> int:
    """What a KZG verification costs at least as a transaction: one pairing check of two, and the commitments."""
    return TRANSACTION_GAS + calldata_gas(bare_calldata) + PAIRING_GAS + FOLD_GAS * folded


# --- transactions --------------------------------------------------------------------------------------------------


async def sender(rpc: Rpc) -> Sender:
    """Of the chain's first account."""
    from oracle.chain.keys.keystore import local_chain_key
    from oracle.chain.tx.submit import Sender

    return Sender(rpc, await local_chain_key(0, rpc), poll_s=0.02)


async def send(payer: Sender, to: str | None, data: bytes) -> Receipt:
    """A mined transaction that succeeded."""
    from oracle.chain.hub import hub_interface

    signed = await payer.sign(to, data, hub_interface().decode_error)
    await payer.broadcast(signed)
    receipt = await payer.wait(signed.tx_hash, 60.0)
    if not receipt.succeeded:
        raise Fatal(f"transaction 0x{signed.tx_hash.hex()} reverted")
    return receipt


def bare_call(abi: Any, proof: bytes, instances: Sequence[int]) -> bytes:
    """Calldata of `verifyProof`."""
    from oracle.chain.hub import Interface

    return Interface(abi).encode_call("verifyProof", proof, list(instances))


async def verify(payer: Sender, verifier: str, calldata: bytes) -> Receipt:
    """The bare verification as a transaction."""
    if int.from_bytes(await payer.rpc.call(verifier, calldata), "big") != 1:
        raise Fatal(f"the verifier at {verifier} refuses a proof that ezkl accepts")
    return await send(payer, verifier, calldata)


async def demo_consumer_gas(payer: Sender, verifier: str, proof: bytes, instances: Sequence[int]) -> int:
    """What it costs to have the usual demonstration's consumer store one value, over another one that was there."""
    from oracle.chain.compiled import compile_contracts
    from oracle.chain.hub import Interface

    name = "DemoConsumer"
    compiled = compile_contracts({name: f"contracts/test/mocks/{name}.sol"})[name]
    interface = Interface(compiled.abi)
    deployed = await send(payer, None, compiled.bytecode + interface.encode_constructor(verifier))
    calldata = interface.encode_call("set", proof, list(instances))
    # The first one fills the slot.
    receipts = [await send(payer, deployed.contract_address, calldata) for _ in range(2)]
    return receipts[1].gas_used


# --- feeds ---------------------------------------------------------------------------------------------------------


@dataclass
class Feed:
    """A pair of feeds with the same reports, so that one proof serves both: with an adapter, and without.

    Attributes:
        answers: Recorded, in answer units; none is held if they are reported daily from round 1.
        reported: How many of them are on the chain.
    """

    linked: bytes
    bare: bytes
    answers: tuple[int, ...]
    reported: int = 0


@dataclass(frozen=True)
class Sent:
    """A submission that was accepted."""

    receipt: Receipt
    steps: Sequence[Step]


def calm_stretches(model: QuadraticModel, count: int, length: int) -> list[tuple[int, ...]]:
    """Stretches of recorded answers of the S&P 500, none of which the model would hold, reported daily from round 1."""
    from oracle.sources.packaged import load_series

    sigma = model.training.series["sp500"]
    recorded = [encoding.answer_from_decimal(reading.value, 8) for reading in load_series("sp500")]
    found: list[tuple[int, ...]] = []
    start = 0
    while len(found) < count:
        answers = tuple(recorded[start : start + length])
        if len(answers) < length:
            raise Fatal(f"the recorded series has only {len(found)} calm stretches of {length} days, not {count}")
        held = next((i for i in range(length) if _is_held(model, sigma, answers[: i + 1])), None)
        if held is None:
            found.append(answers)
        start += length if held is None else held + 1
    return found


def _is_held(model: QuadraticModel, sigma: int, answers: Sequence[int]) -> bool:
    """Whether the last of these answers is, after all before it were accepted."""
    newest = answers[-encoding.RING_SIZE - 2 :]
    moves = [encoding.move(Kind.RELATIVE, sigma, now, last) for last, now in pairwise(newest)]
    moves = [*reversed(moves), *[0] * (encoding.RING_SIZE + 1)][: encoding.RING_SIZE + 1]
    return max(model.score_int((*moves, encoding.GAP_ONE))) > 0


class Rig:
    """A hub with both models, all their circuits, and as many pairs of feeds as the largest batch has windows."""

    def __init__(
        self,
        chain: Anvil,
        hub: Hub,
        payer: Sender,
        reporter: LocalReporter,
        model: QuadraticModel,
        artifacts: Mapping[tuple[str, int], Artifact],
        provers: Mapping[tuple[str, int], LocalProver],
    ) -> None:
        self.chain = chain
        self.hub = hub
        self.payer = payer
        self.reporter = reporter
        self.model = model
        self.artifacts = artifacts
        self.provers = provers

    async def report(self, visibility: str, feeds: Sequence[Feed], trace: bool = False) -> tuple[Proof, Sent, Sent]:
        """The next answers of some pairs of feeds, in a submission of those with adapters and one of those without."""
        from oracle.proving.interface import ProofJob

        observed_at = await self._next_day()
        linked = [await self._scored(feed.linked, feed.answers[feed.reported], observed_at) for feed in feeds]
        bare = [await self._scored(feed.bare, feed.answers[feed.reported], observed_at) for feed in feeds]
        windows, scores = (tuple(each.features for each in linked), tuple(each.scores for each in linked))
        if windows != tuple(each.features for each in bare):
            raise Fatal("feeds with the same reports are in different states")
        proof = await self.provers[visibility, len(feeds)].prove(ProofJob(windows, scores))
        for feed in feeds:
            feed.reported += 1
        return proof, await self._send(linked, proof.proof, trace), await self._send(bare, proof.proof, False)

    async def measure(self, visibility: str, feeds: Sequence[Feed], repeat: int) -> dict[str, Any]:
        """Submissions of a full batch, and the bare verifications of their proofs; the medians."""
        batch = len(feeds)
        artifact = self.artifacts[visibility, batch]
        verifier = await self._verifier(visibility, batch)
        gas, verified, hub, without, seconds = [], [], [], [], []
        for _ in range(repeat):
            proof, linked, bare = await self.report(visibility, feeds, trace=True)
            call = bare_call(artifact.verifier().abi, proof.proof, proof.instances)
            alone = (await verify(self.payer, verifier, call)).gas_used
            gas.append(linked.receipt.gas_used)
            verified.append(alone)
            hub.append(linked.receipt.gas_used - alone)
            without.append(bare.receipt.gas_used - alone)
            seconds.append(proof.seconds)
        in_proof, in_key = commitments(artifact.verifier_source())
        least = floor(call, in_proof + in_key)
        return {
            "gas": round(statistics.median(gas)),
            "gas_per_feed": round(statistics.median(gas) / batch),
            "verify_gas": round(statistics.median(verified)),
            "hub_gas_per_feed": round(statistics.median(hub) / batch),
            "hub_gas_per_feed_without_adapter": round(statistics.median(without) / batch),
            "floor_gas": least,
            "floor_gas_per_feed": round(least / batch),
            "bare_calldata_gas": calldata_gas(call),
            "commitments": {"in_proof": in_proof, "in_key": in_key},
            "profile": profile(linked.steps, linked.receipt.gas_used, calldata_gas(call)).report(batch),
            "proof_s": round(statistics.median(seconds), 4),
            "proof_bytes": len(proof.proof),
            "instances": len(proof.instances),
            "k": artifact.manifest.k,
        }

    async def judge_by(self, model_number: int, feeds: Iterable[Feed]) -> None:
        """Another model becomes the one of all these feeds; their rounds go on."""
        from oracle.chain.hub import hub_interface

        for feed_id in (feed_id for feed in feeds for feed_id in (feed.linked, feed.bare)):
            for call in (("proposeModel", feed_id, model_number, 0, 0), ("activateModel", feed_id)):
                await send(self.payer, self.hub.address, hub_interface().encode_call(*call))

    async def _scored(self, feed_id: bytes, answer: int, observed_at: int) -> Scored:
        state = await self.hub.feed_state(feed_id)
        window = encoding.features(state, answer, observed_at, self.model.features)
        signed = self.reporter.sign_observation(feed_id, state.round_id + 1, answer, observed_at)
        observed = Observed("", feed_id, answer, observed_at)
        scores = self.model.score_int(window)
        return Scored(observed, state.round_id + 1, state.model_number, (signed,), window, scores)

    async def _send(self, scored: Sequence[Scored], proof: bytes, trace: bool) -> Sent:
        from oracle.chain.hub import RoundAccepted, encode_submission

        calldata = encode_submission(scored, proof)
        # Before it is sent: Anvil keeps no steps of what is mined.
        steps = self._trace(calldata) if trace else []
        receipt = await send(self.payer, self.hub.address, calldata)
        written = [event for event in self.hub.decode_outcome(receipt) if isinstance(event, RoundAccepted)]
        if len(written) != len(scored):
            raise Fatal(f"of {len(scored)} calm reports {len(written)} were accepted")
        return Sent(receipt, steps)

    def _trace(self, calldata: bytes) -> list[Step]:
        call = {"from": self.payer.address, "to": self.hub.address, "data": "0x" + calldata.hex()}
        without = {"disableStack": True, "disableMemory": True, "disableStorage": True}
        found = self.chain.rpc("debug_traceCall", call, "latest", without, timeout=120.0)
        return [Step(step["op"], step["gas"], step["depth"]) for step in found["structLogs"]]

    async def _verifier(self, visibility: str, batch: int) -> str:
        # Models are numbered in the order of their names; so are their architectures.
        number = 1 + sorted(VISIBILITIES).index(visibility)
        return (await self.hub.architecture(number)).verifiers[BATCHES.index(batch)]

    async def _next_day(self) -> int:
        """Mine an empty block a day after the latest; its time."""
        now = (await self.hub.rpc.block()).timestamp + HEARTBEAT
        self.chain.rpc("evm_setNextBlockTimestamp", now)
        self.chain.rpc("evm_mine")
        return now


async def run(cases: Sequence[str], repeat: int, echo: Any) -> dict[str, dict[str, Any]]:
    """Measure some of `CASES`; reports by case.

    Args:
        repeat: Submissions of each size.
        echo: Takes lines for people.
    """
    from oracle.chain.deploy import deploy, feed_id_of
    from oracle.chain.hub import Hub, hub_interface
    from oracle.chain.keys.keystore import local_chain_key
    from oracle.chain.keys.signer import LocalReporter
    from oracle.chain.local.anvil import Anvil, load_anvil_config
    from oracle.chain.transport.rpc import Rpc
    from oracle.detectors.quadratic import QuadraticModel
    from oracle.proving.pool.local import LocalProver

    model = QuadraticModel.default()
    artifacts = {
        (visibility, batch): _artifact(model, visibility, batch) for visibility in VISIBILITIES for batch in BATCHES
    }
    # All that a feed reports at most: to become warm, and with each model in each size.
    length = WARM_ROUNDS + len(VISIBILITIES) * len(BATCHES) * repeat
    size = BATCHES[-1]
    names = {feed_id_of(name): name for name in (f"S&P 500, series {index}" for index in range(2 * size))}
    ids = list(names)
    stretches = calm_stretches(model, size, length)
    # A submission's feeds ascend: both of a pair are at the same place.
    pairs = zip(sorted(ids[:size]), sorted(ids[size:]), stretches, strict=True)
    feeds = [Feed(linked, bare, answers) for linked, bare, answers in pairs]
    found: dict[str, dict[str, Any]] = {}
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oracle-bench-")))
        chain = stack.enter_context(Anvil(load_anvil_config(port=0)))
        rpc = await stack.enter_async_context(Rpc(chain.rpc_url, chain.chain_id))
        provers = {}
        for key, artifact in artifacts.items():
            provers[key] = LocalProver(artifact)
            stack.push_async_callback(provers[key].close)
        reporter = await local_chain_key(_REPORTER, rpc)
        echo("submissions: deployment of two models and 32 feeds")
        plan = _plan(model, artifacts, [names[feed.linked] for feed in feeds], reporter.address)
        deployment = await deploy(plan, rpc, await local_chain_key(0, rpc), folder / "deployment.json", poll_s=0.02)
        payer = await sender(rpc)
        public = _number(deployment, "public")
        for feed in feeds:
            config = dataclasses.astuple(_terms(model, names[feed.bare]))
            await send(
                payer, deployment.hub, hub_interface().encode_call("addFeed", config, [reporter.address], public)
            )
        signer = LocalReporter(reporter, chain.chain_id, deployment.hub)
        rig = Rig(chain, Hub(rpc, deployment.hub), payer, signer, model, artifacts, provers)
        echo(f"submissions: the first {WARM_ROUNDS} rounds")
        for _ in range(WARM_ROUNDS):
            await rig.report("public", feeds)
        for visibility in VISIBILITIES:
            wanted = [batch for batch in BATCHES if f"submit-{visibility}-b{batch}" in cases]
            if wanted and visibility != "public":
                await rig.judge_by(_number(deployment, visibility), feeds)
            for batch in wanted:
                case = f"submit-{visibility}-b{batch}"
                echo(f"gas of {case}")
                found[case] = await rig.measure(visibility, feeds[:batch], repeat)
    return found


def _artifact(model: QuadraticModel, visibility: str, batch: int) -> Artifact:
    """From the project's artifacts, or built: how long that takes is measured elsewhere."""
    from oracle.chain.local.solc import compile_standard
    from oracle.proving import artifact
    from oracle.proving.srs import SrsCache, SrsOrigin
    from oracle.proving.verifier import SOLC_VERSION

    build_dir = toolchain.build_dir()
    return artifact.build(
        model,
        batch,
        visibility=artifact.Visibility(visibility),
        srs=SrsCache(build_dir / "srs").source(SrsOrigin.INSECURE_LOCAL),
        compile_standard=lambda request: compile_standard(request, SOLC_VERSION),
        cache=build_dir / "artifacts",
    )


def _terms(model: QuadraticModel, description: str) -> Any:
    from oracle.chain.hub import FeedConfig

    return FeedConfig(
        description=description,
        kind=Kind.RELATIVE,
        decimals=8,
        quorum=1,
        confirmations=3,
        max_repeats=0,
        heartbeat=HEARTBEAT,
        max_age=HEARTBEAT,
        max_skew=60,
        confirm_delay=HEARTBEAT,
        tolerance=3_000,
        max_spread=0,
        sigma=model.training.series["sp500"],
    )


def _plan(
    model: QuadraticModel, artifacts: Mapping[tuple[str, int], Artifact], descriptions: Sequence[str], reporter: str
) -> DeployPlan:
    from oracle.chain.deploy import DeployPlan, FeedPlan

    return DeployPlan(
        feeds=tuple(
            FeedPlan(f"feed-{index}", _terms(model, name), (reporter,), model="public")
            for index, name in enumerate(descriptions)
        ),
        models={each: [artifacts[each, batch] for batch in BATCHES] for each in VISIBILITIES},
        change_delay=0,
    )


def _number(deployment: Deployment, visibility: str) -> int:
    return next(number for number, model in deployment.models.items() if model.name == visibility)


# --- the report ----------------------------------------------------------------------------------------------------


def table(report: Mapping[str, Any]) -> Table:
    """Gas by case, for people."""
    from rich.table import Table

    found = Table(box=None, pad_edge=False, header_style="bold", title="gas", title_justify="left")
    found.add_column("case")
    columns = ("submission", "per feed", "verification", "hub per feed", "without adapter", "floor of verification")
    for column in columns:
        found.add_column(column, justify="right")
    for case in (case for case in CASES if case in report):
        of = report[case]
        names = (
            "gas",
            "gas_per_feed",
            "verify_gas",
            "hub_gas_per_feed",
            "hub_gas_per_feed_without_adapter",
            "floor_gas",
        )
        found.add_row(case, *(f"{of[name]:,}" for name in names))
    return found
