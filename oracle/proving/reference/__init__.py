"""The integer model that a circuit computes: scales, arithmetic and bounds, in Python integers.

A number x is the integer x · 2^scale. Inputs have the input's scale, constants the parameters'; a product adds scales;
a sum, a comparison and a concatenation multiply the operand of the smaller scale up. These are ezkl's rules, so the
integers here are those of its witness, bit for bit.

A model of many layers outgrows the circuit's integers. With a `rebase` of t, whatever gets a scale above t times the
parameters' is divided down to that one, rounded to the nearest, halves away from zero. The circuit then accepts
another quotient too: any q with |q · divisor − dividend| ≤ divisor. `Circuit.slack` bounds how far all of these choices
together can take an output away from the integers here. Without a rebase nothing is divided, and the slack is 0.

    Program + scales → Circuit → evaluate(windows), bounds over all clipped windows, to_onnx(batch)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from oracle.core.errors import ModelError
from oracle.proving.lowering import COMPARISONS, DECOMPOSED, Op, Program

if TYPE_CHECKING:
    import numpy as np

OPSET = 13
IR_VERSION = 8

MAX_BITS = 126
"""ezkl's integers are 128 bits wide, with a sign; one bit is kept in reserve."""

EXACT_QUOTIENT_BITS = 52
"""ezkl divides as 64-bit floats do: what is divided must be exact among them, and its half too."""

_ALIGNED = COMPARISONS | {"Add", "Sub", "Concat"}


@dataclass(frozen=True, slots=True)
class Step:
    """An operation on integers.

    Attributes:
        op: What it does; its inputs are renamed where operations before it fell away.
        scale: Of the result.
        lifts: By how many bits each input is shifted left first.
        drop: The result is divided by 2^drop last, and rounded.
        reach: No element of the result exceeds it, over all clipped windows.
        largest: Nor does anything on the way to it.
        apart: Nor anything that is taken apart for it; 0 if nothing is.
    """

    op: Op
    scale: int
    lifts: tuple[int, ...]
    drop: int = 0
    reach: int = 0
    largest: int = 0
    apart: int = 0


@dataclass(frozen=True, slots=True)
class Circuit:
    """A program at chosen scales.

    Attributes:
        program: What it was made from.
        input_scale: Windows are integers, of this scale.
        param_scale: Constants are multiples of 2^-param_scale.
        output_scale: Of what is published.
        clip: Every integer of a window is in [-clip, clip].
        steps: In order.
        constants: Integers, by name.
        output: Name of the result.
        bound: No intermediate value exceeds it, over all clipped windows and whatever a prover chooses.
        decomposed: Nothing that a ReLU, a comparison or a division takes apart exceeds it; 0 if there is none.
        decompositions: Numbers that are taken apart, per window.
        rebase: t: nothing has a larger scale than t · param_scale. 0: nothing is divided.
        slack: How far a prover's choice of roundings can take an output from `evaluate`'s; 0 if nothing is divided.
    """

    program: Program
    input_scale: int
    param_scale: int
    output_scale: int
    clip: int
    steps: tuple[Step, ...]
    constants: Mapping[str, Any]
    output: str
    bound: int
    decomposed: int
    decompositions: int
    rebase: int = 0
    slack: int = 0

    @property
    def features(self) -> int:
        return self.program.features

    @property
    def outputs(self) -> int:
        return self.program.outputs

    @property
    def weights(self) -> int:
        """Numbers that the circuit has as parameters."""
        used = {name for step in self.steps for name in step.op.inputs}
        return sum(constant.size for name, constant in self.constants.items() if name in used)

    def evaluate(self, windows: Any) -> np.ndarray:
        """The integers that the circuit publishes.

        Args:
            windows: Integers [count, features], within the clip.

        Returns:
            Integers [count, outputs]: int64 if all intermediate values fit, Python's own else.
        """
        import numpy as np

        # Floats are exact there, and by far the fastest.
        kind: Any = np.float64 if self.bound < 2**EXACT_QUOTIENT_BITS else np.int64 if self.bound < 2**62 else object
        result: np.ndarray = self._run(np.asarray(windows, dtype=object), kind)
        return result.astype(np.int64) if kind is np.float64 else result

    def evaluate_exactly(self, windows: Any) -> np.ndarray:
        """Like `evaluate`, always in Python's integers: what the others are held against."""
        import numpy as np

        result: np.ndarray = self._run(np.asarray(windows, dtype=object), object, np.matmul)
        return result

    def quantise(self, samples: Any) -> np.ndarray:
        """Float inputs as windows: rounded to the input's scale, clipped."""
        import numpy as np

        scaled = np.rint(np.asarray(samples, dtype=np.float64) * 2.0**self.input_scale)
        return np.clip(scaled, -self.clip, self.clip).astype(np.int64)

    def _run(self, windows: np.ndarray, kind: Any, multiply: Callable[[Any, Any], Any] | None = None) -> Any:
        values: dict[str, Any] = {name: constant.astype(kind) for name, constant in self.constants.items()}
        values[self.program.input] = windows.astype(kind).reshape(len(windows), *self.program.input_shape)
        for step in self.steps:
            result = _compute(step, [values[name] for name in step.op.inputs], multiply or _product)
            values[step.op.output] = _quotient(result, step.drop) if step.drop else result
        return values[self.output].reshape(len(windows), self.outputs)

    def to_onnx(self, batch: int) -> bytes:
        """The graph for `batch` windows of integers: input `x` [batch, features], output `s` [batch, outputs]."""
        return _Writer(self, batch).serialise()


