"""Fairness that anyone can check: for which rows of a public set a private model's claim would hold, each proven.

The owner proves a verdict for each row; everybody else counts rates by group from the proven verdicts. A verifier needs
the set, the proofs, the model's hash, and the circuit's public files, which contain no weights.
"""

from oracle.claims.fairness.audit_set import AuditSet
from oracle.claims.fairness.circuit import AuditCircuit, build, features_of, reweighted
from oracle.claims.fairness.proving import prove
from oracle.claims.fairness.rates import differences, rates
from oracle.claims.fairness.report import FairnessAudit, FairnessReport
from oracle.claims.fairness.verification import verify

__all__ = [
    "AuditCircuit",
    "AuditSet",
    "FairnessAudit",
    "FairnessReport",
    "build",
    "differences",
    "features_of",
    "prove",
    "rates",
    "reweighted",
    "verify",
]
