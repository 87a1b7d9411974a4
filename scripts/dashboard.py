"""Write Grafana's dashboard of the metrics: `python -m scripts.dashboard`.

A test reads the file: each expression is Prometheus's grammar, and each metric is in a panel, or in `LEFT_OUT` with the
reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "packaging/grafana/dashboards/oracle.json"

LEFT_OUT: dict[str, str] = {}
"""Metrics that no panel shows, and why."""

SOURCE = {"type": "prometheus", "uid": "prometheus"}
FEED = 'feed=~"$feed"'
WIDTH, HEIGHT, COLUMNS = 8, 8, 24


@dataclass(frozen=True)
class Panel:
    """A panel: what it shows, and what each line is called."""

    title: str
    lines: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    red_from: float | None = None
    note: str = ""


def rate(metric: str, label: str = "feed", within: str = FEED) -> str:
    """Return how often something happens an hour."""
    return f"sum by ({label}) (rate({metric}{{{within}}}[15m])) * 3600"


def quantile(share: float, metric: str, label: str = "feed", within: str = FEED) -> str:
    """Return a quantile of a distribution over a quarter of an hour."""
    return f"histogram_quantile({share}, sum by ({label}, le) (rate({metric}_bucket{{{within}}}[15m])))"


def distribution(title: str, metric: str, unit: str = "s", label: str = "feed", within: str = FEED) -> Panel:
    """Return a panel of a distribution: its median, and its slowest twentieth."""
    lines = [(quantile(share, metric, label, within), f"{name} {{{{{label}}}}}") for share, name in
             ((0.5, "median"), (0.95, "95 %"))]  # fmt: skip
    return Panel(title, lines, unit)


ETHER = "/ 1e18"
ROWS: dict[str, Sequence[Panel]] = {
    "Would the next report be taken?": (
        Panel("Ready", [("oracle_ready", "ready")], kind="stat", note="/readyz says why not."),
        Panel("Obstacles", [('oracle_obstacle{feed=~"$feed|"} == 1', "{{feed}} {{kind}}")], kind="stat", red_from=1),
        Panel("Ended feeds", [(f"oracle_feed_ended{{{FEED}}}", "{{feed}}")], kind="stat", red_from=1),
        Panel("Held", [(f"oracle_feed_held{{{FEED}}}", "{{feed}}")], kind="stat", red_from=1),
        Panel("Age of the latest round", [(f"oracle_feed_age_seconds{{{FEED}}}", "{{feed}}")], "s"),
        Panel("Round", [(f"oracle_feed_round{{{FEED}}}", "{{feed}}")]),
    ),
    "Reports": (
        Panel(
            "How observations end, an hour",
            [
                (rate("oracle_accepted_total"), "accepted {{feed}}"),
                (rate("oracle_held_total"), "held {{feed}}"),
                (rate("oracle_kept_total"), "kept {{feed}}"),
                (rate("oracle_failed_total"), "failed {{feed}}"),
            ],
        ),
        Panel(
            "Due, and overtaken, an hour",
            [
                (rate("oracle_observations_total"), "due {{feed}}"),
                (rate("oracle_superseded_total"), "superseded {{feed}}"),
                (rate("oracle_overtaken_total"), "overtaken {{feed}}"),
                (rate("oracle_retries_total"), "tried again {{feed}}"),
            ],
        ),
        Panel(
            "Open observations",
            [
                (f"oracle_open_observations{{{FEED}}}", "open {{feed}}"),
                ("sum(oracle_unproven_observations)", "wait for a proof"),
            ],
        ),
        distribution("From observation to confirmation", "oracle_observed_to_confirmed_seconds"),
        distribution("Steps of a report", "oracle_report_step_seconds", label="step", within=""),
        Panel(
            "Reporters of the latest round",
            [
                (f"oracle_feed_reporters{{{FEED}}}", "reporters {{feed}}"),
                (f"oracle_feed_spread_sigma{{{FEED}}}", "spread in σ {{feed}}"),
            ],
        ),
    ),
    "Sources": (
        Panel("Sources that agree", [(f"oracle_feed_sources_agreeing{{{FEED}}}", "{{feed}}")]),
        Panel("Suspended sources", [(f"oracle_feed_sources_suspended{{{FEED}}}", "{{feed}}")]),
        Panel(
            "Failures and outliers, an hour",
            [
                (rate("oracle_source_failures_total"), "failures {{feed}}"),
                (rate("oracle_source_outliers_total"), "outliers {{feed}}"),
            ],
        ),
    ),
    "Proofs": (
        distribution("Seconds of a proof", "oracle_prove_seconds"),
        Panel("Observations of a proof", [(quantile(0.5, "oracle_batch_observations"), "median {{feed}}")]),
        Panel(
            "Provers",
            [("sum(oracle_proofs_running)", "running"), ("sum(oracle_proofs_waiting)", "waiting")],
        ),
    ),
    "Money": (
        Panel(
            "Spent in 24 hours, and the daily limit",
            [
                (f"oracle_budget_spent_wei {ETHER}", "spent, with what is set aside"),
                (f"oracle_budget_limit_wei {ETHER}", "limit"),
            ],
            "ETH",
        ),
        Panel("Balance of the payer", [(f"oracle_payer_balance_wei {ETHER}", "ether")], "ETH"),
        Panel("Reports that it pays for", [("oracle_payer_reports_left", "reports")]),
        distribution("Gas of an observation", "oracle_submission_gas", "short"),
    ),
    "Chain": (
        Panel("Latest block", [("oracle_chain_head_block", "block")]),
        Panel(
            "RPC endpoints",
            [("oracle_rpc_endpoints_healthy", "healthy"), ("oracle_rpc_endpoints", "configured")],
        ),
        Panel(
            "Endpoints, an hour",
            [
                ("rate(oracle_rpc_failovers_total[15m]) * 3600", "failovers"),
                ("rate(oracle_rpc_disagreements_total[15m]) * 3600", "disagreements"),
            ],
        ),
        Panel(
            "Transactions that needed care, an hour",
            [
                ("rate(oracle_transaction_replacements_total[15m]) * 3600", "replaced"),
                ("rate(oracle_transactions_sent_again_total[15m]) * 3600", "sent again"),
                ("rate(oracle_nonces_filled_total[15m]) * 3600", "nonces filled"),
            ],
        ),
    ),
    "A proposed model": (
        Panel(
            "Compared with the active one",
            [
                (f"oracle_shadow_compared{{{FEED}}}", "compared {{feed}}"),
                (f"oracle_shadow_demanded{{{FEED}}}", "demanded {{feed}}"),
            ],
        ),
        Panel(
            "Shadow reports, an hour",
            [
                (rate("oracle_shadow_reports_total"), "taken {{feed}}"),
                (rate("oracle_shadow_dropped_total"), "given up {{feed}}"),
            ],
        ),
        distribution("Gas of a shadow report", "oracle_shadow_gas", "short"),
        distribution("Reports that wait for their shadow", "oracle_shadow_wait_seconds"),
    ),
    "Pulled reports": (
        Panel(
            "Kept reports, an hour",
            [
                (rate("oracle_updates_served_total"), "served {{feed}}"),
                (rate("oracle_updates_pulled_total"), "brought by others {{feed}}"),
                ("rate(oracle_updates_refused_total[15m]) * 3600", "refused"),
            ],
        ),
    ),
    "Network": (
        Panel("Answers, share of turns", [("oracle_member_answered_share", "{{member}}")], "percentunit"),
        Panel("Delay of answers", [("oracle_member_delay_seconds", "{{member}}")], "s"),
        Panel(
            "Distance from the median, in σ",
            [("oracle_member_distance_sigma", "{{member}}"), ("oracle_member_bias_sigma", "bias {{member}}")],
        ),
        Panel("Not heard for", [("time() - oracle_member_last_seen_timestamp_seconds", "{{member}}")], "s"),
        Panel(
            "Faults, an hour",
            [("sum by (member, kind) (rate(oracle_member_faults_total[15m])) * 3600", "{{member}} {{kind}}")],
        ),
        Panel(
            "Transmitters",
            [
                ("oracle_transmitter_brought_share", "brought {{member}}"),
                ("oracle_transmitter_rank_skew", "skew {{member}}"),
                ("oracle_transmitter_left_out", "left out {{member}}"),
            ],
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """Return the dashboard, as Grafana reads it."""
    feeds = {
        "name": "feed",
        "label": "Feed",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": "label_values(oracle_feed_ended, feed)", "refId": "feeds"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
    return {
        "uid": "verifiable-oracle",
        "title": "Verifiable oracle",
        "tags": ["oracle"],
        "schemaVersion": 39,
        "timezone": "utc",
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [feeds]},
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for title, panels in ROWS.items():
        number += 1
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        top += 1
        for index, panel in enumerate(panels):
            number += 1
            left = index * WIDTH % COLUMNS
            yield _panel(number, panel, {"h": HEIGHT, "w": WIDTH, "x": left, "y": top})
            if left + WIDTH == COLUMNS or index == len(panels) - 1:
                top += HEIGHT


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red_from is not None:
        steps.append({"color": "red", "value": panel.red_from})
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.note,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "thresholds": {"mode": "absolute", "steps": steps},
                "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
            },
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
            for index, (expression, legend) in enumerate(panel.lines)
        ],
    }


def text() -> str:
    """Return the dashboard's file."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
