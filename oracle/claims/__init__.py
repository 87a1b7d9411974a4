"""Private claims: prove that a committed model gave an output in a range on private data, and reveal nothing else."""

from oracle.claims.attestation import Attestation, attest
from oracle.claims.client import ClaimNotMet, Earlier, ZkmlClient
from oracle.claims.constraints import AtLeast, AtMost, Between, ChangeBetween, Constraint, Constraints, Equals, OneOf
from oracle.claims.importing import claim_model
from oracle.claims.models import ClaimFeature, ModelSpec
from oracle.claims.proof import ClaimProof, ClaimVerdict, Commitment
from oracle.claims.statement import ClaimBound, ClaimTerms

__all__ = [
    "AtLeast",
    "AtMost",
    "Attestation",
    "Between",
    "ChangeBetween",
    "ClaimBound",
    "ClaimFeature",
    "ClaimNotMet",
    "ClaimProof",
    "ClaimTerms",
    "ClaimVerdict",
    "Commitment",
    "Constraint",
    "Constraints",
    "Earlier",
    "Equals",
    "ModelSpec",
    "OneOf",
    "ZkmlClient",
    "attest",
    "claim_model",
]
