"""The circuit of a claim: it proves a statement about a private model on private data, around any ONNX model.

    data      = features ++ salt            hashed: H(data) is what an issuer signs
    statement = edges, expiry, subject      hashed too, and published as it is
    outputs   = edges, expiry, subject, [2 lo − 1 < 2 score], [2 score < 2 hi + 1]

    instances = [ H(data), H(statement), H(model), 2 lo − 1, 2 hi + 1, expiry, subject (4), 1, 1 ]

ezkl hashes each input of a graph separately, so the commitment to the data depends neither on the bounds nor on the
subject. `H(statement)` tells nothing beyond the published values that follow it, so a verifier accepts any.

ezkl splits a number into a sign and digits, and may accept both signs for 0. So the bounds enter as odd halves,
`edges`: lo ≤ score becomes 2 lo − 1 < 2 score, which compares an odd number with an even one. The number whose sign
counts is twice their difference: never 0, 1 or −1 (`oracle.proving.reference.comparison`, which the model's own
comparisons follow too).

All arithmetic is on integers and without rounding, as in every circuit of this package, and nothing wraps around the
field. Encoded data is never negative, so the model sees it through a ReLU, which changes no genuine data. If somebody
commits to other data, a proof can be made only if it is below base^legs of the digits, from where no score comes near
half of the field (`claim_circuit` checks that). lo and hi are within ±`limit`: the registry and `ZkmlClient` refuse
other bounds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from oracle.claims.statement import SALT_BITS, SALT_LIMBS, STATEMENT, SUBJECT_BITS, SUBJECT_LIMBS, edges
from oracle.core.documents import read_json
from oracle.core.errors import ModelError
from oracle.proving.artifact import SETTINGS, Artifact
from oracle.proving.disclosure import Extended
from oracle.proving.imported import DIGITS, ImportedModel, Settings, corners, legs_for
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.joining import join_first_layer
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.program import Program
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.comparison import doubled, positive
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.reference.onnx_graph import IR_VERSION, OPSET

OUTPUTS = STATEMENT + 2
"""Integers that the circuit publishes: the statement, and on which side of each edge the score is."""

_FIELD_BITS = 250
"""Three times a number of this many bits is below half of the field."""

_MARGIN = 12
"""Twice a doubled score and twice an edge are up to 8 · limit + 2 apart; the digits hold this multiple of the limit."""


@dataclass(frozen=True)
class ClaimCircuit:
    """The circuit of a claim about one model. It is `Provable` and `Tuned`, so that `artifact.build` takes it.

    Attributes:
        model: The model at its scales. It has one output, or one for each class; then the largest counts, or the first
            of several equal ones.
        metadata: Feature names, ranges and categories, for the manifest.
    """

    model: ImportedModel
    metadata: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.circuit.rebase:
            raise ModelError(f"{self.model.name} rounds inside: a claim's circuit must leave its prover no choice")

    @property
    def circuit(self) -> Circuit:
        """The circuit of the model alone."""
        return self.model.circuit

    @property
    def name(self) -> str:
        """The name of the circuit's artifact."""
        return f"claim-{self.model.name}"

    @property
    def input_lengths(self) -> tuple[int, ...]:
        """The lengths of data and statement."""
        return self.model.width + SALT_LIMBS, STATEMENT

    @property
    def width(self) -> int:
        """The number of integers that the circuit takes."""
        return sum(self.input_lengths)

    @property
    def outputs(self) -> int:
        """The number of integers that the circuit publishes."""
        return OUTPUTS

    @property
    def param_scale(self) -> int:
        """The scale of the weights, in bits."""
        return self.model.param_scale

    @property
    def score_unit(self) -> int:
        """A score of 1, in the integers of the bounds."""
        return self.model.score_unit

    @property
    def disclosure(self) -> str:
        """The circuit publishes verdicts only."""
        return "verdict"

    @cached_property
    def limit(self) -> int:
        """The largest bound, a power of two: every score is within ±limit."""
        return 1 << max(step.reach for step in self.circuit.steps).bit_length()

    @property
    def legs(self) -> int:
        """The number of digits into which ReLU and comparisons split a number."""
        return legs_for(self.model.settings.base, max(self.circuit.decomposed, _MARGIN * self.limit))

    def score(self, features: Sequence[int]) -> int:
        """Return the score of one window in integers. It stays with the prover."""
        return self.model.score_int([max(0, value) for value in features])[0]

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return what the circuit publishes of data and statement."""
        score, statement = self.score(features[: self.model.width]), tuple(features[self.input_lengths[0] :])
        return (*statement, int(2 * score > statement[0]), int(2 * score < statement[1]))

    def score_bound(self) -> int:
        """Return a bound of all numbers in the circuit."""
        return max(self.circuit.bound, _MARGIN * self.limit)

    def run_args(self) -> Mapping[str, Any]:
        """Return ezkl's settings: hashed inputs, and digits that hold every difference between a score and a bound."""
        digits = {"decomp_base": self.model.settings.base, "decomp_legs": self.legs, "input_visibility": "hashed"}
        return {**self.model.run_args(), **digits}

    def windows(self) -> Sequence[tuple[int, ...]]:
        """Return test windows: corners of the model's box, with bounds around their scores."""
        most, top = self.limit, (1 << SUBJECT_BITS) - 1
        rest = (*((1 << SALT_BITS) - 1,) * SALT_LIMBS,)
        found = []
        for data in corners(self.circuit):
            score = self.score(data)
            for lo, hi in ((score, score), (score + 1, most), (-most, score - 1), (-most, most)):
                found.append((*data, *rest, *edges(lo, hi), top, *(top,) * SUBJECT_LIMBS))
        return found[:12]

    def facts(self) -> Mapping[str, Any]:
        """Return what the manifest tells of the circuit. Only prover and owner have it; no proof contains it."""
        return {**self.model.facts(), "claim": {"limit": self.limit, **self.metadata}}

    def to_onnx(self, batch: int) -> bytes:
        """Return the ONNX graph: inputs `data` [1, n + 3] and `statement` [1, 7], output `published` [1, 9]."""
        if batch != 1:
            raise ModelError(f"a claim is about one window, not about {batch}")
        inner = onnx.load_from_string(self.circuit.to_onnx(1))
        onnx.compose.add_prefix_graph(inner.graph, "m_", inplace=True)
        numbers = {"axis": [1], "zero": [0], "two": [2], "end": [self.model.width], "last": [STATEMENT]}
        constants = [numpy_helper.from_array(np.array(value, dtype=np.int64), name) for name, value in numbers.items()]
        # Halves of the score's unit: to ezkl, multiplying by a power of two only changes the scale.
        unit = np.array([[2.0 ** -(self.circuit.output_scale + 1)]], dtype=np.float32)
        constants.append(numpy_helper.from_array(unit, "unit"))

        def cut(source: str, start: str, end: str, name: str) -> Any:
            return helper.make_node("Slice", [source, start, end, "axis"], [name], name=name)

        nodes = [
            cut("data", "zero", "end", "raw"),
            helper.make_node("Relu", ["raw"], ["m_x"], name="m_x"),
            *inner.graph.node,
            cut("statement", "zero", "axis", "lo"),
            cut("statement", "axis", "two", "hi"),
            helper.make_node("Mul", ["lo", "unit"], ["lo_scaled"], name="lo_scaled"),
            helper.make_node("Mul", ["hi", "unit"], ["hi_scaled"], name="hi_scaled"),
            *over("m_s", "lo_scaled", "is_above"),
            *over("hi_scaled", "m_s", "is_below"),
            cut("statement", "zero", "last", "told"),
            helper.make_node("Concat", ["told", "is_above", "is_below"], ["published"], name="published", axis=1),
        ]
        graph = helper.make_graph(
            nodes,
            "claim",
            [
                helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, self.input_lengths[0]]),
                helper.make_tensor_value_info("statement", TensorProto.FLOAT, [1, STATEMENT]),
            ],
            [helper.make_tensor_value_info("published", TensorProto.FLOAT, [1, OUTPUTS])],
            [*inner.graph.initializer, *constants],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(proto)
        return bytes(proto.SerializeToString(deterministic=True))


