"""The gas of submissions: reports of several feeds, with several signatures, beside the bare verification of a proof.

Real proofs and real verifiers on Anvil. Half of the feeds have an adapter, half have none; both have their first rounds
behind them, so that what is measured is what every later report costs. One proof serves all numbers of signatures:
after each of them but one, the chain is set back. Gas depends on nothing but the bytes that are sent, so a few
submissions of each size are enough.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.table import Table

from oracle.bench.cases import SIGNATURES, SUBMISSION_TARGETS, SUBMISSIONS, SUBMITTED_BATCHES, VISIBILITIES
from oracle.bench.gas_profile import TraceStep, gas_profile
from oracle.bench.transactions import CALLER, PLENTY, bare_call, first_sender, mined, send, transaction_gas
from oracle.chain.deploy import CommitteePlan, Deployment, DeployPlan, FeedPlan, deploy, feed_id_of
from oracle.chain.hub import Hub, HubFeedConfig, RoundAccepted, Submission, encode_submission, hub_interface
from oracle.chain.keys.keystore import local_chain_key
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.local import toolchain
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.local.solc import compile_standard
from oracle.chain.rpc import Rpc
from oracle.chain.tx.sender import Sender
from oracle.core import encoding
from oracle.core.errors import Fatal
from oracle.core.report import Report, SignedReport
from oracle.core.types import Kind
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.proving.artifact import Artifact, Visibility, build
from oracle.proving.artifact.verifier import SOLC_VERSION
from oracle.proving.gas import TRANSACTION_GAS, calldata_gas, floor_gas, folded_commitments
from oracle.proving.interface import Proof, ProofJob
from oracle.proving.pool.local import LocalProver
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.files import SrsOrigin
from oracle.sources.packaged.series import load_series

Echo = Callable[[str], None]

WARM_ROUNDS = encoding.RING_SIZE + 1
"""With this many, the ring is full, and no slot of a feed that is written again is empty."""

HEARTBEAT = 86_400
_COMMITTEE = 1
"""The hub's number of the only committee."""


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
class DueReport:
    """A report before it is signed, with the statement to prove.

    Attributes:
        report: The report; all its feeds are due.
        answers: The median answer of each feed.
        windows: The features of each feed.
        scores: The model's scores of each feed.
    """

    report: Report
    answers: tuple[int, ...]
    windows: tuple[tuple[int, ...], ...]
    scores: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class MeasuredReports:
    """The submissions of one time, which share a proof. All of them are accepted.

    Attributes:
        proof: The proof.
        gas: Gas by number of signatures, of the feeds with adapters.
        calldata_gas: Gas of the calldata, likewise.
        bare_gas: Gas with one signature, of the feeds without adapters.
        steps: The trace of the submission with one signature, of the feeds with adapters; empty if none was asked for.
    """

    proof: Proof
    gas: Mapping[int, int]
    calldata_gas: Mapping[int, int]
    bare_gas: int
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
        reporters: Sequence[LocalReporter],
        model: QuadraticModel,
        artifacts: Mapping[tuple[str, int], Artifact],
        provers: Mapping[tuple[str, int], LocalProver],
    ) -> None:
        self.chain = chain
        self.hub = hub
        self.payer = payer
        self.reporters = reporters
        self.model = model
        self.artifacts = artifacts
        self.provers = provers

    async def report(
        self, visibility: str, feeds: Sequence[FeedPair], signatures: Sequence[int] = (1,), trace: bool = False
    ) -> MeasuredReports:
        """Report the next answers of some pairs of feeds.

        Args:
            visibility: The visibility of the model that judges them.
            feeds: The feeds, as many as a circuit has windows.
            signatures: Numbers of signatures to measure; the report with one signature is the one that stays.
            trace: Keep the steps of that one.

        Raises:
            Fatal: Feeds of a pair are in different states, or a report was not accepted.
        """
        observed_at = await self._next_day()
        answers = tuple(feed.answers[feed.reported] for feed in feeds)
        linked = await self._due([feed.linked for feed in feeds], answers, observed_at)
        bare = await self._due([feed.bare for feed in feeds], answers, observed_at)
        if linked.windows != bare.windows:
            raise Fatal("feeds with the same reports are in different states")
        proof = await self.provers[visibility, len(feeds)].prove(ProofJob(linked.windows, linked.scores))
        number = (await self.hub.feed_state(feeds[0].linked)).model_number
        calls = {count: self._call(linked, number, count, proof.proof) for count in {1, *signatures}}
        gas: dict[int, int] = {}
        for count in sorted(calls, reverse=True):
            before = None if count == 1 else self.chain.rpc("evm_snapshot")
            # It is traced before it is sent: Anvil keeps no steps of what is mined.
            steps = self._trace(calls[1]) if trace and count == 1 else []
            gas[count] = await self._send(linked, calls[count])
            if before is not None:
                self.chain.rpc("evm_revert", before)
        bare_gas = await self._send(bare, self._call(bare, number, 1, proof.proof))
        for feed in feeds:
            feed.reported += 1
        spent = {count: calldata_gas(call) for count, call in calls.items()}
        return MeasuredReports(proof, gas, spent, bare_gas, steps)

    async def measure(
        self, visibility: str, feeds: Sequence[FeedPair], signatures: Sequence[int], repeat: int
    ) -> dict[str, dict[str, Any]]:
        """Measure submissions of a full batch, and the bare verifications of their proofs.

        Returns:
            The medians, by case; those of one signature also have the parts that do not depend on it.
        """
        batch = len(feeds)
        artifact = self.artifacts[visibility, batch]
        verifier = await self._verifier(visibility, batch)
        found, alone, calls = [], [], []
        for _ in range(repeat):
            found.append(await self.report(visibility, feeds, signatures, trace=True))
            proof = found[-1].proof
            calls.append(bare_call(artifact.verifier().abi, proof.proof, proof.instances))
            if int.from_bytes(await self.hub.rpc.call(verifier, calls[-1]), "big") != 1:
                raise Fatal(f"the verifier at {verifier} refuses a proof that ezkl accepts")
            alone.append(transaction_gas(self.chain, verifier, calls[-1]))
        verified = round(statistics.median(alone))
        code = [each - TRANSACTION_GAS - calldata_gas(call) for each, call in zip(alone, calls, strict=True)]
        measured = {}
        for count in signatures:
            case = f"submit-{visibility}-b{batch}-q{count}"
            gas = round(statistics.median(each.gas[count] for each in found))
            sent = round(statistics.median(each.calldata_gas[count] for each in found)) + TRANSACTION_GAS
            measured[case] = {
                "gas": gas,
                "gas_per_feed": round(gas / batch),
                "verify_gas": verified,
                "hub_gas_per_feed": round((gas - verified) / batch),
                "parts": {
                    "calldata": sent,
                    "verifier": round(statistics.median(code)),
                    "hub": gas - sent - round(statistics.median(code)),
                },
            }
            if case in SUBMISSION_TARGETS:
                measured[case]["target_per_feed"] = SUBMISSION_TARGETS[case]
        if (single := f"submit-{visibility}-b{batch}-q1") in measured:
            measured[single] |= self._details(artifact, batch, found, verified, calls[-1])
        return measured

    def _details(
        self, artifact: Artifact, batch: int, found: Sequence[MeasuredReports], verified: int, call: bytes
    ) -> dict[str, Any]:
        """Return what is the same for any number of signatures, and the parts of the last submission with one."""
        in_proof, in_key = folded_commitments(artifact.verifier_source())
        least = floor_gas(call, in_proof + in_key)
        bare = statistics.median(each.bare_gas for each in found)
        last = found[-1]
        return {
            "hub_gas_per_feed_without_adapter": round((bare - verified) / batch),
            "floor_gas": least,
            "floor_gas_per_feed": round(least / batch),
            "bare_calldata_gas": calldata_gas(call),
            "commitments": {"in_proof": in_proof, "in_key": in_key},
            "profile": gas_profile(last.steps, last.gas[1], calldata_gas(call)).report(batch),
            "proof_s": round(statistics.median(each.proof.seconds for each in found), 4),
            "proof_bytes": len(last.proof.proof),
            "instances": len(last.proof.instances),
            "k": artifact.manifest.k,
        }

    async def judge_by(self, model_number: int, feeds: Sequence[FeedPair]) -> None:
        """Activate another model for all these feeds; their rounds continue."""
        for feed_id in (feed_id for feed in feeds for feed_id in (feed.linked, feed.bare)):
            for call in (("proposeModel", feed_id, model_number, 0, 0), ("activateModel", feed_id)):
                await send(self.payer, self.hub.address, hub_interface().encode_call(*call))

    async def hub_bytes(self) -> int:
        """Return the size of the hub's code."""
        return len(await self.hub.rpc.code(self.hub.address))

    async def _due(self, feed_ids: Sequence[bytes], answers: tuple[int, ...], observed_at: int) -> DueReport:
        states = await self.hub.feed_states(feed_ids)
        committee = await self.hub.committee(_COMMITTEE)
        rounds = tuple(state.round_id + 1 for state in states)
        report = Report(_COMMITTEE, committee.epoch, observed_at, tuple(feed_ids), rounds)
        windows = tuple(
            encoding.features(state, answer, observed_at, self.model.features, tolerance=_TOLERANCE)
            for state, answer in zip(states, answers, strict=True)
        )
        return DueReport(report, answers, windows, tuple(self.model.score_int(window) for window in windows))

    def _call(self, due: DueReport, model_number: int, signatures: int, proof: bytes) -> bytes:
        """Return the calldata of a report that so many reporters sign, each with answers of its own."""
        signed = SignedReport(
            due.report,
            tuple(
                reporter.sign_report(due.report, [answer + _offset(row, signatures) for answer in due.answers])
                for row, reporter in enumerate(self.reporters[:signatures])
            ),
        )
        return encode_submission(Submission.of(model_number, signed, due.scores, proof))

    async def _send(self, due: DueReport, calldata: bytes) -> int:
        found = mined(self.chain, self.hub.address, calldata)
        receipt = await self.hub.rpc.receipt(bytes.fromhex(found["transactionHash"].removeprefix("0x")))
        events = () if receipt is None else self.hub.decode_outcome(receipt)
        written = {event.feed_id: event.answer for event in events if isinstance(event, RoundAccepted)}
        if written != dict(zip(due.report.feed_ids, due.answers, strict=True)):
            raise Fatal(f"of {len(due.answers)} calm answers {len(written)} were accepted, or others were")
        return int(found["gasUsed"], 16)

    def _trace(self, calldata: bytes) -> list[TraceStep]:
        sender = self.chain.accounts[CALLER].address
        call = {"from": sender, "to": self.hub.address, "data": "0x" + calldata.hex(), "gas": hex(PLENTY)}
        without = {"disableStack": True, "disableMemory": True, "disableStorage": True}
        found = self.chain.rpc("debug_traceCall", call, "latest", without, timeout=120.0)
        return [TraceStep(step["op"], step["gas"], step["depth"]) for step in found["structLogs"]]

    async def _verifier(self, visibility: str, batch: int) -> str:
        # Models are numbered in the order of their names; so are their architectures.
        number = 1 + sorted(VISIBILITIES).index(visibility)
        found = await self.hub.architecture(number)
        return found.verifiers[found.batch_sizes.index(batch)]

    async def _next_day(self) -> int:
        """Mine an empty block a day after the latest, and return its time."""
        now = (await self.hub.rpc.block()).timestamp + HEARTBEAT
        self.chain.rpc("evm_setNextBlockTimestamp", now)
        self.chain.rpc("evm_mine")
        return now


