"""Trained detectors, and how they fare on recent reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_console, new_table
from oracle.cli.render.warnings import print_warnings
from oracle.detectors.drift import DriftReport, lines
from oracle.detectors.training.card_text import reasons_text


def print_training_card(card: Mapping[str, Any], files: Mapping[str, Path], *, as_json: bool) -> None:
    """Print how a trained detector does on each split of each series, what to know of it, and its files."""
    if as_json:
        print_json({"card": card, "files": files})
        return
    console = new_console()
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
    terms = f"sigma = {data['sigma']}, heartbeat = {data['heartbeat']}" + (f", peers: {peers}" if peers else "")
    console.print(terms, markup=False, highlight=False)
    beside = [("joint_recall", "if the peer lies along")] if "joint_recall" in section else []
    columns = [("spikes", "it objects to"), *beside, ("cap_spikes", "a cap would")]
    spikes = new_table("spikes of", *(title for _, title in columns))
    for size in section["spikes"]:
        spikes.add_row(size, *(f"{section[key][size]:.0%}" for key, _ in columns))
    console.print(spikes)
    if "peer_lie_holds_own" in section:
        held = ", ".join(f"{what}: {share:.1%}" for what, share in section["peer_lie_holds_own"].items())
        console.print(f"honest reports held if only the peer lies: {held}", markup=False, highlight=False)
    for note in data["notes"]:
        console.print(f"note: {note}", markup=False, highlight=False)


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
