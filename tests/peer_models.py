"""A small model that judges a feed beside a peer: its own move, what is left of it beside the peer's, and no more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import TensorProto

from oracle.core.encoding import CLIP, Feature, feature_names, feature_range
from oracle.detectors.interface import Disclosure, Explanation
from oracle.detectors.kinds.graph import GraphWriter

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

SCALE = 10
ONE = 1 << SCALE


@dataclass(frozen=True, slots=True)
class PeerModel:
    """A detector that publishes two verdicts. With the move x, the peer's move y and the gap g, all clipped:

        peer = (x − β y)² > g · (ω₁ + a₁ · variance)   and   x² > floor   and   the peer is seen
        own  =  x²        > g · (ω₂ + a₂ · variance + b · Σ past moves² + c · count)

    The AND is inside the circuit: the hub holds a report if any output is above zero. So a peer alone, which lies or is
    clipped, holds nothing that does not move itself, and where it isn't seen, `own` is left.

    Attributes:
        name: Letters, digits, hyphens.
        beta: β, over 2^SCALE; so are all weights.
        residual: ω₁ and a₁.
        floor: The least own move that the peer has a say in, squared.
        own: ω₂, a₂, b and c.
    """

    name: str = "beside-a-peer"
    beta: int = 3 * ONE // 4
    residual: tuple[int, int] = (4_000 * ONE, 2 * ONE)
    floor: int = 1_000_000 * ONE
    own: tuple[int, int, int, int] = (16_000 * ONE, 9 * ONE, 1, 100 * ONE)

    @property
    def format(self) -> str:
        return "beside-a-peer"

    @property
    def features(self) -> tuple[Feature, ...]:
        return FEATURES

    @property
    def width(self) -> int:
        return len(FEATURES)

    @property
    def outputs(self) -> int:
        return 2

    @property
    def param_scale(self) -> int:
        return SCALE

    @property
    def score_unit(self) -> int:
        return 1

    @property
    def disclosure(self) -> Disclosure:
        return Disclosure.VERDICT

    def scores(self, features: Sequence[int]) -> tuple[int, int, int]:
        """Return what is compared with zero: residual, own move over the floor, own move over its limit."""
        if len(features) != self.width or any(abs(value) > CLIP for value in features):
            raise ValueError(f"{list(features)} are not {self.width} features within ±{CLIP}")
        move, *past, peer, _, variance, count, gap = features
        squares = sum(value * value for value in past)
        return (
            # A square of weights has twice their scale, and the other side is lifted to it.
            (ONE * move - self.beta * peer) ** 2 - (gap * (self.residual[0] + self.residual[1] * variance) << SCALE),
            move * move * ONE - self.floor,
            move * move * ONE
            - gap * (self.own[0] + self.own[1] * variance + self.own[2] * squares + self.own[3] * count),
        )

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the two verdicts."""
        residual, floor, own = self.scores(features)
        seen = features[FEATURES.index(Feature.PEER_SEEN_0)]
        return int(residual > 0) * int(floor > 0) * seen, int(own > 0)

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        """Return the verdicts of many windows."""
        rows = [self.score_int(tuple(int(value) for value in window)) for window in windows]
        return np.array(rows, dtype=object).reshape(-1, self.outputs)

    def score_bound(self) -> int:
        """Return a bound of all numbers in the circuit."""
        most = [max(map(abs, feature_range(feature))) for feature in FEATURES]
        move, *past, peer, _, variance, count, gap = most
        squares = sum(value * value for value in past)
        limit = self.own[0] + self.own[1] * variance + self.own[2] * squares + self.own[3] * count
        near = gap * (self.residual[0] + self.residual[1] * variance) << SCALE
        return max(
            (ONE * move + self.beta * peer) ** 2 + near, move * move * ONE + self.floor, move * move * ONE + gap * limit
        )

    def to_onnx(self, batch: int) -> bytes:
        """Return the graph: input `x` [batch, 10], output `s` [batch, 2]."""
        graph = GraphWriter("beside-a-peer", self.name, batch, self.width, SCALE)

        def columns(name: str, *features: Feature) -> str:
            return graph.columns(name, graph.indices(f"at_{name}", *map(FEATURES.index, features)))

        def weights(name: str, *values: int) -> str:
            return graph.weights(name, values)

        def squared(name: str) -> str:
            return graph.node("Mul", [name, name], f"{name}2")

        def above_zero(score: str) -> str:
            # Zero is computed, as a constant would be hashed with the weights.
            graph.node("Sub", [score, score], f"{score}_zero")
            graph.node("Greater", [score, f"{score}_zero"], f"{score}_is")
            return graph.node("Cast", [f"{score}_is"], f"{score}_above", to=TensorProto.FLOAT)

        move, gap = columns("move", Feature.MOVE), columns("gap", Feature.GAP)
        variance, count = columns("variance", Feature.VARIANCE), columns("count", Feature.COUNT)
        pair = columns("pair", Feature.MOVE, Feature.PEER_MOVE_0)
        past = squared(columns("past", *FEATURES[1:5]))
        move2 = squared(move)
        # The residual beside the peer.
        squared(graph.node("MatMul", [pair, weights("beta", ONE, -self.beta)], "residual"))
        graph.node("MatMul", [variance, weights("a1", self.residual[1])], "near_variance")
        graph.node("Add", ["near_variance", weights("omega1", self.residual[0])], "near_allowed")
        graph.node("Mul", [gap, "near_allowed"], "near_limit")
        graph.node("Sub", ["residual2", "near_limit"], "near")
        # The feed's own move.
        graph.node("Sub", [move2, weights("floor", self.floor)], "over")
        graph.node("MatMul", [variance, weights("a2", self.own[1])], "own_variance")
        graph.node("ReduceSum", [past, graph.indices("axis", 1)], "past_sum", keepdims=1)
        graph.node("MatMul", ["past_sum", weights("b", self.own[2])], "own_past")
        graph.node("MatMul", [count, weights("c", self.own[3])], "own_count")
        graph.node("Add", ["own_variance", "own_past"], "own_moves")
        graph.node("Add", ["own_moves", "own_count"], "own_known")
        graph.node("Add", ["own_known", weights("omega2", self.own[0])], "own_allowed")
        graph.node("Mul", [gap, "own_allowed"], "own_limit")
        graph.node("Sub", [move2, "own_limit"], "far")
        # AND is a product of verdicts.
        graph.node("Mul", [above_zero("near"), above_zero("over")], "both")
        graph.node("Mul", ["both", columns("seen", Feature.PEER_SEEN_0)], "peer")
        return graph.finish(["peer", above_zero("far")], Disclosure.SCORE)

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        """Return the verdicts with their names."""
        return tuple(
            Explanation(name, float(verdict), {"verdict": float(verdict)}, None, None, "a verdict")
            for name, verdict in zip(("peer", "own"), self.score_int(features), strict=True)
        )

    def publishing(self, disclosure: Disclosure) -> PeerModel:
        """Return the same model; it publishes verdicts only."""
        assert disclosure is Disclosure.VERDICT
        return replace(self)

    def to_json(self) -> str:
        """Return the model's file, which nothing reads."""
        document = {"format": self.format, "name": self.name, "features": list(feature_names(FEATURES))}
        return json.dumps(document, indent=2) + "\n"


def peer_model() -> PeerModel:
    """Return a model that judges a feed beside its first peer."""
    return PeerModel()