def digits_limit(artifact: Artifact) -> int:
    """Return the largest bound for which the digits of a claim's circuit hold every difference to a score."""
    arguments = read_json(artifact.path / SETTINGS)["run_args"]
    return int(arguments["decomp_base"] ** arguments["decomp_legs"]) // _MARGIN


def over(more: str, less: str, name: str) -> list[Any]:
    """Return the nodes of `name`: 1 where a value is above another, else 0. One of them is odd, the other even."""
    return [
        helper.make_node("Sub", [more, less], [f"{name}_odd"], name=f"{name}_odd"),
        doubled(f"{name}_odd", f"{name}_far"),
        *positive(f"{name}_far", name),
    ]


def first_largest(program: Program) -> Program:
    """Return a program that gives the number of its largest output, counted from 0; the first of several equal ones."""
    extended = Extended(program)
    count, scores = program.outputs, program.output
    if program.output_shape != (count,):
        scores = extended.add("Reshape", [scores], (1, count))
    each = [extended.add("Gather", [scores], (1, 1), axis=1, indices=[at]) for at in range(count)]
    most, number = each[0], ""
    for at in range(1, count):
        extended.constants[f"class_{at}"] = np.full((1, 1), float(at))
        is_larger = extended.add("Greater", [each[at], most], (1, 1))
        if not number:
            number = extended.add("Mul", [is_larger, f"class_{at}"], (1, 1))
        else:
            step = extended.add("Sub", [f"class_{at}", number], (1, 1))
            number = extended.add("Add", [number, extended.add("Mul", [is_larger, step], (1, 1))], (1, 1))
        if at < count - 1:
            excess = extended.add("Relu", [extended.add("Sub", [each[at], most], (1, 1))], (1, 1))
            most = extended.add("Add", [most, excess], (1, 1))
    return replace(extended.result((count,)), output_shape=(1,))


