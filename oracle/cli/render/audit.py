"""The findings of `oracle audit`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape

from oracle.audit.report import AuditReport, Check, ReadingsReport
from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_table


def print_audit(report: AuditReport, *, as_json: bool) -> None:
    """Print for each round whether it was verified, the readings if they were looked at, then notes and problems."""
    if as_json:
        print_json(_document(report))
        return
    console = Console()
    table = new_table("feed", "round", "outcome", "answer", "observed at", "verified")
    for finding in report.findings:
        word = "no" if finding.check is Check.FAILED else finding.check.value
        mark = "[green]yes[/]" if finding.verified else f"[red]{word}: {escape(_visible(finding.problem))}[/]"
        cells = (finding.round_id, finding.outcome.value, finding.answer, finding.observed_at)
        table.add_row(escape(_visible(finding.feed)), *(str(cell) for cell in cells), mark)
    console.print(table)
    if report.readings is not None:
        _print_readings(console, report.readings)
    for note in report.notes:
        console.print(f"note: {_visible(note)}", markup=False, highlight=False)
    for problem in report.problems:
        console.print(f"[red]problem:[/] {escape(_visible(problem.text))}", highlight=False)
    console.print(
        f"{report.verified} of {len(report.findings)} reports verified, {report.failed} failed, "
        f"{report.unchecked} unchecked, {len(report.problems)} other problems: "
        f"hub {report.hub} on chain {report.chain_id}",
        highlight=False,
    )


def _print_readings(console: Console, readings: ReadingsReport) -> None:
    table = new_table("reporter", "verified", "answers", "sources", "oldest")
    for each in readings.reporters:
        mark = "green" if each.verified == each.signatures else "red"
        sources = f"{each.sources_mean:g} (≥ {each.sources_least})" if each.answers else ""
        oldest = f"{each.oldest_s} s" if each.answers else ""
        who = escape(_visible(each.name or each.reporter))
        verified = f"[{mark}]{each.verified} of {each.signatures}[/]"
        table.add_row(who, verified, str(each.answers), sources, oldest)
    console.print(table)
    for finding in readings.findings:
        who = f"{finding.reporter} ({finding.name})" if finding.name else finding.reporter
        where = f"{finding.feed} of {finding.observed_at}" if finding.feed else f"its report of {finding.observed_at}"
        told = f"{who}: readings {finding.fault.value}, {where}, {finding.tx_hash}: {finding.problem}"
        console.print(f"[red]readings:[/] {escape(_visible(told))}", highlight=False)
    signatures, verified = (
        sum(getattr(each, name) for each in readings.reporters) for name in ("signatures", "verified")
    )
    console.print(f"{verified} of {signatures} signatures have the readings behind their answers", highlight=False)


def _document(report: AuditReport) -> dict[str, Any]:
    document = asdict(report)
    document |= {"verified": report.verified, "failed": report.failed, "unchecked": report.unchecked, "ok": report.ok}
    if report.readings is not None:
        document["readings"]["ok"] = report.readings.ok
    return document


def _visible(text: str) -> str:
    """Return text from a hub, which may be hostile, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
