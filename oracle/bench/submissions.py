"""The gas of submissions: reports of several feeds, with several signatures, beside the bare verification of a proof.

Real proofs and real verifiers on Anvil. The feeds name each other as peers, two and two; where only one of two is due,
the other is listed as a reference. Half of the feeds have an adapter, half have none; all have their first rounds
behind them, so that what is measured is what every later report costs. One proof serves all numbers of signatures:
after each of them but one, the chain is set back, and so it is after each size. Gas depends on nothing but the bytes
that are sent, so a few submissions of each size are enough.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from oracle.bench.cases import JUDGES, SIGNATURES, SUBMISSION_TARGETS, SUBMISSIONS, CircuitCase
from oracle.bench.detectors import detector
from oracle.bench.gas_profile import TraceStep, gas_profile
from oracle.bench.submitted import PAIR, TOLERANCE, FeedPair, feed_pairs
from oracle.bench.transactions import CALLER, PLENTY, bare_call, first_sender, mined, send, transaction_gas
from oracle.bench.windows import HEARTBEAT, sigma_of
from oracle.chain.deploy import CommitteePlan, Deployment, DeployPlan, FeedPlan, deploy
from oracle.chain.hub import Hub, RoundAccepted, Submission, encode_submission, hub_interface
from oracle.chain.keys.keystore import local_chain_key
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.local import toolchain
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.local.solc import Solc
from oracle.chain.rpc import Rpc
from oracle.chain.tx.sender import Sender
from oracle.core import encoding
from oracle.core.errors import Fatal
from oracle.core.report import Report, SignedReport
from oracle.core.types import FeedState, Kind
from oracle.detectors.interface import Detector
from oracle.proving.artifact import Artifact, Visibility, build
from oracle.proving.gas import TRANSACTION_GAS, calldata_gas, floor_gas, folded_commitments
from oracle.proving.interface import Proof, ProofJob
from oracle.proving.pool.local import LocalProver
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.files import SrsOrigin

Echo = Callable[[str], None]

WARM_ROUNDS = encoding.RING_SIZE + 1
"""With this many, the ring is full, and no slot of a feed that is written again is empty."""

_FIRST_JUDGE = "default-public"
"""The model of the first rounds: its proofs are the cheapest."""

_PATIENCE_S = 900.0
"""Seconds that a proof may take: those of a private network for 32 feeds take minutes on a busy machine."""

_COMMITTEE = 1
"""The hub's number of the only committee."""


@dataclass(frozen=True)
class DueReport:
    """A report before it is signed, with the statement to prove.

    Attributes:
        report: The report. Feeds that are not due are references.
        answers: The median answer of each listed feed.
        windows: The features of each feed that is due.
        scores: What the model publishes of each.
    """

    report: Report
    answers: tuple[int, ...]
    windows: tuple[tuple[int, ...], ...]
    scores: tuple[tuple[int, ...], ...]

    def written(self) -> dict[bytes, int]:
        """Return the answers that the hub writes if it accepts all that are due."""
        return {self.report.feed_ids[at]: self.answers[at] for at in self.report.due}


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