def claim_circuit(
    name: str,
    onnx_file: bytes,
    metadata: Mapping[str, Any],
    *,
    classes: int = 0,
    input_scale: int,
    param_scale: int,
    clip: int,
) -> ClaimCircuit:
    """Return the circuit of a model's claims. It leaves off a final Sigmoid; bounds then apply to the value before it.

    Args:
        name: Letters, digits and hyphens.
        onnx_file: The model, with one output, or one for each class.
        metadata: Feature names, ranges and categories, for the manifest.
        classes: Number of outputs, the largest of which is the class; 0: the model has one output, which is a number.
        input_scale: A feature x enters as the integer x · 2^input_scale.
        param_scale: Weights are multiples of 2^-param_scale.
        clip: The largest integer of a feature.

    Raises:
        ModelError: The model can't be proven.
    """
    program, problems = lower(read_model(onnx_file, name))
    if program is None:
        raise ModelError(f"{name} can't be proven as it is: {problems[0]}")
    if program.outputs != (classes or 1):
        raise ModelError(
            f"{name} has {program.outputs} outputs, not {classes or 1}: one for each class, or a single one"
        )
    if classes:
        program = first_largest(program)
    program = join_first_layer(program)
    circuit = instantiate(program, input_scale, param_scale, clip)
    settings = Settings(input_scale, param_scale, DIGITS, legs_for(DIGITS, circuit.decomposed))
    description = {"source_sha256": hashlib.sha256(onnx_file).hexdigest()}
    made = ClaimCircuit(ImportedModel(name, circuit, settings, description, "score"), metadata)
    # For issuers that check nothing: this raises if any data could make a value wrap around the field.
    instantiate(program, input_scale, param_scale, DIGITS**made.legs, most_bits=_FIELD_BITS)
    return made
