"""The tables of `oracle detector evaluate` and `oracle detector nab`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from oracle.cli.render.tables import new_table
from oracle.cli.render.warnings import print_warnings
from oracle.detectors.evaluation import nab
from oracle.detectors.evaluation.results import Comparison, Evaluation
from oracle.detectors.evaluation.tables import detail_rows, fact_rows, fault_rows, headline

__all__ = ["print_comparison", "print_nab"]


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the tables of a comparison: two for each detector, so that names and figures have room."""
    name = escape(comparison.prepared.recording.name)
    console.print(f"[bold]{name}[/bold]: {escape(headline(comparison))}", highlight=False)
    for note in comparison.notes:
        console.print(note, highlight=False, markup=False)
    print_warnings(comparison.warnings, console)
    for evaluation in comparison.evaluations:
        _print_evaluation(comparison, evaluation, console)
    for kind, why in comparison.skipped.items():
        console.print(f"not tried: {kind}: {why}", highlight=False, markup=False)


def _print_evaluation(comparison: Comparison, evaluation: Evaluation, console: Console) -> None:
    console.print()
    console.print(f"[bold]── {escape(evaluation.name)} ──[/bold]", highlight=False)
    print_warnings(evaluation.warnings, console)
    facts = new_table("the recording as it is: all of it must pass", "the detector", "its cap")
    for row in fact_rows(comparison, evaluation):
        facts.add_row(*row)
    console.print(facts)
    console.print()
    at = comparison.evaluations.index(evaluation)
    details = detail_rows(comparison, evaluation)
    console.print(_fault_table(*_HEADER, header=True))
    for (title, rows), (_, own) in zip(fault_rows(comparison), details, strict=True):
        console.print(f"[bold]{escape(title)}[/bold]", highlight=False)
        table = _fault_table(*_HEADER, header=False)
        for row, detail in zip(rows, own, strict=True):
            table.add_row(f"  {escape(row[0])}", row[3 + 2 * at], row[4 + 2 * at], detail[2], detail[3])
        console.print(table)


_HEADER = ("", "held once, %", "its cap", "written", "off: mean, most")
_WIDTHS = (17, 16, 16, 11, 15)
"""Widths of the columns of faults: 80 characters with the spaces between. Groups have tables, with titles between."""


def _fault_table(*columns: str, header: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_header=header)
    for number, (name, width) in enumerate(zip(columns, _WIDTHS, strict=True)):
        table.add_column(name, width=width, justify="left" if number == 0 else "right", overflow="fold")
    return table


def print_nab(results: Mapping[str, Sequence[nab.Score]], console: Console) -> None:
    """Print scores on Numenta's benchmark among the published ones, best first."""
    table = Table(title="Numenta Anomaly Benchmark: 0 is a silent detector, 100 a perfect one", title_justify="left")
    table.add_column("detector")
    for profile in nab.PROFILES:
        table.add_column(profile.name.replace("_", " "), justify="right")
    table.add_column("windows found", justify="right")
    rows: list[tuple[tuple[float, ...], str, str]] = [(scores, name, "") for name, scores in nab.PUBLISHED.items()]
    for name, given in results.items():
        scores = tuple(score.score for score in given)
        rows.append((scores, f"[bold]{name}[/bold]", f"{given[0].found} of {given[0].windows}"))
    for scores, name, found in sorted(rows, key=lambda row: -row[0][0]):
        table.add_row(name, *(f"{score:.1f}" for score in scores), found)
    console.print(table)
    console.print("Published: NAB's own scoreboard, version 1.0. Bold: run here.", highlight=False)
