"""A builder of programs, with the few exact operations that every operator is written with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from oracle.proving.lowering.program import COMPARISONS, Op
from oracle.proving.lowering.ranges import Extent, extents, is_whole, range_of

_ELEMENTWISE = COMPARISONS | {"Add", "Sub", "Mul"}

LARGEST_VALUE = 1 << 23
"""The most numbers of a value. The largest circuits that a machine can prove have fewer cells."""

LARGEST_PROGRAM = 1 << 26
"""The most numbers of all results of a program's operations together."""

MOST_OPERATIONS = 1 << 16
"""The most operations of a program. A forest of a thousand trees has a tenth of them."""


@dataclass(frozen=True, slots=True)
class Var:
    """A value that depends on the input.

    In the program, axis 0 is the windows. If `shape` begins with 1, that axis is the windows'; otherwise the program
    has an axis for windows before those of `shape`.

    Attributes:
        name: Its name in the program.
        shape: Its shape in the model, which is given one window.
        low: No element is below it.
        high: No element is above it.
        whole: True if all elements are whole, whatever the window.
    """

    name: str
    shape: tuple[int, ...]
    low: float = -math.inf
    high: float = math.inf
    whole: bool = False


def placed(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape in the program of a value that has this shape in the model."""
    dims = tuple(int(dim) for dim in shape)
    return dims if dims[:1] == (1,) else (1, *dims)


class OperatorRefused(Exception):
    """An operator can't be lowered as it is used here.

    Args:
        what: What is wrong with it.
        change: What to change.
    """

    def __init__(self, what: str, change: str) -> None:
        super().__init__(what)
        self.what, self.change = what, change


class _Unknown:
    """A value that depends on a refused node. Nothing that follows from it is reported again."""


UNKNOWN = _Unknown()


class ProgramBuilder:
    """Collects the operations and constants of a program; operators call it.

    Args:
        segments: Pieces of the piecewise linear function that stands for a smooth activation.
        reserved: Names that no result may have.
        approximate: True if functions may be looked up where no exact circuit has them.

    Attributes:
        node: The ONNX node that is being lowered, as a person finds it in a viewer.
        opset: The version of its domain's operators.
        input_types: The ONNX types of the elements of its inputs; 0: unknown.
        output_count: Number of its outputs.
        ops: The operations so far, in order.
        constants: By name, float64.
        approximated: Nodes whose activation became piecewise linear.
        order_only: Why only the order of the outputs is that of the model, or "".
        winners: The tournaments whose winners' places some values are, by the values' names.
        labels: Values that say which of several numbers was chosen, by name, with the texts that they stand for.
        transformed: Scores whose transform was left off, by name, with the reason that only their order is known.
        quotients: Of some values, by their names, what was divided by which constant.
    """

    def __init__(self, segments: int, reserved: Sequence[str] = (), *, approximate: bool = False) -> None:
        self.segments = segments
        self.approximate = approximate
        self.reserved = frozenset(reserved)
        self.node = ""
        self.opset = 0
        self.input_types: tuple[int, ...] = ()
        self.output_count = 1
        self.ops: list[Op] = []
        self.constants: dict[str, np.ndarray] = {}
        self.approximated: list[str] = []
        self.order_only = ""
        self.winners: dict[str, Any] = {}
        self.labels: dict[str, tuple[str, ...]] = {}
        self.transformed: dict[str, str] = {}
        self.quotients: dict[str, tuple[Var, Any]] = {}
        self._is_selecting = False
        self._numbers = 0
        self._ranges: dict[str, tuple[float, float]] = {}
        self._extents: dict[str, Extent] = {}
        self._names: dict[tuple[Any, ...], str] = {}

    def emit(self, kind: str, *inputs: Any, shape: Sequence[int], **attributes: Any) -> Var:
        """Append an operation and return its result.

        Args:
            kind: One of `program.KINDS`.
            *inputs: Values or arrays; an array becomes a constant.
            shape: Shape of the result in the model.
            **attributes: See `Op`; axes are those of the model.

        Raises:
            OperatorRefused: A constant is not finite.
        """
        shape = tuple(int(dim) for dim in shape)
        if not self._is_apart(kind, inputs, shape, attributes):
            return self._append(kind, inputs, shape, shape, attributes)
        # Windows get an axis of their own, before all axes of the model.
        made = tuple(self._apart(kind, each, len(shape)) for each in inputs)
        moved = dict(attributes)
        if "axis" in moved:
            moved["axis"] += 1
        if "axes" in moved:
            moved["axes"] = tuple(axis + 1 for axis in moved["axes"])
        if "perm" in moved:
            moved["perm"] = (0, *(axis + 1 for axis in moved["perm"]))
        result = self._append(kind, made, (1, *shape), shape, moved)
        if placed(shape) == (1, *shape):
            return result
        return self._append("Reshape", (result,), shape, shape, {})

    @staticmethod
    def _is_apart(kind: str, inputs: Sequence[Any], shape: tuple[int, ...], attributes: dict[str, Any]) -> bool:
        """Return True if an operation needs an axis for windows beside those of the model."""
        if kind in ("Relu", "Abs", "Reshape", "Function"):
            return False
        touched = attributes.get("axis") == 0 or 0 in attributes.get("axes", ()) or attributes.get("perm", (0,))[0] != 0
        return touched or shape[:1] != (1,) or any(isinstance(each, Var) and each.shape[:1] != (1,) for each in inputs)

    def _apart(self, kind: str, each: Any, rank: int) -> Any:
        if not isinstance(each, Var):
            array = np.asarray(each, dtype=np.float64)
            return array.reshape((1,) * (1 + rank - array.ndim) + array.shape) if kind in _ELEMENTWISE else array
        padding = (1,) * (rank - len(each.shape)) if kind in _ELEMENTWISE or kind == "MatMul" else ()
        whole = (1, *padding, *each.shape)
        if whole == placed(each.shape):
            return each
        return self._append("Reshape", (each,), whole, whole, {})

    def _append(
        self,
        kind: str,
        inputs: Sequence[Any],
        shape: tuple[int, ...],
        seen: tuple[int, ...],
        attributes: dict[str, Any],
    ) -> Var:
        """Append an operation as the program has it, whose result has the shape `seen` in the model."""
        if math.prod(shape) > LARGEST_VALUE:
            raise OperatorRefused(
                f"it needs {math.prod(shape):,} numbers at once, and at most {LARGEST_VALUE:,} can be dealt with",
                "make its result smaller",
            )
        self._numbers += math.prod(shape)
        if self._numbers > LARGEST_PROGRAM or len(self.ops) >= MOST_OPERATIONS:
            raise OperatorRefused(
                f"with it, the model has more than {LARGEST_PROGRAM:,} numbers or {MOST_OPERATIONS:,} operations",
                "use a smaller model",
            )
        names = tuple(each.name if isinstance(each, Var) else self.constant(each) for each in inputs)
        output = f"v{len(self.ops)}"
        while output in self.reserved:
            output += "_"
        self.ops.append(Op(kind, names, output, self.node, placed(shape), attributes))
        reasons = [self.transformed[name] for name in names if name in self.transformed]
        if reasons and kind in COMPARISONS:
            reasons = [] if all(name in self.transformed for name in names) else reasons
        elif (
            reasons
            and not self._is_selecting
            and not self._scales(kind, inputs)
            and kind not in ("Reshape", "Gather", "Transpose", "Concat")
        ):
            raise OperatorRefused(
                f"it computes with scores of which {reasons[0]}", "export the scores without a transform"
            )
        if reasons:
            self.transformed[output] = reasons[0]
        low, high = range_of(kind, inputs, math.prod(shape), attributes)
        self._ranges[output] = low, high
        return Var(output, seen, low, high, is_whole(kind, inputs))

    @staticmethod
    def _scales(kind: str, inputs: Sequence[Any]) -> bool:
        """Return True if an operation multiplies by one positive number, which changes no order."""
        numbers = [np.asarray(each) for each in inputs if not isinstance(each, Var)]
        if kind != "Mul" or len(numbers) != 1:
            return False
        number = numbers[0].flat[0]
        return bool(number > 0 and (numbers[0] == number).all())

    @contextmanager
    def selecting(self) -> Iterator[None]:
        """Let operations choose among scores whose transform was left off: their order is that of the model."""
        before, self._is_selecting = self._is_selecting, True
        yield
        self._is_selecting = before

    def constant(self, value: Any) -> str:
        """Return the name of a constant; equal arrays share one.

        Raises:
            OperatorRefused: It has numbers that are not finite.
        """
        array = np.asarray(value, dtype=np.float64)
        if not (np.abs(array) <= np.finfo(np.float32).max).all():
            raise OperatorRefused(
                "it has constants that are NaN, infinite, or too large for 32 bits", "train or export the model again"
            )
        key = (array.shape, array.tobytes())
        if key not in self._names:
            self._names[key] = f"c{len(self.constants)}"
            self.constants[self._names[key]] = array
        return self._names[key]

    def binary(self, kind: str, left: Any, right: Any) -> Var:
        """Append Add, Sub, Mul or a comparison, of two values or of a value and a constant."""
        shape = np.broadcast_shapes(left.shape, right.shape)
        sides = []
        for side in (left, right):
            if not isinstance(side, Var):
                array = np.asarray(side, dtype=np.float64)
                # A constant of one number is not broadcast: each number costs rows.
                side = array.reshape((1,) * len(shape)) if array.size == 1 else array
            elif shape[:1] == (1,) and len(side.shape) != len(shape):
                side = self.reshape(side, (1,) * (len(shape) - len(side.shape)) + side.shape)
            sides.append(side)
        return self.emit(kind, *sides, shape=shape)

    def gather(self, value: Var, indices: Any, axis: int) -> Var:
        """Take elements along an axis, by their indices; negative ones count from the end.

        Raises:
            OperatorRefused: An index is out of range.
        """
        index = np.asarray(indices, dtype=np.int64)
        size = value.shape[axis]
        index = np.where(index < 0, index + size, index)
        if index.size and (index.min() < 0 or index.max() >= size):
            raise OperatorRefused(f"indices outside axis {axis} of size {size}", "export the model again")
        if index.ndim == 0:
            taken = self.gather(value, index.reshape(1), axis)
            return self.reshape(taken, (*value.shape[:axis], *value.shape[axis + 1 :]))
        shape = (*value.shape[:axis], *index.shape, *value.shape[axis + 1 :])
        return self.emit("Gather", value, shape=shape, axis=axis, indices=index)

    def reshape(self, value: Var, shape: Sequence[int]) -> Var:
        """Give a value another shape; nothing is appended if the program has it in that shape already."""
        new = tuple(int(dim) for dim in shape)
        if placed(new) == placed(value.shape):
            return replace(value, shape=new)
        result = self._append("Reshape", (value,), new, new, {})
        if value.name in self.winners:
            self.winners[result.name] = self.winners[value.name]
        if value.name in self.labels:
            self.labels[result.name] = self.labels[value.name]
        if value.name in self.quotients:
            self.quotients[result.name] = self.quotients[value.name]
        return result

    def extent(self, value: Var) -> Extent:
        """Return bounds on each element of a value, as arrays of its shape."""
        low, high = extents(value.name, self.ops, self.constants, self._ranges, self._extents)
        if low.size != math.prod(value.shape):
            low, high = np.full(value.shape, value.low), np.full(value.shape, value.high)
        low, high = np.maximum(low.reshape(value.shape), value.low), np.minimum(high.reshape(value.shape), value.high)
        return low, high

    def narrow(self, value: Var, low: np.ndarray, high: np.ndarray) -> Var:
        """Return a value of whose elements narrower bounds are known than follow from its operations."""
        shape = placed(value.shape)
        self._extents[value.name] = low.reshape(shape), high.reshape(shape)
        self._ranges[value.name] = float(low.min()), float(high.max())
        return replace(value, low=float(low.min()), high=float(high.max()))

    def transpose(self, value: Var, perm: Sequence[int]) -> Var:
        """Put a value's axes in another order."""
        if tuple(perm) == tuple(range(len(value.shape))):
            return value
        return self.emit("Transpose", value, shape=[value.shape[axis] for axis in perm], perm=tuple(perm))

    def zeros(self, like: Var, shape: Sequence[int]) -> Var:
        """Append zeros that are computed from some value: a constant zero would be hashed with the weights."""
        first = self.gather(self.reshape(like, (1, math.prod(like.shape))), np.zeros(math.prod(shape), np.int64), 1)
        return self.reshape(self.binary("Sub", first, first), shape)

    def known(self, like: Var, array: Any) -> Var:
        """Append a value that is a constant, computed from some value."""
        numbers = np.asarray(array, dtype=np.float64)
        return self.binary("Add", self.zeros(like, numbers.shape), numbers)

    def nonzero(self, value: Var) -> Var:
        """Append 1 where a value is not 0, and 0 where it is: |x| > 0."""
        zero = self.binary("Sub", value, value)
        return self.binary("Greater", self.emit("Abs", value, shape=value.shape), zero)

    def relu(self, value: Var) -> Var:
        """Append max(x, 0)."""
        return self.emit("Relu", value, shape=value.shape)

    def maximum(self, left: Any, right: Any) -> Any:
        """Append max(a, b) = b + relu(a − b)."""
        if not isinstance(left, Var):
            left, right = right, left
        if not isinstance(right, Var) and not right.any():
            return self.relu(left)
        return self.binary("Add", self.relu(self.binary("Sub", left, right)), right)

    def minimum(self, left: Any, right: Any) -> Any:
        """Append min(a, b) = a − relu(a − b)."""
        if not isinstance(left, Var):
            left, right = right, left
        return self.binary("Sub", left, self.relu(self.binary("Sub", left, right)))

    def piecewise(self, value: Var, points: Sequence[tuple[float, float]], left: float, right: float) -> Var:
        """Append a continuous piecewise linear function.

        Args:
            value: Its argument.
            points: The corners, (x, y) from left to right.
            left: The slope to the left of the first corner.
            right: The slope to the right of the last corner.
        """
        (x0, y0), slope = points[0], left
        corners, changes = [], []
        for (xa, ya), (xb, yb) in pairwise(points):
            steeper = (yb - ya) / (xb - xa)
            corners.append(xa)
            changes.append(steeper - slope)
            slope = steeper
        corners.append(points[-1][0])
        changes.append(right - slope)
        flat = math.prod(value.shape)
        column = self.reshape(value, (1, flat, 1))
        above = self.relu(self.binary("Sub", column, np.array(corners).reshape(1, 1, -1)))
        total = self.emit("MatMul", above, np.array(changes).reshape(-1, 1), shape=(1, flat, 1), slopes=True)
        total = self.binary("Add", total, np.array([[[y0 - left * x0]]]))
        if left:
            total = self.binary("Add", total, self.binary("Mul", column, np.array([[[left]]])))
        return self.reshape(total, value.shape)


def as_var(value: Any, what: str) -> Var:
    """Return an argument that must depend on the input; `what` names it in the refusal."""
    if isinstance(value, Var):
        return value
    raise OperatorRefused(f"its {what} must depend on the input", "export the model with constants folded")


def as_constant(value: Any, what: str) -> Any:
    """Return an argument that must be constant; `what` names it in the refusal."""
    if isinstance(value, Var) or value is None:
        raise OperatorRefused(f"its {what} must be constant", "export the model with constants folded")
    return value


def axis_of(axis: int, rank: int) -> int:
    """Return the index of an axis that may be counted from the end."""
    return axis + rank if axis < 0 else axis
