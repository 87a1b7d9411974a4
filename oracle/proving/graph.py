"""What a model will cost and why it can't be proven, told before any key is made.

The counts of rows are those of the circuit without its keys; times and memory are estimates, from measurements on a
machine of 2024. They rank settings well, and promise nothing about another machine: `oracle bench` measures how far off
they are (`docs/performance.md`).
"""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oracle.core.errors import ModelError
from oracle.proving.lowering import DECOMPOSED, DEFAULT_SEGMENTS, Op, Problem, Program, lower, read_model

HASH_ROWS = 41
"""Rows of the hash per private weight; they lie beside the model's own rows."""

_DIGIT_ROWS = 3
_DECOMPOSITION_ROWS = {"Relu": 10, "Abs": 5, "Greater": 18, "Less": 18, "GreaterOrEqual": 19, "LessOrEqual": 19}
"""Rows of a number that is taken apart: as many per digit, and these beside them. Counted in ezkl's settings."""

_BYTES = 37 << 20
_SECONDS = 4.5e-4
_GROWTH = 0.85
"""Time grows with 2^k to this power, from k = 6 to 14: multi-scalar multiplication is cheaper per point if there are
many."""

_GAS, _GAS_PER_BYTE, _GAS_PER_INSTANCE, _GAS_OF_HASH = 136_000, 128, 650, 18_000


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a kind of circuit costs: measured with one thread, in processor time, on models of `oracle.bench.zoo`.

    Attributes:
        proof_bytes: Of its proofs.
        folded_bytes: What they have in addition if ezkl folds the circuit's columns.
        work: Of a proof, per (2^k)^`_GROWTH`: a public circuit without digits, of one column, is 1.
        row_bytes: Memory per row.
    """

    proof_bytes: int
    folded_bytes: int
    work: float
    row_bytes: int


_SHAPES = {
    # (private, digits): with one inner column, two and three
    (False, False): (
        _Shape(1_856, 1_088, 1.0, 6_000),
        _Shape(2_112, 1_472, 1.4, 8_000),
        _Shape(2_560, 1_856, 1.7, 10_000),
    ),
    (False, True): (
        _Shape(1_952, 1_184, 1.33, 6_500),
        _Shape(3_072, 2_112, 2.0, 9_900),
        _Shape(4_160, 3_392, 2.65, 13_300),
    ),
    (True, False): (
        _Shape(2_336, 1_088, 1.9, 14_000),
        _Shape(2_752, 1_472, 2.2, 17_500),
        _Shape(3_328, 1_856, 2.5, 21_000),
    ),
    (True, True): (
        _Shape(2_912, 1_184, 2.6, 16_300),
        _Shape(3_840, 2_112, 3.5, 21_700),
        _Shape(4_928, 3_392, 4.2, 27_000),
    ),
}
"""A fourth column raises the degree of the circuit, and doubles all of it."""

_FOLDED = 0.6
"""What folding adds to time and memory: a second column's share."""

FOLD_MARGIN = 6
"""More rows than so many must be free, if ezkl is not to fold columns."""

LARGEST_PROOF = 6_500
"""Bytes. A verifier of 7,552 has 26 kB of code, more than a chain takes (EIP-170); of 4,928 it has 21 kB."""

MIN_K = 6
"""A smaller circuit proves no faster, and is folded."""

MAX_K = 26
"""The public ceremony's largest string."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one window costs.

    Attributes:
        rows: Of the circuit.
        k: 2^k rows are paid for.
        proof_bytes: Of the proof.
        gas: Of a transaction that verifies it.
        seconds: Of a proof.
        memory: Bytes, of a proving process.
    """

    rows: int
    k: int
    proof_bytes: int
    gas: int
    seconds: float
    memory: int


def estimate(
    rows: int, *, instances: int, private: bool, lookups: bool, columns: int = 1, table: int = 0, k: int = 0
) -> Estimate:
    """The cost model.

    Args:
        rows: Of the circuit, hash included.
        instances: Public integers.
        private: Weights are hashed.
        lookups: Whether anything is taken apart into digits.
        columns: Inner columns.
        table: Rows of the lookup table.
        k: At least this one.
    """
    from oracle.proving.artifact import least_k

    k = max(least_k(rows, table), MIN_K, k)
    shape = _SHAPES[private, lookups][min(columns, len(_SHAPES[private, lookups])) - 1]
    # A circuit that is nearly full is folded into twice the columns.
    folded = rows + FOLD_MARGIN >= 1 << k
    size = shape.proof_bytes + folded * shape.folded_bytes
    return Estimate(
        rows,
        k,
        size,
        _GAS + _GAS_PER_BYTE * size + _GAS_PER_INSTANCE * instances + _GAS_OF_HASH * private,
        _SECONDS * shape.work * (1 + _FOLDED * folded) * float(1 << k) ** _GROWTH,
        int(_BYTES + shape.row_bytes * (1 + _FOLDED * folded) * (1 << k)),
    )


def gas_of_bytes(count: int) -> int:
    """What so many bytes of proof cost, calldata and arithmetic together."""
    return _GAS_PER_BYTE * count


def approximate_rows(
    program: Program, *, private: bool, legs: int = 4, columns: int = 1, windows: int = 1, scaled: bool = True
) -> int:
    """Rows without asking ezkl, which needs memory itself for a large model: good to about a tenth.

    Args:
        program: The lowered model.
        private: Whether the weights' hash is in the circuit.
        legs: Digits of what is taken apart.
        columns: Inner columns, on which the model's rows are spread; the hash is beside them.
        windows: In one circuit.
        scaled: Whether inputs have a scale above 0.
    """
    shapes: dict[str, tuple[int, ...]] = {name: array.shape for name, array in program.constants.items()}
    shapes[program.input] = (1, *program.input_shape)
    # Each input and output has a row; so has the scaling of each input.
    rows = (1 + scaled) * program.features + program.outputs
    for op in program.ops:
        shapes[op.output] = op.shape
        arithmetic, apart = op_rows(op, shapes)
        rows += arithmetic + apart * digit_rows(legs)
    return max(math.ceil(rows * windows / columns), HASH_ROWS * program.weights if private else 0)


