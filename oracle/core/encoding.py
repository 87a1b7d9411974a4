"""Observations to integers, integers to field elements: the only quantiser.

Every function here mirrors `contracts/src/libraries` exactly, truncating division included; the table in
`tests/vectors/features.json` is shared by the tests of both sides.

Units: a *move* is in thousandths of the feed's sigma; a *gap* in thousandths of its heartbeat. Both are clipped to
±`CLIP`, so that every feature fits an int16 and the circuit has a proof for every feature vector there can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from oracle.core.errors import DataError
from oracle.core.types import FeedState, Kind

CLIP = 32_767
GAP_ONE = 1_000
RING_SIZE = 14
UINT8_MAX = 2**8 - 1
UINT16_MAX = 2**16 - 1
INT128_MAX = 2**127 - 1
SCORE_RATIO_MAX = 2**23 - 1
SCORE_UNIT_BITS = 40
FIELD_MODULUS = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
"""Order of BN254's scalar field, in which instances live."""

_EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN)


def truncated_quotient(numerator: int, denominator: int) -> int:
    """Integer quotient rounded toward zero, as Solidity and the EVM's SDIV do (Python's `//` floors)."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def clip(value: int) -> int:
    """`value`, limited to [-CLIP, CLIP]."""
    return max(-CLIP, min(CLIP, value))


def move(kind: Kind, sigma: int, answer: int, reference: int) -> int:
    """The move from `reference` to `answer`, in thousandths of sigma, clipped.

    A relative move is measured against the smaller of the two, so that a tenth is as far as a tenfold. Against the
    last answer a fall to nothing would be -100 % only, which is few sigmas on a volatile feed.

    Args:
        kind: RELATIVE or ABSOLUTE.
        sigma: ppm for relative feeds, answer units for absolute ones; positive.
        answer: Candidate, in answer units.
        reference: An accepted answer; positive on relative feeds.
    """
    difference = answer - reference
    if kind is Kind.ABSOLUTE:
        return clip(truncated_quotient(difference * 1_000, sigma))
    if answer <= 0:
        return -CLIP
    return clip(truncated_quotient(difference * 10**9, min(answer, reference) * sigma))


def gap(observed_at: int, last_observed_at: int, heartbeat: int) -> int:
    """Time since the last accepted observation in thousandths of the heartbeat, in [GAP_ONE, CLIP].

    It is never below one heartbeat: an early report is one that a large move triggered, and would always be held.
    """
    return min(CLIP, max(GAP_ONE, (observed_at - last_observed_at) * 1_000 // heartbeat))


def spread(kind: Kind, sigma: int, lowest: int, highest: int) -> int:
    """How far apart the lowest and the highest answer of a report are, in thousandths of sigma, in [0, CLIP].

    Args:
        kind: RELATIVE or ABSOLUTE.
        sigma: As of `move`.
        lowest: In answer units; equal to `highest` where one reporter is the quorum, and then the spread is 0.
    """
    if lowest == highest:
        return 0
    if kind is Kind.RELATIVE and lowest <= 0:
        return CLIP
    return abs(move(kind, sigma, highest, lowest))


def features(
    state: FeedState, answer: int, observed_at: int, length: int, spread: int | None = None
) -> tuple[int, ...]:
    """The feature vector by which the hub judges a candidate.

    Args:
        state: The feed's state on-chain.
        answer: Candidate, in answer units.
        observed_at: Unix seconds, after the last accepted observation.
        length: n, of 3 to RING_SIZE + 2; with a spread of 4 at least.
        spread: Of the signed answers, for a model that sees it; None for one that does not.

    Returns:
        n integers: the candidate's move, n − 2 accepted moves (newest first), the gap. With a spread: the candidate's
        move, n − 3 accepted moves, the spread, the gap.
    """
    between = () if spread is None else (spread,)
    past = (*state.returns[: length - 2 - len(between)], *between)
    if state.round_id == 0:
        return (0, *past, GAP_ONE)
    now = move(state.kind, state.sigma, answer, state.answer)
    return (now, *past, gap(observed_at, state.observed_at, state.heartbeat))


def push_move(returns: Sequence[int], newest: int) -> tuple[int, ...]:
    """The ring of accepted moves after one more, newest first; always RING_SIZE long."""
    return (newest, *returns)[:RING_SIZE]


def score_ratio(scores: Sequence[int], score_unit: int) -> int:
    """The largest score in thousandths of the model's score unit, saturated to 24 bits, as a round stores it."""
    ratio = truncated_quotient(max(scores) * 1_000, score_unit)
    return max(-SCORE_RATIO_MAX - 1, min(SCORE_RATIO_MAX, ratio))