def instantiate(
    program: Program, input_scale: int, param_scale: int, clip: int, rebase: int = 0, *, most_bits: int = MAX_BITS
) -> Circuit:
    """Chooses scales, and bounds every value over all clipped windows.

    Args:
        program: What the circuit is to compute.
        input_scale: Windows are integers, of this scale.
        param_scale: Constants are rounded to multiples of 2^-param_scale.
        clip: Of a window's integers.
        rebase: t: what gets a larger scale than t · param_scale is divided. 0: nothing is.
        most_bits: That a value may have; more only where other bounds are known than those of a box.

    Raises:
        ModelError: Values can exceed the circuit's integers, or those that ezkl divides exactly.
    """
    import numpy as np

    if not (0 <= input_scale <= 20 and 1 <= param_scale <= 24 and clip >= 1):
        raise ModelError(
            f"input scale {input_scale}, parameter scale {param_scale}, clip {clip}: they must be 0 to 20, 1 to 24, "
            "and at least 1"
        )
    if rebase and not (1 <= rebase <= MAX_BITS and rebase * param_scale >= input_scale):
        raise ModelError(f"a rebase to {rebase} times parameter scale {param_scale} is below input scale {input_scale}")
    integers = {name: _round(constant, param_scale) for name, constant in program.constants.items()}
    aliases: dict[str, str] = {}
    scales = {program.input: input_scale, **dict.fromkeys(integers, param_scale)}
    shapes: dict[str, tuple[int, ...]] = {program.input: (1, *program.input_shape)}
    box = np.full((1, *program.input_shape), clip, dtype=object)
    intervals: dict[str, tuple[Any, Any]] = {program.input: (-box, box)}
    intervals |= {name: (constant, constant) for name, constant in integers.items()}
    slacks: dict[str, Any] = {name: np.zeros(low.shape, dtype=object) for name, (low, _) in intervals.items()}
    steps: list[Step] = []
    bound = clip
    for op in program.ops:
        names = [aliases.get(name, name) for name in op.inputs]
        kept = _neutral(op, names, integers, shapes, 1 << param_scale)
        if kept is not None:
            aliases[op.output] = kept
            continue
        op = Op(op.kind, tuple(names), op.output, op.node, op.shape, op.attributes)
        op, scale, lifts = _scaled(op, program.constants, integers, scales, param_scale)
        # A product with a power of two is a matter of scale alone to ezkl, and never divided.
        drop = max(0, scale - rebase * param_scale) if rebase and op.kind != "Halve" else 0
        step = Step(op, scale - drop, lifts, drop)
        given = [intervals[name] for name in op.inputs]
        low, high, largest, apart = _bounds(step, given)
        slack = _slack(step, given, [slacks[name] for name in op.inputs])
        if drop:
            if largest.bit_length() > EXACT_QUOTIENT_BITS:
                raise ModelError(
                    f"{op.node}: values can reach 2^{largest.bit_length()}, and a rebase divides exactly up to "
                    f"2^{EXACT_QUOTIENT_BITS} (input scale {input_scale}, parameter scale {param_scale}, rebase "
                    f"{rebase}). Use smaller scales"
                )
            # Whatever quotient the circuit accepts is within these.
            low, high = (low >> drop) - 1, -(-high >> drop) + 1
            slack = (3 * (1 << drop) + 2 * slack) >> (drop + 1)
            # The remainder is taken apart, and the quotient too.
            apart = max(apart, 2 << drop, int(abs(low).max()), int(abs(high).max()))
        bound = max(bound, largest)
        if bound.bit_length() > most_bits:
            raise ModelError(
                f"{op.node}: values can reach 2^{bound.bit_length()}, and a circuit's integers end at 2^{MAX_BITS} "
                f"(input scale {input_scale}, parameter scale {param_scale}, inputs up to {clip}). Use smaller scales "
                "or a smaller clip; a model of many layers adds a parameter scale with each"
            )
        intervals[op.output], scales[op.output], shapes[op.output] = (low, high), step.scale, op.shape
        slacks[op.output] = slack
        reach = max(int(abs(low).max()), int(abs(high).max()))
        steps.append(replace(step, reach=reach, largest=int(largest), apart=int(apart)))
    output = aliases.get(program.output, program.output)
    if not steps:
        raise ModelError(f"at parameter scale {param_scale} the model is its own input; use a larger one")
    return Circuit(
        program,
        input_scale,
        param_scale,
        scales[output],
        clip,
        tuple(steps),
        integers,
        output,
        int(bound),
        decomposed(steps),
        decompositions(steps),
        rebase,
        int(slacks[output].max()),
    )


