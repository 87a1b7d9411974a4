"""The detectors that are measured.

`peers` is the default that the package ships: public and with scores as it comes, private and with verdicts once it is
an operator's own. `quadratic` was the default before it, and stays as what the new one is compared with. The others are
networks that somebody brings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from oracle.bench import trained
from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.detectors.interface import Detector, Disclosure
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import Allowance, Limit, Output, Power, Product, Sum
from oracle.detectors.kinds.quadratic import QuadraticModel


def _stand_in() -> PolynomialModel:
    listed = ("move", "past_0", "past_1", "past_2", "variance", "peer_move_0", "peer_seen_0", "gap")
    one = 1 << 18
    limit = Limit(12_000 * one, (Allowance(1, 4, (604,)), Allowance(4, 5, (6 * one,), Power.VALUES)))
    own = Output("own", (Sum(0, 1),), limit)
    beside = (Product(0, 0, 4 * one), Product(0, 5, -7 * one), Product(5, 5, -5 * one))
    gates = (own, Output("peer", beside, "own", (Feature.PEER_SEEN_0,)))
    return PolynomialModel("peers-v1", encoding.parse_features(listed), gates, 18)


_SALT = "5eed" * 8
"""A user's is drawn; this one is always the same, so that circuits are found again."""


def _peers(disclosure: Disclosure) -> Detector:
    model = _stand_in()
    return replace(model, salt=_SALT, disclosure=disclosure) if disclosure is Disclosure.VERDICT else model


DETECTORS: Mapping[str, Callable[[Disclosure], Detector]] = {
    "quadratic": QuadraticModel.default,
    "peers": _peers,
    "autoencoder": lambda disclosure: trained.autoencoder().publishing(disclosure),
    "trees": lambda disclosure: trained.trees().publishing(disclosure),
}
"""Each publishes what is asked for. The default that publishes verdicts is private, and so it is salted."""


def detector(name: str, disclosure: str = "score") -> Detector:
    """Return one of `DETECTORS`, publishing scores or verdicts."""
    return DETECTORS[name](Disclosure(disclosure))
