"""The cost of a submission on the chain: batches of feeds, beside the bare verification of the same proofs.

Real proofs and real verifiers on Anvil. Half of the feeds have an adapter, half have none; both have their first rounds
behind them, so that what is measured is what every later report costs. Gas depends on nothing but the bytes that are
sent, so a few submissions of each size are enough.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.table import Table

from oracle.bench.cases import BATCHES, SUBMISSIONS, VISIBILITIES
from oracle.bench.gas_profile import TraceStep, gas_profile
from oracle.bench.transactions import bare_call, first_sender, send, verify
from oracle.chain.deploy import Deployment, DeployPlan, FeedPlan, deploy, feed_id_of
from oracle.chain.hub import Hub, HubFeedConfig, RoundAccepted, encode_submission, hub_interface
from oracle.chain.keys.keystore import local_chain_key
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.local import toolchain
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.local.solc import compile_standard
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.tx.sender import Sender
from oracle.core import encoding
from oracle.core.errors import Fatal
from oracle.core.types import Kind, Observed, Scored
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.proving.artifact import Artifact, Visibility, build
from oracle.proving.artifact.verifier import SOLC_VERSION
from oracle.proving.gas import calldata_gas, floor_gas, folded_commitments
from oracle.proving.interface import Proof, ProofJob
from oracle.proving.pool.local import LocalProver
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.files import SrsOrigin
from oracle.sources.packaged.series import load_series

Echo = Callable[[str], None]

WARM_ROUNDS = encoding.RING_SIZE + 1
"""With this many, the ring is full, and no slot of a feed that is written again is empty."""

HEARTBEAT = 86_400
_REPORTER = 1


@dataclass
class FeedPair:
    """A pair of feeds with the same reports, so that one proof serves both: one with an adapter, and one without.

    Attributes:
        linked: Id of the feed with an adapter.
        bare: Id of the feed without.
        answers: Recorded, in answer units; none is held if they are reported daily from round 1.
        reported: The number of them that are on the chain.
    """

    linked: bytes
    bare: bytes
    answers: tuple[int, ...]
    reported: int = 0


@dataclass(frozen=True)
class AcceptedSubmission:
    """A submission that was accepted."""

    receipt: Receipt
    steps: Sequence[TraceStep]


def calm_stretches(model: QuadraticModel, count: int, length: int) -> list[tuple[int, ...]]:
    """Return stretches of recorded answers of the S&P 500 that the model would not hold, reported daily from round 1.

    Args:
        model: Judges them.
        count: The number of stretches.
        length: Answers in each.

    Raises:
        Fatal: The recorded series has too few.
    """
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
    """Return True if the model holds the last of these answers, when all before it were accepted."""
    newest = answers[-encoding.RING_SIZE - 2 :]
    moves = [encoding.move(Kind.RELATIVE, sigma, now, last) for last, now in pairwise(newest)]
    moves = [*reversed(moves), *[0] * (encoding.RING_SIZE + 1)][: encoding.RING_SIZE + 1]
    return max(model.score_int((*moves, encoding.GAP_ONE))) > 0


class Rig:
    """A hub with both models, their circuits, and as many pairs of feeds as the largest batch has windows."""

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

    async def report(
        self, visibility: str, feeds: Sequence[FeedPair], trace: bool = False
    ) -> tuple[Proof, AcceptedSubmission, AcceptedSubmission]:
        """Report the next answers of some pairs of feeds.

        Args:
            visibility: The visibility of the model that judges them.
            feeds: The feeds, as many as a circuit has windows.
            trace: Keep the steps of the first submission.

        Returns:
            The proof, the submission of the feeds with adapters, and that of those without.

        Raises:
            Fatal: Feeds of a pair are in different states, or a report was not accepted.
        """
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

    async def measure(self, visibility: str, feeds: Sequence[FeedPair], repeat: int) -> dict[str, Any]:
        """Measure submissions of a full batch, and the bare verifications of their proofs; return the medians."""
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
        in_proof, in_key = folded_commitments(artifact.verifier_source())
        least = floor_gas(call, in_proof + in_key)
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
            "profile": gas_profile(linked.steps, linked.receipt.gas_used, calldata_gas(call)).report(batch),
            "proof_s": round(statistics.median(seconds), 4),
            "proof_bytes": len(proof.proof),
            "instances": len(proof.instances),
            "k": artifact.manifest.k,
        }

    async def judge_by(self, model_number: int, feeds: Iterable[FeedPair]) -> None:
        """Activate another model for all these feeds; their rounds continue."""
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

    async def _send(self, scored: Sequence[Scored], proof: bytes, trace: bool) -> AcceptedSubmission:
        calldata = encode_submission(scored, proof)
        # It is traced before it is sent: Anvil keeps no steps of what is mined.
        steps = self._trace(calldata) if trace else []
        receipt = await send(self.payer, self.hub.address, calldata)
        written = [event for event in self.hub.decode_outcome(receipt) if isinstance(event, RoundAccepted)]
        if len(written) != len(scored):
            raise Fatal(f"of {len(scored)} calm reports {len(written)} were accepted")
        return AcceptedSubmission(receipt, steps)

    def _trace(self, calldata: bytes) -> list[TraceStep]:
        call = {"from": self.payer.address, "to": self.hub.address, "data": "0x" + calldata.hex()}
        without = {"disableStack": True, "disableMemory": True, "disableStorage": True}
        found = self.chain.rpc("debug_traceCall", call, "latest", without, timeout=120.0)
        return [TraceStep(step["op"], step["gas"], step["depth"]) for step in found["structLogs"]]

    async def _verifier(self, visibility: str, batch: int) -> str:
        # Models are numbered in the order of their names; so are their architectures.
        number = 1 + sorted(VISIBILITIES).index(visibility)
        return (await self.hub.architecture(number)).verifiers[BATCHES.index(batch)]

    async def _next_day(self) -> int:
        """Mine an empty block a day after the latest, and return its time."""
        now = (await self.hub.rpc.block()).timestamp + HEARTBEAT
        self.chain.rpc("evm_setNextBlockTimestamp", now)
        self.chain.rpc("evm_mine")
        return now


async def run(cases: Sequence[str], repeat: int, echo: Echo) -> dict[str, dict[str, Any]]:
    """Measure some of the cases `SUBMISSIONS`, and return the reports by case.

    Args:
        cases: The cases to measure, at least one.
        repeat: Submissions of each size.
        echo: Takes lines for people.
    """
    model = QuadraticModel.default()
    wanted = {
        visibility: [batch for batch in BATCHES if f"submit-{visibility}-b{batch}" in cases]
        for visibility in VISIBILITIES
    }
    # There are as many feeds as the largest batch has.
    size = max(batch for batches in wanted.values() for batch in batches)
    batches = [batch for batch in BATCHES if batch <= size]
    artifacts = {
        (visibility, batch): _artifact(model, visibility, batch) for visibility in VISIBILITIES for batch in batches
    }
    # The most that a feed reports: to become warm, and with each model in each size.
    length = WARM_ROUNDS + len(VISIBILITIES) * len(batches) * repeat
    names = {feed_id_of(name): name for name in (f"S&P 500, series {index}" for index in range(2 * size))}
    ids = list(names)
    stretches = calm_stretches(model, size, length)
    # A submission's feeds ascend, so both feeds of a pair are at the same place.
    pairs = zip(sorted(ids[:size]), sorted(ids[size:]), stretches, strict=True)
    feeds = [FeedPair(linked, bare, answers) for linked, bare, answers in pairs]
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
        echo(f"submissions: deployment of two models and {2 * size} feeds")
        plan = _plan(model, artifacts, [names[feed.linked] for feed in feeds], reporter.address)
        deployment = await deploy(plan, rpc, await local_chain_key(0, rpc), folder / "deployment.json", poll_s=0.02)
        payer = await first_sender(rpc)
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
            if wanted[visibility] and visibility != "public":
                await rig.judge_by(_number(deployment, visibility), feeds)
            for batch in wanted[visibility]:
                case = f"submit-{visibility}-b{batch}"
                echo(f"gas of {case}")
                found[case] = await rig.measure(visibility, feeds[:batch], repeat)
    return found


def _artifact(model: QuadraticModel, visibility: str, batch: int) -> Artifact:
    """Return one of the project's artifacts, or build it: how long that takes is measured elsewhere."""
    build_dir = toolchain.build_dir()
    return build(
        model,
        batch,
        visibility=Visibility(visibility),
        srs=SrsCache(build_dir / "srs").source(SrsOrigin.INSECURE_LOCAL),
        compile_standard=lambda request: compile_standard(request, SOLC_VERSION),
        cache=build_dir / "artifacts",
    )


def _terms(model: QuadraticModel, description: str) -> Any:
    return HubFeedConfig(
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
    return DeployPlan(
        feeds=tuple(
            FeedPlan(f"feed-{index}", _terms(model, name), (reporter,), model="public")
            for index, name in enumerate(descriptions)
        ),
        models={
            visibility: [artifact for (of, _), artifact in artifacts.items() if of == visibility]
            for visibility in VISIBILITIES
        },
        change_delay=0,
    )


def _number(deployment: Deployment, visibility: str) -> int:
    return next(number for number, model in deployment.models.items() if model.name == visibility)


def table(report: Mapping[str, Any]) -> Table:
    """Return the gas by case, for people."""
    found = Table(box=None, pad_edge=False, header_style="bold", title="gas", title_justify="left")
    found.add_column("case")
    columns = ("submission", "per feed", "verification", "hub per feed", "without adapter", "floor of verification")
    for column in columns:
        found.add_column(column, justify="right")
    for case in (case for case in SUBMISSIONS if case in report):
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
