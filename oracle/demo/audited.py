"""The audit of a demonstration's chain, in its summary."""

from __future__ import annotations

from typing import Any

from oracle.audit.report import AuditReport

__all__ = ["audited"]


def audited(report: AuditReport) -> dict[str, Any]:
    """Return the key `audit` of a summary: all that decides how much of the chain holds."""
    storage = report.storage
    wrong = [each.problem for each in report.findings if not each.verified]
    circuits = [{"batch": each.batch, "key_from": each.key_from, "tied": each.is_tied} for each in report.circuits]
    words = None
    if storage is not None:
        words = {"words": storage.words, "differing": storage.differing, "root": storage.root}
    return {
        "ok": report.ok,
        "reports": len(report.findings),
        "verified": report.verified,
        "failed": report.failed,
        "unchecked": report.unchecked,
        "proofs": report.proofs,
        "circuits": circuits,
        "storage": words,
        "problems": [*(each.text for each in report.problems), *wrong],
    }
