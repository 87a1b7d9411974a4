"""The course of a benchmark: measure the chosen cases, print a table, write the report."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oracle.bench import audits, baselines, batched, claims, estimates, fleet, large, submissions
from oracle.bench.cases import (
    AUDITS,
    BASELINES,
    BATCHED,
    BESIDE,
    CASES,
    CIRCUITS,
    CLAIMS,
    DEFAULT,
    DEFAULT_MODEL,
    DEFAULT_VERDICT,
    DEFAULTS,
    FLEET,
    GROUPS,
    LARGE,
    MODELS,
    OWN,
    REPORTED,
    SUBMISSIONS,
    THROUGHPUT,
    USUAL,
)
from oracle.bench.circuits import MeasuredCircuit, build_detector, build_tuned, detector_artifact
from oracle.bench.cold_start import cli_help_seconds, time_cold_setup
from oracle.bench.daemon import MAX_OBSERVATIONS, WARM_ROUND, observed, report_by_daemon
from oracle.bench.detectors import detector
from oracle.bench.ezkl_defaults import SharedSrs, build_default, score_errors
from oracle.bench.machine import machine, versions
from oracle.bench.models import ComparedModel, compared_detector, compared_import
from oracle.bench.proofs import prove_in_turns, verified_on_chain
from oracle.bench.report import table
from oracle.bench.throughput import BusyCircuit, throughput
from oracle.bench.windows import recorded_windows
from oracle.chain.local import installing, toolchain

Echo = Callable[[str], None]

_IMPORT_PROOFS = 3
_THROUGHPUT_S = 10.0
_GAS_OBSERVATIONS = 10
_SUBMISSIONS = 3
"""Gas is the same each time, but for zeros among the proof's bytes."""


async def run(
    *,
    repeat: int,
    cold_setup: bool,
    out: Path,
    echo: Echo,
    cases: Sequence[str] = USUAL,
    observations: int = 40,
    minutes: int = fleet.MINUTES,
) -> dict[str, Any]:
    """Measure, print a table, and write the report.

    Args:
        repeat: Proofs per case, after one that warms up; of imported models at most `_IMPORT_PROOFS`.
        cold_setup: Also time the set-up and the demonstration in a fresh clone of the committed state.
        out: The JSON file to write.
        echo: Takes lines for people.
        cases: The cases to run, from `CASES`.
        observations: How many the daemon takes to the chain, 5 to `MAX_OBSERVATIONS`; latency and memory are
            measured meanwhile.
        minutes: How long the cases `FLEET` run, at least one.

    Returns:
        The report as it was written.

    Raises:
        ValueError: There is an unknown case or none, or no proof, or the observations are too few or too many.
        ToolMissing: A program is not installed, or this is no clone. Both are asked for first.
        Fatal: A step failed; the message has its last words.
    """
    unknown = sorted(set(cases) - set(CASES))
    if unknown or not cases or min(repeat, minutes) < 1 or not WARM_ROUND < observations <= MAX_OBSERVATIONS:
        raise ValueError(
            f"cases {list(cases)} must be of {list(CASES)}, repeat {repeat} and minutes {minutes} at least 1, "
            f"observations {observations} more than {WARM_ROUND} and at most {MAX_OBSERVATIONS}"
        )
    toolchain.project_root()  # it compiles contracts that only a clone has
    installing.require("anvil", installing.VERIFIER_SOLC)
    began = time.perf_counter()
    report: dict[str, Any] = {
        "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "repeat": repeat,
        "machine": machine(),
        "versions": versions(),
    }
    report["cli_help_s"] = await asyncio.to_thread(cli_help_seconds)
    if cold_setup:
        report |= await asyncio.to_thread(time_cold_setup, echo)
    with tempfile.TemporaryDirectory(prefix="oracle-bench-") as folder:
        work = Path(folder)
        srs = SharedSrs(work)
        # A group's proofs take turns; the next group begins when its processes have ended.
        for group in (OWN, *MODELS):
            chosen = [case for case in cases if GROUPS.get(case) == group]
            if not chosen:
                continue
            turns = 1 + (repeat if group == OWN else min(repeat, _IMPORT_PROOFS))
            found = await _group(group, chosen, turns, work, srs, observations, echo)
            report |= found
        if chosen := [case for case in cases if case in THROUGHPUT]:
            busy = {case: await asyncio.to_thread(_busy, case, work, echo) for case in chosen}
            report |= await throughput(busy, _THROUGHPUT_S, echo)
        if BATCHED in cases:
            report[BATCHED] = await batched.run(work / BATCHED, observed(observations), echo)
        for case in (case for case in cases if case in FLEET):
            judge, feeds = FLEET[case]
            report[case] = await fleet.run(work / case, feeds, judge, minutes, echo)
        if chosen := [case for case in cases if case in BASELINES]:
            report["baselines"] = await baselines.run(chosen, repeat, work, echo)
    if submitted := [case for case in cases if case in SUBMISSIONS]:
        report |= await submissions.run(submitted, min(repeat, _SUBMISSIONS), echo)
    for case in submitted if DEFAULT in cases else ():
        report[case]["default_over_gas_per_feed"] = round(
            report[DEFAULT]["consumer_gas"] / report[case]["gas_per_feed"], 2
        )
    if claimed := [case for case in cases if case in CLAIMS]:
        report |= await claims.run(claimed, repeat, echo)
    if audited := [case for case in cases if case in AUDITS]:
        report |= await audits.run(audited, echo)
    if chosen := [case for case in cases if case in LARGE]:
        report |= await large.run(chosen, echo)
    estimates.compare(report)
    report["seconds"] = round(time.perf_counter() - began)
    await asyncio.to_thread(_write, out, report)
    echo(table(report))
    echo(str(out))
    return report


