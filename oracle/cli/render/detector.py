"""Trained detectors, and how they fare on recent reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_table
from oracle.detectors.drift import DriftReport, lines


def print_training_card(card: Mapping[str, Any], files: Mapping[str, Path], *, as_json: bool) -> None:
    """Print how a trained detector does on each split, and its files."""
    if as_json:
        print_json({"card": card, "files": files})
        return
    table = new_table("split", "reports", "objections / 10,000", "interval", "holds / 10,000", "longest hold")
    for name, each in card["splits"].items():
        low, high = each["objections"]["interval_per_10k"]
        table.add_row(
            name,
            str(each["holds"]["reports"]),
            f"{each['objections']['per_10k']:g}",
            f"{low:.3g} to {high:.3g}",
            f"{each['holds']['per_10k']:g}",
            str(each["longest_hold"]),
        )
    console = Console()
    console.print(table)
    data = card["data"]
    console.print(f"sigma = {data['sigma']}, heartbeat = {data['heartbeat']}", markup=False, highlight=False)
    for path in files.values():
        print(path)


def print_monitor(found: DriftReport, files: Mapping[str, Path] | None, *, as_json: bool) -> None:
    """Print whether a model should be retrained, and the files of the proposed one."""
    if as_json:
        print_json({**asdict(found), "retrain": found.retrain, "proposed": files})
        return
    for line in lines(found):
        print(line)
    if files is not None:
        print(f"proposed, and not active: {files['model']}; its card: {files['text']}")
        print(
            f'next: compare the cards; then set model = "{files["model"]}" in [prover], and run `oracle deploy`, which '
            "adds the model to the hub; the hub's admin proposes it for the feed"
        )