def _offset(row: int, rows: int) -> int:
    """Return how far a reporter's answers are from the median, in answer units; no two have the same."""
    return row - rows // 2


async def run(cases: Sequence[str], repeat: int, echo: Echo) -> dict[str, Any]:
    """Measure some of the cases `SUBMISSIONS`, and return the reports by case, with the hub's size as `hub_bytes`.

    Args:
        cases: The cases to measure, at least one.
        repeat: Proofs of each size.
        echo: Takes lines for people.
    """
    model = QuadraticModel.default()
    wanted: dict[tuple[str, int], list[int]] = {}
    for visibility, batch, signatures in (SUBMISSIONS[case] for case in SUBMISSIONS if case in cases):
        wanted.setdefault((visibility, batch), []).append(signatures)
    # There are as many feeds as the largest batch has.
    size = max(batch for _, batch in wanted)
    batches = [batch for batch in SUBMITTED_BATCHES if batch <= size]
    artifacts = {
        (visibility, batch): _artifact(model, visibility, batch) for visibility in VISIBILITIES for batch in batches
    }
    # The most that a feed reports: to become warm, and with each model in each size.
    length = WARM_ROUNDS + len(VISIBILITIES) * len(batches) * repeat
    names = {feed_id_of(name): name for name in (f"S&P 500, series {index}" for index in range(2 * size))}
    ids = list(names)
    stretches = calm_stretches(model, size, length)
    # A report's feeds ascend, so both feeds of a pair are at the same place.
    pairs = zip(sorted(ids[:size]), sorted(ids[size:]), stretches, strict=True)
    feeds = [FeedPair(linked, bare, answers) for linked, bare, answers in pairs]
    found: dict[str, Any] = {}
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oracle-bench-")))
        chain = stack.enter_context(Anvil(load_anvil_config(port=0)))
        rpc = await stack.enter_async_context(Rpc(chain.rpc_url, chain.chain_id))
        provers = {}
        for key, artifact in artifacts.items():
            provers[key] = LocalProver(artifact)
            stack.push_async_callback(provers[key].close)
        accounts = [await local_chain_key(index, rpc) for index in range(max(SIGNATURES))]
        committee = CommitteePlan("default", tuple(account.address for account in accounts))
        echo(f"submissions: deployment of two models and {2 * size} feeds")
        plan = _plan(model, artifacts, [names[feed.linked] for feed in feeds], committee)
        deployment = await deploy(plan, rpc, accounts[0], folder / "deployment.json", poll_s=0.02)
        payer = await first_sender(rpc)
        public = _number(deployment, "public")
        for feed in feeds:
            terms = dataclasses.replace(_terms(model, names[feed.bare]), committee=_COMMITTEE)
            await send(
                payer, deployment.hub, hub_interface().encode_call("addFeed", dataclasses.astuple(terms), public)
            )
        reporters = [LocalReporter(account, chain.chain_id, deployment.hub) for account in accounts]
        rig = Rig(chain, Hub(rpc, deployment.hub), payer, reporters, model, artifacts, provers)
        found["hub_bytes"] = await rig.hub_bytes()
        echo(f"submissions: the first {WARM_ROUNDS} rounds")
        for _ in range(WARM_ROUNDS):
            await rig.report("public", feeds)
        for visibility in VISIBILITIES:
            if visibility != "public" and any(of == visibility for of, _ in wanted):
                await rig.judge_by(_number(deployment, visibility), feeds)
            for batch in (batch for of, batch in wanted if of == visibility):
                echo(f"gas of submit-{visibility}-b{batch}")
                found |= await rig.measure(visibility, feeds[:batch], wanted[visibility, batch], repeat)
    return found


