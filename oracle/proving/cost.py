"""The cost model of a circuit: rows, k, proof, gas, time and memory, estimated before any key is made.

The counts of rows are those of the circuit without its keys. Times and memory are estimates, from measurements on a
machine of 2024. They rank settings well, and promise nothing about another machine: `oracle bench` measures how far off
they are (`docs/performance.md`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oracle.proving.lowering.program import CHECKED, COMPARISONS, DECOMPOSED, FUNCTION, Op, Program

HASH_ROWS = 41
"""Rows of the hash for each private weight. They lie beside the model's own rows."""

BLINDING_ROWS = 6
"""Rows of a circuit's 2^k that blind its columns and hold nothing. The settings' count of rows does not have them."""

_DIGIT_ROWS = 3
_DECOMPOSITION_ROWS = {"Relu": 10, "Abs": 5} | dict.fromkeys(COMPARISONS, 23)
"""Rows of a number that is taken apart: this many per digit, and these beside them. Counted in ezkl's settings."""

_CHECKED_ROWS = 110
"""Rows of a reciprocal or a root beside those of the digits of the six numbers that it takes apart."""

_BYTES = 37 << 20
_SECONDS = 4.5e-4
_GROWTH = 0.85
"""Time grows with 2^k to this power, from k = 6 to 14: multi-scalar multiplication is cheaper per point if there are
many."""

_GAS, _GAS_PER_BYTE, _GAS_PER_INSTANCE, _GAS_OF_HASH = 136_000, 128, 650, 18_000


@dataclass(frozen=True, slots=True)
class _Shape:
    """The costs of one kind of circuit, measured with one thread, in processor time, on models of `oracle.bench.zoo`.

    Attributes:
        proof_bytes: Length of a proof.
        folded_bytes: Bytes that a proof has in addition if ezkl folds the circuit's columns.
        work: Work of a proof, per (2^k)^`_GROWTH`: a public circuit without digits, of one column, is 1.
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

_TABLE_BYTES = (320, 576, 800)
"""Bytes that each function's table adds to a proof, with one inner column, two and three: a lookup in every column."""

_FOLDED = 0.6
"""Share of a second column, by which folding raises time and memory."""

FOLD_MARGIN = 6
"""ezkl folds columns unless more rows than this are free."""

LARGEST_PROOF = 6_500
"""Bytes. The verifier of a proof of 7,552 bytes has 26 kB of code, more than a chain takes (EIP-170); that of 4,928 has
21 kB."""

COLUMNS = (1, 2, 3)
"""Inner columns that are tried: rows are spread on them, and each makes a row dearer."""

MIN_K = 6
"""The least k: a smaller circuit proves no faster, and is folded."""

MAX_K = 26
"""The k of the public ceremony's largest SRS."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated cost of one proof.

    Attributes:
        rows: Rows of the circuit.
        k: 2^k rows are paid for.
        proof_bytes: Length of the proof.
        gas: Gas of a transaction that verifies it.
        seconds: Time of a proof.
        memory: Bytes that a proving process takes.
    """

    rows: int
    k: int
    proof_bytes: int
    gas: int
    seconds: float
    memory: int


def estimate(
    rows: int,
    *,
    instances: int,
    private: bool,
    lookups: bool,
    columns: int = 1,
    table: int = 0,
    tables: int = 0,
    k: int = 0,
) -> Estimate:
    """Estimate the cost of a circuit.

    Args:
        rows: Rows of the circuit, the hash included.
        instances: Public integers.
        private: True if the weights are hashed.
        lookups: True if anything is taken apart into digits.
        columns: Inner columns.
        table: Rows of the lookup table.
        tables: Tables of functions; see `tables_of`.
        k: The circuit has at least 2^k rows.
    """
    k = max(least_k(rows, table), MIN_K, k)
    shape = _SHAPES[private, lookups][min(columns, len(_SHAPES[private, lookups])) - 1]
    # A circuit that is nearly full is folded into twice the columns.
    folded = rows + FOLD_MARGIN >= 1 << k
    size = shape.proof_bytes + folded * shape.folded_bytes + tables * _TABLE_BYTES[columns - 1]
    return Estimate(
        rows,
        k,
        size,
        _GAS + _GAS_PER_BYTE * size + _GAS_PER_INSTANCE * instances + _GAS_OF_HASH * private,
        _SECONDS * shape.work * (1 + _FOLDED * folded) * float(1 << k) ** _GROWTH,
        int(_BYTES + shape.row_bytes * (1 + _FOLDED * folded) * (1 << k)),
    )


def tables_of(ops: Iterable[Op]) -> int:
    """Return how many tables the functions among some operations have: one each, and one for all that are checked."""
    names = {op.attributes["name"] for op in ops if op.kind == FUNCTION}
    return len(names - CHECKED) + bool(names & CHECKED)


def least_k(rows: int, table: int) -> int:
    """Return the least k that may hold a circuit of this many rows, with a lookup table of this many rows.

    If k is too small all the same, the set-up refuses it.
    """
    return (max(rows, table) + BLINDING_ROWS - 1).bit_length()


def gas_of_bytes(count: int) -> int:
    """Return the gas of this many bytes of proof, calldata and arithmetic together."""
    return _GAS_PER_BYTE * count


def approximate_rows(
    program: Program, *, private: bool, legs: int = 4, columns: int = 1, windows: int = 1, scaled: bool = True
) -> int:
    """Estimate the rows of a circuit, to about a tenth, without asking ezkl: it needs much memory for a large model.

    Args:
        program: The lowered model.
        private: True if the weights' hash is in the circuit.
        legs: Digits of each number that is taken apart.
        columns: Inner columns, on which the model's rows are spread; the hash is beside them.
        windows: Windows in one circuit.
        scaled: True if inputs have a scale above 0.
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
    """Return the rows of one operation, without those of digits, and how many numbers it takes apart."""
    size = math.prod(op.shape)
    if op.kind == "MatMul":
        return size * shapes[op.inputs[0]][-1], 0
    if op.kind == "Conv":
        return size * (1 + math.prod(shapes[op.inputs[1]][1:])), 0
    # Gathering one number becomes a slice when the graph is read; gathering several has no rows.
    if op.kind == "ReduceSum" or (op.kind == "Gather" and len(op.attributes["indices"]) == 1):
        # As many rows as numbers that it reads.
        return math.prod(shapes[op.inputs[0]]), 0
    if op.kind in ("Add", "Sub", "Mul"):
        return size, 0
    if op.kind == FUNCTION:
        # Its argument is kept within a domain by two ReLUs.
        checked = op.attributes["name"] in CHECKED
        return size * (1 + 2 * _DECOMPOSITION_ROWS["Relu"] + checked * _CHECKED_ROWS), size * (2 + 6 * checked)
    if op.kind in DECOMPOSED:
        return size * _DECOMPOSITION_ROWS[op.kind], size
    return 0, 0


def digit_rows(legs: int) -> int:
    """Return the rows of the digits of one number."""
    return _DIGIT_ROWS * legs
