"""Tests of the encoding: the shared vectors, and properties against independent arithmetic (exact fractions)."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from oracle.core import encoding
from oracle.core.encoding import (
    CLIP,
    FIELD_MODULUS,
    GAP_ONE,
    INT128_MAX,
    SCORE_RATIO_MAX,
    SCORE_UNIT_BITS,
    answer_from_decimal,
    clip,
    decimal_from_answer,
    from_field,
    gap,
    instances,
    is_score_unit,
    move,
    score_ratio,
    to_field,
    truncated_quotient,
)
from oracle.core.errors import DataError
from oracle.core.types import Kind

answers = st.integers(-INT128_MAX - 1, INT128_MAX)
prices = st.integers(1, INT128_MAX)
sigmas = st.integers(1, 2**64 - 1)
times = st.integers(0, 2**32 - 1)
heartbeats = st.integers(1, 2**32 - 1)
circuit_integers = st.integers(-INT128_MAX, INT128_MAX)
moves = st.integers(-CLIP, CLIP)

Rows = Callable[..., list[tuple[int, ...]]]

BN254_ORDER = "21888242871839275222246405745257275088548364400416034343698204186575808495617"
"""As EIP-197 writes it."""


# --- shared vectors ---


@pytest.mark.parametrize("name", ["make_vectors.py", "make_lives.py"])
def test_the_vectors_are_those_that_the_script_writes(project_root: Path, name: str) -> None:
    script = project_root / "scripts" / name
    checked = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, f"run `python scripts/{name}`: {checked.stderr}"


def test_the_check_of_the_vectors_can_fail(project_root: Path, tmp_path: Path) -> None:
    changed = tmp_path / "features.json"
    text = (project_root / "tests/vectors/features.json").read_text(encoding="utf-8")
    changed.write_text(text.replace("32767", "32766", 1), encoding="utf-8")
    code = (
        "import runpy, sys, pathlib;"
        f"module = runpy.run_path({str(project_root / 'scripts/make_vectors.py')!r});"
        f"module['main'].__globals__['TARGET'] = pathlib.Path({str(changed)!r});"
        "sys.exit(module['main'](['--check']))"
    )
    checked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (1, "")


def test_moves_of_the_vectors(rows: Rows) -> None:
    for kind, sigma, answer, reference, expected in rows("move", "kind", "sigma", "answer", "reference", "move"):
        assert move(Kind(kind), sigma, answer, reference) == expected
        assert exact_move(Kind(kind), sigma, answer, reference) == expected


def test_gaps_of_the_vectors(rows: Rows) -> None:
    for observed_at, last, heartbeat, expected in rows("gap", "observedAt", "lastObservedAt", "heartbeat", "gap"):
        assert gap(observed_at, last, heartbeat) == expected


def test_ratios_of_the_vectors(rows: Rows) -> None:
    for score, unit, expected in rows("scoreRatio", "score", "unit", "ratio"):
        assert score_ratio([score], unit) == expected


def test_score_units_of_the_vectors(rows: Rows) -> None:
    table = rows("scoreUnit", "unit", "fits")
    for unit, fits in table:
        assert is_score_unit(unit) is bool(fits)
    assert {fits for _, fits in table} == {0, 1}


def test_field_elements_of_the_vectors(rows: Rows, vectors: dict[str, Any]) -> None:
    assert int(vectors["fieldModulus"]) == FIELD_MODULUS
    for value, element in rows("toField", "value", "element"):
        assert to_field(value) == element
        assert from_field(element) == value


# --- constants ---


def test_the_constants_are_the_contracts(project_root: Path) -> None:
    """Each is written three times: here, in Python and in Solidity."""
    expected = {
        "Features": {
            "CLIP": (encoding.CLIP, 32_767),
            "GAP_ONE": (encoding.GAP_ONE, 1_000),
            "RING_SIZE": (encoding.RING_SIZE, 12),
            "MAX_PEERS": (encoding.MAX_PEERS, 2),
            "MAX_LENGTH": (encoding.MAX_FEATURES, 32),
            "MEMORY_BITS": (encoding.VARIANCE_MEMORY, 6),
            "VARIANCE_FRACTION_BITS": (encoding.VARIANCE_BITS, 17),
            "VARIANCE_ONE": (encoding.VARIANCE_START, 131_072_000),
        },
        "Instances": {
            "FIELD_MODULUS": (encoding.FIELD_MODULUS, int(BN254_ORDER)),
            "SCORE_BOUND": (encoding.INT128_MAX + 1, 170_141_183_460_469_231_731_687_303_715_884_105_728),
        },
        "Answers": {"NO_ANSWER": (encoding.NO_ANSWER, -170_141_183_460_469_231_731_687_303_715_884_105_728)},
    }
    for library, constants in expected.items():
        text = (project_root / f"contracts/src/libraries/{library}.sol").read_text(encoding="utf-8")
        for name, (ours, value) in constants.items():
            found = re.search(rf"constant {name} = ([^;]+);", text)
            assert found, name
            theirs = eval(found[1].replace("type(int128).min", "-(2**127)"), {})
            assert ours == theirs == value, name
    assert encoding.VARIANCE_ONE == 1_000
    assert (encoding.UINT8_MAX, encoding.UINT16_MAX, encoding.SCORE_RATIO_MAX) == (255, 65_535, 8_388_607)
    assert encoding.SCORE_UNIT_BITS == 40


# --- arithmetic ---


@given(st.integers(), st.integers().filter(bool))
@example(-7, 2)
@example(7, -2)
def test_division_truncates_toward_zero(numerator: int, denominator: int) -> None:
    assert truncated_quotient(numerator, denominator) == math.trunc(Fraction(numerator, denominator))


@given(st.integers())
def test_clip_keeps_what_fits_and_limits_the_rest(value: int) -> None:
    clipped = clip(value)
    assert -CLIP <= clipped <= CLIP
    assert clipped == value or (abs(value) > CLIP and clipped == math.copysign(CLIP, value))


def exact_move(kind: Kind, sigma: int, answer: int, reference: int) -> int:
    """Return the move by its definition, in exact fractions."""
    if kind is Kind.ABSOLUTE:
        sigmas_moved = Fraction(answer - reference, sigma)
    elif answer <= 0:
        return -CLIP
    else:
        sigmas_moved = Fraction(answer - reference, min(answer, reference)) / Fraction(sigma, 10**6)
    return max(-CLIP, min(CLIP, math.trunc(sigmas_moved * 1_000)))


@given(sigmas, answers, answers)
@example(2**64 - 1, INT128_MAX, -INT128_MAX - 1)
def test_an_absolute_move_is_its_definition(sigma: int, answer: int, reference: int) -> None:
    assert move(Kind.ABSOLUTE, sigma, answer, reference) == exact_move(Kind.ABSOLUTE, sigma, answer, reference)


@given(sigmas, answers, prices)
def test_a_relative_move_is_its_definition(sigma: int, answer: int, reference: int) -> None:
    assert move(Kind.RELATIVE, sigma, answer, reference) == exact_move(Kind.RELATIVE, sigma, answer, reference)


@given(st.integers(1, 10**6), st.integers(1, 10**20), st.integers(-(10**6), 10**6))
def test_small_relative_moves_are_their_definition(sigma: int, reference: int, ppm: int) -> None:
    answer = reference + reference * ppm // 10**6
    assume(answer > 0)
    assert move(Kind.RELATIVE, sigma, answer, reference) == exact_move(Kind.RELATIVE, sigma, answer, reference)


@given(sigmas, prices, prices)
def test_a_relative_move_there_and_back_is_as_far(sigma: int, one: int, other: int) -> None:
    assert move(Kind.RELATIVE, sigma, one, other) == -move(Kind.RELATIVE, sigma, other, one)


@given(sigmas, prices, prices, prices)
def test_a_larger_answer_is_no_smaller_move(sigma: int, one: int, other: int, reference: int) -> None:
    low, high = sorted((one, other))
    assert move(Kind.RELATIVE, sigma, low, reference) <= move(Kind.RELATIVE, sigma, high, reference)


@pytest.mark.parametrize("answer", [0, -1, -INT128_MAX - 1])
def test_a_price_that_is_none_is_the_largest_fall(answer: int) -> None:
    assert move(Kind.RELATIVE, 2**64 - 1, answer, 1) == -CLIP


@given(times, times, heartbeats)
def test_a_gap_is_its_definition(one: int, other: int, heartbeat: int) -> None:
    last, observed_at = sorted((one, other))
    exact = math.floor(Fraction(observed_at - last, heartbeat) * 1_000)
    assert gap(observed_at, last, heartbeat) == min(CLIP, max(GAP_ONE, exact))


@given(st.lists(circuit_integers, min_size=1, max_size=4), st.integers(1, 2**128 - 1))
def test_a_ratio_is_of_the_largest_score_and_fits_its_24_bits(scores: list[int], unit: int) -> None:
    exact = math.ceil(Fraction(max(scores) * 1_000, unit))
    assert score_ratio(scores, unit) == max(-SCORE_RATIO_MAX - 1, min(SCORE_RATIO_MAX, exact))


@given(st.lists(circuit_integers | st.integers(-3, 3), min_size=1, max_size=4), st.integers(1, 2**128 - 1))
def test_a_ratio_is_above_zero_exactly_if_a_score_is(scores: list[int], unit: int) -> None:
    assert (score_ratio(scores, unit) > 0) == any(score > 0 for score in scores)


@given(st.integers(0, 2**64), st.integers(0, 100))
@example(2**SCORE_UNIT_BITS - 1, 128 - SCORE_UNIT_BITS)
@example(2**SCORE_UNIT_BITS - 1, 129 - SCORE_UNIT_BITS)
@example(2**SCORE_UNIT_BITS + 1, 0)
def test_a_score_unit_is_what_40_bits_and_a_shift_can_say(mantissa: int, shift: int) -> None:
    unit = mantissa << shift
    as_the_hub = unit
    while as_the_hub >= 2**SCORE_UNIT_BITS and as_the_hub % 2 == 0:
        as_the_hub //= 2
    assert is_score_unit(unit) == (0 < unit < 2**128 and as_the_hub < 2**SCORE_UNIT_BITS)


def test_a_score_unit_fits_128_bits() -> None:
    assert is_score_unit(2**127) and not is_score_unit(2**128)


def test_a_negative_score_unit_is_none() -> None:
    assert not is_score_unit(-1)


# --- the field ---


@given(circuit_integers)
@example(INT128_MAX)
@example(-INT128_MAX)
def test_integers_go_into_the_field_and_back(value: int) -> None:
    element = to_field(value)
    assert 0 <= element < FIELD_MODULUS
    assert element == (value if value >= 0 else FIELD_MODULUS - abs(value))
    assert from_field(element) == value


@pytest.mark.parametrize("value", [2**127, -(2**127), FIELD_MODULUS])
def test_integers_outside_the_circuit_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="outside the circuit's integers"):
        to_field(value)


@pytest.mark.parametrize(
    "element",
    [-1, FIELD_MODULUS, FIELD_MODULUS + 1, 2**127, FIELD_MODULUS - 2**127, FIELD_MODULUS // 2],
)
def test_elements_that_stand_for_no_integer_are_refused(element: int) -> None:
    with pytest.raises(ValueError, match=r"not a reduced field element|stands for no integer"):
        from_field(element)


windows = st.lists(st.tuples(st.tuples(moves, moves, moves), st.tuples(circuit_integers)), min_size=1, max_size=5)


@given(windows, st.integers(1, 8), st.none() | st.integers(0, FIELD_MODULUS - 1))
def test_instances_are_hash_windows_scores_with_the_last_repeated(
    given_: list[tuple[tuple[int, ...], tuple[int, ...]]], batch: int, model_hash: int | None
) -> None:
    assume(len(given_) <= batch)
    x = [window for window, _ in given_]
    s = [scores for _, scores in given_]
    built = list(instances(model_hash, x, s, batch))
    if model_hash is not None:
        assert built.pop(0) == model_hash
    assert len(built) == batch * 4
    decoded = [from_field(element) for element in built]
    padded = [given_[min(i, len(given_) - 1)] for i in range(batch)]
    assert decoded[: batch * 3] == [value for window, _ in padded for value in window]
    assert decoded[batch * 3 :] == [value for _, scores in padded for value in scores]


@pytest.mark.parametrize(
    ("x", "s", "batch"),
    [([], [], 1), ([(1, 2)], [], 1), ([(1, 2)] * 2, [(0,)] * 2, 1), ([(1, 2)], [(0,)] * 2, 2)],
)
def test_batches_that_do_not_fit_are_refused(x: list[tuple[int, ...]], s: list[tuple[int, ...]], batch: int) -> None:
    with pytest.raises(ValueError, match="for a batch of"):
        instances(1, x, s, batch)


# --- decimals ---


@given(answers, st.integers(0, 18))
def test_answers_become_decimals_and_back(answer: int, decimals: int) -> None:
    assume(abs(answer) <= INT128_MAX)
    assert answer_from_decimal(decimal_from_answer(answer, decimals), decimals) == answer


@given(
    st.decimals(min_value=-(10**18), max_value=10**18, allow_nan=False, places=20),
    st.integers(0, 18),
)
def test_an_answer_is_the_nearest_to_the_value(value: Decimal, decimals: int) -> None:
    answer = answer_from_decimal(value, decimals)
    assert abs(Fraction(answer) - Fraction(value) * 10**decimals) <= Fraction(1, 2)
    assert answer == round(Fraction(value) * 10**decimals)  # half to even, as Python's own rounding


@pytest.mark.parametrize(
    ("value", "decimals", "what"),
    [
        ("NaN", 8, "not a finite number"),
        ("Infinity", 8, "not a finite number"),
        ("1e400", 8, "does not fit the contract's int128"),
        ("-1e33", 8, "does not fit the contract's int128"),
        (str(2**127), 0, "does not fit the contract's int128"),
        (str(-(2**127)), 0, "does not fit the contract's int128"),
        ("1e30", 18, "does not fit the contract's int128"),
    ],
)
def test_values_that_are_no_answer(value: str, decimals: int, what: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        answer_from_decimal(Decimal(value), decimals)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("answer", [2**127 - 1, 1 - 2**127])
def test_the_largest_answers_fit(answer: int) -> None:
    assert answer_from_decimal(Decimal(answer), 0) == answer
    assert answer_from_decimal(Decimal(answer).scaleb(-18), 18) // 10**12 == answer // 10**12


def test_tiny_values_become_zero() -> None:
    assert answer_from_decimal(Decimal("1e-39"), 18) == 0
    assert answer_from_decimal(Decimal("0.5"), 0) == 0
    assert answer_from_decimal(Decimal("1.5"), 0) == 2


def test_instances_of_a_segment_have_hashes_at_its_ends() -> None:
    """The input's hash comes before the model's, the output's comes last, and public integers stay in place."""
    windows, scores = [(1, -2)], [(3,)]
    minus_two = FIELD_MODULUS - 2
    assert instances(7, windows, scores, 1, output_hash=9) == (7, 1, minus_two, 9)
    assert instances(7, windows, scores, 1, input_hash=8) == (8, 7, 3)
    assert instances(7, windows, scores, 1, input_hash=8, output_hash=9) == (8, 7, 9)
    assert instances(None, windows, scores, 1, input_hash=8, output_hash=9) == (8, 9)