def is_score_unit(unit: int) -> bool:
    """Whether the hub takes a model's score unit: a positive uint128 of at most SCORE_UNIT_BITS significant bits.

    The hub stores it exactly, as a mantissa and an exponent.
    """
    if not 0 < unit < 2**128:
        return False
    trailing_zeros = (unit & -unit).bit_length() - 1
    return unit.bit_length() - trailing_zeros <= SCORE_UNIT_BITS


def repeats(state: FeedState, answer: int) -> int:
    """How many reports in a row have repeated the feed's latest answer exactly, a candidate included; at most 255."""
    repeated = state.round_id != 0 and answer == state.answer
    return min(UINT8_MAX, state.repeats + 1) if repeated else 0


def to_field(value: int) -> int:
    """A signed integer as a field element: negatives as FIELD_MODULUS − |value|.

    Raises:
        ValueError: |value| is not below 2^127, the range of the circuit's integers.
    """
    if abs(value) > INT128_MAX:
        raise ValueError(f"{value} is outside the circuit's integers (|value| < 2^127)")
    return value % FIELD_MODULUS


def from_field(element: int) -> int:
    """The signed integer that a field element stands for: the inverse of `to_field`.

    Raises:
        ValueError: The element is not reduced, or stands for no integer of the circuit.
    """
    if not 0 <= element < FIELD_MODULUS:
        raise ValueError(f"{element:#x} is not a reduced field element")
    value = element if element <= FIELD_MODULUS // 2 else element - FIELD_MODULUS
    if abs(value) > INT128_MAX:
        raise ValueError(f"{element:#x} stands for no integer of the circuit (|value| < 2^127)")
    return value


def instances(
    model_hash: int | None,
    windows: Sequence[Sequence[int]],
    scores: Sequence[Sequence[int]],
    batch: int,
    *,
    input_hash: int | tuple[int, ...] | None = None,
    output_hash: int | tuple[int, ...] | None = None,
) -> tuple[int, ...]:
    """The public instances of a proof, as the hub builds them: `[H] ++ x[0..B) ++ s[0..B)`.

    A segment of a split model has hashes at its ends instead: `[H(x)] ++ [H] ++ [H(s)]`.

    Args:
        model_hash: Poseidon hash of the weights as a field element; None if the circuit binds none.
        windows: 1 to `batch` feature vectors.
        scores: As many score vectors. Missing windows repeat the last one.
        batch: B, the windows of the circuit.
        input_hash: Poseidon hash that stands for the windows; of each input, in order, if the circuit has several.
        output_hash: Likewise for the scores.

    Returns:
        Field elements.
    """
    if not 1 <= len(windows) <= batch or len(scores) != len(windows):
        raise ValueError(f"{len(windows)} windows and {len(scores)} score vectors for a batch of {batch}")
    padding = batch - len(windows)
    rows = [*windows, *[windows[-1]] * padding, *scores, *[scores[-1]] * padding]
    inputs = [to_field(value) for row in rows[:batch] for value in row] if input_hash is None else []
    outputs = [to_field(value) for row in rows[batch:] for value in row] if output_hash is None else []
    head = (*_hashes(input_hash), *_hashes(model_hash))
    return (*head, *inputs, *outputs, *_hashes(output_hash))


def _hashes(given: int | tuple[int, ...] | None) -> tuple[int, ...]:
    return () if given is None else given if isinstance(given, tuple) else (given,)


def answer_from_decimal(value: Decimal, decimals: int) -> int:
    """A decimal observation in answer units: value · 10^decimals, rounded half to even.

    Raises:
        DataError: The value is not finite, or does not fit an int128.
    """
    if not value.is_finite():
        raise DataError(f"observation {value} is not a finite number")
    if value.adjusted() + decimals > 40:
        raise DataError(f"observation {value:.6g} with {decimals} decimals does not fit the contract's int128")
    try:
        scaled = int(value.scaleb(decimals, _EXACT).to_integral_value(context=_EXACT))
    except InvalidOperation as error:
        raise DataError(f"observation {value} can't be scaled to {decimals} decimals") from error
    if abs(scaled) > INT128_MAX:
        raise DataError(f"observation {value:.6g} with {decimals} decimals does not fit the contract's int128")
    return scaled


def decimal_from_answer(answer: int, decimals: int) -> Decimal:
    """The inverse of `answer_from_decimal`, for people."""
    return Decimal(answer).scaleb(-decimals, _EXACT)
