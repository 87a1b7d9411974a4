"""The speed of an audit: a history of many rounds on Anvil, with real proofs, audited in several ways.

All feeds have the same answer at each report, and report in step with their heartbeat. So the features soon are the
same, too, and one proof serves many rounds: the history is made within a minute. An audit can't know that, and verifies
each proof for itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from oracle.audit.choice import Choice, Span
from oracle.audit.record import AuditRecord
from oracle.audit.run import AuditOptions, audit_hub
from oracle.bench.cases import AUDITS, JUDGES, AuditCase
from oracle.bench.detectors import detector
from oracle.bench.transactions import mined
from oracle.chain.deploy import CommitteePlan, DeployPlan, FeedPlan, deploy, feed_id_of
from oracle.chain.hub import HubFeedConfig, Submission, encode_submission
from oracle.chain.keys.keystore import local_chain_key
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.local import toolchain
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.local.solc import Solc
from oracle.chain.rpc import Rpc
from oracle.core import encoding, gate
from oracle.core.cores import usable_cores
from oracle.core.errors import Fatal
from oracle.core.report import Report, SignedReport
from oracle.core.types import FeedState, Kind, Outcome
from oracle.detectors.interface import Detector
from oracle.proving.artifact import Artifact, Visibility, build
from oracle.proving.interface import ProofJob
from oracle.proving.pool.local import LocalProver
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.files import SrsOrigin

Echo = Callable[[str], None]

ROUNDS = 2_000
"""Rounds of a history."""

_HEARTBEAT = 60
_ANSWER = 2_000 * 10**8
_SIGMA = 10_000
_COMMITTEE = 1

WAYS = {
    "without_proofs": "without proofs",
    "one_core": "proofs on 1 core",
    "all_cores": "on all cores",
    "recorded": "with a record",
    "again": "again, from it",
}
"""The ways of auditing one history, by their names in the report, and the columns' titles."""


@dataclass(frozen=True)
class AuditedHistory:
    """A hub with a history.

    Attributes:
        chain: Its chain.
        hub: Its address.
        block: The first block of the history.
        artifacts: The folder with the artifacts of its models.
        rounds: The number of rounds.
        transactions: The number of transactions that brought them.
    """

    chain: Anvil
    hub: str
    block: int
    artifacts: Path
    rounds: int
    transactions: int


