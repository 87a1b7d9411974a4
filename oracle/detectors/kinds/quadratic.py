"""The default model: a volatility-aware quadratic detector.

With moves x_0 (now) … x_12 (oldest) in thousandths of the feed's sigma, and the gap g in thousandths of a heartbeat:

    spike = x_0²             − g · (ω  + Σ_{i=1..12} a_i x_i²)
    drift = (Σ_{i=0..12} x_i)² − g · (ω₂ + b · Σ_{i=1..12} x_i²)

`spike` is an ARCH(12) test (Engle 1982): the squared move against the variance that the past moves predict, times a
threshold, which is folded into ω and a. ω is also the floor under the prediction: without it the first move after a
calm stretch is always an anomaly. Variance grows with the time since the last accepted value, so the limit is scaled by
the gap. `drift` compares the square of the window's sum with the window's own variance: it sees many small moves in one
direction, each of which passes `spike`. A score is positive when the model objects to the value.

Weights are integers over 2^p. This module computes with Python's integers only, and the circuit must equal it.
Functions import numpy and onnx where they need them: to score one window takes neither.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from oracle.core.documents import NotText, decode_text
from oracle.core.encoding import CLIP, GAP_ONE, Feature, window_features
from oracle.core.errors import DataError
from oracle.detectors.interface import Disclosure, Explanation
from oracle.detectors.kinds.limits import FLOAT32_BITS, check_bound, check_name, check_scale, is_exact_float
from oracle.detectors.kinds.model_file import checked_mapping, document_of, integer, text_of

if TYPE_CHECKING:
    import numpy as np

PAST = 12
"""Past moves that the model looks at."""

FEATURES = window_features(PAST + 2)
"""The move now, the past moves, the gap."""

WIDTH = len(FEATURES)

OUTPUTS = 2
"""Spike and drift."""

FORMAT = "quadratic-v2"


_DEFAULT_MODEL = Path(__file__).parent.parent / "packaged" / "quadratic-v2.json"


@dataclass(frozen=True, slots=True)
class Training:
    """The origin of a model's weights.

    Attributes:
        command: The command that reproduces the model file byte for byte.
        series: Sigma in ppm of each training series, for feeds that this model is to judge.
        ranges: First and last day of each series that was trained on.
        thresholds: The thresholds that are folded into the weights.
    """

    command: str = ""
    series: Mapping[str, int] = field(default_factory=dict)
    ranges: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuadraticModel:
    """The quadratic detector: its weights; the module's text has the formula.

    Attributes:
        name: Letters, digits, hyphens.
        past: a_1 … a_12, integers over 2^param_scale; not negative.
        floor: ω, likewise; positive.
        drift_past: b, likewise; not negative.
        drift_floor: ω₂, likewise; positive.
        param_scale: p.
        disclosure: What the circuit publishes; not part of the model's identity.
        training: Provenance.

    Raises:
        DataError: A weight is out of range, or is not exact as a 32-bit float, or scores could exceed the circuit.
    """

    name: str
    past: tuple[int, ...] = field(repr=False)
    floor: int = field(repr=False)
    drift_past: int = field(repr=False)
    drift_floor: int = field(repr=False)
    param_scale: int = 20
    disclosure: Disclosure = Disclosure.SCORE
    training: Training = field(default_factory=Training, repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        check_scale(self.name, self.param_scale)
        if len(self.past) != PAST:
            raise DataError(f"model {self.name} has {len(self.past)} weights for past moves; it needs {PAST}")
        for label, weight, least in self._labelled():
            if weight < least:
                # Errors end in logs: they say which weight is wrong, and never what it is.
                raise DataError(f"model {self.name}: weight {label} must be {'positive' if least else 'positive or 0'}")
            if not is_exact_float(weight):
                raise DataError(
                    f"model {self.name}: weight {label} needs more than {FLOAT32_BITS} bits, so that "
                    "ONNX's 32-bit floats would change it; round it to fewer significant bits"
                )
        check_bound(self.name, self.score_bound(), self.disclosure)

    def _labelled(self) -> list[tuple[str, int, int]]:
        return [
            *((f"past[{index}]", weight, 0) for index, weight in enumerate(self.past)),
            ("floor", self.floor, 1),
            ("drift_past", self.drift_past, 0),
            ("drift_floor", self.drift_floor, 1),
        ]

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def features(self) -> tuple[Feature, ...]:
        return FEATURES

    @property
    def width(self) -> int:
        return WIDTH

    @property
    def outputs(self) -> int:
        """Published numbers: two scores, or one verdict."""
        return 1 if self.disclosure is Disclosure.VERDICT else OUTPUTS

    @property
    def score_unit(self) -> int:
        """The spike limit of a calm market after one heartbeat: a score of −1 unit means that nothing moved at all."""
        return 1 if self.disclosure is Disclosure.VERDICT else GAP_ONE * self.floor

    def weights(self) -> tuple[int, ...]:
        """Return the 15 weights a_1 … a_12, ω, ω₂, b, over 2^param_scale."""
        return (*self.past, self.floor, self.drift_floor, self.drift_past)

    def exact_scores(self, features: Sequence[int]) -> tuple[int, int]:
        """Return spike and drift at scale 2^param_scale, whatever the circuit publishes of them.

        Args:
            features: 14 integers within ±CLIP.

        Raises:
            ValueError: There is another number of features, or one is not clipped.
        """
        if len(features) != WIDTH:
            raise ValueError(f"{len(features)} features; the quadratic model has {WIDTH}")
        if any(abs(value) > CLIP for value in features):
            raise ValueError(f"features must be within ±{CLIP}: {list(features)}")
        now, past, gap = features[0], features[1:-1], features[-1]
        squares = [value * value for value in past]
        predicted = self.floor + sum(weight * square for weight, square in zip(self.past, squares, strict=True))
        spread = self.drift_floor + self.drift_past * sum(squares)
        total = now + sum(past)
        one = 1 << self.param_scale
        return now * now * one - gap * predicted, total * total * one - gap * spread

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return what the circuit publishes: the exact scores; or one verdict, 1 if a score is positive, else 0."""
        scores = self.exact_scores(features)
        return (int(max(scores) > 0),) if self.disclosure is Disclosure.VERDICT else scores

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        """Return `score_int` of many windows at once: integers [count, outputs] of dtype object."""
        import numpy as np

        from oracle.detectors.kinds.tables import clipped_table, verdict

        table = clipped_table(windows, WIDTH)
        squares = table[:, 1:-1] ** 2
        now, gap, total = table[:, 0], table[:, -1], table[:, :-1].sum(axis=1)
        one = 1 << self.param_scale
        spike = now * now * one - gap * (squares @ np.array(self.past, dtype=object) + self.floor)
        drift = total * total * one - gap * (squares.sum(axis=1) * self.drift_past + self.drift_floor)
        scores = np.stack([spike, drift], axis=1)
        return verdict(scores) if self.disclosure is Disclosure.VERDICT else scores

    def score_bound(self) -> int:
        """Return the largest sum of the magnitudes of all terms: a bound of every score and intermediate."""
        square = CLIP * CLIP
        one = 1 << self.param_scale
        spike = square * one + CLIP * (self.floor + square * sum(self.past))
        drift = (PAST + 1) ** 2 * square * one + CLIP * (self.drift_floor + square * PAST * self.drift_past)
        return max(spike, drift)

    def to_onnx(self, batch: int) -> bytes:
        """Return the ONNX graph for a batch: input `x` [batch, 14], output `s` [batch, outputs].

        Raises:
            ValueError: The batch is below 1.
        """
        from oracle.detectors.kinds.graph import GraphWriter

        graph = GraphWriter("quadratic", self.name, batch, WIDTH, self.param_scale)
        graph.indices("at_now", 0)
        graph.indices("at_past", *range(1, PAST + 1))
        graph.indices("at_window", *range(PAST + 1))
        graph.indices("at_gap", PAST + 1)
        graph.indices("axis", 1)
        graph.weights("a", self.past)
        graph.weights("omega", (self.floor,), (1,))
        graph.weights("b", (self.drift_past,), (1,))
        graph.weights("omega2", (self.drift_floor,), (1,))
        for part in ("now", "past", "window", "gap"):
            graph.columns(part, f"at_{part}")
        graph.node("Mul", ["now", "now"], "now2")
        graph.node("Mul", ["past", "past"], "past2")
        graph.node("MatMul", ["past2", "a"], "arch")
        graph.node("Add", ["arch", "omega"], "predicted")
        graph.node("Mul", ["gap", "predicted"], "spike_limit")
        graph.node("Sub", ["now2", "spike_limit"], "spike")
        graph.node("ReduceSum", ["window", "axis"], "total", keepdims=1)
        graph.node("Mul", ["total", "total"], "total2")
        graph.node("ReduceSum", ["past2", "axis"], "spread", keepdims=1)
        graph.node("Mul", ["spread", "b"], "scaled_spread")
        graph.node("Add", ["scaled_spread", "omega2"], "drift_variance")
        graph.node("Mul", ["gap", "drift_variance"], "drift_limit")
        graph.node("Sub", ["total2", "drift_limit"], "drift")
        return graph.finish(["spike", "drift"], self.disclosure)

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        """Explain spike, the move now against what past moves predict, and drift, the sum against its variance."""
        spike, drift = self.exact_scores(features)
        now, squares, gap = features[0], [value * value for value in features[1:-1]], features[-1]
        one, unit = 1 << self.param_scale, GAP_ONE * self.floor
        total = now + sum(features[1:-1])
        arch = [gap * weight * square for weight, square in zip(self.past, squares, strict=True)]
        spread = gap * self.drift_past * sum(squares)
        return (
            Explanation(
                "spike",
                spike / unit,
                {
                    "the move now": now * now * one / unit,
                    "allowed in a calm market": -gap * self.floor / unit,
                    **{f"allowed for move {-age}": -part / unit for age, part in enumerate(arch, 1)},
                },
                abs(now) / 1_000,
                max(0, gap * self.floor + sum(arch)) ** 0.5 / one**0.5 / 1_000,
                "the move now",
            ),
            Explanation(
                "drift",
                drift / unit,
                {
                    "the sum of all moves": total * total * one / unit,
                    "allowed in a calm market": -gap * self.drift_floor / unit,
                    "allowed for the past moves": -spread / unit,
                },
                abs(total) / 1_000,
                max(0, gap * self.drift_floor + spread) ** 0.5 / one**0.5 / 1_000,
                "the sum of the last 13 moves",
            ),
        )

    def publishing(self, disclosure: Disclosure) -> QuadraticModel:
        """Return the same model, with the same hash, in a circuit that publishes scores, or verdicts only."""
        return replace(self, disclosure=disclosure)

    def to_json(self) -> str:
        """Return the model file: the same bytes for the same model."""
        document = {
            "format": FORMAT,
            "name": self.name,
            "param_scale": self.param_scale,
            "weights": {
                "past": list(self.past),
                "floor": self.floor,
                "drift_past": self.drift_past,
                "drift_floor": self.drift_floor,
            },
            "training": {
                "command": self.training.command,
                "sigma_ppm": dict(sorted(self.training.series.items())),
                "ranges": {name: list(days) for name, days in sorted(self.training.ranges.items())},
                "thresholds": dict(sorted(self.training.thresholds.items())),
            },
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str, where: str = "model", disclosure: Disclosure = Disclosure.SCORE) -> QuadraticModel:
        """Read what `to_json` returned.

        Args:
            text: The file's content.
            where: The file's name, for error messages.
            disclosure: What the circuit publishes.

        Raises:
            DataError: The text is not JSON, a key is missing or unknown, a type is wrong, or weights can't be used.
        """
        root = document_of(text, where, FORMAT, {"format", "name", "param_scale", "weights", "training"})
        weights = checked_mapping(root["weights"], f"{where}: weights", {"past", "floor", "drift_past", "drift_floor"})
        if not isinstance(weights["past"], list):
            raise DataError(f"{where}: weights.past must be a list of {PAST} integers")
        return QuadraticModel(
            name=text_of(root["name"], f"{where}: name"),
            past=tuple(integer(value, f"{where}: weights.past") for value in weights["past"]),
            floor=integer(weights["floor"], f"{where}: weights.floor"),
            drift_past=integer(weights["drift_past"], f"{where}: weights.drift_past"),
            drift_floor=integer(weights["drift_floor"], f"{where}: weights.drift_floor"),
            param_scale=integer(root["param_scale"], f"{where}: param_scale"),
            disclosure=disclosure,
            training=_training(root["training"], f"{where}: training"),
        )

    @staticmethod
    def load(path: Path, disclosure: Disclosure = Disclosure.SCORE) -> QuadraticModel:
        """Read a model file.

        Raises:
            DataError: The file can't be read, or its content is wrong.
        """
        try:
            text = decode_text(path.read_bytes())
        except (OSError, NotText) as error:
            raise DataError(f"model file {path} can't be read: {error}") from error
        return QuadraticModel.from_json(text, str(path), disclosure)

    @staticmethod
    def default(disclosure: Disclosure = Disclosure.SCORE) -> QuadraticModel:
        """Return the trained model that ships with the package."""
        return QuadraticModel.load(_DEFAULT_MODEL, disclosure)


def _training(value: object, where: str) -> Training:
    document = checked_mapping(value, where, {"command", "sigma_ppm", "ranges", "thresholds"})
    for key in ("sigma_ppm", "ranges", "thresholds"):
        if not isinstance(document[key], dict):
            raise DataError(f"{where}.{key} must be an object")
    ranges: dict[str, tuple[str, str]] = {}
    for name, days in document["ranges"].items():
        if not isinstance(days, list) or len(days) != 2:
            raise DataError(f"{where}.ranges.{name} must be a list of two days")
        ranges[name] = (text_of(days[0], f"{where}.ranges.{name}"), text_of(days[1], f"{where}.ranges.{name}"))
    thresholds: dict[str, float] = {}
    for name, number in document["thresholds"].items():
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise DataError(f"{where}.thresholds.{name}: {number!r} is not a number")
        thresholds[name] = number
    series = {name: integer(sigma, f"{where}.sigma_ppm.{name}") for name, sigma in document["sigma_ppm"].items()}
    if any(sigma <= 0 for sigma in series.values()):
        raise DataError(f"{where}.sigma_ppm: sigmas must be positive")
    return Training(text_of(document["command"], f"{where}.command"), series, ranges, thresholds)
