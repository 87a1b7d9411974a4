"""Audits of a private model by group."""

from __future__ import annotations

from oracle.claims.fairness import FairnessReport


def print_fairness(report: FairnessReport) -> None:
    """Print the rates by group, their differences, and whether the audit is genuine."""
    print(f"model hash      {report.model_hash:#066x}")
    print(f"batches         {report.verified} of {report.batches} verified, {report.rows} rows")
    for rate in report.rates:
        print(
            f"  {rate.group}: {rate.within} of {rate.rows} within the bounds, {rate.share:.1%} "
            f"(95 %: {rate.low:.1%} to {rate.high:.1%})"
        )
    for each in report.differences:
        print(
            f"  {each.group} less {each.reference}: {100 * each.difference:+.1f} points "
            f"(95 %: {100 * each.low:+.1f} to {100 * each.high:+.1f})"
        )
    for note in report.notes:
        print(f"note: {note}")
    for problem in report.problems:
        print(f"problem: {problem}")
    print("the audit is what it says" if report.ok else "the audit is NOT what it says")
