"""The worth of a proof: its price per feed, beside the price of the same check without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oracle.bench.cases import JUDGES, SUBMISSIONS, SUBMITTED_BATCHES

Report = Mapping[str, Any]

TITLES = {
    "default": "the default, 6 weights, one peer",
    "autoencoder": "autoencoder 7-3-7",
    "trees": "20 boosted trees of depth 3",
    "network": "network 10-64-1",
}
"""The models, by the first part of a judge's name."""

_MISSING = "–"

SPIKES = {
    "sp500": "3",
    "nasdaq": "3",
    "eth-rounds": "2",
    "btc-rounds": "2",
    "eurusd-1h": "0.75",
    "btc-1min": "0.75",
}
"""Series of the detector report that have a peer, each with a spike's size in percent."""

RECALLED = ("peers", "autoencoder", "trees", "network")
"""Detectors of the report, by their names there."""


def judges(report: Report) -> list[str]:
    """Return the models whose submissions a report has, in the order of `JUDGES`."""
    there = {of.judge for case, of in SUBMISSIONS.items() if case in report}
    return [judge for judge in JUDGES if judge in there]


def title(judge: str) -> str:
    """Return a model for people, with what stays hidden."""
    name, _, side = judge.rpartition("-")
    return f"{TITLES[name]}, {side}"


def prices(report: Report, key: str) -> list[list[str]]:
    """Return a row for each model: a figure of its submissions with one signature, by the number of feeds.

    Args:
        report: The figures.
        key: The figure, of a submission's report.
    """
    found = []
    for judge in judges(report):
        cells = [report.get(f"submit-{judge}-b{batch}-q1", {}).get(key) for batch in SUBMITTED_BATCHES]
        found.append([title(judge), *(_MISSING if cell is None else f"{cell:,}" for cell in cells)])
    return found


def without(report: Report) -> dict[str, list[str]]:
    """Return what the check costs without our proof, by the model's title: by a contract, and by Groth16."""
    beside = report.get("baselines", {})
    found = {}
    for judge in judges(report):
        name = JUDGES[judge].detector
        contract = beside.get(f"onchain-{name}", {}).get("executed")
        # It hides the weights, so it is no rival of a public model's proof.
        hidden = JUDGES[judge].visibility == "private"
        groth16 = beside.get(f"groth16-{name}", {}).get("gas") if hidden else None
        found[title(judge)] = [_MISSING if each is None else f"{each:,}" for each in (contract, groth16)]
    return found


def recalls(summary: Report) -> list[list[str]]:
    """Return a row for each series of the detector report: recall of a spike by a cap and by each kind of model.

    Args:
        summary: The report's `summary.json`. All are scaled to hold as few honest answers.
    """
    found = []
    for series, size in SPIKES.items():
        if series not in summary:
            continue
        of = summary[series]
        shares = [_spike(of, "peers", size, "cap_recall"), *(_spike(of, name, size) for name in RECALLED)]
        found.append(
            [f"`{series}`, {size} %", *(_MISSING if share is None else f"{100 * share:.0f} %" for share in shares)]
        )
    return found


def _spike(of: Report, name: str, size: str, key: str = "recall") -> float | None:
    share: float | None = of.get(name, {}).get(key, {}).get("spike", {}).get(size)
    return share


def even(report: Report) -> list[str]:
    """Return from how many weights on a contract is dearer than a proof of a public network, by the number of feeds.

    A contract's price grows with the weights, by what it is for each of the measured network's. A proof's hardly does.
    """
    of = report["baselines"]["onchain-network"]
    gas_per_weight = of["executed"] / of["weights"]
    prices = [report[f"submit-network-public-b{batch}-q1"]["verify_gas_per_feed"] for batch in SUBMITTED_BATCHES]
    return [f"{gas_per_weight:.1f}", *(f"{round(price / gas_per_weight, -2):,.0f}" for price in prices)]


def rows(report: Report) -> list[list[str]]:
    """Return a row for each model: the proof's price per feed by the number of feeds, a contract's and Groth16's."""
    beside = without(report)
    return [[*row, *beside[row[0]]] for row in prices(report, "verify_gas_per_feed")]
