"""Models for claims: an ONNX file, and its features with their names, ranges and categories.

A number becomes (value − low) / (high − low), a category a 1 among zeros; both enter the circuit as integers of scale
`INPUT_SCALE`. Issuer and prover encode in the same way; otherwise their commitments would differ.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Context, Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from oracle.claims.approximate import Nearness
from oracle.claims.circuit import ClaimCircuit, claim_circuit
from oracle.claims.constraints import ChangeBetween, Constraint, Constraints, Equals, OneOf, each_constraint
from oracle.claims.outputs import OutputReading
from oracle.claims.statement import MOST_OUTPUTS, ClaimBound, ClaimTerms
from oracle.core.documents import parse_json
from oracle.core.errors import DataError, ModelError

INPUT_SCALE = 14
PARAM_SCALE = 8
ACTIVATIONS = ("", "Sigmoid", "Softmax")

PACKAGED = ("identity", "credit", "fair-play")

SALT = "salt"
"""The name of the salt among private inputs; no feature may have it."""

DRAWN = 1_000
"""Rows that are drawn from the features' ranges, to compare a circuit with the float model."""

CORNERS = 64
"""Rows of ends of ranges that an approximate model is compared on beside them: its outputs are largest there."""

_EXACT = Context(prec=60)
"""The precision in which a bound becomes an integer. Floats would round it, and not always inwards."""


@dataclass(frozen=True, slots=True)
class ClaimFeature:
    """A feature of a model: a number with a range, or one of several categories.

    Attributes:
        name: The feature's name in the inputs.
        low: The least number in the trained range.
        high: The largest number in the trained range.
        categories: The values of a feature that is not a number, which has no range.
        whole: True if the number has to be an integer.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    categories: tuple[str, ...] = ()
    whole: bool = False

    def document(self) -> dict[str, Any]:
        """Return the feature as JSON; only a whole number says whether it is one."""
        found = asdict(self)
        return found if self.whole else {name: value for name, value in found.items() if name != "whole"}

    @property
    def width(self) -> int:
        """The number of integers that the feature takes in the circuit."""
        return len(self.categories) or 1

    def encode(self, value: Any) -> list[int]:
        """Return the integers of a value.

        Raises:
            DataError: It is not a value of this feature.
        """
        # No error contains the value, which is private: errors end up in logs.
        one = 1 << INPUT_SCALE
        if self.categories:
            if value not in self.categories:
                raise DataError(f"{self.name} is none of {', '.join(map(repr, self.categories))}")
            return [one * (value == category) for category in self.categories]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or (isinstance(value, float) and not math.isfinite(value)):
            raise DataError(f"{self.name} is not a finite number")
        if not self.low <= value <= self.high:
            raise DataError(f"{self.name} is outside the trained range, {self.low:g} to {self.high:g}")
        if self.whole and value != int(value):
            raise DataError(f"{self.name} is not a whole number")
        return [round((value - self.low) / (self.high - self.low) * one)]


def drawn_rows(features: Sequence[ClaimFeature], corners: int = CORNERS) -> np.ndarray:
    """Return encoded rows, the same each time: `DRAWN` within the features' ranges, then some of ends of ranges."""
    draw = np.random.default_rng(1)

    def drawn(each: ClaimFeature, at_end: bool) -> list[int]:
        if each.categories:
            return each.encode(each.categories[draw.integers(len(each.categories))])
        if at_end:
            return each.encode((each.low, each.high)[draw.integers(2)])
        if each.whole:
            return each.encode(int(draw.integers(int(each.low), int(each.high) + 1)))
        return each.encode(float(draw.uniform(each.low, each.high)))

    kinds = [False] * DRAWN + [True] * corners
    return np.array([[number for each in features for number in drawn(each, at_end)] for at_end in kinds])