def decomposed(steps: Sequence[Step]) -> int:
    """Bounds what is taken apart in these steps; 0 if nothing is."""
    return max((step.apart for step in steps), default=0)


def decompositions(steps: Sequence[Step]) -> int:
    """Numbers that these steps take apart, per window."""
    return sum(math.prod(step.op.shape) * ((step.op.kind in DECOMPOSED) + (step.drop > 0)) for step in steps)


def _round(constant: Any, scale: int) -> Any:
    """Multiples of 2^-scale, as integers: rounded half away from zero, as ezkl does.

    The nearest 32-bit float comes first. A float of 2^23 or more at that scale is an integer already, a smaller one
    rounds to less than 2^24: so the rounded constant is a 32-bit float again, and the graph has it exactly.
    """
    import numpy as np

    scaled = constant.astype(np.float32).astype(np.float64) * 2.0**scale
    rounded = np.sign(scaled) * np.floor(np.abs(scaled) + 0.5)
    flat = [int(value) for value in rounded.ravel()]
    return np.array(flat, dtype=object).reshape(constant.shape)


def _neutral(
    op: Op,
    names: Sequence[str],
    integers: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    one: int,
) -> str | None:
    """The operand that a product with 1, or a sum with 0, returns: ezkl's reader of ONNX drops those, scale and all."""
    if op.kind not in ("Add", "Sub", "Mul"):
        return None
    for value, constant in ((names[0], names[1]), (names[1], names[0])):
        if constant not in integers or shapes.get(value) != op.shape or (op.kind == "Sub" and value != names[0]):
            continue
        neutral = one if op.kind == "Mul" else 0
        if (integers[constant] == neutral).all():
            return value
    return None


def _scaled(
    op: Op, constants: Mapping[str, Any], integers: Mapping[str, Any], scales: Mapping[str, int], param_scale: int
) -> tuple[Op, int, tuple[int, ...]]:
    """The operation with the scale of its result, and what its inputs are shifted by."""
    given = [scales[name] for name in op.inputs]
    if op.kind == "Mul":
        for value, constant in (op.inputs, op.inputs[::-1]):
            if constant not in integers:
                continue
            halvings = _halvings(constants[constant], integers[constant], param_scale)
            if halvings:
                # A power of two below 1 costs nothing: only the scale changes.
                return (
                    Op("Halve", (value,), op.output, op.node, op.shape, {"by": halvings}),
                    scales[value] + halvings,
                    (0,),
                )
            if not integers[constant].any():
                return Op("Sub", (value, value), op.output, op.node, op.shape), scales[value], (0, 0)
    if op.kind in _ALIGNED:
        most = max(given)
        return op, 0 if op.kind in COMPARISONS else most, tuple(most - each for each in given)
    if op.kind in ("Mul", "MatMul", "Conv"):
        return op, sum(given), (0,) * len(given)
    return op, given[0], (0,) * len(given)


