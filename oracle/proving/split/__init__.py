"""Models of several circuits: a chain of segments whose ends are bound by hashes.

    x ── segment 0 ── h₀ ── segment 1 ── h₁ ── … ── segment n ── s

Each segment is an artifact of its own, with the instances `[h of its input] ++ [H(weights)] ++ x or s ++ [h of its
output]`, as far as it has them. A segment alone proves nothing: its digits hold the values that the segment before it
can compute from clipped inputs, and only the other proofs say that its input is such a value. So a chain is verified as
a whole, with instances that the verifier builds itself, one number per boundary for both sides.

A model of one circuit is a chain of one: `load_chain` takes either.

    pieces → planning (where to cut) → building → chain → proving → proof, and its verification
"""

from oracle.proving.split.building import build
from oracle.proving.split.chain import ArtifactChain, estimated_cost, inspect_split, is_split, load_chain
from oracle.proving.split.manifest import SPLIT, SplitManifest
from oracle.proving.split.pieces import Plan
from oracle.proving.split.planning import plan
from oracle.proving.split.proof import ModelProof, read_proof, verify, write_proof
from oracle.proving.split.proving import ChainProver, default_memory
from oracle.proving.split.publishing import publish
from oracle.proving.split.reference import chain_problems

__all__ = [
    "SPLIT",
    "ArtifactChain",
    "ChainProver",
    "ModelProof",
    "Plan",
    "SplitManifest",
    "build",
    "chain_problems",
    "default_memory",
    "estimated_cost",
    "inspect_split",
    "is_split",
    "load_chain",
    "plan",
    "publish",
    "read_proof",
    "verify",
    "write_proof",
]
