"""Write `tests/vectors/lives.json`: whole lives of feeds, which the npm client's gate has to lead like the Python one.

    python scripts/make_lives.py                      # write it
    python scripts/make_lives.py --check              # exit 1 if it would change
    python scripts/make_lives.py --fuzz SEED N FILE   # N other lives, for a comparison that is not kept

Each report of a life has what the hub gets (answer, times, scores, answers of peers) and what follows: the window of
all features, the outcome, and the feed's state and hold afterwards. Integers beyond 2^53 are decimal strings.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from oracle.core.encoding import CLIP, INT128_MAX, Feature, PeerAnswer, features
from oracle.core.gate import HoldPolicy, Verdict, empty_feed, judge
from oracle.core.types import FeedState, HeldAnswer, Kind, Outcome

TARGET = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "lives.json"
LIVES, REPORTS = 16, 20
SEED = 20
MODEL = 3


def _answer(rng: random.Random, near: int) -> int:
    chosen = rng.random()
    if chosen < 0.25:
        return near
    if chosen < 0.75:
        return near + rng.randint(-abs(near) // 200 - 3, abs(near) // 200 + 3)
    if chosen < 0.85:
        return near * rng.choice([2, 3, 10]) + rng.randint(-5, 5)
    if chosen < 0.93:
        return rng.choice([0, -1, 1, -near, near // 7 + 1])
    return rng.choice([INT128_MAX, -INT128_MAX, 2**100, -(2**90), rng.randint(-(10**20), 10**20)])


def _scores(rng: random.Random, unit: int, outputs: int) -> list[int]:
    extremes = [-1, 0, 1, -unit, unit, INT128_MAX, -INT128_MAX, rng.randint(-(2**60), 2**60)]
    anomalous = rng.random() < 0.35
    return [rng.choice(extremes) if anomalous else -rng.randint(0, 10**6) for _ in range(outputs)]


def life(rng: random.Random, reports: int) -> dict[str, Any]:
    """Return one life of a feed, as drawn."""
    kind = rng.choice(list(Kind))
    sigma = rng.choice([1, 7, 1_000, 50_000, 10**9, 2**64 - 1, rng.randint(1, 2**64 - 1)])
    heartbeat = rng.choice([1, 60, 3_600, 2**24 - 1, rng.randint(1, 2**24 - 1)])
    policy = HoldPolicy(
        rng.randint(0, 4),
        rng.choice([1, 60, 600]),
        rng.choice([0, 100, 5_000, CLIP - 1, CLIP]),
        rng.choice([0, 0, 1, 3, 255]),
    )
    peers = [(rng.choice(list(Kind)), rng.choice([1, 1_000, 10**12])) for _ in range(rng.randint(0, 2))]
    unit, outputs = rng.choice([1, 1_000, 1 << 20, (2**40 - 1) << 40]), rng.randint(1, 3)
    base = rng.choice([3, 10**8, 12_345_678_901, 10**20]) * (-1 if kind is Kind.ABSOLUTE and rng.random() < 0.5 else 1)
    state = empty_feed(
        b"\1" * 32, kind, sigma, heartbeat, MODEL, peers=[bytes([9 + k]) * 32 for k in range(len(peers))]
    )
    now, steps = rng.randint(1, 2**31), []
    for _ in range(reports):
        now += rng.choice([1, heartbeat // 2 + 1, heartbeat, 3 * heartbeat, rng.randint(1, 1_000)])
        if now > 2**32 - 3_600:
            break
        near = (
            state.held.first_answer if state.held and rng.random() < 0.6 else state.answer if state.round_id else base
        )
        answer = max(-INT128_MAX, min(INT128_MAX, _answer(rng, near)))
        if state.round_id == 0 and kind is Kind.RELATIVE:
            answer = base
        seen, spread, count = now + rng.randint(-5, 100), rng.randint(0, CLIP), rng.randint(1, 31)
        scores = _scores(rng, unit, outputs)
        told = [rng.choice([abs(answer), 5, -3, 0, rng.randint(1, 10**12)]) for _ in peers]
        measured = [PeerAnswer(*peer, each) for peer, each in zip(peers, told, strict=True)]
        window = features(
            state, answer, now, tuple(Feature), tolerance=policy.tolerance, spread=spread, count=count, peers=measured
        )
        verdict = judge(
            state,
            policy,
            answer,
            now,
            scores,
            score_unit=unit,
            published_at=seen,
            spread=spread,
            count=count,
            peer_answers=told,
        )
        state = verdict.state
        steps.append(
            {
                "answer": str(answer),
                "observedAt": now,
                "publishedAt": seen,
                "scores": [str(each) for each in scores],
                "peerAnswers": [str(each) for each in told],
                "spread": spread,
                "count": count,
                "window": list(window),
                "verdict": _verdict(verdict),
                "state": _state(state),
                "held": _held(state.held),
            }
        )
    return {
        "kind": kind.name.lower(),
        "sigma": str(sigma),
        "heartbeat": heartbeat,
        "confirmations": policy.confirmations,
        "confirmDelay": policy.confirm_delay,
        "tolerance": policy.tolerance,
        "maxRepeats": policy.max_repeats,
        "scoreUnit": str(unit),
        "modelNumber": MODEL,
        "peers": [{"kind": each.name.lower(), "sigma": str(of)} for each, of in peers],
        "reports": steps,
    }


def render(rng: random.Random, lives: int, reports: int) -> str:
    """Return a file of lives."""
    document = {"features": [int(each) for each in Feature], "lives": [life(rng, reports) for _ in range(lives)]}
    return json.dumps(document, separators=(",", ":")) + "\n"


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--fuzz"]:
        seed, lives, target = arguments[1:]
        Path(target).write_text(render(random.Random(int(seed)), int(lives), 60), encoding="utf-8")
        return 0
    text = render(random.Random(SEED), LIVES, REPORTS)
    if arguments == ["--check"]:
        same = TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text
        if not same:
            print(f"{TARGET.name} is not what this script writes", file=sys.stderr)
        return 0 if same else 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


def _verdict(verdict: Verdict) -> dict[str, Any]:
    stored = verdict.round.score_ratio if verdict.round else None
    return {
        "isHeld": verdict.outcome is Outcome.HELD,
        "reason": int(verdict.reason),
        "isConfirmed": verdict.confirmed,
        "scoreRatio": stored,
    }


def _state(state: FeedState) -> dict[str, Any]:
    return {
        "roundId": state.round_id,
        "answer": str(state.answer),
        "observedAt": state.observed_at,
        "lastReportAt": state.last_report_at,
        "repeats": state.repeats,
        "variance": state.variance,
        "moves": list(state.returns),
        "heldReports": state.held_reports,
    }


def _held(held: HeldAnswer | None) -> dict[str, Any] | None:
    if held is None:
        return None
    return {
        "reason": int(held.reason),
        "answer": str(held.answer),
        "firstAnswer": str(held.first_answer),
        "firstObservedAt": held.first_observed_at,
        "firstSeenAt": held.first_seen_at,
        "observedAt": held.observed_at,
        "confirmations": held.confirmations,
        "modelNumber": held.model_number,
        "scoreRatio": held.score_ratio,
        "anomalies": held.anomalies,
        "anomalousSince": held.anomalous_since,
        "anomalousSeenAt": held.anomalous_seen_at,
        "firstGap": held.first_gap,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