def _halvings(constant: Any, integers: Any, param_scale: int) -> int:
    """h, if a product with this constant is one with 2^-h, h > 0; else 0.

    ezkl sees it before it rounds the constant: a power that is too small for the parameters' scale is exact, too.
    """
    if integers.size != 1:
        return 0
    mantissa, exponent = math.frexp(float(constant.ravel()[0]))
    if mantissa == 0.5 and exponent < 1:
        return 1 - exponent
    only = int(integers.ravel()[0])
    return param_scale - only.bit_length() + 1 if 0 < only < 1 << param_scale and only & (only - 1) == 0 else 0


# --- arithmetic ----------------------------------------------------------------------------------------------------


def _compute(step: Step, inputs: list[Any], multiply: Callable[[Any, Any], Any]) -> Any:
    """One operation on arrays whose axis 0 is the windows."""
    import numpy as np

    op = step.op
    values = [each * (1 << lift) if lift else each for each, lift in zip(inputs, step.lifts, strict=True)]
    if op.kind in _STRUCTURAL:
        return _STRUCTURAL[op.kind](op, values)
    first = values[0]
    match op.kind:
        case "Add":
            return first + values[1]
        case "Sub":
            return first - values[1]
        case "Mul":
            return first * values[1]
        case "MatMul":
            return multiply(first, values[1])
        case "Conv":
            return _convolve(first, values[1], op)
        case "Relu":
            return np.maximum(first, 0)
        case "Abs":
            return np.abs(first)
        case "ReduceSum":
            return first.sum(axis=op.attributes["axes"], keepdims=True)
    answer = _COMPARE[op.kind](first, values[1])
    return answer.astype(first.dtype) if first.dtype != object else np.where(answer.astype(bool), 1, 0).astype(object)


def _quotient(value: Any, drop: int) -> Any:
    """value / 2^drop to the nearest integer, halves away from zero."""
    import numpy as np

    if value.dtype == np.float64:
        return np.copysign(np.floor(np.abs(value) / 2.0**drop + 0.5), value)
    return np.where(value < 0, -1, 1) * ((np.abs(value) + (1 << (drop - 1))) >> drop)


def _product(left: Any, right: Any) -> Any:
    """A matrix product; of Python's integers by way of floats, digit by digit, so that each sum is exact below 2^53."""
    import numpy as np

    if left.dtype != object or left.size < _FEW * left.shape[-1]:
        return np.matmul(left, right)
    bits = (53 - left.shape[-1].bit_length()) // 2
    result: Any = 0
    for at, digits in enumerate(_digits(left, bits)):
        for over, others in enumerate(_digits(right, bits)):
            result = result + np.matmul(digits, others).astype(np.int64).astype(object) * (1 << bits * (at + over))
    return result


def _digits(values: Any, bits: int) -> list[Any]:
    """Floats d₀, d₁, … with values = Σ dᵢ 2^(i · bits), each of its value's sign."""
    import numpy as np

    sign, rest = np.where((values < 0).astype(bool), -1.0, 1.0), abs(values)
    found: list[Any] = []
    while not found or (rest > 0).any():
        found.append((rest & ((1 << bits) - 1)).astype(np.float64) * sign)
        rest = rest >> bits
    return found


_FEW = 8
"""Rows for which taking a matrix apart into digits takes longer than the product."""

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "Greater": lambda a, b: a > b,
    "Less": lambda a, b: a < b,
    "GreaterOrEqual": lambda a, b: a >= b,
    "LessOrEqual": lambda a, b: a <= b,
}


def _take(op: Op, values: list[Any]) -> Any:
    import numpy as np

    return np.take(values[0], op.attributes["indices"], axis=op.attributes["axis"])


def _join(op: Op, values: list[Any]) -> Any:
    import numpy as np

    return np.concatenate(values, axis=op.attributes["axis"])


_STRUCTURAL: dict[str, Callable[[Op, list[Any]], Any]] = {
    "Reshape": lambda op, values: values[0].reshape(len(values[0]), *op.shape[1:]),
    "Transpose": lambda op, values: values[0].transpose(op.attributes["perm"]),
    "Concat": _join,
    "Gather": _take,
    "Halve": lambda op, values: values[0],
}