async def _group(
    group: str,
    cases: Sequence[str],
    turns: int,
    work: Path,
    srs: SharedSrs,
    observations: int,
    echo: Echo,
) -> dict[str, Any]:
    """Set up the cases of one group, prove in turns, verify on a chain, and compare with ezkl's defaults."""
    subjects: dict[tuple[str, str], ComparedModel] = {}
    built: dict[str, MeasuredCircuit] = {}
    for case in cases:
        echo(f"set-up of {case}")
        chosen = _model_of(case, group)
        if chosen not in subjects:
            name, disclosure = chosen
            made = (compared_detector, name, turns, disclosure) if group == OWN else (compared_import, name, turns)
            subjects[chosen] = await asyncio.to_thread(*made)
        built[case] = await asyncio.to_thread(_build, case, subjects[chosen], turns, work / case, srs, echo)
    proofs = await asyncio.to_thread(prove_in_turns, built, turns, echo)
    report: dict[str, Any] = {}
    for case, circuit in built.items():
        report[case] = proofs[case].report() | {"setup_s": round(circuit.setup_s, 2)} | circuit.facts
        if circuit.estimated:
            report[case]["estimated"] = {name: asdict(cost) for name, cost in circuit.estimated.items()}
    if DEFAULT in report:
        report[DEFAULT] |= score_errors(DEFAULT_MODEL, built[DEFAULT], proofs[DEFAULT])
    bare = {case: circuit for case, circuit in built.items() if case not in REPORTED}
    echo(f"gas of {group}")
    for case, measured in (await verified_on_chain(bare, proofs, [DEFAULT])).items():
        report[case] |= measured
    for case in (case for case in cases if case in REPORTED):
        echo(f"gas of {case}")
        first = "end_to_end" not in report
        number = observations if first else max(WARM_ROUND + 1, min(observations, _GAS_OBSERVATIONS))
        measured = await report_by_daemon(work / case, case, built[case], proofs[case], number)
        report[case] |= measured["gas"]
        if first:
            report["end_to_end"] = measured["end_to_end"]
            report |= measured["memory"]
            echo("observation to confirmation with one prover of all cores")
            alone = await report_by_daemon(work / case, case, built[case], proofs[case], number, workers=1)
            report["end_to_end_one_worker"] = alone["end_to_end"] | alone["memory"]
    for case, default in BESIDE.items():
        if case in report and default in report:
            ratio = _ratio(report[default]["prove_s_all"], report[case]["prove_s_all"])
            report[case]["default_over_prove"] = ratio
            report[case]["beside"] = default
    return report


def _build(case: str, subject: ComparedModel, turns: int, folder: Path, srs: SharedSrs, echo: Echo) -> MeasuredCircuit:
    if case in DEFAULTS:
        return build_default(subject, DEFAULTS[case], turns, folder, srs, echo)
    if case in CIRCUITS:
        return build_detector(subject, CIRCUITS[case], turns, folder)
    return build_tuned(subject, "private" if case.endswith("-private") else "public", folder, echo)


def _model_of(case: str, group: str) -> tuple[str, str]:
    """Return the model of a case, which is a detector or the imported model of its group, and what is published."""
    if group != OWN:
        return group, "score"
    if case in CIRCUITS:
        return CIRCUITS[case].detector, CIRCUITS[case].disclosure
    return DEFAULT_MODEL, "verdict" if case.startswith(DEFAULT_VERDICT) else "score"


def _busy(case: str, work: Path, echo: Echo) -> BusyCircuit:
    """Return the circuit of a throughput's case: another case's, if that was measured before."""
    echo(f"set-up of {case}")
    of = THROUGHPUT[case]
    model = detector(of.detector, of.disclosure)
    built = detector_artifact(of, work / case.removeprefix("throughput-"))
    return BusyCircuit(built, model, recorded_windows(model.features, None, None))


def _ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Return the median ratio of a round: on a machine whose speed changes, only proofs of one round compare."""
    return round(statistics.median(a / b for a, b in zip(over, under, strict=True)), 1)


def _write(out: Path, report: Mapping[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
