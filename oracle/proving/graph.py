"""What a model will cost and why it can't be proven, told before any key is made.

The counts of rows are those of the circuit without its keys; times and memory are estimates, from measurements on two
cores of a machine of 2024 (`docs/performance.md`). They rank settings well, and promise nothing about another machine.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oracle.errors import ModelError
from oracle.proving.lowering import DECOMPOSED, DEFAULT_SEGMENTS, Op, Problem, Program, lower, read_model

HASH_ROWS = 41
"""Rows of the hash per private weight; they lie beside the model's own rows."""

_LIMB_ROWS, _DECOMPOSITION_ROWS = 4, 6
_SECONDS, _SECONDS_PER_ROW = 0.02, 1.5e-4
_BYTES, _BYTES_PER_ROW = 35 << 20, 6_500
_GAS, _GAS_PER_BYTE, _GAS_PER_INSTANCE, _GAS_OF_HASH = 166_000, 117, 1_000, 31_000
_PROOF_BYTES = {
    # (private, lookups, columns): measured
    (False, False, 1): 1_856,
    (False, False, 2): 2_112,
    (False, True, 1): 1_952,
    (False, True, 2): 3_072,
    (True, False, 1): 2_336,
    (True, False, 2): 2_752,
    (True, True, 1): 2_912,
    (True, True, 2): 3_840,
}
FOLD_MARGIN = 19
"""Rows that are to be free, if ezkl is not to fold columns."""

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
    size = _PROOF_BYTES[private, lookups, min(2, columns)] + (columns - 2) * 900 * (columns > 2)
    if rows + FOLD_MARGIN > 1 << k:
        # A circuit that is nearly full is folded into more columns.
        size += 1_100
    wide = 1 + 0.25 * (columns - 1)
    return Estimate(
        rows,
        k,
        size,
        _GAS + _GAS_PER_BYTE * size + _GAS_PER_INSTANCE * instances + _GAS_OF_HASH * private,
        _SECONDS + _SECONDS_PER_ROW * (1 << k) * wide * (1.65 if private else 1.0),
        int(_BYTES + _BYTES_PER_ROW * (1 << k) * wide * (2.5 if private else 1.0)),
    )


def gas_of_bytes(count: int) -> int:
    """What so many bytes of proof cost, calldata and arithmetic together."""
    return _GAS_PER_BYTE * count


def approximate_rows(program: Program, *, private: bool, legs: int = 4) -> int:
    """Rows without asking ezkl, which needs memory itself for a large model: good to about a fifth."""
    shapes: dict[str, tuple[int, ...]] = {name: array.shape for name, array in program.constants.items()}
    shapes[program.input] = (1, *program.input_shape)
    rows = 0
    for op in program.ops:
        shapes[op.output] = op.shape
        arithmetic, apart = op_rows(op, shapes)
        rows += arithmetic + apart * digit_rows(legs)
    return max(rows, HASH_ROWS * program.weights if private else 0)


def op_rows(op: Op, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, int]:
    """Rows of one operation's arithmetic, and how many numbers it takes apart."""
    size = math.prod(op.shape)
    if op.kind == "MatMul":
        return size * shapes[op.inputs[0]][-1], 0
    if op.kind == "Conv":
        return size * math.prod(shapes[op.inputs[1]][1:]), 0
    if op.kind == "ReduceSum":
        return math.prod(shapes[op.inputs[0]]), 0
    if op.kind in ("Add", "Sub", "Mul"):
        return size, 0
    return 0, size if op.kind in DECOMPOSED else 0


def digit_rows(legs: int) -> int:
    """Rows that one number takes that is taken apart."""
    return _DECOMPOSITION_ROWS + _LIMB_ROWS * legs


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
