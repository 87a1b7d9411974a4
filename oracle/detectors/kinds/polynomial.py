"""A general exact detector: what the moves measure against what earlier moves allow.

With values v_0, v_1 …, which are the model's features in order without the gap (moves in thousandths of sigma), and the
gap g in thousandths of a heartbeat, the score of each output is

    measured − limit − margin           limit = g · (ω + Σ_t a_t · term_t)

and it objects to the window where it is positive. *Measured* is a sum of squares of plain sums, of squares of weighted
sums, and of weighted products of two values. A *term* of the limit is a sum of squares, the square of a sum, or a sum
of values. A static output leaves g out; several outputs may share a limit; an output may be silent where a peer is not
seen. Examples:

    a cap                 x²                         − g · ω
    ARCH (Engle 1982)     x²                         − g · (ω + Σ a_i x_i²)
    HARCH (Müller 1997)   x²                         − g · (ω + Σ a_k (x_1 + … + x_k)²)
    drift over k moves    (x_0 + … + x_{k−1})²       − g · (ω + b Σ x_i²)
    Mahalanobis           Σ_j (L_j · x)²             − g · ω
    beside a peer         P x² − Q x y − R y²        − g · (ω + a Σ x_i² + f · variance)
    spread of sources     s²                         − (ω + b Σ x_i²)

Weights are integers over 2^p, and multiples of 4; the *margin* is 2 more than one. So in the circuit's own integers no
score is ever 0 or ±1: none is equal to its limit, or one step from it. This module computes with Python's integers
only, and the circuit must equal it. A private weight costs about forty rows of the circuit, everything else next to
nothing. Functions import numpy and onnx where they need them: to score one window takes neither.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from oracle.core.encoding import CLIP, GAP_ONE, Feature, checked_features, feature_names, feature_range
from oracle.core.errors import DataError
from oracle.detectors.interface import Disclosure, Explanation
from oracle.detectors.kinds.limits import check_bound, check_name, check_scale
from oracle.detectors.kinds.model_file import document_of, features_of, integer, text_of
from oracle.detectors.kinds.polynomial_parts import Allowance, Limit, Linear, Output, Power, Product, Sum
from oracle.detectors.kinds.salt import check_salt, constants, margin
from oracle.detectors.kinds.words import words_of

if TYPE_CHECKING:
    import numpy as np

FORMAT = "polynomial-v3"

MOST_OUTPUTS = 4


@dataclass(frozen=True, slots=True)
class PolynomialModel:
    """The polynomial detector: one or more outputs, each with what it measures and its limit.

    Attributes:
        name: Letters, digits, hyphens.
        features: The feature list; with the gap, if a limit grows with it.
        gates: The outputs, in order; any of them can object to a window.
        param_scale: p.
        disclosure: What the circuit publishes.
        salt: 32 hexadecimal digits that the model's hash commits to; empty for a public model.
        training: Provenance, for people: numbers and texts by name.

    Raises:
        DataError: A weight is out of range, or is not exact as a 32-bit float, or scores could exceed the circuit.
    """

    name: str
    features: tuple[Feature, ...]
    gates: tuple[Output, ...]
    param_scale: int = 12
    disclosure: Disclosure = Disclosure.SCORE
    salt: str = field(default="", repr=False)
    training: Mapping[str, int | float | str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        check_scale(self.name, self.param_scale, least=2)
        check_salt(self.name, self.salt)
        try:
            checked_features(self.features)
        except DataError as error:
            raise DataError(f"model {self.name}: {error}") from error
        if not 1 <= len(self.gates) <= MOST_OUTPUTS:
            raise DataError(f"model {self.name} has {len(self.gates)} outputs; it needs 1 to {MOST_OUTPUTS}")
        if len({output.name for output in self.gates}) != len(self.gates):
            raise DataError(f"model {self.name}: two outputs have the same name")
        limited: set[str] = set()
        for output in self.gates:
            output.check(self.features, self.values, self.name)
            if isinstance(output.limit, Limit):
                limited.add(output.name)
            elif output.limit not in limited:
                raise DataError(
                    f"model {self.name}: output {output.name} shares the limit of {output.limit!r}, which must be an "
                    "earlier output with a limit of its own"
                )
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
        """The features that terms and allowances count: all but the gap, in order."""
        return tuple(feature for feature in self.features if feature is not Feature.GAP)

    @property
    def outputs(self) -> int:
        """Published numbers: a score for each output, or one verdict."""
        return 1 if self.disclosure is Disclosure.VERDICT else len(self.gates)

    @property
    def squared(self) -> bool:
        """True if a weighted sum is squared: then scores have twice the weights' scale."""
        return any(isinstance(term, Linear) for output in self.gates for term in output.measured)

    @property
    def score_scale(self) -> int:
        """Scores are integers over 2^score_scale."""
        return self.param_scale * (2 if self.squared else 1)

    @property
    def margin(self) -> int:
        """The constant that the margin is made of, over 2^p: an odd number, or twice one."""
        return margin(self.salt) * (1 if self.squared else 2)

    @property
    def exact_margin(self) -> int:
        """The number that is subtracted from every score, in its integers: 2 more than a multiple of 4."""
        return 2 * margin(self.salt) ** 2 if self.squared else self.margin

    @property
    def score_unit(self) -> int:
        """The first output's limit in a calm market after one heartbeat."""
        return 1 if self.disclosure is Disclosure.VERDICT else self._unit(self.gates[0])

    def limit(self, output: Output) -> Limit:
        """Return an output's limit: its own, or the one that it shares."""
        shared = output.limit
        if isinstance(shared, Limit):
            return shared
        return next(each.limit for each in self.gates if each.name == shared and isinstance(each.limit, Limit))

    def _unit(self, output: Output) -> int:
        limit = self.limit(output)
        return (GAP_ONE if limit.gap else 1) * limit.floor << (self.score_scale - self.param_scale)

    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Return the hashed constants, over 2^param_scale, as the graph has them: each group is one constant."""
        found: list[tuple[int, ...]] = []
        for output in self.gates:
            found += [term.weights for term in output.measured if isinstance(term, Linear)]
            found.append(output.weights)
            if isinstance(output.limit, Limit):
                found += [output.limit.weights, (output.limit.floor,)]
        return (*(group for group in found if group), (self.margin,), *filter(None, (constants(self.salt),)))

    def compared(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the numbers whose signs are the outputs' verdicts, at scale 2^score_scale; none is −1, 0 or 1.

        Raises:
            ValueError: There is another number of features, or one is not clipped.
        """
        if len(features) != self.width:
            raise ValueError(f"{len(features)} features; the model has {self.width}")
        if any(abs(value) > CLIP for value in features):
            raise ValueError(f"features must be within ±{CLIP}: {list(features)}")
        values, gap = self._parted(features)
        return tuple(
            self._measured(output, values) - self._limit(output, values, gap) - self.exact_margin
            for output in self.gates
        )

    def exact_scores(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the scores, whatever the circuit publishes of them: the compared numbers, 0 where a peer is not seen.

        Raises:
            ValueError: There is another number of features, or one is not clipped.
        """
        found = zip(self.gates, self.compared(features), strict=True)
        return tuple(self._sees(output, features) * score for output, score in found)

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return what the circuit publishes: the exact scores; or one verdict, 1 if any of them is positive, else 0."""
        scores = self.exact_scores(features)
        return (int(max(scores) > 0),) if self.disclosure is Disclosure.VERDICT else scores

    def _parted(self, window: Sequence[int]) -> tuple[list[int], int]:
        """Return a window's values, and its gap; GAP_ONE if it has none."""
        pairs = list(zip(self.features, window, strict=True))
        gap = next((value for feature, value in pairs if feature is Feature.GAP), GAP_ONE)
        return [value for feature, value in pairs if feature is not Feature.GAP], gap

    def _sees(self, output: Output, window: Sequence[int]) -> int:
        """Return 1 if all that an output needs is seen, else 0."""
        return math.prod(window[self.features.index(feature)] for feature in output.seen)

    def _measured(self, output: Output, values: Sequence[int]) -> int:
        one, lift = 1 << self.score_scale, self.score_scale - self.param_scale
        total = 0
        for term in output.measured:
            if isinstance(term, Linear):
                # A model with such a term has the scale 2p: its square is at that scale as it is.
                total += sum(weight * value for weight, value in zip(term.weights, values, strict=True)) ** 2
            elif isinstance(term, Product):
                total += term.weight * values[term.left] * values[term.right] << lift
            else:
                total += sum(values[term.first : term.end]) ** 2 * (one if term.weight is None else term.weight << lift)
        return total

    def _limit(self, output: Output, values: Sequence[int], gap: int) -> int:
        return self.limit(output).of(values, gap) << (self.score_scale - self.param_scale)

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        """Return `score_int` of many windows at once: integers [count, outputs] of dtype object."""
        import numpy as np

        from oracle.detectors.kinds.tables import clipped_table, verdict

        whole = clipped_table(windows, self.width)
        table = whole[:, [index for index, feature in enumerate(self.features) if feature is not Feature.GAP]]
        gap: Any = whole[:, self.features.index(Feature.GAP)] if Feature.GAP in self.features else 1
        rows: Any = whole.T
        # The parts compute with columns as they do with numbers.
        values: Any = list(table.T) if len(table) else [np.zeros(0, dtype=object)] * len(self.values)
        columns = []
        for output in self.gates:
            score = self._measured(output, values) - self._limit(output, values, gap) - self.exact_margin
            columns.append(score * self._sees(output, rows))
        scores = np.stack(columns, axis=1).astype(object)
        return verdict(scores) if self.disclosure is Disclosure.VERDICT else scores

    def severity_many(self, windows: np.ndarray) -> np.ndarray:
        """Return how near each window is to the nearest limit, in floats; above 1 the model objects, up to rounding."""
        from oracle.detectors.kinds.severity import severities

        return severities(self, windows)

    def score_bound(self) -> int:
        """Return the largest sum of the magnitudes of an output's terms: a bound of every score and intermediate."""
        one, lift = 1 << self.score_scale, self.score_scale - self.param_scale
        largest = [max(map(abs, feature_range(feature))) for feature in self.values]
        most = 0
        for output in self.gates:
            measured = 0
            for term in output.measured:
                if isinstance(term, Linear):
                    weights = (abs(weight) for weight in term.weights)
                    measured += sum(weight * value for weight, value in zip(weights, largest, strict=True)) ** 2
                elif isinstance(term, Product):
                    measured += abs(term.weight) * largest[term.left] * largest[term.right] << lift
                else:
                    weight = one if term.weight is None else term.weight << lift
                    measured += sum(largest[term.first : term.end]) ** 2 * weight
            most = max(most, measured + self._limit(output, largest, CLIP) + self.exact_margin)
        return most

    def to_onnx(self, batch: int) -> bytes:
        """Return the ONNX graph for a batch: input `x` [batch, n], output `s` [batch, outputs]."""
        from oracle.detectors.kinds.polynomial_graph import PolynomialGraph

        graph = PolynomialGraph(self.name, batch, self.features, self.param_scale, self.gates)
        return graph.scores(self.disclosure, self.margin, self.squared, constants(self.salt))

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        """Explain each output by what it measures, its calm allowance, and what each allowance adds."""
        self.compared(features)
        values, gap = self._parted(features)
        found = []
        for output in self.gates:
            if not self._sees(output, features):
                blind = " and ".join(words_of((feature,)) for feature in output.seen)
                silent = {f"silent: {blind}": 0.0}
                found.append(Explanation(output.name, 0.0, silent, None, None, self._meaning(output)))
                continue
            rule, unit = self.limit(output), self._unit(output)
            scale = (gap if rule.gap else 1) << (self.score_scale - self.param_scale)
            measured, limit = self._measured(output, values), self._limit(output, values, gap) + self.exact_margin
            meaning = self._meaning(output)
            parts = {
                meaning: measured / unit,
                "allowed in a calm market": -(rule.floor * scale + self.exact_margin) / unit,
            }
            for allowance in rule.allowed:
                for name, value in self._allowances(allowance, values):
                    parts[name] = parts.get(name, 0.0) - value * scale / unit
            one = self._square(output)
            found.append(
                Explanation(
                    output.name,
                    (measured - limit) / unit,
                    parts,
                    (max(0, measured) / one) ** 0.5 / 1_000,
                    (max(0, limit) / one) ** 0.5 / 1_000,
                    meaning,
                )
            )
        return tuple(found)

    def _square(self, output: Output) -> int:
        """Return what one squared thousandth counts in an output: the weight of its first square."""
        for term in output.measured:
            if isinstance(term, Sum) and term.weight is None:
                break
            if isinstance(term, Sum) or (isinstance(term, Product) and term.left == term.right and term.weight > 0):
                return (term.weight or 1) << (self.score_scale - self.param_scale)
        return 1 << self.score_scale

    def _meaning(self, output: Output) -> str:
        first = output.measured[0]
        used = sorted({at for term in output.measured if isinstance(term, Product) for at in (term.left, term.right)})
        if used:
            named = [words_of((self.values[at],)) for at in used]
            return " beside ".join((named[0], " and ".join(named[1:]))) if named[1:] else named[0]
        if len(output.measured) > 1 or not isinstance(first, Sum):
            return "the distance of the moves from their usual shape"
        return words_of(self.values[first.first : first.end], "the sum of ")

    def _allowances(self, allowance: Allowance, values: Sequence[int]) -> list[tuple[str, int]]:
        first, end = allowance.first, allowance.end
        if len(allowance.weights) > 1:
            terms = zip(range(first, end), allowance.weights, allowance.terms(values), strict=True)
            return [(f"allowed for {words_of(self.values[at : at + 1])}", weight * term) for at, weight, term in terms]
        several = "the sum of " if allowance.power is Power.SUM else ""
        return [(f"allowed for {words_of(self.values[first:end], several)}", allowance.of(values))]

    def publishing(self, disclosure: Disclosure) -> PolynomialModel:
        """Return the same model, with the same weights and salt, in a circuit that publishes scores, or a verdict."""
        return replace(self, disclosure=disclosure)

    def to_json(self) -> str:
        """Return the model file: the same bytes for the same model."""
        document = {
            "format": FORMAT,
            "name": self.name,
            "features": list(feature_names(self.features)),
            "param_scale": self.param_scale,
            "outputs": [output.document() for output in self.gates],
            "salt": self.salt,
            "training": dict(sorted(self.training.items())),
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str, where: str = "model", disclosure: Disclosure = Disclosure.SCORE) -> PolynomialModel:
        """Read what `to_json` returned.

        Raises:
            DataError: The text is not JSON, a key is missing or unknown, a type is wrong, or weights can't be used.
        """
        keys = {"format", "name", "features", "param_scale", "outputs", "salt", "training"}
        root = document_of(text, where, FORMAT, keys)
        if not isinstance(root["outputs"], list):
            raise DataError(f"{where}: outputs must be a list")
        if not isinstance(root["training"], dict):
            raise DataError(f"{where}: training must be an object")
        gates = (Output.from_document(output, f"{where}: outputs[{at}]") for at, output in enumerate(root["outputs"]))
        return PolynomialModel(
            name=text_of(root["name"], f"{where}: name"),
            features=features_of(root["features"], f"{where}: features"),
            gates=tuple(gates),
            param_scale=integer(root["param_scale"], f"{where}: param_scale"),
            disclosure=disclosure,
            salt=text_of(root["salt"], f"{where}: salt"),
            training=root["training"],
        )
