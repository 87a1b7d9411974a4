"""Write `tests/vectors/peers.json`: scores of detectors with a peer, for the contract that computes them itself.

    python scripts/make_peers_vectors.py            # write it
    python scripts/make_peers_vectors.py --check    # exit 1 if it would change

Each model has its weights, and columns of decimal strings: what the contract is given, both scores, and the verdict.
The scores are without the margin: it is 2, and the scores are multiples of 4, so it changes no verdict.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from oracle.bench.rivals import ONCHAIN
from oracle.core.encoding import CLIP, GAP_ONE, Feature, feature_range
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import Allowance, Limit, Output, Power, Product, Sum
from oracle.detectors.registry import packaged

TARGET = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "peers.json"
COLUMNS = ("ring", "move", "variance", "peerMove", "peerSeen", "gap")
WEIGHTS = ("floor", "past", "variance", "square", "product", "peerSquare", "scale")
_WINDOWS = 80
_MOST_BITS = 24


def model_of(name: str, weights: Sequence[int], scale: int) -> PolynomialModel:
    """Return a detector of the default's form.

    Args:
        name: Its name.
        weights: In the order of `WEIGHTS`.
        scale: The weights are integers over 2^scale.
    """
    floor, past, variance, square, product, beside = weights
    limit = Limit(floor, (Allowance(1, 4, (past,)), Allowance(4, 5, (variance,), Power.VALUES)))
    measured = (Product(0, 0, square), Product(0, 5, -product), Product(5, 5, -beside))
    outputs = (Output("own", (Sum(0, 1),), limit), Output("peer", measured, "own", (Feature.PEER_SEEN_0,)))
    return PolynomialModel(name, packaged().features, outputs, scale)


def _drawn(rng: random.Random, name: str, bits: int) -> PolynomialModel:
    weights = [4 * rng.randint(1, 2**bits - 1) for _ in range(6)]
    weights[0] <<= 8
    return model_of(name, weights, rng.randint(10, 20))


def _windows(model: PolynomialModel, rng: random.Random) -> list[list[int]]:
    found = [
        [side * CLIP] * 4 + [CLIP, other * CLIP, 1, gap]
        for side in (1, -1)
        for other in (1, -1)
        for gap in (GAP_ONE, CLIP)
    ]
    found += [[0] * 4 + [0, 0, 0, GAP_ONE], [0] * 4 + [0, -1, 1, GAP_ONE], [CLIP, 0, 0, -1, 0, 0, 1, GAP_ONE]]
    for _ in range(_WINDOWS):
        window = []
        for feature in model.features:
            (least, most), reach = feature_range(feature), 2 ** rng.randint(4, 15)
            window.append(rng.randint(max(least, -reach), min(most, max(reach, least))))
        found.append(window)
    return found + [each for window in found[-_WINDOWS:] for each in _edge(model, window)]


def _edge(model: PolynomialModel, window: Sequence[int]) -> list[list[int]]:
    """Return a window with the last move, up from none, that is accepted, and with the first that is held."""
    low, high = [0, *window[1:]], [CLIP, *window[1:]]
    if max(model.exact_scores(low)) > 0 or max(model.exact_scores(high)) <= 0:
        return []
    while high[0] - low[0] > 1:
        middle = [(low[0] + high[0]) // 2, *window[1:]]
        low, high = (low, middle) if max(model.exact_scores(middle)) > 0 else (middle, high)
    return [low, high]


def render() -> str:
    """Return the file's text."""
    rng = random.Random(20081015)
    default = cast(PolynomialModel, packaged())
    rival = ONCHAIN["peers"]
    table = {}
    for name, model in (
        ("default", default),
        ("drawn", _drawn(rng, "drawn", 12)),
        ("largest", _drawn(rng, "largest", _MOST_BITS)),
    ):
        windows = _windows(model, rng)
        given = list(zip(*(rival.call(model, window) for window in windows), strict=True))
        scores = [[score + model.exact_margin for score in model.compared(window)] for window in windows]
        table[name] = {
            "weights": dict(zip(WEIGHTS, map(str, rival.constructor(model)), strict=True)),
            **{column: [str(int(value)) for value in values] for column, values in zip(COLUMNS, given, strict=True)},
            "own": [str(own) for own, _ in scores],
            "peer": [str(peer) for _, peer in scores],
            "held": [str(int(max(model.exact_scores(window)) > 0)) for window in windows],
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
