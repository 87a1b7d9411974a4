"""Write `tests/vectors/features.json`: the table that the Python and the Solidity tests share.

    python scripts/make_vectors.py            # write it
    python scripts/make_vectors.py --check    # exit 1 if it would change

Columns are parallel arrays of decimal strings, which forge's JSON cheat codes read best. `window` is an array of
objects instead, because a window is as long as its model's feature list. `peerKept` is empty before the first round.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from oracle.core.encoding import (
    CLIP,
    FIELD_MODULUS,
    GAP_ONE,
    INT128_MAX,
    PAST,
    RING_SIZE,
    SCORE_RATIO_MAX,
    VARIANCE_BITS,
    VARIANCE_START,
    Feature,
    PeerAnswer,
    features,
    gap,
    gap_of,
    is_score_unit,
    move,
    near,
    peer_move,
    score_ratio,
    spread,
    to_field,
    variance,
    window_features,
)
from oracle.core.gate import HoldPolicy, empty_feed, judge
from oracle.core.types import FeedState, HoldReason, Kind, Status

TARGET = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "features.json"

LISTS: tuple[tuple[Feature, ...], ...] = (
    window_features(14),
    window_features(3),
    window_features(15, spread=True),
    (Feature.MOVE,),
    (Feature.GAP, Feature.MOVE),
    (Feature.VARIANCE, Feature.COUNT, Feature.MOVE, Feature.SPREAD),
    (Feature.MOVE, PAST[0], PAST[11], Feature.PEER_MOVE_0, Feature.PEER_SEEN_0, Feature.GAP),
    (Feature.PEER_SEEN_1, Feature.MOVE, Feature.PEER_MOVE_1),
    tuple(Feature),
    tuple(reversed(Feature)),
)


def _moves(rng: random.Random) -> list[tuple[int, ...]]:
    edges = [
        (Kind.RELATIVE, 10_000, 100_00000000, 100_00000000),
        (Kind.RELATIVE, 10_000, 101_00000000, 100_00000000),
        (Kind.RELATIVE, 10_000, 100_00000000, 101_00000000),
        (Kind.RELATIVE, 10_000, 1000_00000000, 100_00000000),
        (Kind.RELATIVE, 10_000, 10_00000000, 100_00000000),
        (Kind.RELATIVE, 10_000, 0, 100_00000000),
        (Kind.RELATIVE, 10_000, -1, 100_00000000),
        (Kind.RELATIVE, 1, INT128_MAX, 1),
        (Kind.RELATIVE, 1, 1, INT128_MAX),
        (Kind.RELATIVE, 2**64 - 1, INT128_MAX, 1),
        (Kind.RELATIVE, 10_000, -INT128_MAX - 1, INT128_MAX),
        (Kind.RELATIVE, 7, 999_999, 1_000_000),
        (Kind.RELATIVE, 60_000, 1_000_001, 1_000_000),
        (Kind.RELATIVE, 60_000, 999_999, 1_000_000),
        (Kind.ABSOLUTE, 3, -7, 0),
        (Kind.ABSOLUTE, 3, 7, 0),
        (Kind.ABSOLUTE, 2001, -1, 1),
        (Kind.ABSOLUTE, 2001, 1, -1),
        (Kind.ABSOLUTE, 1, INT128_MAX, -INT128_MAX - 1),
        (Kind.ABSOLUTE, 1, -INT128_MAX - 1, INT128_MAX),
        (Kind.ABSOLUTE, 2**64 - 1, INT128_MAX, 0),
    ]
    rows: list[tuple[int, ...]] = [(int(kind), sigma, p, q, move(kind, sigma, p, q)) for kind, sigma, p, q in edges]
    for _ in range(120):
        kind = rng.choice(list(Kind))
        sigma = rng.randint(1, 10 ** rng.randint(1, 9))
        q = rng.randint(1, 10 ** rng.randint(1, 30))
        p = q + rng.randint(-q, q) // 10 ** rng.randint(0, 8)
        if kind is Kind.ABSOLUTE and rng.random() < 0.5:
            p, q = -p, -q
        rows.append((int(kind), sigma, p, q, move(kind, sigma, p, q)))
    return rows


def _gaps(rng: random.Random) -> list[tuple[int, ...]]:
    rows = [
        (1, 0, 3600),
        (3600, 0, 3600),
        (3601, 0, 3600),
        (7199, 0, 3600),
        (2**32 - 1, 0, 1),
        (118_000, 0, 3600),
    ]
    for _ in range(40):
        last = rng.randint(0, 2**31)
        rows.append(
            (
                last + rng.randint(1, 10 ** rng.randint(1, 8)),
                last,
                rng.randint(1, 100_000),
            )
        )
    return [(observed, last, heartbeat, gap(observed, last, heartbeat)) for observed, last, heartbeat in rows]


def _ratios(rng: random.Random) -> list[tuple[int, ...]]:
    rows = [
        (0, 1),
        (1, 1),
        (-1, 1),
        (-1999, 1000),
        (INT128_MAX, 1),
        (-INT128_MAX, 1),
        (INT128_MAX, 2**128 - 1),
        (1, 2**128 - 1),
        (-1, 2**128 - 1),
        (2, 2),
        (-2, 2),
        (1, 1_001),
        (1_999, 1_000),
        (SCORE_RATIO_MAX, 1_000),
        (SCORE_RATIO_MAX + 1, 1_000),
        (-SCORE_RATIO_MAX - 1, 1_000),
        (-SCORE_RATIO_MAX - 2, 1_000),
    ]
    for _ in range(40):
        unit = rng.randint(1, 2 ** rng.randint(1, 90))
        # Ratios on either side of the bound at which they saturate, 8,389 units.
        rows.append((rng.randint(-10_000 * unit, 10_000 * unit) // 10 ** rng.randint(0, 4), unit))
    return [(score, unit, score_ratio([score], unit)) for score, unit in rows]


def _units(rng: random.Random) -> list[tuple[int, ...]]:
    units = [0, 1, 2**40 - 1, 2**40, 2**40 + 1, 2**41 - 1, 2**41 - 2, 2**127, 2**128 - 1, (2**40 - 1) << 88]
    units += [rng.getrandbits(rng.randint(30, 50)) << rng.randint(0, 78) for _ in range(30)]
    return [(unit, int(is_score_unit(unit))) for unit in units]


def _fields(rng: random.Random) -> list[tuple[int, ...]]:
    values = [0, 1, -1, 32_767, -32_767, INT128_MAX, -INT128_MAX]
    values += [rng.randint(-INT128_MAX, INT128_MAX) for _ in range(20)]
    return [(value, to_field(value)) for value in values]


def _spreads(rng: random.Random) -> list[tuple[int, ...]]:
    rows = [
        (Kind.RELATIVE, 10_000, 100, 100),
        (Kind.RELATIVE, 10_000, -5, -5),
        (Kind.RELATIVE, 10_000, 0, 100),
        (Kind.RELATIVE, 10_000, -100, 100),
        (Kind.RELATIVE, 10_000, 1, INT128_MAX),
        (Kind.RELATIVE, 10_000, 100_00000000, 100_00000001),
        (Kind.RELATIVE, 10_000, 100_00000000, 132_76700000),
        (Kind.RELATIVE, 10_000, 100_00000000, 132_76600000),
        (Kind.ABSOLUTE, 3, -7, 7),
        (Kind.ABSOLUTE, 3, 0, 0),
        (Kind.ABSOLUTE, 1, -INT128_MAX - 1, INT128_MAX),
        (Kind.ABSOLUTE, 2**64 - 1, -1, 0),
    ]
    for _ in range(60):
        kind = rng.choice(list(Kind))
        lowest = rng.randint(1, 10 ** rng.randint(1, 30)) * (-1 if kind is Kind.ABSOLUTE and rng.random() < 0.5 else 1)
        highest = lowest + abs(lowest) // 10 ** rng.randint(0, 6)
        rows.append((kind, rng.randint(1, 10 ** rng.randint(1, 9)), lowest, highest))
    return [(int(kind), sigma, p, q, spread(kind, sigma, p, q)) for kind, sigma, p, q in rows]


def _variances(rng: random.Random) -> list[tuple[int, ...]]:
    highest = (CLIP << VARIANCE_BITS) + 63
    rows = [
        (VARIANCE_START, 0, GAP_ONE),
        (VARIANCE_START, 1_000, GAP_ONE),
        (VARIANCE_START, -1_000, GAP_ONE),
        (VARIANCE_START, 5_723, GAP_ONE),
        (VARIANCE_START, CLIP, GAP_ONE),
        (VARIANCE_START, -CLIP, CLIP),
        (highest, CLIP, GAP_ONE),
        (highest, 0, GAP_ONE),
        (63, 0, CLIP),
        (64, 0, CLIP),
        (0, 0, CLIP),
    ]
    for _ in range(60):
        moved = rng.randint(-CLIP, CLIP) // 10 ** rng.randint(0, 4)
        rows.append((rng.randint(0, highest), moved, rng.randint(GAP_ONE, CLIP)))
    # A feed's first hundred rounds, one after the other.
    stored = VARIANCE_START
    for _ in range(100):
        rows.append((stored, round(rng.gauss(0, 1_500)), rng.choice([GAP_ONE, GAP_ONE, rng.randint(GAP_ONE, 5_000)])))
        stored = variance(*rows[-1])
    return [(stored, moved, spaced, variance(stored, moved, spaced)) for stored, moved, spaced in rows]


def _peer_moves(rng: random.Random) -> list[tuple[int, ...]]:
    rows = [
        (Kind.RELATIVE, 10_000, 100, 100),
        (Kind.RELATIVE, 10_000, 0, 100),
        (Kind.RELATIVE, 10_000, 100, 0),
        (Kind.RELATIVE, 10_000, -100, -100),
        (Kind.RELATIVE, 10_000, 132_766, 100_000),
        (Kind.RELATIVE, 10_000, 132_767, 100_000),
        (Kind.RELATIVE, 10_000, 100_000, 132_767),
        (Kind.RELATIVE, 1, INT128_MAX, 1),
        (Kind.ABSOLUTE, 1, 0, 0),
        (Kind.ABSOLUTE, 1_000, -32_766, 0),
        (Kind.ABSOLUTE, 1_000, -32_767, 0),
        (Kind.ABSOLUTE, 1, INT128_MAX, -INT128_MAX),
    ]
    for _ in range(60):
        kind = rng.choice(list(Kind))
        kept = rng.randint(1, 10 ** rng.randint(1, 30)) * (-1 if rng.random() < 0.2 else 1)
        answer = kept + rng.randint(-abs(kept), abs(kept)) // 10 ** rng.randint(0, 6)
        rows.append((kind, rng.randint(1, 10 ** rng.randint(1, 9)), answer, kept))
    return [
        (int(kind), sigma, answer, kept, *peer_move(PeerAnswer(kind, sigma, answer), kept))
        for kind, sigma, answer, kept in rows
    ]


def _nears(rng: random.Random) -> list[tuple[int, ...]]:
    rows = [
        (Kind.RELATIVE, 10_000, 101_000, 100_000, 1_000),
        (Kind.RELATIVE, 10_000, 101_001, 100_000, 1_000),
        (Kind.RELATIVE, 10_000, 0, 0, CLIP),
        (Kind.RELATIVE, 10_000, -5, -5, CLIP),
        (Kind.RELATIVE, 10_000, 5, -5, CLIP),
        (Kind.ABSOLUTE, 1_000, -5, -5, 0),
        (Kind.ABSOLUTE, 1_000, -500, 500, 1_000),
        (Kind.ABSOLUTE, 1_000, -501, 500, 1_000),
    ]
    for _ in range(40):
        kind = rng.choice(list(Kind))
        first = rng.randint(1, 10 ** rng.randint(3, 30))
        rows.append((kind, rng.randint(1, 10**5), first + first * rng.randint(-99, 99) // 1_000, first, 2_000))
    return [(int(kind), *row, int(near(kind, *row))) for kind, *row in rows]


def _held(rng: random.Random, kind: Kind, rounds: int) -> FeedState:
    """Return a feed with so many rounds, which holds an answer in two of three cases."""
    policy = HoldPolicy(confirmations=200, confirm_delay=1_000_000, tolerance=2_000, max_repeats=rng.choice([0, 1]))
    state, now, sigma = empty_feed(bytes(32), kind, 10_000, 3_600, 1), 1_700_000_000, 10_000
    state = replace(state, peers=(b"\1" * 32, b"\2" * 32))
    level, last = 1_000_000, rng.choice(["accepted", "anomalous", "repeated"])
    for step in range(rounds):
        now += rng.randint(1, 9_000)
        level = max(1, level + rng.randint(-2 * sigma, 2 * sigma))
        peers = (rng.randint(-(10**5), 10**7), rng.randint(10**5, 10**7))
        state = judge(state, policy, level, now, (-1,), score_unit=1, published_at=now + step, peer_answers=peers).state
    for _ in range(0 if last == "accepted" else rng.randint(1, 4)):
        now += rng.randint(1, 9_000)
        answer = state.answer if last == "repeated" else level * 11 // 10
        scores = (1,) if last == "anomalous" else (-1,)
        state = judge(state, policy, answer, now, scores, score_unit=1, published_at=now, peer_answers=(1, 1)).state
    return state


def _held_gaps(rng: random.Random) -> list[tuple[int, ...]]:
    rows = list[tuple[int, ...]]()
    while len(rows) < 80:
        state, tolerance = _held(rng, rng.choice(list(Kind)), rng.randint(1, 30)), rng.choice([0, 500, 2_000])
        held = state.held
        first = held.first_answer if held else 0
        answer = (first or state.answer) + rng.choice([0, 0, 1, -7, 5_000, 100_000])
        observed_at = state.last_report_at + rng.randint(1, 40_000)
        rows.append(
            (
                *(int(state.kind), state.sigma, state.heartbeat, tolerance, answer, observed_at, state.observed_at),
                *(held.reason if held else 0, first, held.first_gap if held else 0),
                gap_of(state, answer, observed_at, tolerance),
            )
        )
    return rows


def _window(rng: random.Random, listed: Sequence[Feature], rounds: int) -> dict[str, Any]:
    kind, tolerance = rng.choice(list(Kind)), rng.choice([500, 2_000])
    state = _held(rng, kind, rounds)
    held = state.held if state.status is Status.HELD else None
    answer = (held.first_answer if held else state.answer) + rng.randint(-20_000, 20_000)
    observed_at = state.last_report_at + rng.randint(1, 20_000)
    apart, count = rng.choice([0, rng.randint(0, CLIP)]), rng.randint(1, 31)
    if rounds and rng.random() < 0.3:
        state = replace(state, returns=tuple(rng.choice([-CLIP, CLIP, 0]) for _ in range(RING_SIZE)))
    peers = [
        PeerAnswer(rng.choice(list(Kind)), rng.randint(1, 50_000), rng.randint(-10, 10**7))
        for _ in range(rng.randint(0, 2))
    ]
    kept = state.peer_answers[: len(peers)]
    for index, before in enumerate(kept):
        if rng.random() < 0.7:
            peers[index] = replace(peers[index], answer=before + before // rng.randint(20, 500))
    state = replace(state, peers=state.peers[: len(peers)], peer_answers=kept)
    found = features(state, answer, observed_at, listed, tolerance=tolerance, spread=apart, count=count, peers=peers)
    scalars = {
        "kind": int(kind),
        "sigma": state.sigma,
        "heartbeat": state.heartbeat,
        "tolerance": tolerance,
        "roundId": state.round_id,
        "lastAnswer": state.answer,
        "lastObservedAt": state.observed_at,
        "variance": state.variance,
        "holdReason": int(held.reason if held else HoldReason.NONE),
        "firstAnswer": held.first_answer if held else 0,
        "firstGap": held.first_gap if held else 0,
        "answer": answer,
        "observedAt": observed_at,
        "spread": apart,
        "count": count,
    }
    columns = {
        "ring": state.returns,
        "peerKinds": [int(peer.kind) for peer in peers],
        "peerSigmas": [peer.sigma for peer in peers],
        "peerKept": kept,
        "peerAnswers": [peer.answer for peer in peers],
        "window": found,
    }
    return {
        "features": "0x" + bytes(listed).hex(),
        **{name: str(value) for name, value in scalars.items()},
        **{name: [str(value) for value in values] for name, values in columns.items()},
    }


def render() -> str:
    """Return the file's text."""
    rng = random.Random(20081015)

    def columns(names: str, rows: list[tuple[int, ...]]) -> dict[str, list[str]]:
        return {name: [str(row[i]) for row in rows] for i, name in enumerate(names.split())}

    table = {
        "fieldModulus": str(FIELD_MODULUS),
        "move": columns("kind sigma answer reference move", _moves(rng)),
        "gap": columns("observedAt lastObservedAt heartbeat gap", _gaps(rng)),
        "scoreRatio": columns("score unit ratio", _ratios(rng)),
        "scoreUnit": columns("unit fits", _units(rng)),
        "toField": columns("value element", _fields(rng)),
        "spread": columns("kind sigma lowest highest spread", _spreads(rng)),
        "variance": columns("stored move gap variance", _variances(rng)),
        "peerMove": columns("kind sigma answer kept move seen", _peer_moves(rng)),
        "near": columns("kind sigma answer reference tolerance near", _nears(rng)),
        "heldGap": columns(
            "kind sigma heartbeat tolerance answer observedAt lastObservedAt holdReason firstAnswer firstGap gap",
            _held_gaps(rng),
        ),
        "window": [_window(rng, listed, rounds) for listed in LISTS for rounds in (0, 1, 2, 5, 15, 40)],
    }
    return json.dumps(table, indent=1) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the table; returns the exit code."""
    text = render()
    if "--check" in arguments:
        return 0 if TARGET.exists() and TARGET.read_text() == text else 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
