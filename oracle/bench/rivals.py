"""Other ways to judge by a detector, written for its form: a contract, and a Groth16 circuit.

What is special about each form is here as data; `oracle.bench.baselines` measures, and `oracle.bench.groth16` proves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oracle.bench.solidity import NAME, network_source
from oracle.chain.local.toolchain import project_root
from oracle.core.encoding import PAST, Feature
from oracle.core.errors import Fatal
from oracle.detectors.interface import Detector
from oracle.detectors.kinds.imported import ImportedDetector
from oracle.detectors.kinds.limits import VERDICT_SCORE_BITS
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import Allowance, Limit, Output, Power, Product, Sum
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.proving.imported import ImportedModel

Window = Sequence[int]

_SALT = 0x5EED << 112
"""128 bits; a user's are drawn."""


@dataclass(frozen=True)
class OnchainRival:
    """A contract that evaluates a form of detector: its weights are in its code.

    Attributes:
        contract: Its name.
        call: Returns the arguments of its function `held` for a window.
        constructor: Returns the arguments of its constructor for a detector's weights.
        source: Returns its text for a detector; None: it is in `contracts/examples`.
    """

    contract: str
    call: Callable[[Detector, Window], tuple[Any, ...]]
    constructor: Callable[[Detector], tuple[Any, ...]] = lambda model: ()
    source: Callable[[Detector], str] | None = None

    def text(self, model: Detector) -> str:
        """Return the contract's source. Raises: Fatal, ToolMissing."""
        if self.source is not None:
            return self.source(model)
        return (project_root() / "contracts" / "examples" / f"{self.contract}.sol").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Groth16Rival:
    """A Groth16 circuit for a form of detector: the window is public, the weights are hidden behind their hash.

    Attributes:
        file: Its file in `contracts/bench/groth16`.
        template: The name of its template.
        parameters: Returns the template's parameters for a detector.
        secrets: Returns the hidden inputs for a detector, by name.
    """

    file: str
    template: str
    parameters: Callable[[Detector], tuple[int, ...]]
    secrets: Callable[[Detector], Mapping[str, Any]]

    def main(self, model: Detector) -> str:
        """Return the text of the circuit for detectors like this one.

        Raises:
            Fatal: Its scores are too large for a circuit of verdicts.
        """
        if model.score_bound().bit_length() > VERDICT_SCORE_BITS:
            raise Fatal(f"the scores of model {model.name} need more than {VERDICT_SCORE_BITS} bits")
        parameters = ", ".join(map(str, self.parameters(model)))
        return (
            f'pragma circom 2.1.0;\ninclude "{self.file}";\n'
            f"component main {{public [window]}} = {self.template}({parameters});\n"
        )


def is_held(model: Detector, window: Window) -> bool:
    """Return True if a detector objects to a window."""
    return max(model.score_int(window)) > 0


def packed_ring(model: Detector, window: Window) -> int:
    """Return a window's past moves as the hub keeps them: an int16 each, with the newest in the low bits."""
    ring = 0
    for feature, value in zip(model.features, window, strict=True):
        if feature in PAST:
            ring |= (value & 0xFFFF) << (16 * PAST.index(feature))
    return ring


def _value(model: Detector, window: Window, feature: Feature) -> int:
    return window[model.features.index(feature)]


def _quadratic(model: Detector) -> QuadraticModel:
    if not isinstance(model, QuadraticModel):
        raise Fatal(f"model {model.name} is no quadratic detector")
    return model


def _quadratic_constructor(model: Detector) -> tuple[Any, ...]:
    of = _quadratic(model)
    return list(of.past), of.floor, of.drift_past, of.drift_floor, of.param_scale


def _quadratic_call(model: Detector, window: Window) -> tuple[Any, ...]:
    return packed_ring(model, window), _value(model, window, Feature.MOVE), _value(model, window, Feature.GAP)


def _peers(model: Detector) -> tuple[int, ...]:
    """Return the six weights of a detector with one peer: floor, past, variance; square, product, peer's square.

    Raises:
        Fatal: It has another form.
    """
    match model:
        case PolynomialModel(
            features=(Feature.MOVE, Feature.PAST_0, Feature.PAST_1, Feature.PAST_2, Feature.VARIANCE,
                      Feature.PEER_MOVE_0, Feature.PEER_SEEN_0, Feature.GAP),
            gates=(
                Output(measured=(Sum(0, 1, None),), seen=(), limit=Limit(
                    floor, (Allowance(1, 4, (past,), Power.SQUARES), Allowance(4, 5, (variance,), Power.VALUES)), True,
                )),
                Output(
                    measured=(Product(0, 0, square), Product(0, 5, product), Product(5, 5, beside)),
                    limit=str(), seen=(Feature.PEER_SEEN_0,),
                ),
            ),
        ):  # fmt: skip
            return floor, past, variance, square, -product, -beside
    raise Fatal(f"model {model.name} has another form than the contract and the circuit that were written by hand")


def _peers_call(model: Detector, window: Window) -> tuple[Any, ...]:
    move, variance, peer_move, seen, gap = (
        _value(model, window, feature)
        for feature in (Feature.MOVE, Feature.VARIANCE, Feature.PEER_MOVE_0, Feature.PEER_SEEN_0, Feature.GAP)
    )
    return packed_ring(model, window), move, variance, peer_move, bool(seen), gap


def _network_call(model: Detector, window: Window) -> tuple[Any, ...]:
    return (sum((value & 0xFFFF) << (16 * at) for at, value in enumerate(window)),)


def _network(model: Detector) -> ImportedModel:
    network = model.network if isinstance(model, ImportedDetector) else None
    if not isinstance(network, ImportedModel):
        raise Fatal(f"model {model.name} is no network")
    return network


def _network_source(model: Detector) -> str:
    return network_source(_network(model).circuit)


def network_weights(model: Detector) -> int:
    """Return the number of a network's weights; 0 of a detector that is none."""
    return _network(model).circuit.weights if isinstance(model, ImportedDetector) else 0


ONCHAIN: Mapping[str, OnchainRival] = {
    "quadratic": OnchainRival("OnchainQuadratic", _quadratic_call, _quadratic_constructor),
    "peers": OnchainRival("OnchainPeers", _peers_call, lambda model: (*_peers(model), model.param_scale)),
    **dict.fromkeys(
        ("autoencoder", "trees", "network"),
        OnchainRival(NAME, _network_call, source=_network_source),
    ),
}
"""By detector."""

GROTH16: Mapping[str, Groth16Rival] = {
    "quadratic": Groth16Rival(
        "quadratic.circom",
        "Quadratic",
        lambda model: (len(_quadratic(model).past), model.param_scale, VERDICT_SCORE_BITS),
        lambda model: {"weights": list(_quadratic(model).weights())},
    ),
    "peers": Groth16Rival(
        "peers.circom",
        "Peers",
        lambda model: (3, model.param_scale, VERDICT_SCORE_BITS),
        lambda model: {"weights": list(_peers(model)), "salt": _SALT},
    ),
}
"""By detector."""
