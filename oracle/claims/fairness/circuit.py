"""The circuit of a fairness audit: a claim's model on B public rows at once.

    row       = features, 2 lo − 1, 2 hi + 1     public integers: of the audit set, and a claim's bounds as odd halves
    verdict   = [lo ≤ score ≤ hi]                published; the score is not
    instances = [ H(model) ] ++ row × B ++ verdict × B

It is the claim's circuit without salt and subject, so its model hash is that of the model's claims.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from oracle.claims.circuit import ClaimCircuit, over
from oracle.claims.models import ClaimFeature, ModelSpec
from oracle.claims.statement import edges
from oracle.core.errors import ArtifactError, ModelError
from oracle.proving import artifact as artifacts
from oracle.proving.artifact import Artifact, Visibility
from oracle.proving.artifact.verifier import Compiler
from oracle.proving.batches import Windows
from oracle.proving.imported import corners
from oracle.proving.reference.onnx_graph import IR_VERSION, OPSET
from oracle.proving.srs.files import SrsSource

_BOUNDS = 2
"""Integers of a row beside the features."""


@dataclass(frozen=True)
class AuditCircuit:
    """A claim's model on public rows. It is `Provable` and `Tuned`, so that `artifact.build` takes it.

    Attributes:
        claim: The circuit of the model's claims.
    """

    claim: ClaimCircuit

    def __post_init__(self) -> None:
        if self.claim.shape.outputs != 1:
            raise ModelError(f"{self.claim.model.name} has several outputs: an audit is of a model with one")
        if self.claim.band:
            raise ModelError(f"{self.claim.model.name} is approximate: an audit is of a model whose verdicts are exact")

    @property
    def name(self) -> str:
        """The name of the circuit's artifact."""
        return f"audit-{self.claim.model.name}"

    @property
    def width(self) -> int:
        """The number of integers of a row, the bounds included."""
        return self.claim.model.width + _BOUNDS

    @property
    def outputs(self) -> int:
        """The circuit publishes one verdict for each row."""
        return 1

    @property
    def param_scale(self) -> int:
        """The scale of the weights, in bits."""
        return self.claim.param_scale

    @property
    def score_unit(self) -> int:
        """A score of 1, in the integers of the bounds."""
        return self.claim.score_unit

    @property
    def disclosure(self) -> str:
        """The circuit publishes verdicts only."""
        return "verdict"

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return what the circuit publishes of one row."""
        *data, lower, upper = features
        return (int(lower < 2 * self.score(data) < upper),)

    def score(self, data: Sequence[int]) -> int:
        """Return the score of one row in integers, which is that of a claim. It stays with the prover."""
        return self.claim.model.score_int(data)[0]

    def score_bound(self) -> int:
        """Return a bound of all numbers in the circuit."""
        return self.claim.score_bound()

    def run_args(self) -> Mapping[str, Any]:
        """Return ezkl's settings: those of the claim, except that rows are public."""
        return {**self.claim.run_args(), "input_visibility": "public"}

    def windows(self) -> Sequence[tuple[int, ...]]:
        """Return test windows: corners of the model's box, with bounds on both sides of their scores."""
        most = self.claim.limit
        found = []
        for data in corners(self.claim.circuit):
            score = self.score(data)
            for lo, hi in ((0, 0), (score, score), (score + 1, most), (-most, score - 1), (-most, most)):
                found.append((*data, *edges(lo, hi)))
        return found[:8]

    def facts(self) -> Mapping[str, Any]:
        """Return what the manifest tells auditors: of the weights, only a power of two that bounds all scores."""
        return {**self.claim.model.facts(), "audit": {"limit": self.claim.limit, **self.claim.metadata}}

    def to_onnx(self, batch: int) -> bytes:
        """Return the ONNX graph: input `rows` [batch, n + 2], output `verdicts` [batch, 1]."""
        count = self.claim.model.width
        inner = onnx.load_from_string(self.claim.circuit.to_onnx(batch))
        onnx.compose.add_prefix_graph(inner.graph, "m_", inplace=True)
        numbers = {"axis": [1], "first": [0], "lo_at": [count], "hi_at": [count + 1], "end": [count + _BOUNDS]}
        constants = [numpy_helper.from_array(np.array(value, dtype=np.int64), name) for name, value in numbers.items()]
        # Halves of the score's unit, as in a claim: to ezkl, multiplying by a power of two only changes the scale.
        unit = np.array([[2.0 ** -(self.claim.circuit.output_scale + 1)]], dtype=np.float32)
        constants.append(numpy_helper.from_array(unit, "unit"))
        nodes = [
            helper.make_node("Slice", ["rows", "first", "lo_at", "axis"], ["m_x"], name="m_x"),
            *inner.graph.node,
            helper.make_node("Slice", ["rows", "lo_at", "hi_at", "axis"], ["lo"], name="lo"),
            helper.make_node("Slice", ["rows", "hi_at", "end", "axis"], ["hi"], name="hi"),
            helper.make_node("Mul", ["lo", "unit"], ["lo_scaled"], name="lo_scaled"),
            helper.make_node("Mul", ["hi", "unit"], ["hi_scaled"], name="hi_scaled"),
            *over("m_s", "lo_scaled", "is_above"),
            *over("hi_scaled", "m_s", "is_below"),
            helper.make_node("Mul", ["is_above", "is_below"], ["verdicts"], name="verdicts"),
        ]
        graph = helper.make_graph(
            nodes,
            "audit",
            [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [batch, self.width])],
            [helper.make_tensor_value_info("verdicts", TensorProto.FLOAT, [batch, 1])],
            [*inner.graph.initializer, *constants],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(proto)
        return bytes(proto.SerializeToString(deterministic=True))


