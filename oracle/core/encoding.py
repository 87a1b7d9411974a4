"""Turn observations into integers, and integers into field elements. This is the only quantiser.

Every function here mirrors `contracts/src/libraries` exactly, truncating division included. The tests of both sides
share the table in `tests/vectors/features.json`.

Units: a *move* is in thousandths of the feed's sigma, a *gap* in thousandths of its heartbeat. Both are clipped to
±`CLIP`, so that every feature fits an int16 and the circuit has a proof for every possible feature vector.
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
NO_ANSWER = -(2**127)
"""Stands in a report for the answer that a reporter does not have."""

SCORE_RATIO_MAX = 2**23 - 1
SCORE_UNIT_BITS = 40
FIELD_MODULUS = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
"""The order of BN254's scalar field, whose elements the instances are."""

_EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN)


def truncated_quotient(numerator: int, denominator: int) -> int:
    """Return the quotient rounded toward zero, as Solidity and the EVM's SDIV do (Python's `//` floors)."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def clip(value: int) -> int:
    """Return `value`, limited to [-CLIP, CLIP]."""
    return max(-CLIP, min(CLIP, value))


def move(kind: Kind, sigma: int, answer: int, reference: int) -> int:
    """Return the move from `reference` to `answer`, in thousandths of sigma, clipped.

    A relative move is measured against the smaller of the two, so that a fall to a tenth is as large as a rise to the
    tenfold. Measured against the last answer, a fall to nothing would be only -100 %, which is few sigmas on a volatile
    feed.

    Args:
        kind: RELATIVE or ABSOLUTE.
        sigma: ppm for relative feeds, answer units for absolute ones; positive.
        answer: The candidate, in answer units.
        reference: An accepted answer; positive on relative feeds.
    """
    difference = answer - reference
    if kind is Kind.ABSOLUTE:
        return clip(truncated_quotient(difference * 1_000, sigma))
    if answer <= 0:
        return -CLIP
    return clip(truncated_quotient(difference * 10**9, min(answer, reference) * sigma))


def gap(observed_at: int, last_observed_at: int, heartbeat: int) -> int:
    """Return the time since the last accepted observation, in thousandths of the heartbeat, in [GAP_ONE, CLIP].

    It is never below one heartbeat. A large move triggers an early report, and with a smaller gap such a report would
    always be held.
    """
    return min(CLIP, max(GAP_ONE, (observed_at - last_observed_at) * 1_000 // heartbeat))


def spread(kind: Kind, sigma: int, lowest: int, highest: int) -> int:
    """Return how far apart the lowest and the highest answer of a report are, in thousandths of sigma, in [0, CLIP].

    Args:
        kind: RELATIVE or ABSOLUTE.
        sigma: See `move`.
        lowest: The lowest answer, in answer units. If one reporter is the quorum, it equals `highest`, and the spread
            is 0.
        highest: The highest answer, in answer units.
    """
    if lowest == highest:
        return 0
    if kind is Kind.RELATIVE and lowest <= 0:
        return CLIP
    return abs(move(kind, sigma, highest, lowest))


def features(
    state: FeedState, answer: int, observed_at: int, length: int, spread: int | None = None
) -> tuple[int, ...]:
    """Return the feature vector by which the hub judges a candidate.

    Args:
        state: The feed's state on-chain.
        answer: The candidate, in answer units.
        observed_at: Unix seconds, after the last accepted observation.
        length: n, from 3 to RING_SIZE + 2; with a spread, at least 4.
        spread: The spread of the signed answers, for a model that sees it; None for a model that does not.

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
    """Return the ring of accepted moves with one more, newest first. It is always RING_SIZE long."""
    return (newest, *returns)[:RING_SIZE]


def score_ratio(scores: Sequence[int], score_unit: int) -> int:
    """Return the largest score in thousandths of the model's score unit, saturated to 24 bits, as a round stores it."""
    ratio = truncated_quotient(max(scores) * 1_000, score_unit)
    return max(-SCORE_RATIO_MAX - 1, min(SCORE_RATIO_MAX, ratio))


def is_score_unit(unit: int) -> bool:
    """Return True if the hub takes `unit` as a model's score unit.

    It takes a positive uint128 with at most SCORE_UNIT_BITS significant bits, which it stores exactly, as a mantissa
    and an exponent.
    """
    if not 0 < unit < 2**128:
        return False
    trailing_zeros = (unit & -unit).bit_length() - 1
    return unit.bit_length() - trailing_zeros <= SCORE_UNIT_BITS


def repeats(state: FeedState, answer: int) -> int:
    """Return how many reports in a row repeat the latest answer exactly, the candidate included; 255 at most."""
    repeated = state.round_id != 0 and answer == state.answer
    return min(UINT8_MAX, state.repeats + 1) if repeated else 0


def to_field(value: int) -> int:
    """Return a signed integer as a field element. A negative one becomes FIELD_MODULUS − |value|.

    Raises:
        ValueError: |value| is not below 2^127, the range of the circuit's integers.
    """
    if abs(value) > INT128_MAX:
        raise ValueError(f"{value} is outside the circuit's integers (|value| < 2^127)")
    return value % FIELD_MODULUS


def from_field(element: int) -> int:
    """Return the signed integer that a field element stands for. This is the inverse of `to_field`.

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
    """Return the public instances of a proof, as the hub builds them: `[H] ++ x[0..B) ++ s[0..B)`.

    A segment of a split model has hashes at its ends instead: `[H(x)] ++ [H] ++ [H(s)]`.

    Args:
        model_hash: Poseidon hash of the weights as a field element; None if the circuit binds no hash.
        windows: 1 to `batch` feature vectors. Missing windows repeat the last one, and so do their scores.
        scores: The same number of score vectors.
        batch: B, the number of windows of the circuit.
        input_hash: Poseidon hash that stands for the windows; if the circuit has several inputs, one hash for each, in
            order.
        output_hash: The same for the scores.

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
    """Return a decimal observation in answer units: value · 10^decimals, rounded half to even.

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
    """Return an answer as a decimal number, for people. This is the inverse of `answer_from_decimal`."""
    return Decimal(answer).scaleb(-decimals, _EXACT)