@dataclass(frozen=True)
class ModelSpec:
    """A model as it is registered.

    Attributes:
        name: Letters, digits and hyphens.
        onnx: The graph, which takes encoded features, [1, n], and gives one output, or one for each name.
        features: The features in the order of the graph's inputs.
        activation: "Sigmoid" or "Softmax" if the graph ends with one. Bounds are then probabilities. The chain sees the
            numbers before a Sigmoid; of a Softmax it sees by how much each is above the largest other one.
        classes: Names of the classes, if the output is the largest of several.
        card: Measurements from training.
        param_scale: Weights are rounded to multiples of 2^-param_scale.
        outputs: Names of the outputs, if claims are about some of several.
        changes: True if claims can be about how far an output has changed since earlier data. A proof then takes the
            model's arithmetic twice, and the hash of its weights once.
        error: Of an approximate model, the largest error that was measured, in units of what the circuit computes, of
            the scores if it has classes. It is part of the guard band. None: the model is exact.
    """

    name: str
    onnx: bytes = field(repr=False)
    features: tuple[ClaimFeature, ...]
    activation: str = ""
    classes: tuple[str, ...] = ()
    card: Mapping[str, Any] = field(default_factory=dict)
    param_scale: int = PARAM_SCALE
    outputs: tuple[str, ...] = ()
    changes: bool = False
    error: float | None = None

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise ModelError(f"{self.name}: activation {self.activation!r} is none of {ACTIVATIONS}")
        if len(self.classes) == 1 or len(set(self.classes)) != len(self.classes):
            raise ModelError(f"{self.name}: classes are two or more, each with a name of its own")
        if self.classes and (self.activation or self.outputs):
            raise ModelError(
                f"{self.name}: a model with classes has no activation to state, and no outputs, only the largest"
            )
        if self.outputs and not 2 <= len(set(self.outputs)) == len(self.outputs) <= MOST_OUTPUTS:
            raise ModelError(f"{self.name}: outputs are 2 to {MOST_OUTPUTS}, each with a name of its own")
        if self.activation == "Softmax" and not self.outputs:
            raise ModelError(f"{self.name}: a model that ends with a Softmax has several outputs: name them")
        if type(self.param_scale) is not int or not 1 <= self.param_scale <= 24:
            raise ModelError(f"{self.name}: its weights have a scale of {self.param_scale!r} bits, and not 1 to 24")
        if self.error is not None and (type(self.error) not in (int, float) or not 0 <= self.error < math.inf):
            raise ModelError(f"{self.name}: its error is {self.error!r}, and not a number from 0 on")
        for feature in self.features:
            if feature.name == SALT:
                raise ModelError(f"{self.name}: a feature can't be called {SALT!r}, which is the commitment's")
            if not feature.categories and not feature.low < feature.high:
                raise ModelError(f"{self.name}: the range of {feature.name} is empty")

    def encode(self, inputs: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the integers of somebody's data.

        Raises:
            DataError: A feature is missing or unknown, or its value is outside the range of the training.
        """
        known = [feature.name for feature in self.features]
        wrong = [
            f"{what} {', '.join(sorted(map(str, names)))}"
            for what, names in (("lack", set(known) - set(inputs)), ("have unknown", set(inputs) - set(known)))
            if names
        ]
        if wrong:
            raise DataError(f"the inputs of {self.name} {' and '.join(wrong)}")
        return tuple(integer for feature in self.features for integer in feature.encode(inputs[feature.name]))

    @property
    def reading(self) -> OutputReading:
        """The reading of the graph's outputs that claims are about."""
        if self.classes:
            return OutputReading.LARGEST
        return OutputReading.MARGINS if self.activation == "Softmax" else OutputReading.NUMBERS

    def circuit(self) -> ClaimCircuit:
        """Return the circuit of the model's claims.

        Raises:
            ModelError: The model can't be proven, or its features are not those of the graph.
        """
        features = [each.document() for each in self.features]
        metadata: dict[str, Any] = {"features": features, "activation": self.activation}
        if self.classes:
            metadata["classes"] = list(self.classes)
        if self.outputs:
            metadata["names"] = list(self.outputs)
        found = claim_circuit(
            self.name,
            self.onnx,
            metadata,
            outputs=len(self.classes) or len(self.outputs) or 1,
            reading=self.reading,
            changes=self.changes,
            input_scale=INPUT_SCALE,
            param_scale=self.param_scale,
            clip=1 << INPUT_SCALE,
            near=None if self.error is None else Nearness(self.error, drawn_rows(self.features)),
        )
        width = sum(feature.width for feature in self.features)
        if found.model.width != width:
            raise ModelError(f"{self.name}: its graph takes {found.model.width} numbers, its features give {width}")
        program = found.circuit.program
        left_off = program.dropped or program.order_only
        is_other = bool(left_off) != bool(self.activation) or (left_off == "Sigmoid" != self.activation)
        if not self.classes and is_other:
            raise ModelError(
                f"{self.name}: state the activation that its graph ends with, "
                f"{', '.join(filter(None, ACTIVATIONS))} or none"
            )
        return found

    def terms(self, told: Constraints, unit: int, limit: int, earlier: int = 0, band: int = 0) -> ClaimTerms:
        """Return what a claim says as the circuit's integers, rounded inwards.

        Args:
            told: Constraints of the only output, or of some of several by name.
            unit: An output of 1, in the circuit's integers.
            limit: The largest bound.
            earlier: The commitment to the earlier data; 0: there are none.
            band: The circuit's guard band.

        Raises:
            DataError: No outputs can fulfil the constraints, they name unknown outputs, or they state changes since
                nothing.
        """
        if isinstance(told, Mapping) != bool(self.outputs):
            names = f"{', '.join(self.outputs)}: state constraints by output" if self.outputs else "one: don't name it"
            raise DataError(f"the outputs of {self.name} are {names}")
        unknown = sorted(set(told) - set(self.outputs)) if isinstance(told, Mapping) else []
        if unknown:
            raise DataError(f"{self.name} has no output {unknown[0]!r}, only {', '.join(self.outputs)}")
        named = told.items() if isinstance(told, Mapping) else [("", told)]
        bounds, changes = [], []
        for name, constraints in named:
            number = self.outputs.index(name) if name else 0
            for each in each_constraint(constraints):
                if isinstance(each, ChangeBetween):
                    changes.append(ClaimBound(number, *self._change(each, unit, limit)))
                else:
                    bounds.append(ClaimBound(number, *self.bounds(each, unit, limit)))
        if not bounds and not changes:
            raise DataError(f"the claim of {self.name} says nothing: name at least one output")
        if bool(changes) != bool(earlier):
            raise DataError(
                f"a claim about a change of {self.name} is since earlier data, which have to be given with their salt"
                if changes
                else f"earlier data are given, but the claim of {self.name} is about no change since then"
            )
        if not self.classes:
            self._require_room(bounds, band, unit, "an output")
            self._require_room(changes, 2 * band, unit, "a change")
        in_order = (tuple(sorted(each, key=lambda one: one.output)) for each in (bounds, changes))
        return ClaimTerms(next(in_order), next(in_order), earlier)

    def bounds(self, constraint: Constraint, unit: int, limit: int) -> tuple[int, int]:
        """Return a constraint as the circuit's integers, rounded inwards: an output within them fulfils the constraint.

        Raises:
            DataError: No output can fulfil the constraint, or it names classes and the model has none.
        """
        if isinstance(constraint, Equals | OneOf) != bool(self.classes):
            raise DataError(
                f"{self.name} has {'classes: use Equals or OneOf' if self.classes else 'no classes: use Between'}"
            )
        low, high = constraint.bounds()
        if self.classes and high >= len(self.classes):
            raise DataError(f"{self.name} has no class {high:g}, only 0 to {len(self.classes) - 1}")
        if self.activation and not (low < 1 and high > 0):
            raise DataError(f"the output of {self.name} is between 0 and 1: {low:g} to {high:g} is not")
        lo, hi = (_EXACT.multiply(each, Decimal(unit)) for each in self._unbounded(low, high))
        return self._inwards(lo, hi, limit, f"no output of {self.name} is between {low:g} and {high:g}")

    def value(self, score: int, unit: int) -> float:
        """Return the model's output for an integer score. A Softmax has none: its probabilities need all scores."""
        value = score / unit
        return 1 / (1 + math.exp(-value)) if self.activation == "Sigmoid" else value

    def _change(self, told: ChangeBetween, unit: int, limit: int) -> tuple[int, int]:
        if not self.changes:
            raise DataError(f"{self.name} is registered without changes (changes=True), so none can be proven")
        lo, hi = (_EXACT.multiply(Decimal(each), Decimal(unit)) for each in told.bounds())
        if self.activation == "Softmax" and len(self.outputs) > 2:
            raise DataError(f"a change of one of the {len(self.outputs)} probabilities of {self.name} can't be proven")
        if self.activation:
            # A Sigmoid's slope is 1/4 at most. A change of 0 is within these bounds, so that any is of the same side.
            if not told.lo <= 0 <= told.hi:
                raise DataError(f"a change of a probability of {self.name} is within bounds on both sides of 0")
            lo, hi = _EXACT.multiply(lo, Decimal(4)), _EXACT.multiply(hi, Decimal(4))
        what = f"no output of {self.name} changes by {told.lo:g} to {told.hi:g}"
        return self._inwards(lo, hi, limit, what)

    def _require_room(self, bounds: list[ClaimBound], band: int, unit: int, what: str) -> None:
        """Refuse bounds that are too near each other for the guard band of what is between them."""
        for each in bounds:
            if each.hi - each.lo < 2 * band:
                where = f" before its {self.activation}" if self.activation else ""
                raise DataError(
                    f"the guard band of {what} of {self.name} is ±{band / unit:.3g}{where}, and these bounds are "
                    f"{(each.hi - each.lo) / unit:.3g} apart: no claim with them can be proven. State bounds that are "
                    f"at least {2 * band / unit:.3g} apart"
                )

    @staticmethod
    def _inwards(lo: Decimal, hi: Decimal, limit: int, what: str) -> tuple[int, int]:
        """Return the integers within two numbers."""
        least = -limit if lo <= -limit else math.ceil(lo)
        most = limit if hi >= limit else math.floor(hi)
        if least > most or least > limit or most < -limit:
            raise DataError(f"{what} at its resolution")
        return least, most

    def _unbounded(self, low: float, high: float) -> tuple[Decimal, Decimal]:
        """Return bounds of what the circuit compares from which the bounds of the output follow.

        With g by how much a number is above the largest of n − 1 others, its probability in a Softmax is between
        1 / (1 + (n − 1) e^−g) and 1 / (1 + e^−g).
        """
        if not self.activation:
            return Decimal(low), Decimal(high)
        lo, hi = self._odds(low), self._odds(high)
        if self.activation == "Softmax":
            lo = _EXACT.add(lo, _EXACT.ln(Decimal(len(self.outputs) - 1)))
        return lo, hi

    @staticmethod
    def _odds(bound: float) -> Decimal:
        """Return the number of which a Sigmoid makes the bound."""
        if not 0 < bound < 1:
            return Decimal("-Infinity" if bound <= 0 else "Infinity")
        # A float has 1,074 digits after the point at most: 1 − bound is exact.
        exact = Decimal(bound)
        rest = Context(prec=1_100).subtract(Decimal(1), exact)
        return _EXACT.subtract(_EXACT.ln(exact), _EXACT.ln(rest))

    def save(self, folder: Path) -> None:
        """Write NAME.onnx and NAME.json."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.onnx").write_bytes(self.onnx)
        document = asdict(self) | {"features": [each.document() for each in self.features]}
        del document["onnx"]
        usual = {"param_scale": PARAM_SCALE, "outputs": (), "changes": False, "error": None}
        document = {name: value for name, value in document.items() if name not in usual or value != usual[name]}
        text = json.dumps(document, indent=2, ensure_ascii=False)
        (folder / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path, *, weights: bool = True) -> ModelSpec:
        """Read NAME.json, and NAME.onnx beside it.

        Args:
            weights: False reads the features only, which is all that an issuer needs; the graph is then empty.

        Raises:
            DataError: The files can't be read, or are not a model.
        """
        try:
            document = parse_json(path.read_bytes())
            features = tuple(
                ClaimFeature(**each | {"categories": tuple(each["categories"])}) for each in document.pop("features")
            )
            document |= {name: tuple(document.get(name, ())) for name in ("classes", "outputs")}
            onnx = path.with_suffix(".onnx").read_bytes() if weights else b""
            return ModelSpec(onnx=onnx, features=features, **document)
        except OSError as error:
            raise DataError(
                f"the model {path} can't be read: {error.strerror}; packaged models are {', '.join(PACKAGED)}"
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is not a model for claims: {error}") from error

    @staticmethod
    def packaged(name: str) -> ModelSpec:
        """Return a model that comes with the package: "identity", "credit" or "fair-play".

        Raises:
            DataError: No packaged model has that name.
        """
        if name not in PACKAGED:
            raise DataError(f"there is no packaged model {name!r}, only {', '.join(PACKAGED)}")
        with resources.as_file(resources.files("oracle.claims") / "packaged") as folder:
            return ModelSpec.load(folder / f"{name}.json")
