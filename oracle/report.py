"""What the command line shows: tables for people, JSON for machines. Only this module and `cli` print."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from oracle.assembly import BuiltModel, FeedStatus
    from oracle.audit import AuditReport
    from oracle.chain.deploy import Deployment
    from oracle.doctor import Check
    from oracle.proving.graph import GraphReport
    from oracle.proving.srs import SrsStatus


def print_json(value: Any) -> None:
    """One JSON document to standard output."""
    print(json.dumps(value, indent=2, default=str))


def finished_steps(show: Callable[[str], None]) -> Callable[[str], None]:
    """Of the lines that a deployment tells, those that a person wants to see: what is done, and what is special."""

    def progress(line: str) -> None:
        if not re.search(r": (sending|sent|signed 0x[0-9a-f]+|mined in block \d+)$", line):
            show(line.removesuffix(": done"))

    return progress


def print_checks(checks: Sequence[Check], *, as_json: bool) -> None:
    """The doctor's findings, with what to do about those that will not work."""
    if as_json:
        print_json([asdict(check) for check in checks])
        return
    table = _table("", "tool", "version", "where", "finding")
    for check in checks:
        mark = "[green]ok[/]" if check.ok else {"error": "[red]fails[/]"}.get(check.level, "[yellow]note[/]")
        table.add_row(mark, check.name, check.version, check.where, check.detail)
    console = Console()
    console.print(table)
    for check in checks:
        if not check.ok and check.remedy:
            console.print(f"{check.name}: {check.remedy}", markup=False, highlight=False)


def print_deployment(deployment: Deployment) -> None:
    """Where everything is."""
    table = _table("what", "where")
    table.add_row(f"hub on chain {deployment.chain_id}", deployment.hub)
    for number, model in sorted(deployment.models.items()):
        table.add_row(f"model {number}", model.artifact_hash)
    for feed in deployment.feeds.values():
        table.add_row(feed.description, feed.aggregator or "")
    if deployment.registry is not None:
        table.add_row("registry of feeds by pair", deployment.registry)
    Console().print(table)


def print_status(feeds: Sequence[FeedStatus], *, as_json: bool) -> None:
    """Feeds as the chain has them, and what the journal has open."""
    if as_json:
        print_json([asdict(feed) for feed in feeds])
        return
    table = _table("feed", "status", "round", "answer", "observed", "held", "open")
    for feed in feeds:
        table.add_row(
            feed.name, feed.status, str(feed.round_id), feed.answer, feed.observed_at, feed.held, str(feed.open)
        )
    Console().print(table)


def print_srs(entries: Sequence[SrsStatus], *, as_json: bool) -> None:
    """The SRS cache."""
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    table = _table("k", "origin", "file", "sha256")
    for entry in entries:
        table.add_row(str(entry.k), str(entry.origin), str(entry.path), entry.sha256)
    Console().print(table)


def print_graph(report: GraphReport, *, as_json: bool) -> None:
    """What is in a model, what it would cost, and why it can't be proven."""
    if as_json:
        print_json(report.document())
        return
    console = Console()
    operators = ", ".join(f"{count} {name}" for name, count in sorted(report.operators.items()))
    console.print(f"{report.name}: {operators}", markup=False, highlight=False)
    for problem in report.problems:
        console.print(f"- {problem.node}: {problem.what}\n  {problem.change}", markup=False, highlight=False)
    program = report.program
    if program is None or report.public is None or report.private is None:
        return
    console.print(f"{program.features} features, {program.outputs} outputs, {program.weights} weights", highlight=False)
    for line in program.approximated:
        console.print(f"piecewise linear: {line}", markup=False, highlight=False)
    if program.dropped:
        console.print(f"left off: the final {program.dropped}; the value before it is published", highlight=False)
    table = _table("weights", "rows, about", "k", "proof", "gas", "seconds", "memory")
    for name, cost in (("public", report.public), ("private", report.private)):
        table.add_row(
            name,
            f"{cost.rows:,}",
            str(cost.k),
            f"{cost.proof_bytes:,} B",
            f"{cost.gas:,}",
            f"{cost.seconds:.2g}",
            f"{cost.memory / 2**20:,.0f} MiB",
        )
    console.print(table)


def print_model(built: BuiltModel, *, as_json: bool) -> None:
    """An artifact of a brought model, with the settings that were weighed."""
    manifest, path = built.artifact.manifest, built.artifact.path
    if as_json:
        print_json({"path": path, "manifest": manifest.document(), "tuning": built.tuning})
        return
    console = Console()
    table = _table("", "scales", "digits", "columns", "k", "gas, about", "seconds", "measured", "proof")
    for each in built.tuning["candidates"]:
        chosen, estimated = each["settings"], each["estimated"]
        table.add_row(
            "[green]chosen[/]" if each["chosen"] else "",
            f"{chosen['input_scale']}/{chosen['param_scale']}",
            f"{chosen['base']}^{chosen['legs']}" if chosen["base"] > 2 else "none",
            str(chosen["columns"]),
            str(estimated["k"]),
            f"{each['gas']:,}",
            f"{estimated['seconds']:.2g}",
            "" if each["seconds"] is None else f"{each['seconds']:.2g}",
            "" if each["proof_bytes"] is None else f"{each['proof_bytes']:,} B",
        )
    console.print(table)
    facts = manifest.imported or {}
    fidelity = facts["fidelity"]
    error = fidelity["largest_error"]
    lines = [
        f"fidelity: {fidelity['flips']} of {fidelity['samples']} verdicts flip ({fidelity['rule']} "
        f"{fidelity['value']:g})" + ("" if error is None else f", largest error {error:.2g}"),
        f"inputs: integers x · 2^{facts['input_scale']} in ±{facts['clip']:,}; outputs: integers y · "
        f"2^{facts['output_scale']}",
        f"weights: {manifest.visibility}; model hash {manifest.model_hash:#066x}",
        f"artifact: {manifest.artifact_hash}",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(str(path), markup=False, highlight=False, soft_wrap=True)


def print_audit(report: AuditReport, *, as_json: bool) -> None:
    """Each round as verified or not, and what is wrong."""
    if as_json:
        document = asdict(report)
        document |= {"verified": report.verified, "failed": report.failed, "ok": report.ok}
        print_json(document)
        return
    console = Console()
    table = _table("feed", "round", "outcome", "answer", "observed at", "verified")
    for finding in report.findings:
        mark = "[green]yes[/]" if finding.verified else f"[red]no: {finding.problem}[/]"
        cells = (finding.round_id, finding.outcome.value, finding.answer, finding.observed_at)
        table.add_row(finding.feed, *(str(cell) for cell in cells), mark)
    console.print(table)
    for note in report.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    for problem in report.problems:
        console.print(f"[red]problem:[/] {problem}", highlight=False)
    console.print(
        f"{report.verified} of {len(report.findings)} reports verified, {report.failed} failed, "
        f"{len(report.problems)} other problems: hub {report.hub} on chain {report.chain_id}",
        highlight=False,
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
