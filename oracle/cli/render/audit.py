"""The findings of `oracle audit`."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.markup import escape

from oracle.audit import AuditReport
from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_table


def print_audit(report: AuditReport, *, as_json: bool) -> None:
    """Print for each round whether it was verified, then the notes and problems."""
    if as_json:
        document = asdict(report)
        document |= {"verified": report.verified, "failed": report.failed, "ok": report.ok}
        print_json(document)
        return
    console = Console()
    table = new_table("feed", "round", "outcome", "answer", "observed at", "verified")
    for finding in report.findings:
        mark = "[green]yes[/]" if finding.verified else f"[red]no: {escape(_visible(finding.problem))}[/]"
        cells = (finding.round_id, finding.outcome.value, finding.answer, finding.observed_at)
        table.add_row(escape(_visible(finding.feed)), *(str(cell) for cell in cells), mark)
    console.print(table)
    for note in report.notes:
        console.print(f"note: {_visible(note)}", markup=False, highlight=False)
    for problem in report.problems:
        console.print(f"[red]problem:[/] {escape(_visible(problem))}", highlight=False)
    console.print(
        f"{report.verified} of {len(report.findings)} reports verified, {report.failed} failed, "
        f"{len(report.problems)} other problems: hub {report.hub} on chain {report.chain_id}",
        highlight=False,
    )


def _visible(text: str) -> str:
    """Return text from a hub, which may be hostile, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