@dataclass
class Rig:
    """A hub with models, their circuits, and as many pairs of feeds as the largest batch has windows.

    Attributes:
        chain: The chain.
        hub: The hub.
        payer: Sends what needs a right.
        reporters: The committee.
        judges: The models, by their names in `JUDGES`.
        numbers: Their numbers on the hub.
        artifacts: The circuits, by model and batch.
        active: The model of the feeds.
        provers: The provers that run, by model and batch.
        day: How many answers each feed has had.
    """

    chain: Anvil
    hub: Hub
    payer: Sender
    reporters: Sequence[LocalReporter]
    judges: Mapping[str, Detector]
    numbers: Mapping[str, int]
    artifacts: Mapping[tuple[str, int], Artifact]
    active: str
    provers: dict[tuple[str, int], LocalProver] = field(default_factory=dict)
    day: int = 0

    @contextlib.asynccontextmanager
    async def proving(self, judge: str, batch: int) -> AsyncIterator[None]:
        """Run the prover of a circuit while the context is open."""
        async with LocalProver(self.artifacts[judge, batch], deadline=_PATIENCE_S) as self.provers[judge, batch]:
            yield

    async def report(
        self, judge: str, feeds: Sequence[FeedPair], signatures: Sequence[int] = (1,), trace: bool = False
    ) -> MeasuredReports:
        """Report the next day's answers of some pairs of feeds.

        Args:
            judge: The model that judges them.
            feeds: The feeds that are due, as many as a circuit has windows.
            signatures: Numbers of signatures to measure; the report with one signature is the one that stays.
            trace: Keep the steps of that one.

        Raises:
            Fatal: Feeds of a pair are in different states, or a report was not accepted.
        """
        observed_at = await self._next_day()
        # A peer that is not due itself is listed as a reference.
        listed = sorted({pair.linked: pair for each in feeds for pair in (each, each.peer)}.values(), key=_linked)
        linked = await self._due(judge, listed, feeds, observed_at, bare=False)
        bare = await self._due(judge, listed, feeds, observed_at, bare=True)
        if linked.windows != bare.windows:
            raise Fatal("feeds with the same reports are in different states")
        proof = await self.provers[judge, len(feeds)].prove(ProofJob(linked.windows, linked.scores))
        calls = {count: self._call(linked, judge, count, proof.proof) for count in {1, *signatures}}
        gas: dict[int, int] = {}
        for count in sorted(calls, reverse=True):
            before = None if count == 1 else self.chain.snapshot()
            # It is traced before it is sent: Anvil keeps no steps of what is mined.
            steps = self._trace(calls[1]) if trace and count == 1 else []
            gas[count] = await self._send(linked, calls[count])
            if before is not None:
                self.chain.revert(before)
        bare_gas = await self._send(bare, self._call(bare, judge, 1, proof.proof))
        self.day += 1
        spent = {count: calldata_gas(call) for count, call in calls.items()}
        return MeasuredReports(proof, gas, spent, bare_gas, steps)

    async def measure(
        self, judge: str, feeds: Sequence[FeedPair], signatures: Sequence[int], repeat: int
    ) -> dict[str, dict[str, Any]]:
        """Measure submissions of a full batch, and the bare verifications of their proofs; then set the chain back.

        Returns:
            The medians, by case; those of one signature also have the parts that do not depend on it.
        """
        batch, before, day = len(feeds), self.chain.snapshot(), self.day
        artifact = self.artifacts[judge, batch]
        verifier = await self._verifier(judge, batch)
        found, alone, calls = [], [], []
        for _ in range(repeat):
            found.append(await self.report(judge, feeds, signatures, trace=True))
            proof = found[-1].proof
            calls.append(bare_call(artifact.verifier().abi, proof.proof, proof.instances))
            if int.from_bytes(await self.hub.rpc.call(verifier, calls[-1]), "big") != 1:
                raise Fatal(f"the verifier at {verifier} refuses a proof that ezkl accepts")
            alone.append(transaction_gas(self.chain, verifier, calls[-1]))
        self.chain.revert(before)
        self.day = day
        verified = round(statistics.median(alone))
        code = [each - TRANSACTION_GAS - calldata_gas(call) for each, call in zip(alone, calls, strict=True)]
        measured = {}
        for count in signatures:
            case = f"submit-{judge}-b{batch}-q{count}"
            gas = round(statistics.median(each.gas[count] for each in found))
            sent = round(statistics.median(each.calldata_gas[count] for each in found)) + TRANSACTION_GAS
            measured[case] = {
                "gas": gas,
                "gas_per_feed": round(gas / batch),
                "verify_gas": verified,
                "verify_gas_per_feed": round(verified / batch),
                "hub_gas_per_feed": round((gas - verified) / batch),
                "parts": {
                    "calldata": sent,
                    "verifier": round(statistics.median(code)),
                    "hub": gas - sent - round(statistics.median(code)),
                },
            }
            if case in SUBMISSION_TARGETS:
                measured[case]["target_per_feed"] = SUBMISSION_TARGETS[case]
        if (single := f"submit-{judge}-b{batch}-q1") in measured:
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

    async def judge_by(self, judge: str, feeds: Sequence[FeedPair]) -> None:
        """Activate a model for all these feeds, if it is not theirs already; their rounds continue."""
        if judge == self.active:
            return
        self.active = judge
        for feed_id in (feed_id for feed in feeds for feed_id in (feed.linked, feed.bare)):
            for call in (("proposeModel", feed_id, self.numbers[judge], 0, 0), ("activateModel", feed_id)):
                await send(self.payer, self.hub.address, hub_interface().encode_call(*call))

    async def hub_bytes(self) -> int:
        """Return the size of the hub's code."""
        return len(await self.hub.rpc.code(self.hub.address))

    async def _due(
        self, judge: str, listed: Sequence[FeedPair], due: Sequence[FeedPair], observed_at: int, *, bare: bool
    ) -> DueReport:
        ids = [pair.bare if bare else pair.linked for pair in listed]
        states = await self.hub.feed_states(ids)
        committee = await self.hub.committee(_COMMITTEE)
        chosen = {pair.linked for pair in due}
        rounds = tuple(
            state.round_id + 1 if pair.linked in chosen else 0 for pair, state in zip(listed, states, strict=True)
        )
        report = Report(_COMMITTEE, committee.epoch, observed_at, tuple(ids), rounds)
        model = self.judges[judge]
        windows = tuple(self._window(model, listed[at], states[at], observed_at) for at in report.due)
        answers = tuple(pair.answers[self.day] for pair in listed)
        return DueReport(report, answers, windows, tuple(model.score_int(window) for window in windows))

    def _window(self, model: Detector, pair: FeedPair, state: FeedState, observed_at: int) -> tuple[int, ...]:
        peer = encoding.PeerAnswer(Kind.RELATIVE, sigma_of(pair.peer.series), pair.peer.answers[self.day])
        answer = pair.answers[self.day]
        return encoding.features(state, answer, observed_at, model.features, tolerance=TOLERANCE, peers=[peer])

    def _call(self, due: DueReport, judge: str, signatures: int, proof: bytes) -> bytes:
        """Return the calldata of a report that so many reporters sign, each with answers of its own."""
        signed = SignedReport(
            due.report,
            tuple(
                reporter.sign_report(due.report, [answer + _offset(row, signatures) for answer in due.answers])
                for row, reporter in enumerate(self.reporters[:signatures])
            ),
        )
        return encode_submission(Submission.of(self.numbers[judge], signed, due.scores, proof))

    async def _send(self, due: DueReport, calldata: bytes) -> int:
        found = mined(self.chain, self.hub.address, calldata)
        receipt = await self.hub.rpc.receipt(bytes.fromhex(found["transactionHash"].removeprefix("0x")))
        events = () if receipt is None else self.hub.decode_outcome(receipt)
        written = {event.feed_id: event.answer for event in events if isinstance(event, RoundAccepted)}
        if written != due.written():
            raise Fatal(f"of {len(due.windows)} calm answers {len(written)} were accepted, or others were")
        return int(found["gasUsed"], 16)

    def _trace(self, calldata: bytes) -> list[TraceStep]:
        sender = self.chain.accounts[CALLER].address
        call = {"from": sender, "to": self.hub.address, "data": "0x" + calldata.hex(), "gas": hex(PLENTY)}
        without = {"disableStack": True, "disableMemory": True, "disableStorage": True}
        found = self.chain.rpc("debug_traceCall", call, "latest", without, timeout=120.0)
        return [TraceStep(step["op"], step["gas"], step["depth"]) for step in found["structLogs"]]

    async def _verifier(self, judge: str, batch: int) -> str:
        model = await self.hub.model(self.numbers[judge])
        found = await self.hub.architecture(model.architecture_id)
        return found.verifiers[found.batch_sizes.index(batch)]

    async def _next_day(self) -> int:
        """Mine an empty block a day after the latest, and return its time."""
        now = (await self.hub.rpc.block()).timestamp + HEARTBEAT
        self.chain.rpc("evm_setNextBlockTimestamp", now)
        self.chain.rpc("evm_mine")
        return now


