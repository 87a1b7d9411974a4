"""Tests of the features: the shared vectors, and properties of every feature that the hub derives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oracle.core.encoding import (
    CLIP,
    GAP_ONE,
    INT128_MAX,
    PAST,
    RING_SIZE,
    VARIANCE_BITS,
    VARIANCE_ONE,
    VARIANCE_START,
    Feature,
    PeerAnswer,
    calm_window,
    decode_features,
    feature_names,
    feature_range,
    features,
    gap,
    gap_of,
    move,
    near,
    parse_features,
    peer_move,
    push_move,
    repeats,
    sees_peers,
    spread,
    variance,
    window_features,
)
from oracle.core.errors import DataError
from oracle.core.gate import empty_feed
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Kind

answers = st.integers(-INT128_MAX - 1, INT128_MAX)
prices = st.integers(1, INT128_MAX)
sigmas = st.integers(1, 2**64 - 1)
heartbeats = st.integers(1, 2**32 - 1)
moves = st.integers(-CLIP, CLIP)

Rows = Callable[..., list[tuple[int, ...]]]


PEERS = (b"\1" * 32, b"\2" * 32)


def feed(**changes: Any) -> FeedState:
    return replace(empty_feed(b"\x01" * 32, Kind.RELATIVE, 10_000, 3_600, 1), **changes)


# --- shared vectors ---


def test_variances_of_the_vectors(rows: Rows) -> None:
    for stored, moved, spaced, expected in rows("variance", "stored", "move", "gap", "variance"):
        assert variance(stored, moved, spaced) == expected


def test_moves_of_peers_of_the_vectors(rows: Rows) -> None:
    table = rows("peerMove", "kind", "sigma", "answer", "kept", "move", "seen")
    for kind, sigma, answer, kept, moved, seen in table:
        assert peer_move(PeerAnswer(Kind(kind), sigma, answer), kept) == (moved, seen)
    assert {row[-1] for row in table} == {0, 1}


def test_what_is_near_in_the_vectors(rows: Rows) -> None:
    columns = ("kind", "sigma", "answer", "reference", "tolerance", "near")
    table = rows("near", *columns)
    for kind, sigma, answer, reference, tolerance, expected in table:
        assert near(Kind(kind), sigma, answer, reference, tolerance) is bool(expected)
    assert {row[-1] for row in table} == {0, 1}


def held_answer(reason: int, first_answer: int, first_gap: int) -> HeldAnswer | None:
    """Return a hold of which only what features need is given; None for no reason."""
    if not reason:
        return None
    return HeldAnswer(HoldReason(reason), first_answer, first_answer, 0, 0, 0, 0, 1, 0, 0, 0, 0, first_gap)


def test_gaps_while_held_of_the_vectors(rows: Rows) -> None:
    columns = ("kind", "sigma", "heartbeat", "tolerance", "answer", "observedAt", "lastObservedAt")
    table = rows("heldGap", *columns, "holdReason", "firstAnswer", "firstGap", "gap")
    stood_still = 0
    for kind, sigma, heartbeat, tolerance, answer, observed_at, last, reason, first, first_gap, expected in table:
        state = feed(
            kind=Kind(kind),
            sigma=sigma,
            heartbeat=heartbeat,
            round_id=1,
            observed_at=last,
            held=held_answer(reason, first, first_gap),
        )
        assert gap_of(state, answer, observed_at, tolerance) == expected
        stood_still += expected == first_gap != gap(observed_at, last, heartbeat)
    assert stood_still > 5


def test_windows_of_the_vectors(vectors: dict[str, Any]) -> None:
    seen = set[Feature]()
    for case in vectors["window"]:
        value = {name: int(text) for name, text in case.items() if name != "features" and isinstance(text, str)}
        column = {name: tuple(map(int, texts)) for name, texts in case.items() if isinstance(texts, list)}
        state = feed(
            kind=Kind(value["kind"]),
            sigma=value["sigma"],
            heartbeat=value["heartbeat"],
            round_id=value["roundId"],
            answer=value["lastAnswer"],
            observed_at=value["lastObservedAt"],
            variance=value["variance"],
            returns=column["ring"],
            peers=PEERS[: len(column["peerKinds"])],
            peer_answers=column["peerKept"],
            held=held_answer(value["holdReason"], value["firstAnswer"], value["firstGap"]),
        )
        listed = decode_features(bytes.fromhex(case["features"][2:]))
        seen |= set(listed)
        found = features(
            state,
            value["answer"],
            value["observedAt"],
            listed,
            tolerance=value["tolerance"],
            spread=value["spread"],
            count=value["count"],
            peers=[
                PeerAnswer(Kind(kind), sigma, answer)
                for kind, sigma, answer in zip(
                    column["peerKinds"], column["peerSigmas"], column["peerAnswers"], strict=True
                )
            ],
        )
        assert found == column["window"]
        assert all(-CLIP <= number <= CLIP for number in found)
    assert seen == set(Feature)


# --- windows ---


@pytest.mark.parametrize("length", [3, 8, RING_SIZE + 2])
def test_the_first_round_has_no_past(length: int) -> None:
    found = features(feed(), 5, 10**9, window_features(length), tolerance=0)
    assert found == (*(0,) * (length - 1), GAP_ONE)


def test_the_first_round_has_a_spread_a_count_and_the_variance_of_one_sigma() -> None:
    peers = [PeerAnswer(Kind.RELATIVE, 10_000, 5), PeerAnswer(Kind.ABSOLUTE, 10_000, 5)]
    found = features(feed(peers=PEERS), 5, 10**9, tuple(Feature), tolerance=0, spread=7, count=3, peers=peers)
    assert found == (0, GAP_ONE, 7, 3, VARIANCE_ONE, 0, 0, 0, 0, *(0,) * RING_SIZE)


@given(st.lists(moves, min_size=RING_SIZE, max_size=RING_SIZE), st.integers(3, RING_SIZE + 2), prices)
def test_the_standard_window_is_the_move_the_past_and_the_gap(past: list[int], length: int, answer: int) -> None:
    state = feed(round_id=9, answer=100_00000000, observed_at=1_000, returns=tuple(past))
    vector = features(state, answer, 8_200, window_features(length), tolerance=0)
    assert len(vector) == length
    assert vector[0] == move(Kind.RELATIVE, 10_000, answer, 100_00000000)
    assert vector[1:-1] == tuple(past[: length - 2])
    assert vector[-1] == 2_000


@given(st.data())
def test_every_feature_fits_the_box_in_any_order(data: st.DataObject) -> None:
    """The circuit has a proof for every window."""
    listed = data.draw(st.permutations(list(Feature)))
    length = data.draw(st.integers(1, len(listed)))
    kept = data.draw(st.tuples(answers, answers))
    state = feed(
        kind=data.draw(st.sampled_from(Kind)),
        sigma=data.draw(sigmas),
        heartbeat=data.draw(heartbeats),
        round_id=data.draw(st.integers(0, 2)),
        answer=data.draw(prices),
        observed_at=1_000,
        variance=data.draw(st.integers(0, (CLIP << VARIANCE_BITS) + 63)),
        returns=tuple(data.draw(st.lists(moves, min_size=RING_SIZE, max_size=RING_SIZE))),
        peers=PEERS,
        peer_answers=kept,
        held=data.draw(st.none() | st.builds(held_answer, st.integers(1, 3), prices, st.integers(GAP_ONE, CLIP))),
    )
    peers = data.draw(
        st.lists(st.builds(PeerAnswer, st.sampled_from(Kind), sigmas, answers), min_size=2, max_size=2), label="peers"
    )
    terms = {"tolerance": data.draw(st.integers(0, CLIP)), "spread": data.draw(st.integers(0, CLIP)), "count": 31}
    answer, observed_at = data.draw(answers), data.draw(st.integers(1_001, 2**32 - 1))
    whole = dict(zip(Feature, features(state, answer, observed_at, tuple(Feature), peers=peers, **terms), strict=True))
    assert all(-CLIP <= value <= CLIP for value in whole.values())
    # A feature is the same number in every list.
    found = features(state, answer, observed_at, listed[:length], peers=peers, **terms)
    assert found == tuple(whole[feature] for feature in listed[:length])


def test_a_feed_never_sees_a_peer_that_it_lacks() -> None:
    listed = (Feature.PEER_MOVE_0, Feature.PEER_SEEN_0, Feature.MOVE, Feature.PEER_MOVE_1, Feature.PEER_SEEN_1)
    answers = [PeerAnswer(Kind.RELATIVE, 10_000, 204), PeerAnswer(Kind.ABSOLUTE, 8, -44)]
    for count, expected in enumerate([(0, 0, 0, 0, 0), (2_000, 1, 0, 0, 0), (2_000, 1, 0, -500, 1)]):
        state = feed(round_id=3, answer=1_000, peers=PEERS[:count], peer_answers=(200, -40)[:count])
        assert features(state, 1_000, 10**9, listed, tolerance=0, peers=answers[:count]) == expected


def test_an_answer_of_each_peer_is_needed() -> None:
    one = [PeerAnswer(Kind.RELATIVE, 10_000, 5)]
    two = feed(peers=PEERS)
    for listed in ((Feature.MOVE, Feature.PEER_SEEN_1), (Feature.MOVE, Feature.PEER_MOVE_0)):
        with pytest.raises(ValueError, match="1 answers of peers; the feed has 2 peers"):
            features(two, 5, 10**9, listed, tolerance=0, peers=one)
        with pytest.raises(ValueError, match="1 answers of peers; the feed has 0 peers"):
            features(feed(), 5, 10**9, listed, tolerance=0, peers=one)
        assert sees_peers(listed)
    # A model that does not look at them needs none.
    assert features(two, 5, 10**9, (Feature.MOVE, Feature.COUNT), tolerance=0) == (0, 1)
    assert not sees_peers((Feature.MOVE, *PAST))


def test_a_peers_move_is_measured_by_its_own_terms_since_the_feeds_last_round() -> None:
    state = feed(round_id=3, answer=1_000, peers=PEERS, peer_answers=(200, -40))
    peers = [PeerAnswer(Kind.RELATIVE, 20_000, 204), PeerAnswer(Kind.ABSOLUTE, 8, -44)]
    found = features(state, 1_000, 10**9, tuple(Feature), tolerance=0, peers=peers)
    named = dict(zip(Feature, found, strict=True))
    assert (named[Feature.PEER_MOVE_0], named[Feature.PEER_SEEN_0]) == (1_000, 1)
    assert (named[Feature.PEER_MOVE_1], named[Feature.PEER_SEEN_1]) == (-500, 1)


@given(sigmas, answers, answers)
def test_a_peer_is_not_seen_where_its_move_is_clipped_or_has_no_measure(sigma: int, answer: int, kept: int) -> None:
    moved, seen = peer_move(PeerAnswer(Kind.RELATIVE, sigma, answer), kept)
    if answer <= 0 or kept <= 0:
        assert (moved, seen) == (0, 0)
    else:
        assert moved == move(Kind.RELATIVE, sigma, answer, kept)
        assert seen == (abs(moved) < CLIP)
    absolute = peer_move(PeerAnswer(Kind.ABSOLUTE, sigma, answer), kept)
    assert absolute == (moved := move(Kind.ABSOLUTE, sigma, answer, kept), int(abs(moved) < CLIP))


# --- the gap of a hold ---


@pytest.mark.parametrize(
    ("reason", "answer", "expected"),
    [
        (HoldReason.ANOMALOUS, 110_000, 3_000),
        (HoldReason.ANOMALOUS, 110_550, 3_000),
        (HoldReason.ANOMALOUS, 110_600, 9_000),
        (HoldReason.ANOMALOUS, 100_000, 9_000),
        (HoldReason.REPEATED, 110_000, 9_000),
    ],
)
def test_the_gap_stands_still_near_an_anomalous_answer_only(reason: HoldReason, answer: int, expected: int) -> None:
    state = feed(round_id=1, answer=100_000, observed_at=1_000, held=held_answer(reason, 110_000, 3_000))
    assert gap_of(state, answer, 1_000 + 9 * 3_600, tolerance=500) == expected


# --- the running variance ---


@given(st.lists(st.tuples(moves, st.integers(GAP_ONE, CLIP)), max_size=300))
@example([(CLIP, GAP_ONE)] * 3_000)
@example([(0, CLIP)] * 3_000)
def test_a_variance_is_never_negative_and_fits_32_bits(rounds: list[tuple[int, int]]) -> None:
    stored = VARIANCE_START
    for moved, spaced in rounds:
        stored = variance(stored, moved, spaced)
        assert 0 <= stored <= (CLIP << VARIANCE_BITS) + 63 < 2**32
        assert stored >> VARIANCE_BITS <= CLIP


def test_a_variance_comes_to_what_the_moves_have() -> None:
    """Moves of 2 sigmas in one heartbeat, and the same in four heartbeats, from where each round starts at 1 sigma²."""
    often = seldom = VARIANCE_START
    for step in range(1_500):
        often = variance(often, -2_000 if step % 2 else 2_000, GAP_ONE)
        seldom = variance(seldom, 2_000, 4 * GAP_ONE)
    assert often >> VARIANCE_BITS in range(3_999, 4_001)
    assert seldom >> VARIANCE_BITS == VARIANCE_ONE


def test_a_variance_forgets_half_in_45_rounds() -> None:
    stored = variance(VARIANCE_START, CLIP, GAP_ONE)
    jump, rounds = stored - VARIANCE_START, 0
    while stored - VARIANCE_START > jump // 2:
        stored = variance(stored, 1_000, GAP_ONE)
        rounds += 1
    assert rounds == 45


# --- feature lists ---


@given(st.permutations(list(Feature)), st.integers(0, len(Feature)))
def test_feature_lists_have_names_and_codes(order: list[Feature], length: int) -> None:
    listed = (Feature.MOVE, *(feature for feature in order[:length] if feature is not Feature.MOVE))
    assert parse_features(feature_names(listed)) == listed
    assert decode_features(bytes(listed)) == listed


def test_the_standard_lists() -> None:
    assert feature_names(window_features(5)) == ("move", "past_0", "past_1", "past_2", "gap")
    assert feature_names(window_features(5, spread=True)) == ("move", "past_0", "past_1", "spread", "gap")
    assert bytes(window_features(4)).hex() == "00101101"
    assert set(window_features(15, spread=True)) == {*PAST, Feature.MOVE, Feature.SPREAD, Feature.GAP}


@pytest.mark.parametrize(
    ("length", "with_spread", "bounds"),
    [(2, False, "3 to 14"), (15, False, "3 to 14"), (3, True, "4 to 15"), (16, True, "4 to 15")],
)
def test_standard_lists_that_the_ring_has_no_moves_for(length: int, with_spread: bool, bounds: str) -> None:
    with pytest.raises(DataError, match=f"a window of {length} features; it must be from {bounds}$"):
        window_features(length, with_spread)


def test_the_longest_and_the_shortest_standard_lists() -> None:
    assert [len(window_features(length)) for length in (3, 14)] == [3, 14]
    assert [len(window_features(length, spread=True)) for length in (4, 15)] == [4, 15]


def test_each_feature_has_its_range() -> None:
    ranges = {feature: feature_range(feature) for feature in Feature}
    assert ranges.pop(Feature.GAP) == (1_000, 32_767)
    assert ranges.pop(Feature.SPREAD) == (0, 32_767)
    assert ranges.pop(Feature.VARIANCE) == (0, 32_767)
    assert ranges.pop(Feature.COUNT) == (0, 255)
    assert ranges.pop(Feature.PEER_SEEN_0) == ranges.pop(Feature.PEER_SEEN_1) == (0, 1)
    assert set(ranges.values()) == {(-32_767, 32_767)}


def test_the_calm_window_is_that_of_a_first_report() -> None:
    """Nothing but the gap, the count and the variance is there, among all features in the order of their codes."""
    assert calm_window(Feature) == (0, 1_000, 0, 1, 1_000, 0, 0, 0, 0, *(0,) * 12)
    first = features(feed(), 5, 100, tuple(Feature), tolerance=0, peers=[])
    assert calm_window(Feature) == first


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (("gap",), 'needs "move"'),
        ((), 'needs "move"'),
        (("move", "past_12"), "unknown feature 'past_12'; the features are move, gap, spread"),
        (("move", "Gap"), "unknown feature 'Gap'"),
        (("move", "gap", "move"), "has 'move' twice"),
        (("move",) * 32, "has 'move' twice"),
        (("move",) * 33, "a feature list of 33; the hub takes up to 32"),
    ],
)
def test_feature_lists_that_the_hub_refuses(names: tuple[str, ...], what: str) -> None:
    with pytest.raises(DataError, match=what):
        parse_features(names)


@pytest.mark.parametrize(("codes", "what"), [(b"\x00\x09", "unknown feature code 9"), (b"\x00\x1c", "code 28")])
def test_codes_that_stand_for_no_feature(codes: bytes, what: str) -> None:
    with pytest.raises(DataError, match=what):
        decode_features(codes)


# --- spreads, the ring, repetitions ---


def test_spreads_are_those_of_the_table(vectors: dict[str, Any]) -> None:
    columns = [[int(value) for value in vectors["spread"][name]] for name in ("kind", "sigma", "lowest", "highest")]
    found = [spread(Kind(kind), sigma, low, high) for kind, sigma, low, high in zip(*columns, strict=True)]
    assert found == [int(value) for value in vectors["spread"]["spread"]]


@given(st.sampled_from(Kind), sigmas, answers, answers)
def test_a_spread_is_no_caller_s_choice_of_order_and_fits_the_box(kind: Kind, sigma: int, a: int, b: int) -> None:
    apart = spread(kind, sigma, min(a, b), max(a, b))
    assert 0 <= apart <= CLIP
    assert spread(kind, sigma, a, a) == 0
    if kind is Kind.ABSOLUTE:
        assert apart == min(CLIP, abs(a - b) * 1_000 // sigma)


def test_the_least_positive_answers_have_a_spread_and_are_near() -> None:
    """An answer of 1 is one like any other; of 0 or less nothing can be told on a relative feed."""
    assert spread(Kind.RELATIVE, 10**9, 1, 2) == 1
    assert spread(Kind.RELATIVE, 10**9, 0, 2) == CLIP
    assert near(Kind.RELATIVE, 10**9, 1, 2, 1) and near(Kind.RELATIVE, 10**9, 2, 1, 1)
    for answer, reference in ((0, 2), (2, 0), (-1, 2), (2, -1)):
        assert not near(Kind.RELATIVE, 10**9, answer, reference, CLIP)
    assert near(Kind.ABSOLUTE, 10, -1, 0, 100) and not near(Kind.ABSOLUTE, 10, -1, 0, 99)


@given(st.lists(moves, max_size=40))
def test_the_ring_has_the_newest_moves_first(pushed: list[int]) -> None:
    ring: tuple[int, ...] = (0,) * RING_SIZE
    for value in pushed:
        ring = push_move(ring, value)
    assert ring == (*reversed(pushed), *(0,) * RING_SIZE)[:RING_SIZE]


@pytest.mark.parametrize(
    ("round_id", "answer", "before", "after"),
    [(0, 0, 0, 0), (1, 7, 0, 1), (1, 7, 254, 255), (1, 7, 255, 255), (1, 8, 9, 0)],
)
def test_repeats_are_counted_up_to_a_byte(round_id: int, answer: int, before: int, after: int) -> None:
    latest = 7 if round_id else 0
    assert repeats(feed(round_id=round_id, answer=latest, repeats=before), answer) == after
