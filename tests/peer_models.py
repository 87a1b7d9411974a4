"""A small private model that judges a feed beside a peer: its own move, and its move beside the peer's."""

from __future__ import annotations

from oracle.core.encoding import Feature
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import Allowance, Limit, Output, Power, Product, Sum

FEATURES = (
    Feature.MOVE,
    Feature.PAST_0,
    Feature.PAST_1,
    Feature.PAST_2,
    Feature.PAST_3,
    Feature.PEER_MOVE_0,
    Feature.PEER_SEEN_0,
    Feature.VARIANCE,
    Feature.COUNT,
    Feature.GAP,
)
"""All kinds of features that a list can have, but for the spread."""

SCALE = 12
ONE = 1 << SCALE
SALT = "00112233445566778899aabbccddeeff"


def peer_model(salt: str = SALT) -> PolynomialModel:
    """Return a model that publishes a verdict. With the move x, the peer's move y and the gap g, all clipped:

        own   x²                   > g · (16,000 + 9 · variance + Σ past moves² / 1,024 + 100 · count) = limit
        peer  4 x² − 6 x y − y²    > limit, and the peer is seen

    On a new feed, whose variance is 1 σ², `own` holds moves beyond √25.1 = 5.01 sigmas, and `peer` moves beyond half
    of that if the peer stands still. `peer` measures at most 13 x², so a peer that lies alone holds no move within
    5.01 / √13 = 1.39 sigmas, and where it isn't seen, `own` is left.
    """
    limit = Limit(
        16_000 * ONE,
        (
            Allowance(1, 5, (4,)),
            Allowance(7, 8, (9 * ONE,), Power.VALUES),
            Allowance(8, 9, (100 * ONE,), Power.VALUES),
        ),
    )
    beside = (Product(0, 0, 4 * ONE), Product(0, 5, -6 * ONE), Product(5, 5, -ONE))
    outputs = (Output("own", (Sum(0, 1),), limit), Output("peer", beside, "own", (Feature.PEER_SEEN_0,)))
    return PolynomialModel("beside-a-peer", FEATURES, outputs, SCALE, Disclosure.VERDICT, salt)
