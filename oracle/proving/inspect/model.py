"""A report on an ONNX file: its operators, why it can't be proven, and what proofs of it would cost."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from oracle.core.errors import ModelError
from oracle.proving.cost import COLUMNS, LARGEST_PROOF, MAX_K, Estimate, approximate_rows, estimate, tables_of
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.program import DECOMPOSED, DEFAULT_SEGMENTS, FUNCTION, Problem, Program, told


class ModelTooLarge(ModelError):
    """One circuit of the model takes more memory than allowed, or more rows than there are: it can be split."""


@dataclass(frozen=True, slots=True)
class GraphReport:
    """A report on an ONNX file.

    Attributes:
        name: The file's name.
        operators: How often each operator occurs.
        problems: Reasons why the model can't be proven; empty if it can.
        program: The lowered model; None if there are problems.
        public: Estimated cost with public weights; None if the model can't be lowered.
        private: Estimated cost with private weights; None if the model can't be lowered.
        is_too_large: True if all that is wrong is the memory or the rows that one circuit would take.
    """

    name: str
    operators: Mapping[str, int]
    problems: Sequence[Problem]
    program: Program | None
    public: Estimate | None
    private: Estimate | None
    is_too_large: bool = False

    def document(self) -> dict[str, Any]:
        """Return the report as JSON."""
        program = self.program
        return {
            "name": self.name,
            "operators": dict(self.operators),
            "problems": [asdict(problem) for problem in self.problems],
            "features": program and program.features,
            "inputs": {each.name: list(each.shape) for each in program.inputs} if program else {},
            "outputs": program and program.outputs,
            "weights": program and program.weights,
            "activation_left_off": program and program.dropped,
            "piecewise_linear": list(program.approximated) if program else [],
            "looked_up": list(program.looked_up) if program else [],
            "notes": list(program.notes) if program else [],
            "public": self.public and asdict(self.public),
            "private": self.private and asdict(self.private),
        }


def inspect_onnx(
    data: bytes,
    name: str = "model",
    *,
    output: str | None = None,
    segments: int = DEFAULT_SEGMENTS,
    keep_activation: bool = False,
    memory: int | None = None,
    whole: bool = True,
    sample: Sequence[int] | None = None,
    approximate: bool = False,
    exact: bool = True,
) -> GraphReport:
    """Report on an ONNX file, without making any key or circuit.

    Args:
        data: The file.
        name: Name for messages.
        output: The output that is published; needed if there are several.
        segments: Pieces of the piecewise linear function that stands for a smooth activation.
        keep_activation: Keep a final monotone activation.
        memory: Bytes that proving may take; None: as much as the machine has.
        whole: True if one circuit is to hold the whole model.
        sample: Shape of one sample, which sizes that the model leaves open are taken from.
        approximate: If the model can't be lowered exactly, look functions up.
        exact: False: with `approximate`, look functions up wherever a table has them.

    Raises:
        ModelError: It is not an ONNX file. Everything else is a problem in the report.
    """
    model = read_model(data, name)
    operators = collections.Counter(node.op_type for node in model.graph.node)
    options: dict[str, Any] = {
        "output": output,
        "segments": segments,
        "keep_activation": keep_activation,
        "sample": sample,
    }
    program, problems = lower(model, **options) if exact or not approximate else (None, [])
    if program is None and approximate:
        program, problems = lower(model, **options, approximate=True)
    if program is None:
        return GraphReport(name, operators, problems, None, None, None)
    costs = _cost(program, False), _cost(program, True)
    if whole and not fits(costs[0], memory):
        # More columns may hold it: tuning tries them, too.
        others = (_cost(program, False, columns) for columns in COLUMNS[1:])
        possible = [costs[0], *(each for each in others if each.proof_bytes <= LARGEST_PROOF)]
        problems = _too_large(program, min(possible, key=lambda each: each.memory), memory)
    return GraphReport(name, operators, problems, None if problems else program, *costs, bool(problems))


def _cost(program: Program, private: bool, columns: int = 1) -> Estimate:
    lookups = any(op.kind in DECOMPOSED or op.kind == FUNCTION for op in program.ops)
    return estimate(
        approximate_rows(program, private=private, columns=columns),
        instances=program.features + program.outputs + private,
        private=private,
        lookups=lookups,
        columns=columns,
        table=128 * lookups,
        tables=tables_of(program.ops),
    )


def fits(cost: Estimate, memory: int | None = None) -> bool:
    """Return True if this machine can prove a circuit of an estimated cost, with as much memory as is allowed."""
    return not _cost_problem(cost, memory)


def require_provable(report: GraphReport) -> Program:
    """Return the report's program.

    Raises:
        ModelTooLarge: No circuit that may be built holds the model.
        ModelError: The report has other problems. The message has all of them, with nodes and what to change.
    """
    if report.problems or report.program is None:
        lines = told(report.problems)
        count = len(lines)
        listed = "; ".join(f"({at}) {line}" for at, line in enumerate(lines, 1))
        refusal = ModelTooLarge if report.is_too_large else ModelError
        raise refusal(f"{report.name} can't be proven as it is, for {count} reason{'s' * (count > 1)}: {listed}")
    return report.program


def check_cost(cost: Estimate, memory: int | None = None) -> None:
    """Refuse a circuit that this machine can't prove.

    Raises:
        ModelTooLarge: The circuit needs more memory than allowed, or more rows than there are.
    """
    problem = _cost_problem(cost, memory)
    if problem:
        raise ModelTooLarge(f"the circuit is too large: {problem}")


def _cost_problem(cost: Estimate, memory: int | None) -> str:
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
