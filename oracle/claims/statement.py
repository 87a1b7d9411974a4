"""The statement that is proven of a private model on private data, as a circuit around any ONNX model.

    data      = features ++ salt            hashed: H(data) is what an issuer signs
    statement = edges, expiry, subject      hashed too, and published as they are
    outputs   = edges, expiry, subject, [2 lo − 1 < 2 score], [2 score < 2 hi + 1]

    instances = [ H(data), H(statement), H(model), 2 lo − 1, 2 hi + 1, expiry, subject (4), 1, 1 ]

ezkl hashes each input of a graph by itself, so that the commitment to the data depends neither on the bounds nor on the
subject. `H(statement)` says nothing that the published values behind it don't: whoever verifies takes any.

ezkl takes a difference apart into a sign and digits, and of 0 it accepts every sign: whether equal numbers are greater
is the prover's to choose. So no score is compared with a number that it can equal. The bounds enter as odd halves,
`edges`: lo ≤ score is 2 lo − 1 < 2 score, of an odd and an even number.

All arithmetic is on integers and without rounding, as in every circuit of this package, and nothing wraps around the
field. Encoded data is never negative, so the model sees it through a ReLU: the same for all data that there is, and of
whatever else somebody commits to no proof can be made unless it is below digits' base^legs, from where no score can get
near the field's half (`claim_circuit` checks that). lo and hi are within ±`limit`: the registry and `ZkmlClient` refuse
others.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from oracle.core.errors import DataError, ModelError
from oracle.proving.disclosure import Extended
from oracle.proving.imported import ImportedModel, corners, legs_for
from oracle.proving.lowering import Program
from oracle.proving.reference import IR_VERSION, OPSET, Circuit

SALT_LIMBS, SALT_BITS = 3, 48
"""144 random bits beside the features: what is guessed can't be compared with the commitment."""

SUBJECT_LIMBS, SUBJECT_BITS = 4, 40
"""An address in four integers, least significant first."""

STATEMENT = 3 + SUBJECT_LIMBS
OUTPUTS = STATEMENT + 2

_FIELD_BITS = 250
"""Twice a number of so many bits, and another of them, are below the field's half."""

_MARGIN = 6
"""A doubled score and an edge are up to 4 · limit + 1 apart; digits hold that and more."""


def subject_limbs(subject: str) -> tuple[int, ...]:
    """An address as the circuit has it.

    Raises:
        DataError: It is none, or that of nobody.
    """
    text = subject.removeprefix("0x")
    try:
        value = int(text, 16) if len(text) == 40 else 0
    except ValueError:
        value = 0
    if not value:
        raise DataError(f"subject {subject!r} is not an address: 0x and 40 hexadecimal digits, not all of them 0")
    return tuple(value >> SUBJECT_BITS * at & (1 << SUBJECT_BITS) - 1 for at in range(SUBJECT_LIMBS))


def edges(lo: int, hi: int) -> tuple[int, int]:
    """Bounds, both included, as the circuit has them: doubled, and one further out."""
    return 2 * lo - 1, 2 * hi + 1


def new_salt() -> tuple[int, ...]:
    """Random limbs. Whoever has them and guesses the features can tell that the guess is right: keep them."""
    return tuple(secrets.randbits(SALT_BITS) for _ in range(SALT_LIMBS))


