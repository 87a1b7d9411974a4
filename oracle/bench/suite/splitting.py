"""A model that is too large for one circuit, split within a limit of memory and proven."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import os
import time
from collections.abc import Callable
from typing import Any

from oracle.app.models import ModelOptions, build_split_model
from oracle.bench.machine import cpu_seconds
from oracle.bench.memory import megabytes, sampled_children
from oracle.core.errors import ArtifactError
from oracle.proving import split
from oracle.proving.reference.circuit import Circuit
from oracle.proving.split import ChainProver, ModelProof

_PROOFS_SHARE = 0.8
"""Share of the memory that proofs may take, as estimated; the rest is for this process, and for what estimates miss."""

_DEADLINE_S = 24 * 3600.0


@dataclasses.dataclass(frozen=True)
class TrialLimits:
    """The most that a model may take, its process and those that it starts together.

    Attributes:
        memory: Bytes; None: as many as there are.
        seconds: Time; a model that is too large for one circuit is not split if its proofs alone would take longer.
    """

    memory: int | None = None
    seconds: float = math.inf

    @property
    def memory_limit(self) -> float | None:
        """GiB that proofs may take."""
        return None if self.memory is None else _PROOFS_SHARE * self.memory / 2**30


def split_and_proven(options: ModelOptions, sample: Any, note: Callable[[dict[str, Any]], None]) -> tuple[Circuit, str]:
    """Split a model, prove one sample, and note what a row says about it.

    Args:
        options: Those of the model as one circuit.
        sample: The numbers of a window.
        note: Takes facts for the row.

    Returns:
        The whole circuit, and `exact` or `approximate`.

    Raises:
        OracleError: It can't be built or proven.
        ArtifactError: The chain of proofs does not hold, or publishes other numbers than the reference computes.
    """
    began, cpu = time.perf_counter(), _cpu()
    built = build_split_model(dataclasses.replace(options, split=True), lambda line: note({"doing": line}))
    chain, circuit = built.chain, built.circuit
    note(
        {
            "segments": len(chain.artifacts),
            "build_s": round(time.perf_counter() - began, 2),
            "build_cpu_s": round(_cpu() - cpu, 2),
            "weights": circuit.weights,
            "k": max(each.manifest.k for each in chain.artifacts),
            "doing": "proving the segments",
        }
    )
    memory = None if options.memory_limit is None else int(options.memory_limit * 2**30)

    async def prove() -> ModelProof:
        async with ChainProver(chain, memory=memory, deadline=_DEADLINE_S) as prover:
            return await prover.prove(prover.quantise(sample), lambda line: note({"doing": line}))

    with sampled_children() as proving:
        proof = asyncio.run(prove())
    expected = tuple(int(value) for value in circuit.evaluate([list(proof.inputs)])[0])
    verification = split.verify(chain, proof)
    if not verification.verified or proof.outputs != expected:
        raise ArtifactError(f"the chain gives {proof.outputs[:8]}, and {expected[:8]} is right: {verification.reason}")
    note(
        {
            "prove_s": round(proof.seconds, 4),
            "memory_mb": megabytes(proving.bytes),
            "proof_bytes": sum(len(each) for each in proof.proofs),
        }
    )
    return circuit, "exact" if chain.described.exact else "approximate"


def _cpu() -> float:
    return cpu_seconds(os.getpid(), ended=True)