_TOLERANCE = 3_000


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


def _terms(model: QuadraticModel, description: str) -> HubFeedConfig:
    return HubFeedConfig(
        description=description,
        kind=Kind.RELATIVE,
        decimals=8,
        confirmations=3,
        max_repeats=0,
        heartbeat=HEARTBEAT,
        max_age=HEARTBEAT,
        max_skew=60,
        confirm_delay=HEARTBEAT,
        tolerance=_TOLERANCE,
        max_spread=0,
        sigma=model.training.series["sp500"],
        committee=0,
    )


def _plan(
    model: QuadraticModel,
    artifacts: Mapping[tuple[str, int], Artifact],
    descriptions: Sequence[str],
    committee: CommitteePlan,
) -> DeployPlan:
    return DeployPlan(
        committees=(committee,),
        feeds=tuple(
            FeedPlan(f"feed-{index}", _terms(model, name), committee=committee.name, model="public")
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


COLUMNS = (
    "gas",
    "gas per feed",
    "transaction and calldata",
    "verifier",
    "hub and adapters",
    "bare verification",
    "hub per feed",
    "without adapters",
    "most per feed",
)

_SHORT = ("gas", "per feed", "calldata", "verifier", "hub", "verification", "hub per feed", "no adapter", "target")
"""The columns' titles in a terminal."""


def rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the rows of the submissions that were measured, each with its case."""
    found = []
    for case in (case for case in SUBMISSIONS if case in report):
        of, parts = report[case], report[case]["parts"]
        bare = of.get("hub_gas_per_feed_without_adapter")
        most = of.get("target_per_feed")
        met = (
            ""
            if most is None
            else f"{most:,}: " + ("met" if of["gas_per_feed"] <= most else f"missed by {of['gas_per_feed'] - most:,}")
        )
        figures = (of["gas"], of["gas_per_feed"], parts["calldata"], parts["verifier"], parts["hub"], of["verify_gas"],
                   of["hub_gas_per_feed"])  # fmt: skip
        found.append((case, *(f"{each:,}" for each in figures), "" if bare is None else f"{bare:,}", met))
    return found


def table(report: Mapping[str, Any]) -> Table:
    """Return the gas by case, for people."""
    title = f"gas; the hub has {report['hub_bytes']:,} bytes of code"
    found = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    found.add_column("case", no_wrap=True)
    for column in _SHORT:
        found.add_column(column, justify="right")
    for row in rows(report):
        found.add_row(*row)
    return found
