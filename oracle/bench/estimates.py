"""The errors of the cost model (`oracle.proving.cost`), case by case."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

STAGES = ("graph", "settings")
"""The two stages of an estimate: from the graph alone, as `oracle model build --check` makes it; and with ezkl's count
of rows, as candidates are ranked."""

QUANTITIES = {
    "rows": "rows",
    "proof_bytes": "proof_bytes",
    "gas": "verify_gas",
    "memory": "rss_mb",
    "seconds": "total_s",
}
"""The estimated quantities, each with the key of its measurement."""


def compare(report: dict[str, Any]) -> None:
    """Add the errors: `estimate_error` of each case, and their maxima and medians as `estimator`.

    Seconds depend on the machine, so one factor, the median of measured by estimated, is taken out of all of them
    first. An error is estimated / measured − 1; of k it is the difference.
    """
    cases = [case for case, found in report.items() if isinstance(found, Mapping) and "estimated" in found]
    if not cases:
        return
    factor = statistics.median(
        report[case]["total_s"] / report[case]["estimated"]["settings"]["seconds"] for case in cases
    )
    for case in cases:
        report[case]["estimate_error"] = {
            stage: _errors(report[case], report[case]["estimated"][stage], factor) for stage in STAGES
        }
    summary: dict[str, Any] = {"machine_factor": round(factor, 3), "cases": len(cases)}
    for stage in STAGES:
        errors = {
            name: [abs(report[case]["estimate_error"][stage][name]) for case in cases] for name in ("k", *QUANTITIES)
        }
        summary[stage] = {
            name: {
                "max": max(found),
                "median": round(statistics.median(found), 3),
                "of": cases[found.index(max(found))],
            }
            for name, found in errors.items()
        }
    report["estimator"] = summary


def _errors(measured: Mapping[str, Any], estimated: Mapping[str, Any], factor: float) -> dict[str, float]:
    units = {"memory": 1e6, "seconds": 1 / factor}
    errors = {
        name: round(estimated[name] / units.get(name, 1.0) / measured[of] - 1, 3) for name, of in QUANTITIES.items()
    }
    return {"k": estimated["k"] - measured["k"], **errors}
