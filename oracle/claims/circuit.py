"""The circuit of a claim: it proves a statement about a private model on private data, around any ONNX model.

    data      = features ++ salt            hashed: H(data) is what an issuer signs
    earlier   = earlier features ++ salt    hashed too, if the model has changes
    q         = outputs, [outputs − outputs on the earlier features]
    statement = edges of each q, expiry, subject      hashed too, and published as it is
    published = statement, [2 lo − 1 < 2 q and 2 q < 2 hi + 1, for each q]

    instances = [ H(data), [H(earlier)], H(statement), H(model), 2 lo − 1 of each q, 2 hi + 1 of each q, expiry,
                  subject (4), 1 ]

ezkl hashes each input of a graph separately, so the commitment to the data depends neither on the bounds nor on the
subject. `H(statement)` tells nothing beyond the published values that follow it, so a verifier accepts any.

A claim says nothing about a quantity whose bounds are ±`limit`: it holds for every genuine one. So all claims of a
model are of one circuit, and the verifier writes these bounds itself. Both data run through the same weights, as a
batch of two: whatever the hash of the weights stands for, it is one model.

ezkl splits a number into a sign and digits, and may accept both signs for 0. So the bounds enter as odd halves,
`edges`: lo ≤ q becomes 2 lo − 1 < 2 q, which compares an odd number with an even one. The number whose sign
counts is twice their difference: never 0, 1 or −1 (`oracle.proving.reference.comparison`, which the model's own
comparisons follow too).

Of an approximate model, q is an interval around each output and each change, of which both ends are compared: 2 lo − 1
is below twice the lower end, and twice the upper end is below 2 hi + 1 (`oracle.claims.approximate`). Its guard band
holds for data within the features' ranges, so the last instance is 1 for no other data.

All arithmetic of an exact model is on integers and without rounding, and nothing wraps around the field. Encoded data
is never negative, so the model sees it through a ReLU, which changes no genuine data. If somebody commits to other
data, a proof can be made only if it is below base^legs of the digits, from where no score comes near half of the field
(`claim_circuit` checks that). lo and hi are within ±`limit`: the registry and `ZkmlClient` refuse other bounds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from oracle.claims.approximate import (
    MOST_BAND,
    Nearness,
    compared_program,
    guard_band,
    interval_circuit,
    lowered,
    scores_circuit,
    settings_for,
)
from oracle.claims.outputs import OutputReading
from oracle.claims.statement import (
    MOST_OUTPUTS,
    SALT_BITS,
    SALT_LIMBS,
    SUBJECT_BITS,
    SUBJECT_LIMBS,
    ClaimShape,
    all_edges,
)
from oracle.core.documents import read_json
from oracle.core.errors import ModelError
from oracle.proving.artifact import SETTINGS, Artifact
from oracle.proving.imported import DIGITS, ImportedModel, Settings, corners, legs_for
from oracle.proving.interface import Approximation
from oracle.proving.lowering.joining import join_first_layer
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.comparison import doubled, positive
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.reference.onnx_graph import IR_VERSION, OPSET

_FIELD_BITS = 248
"""Eight times a number of this many bits is far below half of the field: a change is two, and is doubled twice."""

_MARGIN = 12
"""Twice a doubled quantity and twice an edge are up to 8 · limit + 2 apart; digits hold this multiple of the limit."""


@dataclass(frozen=True)
class ClaimCircuit:
    """The circuit of a claim about one model. It is `Provable` and `Tuned`, so that `artifact.build` takes it.

    Attributes:
        model: The model at its scales.
        metadata: Feature names, ranges and categories, for the manifest.
        changes: True if the circuit also compares the change of each output since earlier data.
        band: The guard band of each output, in integers of the bounds; 0: the model is exact. Otherwise the model gives
            an interval for each output: all lower ends, then all upper ones.
    """

    model: ImportedModel
    metadata: Mapping[str, Any]
    changes: bool = False
    band: int = 0

    def __post_init__(self) -> None:
        if self.shape.outputs > MOST_OUTPUTS:
            raise ModelError(f"{self.model.name} has {self.shape.outputs} outputs, and not 1 to {MOST_OUTPUTS}")
        if not self.band and (self.circuit.rebase or self.circuit.slack or self.circuit.program.looked_up):
            raise ModelError(
                f"{self.model.name} rounds inside: a claim's circuit leaves its prover no choice, or has a guard band"
            )

    @property
    def circuit(self) -> Circuit:
        """The circuit of the model alone."""
        return self.model.circuit

    @property
    def name(self) -> str:
        """The name of the circuit's artifact."""
        return f"claim-{self.model.name}"

    @cached_property
    def shape(self) -> ClaimShape:
        """The form of the model's statements."""
        return ClaimShape(self.circuit.outputs // (2 if self.band else 1), self.changes, self.limit)

    @property
    def input_lengths(self) -> tuple[int, ...]:
        """The lengths of data, earlier data if there are changes, and statement."""
        data = self.model.width + SALT_LIMBS
        return (data,) * (2 if self.changes else 1) + (self.shape.length,)

    @property
    def width(self) -> int:
        """The number of integers that the circuit takes."""
        return sum(self.input_lengths)

    @property
    def outputs(self) -> int:
        """The number of integers that the circuit publishes: the statement, and 1 if it holds."""
        return self.shape.length + 1

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
        """The largest bound, a power of two: every output is within ±limit, and every change."""
        # The last step of an approximate model joins all ends of intervals; what is before it has other scales.
        steps = self.circuit.steps[-1:] if self.band else self.circuit.steps
        reach = max(step.reach for step in steps)
        return 1 << (2 * reach if self.changes else reach).bit_length()

    @property
    def legs(self) -> int:
        """The number of digits into which ReLU and comparisons split a number."""
        # Of an approximate model, the circuit takes apart by how much data are outside of the ranges.
        data = self.circuit.clip + 1 << self.param_scale if self.band else 0
        return legs_for(self.model.settings.base, max(self.circuit.decomposed, _MARGIN * self.limit, 4 * data))

    def score(self, features: Sequence[int], output: int = 0) -> int:
        """Return an output of one window in integers. It stays with the prover."""
        return self.scores(features)[output]

    def scores(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the outputs of one window in integers, or the middles of intervals. They stay with the prover."""
        return tuple((least + most) // 2 for least, most in self.intervals(features))

    def intervals(self, features: Sequence[int]) -> list[tuple[int, int]]:
        """Return the ends of the interval of each output of one window: both are the output if the model is exact."""
        found = self.model.score_int([max(0, value) for value in features])
        count = self.shape.outputs
        return list(zip(found[:count], found[-count:], strict=True))

    def quantities(self, features: Sequence[int], earlier: Sequence[int]) -> list[tuple[int, int]]:
        """Return the intervals of outputs, and of changes if the model has them. They stay with the prover."""
        now = self.intervals(features)
        if not self.changes:
            return now
        before = self.intervals(earlier)
        return now + [(new[0] - old[1], new[1] - old[0]) for new, old in zip(now, before, strict=True)]

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return what the circuit publishes of data and statement."""
        data, statement = self.input_lengths[0], tuple(features[-self.shape.length :])
        earlier: Sequence[int] = features[data : data + self.model.width] if self.changes else ()
        found = self.quantities(features[: self.model.width], earlier)
        lower, upper = statement[: len(found)], statement[len(found) : 2 * len(found)]
        holds = all(lo < 2 * least and 2 * most < hi for lo, (least, most), hi in zip(lower, found, upper, strict=True))
        values = (*features[: self.model.width], *earlier)
        inside = not self.band or all(each <= self.circuit.clip for each in values)
        return (*statement, int(holds and inside))

    def score_bound(self) -> int:
        """Return a bound of all numbers in the circuit."""
        return max(self.circuit.bound, _MARGIN * self.limit)

    def run_args(self) -> Mapping[str, Any]:
        """Return ezkl's settings: hashed inputs, and digits that hold every difference between a score and a bound."""
        digits = {"decomp_base": self.model.settings.base, "decomp_legs": self.legs, "input_visibility": "hashed"}
        return {**self.model.run_args(), **digits}

    def windows(self) -> Sequence[tuple[int, ...]]:
        """Return test windows: corners of the model's box, with bounds around what the model gives there."""
        most, top = self.limit, (1 << SUBJECT_BITS) - 1
        salt = (*((1 << SALT_BITS) - 1,) * SALT_LIMBS,)
        found = []
        box = corners(self.circuit)
        for data, earlier in zip(box, [*box[1:], box[0]], strict=True):
            exact = self.quantities(data, earlier)
            above, below = list(exact), list(exact)
            above[0], below[-1] = (exact[0][0] + 1, most), (-most, exact[-1][1] - 1)
            both = (*data, *salt, *earlier, *salt) if self.changes else (*data, *salt)
            for ranges in (exact, above, below, [(-most, most)] * len(exact)):
                found.append((*both, *all_edges(ranges), top, *(top,) * SUBJECT_LIMBS))
        return found[:12]

    def facts(self) -> Mapping[str, Any]:
        """Return what the manifest tells of the circuit. Only prover and owner have it; no proof contains it."""
        return {
            **self.model.facts(),
            "claim": {
                "limit": self.limit,
                "outputs": self.shape.outputs,
                "changes": self.changes,
                **({"guard_band": self.band} if self.band else {}),
                **self.metadata,
            },
        }

    def approximation(self) -> Approximation:
        """Return that nothing published is exact, if it is not. The guard band is within the circuit."""
        return Approximation(False, (), (0,) * self.outputs) if self.band else Approximation()

    def to_onnx(self, batch: int) -> bytes:
        """Return the ONNX graph.

        Its inputs are `data` [1, n + 3], `earlier` of the same size if there are changes, and `statement`. Its output
        is `published`, the statement and 1 if it holds.
        """
        if batch != 1:
            raise ModelError(f"a claim is about one window, not about {batch}")
        inner = onnx.load_from_string(self.circuit.to_onnx(2 if self.changes else 1))
        onnx.compose.add_prefix_graph(inner.graph, "m_", inplace=True)
        count, length = self.shape.quantities, self.shape.length
        cuts = _Cuts()
        # Halves of the outputs' unit: to ezkl, multiplying by a power of two only changes the scale. Where it divides
        # larger scales, outputs are doubled instead.
        unit = np.array([[2.0 ** -(self.circuit.output_scale + (0 if self.band else 1))]], dtype=np.float32)
        least, most = ("least_two", "most_two") if self.band else ("quantities", "quantities")
        nodes = [
            *self._data(cuts),
            *inner.graph.node,
            *(self._intervals(cuts) if self.band else self._quantities(cuts)),
            cuts.node("statement", 0, count, "lo"),
            cuts.node("statement", count, 2 * count, "hi"),
            helper.make_node("Mul", ["lo", "unit"], ["lo_scaled"], name="lo_scaled"),
            helper.make_node("Mul", ["hi", "unit"], ["hi_scaled"], name="hi_scaled"),
            *over(least, "lo_scaled", "is_above"),
            *over("hi_scaled", most, "is_below"),
            helper.make_node("Mul", ["is_above", "is_below"], ["is_within"], name="is_within"),
            *_product("is_within", count, cuts, "all_within" if self.band else "holds"),
            *(self._inside() if self.band else []),
            cuts.node("statement", 0, length, "told"),
            helper.make_node("Concat", ["told", "holds"], ["published"], name="published", axis=1),
        ]
        names = ("data", "earlier", "statement") if self.changes else ("data", "statement")
        graph = helper.make_graph(
            nodes,
            "claim",
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
                for name, size in zip(names, self.input_lengths, strict=True)
            ],
            [helper.make_tensor_value_info("published", TensorProto.FLOAT, [1, length + 1])],
            [*inner.graph.initializer, *cuts.constants, numpy_helper.from_array(unit, "unit"), *self._edges()],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(proto)
        return bytes(proto.SerializeToString(deterministic=True))

    def _data(self, cuts: _Cuts) -> list[Any]:
        """Return the nodes of the model's input: the features of the data, and of the earlier data below them."""
        width = self.model.width
        found = [cuts.node("data", 0, width, "raw")]
        if self.changes:
            found += [
                cuts.node("earlier", 0, width, "raw_earlier"),
                helper.make_node("Concat", ["raw", "raw_earlier"], ["raw_both"], name="raw_both", axis=0),
            ]
        return [*found, helper.make_node("Identity" if self.band else "Relu", [self._source], ["m_x"], name="m_x")]

    @property
    def _source(self) -> str:
        """The name of the model's input as it is committed to."""
        return "raw_both" if self.changes else "raw"

    def _intervals(self, cuts: _Cuts) -> list[Any]:
        """Return the nodes of `least_two` and `most_two` [1, q]: twice the ends of the interval of each quantity."""
        count, found, ends = self.shape.outputs, [], ["m_s"]
        if self.changes:
            found = [cuts.node("m_s", 0, 1, "now", axis=0), cuts.node("m_s", 1, 2, "before", axis=0)]
            ends = ["now", "before"]
        for name in ends:
            found += [cuts.node(name, 0, count, f"{name}_least"), cuts.node(name, count, 2 * count, f"{name}_most")]
        for end, other in (("least", "most"), ("most", "least")):
            last = f"{ends[0]}_{end}"
            if self.changes:
                found += [
                    helper.make_node("Sub", [last, f"before_{other}"], [f"changed_{end}"], name=f"changed_{end}"),
                    helper.make_node("Concat", [last, f"changed_{end}"], [end], name=end, axis=1),
                ]
                last = end
            found.append(doubled(last, f"{end}_two"))
        return found

    def _inside(self) -> list[Any]:
        """Return the nodes of `holds` [1, 1]: all quantities are within their bounds, and all data in their ranges."""
        return [
            helper.make_node("Sub", [self._source, "data_edge"], ["data_over"], name="data_over"),
            helper.make_node("Relu", ["data_over"], ["excess"], name="excess"),
            helper.make_node("ReduceSum", ["excess", "data_axes"], ["excess_sum"], name="excess_sum", keepdims=1),
            *over("data_room", "excess_sum", "is_inside"),
            helper.make_node("Mul", ["all_within", "is_inside"], ["holds"], name="holds"),
        ]

    def _edges(self) -> list[Any]:
        """Return the constants of `_inside`. What is outside is so by half a step, and compared with a quarter."""
        if not self.band:
            return []
        numbers = {"data_edge": self.circuit.clip + 0.5, "data_room": 0.25}
        axes = numpy_helper.from_array(np.array([0, 1], dtype=np.int64), "data_axes")
        return [
            axes,
            *(numpy_helper.from_array(np.array([[each]], np.float32), name) for name, each in numbers.items()),
        ]

    def _quantities(self, cuts: _Cuts) -> list[Any]:
        """Return the nodes of `quantities` [1, q]."""
        if not self.changes:
            return [helper.make_node("Identity", ["m_s"], ["quantities"], name="quantities")]
        return [
            cuts.node("m_s", 0, 1, "now", axis=0),
            cuts.node("m_s", 1, 2, "before", axis=0),
            helper.make_node("Sub", ["now", "before"], ["changed"], name="changed"),
            helper.make_node("Concat", ["now", "changed"], ["quantities"], name="quantities", axis=1),
        ]


class _Cuts:
    """Slices of a graph, and their constants, each once."""

    def __init__(self) -> None:
        self._numbers: set[int] = set()

    def node(self, source: str, start: int, end: int, name: str, axis: int = 1) -> Any:
        """Return a node that takes a part of a value."""
        self._numbers |= {start, end, axis}
        return helper.make_node("Slice", [source, f"int_{start}", f"int_{end}", f"int_{axis}"], [name], name=name)

    @property
    def constants(self) -> list[Any]:
        """The constants of the nodes that were made."""
        return [numpy_helper.from_array(np.array([each], np.int64), f"int_{each}") for each in sorted(self._numbers)]


def _product(bits: str, count: int, cuts: _Cuts, result: str) -> list[Any]:
    """Return the nodes of a result [1, 1]: 1 if all of the bits [1, count] are."""
    if count == 1:
        return [helper.make_node("Identity", [bits], [result], name=result)]
    found, last = [cuts.node(bits, 0, 1, "bit_0")], "bit_0"
    for at in range(1, count):
        name = result if at == count - 1 else f"bits_{at}"
        found += [
            cuts.node(bits, at, at + 1, f"bit_{at}"),
            helper.make_node("Mul", [last, f"bit_{at}"], [name], name=name),
        ]
        last = name
    return found


def digits_limit(artifact: Artifact) -> int:
    """Return the largest bound for which the digits of a claim's circuit hold every difference to a score."""
    arguments = read_json(artifact.path / SETTINGS)["run_args"]
    return int(arguments["decomp_base"] ** arguments["decomp_legs"]) // _MARGIN


def stated_band(artifact: Artifact) -> float:
    """Return the guard band that the manifest of a claim's circuit states, in units of the output; 0 if it is exact."""
    stated = (artifact.manifest.imported or {}).get("claim")
    band = stated.get("guard_band", 0) if isinstance(stated, dict) else 0
    return band / artifact.manifest.score_unit if type(band) is int and 0 <= band <= MOST_BAND else 0.0


def over(more: str, less: str, name: str) -> list[Any]:
    """Return the nodes of `name`: 1 where a value is above another, else 0. One of them is odd, the other even."""
    return [
        helper.make_node("Sub", [more, less], [f"{name}_odd"], name=f"{name}_odd"),
        doubled(f"{name}_odd", f"{name}_far"),
        *positive(f"{name}_far", name),
    ]


def claim_circuit(
    name: str,
    onnx_file: bytes,
    metadata: Mapping[str, Any],
    *,
    outputs: int = 1,
    reading: OutputReading = OutputReading.NUMBERS,
    changes: bool = False,
    input_scale: int,
    param_scale: int,
    clip: int,
    near: Nearness | None = None,
) -> ClaimCircuit:
    """Return the circuit of a model's claims. It leaves off a final Sigmoid; bounds then apply to the value before it.

    Args:
        name: Letters, digits and hyphens.
        onnx_file: The model.
        metadata: Feature names, ranges and categories, for the manifest.
        outputs: The numbers that the model gives.
        reading: What the claims are about: these numbers, the number of the largest, or how far each is above the rest.
        changes: Also compare the change of each output since earlier data.
        input_scale: A feature x enters as the integer x · 2^input_scale.
        param_scale: Weights are multiples of 2^-param_scale.
        clip: The largest integer of a feature.
        near: How near an approximate model is to the float model; None: the model is exact.

    Raises:
        ModelError: The model can't be proven.
    """
    program, problems = lowered(onnx_file, name, is_approximate=near is not None)
    if program is None:
        raise ModelError(f"{name} can't be proven as it is: {problems[0]}")
    if reading is OutputReading.LARGEST and program.outputs == 1:
        # The model gives the class itself.
        if near is not None:
            raise ModelError(
                f"{name} gives a class, of which no guard band is known: claims need the scores (output=…)"
            )
        reading = OutputReading.NUMBERS
    elif program.outputs != outputs:
        raise ModelError(f"{name} has {program.outputs} outputs, not {outputs}: each has a name, or is of a class")
    description = {"source_sha256": hashlib.sha256(onnx_file).hexdigest()}
    if near is not None:
        scores = scores_circuit(compared_program(program, reading), near.rows, param_scale, clip)
        band = guard_band(scores, near.error)
        circuit = interval_circuit(scores, reading, band)
        settings = settings_for(circuit)
        model = ImportedModel(name, circuit, settings, description, "score")
        return ClaimCircuit(model, {**metadata, "error": near.error}, changes, band)
    program = join_first_layer(reading.of(program))
    circuit = instantiate(program, input_scale, param_scale, clip)
    settings = Settings(input_scale, param_scale, DIGITS, legs_for(DIGITS, circuit.decomposed))
    made = ClaimCircuit(ImportedModel(name, circuit, settings, description, "score"), metadata, changes)
    # For issuers that check nothing: this raises if any data could make a value wrap around the field.
    instantiate(program, input_scale, param_scale, DIGITS**made.legs, most_bits=_FIELD_BITS)
    return made
