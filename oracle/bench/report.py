"""The report of a benchmark, for people."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from oracle.bench import audits, baselines, claims, estimates, fleet, submissions, targets
from oracle.bench.cases import (
    AUDITS,
    BATCHED,
    CLAIMS,
    DEFAULT,
    DEFAULTS,
    FLEET,
    GROUPS,
    REPORTED,
    SUBMISSIONS,
    THROUGHPUT,
)
from oracle.bench.ezkl_defaults import reason_of


def table(report: Mapping[str, Any], width: int = 150) -> str:
    """Return the report for people, in lines of at most `width` characters."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    found.add_column("case")
    columns = ("k", "prove", "with witness, verify", "gas", "verify gas", "proof", "memory", "set-up", "flips/10,000")
    for column in columns:
        found.add_column(column, justify="right")
    default = report.get(DEFAULT)
    for case in (case for case in GROUPS if case in report):
        of = report[case]
        less = f"  ({of['default_over_prove']:.1f}× less)" if "default_over_prove" in of else ""
        flips = f"{of['flips_per_10k']:g}" if "flips_per_10k" in of else ""
        found.add_row(
            case,
            str(of["k"]),
            f"{of['prove_s']:.3f} s{less}",
            f"{of['total_s']:.3f} s",
            f"{of['gas']:,}" + ("" if case in REPORTED else "*"),
            f"{of['verify_gas']:,}",
            f"{of['proof_bytes']:,} B",
            f"{of['rss_mb']:.0f} MB",
            f"{of['setup_s']:.1f} s",
            flips,
        )
    text = io.StringIO()
    console = Console(file=text, width=width, highlight=False)
    if found.row_count:
        console.print(found)
    about = report["machine"]
    if found.row_count:
        console.print("* verifyProof alone: no feed, no signatures, no storage", markup=False)
    for case in (case for case in DEFAULTS if case in report):
        for refusal in report[case]["refused"]:
            why = reason_of(refusal["refusal"])
            told = f"  {case}: with decomp_legs = {refusal['decomp_legs']} ezkl refuses it: {why}"
            console.print(told, markup=False)
    if default:
        console.print(
            f"  the scores of {DEFAULT} are wrong by up to {default['score_error_max']} of a calm market's limit; "
            "ours are exact"
        )
    for case in (case for case in THROUGHPUT if case in report):
        of = report[case]
        console.print(
            f"{case}: {of['proofs_per_s']} proofs, {of['windows_per_s']} windows a second "
            f"({of['processes']} processes, {of['proofs']} proofs in {of['seconds']} s)"
        )
    if BATCHED in report:
        of = report[BATCHED]
        console.print(
            f"{BATCHED}: {of['observations_per_s']} observations a second and {of['gas_per_feed']:,} gas per feed "
            f"({of['feeds_per_transaction']} of {of['feeds']} feeds in a transaction); singly "
            f"{of['singly']['observations_per_s']} and {of['singly']['gas_per_feed']:,}"
        )
    for case in (case for case in FLEET if case in report):
        console.print(f"{case}: {fleet.told(report[case])}")
    if "baselines" in report:
        console.print(baselines.table(report))
    if "estimator" in report:
        console.print(_estimator_table(report["estimator"]))
    if any(case in report for case in SUBMISSIONS):
        console.print(submissions.table(report))
    if any(case in report for case in CLAIMS):
        console.print(claims.table(report))
    if any(case in report for case in AUDITS):
        console.print(audits.table(report))
    if targets.rows(report):
        console.print(targets.table(report))
    if "end_to_end" in report:
        taken = report["end_to_end"]
        console.print(
            f"observation to confirmation: {_taken(taken)} ({taken['case']}, {taken['observations']} observations)\n"
            f"daemon with its provers ({taken['workers']}, the default): {report['daemon_rss_mb']:.0f} MB"
        )
        alone = report["end_to_end_one_worker"]
        steps = ", ".join(f"{step} {seconds:g}" for step, seconds in alone["mean_steps_s"].items())
        console.print(
            f"with `workers = 1`, which proves with all cores: {_taken(alone)}\n"
            f"  the daemon: {alone['daemon_rss_mb']:.0f} MB; its steps, mean seconds: {steps}"
        )
    console.print(f"oracle --help: {report['cli_help_s']} s")
    if "cold_setup_s" in report:
        console.print(
            f"fresh clone, empty caches: set-up {report['cold_setup_s']} s, first value on-chain after "
            f"{report['cold_first_value_s']} s"
        )
    console.print(f"{about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB; {about['system']}")
    if about["load_before"] > 0.5:
        console.print(f"other work was running (load {about['load_before']} at the start): times are too long")
    return text.getvalue().rstrip()


def _taken(taken: Mapping[str, Any]) -> str:
    """Return the latencies of a run, beside the time of its proofs."""
    return (
        f"p50 {taken['p50_s']} s, p95 {taken['p95_s']} s, p50 {taken['p50_over_proof']} × the proof's own "
        f"{taken['proof_p50_s']} s"
    )


def _estimator_table(estimator: Mapping[str, Any]) -> Table:
    """Return the cost model's errors."""
    title = f"the cost model's errors: largest (median), of {estimator['cases']} cases"
    found = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    found.add_column("estimated from")
    for name in ("k", *estimates.QUANTITIES):
        found.add_column(name.replace("_", " "), justify="right")
    for stage in estimates.STAGES:
        of = estimator[stage]
        shares = (f"{of[name]['max']:.0%} ({of[name]['median']:.0%})" for name in estimates.QUANTITIES)
        found.add_row(stage, f"{of['k']['max']} ({of['k']['median']:g})", *shares)
    return found
