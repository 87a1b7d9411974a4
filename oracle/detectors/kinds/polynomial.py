"""A general exact detector: squares of sums of moves against what squares of earlier moves allow.

With values v_0, v_1 …, which are the model's features in order without the gap (in the standard window: the move now,
then past moves, newest first, in thousandths of sigma), and the gap g in thousandths of a heartbeat, each output is

    Σ_j (form_j · v)²  −  g · (ω + Σ_t a_t · square_t)

and objects to the window where it is positive. A *form* is a plain sum of neighbouring values, or one with weights. A
*square* is the sum of squares of neighbouring values, or the square of their sum. A static output leaves g out.
Examples:

    a cap                 x_0²                       − g · ω
    ARCH (Engle 1982)     x_0²                       − g · (ω + Σ a_i x_i²)
    HARCH (Müller 1997)   x_0²                       − g · (ω + Σ a_k (x_1 + … + x_k)²)
    drift over k moves    (x_0 + … + x_{k−1})²       − g · (ω + b Σ x_i²)
    Mahalanobis           Σ_j (L_j · x)²             − g · ω
    spread of sources     s²                         − (ω + b Σ x_i²)

Weights are integers over 2^p. This module computes with Python's integers only, and the circuit must equal it. A
private weight costs about forty rows of the circuit, everything else next to nothing. Functions import numpy and onnx
where they need them: to score one window takes neither.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from oracle.core.encoding import CLIP, GAP_ONE, Feature, checked_features, feature_names, feature_range
from oracle.core.errors import DataError
from oracle.detectors.interface import Disclosure, Explanation
from oracle.detectors.kinds.limits import check_bound, check_name, check_scale
from oracle.detectors.kinds.model_file import document_of, features_of, integer, text_of
from oracle.detectors.kinds.polynomial_parts import Allowance, Linear, Output, Sum
from oracle.detectors.kinds.words import words_of

if TYPE_CHECKING:
    import numpy as np

FORMAT = "polynomial-v2"

MOST_OUTPUTS = 8


@dataclass(frozen=True, slots=True)
class PolynomialModel:
    """The polynomial detector: one or more outputs, each a squared measure against what it allows.

    Attributes:
        name: Letters, digits, hyphens.
        features: The feature list; with the gap, if an output's limit grows with it.
        gates: The outputs, in order; any of them can object to a window.
        param_scale: p.
        disclosure: What the circuit publishes; not part of the model's identity.
        training: Provenance, for people: numbers and texts by name.

    Raises:
        DataError: A weight is out of range, or is not exact as a 32-bit float, or scores could exceed the circuit.
    """

    name: str
    features: tuple[Feature, ...]
    gates: tuple[Output, ...]
    param_scale: int = 12
    disclosure: Disclosure = Disclosure.SCORE
    training: Mapping[str, int | float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name)
        check_scale(self.name, self.param_scale)
        try:
            checked_features(self.features)
        except DataError as error:
            raise DataError(f"model {self.name}: {error}") from error
        if not 1 <= len(self.gates) <= MOST_OUTPUTS:
            raise DataError(f"model {self.name} has {len(self.gates)} outputs; it needs 1 to {MOST_OUTPUTS}")
        if len({output.name for output in self.gates}) != len(self.gates):
            raise DataError(f"model {self.name}: two outputs have the same name")
        for output in self.gates:
            output.check(len(self.values), self.name)
            if output.gap and Feature.GAP not in self.features:
                raise DataError(f"model {self.name}: output {output.name} needs the gap among the features")
        groups = self.groups()
        if len(set(groups)) != len(groups):
            # ezkl's reader merges equal constants, and a merged constant can't be hashed: there is no witness.
            raise DataError(f"model {self.name}: two groups of weights are equal; change one of them by the least bit")
        check_bound(self.name, self.score_bound(), self.disclosure)

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def width(self) -> int:
        return len(self.features)

    @property
    def values(self) -> tuple[Feature, ...]:
        """The features that forms and allowances count: all but the gap, in order."""
        return tuple(feature for feature in self.features if feature is not Feature.GAP)

    @property
    def outputs(self) -> int:
        return len(self.gates)

    @property
    def score_scale(self) -> int:
        """Scores are integers over 2^score_scale: a squared form of weights has twice the weights' scale."""
        squared = any(isinstance(form, Linear) for output in self.gates for form in output.measured)
        return self.param_scale * (2 if squared else 1)

    @property
    def score_unit(self) -> int:
        """The first output's limit in a calm market after one heartbeat."""
        return 1 if self.disclosure is Disclosure.VERDICT else self._unit(self.gates[0])

    def _unit(self, output: Output) -> int:
        return (GAP_ONE if output.gap else 1) * output.floor << (self.score_scale - self.param_scale)

    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Return the weights, over 2^param_scale, as the graph has them: each group is one constant."""
        return tuple(
            weights
            for output in self.gates
            for weights in (
                *(form.weights for form in output.measured if isinstance(form, Linear)),
                *(allowance.weights for allowance in output.allowed),
                (output.floor,),
            )
        )

    def exact_scores(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the scores at scale 2^score_scale, whatever the circuit publishes of them.

        Raises:
            ValueError: There is another number of features, or one is not clipped.
        """
        if len(features) != self.width:
            raise ValueError(f"{len(features)} features; the model has {self.width}")
        if any(abs(value) > CLIP for value in features):
            raise ValueError(f"features must be within ±{CLIP}: {list(features)}")
        values, gap = self._parted(features)
        return tuple(self._measured(output, values) - self._limit(output, values, gap) for output in self.gates)

    def _parted(self, window: Sequence[int]) -> tuple[list[int], int]:
        """Return a window's values, and its gap; GAP_ONE if it has none."""
        pairs = list(zip(self.features, window, strict=True))
        gap = next((value for feature, value in pairs if feature is Feature.GAP), GAP_ONE)
        return [value for feature, value in pairs if feature is not Feature.GAP], gap

    def _measured(self, output: Output, values: Sequence[int]) -> int:
        one = 1 << self.score_scale
        total = 0
        for form in output.measured:
            if isinstance(form, Sum):
                total += sum(values[form.first : form.end]) ** 2 * one
            else:
                # A model with such a form has the scale 2p: its square is at that scale as it is.
                total += sum(weight * value for weight, value in zip(form.weights, values, strict=True)) ** 2
        return total

    def _limit(self, output: Output, values: Sequence[int], gap: int) -> int:
        allowed = output.floor + sum(allowance.of(values) for allowance in output.allowed)
        return (gap if output.gap else 1) * allowed << (self.score_scale - self.param_scale)

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return what the circuit publishes: the exact scores, or for verdicts 1 where a score is positive, else 0."""
        scores = self.exact_scores(features)
        if self.disclosure is Disclosure.VERDICT:
            return tuple(int(score > 0) for score in scores)
        return scores

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        """Return `score_int` of many windows at once: integers [count, outputs] of dtype object."""
        import numpy as np

        from oracle.detectors.kinds.tables import clipped_table, verdicts

        whole = clipped_table(windows, self.width)
        table = whole[:, [index for index, feature in enumerate(self.features) if feature is not Feature.GAP]]
        squares, gap = table**2, whole[:, self.features.index(Feature.GAP)] if Feature.GAP in self.features else None
        lift, one = 1 << (self.score_scale - self.param_scale), 1 << self.score_scale
        columns = []
        for output in self.gates:
            measured = np.zeros(len(table), dtype=object)
            for form in output.measured:
                if isinstance(form, Sum):
                    measured = measured + table[:, form.first : form.end].sum(axis=1) ** 2 * one
                else:
                    measured = measured + (table @ np.array(form.weights, dtype=object)) ** 2
            limit = np.full(len(table), output.floor, dtype=object)
            for allowance in output.allowed:
                at = slice(allowance.first, allowance.end)
                if len(allowance.weights) > 1:
                    limit = limit + squares[:, at] @ np.array(allowance.weights, dtype=object)
                else:
                    added = table[:, at].sum(axis=1) ** 2 if allowance.summed else squares[:, at].sum(axis=1)
                    limit = limit + added * allowance.weights[0]
            columns.append(measured - limit * (gap if output.gap else 1) * lift)
        scores = np.stack(columns, axis=1)
        return verdicts(scores) if self.disclosure is Disclosure.VERDICT else scores

    def score_bound(self) -> int:
        """Return the largest sum of the magnitudes of an output's terms: a bound of every score and intermediate."""
        one, lift = 1 << self.score_scale, self.score_scale - self.param_scale
        largest = [max(map(abs, feature_range(feature))) for feature in self.values]
        most = 0
        for output in self.gates:
            measured = 0
            for form in output.measured:
                if isinstance(form, Sum):
                    measured += sum(largest[form.first : form.end]) ** 2 * one
                else:
                    weights = (abs(weight) for weight in form.weights)
                    measured += sum(weight * value for weight, value in zip(weights, largest, strict=True)) ** 2
            allowed = output.floor + sum(allowance.of(largest) for allowance in output.allowed)
            most = max(most, measured + ((CLIP if output.gap else 1) * allowed << lift))
        return most

    def to_onnx(self, batch: int) -> bytes:
        """Return the ONNX graph for a batch: input `x` [batch, n], output `s` [batch, outputs]."""
        from oracle.detectors.kinds.polynomial_graph import PolynomialGraph

        graph = PolynomialGraph("polynomial", self.name, batch, self.features, self.param_scale)
        return graph.finish([graph.score(*each) for each in enumerate(self.gates)], self.disclosure)

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        """Explain each output by its measured square, its calm allowance, and what each allowance adds."""
        self.exact_scores(features)
        values, gap = self._parted(features)
        lift, one = self.score_scale - self.param_scale, 1 << self.score_scale
        found = []
        for output in self.gates:
            unit, scale = self._unit(output), (gap if output.gap else 1) << lift
            measured, limit = self._measured(output, values), self._limit(output, values, gap)
            parts = {self._meaning(output): measured / unit, "allowed in a calm market": -output.floor * scale / unit}
            for allowance in output.allowed:
                for name, value in self._allowances(allowance, values):
                    parts[name] = parts.get(name, 0.0) - value * scale / unit
            found.append(
                Explanation(
                    output.name,
                    (measured - limit) / unit,
                    parts,
                    (measured / one) ** 0.5 / 1_000,
                    (max(0, limit) / one) ** 0.5 / 1_000,
                    self._meaning(output),
                )
            )
        return tuple(found)

    def _meaning(self, output: Output) -> str:
        if len(output.measured) > 1 or isinstance(output.measured[0], Linear):
            return "the distance of the moves from their usual shape"
        return words_of(self.values[output.measured[0].first : output.measured[0].end], "the sum of ")

    def _allowances(self, allowance: Allowance, values: Sequence[int]) -> list[tuple[str, int]]:
        first, end, weights = allowance.first, allowance.end, allowance.weights
        if len(weights) > 1:
            return [
                (f"allowed for {words_of(self.values[at : at + 1])}", weight * values[at] ** 2)
                for at, weight in zip(range(first, end), weights, strict=True)
            ]
        several = "the sum of " if allowance.summed else ""
        return [(f"allowed for {words_of(self.values[first:end], several)}", allowance.of(values))]

    def publishing(self, disclosure: Disclosure) -> PolynomialModel:
        """Return the same model, with the same hash, in a circuit that publishes scores, or verdicts only."""
        return replace(self, disclosure=disclosure)

    def to_json(self) -> str:
        """Return the model file: the same bytes for the same model."""
        document = {
            "format": FORMAT,
            "name": self.name,
            "features": list(feature_names(self.features)),
            "param_scale": self.param_scale,
            "outputs": [output.document() for output in self.gates],
            "training": dict(sorted(self.training.items())),
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str, where: str = "model", disclosure: Disclosure = Disclosure.SCORE) -> PolynomialModel:
        """Read what `to_json` returned.

        Raises:
            DataError: The text is not JSON, a key is missing or unknown, a type is wrong, or weights can't be used.
        """
        keys = {"format", "name", "features", "param_scale", "outputs", "training"}
        root = document_of(text, where, FORMAT, keys)
        if not isinstance(root["outputs"], list):
            raise DataError(f"{where}: outputs must be a list")
        if not isinstance(root["training"], dict):
            raise DataError(f"{where}: training must be an object")
        return PolynomialModel(
            name=text_of(root["name"], f"{where}: name"),
            features=features_of(root["features"], f"{where}: features"),
            gates=tuple(Output.from_document(output, f"{where}: outputs") for output in root["outputs"]),
            param_scale=integer(root["param_scale"], f"{where}: param_scale"),
            disclosure=disclosure,
            training=root["training"],
        )