def build(
    model: ModelSpec,
    batch: int,
    *,
    srs: SrsSource,
    compile_standard: Compiler,
    cache: Path,
    kept: Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Artifact:
    """Return the circuit for B rows of a model, built or found again. See `artifact.build` for arguments and errors."""
    return artifacts.build(
        AuditCircuit(model.circuit()),
        batch,
        visibility=Visibility.PRIVATE,
        srs=srs,
        compile_standard=compile_standard,
        cache=cache,
        kept=kept,
        progress=progress,
    )


def reweighted(model: ModelSpec, seed: int = 0) -> ModelSpec:
    """Return a model of the same architecture with random weights. A verifier makes the circuit's key again from it."""
    proto, draw = onnx.load_from_string(model.onnx), np.random.default_rng(seed)
    for each in proto.graph.initializer:
        array = numpy_helper.to_array(each)
        if array.dtype.kind == "f":
            each.CopyFrom(numpy_helper.from_array(draw.uniform(-1, 1, array.shape).astype(array.dtype), each.name))
    return replace(model, onnx=proto.SerializeToString(deterministic=True))


def features_of(artifact: Artifact) -> tuple[ClaimFeature, ...]:
    """Return the features of an audit's circuit, which say how rows are encoded: as issuers encode data for claims.

    Raises:
        ArtifactError: The circuit is not an audit's.
    """
    try:
        described = (artifact.manifest.imported or {})["audit"]["features"]
        return tuple(ClaimFeature(**{**each, "categories": tuple(each["categories"])}) for each in described)
    except (KeyError, TypeError, ModelError) as error:
        raise ArtifactError(f"{artifact.path} is not the circuit of an audit") from error


def limit_of(artifact: Artifact) -> int:
    """Return the largest bound for which an audit's circuit is sound.

    Raises:
        ArtifactError: The manifest does not state it.
    """
    limit = (artifact.manifest.imported or {})["audit"].get("limit")
    if type(limit) is not int or limit < 1:
        raise ArtifactError(f"{artifact.path} states no limit of its bounds")
    return limit


def batches_of(encoded: Sequence[tuple[int, ...]], lo: int, hi: int, batch: int) -> list[Windows]:
    """Return encoded rows with their bounds, as batches of `batch` windows, of which the last may be shorter."""
    rows = [(*row, *edges(lo, hi)) for row in encoded]
    return [tuple(rows[at : at + batch]) for at in range(0, len(rows), batch)]