async def run(cases: Sequence[str], echo: Echo, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure some of the cases `AUDITS`, and return the reports by case.

    Args:
        cases: The cases to measure.
        echo: Takes lines for people.
        rounds: Rounds of a history; at least as many as the case has feeds.

    Raises:
        Fatal: An audit found something wrong, or did not find all rounds.
    """
    found = {}
    for case in cases:
        echo(f"{case}: a history of {rounds:,} rounds")
        async with _made(AUDITS[case], rounds) as history:
            found[case] = await _measured(case, history, echo)
    return found


async def _measured(case: str, history: AuditedHistory, echo: Echo) -> dict[str, Any]:
    """Audit a history in all `WAYS`, and return the seconds of each, and the CPU seconds of this process."""
    record = history.artifacts.with_name("audit.state")

    async def audited(kept: Path | None = None, **options: Any) -> tuple[float, float]:
        began, worked = time.perf_counter(), time.process_time()
        async with Rpc(history.chain.rpc_url) as rpc:
            with AuditRecord(kept, history.chain.chain_id, history.hub) as record:
                asked = AuditOptions(from_block=history.block, record=record, **options)
                report = await audit_hub([rpc], history.hub, history.artifacts, asked)
        taken = time.perf_counter() - began, time.process_time() - worked
        listed = len(report.findings) + report.not_proven
        if not report.ok or listed != history.rounds:
            raise Fatal(f"{case}: of {listed} rounds {report.verified} are verified: {report.problems[:1]}")
        return taken

    first = Choice(rounds=(Span(1, 1),))  # an audit of none is refused
    await audited(choice=first)  # a circuit's key is made again once, and then kept
    taken: dict[str, tuple[float, float]] = {}
    for way, options in (
        ("without_proofs", {"choice": first}),
        ("one_core", {"jobs": 1}),
        ("all_cores", {}),
        ("recorded", {"kept": record}),
        ("again", {"kept": record}),
    ):
        echo(f"{case}: {WAYS[way]}")
        taken[way] = await audited(**options)
    return {
        "rounds": history.rounds,
        "transactions": history.transactions,
        "seconds": {way: round(seconds, 3) for way, (seconds, _) in taken.items()},
        "cpu_s": {way: round(worked, 3) for way, (_, worked) in taken.items()},
        "rounds_per_s": {way: round(history.rounds / seconds) for way, (seconds, _) in taken.items()},
        "rounds_per_cpu_s": {way: round(history.rounds / worked) for way, (_, worked) in taken.items()},
        "record_bytes": record.stat().st_size,
    }


COLUMNS = ("rounds", "transactions", *WAYS.values(), "without proofs, of one core")
"""The last one is what the auditing process would do with a core of its own: rounds for each second of its CPU time."""


def table(report: Mapping[str, Any]) -> Table:
    """Return the rounds a second by case and way, for people."""
    found = Table(box=None, pad_edge=False, header_style="bold", title="audits: rounds a second", title_justify="left")
    found.add_column("case", no_wrap=True)
    for title in COLUMNS:
        found.add_column(title, justify="right")
    for row in rows(report):
        found.add_row(*row)
    return found


def rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the rows of the audits that were measured, each with its case."""
    return [
        (
            case,
            f"{report[case]['rounds']:,}",
            f"{report[case]['transactions']:,}",
            *(f"{report[case]['rounds_per_s'][way]:,}" for way in WAYS),
            f"{report[case]['rounds_per_cpu_s']['without_proofs']:,}",
        )
        for case in AUDITS
        if case in report
    ]


@contextlib.asynccontextmanager
async def _made(case: AuditCase, rounds: int) -> AsyncIterator[AuditedHistory]:
    """Make a history on a chain of its own, and end the chain afterwards."""
    of = JUDGES[case.judge]
    model = detector(of.detector, of.disclosure)
    artifact = _artifact(model, Visibility(of.visibility), case.batch)
    names = {feed_id_of(name): name for name in (f"feed {index} / USD" for index in range(case.batch))}
    ids = tuple(sorted(names))
    with (
        tempfile.TemporaryDirectory(prefix="oracle-bench-") as folder,
        Anvil(load_anvil_config(port=0)) as chain,
    ):
        artifacts = await asyncio.to_thread(_auditors_folder, artifact, Path(folder, "artifacts"))
        async with Rpc(chain.rpc_url, chain.chain_id) as rpc, LocalProver(artifact, processes=usable_cores()) as prover:
            accounts = [await local_chain_key(index, rpc) for index in range(case.signatures)]
            plan = DeployPlan(
                committees=(CommitteePlan("default", tuple(account.address for account in accounts)),),
                feeds=tuple(FeedPlan(names[each], _terms(names[each]), model=case.judge) for each in ids),
                models={case.judge: [artifact]},
                change_delay=0,
            )
            deployment = await deploy(plan, rpc, accounts[0], Path(folder, "deployment.json"), poll_s=0.02)
            number = next(iter(deployment.models))
            signers = [LocalReporter(account, chain.chain_id, deployment.hub) for account in accounts]
            states = {
                each: gate.empty_feed(each, Kind.RELATIVE, _SIGMA, _HEARTBEAT, number, committee=_COMMITTEE)
                for each in ids
            }
            first = (await rpc.block()).timestamp
            transactions = rounds // case.batch
            for at in range(1, transactions + 1):
                now = first + at * _HEARTBEAT
                report = Report(_COMMITTEE, 1, now, ids, tuple(states[each].round_id + 1 for each in ids))
                rows = tuple(each.sign_report(report, (_ANSWER,) * len(ids)) for each in signers)
                signed = SignedReport(report, rows)
                windows = tuple(_window(model, states[each], now, case.signatures) for each in ids)
                scores = tuple(model.score_int(window) for window in windows)
                proof = await prover.prove(ProofJob(windows, scores))
                chain.rpc("evm_setNextBlockTimestamp", now)
                mined(chain, deployment.hub, encode_submission(Submission.of(number, signed, scores, proof.proof)))
                states = {
                    each: _after(model, states[each], now, score, case.signatures)
                    for each, score in zip(ids, scores, strict=True)
                }
            yield AuditedHistory(
                chain, deployment.hub, deployment.block, artifacts, transactions * case.batch, transactions
            )


def _auditors_folder(artifact: Artifact, folder: Path) -> Path:
    folder.mkdir()
    (folder / "model").symlink_to(artifact.path.resolve())
    return folder


def _window(model: Detector, state: FeedState, now: int, count: int) -> tuple[int, ...]:
    return encoding.features(state, _ANSWER, now, model.features, tolerance=0, spread=0, count=count)


def _after(model: Detector, state: FeedState, now: int, scores: Sequence[int], count: int) -> FeedState:
    policy = gate.HoldPolicy(confirmations=1, confirm_delay=_HEARTBEAT, tolerance=0, max_repeats=0)
    verdict = gate.judge(
        state, policy, _ANSWER, now, scores, score_unit=model.score_unit, published_at=now, spread=0, count=count
    )
    if verdict.outcome is not Outcome.ACCEPTED:
        raise Fatal("an answer that never moves was held")
    return verdict.state


def _terms(name: str) -> HubFeedConfig:
    return HubFeedConfig(
        description=name,
        kind=Kind.RELATIVE,
        decimals=8,
        confirmations=1,
        max_repeats=0,
        heartbeat=_HEARTBEAT,
        max_age=_HEARTBEAT,
        max_skew=_HEARTBEAT,
        confirm_delay=_HEARTBEAT,
        tolerance=0,
        max_spread=0,
        sigma=_SIGMA,
        committee=0,
    )


def _artifact(model: Detector, visibility: Visibility, batch: int) -> Artifact:
    """Return one of the project's artifacts, or build it: how long that takes is measured elsewhere."""
    build_dir = toolchain.build_dir()
    return build(
        model,
        batch,
        visibility=visibility,
        srs=SrsCache(build_dir / "srs").source(SrsOrigin.INSECURE_LOCAL),
        compile_standard=Solc(),
        cache=build_dir / "artifacts",
    )
