"""Turn observations into integers, and integers into field elements. This is the only quantiser.

Every function here mirrors `contracts/src/libraries` exactly, truncating division included. The tests of both sides
share the table in `tests/vectors/features.json`.

Units: a *move* is in thousandths of the feed's sigma, a *gap* in thousandths of its heartbeat. Both are clipped to
±`CLIP`, so that every feature fits an int16 and the circuit has a proof for every possible feature vector.

A model says which features it takes, as a *feature list*: a tuple of `Feature`, in the order of its window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException, InvalidOperation
from enum import IntEnum

from oracle.core.errors import DataError
from oracle.core.types import FeedState, HoldReason, Kind

CLIP = 32_767
GAP_ONE = 1_000
RING_SIZE = 12
MAX_PEERS = 2
MAX_FEATURES = 32
VARIANCE_ONE = 1_000
"""The variance of a feed whose moves are one sigma a heartbeat."""
VARIANCE_BITS = 17
"""The fraction bits with which the hub stores a variance."""
VARIANCE_START = VARIANCE_ONE << VARIANCE_BITS
VARIANCE_MEMORY = 6
"""A round counts for 1/2^6 of the variance after it."""
NO_ANSWER = -(2**127)
"""Stands for the answer of a reporter that has none."""
UINT8_MAX = 2**8 - 1
UINT16_MAX = 2**16 - 1
INT128_MAX = 2**127 - 1
SCORE_RATIO_MAX = 2**23 - 1
SCORE_UNIT_BITS = 40
FIELD_MODULUS = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
"""The order of BN254's scalar field, whose elements the instances are."""

_EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN)


class Feature(IntEnum):
    """A number that the hub derives for a candidate. The values are the contract's.

    Attributes:
        MOVE: The move from the last accepted answer to the candidate, in thousandths of sigma.
        GAP: The time since the last accepted observation, in thousandths of the heartbeat. It stands still while the
            candidate is near a held answer.
        SPREAD: How far apart the signed answers are, in thousandths of sigma.
        COUNT: How many reporters answered.
        VARIANCE: The feed's running variance, in thousandths of sigma² a heartbeat.
        PEER_MOVE_0: The first peer's move since this feed's last accepted round, in thousandths of the peer's sigma.
        PEER_MOVE_1: The second peer's.
        PEER_SEEN_0: 1 if the first peer's move was measured and isn't clipped, else 0.
        PEER_SEEN_1: The same of the second peer.
        PAST_0: The latest accepted move. PAST_1 is the one before it, and so on.
    """

    MOVE = 0
    GAP = 1
    SPREAD = 2
    COUNT = 3
    VARIANCE = 4
    PEER_MOVE_0 = 5
    PEER_MOVE_1 = 6
    PEER_SEEN_0 = 7
    PEER_SEEN_1 = 8
    PAST_0 = 16
    PAST_1 = 17
    PAST_2 = 18
    PAST_3 = 19
    PAST_4 = 20
    PAST_5 = 21
    PAST_6 = 22
    PAST_7 = 23
    PAST_8 = 24
    PAST_9 = 25
    PAST_10 = 26
    PAST_11 = 27


PAST = tuple(Feature(Feature.PAST_0 + age) for age in range(RING_SIZE))
"""The features that are accepted moves, newest first."""

_RANGES = {
    Feature.GAP: (GAP_ONE, CLIP),
    Feature.SPREAD: (0, CLIP),
    Feature.COUNT: (0, UINT8_MAX),
    Feature.VARIANCE: (0, CLIP),
    Feature.PEER_SEEN_0: (0, 1),
    Feature.PEER_SEEN_1: (0, 1),
}

PEER_FEATURES = ((Feature.PEER_MOVE_0, Feature.PEER_SEEN_0), (Feature.PEER_MOVE_1, Feature.PEER_SEEN_1))
"""Each peer's features."""


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """A peer's answer in a report, with the constants by which its move is measured.

    Attributes:
        kind: The peer's own.
        sigma: The peer's own.
        answer: The quorum's median, in the peer's answer units.
    """

    kind: Kind
    sigma: int
    answer: int


def feature_range(feature: Feature) -> tuple[int, int]:
    """Return the least and the largest value that the hub derives for a feature."""
    return _RANGES.get(feature, (-CLIP, CLIP))