def _convolve(value: Any, kernel: Any, op: Op) -> Any:
    """Cross-correlation [count, C, H, W] ⋆ [O, C, h, w], padded with zeros."""
    import numpy as np

    top, left, bottom, right = op.attributes["pads"]
    down, across = op.attributes["strides"]
    count, channels, height, width = value.shape
    # Not np.pad: among Python's integers it puts NumPy's, which overflow.
    padded = np.zeros((count, channels, height + top + bottom, width + left + right), dtype=value.dtype)
    padded[:, :, top : top + height, left : left + width] = value
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(2, 3))[:, :, ::down, ::across]
    return np.tensordot(views, kernel, axes=([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)


def _bounds(step: Step, inputs: list[tuple[Any, Any]]) -> tuple[Any, Any, int, int]:
    """Interval arithmetic: the least and largest result, the largest magnitude on the way, what is taken apart."""
    import numpy as np

    op = step.op
    lows, highs = ([side[at] * (1 << lift) for side, lift in zip(inputs, step.lifts, strict=True)] for at in (0, 1))
    apart = 0
    sizes = [np.maximum(abs(low), abs(high)) for low, high in zip(lows, highs, strict=True)]
    way = max(int(size.max()) for size in sizes)
    if op.kind in _STRUCTURAL:
        low, high = _STRUCTURAL[op.kind](op, lows), _STRUCTURAL[op.kind](op, highs)
    elif op.kind == "Add":
        low, high = lows[0] + lows[1], highs[0] + highs[1]
    elif op.kind == "Sub":
        same = op.inputs[0] == op.inputs[1]
        low, high = (lows[0] * 0, lows[0] * 0) if same else (lows[0] - highs[1], highs[0] - lows[1])
    elif op.kind == "Mul":
        corners = [a * b for a in (lows[0], highs[0]) for b in (lows[1], highs[1])]
        low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
        if op.inputs[0] == op.inputs[1]:
            low = np.maximum(low, 0)
    elif op.kind in ("MatMul", "Conv"):
        multiply = np.matmul if op.kind == "MatMul" else lambda a, b: _convolve(a, b, op)
        middle = _total(multiply, sizes)
        way = max(way, middle)
        if (lows[1] == highs[1]).all():
            up, down = np.maximum(lows[1], 0), np.minimum(lows[1], 0)
            low = multiply(lows[0], up) + multiply(highs[0], down)
            high = multiply(highs[0], up) + multiply(lows[0], down)
        else:
            high = multiply(sizes[0], sizes[1])
            low = -high
    elif op.kind == "ReduceSum":
        axes = op.attributes["axes"]
        way = max(way, int(sizes[0].sum(axis=axes).max()))
        low, high = lows[0].sum(axis=axes, keepdims=True), highs[0].sum(axis=axes, keepdims=True)
    elif op.kind == "Relu":
        low, high, apart = np.maximum(lows[0], 0), np.maximum(highs[0], 0), way
    elif op.kind == "Abs":
        straddles = (lows[0] < 0) & (highs[0] > 0)
        low = np.where(straddles.astype(bool), 0, np.minimum(abs(lows[0]), abs(highs[0])))
        high, apart = sizes[0], way
    else:
        apart = max(int(abs(highs[0] - lows[1]).max()), int(abs(lows[0] - highs[1]).max()))
        way = max(way, apart)
        low = np.zeros(op.shape, dtype=object)
        high = low + 1
    largest = max(way, int(abs(low).max()), int(abs(high).max()))
    return low, high, largest, apart


def _slack(step: Step, intervals: list[tuple[Any, Any]], slacks: list[Any]) -> Any:
    """How far each element of the result, not yet divided, can be from the reference's."""
    import numpy as np

    op = step.op
    given = [slack * (1 << lift) for slack, lift in zip(slacks, step.lifts, strict=True)]
    if op.kind in _STRUCTURAL:
        return _STRUCTURAL[op.kind](op, given)
    if op.kind in COMPARISONS:
        return np.where((given[0] + given[1] > 0).astype(bool), 1, 0).astype(object)
    if op.kind in ("Relu", "Abs"):
        return given[0]
    if op.kind == "ReduceSum":
        return given[0].sum(axis=op.attributes["axes"], keepdims=True)
    if op.kind in ("Add", "Sub"):
        same = op.kind == "Sub" and op.inputs[0] == op.inputs[1]
        return given[0] * 0 if same else given[0] + given[1]
    # Products. The intervals hold both the reference's values and the prover's: |ab − a'b'| ≤ |a| · δb + |b'| · δa.
    sizes = [
        np.maximum(abs(low), abs(high)) * (1 << lift) for (low, high), lift in zip(intervals, step.lifts, strict=True)
    ]
    if op.kind == "Mul":
        return sizes[0] * given[1] + sizes[1] * given[0]
    multiply = np.matmul if op.kind == "MatMul" else lambda a, b: _convolve(a, b, op)
    return multiply(sizes[0], given[1]) + multiply(given[0], sizes[1])


def _total(multiply: Callable[[Any, Any], Any], sizes: list[Any]) -> int:
    """The largest sum of magnitudes: what a partial sum can reach."""
    return int(multiply(sizes[0], abs(sizes[1])).max())


# --- the graph that ezkl reads -------------------------------------------------------------------------------------


class _Writer:
    """Writes a circuit as ONNX, with nothing in it that could be folded, rounded or dropped on the way."""

    def __init__(self, circuit: Circuit, batch: int) -> None:
        if batch < 1:
            raise ValueError(f"batch {batch} must be at least 1")
        self.circuit = circuit
        self.batch = batch
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}

    def serialise(self) -> bytes:
        import numpy as np
        import onnx
        from onnx import TensorProto, helper

        circuit, program = self.circuit, self.circuit.program
        value = "x"
        if circuit.input_scale:
            # Windows are integers: this is what they mean. It costs a row each in the circuit.
            self.initializers["unit"] = np.array([[2.0**-circuit.input_scale]], dtype=np.float32)
            value = self.node("Mul", [value, "unit"], "scaled")
        if len(program.input_shape) != 1:
            value = self.node("Reshape", [value, self.index("shape_x", (self.batch, *program.input_shape))], "shaped")
        names = {program.input: value}
        for step in circuit.steps:
            names[step.op.output] = self.step(step, [names.get(name, name) for name in step.op.inputs])
        result = names[circuit.output]
        if len(program.output_shape) != 1:
            result = self.node("Reshape", [result, self.index("shape_s", (self.batch, circuit.outputs))], "flat")
        self.rename(result)
        for name, constant in circuit.constants.items():
            if any(name in node.input for node in self.nodes):
                exact = constant.astype(np.float64) / 2.0**circuit.param_scale
                self.initializers[name] = exact.astype(np.float32)
        graph = helper.make_graph(
            self.nodes,
            "circuit",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [self.batch, circuit.features])],
            [helper.make_tensor_value_info("s", TensorProto.FLOAT, [self.batch, circuit.outputs])],
            [onnx.numpy_helper.from_array(array, name) for name, array in sorted(self.initializers.items())],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(proto)
        return bytes(proto.SerializeToString(deterministic=True))

    def rename(self, result: str) -> None:
        for node in self.nodes:
            for names in (node.input, node.output):
                for at, name in enumerate(names):
                    if name == result:
                        names[at] = "s"

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def index(self, name: str, values: Any) -> str:
        import numpy as np

        self.initializers[name] = np.array(values, dtype=np.int64)
        return name

    def step(self, step: Step, inputs: list[str]) -> str:
        import numpy as np

        op = step.op
        name, given = op.output, op.attributes
        match op.kind:
            case "Halve":
                rank = len(op.shape)
                self.initializers[f"{name}_by"] = np.full((1,) * rank, 2.0 ** -given["by"], dtype=np.float32)
                return self.node("Mul", [*inputs, f"{name}_by"], name)
            case "Reshape":
                shape = self.index(f"{name}_shape", (self.batch, *op.shape[1:]))
                return self.node("Reshape", [*inputs, shape], name)
            case "Gather":
                return self.node(
                    "Gather", [*inputs, self.index(f"{name}_at", given["indices"])], name, axis=given["axis"]
                )
            case "ReduceSum":
                return self.node("ReduceSum", [*inputs, self.index(f"{name}_axes", given["axes"])], name, keepdims=1)
            case "Conv":
                return self.node("Conv", inputs, name, strides=list(given["strides"]), pads=list(given["pads"]))
            case "Transpose" | "Concat":
                return self.node(op.kind, inputs, name, **{k: list(v) if k == "perm" else v for k, v in given.items()})
            case _ if op.kind in COMPARISONS:
                from onnx import TensorProto

                compared = self.node(op.kind, inputs, f"{name}_bool")
                return self.node("Cast", [compared], name, to=TensorProto.FLOAT)
        return self.node(op.kind, inputs, name)