@dataclass(frozen=True)
class ClaimCircuit:
    """A model within its statement: `Provable` and `Tuned`, so that `artifact.build` takes it.

    Attributes:
        model: At its scales; one output, or several classes of which the largest counts (the first, if equal).
        metadata: For the manifest: feature names, ranges, categories.
    """

    model: ImportedModel
    metadata: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.circuit.rebase:
            raise ModelError(f"{self.model.name} rounds inside: a claim's circuit must leave its prover no choice")

    @property
    def circuit(self) -> Circuit:
        return self.model.circuit

    @property
    def name(self) -> str:
        return f"claim-{self.model.name}"

    @property
    def input_lengths(self) -> tuple[int, ...]:
        """Lengths of data and statement."""
        return self.model.features + SALT_LIMBS, STATEMENT

    @property
    def features(self) -> int:
        return sum(self.input_lengths)

    @property
    def outputs(self) -> int:
        return OUTPUTS

    @property
    def param_scale(self) -> int:
        return self.model.param_scale

    @property
    def score_unit(self) -> int:
        """A score of 1 in the integers of the bounds."""
        return self.model.score_unit

    @property
    def disclosure(self) -> str:
        return "verdict"

    @cached_property
    def limit(self) -> int:
        """Bounds are within ±limit; every score is, a power of two."""
        return 1 << max(step.reach for step in self.circuit.steps).bit_length()

    @property
    def legs(self) -> int:
        """Digits into which ReLU and comparisons take a number."""
        return legs_for(self.model.settings.base, max(self.circuit.decomposed, _MARGIN * self.limit))

    def score(self, features: Sequence[int]) -> int:
        """The score of one window in integers. It stays with who proves."""
        return self.model.score_int([max(0, value) for value in features])[0]

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """What the circuit publishes of data and statement."""
        score, statement = self.score(features[: self.model.features]), tuple(features[self.input_lengths[0] :])
        return (*statement, int(2 * score > statement[0]), int(2 * score < statement[1]))

    def score_bound(self) -> int:
        return max(self.circuit.bound, _MARGIN * self.limit)

    def run_args(self) -> Mapping[str, Any]:
        """Hashed inputs, and digits that hold every difference between a score and a bound."""
        digits = {"decomp_base": self.model.settings.base, "decomp_legs": self.legs, "input_visibility": "hashed"}
        return {**self.model.run_args(), **digits}

    def windows(self) -> Sequence[tuple[int, ...]]:
        """Corners of the model's box, at the edges of the statement's."""
        most, top = self.limit, (1 << SUBJECT_BITS) - 1
        rest = (*((1 << SALT_BITS) - 1,) * SALT_LIMBS,)
        found = []
        for data in corners(self.circuit):
            score = self.score(data)
            for lo, hi in ((score, score), (score + 1, most), (-most, score - 1), (-most, most)):
                found.append((*data, *rest, *edges(lo, hi), top, *(top,) * SUBJECT_LIMBS))
        return found[:12]

    def facts(self) -> Mapping[str, Any]:
        """For the manifest. It is the prover's and the model's owner's; nothing of it is in a proof."""
        return {**self.model.facts(), "claim": {"limit": self.limit, **self.metadata}}

    def to_onnx(self, batch: int) -> bytes:
        """The graph: inputs `data` [1, n + 3] and `statement` [1, 7], output `published` [1, 9]."""
        import numpy as np
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        if batch != 1:
            raise ModelError(f"a claim is of one window, not of {batch}")
        inner = onnx.load_from_string(self.circuit.to_onnx(1))
        onnx.compose.add_prefix_graph(inner.graph, "m_", inplace=True)
        numbers = {"axis": [1], "zero": [0], "two": [2], "end": [self.model.features], "last": [STATEMENT]}
        constants = [numpy_helper.from_array(np.array(value, dtype=np.int64), name) for name, value in numbers.items()]
        # Halves of the score's unit: a product with a power of two is a matter of scale alone to ezkl.
        unit = np.array([[2.0 ** -(self.circuit.output_scale + 1)]], dtype=np.float32)
        constants.append(numpy_helper.from_array(unit, "unit"))

        def cut(source: str, start: str, end: str, name: str) -> Any:
            return helper.make_node("Slice", [source, start, end, "axis"], [name], name=name)

        def cast(source: str, name: str) -> Any:
            return helper.make_node("Cast", [source], [name], name=name, to=TensorProto.FLOAT)

        nodes = [
            cut("data", "zero", "end", "raw"),
            helper.make_node("Relu", ["raw"], ["m_x"], name="m_x"),
            *inner.graph.node,
            cut("statement", "zero", "axis", "lo"),
            cut("statement", "axis", "two", "hi"),
            helper.make_node("Mul", ["lo", "unit"], ["lo_scaled"], name="lo_scaled"),
            helper.make_node("Mul", ["hi", "unit"], ["hi_scaled"], name="hi_scaled"),
            helper.make_node("Greater", ["m_s", "lo_scaled"], ["above"], name="above"),
            helper.make_node("Less", ["m_s", "hi_scaled"], ["below"], name="below"),
            cast("above", "is_above"),
            cast("below", "is_below"),
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


def first_largest(program: Program) -> Program:
    """A program that gives the number of its largest output, from 0 on; the first, if several are equal.

    Of outputs that are exactly equal a prover can name another one, see above: each of them is a largest.
    """
    import numpy as np

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
    onnx: bytes,
    metadata: Mapping[str, Any],
    *,
    classes: int = 0,
    input_scale: int,
    param_scale: int,
    clip: int,
) -> ClaimCircuit:
    """A model's claim circuit. A final Sigmoid is left off: bounds are then of the value before it.

    Args:
        name: Letters, digits and hyphens.
        onnx: The model: one output, or one for each class.
        metadata: For the manifest.
        classes: Outputs of the model, whose largest is its class; 0: it has one output, which is a number.
        input_scale: A feature x enters as the integer x · 2^input_scale.
        param_scale: Weights are multiples of 2^-param_scale.
        clip: No integer of a feature exceeds it.

    Raises:
        ModelError: It can't be proven.
    """
    import hashlib

    from oracle.proving.imported import DIGITS, Settings
    from oracle.proving.lowering import lower, read_model
    from oracle.proving.reference import instantiate

    program, problems = lower(read_model(onnx, name))
    if program is None:
        raise ModelError(f"{name} can't be proven as it is: {problems[0]}")
    if program.outputs != (classes or 1):
        raise ModelError(f"{name} has {program.outputs} outputs, not {classes or 1}: one for each class, or one at all")
    if classes:
        program = first_largest(program)
    circuit = instantiate(program, input_scale, param_scale, clip)
    settings = Settings(input_scale, param_scale, DIGITS, legs_for(DIGITS, circuit.decomposed))
    description = {"source_sha256": hashlib.sha256(onnx).hexdigest()}
    made = ClaimCircuit(ImportedModel(name, circuit, settings, description, "score"), metadata)
    # Data of an issuer that checks nothing: it raises if any could take a value around the field.
    instantiate(program, input_scale, param_scale, DIGITS**made.legs, most_bits=_FIELD_BITS)
    return made
