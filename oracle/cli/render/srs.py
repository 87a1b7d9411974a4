"""The cache of structured reference strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_console, new_table
from oracle.proving.srs.check import SrsFinding
from oracle.proving.srs.files import SrsFile


def print_srs(entries: Sequence[SrsFile], *, as_json: bool) -> None:
    """Print the strings in the cache."""
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    table = new_table("k", "origin", "file", "sha256")
    for entry in entries:
        table.add_row(str(entry.k), str(entry.origin), str(entry.path), entry.sha256)
    new_console().print(table)


def print_srs_findings(findings: Sequence[SrsFinding], *, as_json: bool) -> None:
    """Print the result of checking each string, and the artifacts that use it."""
    if as_json:
        print_json([asdict(finding) for finding in findings])
        return
    table = new_table("", "k", "origin", "file", "sha256", "used by")
    for finding in findings:
        mark = "[red]fails[/]" if finding.problem else "[green]ok[/]"
        origin = finding.origin if finding.origin == "public-ceremony" else f"[yellow]{finding.origin}[/]"
        where = finding.path if finding.cached else f"{finding.path} (not in the cache)"
        table.add_row(mark, str(finding.k), origin, where, finding.sha256[:16], "\n".join(finding.used_by) or "–")
    console = new_console()
    console.print(table)
    for finding in findings:
        if finding.problem:
            console.print(f"{finding.path} {finding.problem}", markup=False, highlight=False)
    if any(finding.origin != "public-ceremony" for finding in findings):
        console.print("insecure-local: whoever generated it can forge proofs; for local chains only", highlight=False)