def _linked(pair: FeedPair) -> bytes:
    return pair.linked


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
    wanted: dict[tuple[str, int], list[int]] = {}
    for of in (SUBMISSIONS[case] for case in SUBMISSIONS if case in cases):
        wanted.setdefault((of.judge, of.batch), []).append(of.signatures)
    found: dict[str, Any] = {}
    async with opened_rig(list(wanted), max(SIGNATURES), repeat, echo) as (rig, feeds):
        found["hub_bytes"] = await rig.hub_bytes()
        # One model after the other: to give all feeds another one takes two transactions for each.
        for judge, batch in sorted(wanted, key=lambda each: (each[0] != _FIRST_JUDGE, each)):
            await rig.judge_by(judge, feeds)
            echo(f"gas of submit-{judge}-b{batch}")
            async with rig.proving(judge, batch):
                found |= await rig.measure(judge, feeds[:batch], wanted[judge, batch], repeat)
    return found


@contextlib.asynccontextmanager
async def opened_rig(
    wanted: Sequence[tuple[str, int]], reporters: int, rounds: int, echo: Echo
) -> AsyncIterator[tuple[Rig, list[FeedPair]]]:
    """Open a rig whose feeds have their first rounds behind them, and close it.

    Args:
        wanted: The models and batches that will be measured.
        reporters: The committee's size.
        rounds: The number of reports that are measured of each batch.
        echo: Takes lines for people.

    Yields:
        The rig, and its pairs of feeds. Their model is the one of the first rounds.
    """
    # There are as many feeds as the largest batch has, and each beside its peer.
    size = max(len(PAIR), *(batch for _, batch in wanted))
    judges = {
        judge: detector(JUDGES[judge].detector, JUDGES[judge].disclosure)
        for judge in (_FIRST_JUDGE, *(judge for judge, _ in wanted))
    }
    artifacts = {}
    for judge, batch in {(_FIRST_JUDGE, size): None} | dict.fromkeys(wanted):
        echo(f"submissions: circuit of {judge}, {batch} windows")
        artifacts[judge, batch] = _artifact(judges[judge], JUDGES[judge], batch)
    feeds = feed_pairs(list(judges.values()), size, WARM_ROUNDS + rounds)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oracle-bench-")))
        chain = stack.enter_context(Anvil(load_anvil_config(port=0)))
        rpc = await stack.enter_async_context(Rpc(chain.rpc_url, chain.chain_id))
        accounts = [await local_chain_key(index, rpc) for index in range(reporters)]
        committee = CommitteePlan("default", tuple(account.address for account in accounts))
        echo(f"submissions: deployment of {len(judges)} models and {2 * size} feeds")
        plan = _plan(artifacts, feeds, committee)
        deployment = await deploy(plan, rpc, accounts[0], folder / "deployment.json", poll_s=0.02)
        payer = await first_sender(rpc)
        numbers = {judge: _number(deployment, judge) for judge in judges}
        for feed in feeds:
            terms = dataclasses.astuple(dataclasses.replace(feed.terms()[1], committee=_COMMITTEE))
            await send(payer, deployment.hub, hub_interface().encode_call("addFeed", terms, numbers[_FIRST_JUDGE]))
        signers = [LocalReporter(account, chain.chain_id, deployment.hub) for account in accounts]
        rig = Rig(chain, Hub(rpc, deployment.hub), payer, signers, judges, numbers, artifacts, active=_FIRST_JUDGE)
        echo(f"submissions: the first {WARM_ROUNDS} rounds")
        async with rig.proving(_FIRST_JUDGE, size):
            for _ in range(WARM_ROUNDS):
                await rig.report(_FIRST_JUDGE, feeds)
        yield rig, feeds


def _artifact(model: Detector, case: CircuitCase, batch: int) -> Artifact:
    """Return one of the project's artifacts, or build it: how long that takes is measured elsewhere."""
    build_dir = toolchain.build_dir()
    return build(
        model,
        batch,
        visibility=Visibility(case.visibility),
        srs=SrsCache(build_dir / "srs").source(SrsOrigin.INSECURE_LOCAL),
        compile_standard=Solc(),
        cache=build_dir / "artifacts",
    )


def _plan(
    artifacts: Mapping[tuple[str, int], Artifact], feeds: Sequence[FeedPair], committee: CommitteePlan
) -> DeployPlan:
    models: dict[str, list[Artifact]] = {}
    for (judge, _), artifact in artifacts.items():
        models.setdefault(judge, []).append(artifact)
    return DeployPlan(
        committees=(committee,),
        feeds=tuple(
            FeedPlan(f"feed-{index}", feed.terms()[0], committee=committee.name, model=_FIRST_JUDGE)
            for index, feed in enumerate(feeds)
        ),
        models=models,
        change_delay=0,
    )


def _number(deployment: Deployment, judge: str) -> int:
    return next(number for number, model in deployment.models.items() if model.name == judge)


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