def op_rows(op: Op, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, int]:
    """Rows of one operation, less the digits', and how many numbers it takes apart."""
    size = math.prod(op.shape)
    if op.kind == "MatMul":
        return size * shapes[op.inputs[0]][-1], 0
    if op.kind == "Conv":
        return size * (1 + math.prod(shapes[op.inputs[1]][1:])), 0
    # Of one number, gathering becomes a slice when the graph is read; of several, it has no rows.
    if op.kind == "ReduceSum" or (op.kind == "Gather" and len(op.attributes["indices"]) == 1):
        # What it reads.
        return math.prod(shapes[op.inputs[0]]), 0
    if op.kind in ("Add", "Sub", "Mul"):
        return size, 0
    if op.kind in DECOMPOSED:
        return size * _DECOMPOSITION_ROWS[op.kind], size
    return 0, 0


def digit_rows(legs: int) -> int:
    """Rows of the digits of one number."""
    return _DIGIT_ROWS * legs


@dataclass(frozen=True, slots=True)
class GraphReport:
    """What is in an ONNX file, and whether it can be proven.

    Attributes:
        name: Of the file.
        operators: How often each occurs.
        problems: Why it can't be proven; empty if it can.
        program: The lowered model; None if there are problems.
        public: Estimate with public weights, likewise.
        private: Estimate with private weights, likewise.
    """

    name: str
    operators: Mapping[str, int]
    problems: Sequence[Problem]
    program: Program | None
    public: Estimate | None
    private: Estimate | None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        program = self.program
        return {
            "name": self.name,
            "operators": dict(self.operators),
            "problems": [asdict(problem) for problem in self.problems],
            "features": program and program.features,
            "outputs": program and program.outputs,
            "weights": program and program.weights,
            "activation_left_off": program and program.dropped,
            "piecewise_linear": list(program.approximated) if program else [],
            "public": self.public and asdict(self.public),
            "private": self.private and asdict(self.private),
        }


def inspect(
    data: bytes,
    name: str = "model",
    *,
    output: str | None = None,
    segments: int = DEFAULT_SEGMENTS,
    keep_activation: bool = False,
    memory: int | None = None,
    whole: bool = True,
) -> GraphReport:
    """Looks at an ONNX file, without any key or circuit.

    Args:
        data: The file.
        name: For messages.
        output: The one that is published.
        segments: Of a smooth activation.
        keep_activation: Keep a final monotone activation.
        memory: Bytes that proving may take; None: as the machine has.
        whole: Whether one circuit is to hold it all.

    Raises:
        ModelError: It is no ONNX file. Everything else is a problem in the report.
    """
    model = read_model(data, name)
    operators = collections.Counter(node.op_type for node in model.graph.node)
    program, problems = lower(model, output=output, segments=segments, keep_activation=keep_activation)
    if program is None:
        return GraphReport(name, operators, problems, None, None, None)
    lookups = any(op.kind in DECOMPOSED for op in program.ops)
    costs = {}
    for private in (False, True):
        rows = approximate_rows(program, private=private)
        instances = program.features + program.outputs + private
        costs[private] = estimate(rows, instances=instances, private=private, lookups=lookups, table=128 * lookups)
    problems = _too_large(program, costs[False], memory) if whole else []
    return GraphReport(name, operators, problems, None if problems else program, costs[False], costs[True])


def check(report: GraphReport) -> Program:
    """The report's program.

    Raises:
        ModelError: It has problems: all of them, each with its node and what to change.
    """
    if report.problems or report.program is None:
        count = len(report.problems)
        listed = "; ".join(f"({at}) {problem}" for at, problem in enumerate(report.problems, 1))
        raise ModelError(f"{report.name} can't be proven as it is, for {count} reason{'s' * (count > 1)}: {listed}")
    return report.program


def check_cost(cost: Estimate, memory: int | None = None) -> None:
    """Refuses a circuit that this machine can't prove.

    Raises:
        ModelError: It needs more memory, or more rows than there are.
    """
    problem = _cost_problem(cost, memory)
    if problem:
        raise ModelError(f"the circuit is too large: {problem}")


def _cost_problem(cost: Estimate, memory: int | None) -> str:
    import psutil

    limit = psutil.virtual_memory().total if memory is None else memory
    told = f"{cost.rows:,} rows (k = {cost.k}), about {cost.memory / 2**30:.1f} GiB and {cost.seconds:,.0f} s a proof"
    if cost.k > MAX_K:
        return f"{told}; there are no more than 2^{MAX_K} rows"
    return f"{told}; there are {limit / 2**30:.1f} GiB" if cost.memory > limit else ""


def _too_large(program: Program, cost: Estimate, memory: int | None) -> list[Problem]:
    told = _cost_problem(cost, memory)
    if not told:
        return []
    largest = max(program.constants.items(), key=lambda item: item[1].size, default=None)
    where = "the graph"
    if largest is not None:
        where = next(op.node for op in program.ops if largest[0] in op.inputs)
    return [
        Problem(
            where,
            f"the model is too large: {told}",
            "use smaller layers, or --split; this one has most weights",
        )
    ]


def read_file(path: Path) -> bytes:
    """An ONNX file's content.

    Raises:
        ModelError: It can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}") from error