def calm_window(listed: Iterable[Feature]) -> tuple[int, ...]:
    """Return the window of a feed's first report: nothing moved, nobody was late, and one reporter answered."""
    first = {Feature.GAP: GAP_ONE, Feature.COUNT: 1, Feature.VARIANCE: VARIANCE_ONE}
    return tuple(first.get(feature, 0) for feature in listed)


def window_features(length: int, spread: bool = False) -> tuple[Feature, ...]:
    """Return the standard feature list: the move, past moves (newest first), the spread if wanted, the gap.

    Args:
        length: How many features; there is at least one past move.
        spread: True for a model that sees how far apart the signed answers are.
    """
    tail = (Feature.SPREAD, Feature.GAP) if spread else (Feature.GAP,)
    past = length - 1 - len(tail)
    if not 1 <= past <= RING_SIZE:
        least, most = 2 + len(tail), RING_SIZE + 1 + len(tail)
        raise DataError(f"a window of {length} features; it must be from {least} to {most}")
    return (Feature.MOVE, *PAST[:past], *tail)


def feature_names(listed: Iterable[Feature]) -> tuple[str, ...]:
    """Return a feature list as names, for manifests and other files: "move", "past_0", "gap"."""
    return tuple(feature.name.lower() for feature in listed)


def parse_features(names: Iterable[str]) -> tuple[Feature, ...]:
    """Return the feature list that these names stand for. This is the inverse of `feature_names`.

    Raises:
        DataError: A name is unknown, or the hub takes no such list.
    """
    known = {feature.name.lower(): feature for feature in Feature}
    found = list[Feature]()
    for name in names:
        if name not in known:
            raise DataError(f"unknown feature {name!r}; the features are {', '.join(known)}")
        found.append(known[name])
    return checked_features(found)


def decode_features(codes: bytes) -> tuple[Feature, ...]:
    """Return the feature list that an architecture has on the hub. `bytes(listed)` is the inverse.

    Raises:
        DataError: A code is unknown, or the hub takes no such list.
    """
    known = {int(feature) for feature in Feature}
    if unknown := [code for code in codes if code not in known]:
        raise DataError(f"unknown feature code {unknown[0]}; this version of the package knows {sorted(known)}")
    return checked_features(Feature(code) for code in codes)


def checked_features(listed: Iterable[Feature]) -> tuple[Feature, ...]:
    """Return a feature list if the hub takes it.

    Raises:
        DataError: It has no move, has one feature twice, or is too long.
    """
    found = tuple(listed)
    if Feature.MOVE not in found:
        raise DataError('a feature list needs "move", the candidate\'s own move')
    if len(found) > MAX_FEATURES:
        raise DataError(f"a feature list of {len(found)}; the hub takes up to {MAX_FEATURES}")
    if repeated := [feature for at, feature in enumerate(found) if feature in found[:at]]:
        raise DataError(f"a feature list has {repeated[0].name.lower()!r} twice")
    return found


def sees_peers(listed: Iterable[Feature]) -> bool:
    """Return True if a model with this feature list sees peers, on feeds that have them."""
    return not {feature for pair in PEER_FEATURES for feature in pair}.isdisjoint(listed)


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


def near(kind: Kind, sigma: int, answer: int, reference: int, tolerance: int) -> bool:
    """Return True if two answers are within `tolerance`. On a relative feed nothing is near an answer of 0 or less."""
    if kind is Kind.RELATIVE and (answer <= 0 or reference <= 0):
        return False
    return abs(move(kind, sigma, answer, reference)) <= tolerance


def gap_of(state: FeedState, answer: int, observed_at: int, tolerance: int) -> int:
    """Return the gap with which the hub judges a candidate.

    While an anomalous answer is held, an answer near it is judged with the gap of the first held report. What a model
    allows grows with the gap; with the true one, a held answer would become normal just because time passes.

    Args:
        state: The feed's state on-chain.
        answer: The candidate, in answer units.
        observed_at: Unix seconds, after the last accepted observation.
        tolerance: The feed's, in thousandths of sigma.
    """
    if state.round_id == 0:
        return GAP_ONE
    held = state.held if state.held and state.held.reason is HoldReason.ANOMALOUS else None
    if held and near(state.kind, state.sigma, answer, held.first_answer, tolerance):
        return held.first_gap
    return gap(observed_at, state.observed_at, state.heartbeat)


