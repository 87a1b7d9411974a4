"""Trained detectors, and how they fare on recent reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_table
from oracle.cli.render.warnings import print_warnings
from oracle.detectors.drift import DriftReport, lines
from oracle.detectors.training.card_text import reasons_text


def print_training_card(card: Mapping[str, Any], files: Mapping[str, Path], *, as_json: bool) -> None:
    """Print how a trained detector does on each split of each series, what to know of it, and its files."""
    if as_json:
        print_json({"card": card, "files": files})
        return
    console = Console()
    for section in card["series"]:
        _print_series(section, console)
    print_warnings(card["warnings"], console)
    if not card["usable"]:
        console.print("[bold red]This model is of no use: it holds far more honest reports than its budget.[/bold red]")
    for path in files.values():
        print(path)


def _print_series(section: Mapping[str, Any], console: Console) -> None:
    """Print a series: false holds with their reasons, what is seen of spikes, and warnings."""
    table = new_table("split", "reports", "objections / 10,000", "interval", "holds / 10,000", "longest", "why held")
    for name, each in section["splits"].items():
        low, high = each["objections"]["interval_per_10k"]
        table.add_row(
            name,
            str(each["holds"]["reports"]),
            f"{each['objections']['per_10k']:g}",
            f"{low:.3g} to {high:.3g}",
            f"{each['holds']['per_10k']:g}",
            str(each["longest_hold"]),
            reasons_text(each["reasons"]),
        )
    data = section["data"]
    console.print(section["name"], markup=False, highlight=False, style="bold")
    console.print(table)
    peers = ", ".join(peer["name"] for peer in data["peers"])
    told = [f"sigma = {data['sigma']}, heartbeat = {data['heartbeat']}" + (f", peers: {peers}" if peers else "")]
    seen = ", ".join(f"{size}: {share:.0%}" for size, share in section["spikes"].items())
    told.append(f"spikes it objects to: {seen}")
    if "peer_lie_holds_own" in section:
        joint = ", ".join(f"{size}: {share:.0%}" for size, share in section["joint_recall"].items())
        held = ", ".join(f"{what}: {share:.1%}" for what, share in section["peer_lie_holds_own"].items())
        told += [
            f"the same while the first peer lies along: {joint}",
            f"honest reports held if only the peer lies: {held}",
        ]
    for line in told:
        console.print(line, markup=False, highlight=False)


def print_monitor(found: Sequence[DriftReport], files: Mapping[str, Path] | None, *, as_json: bool) -> None:
    """Print whether a model should be retrained, and the files of the proposed one."""
    if as_json:
        retrain = any(each.retrain for each in found)
        print_json({"retrain": retrain, "series": [asdict(each) for each in found], "proposed": files})
        return
    for report in found:
        for line in lines(report):
            print(line)
    if files is not None:
        print(f"proposed, and not active: {files['model']}; its card: {files['text']}")
        print(
            f'next: compare the cards; then set model = "{files["model"]}" in [prover], and run `oracle deploy`, which '
            "adds the model to the hub; the hub's admin proposes it for the feed"
        )
