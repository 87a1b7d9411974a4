"""The detectors that are measured.

`peers` is the default that the package ships: public and with scores as it comes, private and with verdicts once it is
an operator's own. `quadratic` was the default before it, and stays as what the new one is compared with. The others are
networks that somebody brings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from oracle.bench import trained
from oracle.detectors.interface import Detector, Disclosure
from oracle.detectors.kinds.imported import ImportedDetector
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.detectors.registry import packaged

_SALT = "5eed" * 8
"""A user's is drawn; this one is always the same, so that circuits are found again."""


def _salted(model: Detector, disclosure: Disclosure) -> Detector:
    """Return a model that publishes verdicts as its owner's secret, which has a salt; one of scores as it is."""
    if disclosure is Disclosure.SCORE:
        return model
    assert isinstance(model, PolynomialModel | ImportedDetector)
    return replace(model, salt=_SALT, disclosure=disclosure)


DETECTORS: Mapping[str, Callable[[Disclosure], Detector]] = {
    "quadratic": QuadraticModel.default,
    "peers": lambda disclosure: _salted(packaged(), disclosure),
    "autoencoder": lambda disclosure: _salted(trained.autoencoder(), disclosure),
    "trees": lambda disclosure: _salted(trained.trees(), disclosure),
    "network": lambda disclosure: _salted(trained.network(), disclosure),
}
"""Each publishes what is asked for."""


def detector(name: str, disclosure: str = "score") -> Detector:
    """Return one of `DETECTORS`, publishing scores or verdicts."""
    return DETECTORS[name](Disclosure(disclosure))