def variance(stored: int, move: int, gap: int) -> int:
    """Return the running variance after one more round, as the hub stores it: with `VARIANCE_BITS` fraction bits.

    A round's own variance is its squared move over its gap, clipped like every feature. The result never exceeds
    (CLIP << VARIANCE_BITS) + 63, so it fits a uint32.

    Args:
        stored: The variance before, `VARIANCE_START` at first.
        move: The round's move, in thousandths of sigma.
        gap: The round's gap, in thousandths of the heartbeat.
    """
    square = min(move * move // gap, CLIP)
    return stored - (stored >> VARIANCE_MEMORY) + (square << (VARIANCE_BITS - VARIANCE_MEMORY))


def peer_move(peer: PeerAnswer, kept: int) -> tuple[int, int]:
    """Return how far a peer moved, and 1 if that could be measured, else 0.

    Args:
        peer: The peer's answer in the report.
        kept: The peer's answer in the report of the feed's last accepted round.
    """
    if peer.kind is Kind.RELATIVE and (peer.answer <= 0 or kept <= 0):
        return 0, 0
    moved = move(peer.kind, peer.sigma, peer.answer, kept)
    return moved, int(abs(moved) < CLIP)


def features(
    state: FeedState,
    answer: int,
    observed_at: int,
    listed: Sequence[Feature],
    *,
    tolerance: int,
    spread: int = 0,
    count: int = 1,
    peers: Sequence[PeerAnswer] = (),
) -> tuple[int, ...]:
    """Return the feature vector by which the hub judges a candidate.

    A feed without a peer never sees one: the features of a peer that it doesn't have are 0.

    Args:
        state: The feed's state on-chain.
        answer: The candidate, in answer units.
        observed_at: Unix seconds, after the last accepted observation.
        listed: The model's feature list.
        tolerance: The feed's, in thousandths of sigma. It decides if a held answer's gap stands still.
        spread: The spread of the signed answers, in thousandths of sigma.
        count: How many reporters answered.
        peers: The peers' answers of the same report, in the order of `state.peers`.

    Returns:
        One integer for each feature of the list, in its order.

    Raises:
        ValueError: The model sees peers, and there are not as many answers as the feed has peers.
    """
    if sees_peers(listed) and len(peers) != len(state.peers):
        raise ValueError(f"{len(peers)} answers of peers; the feed has {len(state.peers)} peers")
    values = {
        Feature.MOVE: move(state.kind, state.sigma, answer, state.answer) if state.round_id else 0,
        Feature.GAP: gap_of(state, answer, observed_at, tolerance),
        Feature.SPREAD: spread,
        Feature.COUNT: count,
        Feature.VARIANCE: state.variance >> VARIANCE_BITS,
        **dict(zip(PAST, state.returns, strict=True)),
        **{feature: 0 for pair in PEER_FEATURES for feature in pair},
    }
    if state.round_id > 0:  # a first report has no answers of peers before it
        for peer, kept, (moved, seen) in zip(peers, state.peer_answers, PEER_FEATURES, strict=False):
            values[moved], values[seen] = peer_move(peer, kept)
    return tuple(values[feature] for feature in listed)


def push_move(returns: Sequence[int], newest: int) -> tuple[int, ...]:
    """Return the ring of accepted moves with one more, newest first. It is always RING_SIZE long."""
    return (newest, *returns)[:RING_SIZE]


def score_ratio(scores: Sequence[int], score_unit: int) -> int:
    """Return the largest score in thousandths of the model's score unit, as a round stores it.

    It is rounded up and saturated to 24 bits. So it is above zero exactly if a score is, whatever the unit.
    """
    ratio = -(-max(scores) * 1_000 // score_unit)
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


def answer_text(answer: int, decimals: int) -> str:
    """Return an answer as text in its feed's own units; if a hub has impossible decimals, as a power of ten."""
    try:
        return f"{decimal_from_answer(answer, decimals):f}"
    except DecimalException:
        return f"{answer}e-{decimals}"
