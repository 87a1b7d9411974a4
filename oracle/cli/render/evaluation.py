"""The tables of `oracle detector evaluate` and `oracle detector nab`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from oracle.detectors.evaluation import nab
from oracle.detectors.evaluation.results import Comparison
from oracle.detectors.evaluation.tables import clean_rows, fault_header, fault_rows, headline

__all__ = ["print_comparison", "print_nab"]

_LAST = 3
"""Columns at the end of the table of faults that tell of the first detector only."""

_ROOM = 80
"""Characters that the columns without detectors take."""


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the tables of a comparison."""
    console.print(f"[bold]{comparison.prepared.recording.name}[/bold]: {headline(comparison)}", highlight=False)
    columns, rows = clean_rows(comparison)
    table = Table(title="The recording as it is: all of it must pass", title_justify="left")
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    faults = Table(title="Faults that are held, in % (95 % interval)", title_justify="left")
    header = fault_header(comparison)
    # The report has the columns for which a narrow terminal has no room.
    shown = len(header) if console.width >= _ROOM + 14 * len(comparison.all) else len(header) - _LAST
    for index, name in enumerate(header[:shown]):
        faults.add_column(name, justify="left" if index == 0 else "right", no_wrap=index == 0)
    for _, lines in fault_rows(comparison):
        faults.add_section()
        for line in lines:
            faults.add_row(*line[:shown])
    console.print(faults)
    for kind, why in comparison.skipped.items():
        console.print(f"not tried: {kind}: {why}", highlight=False)


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
