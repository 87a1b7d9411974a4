"""Tests of the metrics of the claims service."""

from __future__ import annotations

from oracle.app.claim_service.metrics import ClaimMetrics
from oracle.claims.service.documents import JobState


def metrics() -> ClaimMetrics:
    made = ClaimMetrics(["credit"], lambda: (3, 2, 1), lambda: False)
    made.refused(401)
    made.ended("credit", JobState.PROVEN)
    made.waited("credit", 0.5)
    made.proven("credit", 1.5)
    return made


def test_their_labels_name_no_caller() -> None:
    """Nor a job, nor a subject: whoever reads the monitoring learns how many, and not who."""
    samples = [each for family in metrics().registry.collect() for each in family.samples]
    assert {label for each in samples for label in each.labels} == {"model", "end", "status", "le"}
    assert {each.labels["model"] for each in samples if "model" in each.labels} == {"credit"}


def test_what_has_not_happened_is_shown_as_0() -> None:
    """An alert sees changes only of what was there before."""
    text = metrics().exposition().decode()
    for end, count in {"proven": 1, "refused": 0, "failed": 0, "cancelled": 0}.items():
        assert f'oracle_claim_jobs_total{{end="{end}",model="credit"}} {count}.0' in text
    for name, value in {"waiting": 3, "running": 2, "kept": 1}.items():
        assert f"oracle_claim_jobs_{name} {value}.0" in text
    assert "oracle_claim_ready 1.0" in text
