"""Write `tests/vectors/quadratic.json`: scores of quadratic models, for the contract that computes them itself.

    python scripts/make_quadratic_vectors.py            # write it
    python scripts/make_quadratic_vectors.py --check    # exit 1 if it would change

Each model has its weights, and columns of decimal strings, as in `features.json`: the packed ring, the move, the gap,
and both scores.
"""

from __future__ import annotations

import dataclasses
import json
import math
import random
import sys
from pathlib import Path

from oracle.core.encoding import CLIP, GAP_ONE
from oracle.detectors.kinds.quadratic import PAST, QuadraticModel

TARGET = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "quadratic.json"
_WINDOWS = 60
_TRIES = 200_000


def packed_ring(past: list[int]) -> int:
    """Return past moves as the hub packs them: an int16 each, with the newest in the low bits."""
    return sum((move & 0xFFFF) << (16 * age) for age, move in enumerate(past))


def boundary_windows(model: QuadraticModel, rng: random.Random) -> list[list[int]]:
    """Return windows on either side of both limits: the last that is accepted, with a score of exactly 0, and the next.

    Past moves are multiples of 2^(p/2), and the floors of 2^p. So 2^p divides a limit, and what is left has to be a
    square.

    Raises:
        ValueError: None was found.
    """
    step, one = 1 << (model.param_scale // 2), 1 << model.param_scale
    found: dict[int, list[int]] = {}
    for _ in range(_TRIES):
        moves = [0] * PAST
        for _ in range(rng.randint(0, 5)):
            moves[rng.randrange(PAST)] = rng.randint(-6, 6)
        gap = rng.randint(GAP_ONE, 4 * GAP_ONE)
        past = [step * move for move in moves]
        weighted = sum(weight * move * move for weight, move in zip(model.past, past, strict=True))
        spread = model.drift_past * sum(move * move for move in past)
        for score, limit in enumerate((model.floor + weighted, model.drift_floor + spread)):
            root = math.isqrt(gap * limit // one)
            window = [root - score * sum(past), *past, gap]
            scores = model.exact_scores(window) if 0 < window[0] < CLIP else (1, 1)
            if scores[score] == 0 >= scores[1 - score] and score not in found:
                found[score] = window
        if len(found) == 2:
            break
    else:
        raise ValueError(f"model {model.name} has no window with a score of exactly 0 for each score")
    return [each for at in (0, 1) for each in (found[at], [found[at][0] + 1, *found[at][1:]])]


def _windows(rng: random.Random) -> list[list[int]]:
    edges = [
        [0] * (PAST + 1) + [GAP_ONE],
        [CLIP] * (PAST + 1) + [GAP_ONE],
        [-CLIP] * (PAST + 1) + [CLIP],
        [CLIP] + [0] * PAST + [CLIP],
        [0] + [-CLIP] * PAST + [GAP_ONE],
        [CLIP] + [-CLIP if age % 2 else CLIP for age in range(PAST)] + [GAP_ONE],
        [0] * PAST + [-1] + [GAP_ONE],
    ]
    drawn = []
    for _ in range(_WINDOWS):
        size = rng.choice((50, 1_000, 4_000, CLIP))
        now = max(-CLIP, min(CLIP, rng.choice((1, 10)) * rng.randint(-size, size)))
        past = [rng.randint(-size, size) for _ in range(PAST)]
        drawn.append([now, *past, rng.choice((GAP_ONE, GAP_ONE, GAP_ONE, rng.randint(GAP_ONE, CLIP)))])
    return edges + drawn


def _model(rng: random.Random, name: str, most: int) -> QuadraticModel:
    return QuadraticModel(
        name,
        tuple(rng.randint(0, most) for _ in range(PAST)),
        rng.randint(1, 2**24 - 1) << rng.randint(0, 12),
        rng.randint(0, most),
        rng.randint(1, 2**24 - 1) << rng.randint(0, 12),
        rng.randint(10, 30),
    )


def render() -> str:
    """Return the file's text."""
    rng = random.Random(20081015)
    default = dataclasses.replace(QuadraticModel.default(), name="default")
    even = QuadraticModel("boundary", (1_000,) * PAST, 9_600 << 20, 8_384, 8_000 << 20)
    table = {}
    for model in (default, even, _model(rng, "drawn", 3_000), _model(rng, "largest", 2**16 - 1)):
        windows = _windows(rng)
        if model is even:
            last = boundary_windows(model, rng)
            windows += last + [[-value for value in window[:-1]] + window[-1:] for window in last]
        scores = [model.exact_scores(window) for window in windows]
        table[model.name] = {
            "past": [str(weight) for weight in model.past],
            "floor": str(model.floor),
            "driftPast": str(model.drift_past),
            "driftFloor": str(model.drift_floor),
            "scale": str(model.param_scale),
            "ring": [str(packed_ring(window[1:-1])) for window in windows],
            "move": [str(window[0]) for window in windows],
            "gap": [str(window[-1]) for window in windows],
            "spike": [str(spike) for spike, _ in scores],
            "drift": [str(drift) for _, drift in scores],
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
