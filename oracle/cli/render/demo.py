"""The summary of `oracle demo`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def print_demo(console: Console, summary: Mapping[str, Any], out: Path) -> None:
    """Print the demonstration's summary, and where its files are."""
    audited, latency = summary["audit"], summary["latency_s"]
    console.print("\n[bold]Read back from the chain[/]")
    console.print(
        f"{summary['observations']} observations: {summary['accepted']} written, {summary['held']} held "
        f"({summary['false_holds']} false holds, {summary['confirmed_regime_changes']} confirmed regime changes)"
    )
    table = Table(box=None, header_style="bold")
    for column in ("fault", "injected", "held", "missed"):
        table.add_column(column, justify="left" if column == "fault" else "right")
    for kind, counted in summary["faults"].items():
        missed = counted["injected"] - counted["held"]
        table.add_row(kind, str(counted["injected"]), str(counted["held"]), f"[red]{missed}[/]" if missed else "0")
    console.print(table)
    console.print(
        f"observation to confirmation: p50 {latency['p50']} s, p95 {latency['p95']} s; "
        f"{summary['submissions']} transactions, {summary['gas_per_observation']:,} gas an observation"
    )
    agreement = "agrees" if summary["chain_agrees_with_journal"] else "[red]DISAGREES[/]"
    console.print(f"audit: {audited['verified']} proofs verified again, {audited['failed']} failed", end="; ")
    console.print(f"the chain {agreement} with the journal")
    for problem in [*summary["disagreements"], *audited["problems"]]:
        console.print(f"[red]{problem}[/]")
    console.print(f"{out / 'summary.json'}, {out / 'demo.png'}")
