"""The report of `oracle audit`, as JSON. `docs/audit.md` describes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from oracle.audit.report import AuditReport, Finding
from oracle.core.encoding import answer_text
from oracle.core.times import utc
from oracle.core.version import __version__

__all__ = ["SCHEMA", "audit_document", "value_of"]

SCHEMA = 1
"""The version of the document's form."""


def audit_document(report: AuditReport) -> dict[str, Any]:
    """Return all of a report. Times are unix seconds, with text in UTC beside them; answers are text: some are too
    large for readers of JSON."""
    readings = None
    if report.readings is not None:
        findings = [asdict(each) | {"observed": utc(each.observed_at)} for each in report.readings.findings]
        readings = asdict(report.readings) | {"ok": report.readings.ok, "findings": findings}
    return {
        "schema": SCHEMA,
        "release": __version__,
        "ok": report.ok,
        "hub": report.hub,
        "chain_id": report.chain_id,
        "block": {
            "number": report.block_number,
            "hash": report.block_hash,
            "time": report.block_time,
            "at": utc(report.block_time),
        },
        "endpoints": list(report.endpoints),
        "choice": report.choice,
        "not_proven": report.not_proven,
        "verified": report.verified,
        "failed": report.failed,
        "unchecked": report.unchecked,
        "proofs": report.proofs,
        "seconds": round(report.seconds, 3),
        "findings": [_finding(each) for each in report.findings],
        "problems": [{"kind": each.kind.value, "text": each.text} for each in report.problems],
        "notes": list(report.notes),
        "circuits": [asdict(each) for each in report.circuits],
        "storage": None if report.storage is None else asdict(report.storage),
        "readings": readings,
    }


def value_of(finding: Finding) -> str:
    """Return an answer as a decimal number, with its feed's decimals."""
    return answer_text(finding.answer, finding.decimals)


def _finding(finding: Finding) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in asdict(finding).items():
        found |= {"answer": str(value), "value": value_of(finding)} if name == "answer" else {name: value}
        if name == "observed_at":
            found["observed"] = utc(value)
    return found
