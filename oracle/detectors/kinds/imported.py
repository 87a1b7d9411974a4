"""A network over a feed's features, as a detector: any ONNX that can be lowered to exact integers.

The file holds the float network, thresholds included: each output is positive where it objects. `oracle.proving` lowers
it to integers; kinds of detectors know no proving, so whoever reads the file passes the function (`lower`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from oracle.core.encoding import CLIP, Feature, calm_window, checked_features, feature_names
from oracle.core.errors import DataError
from oracle.detectors.interface import Disclosure, Explanation
from oracle.detectors.kinds.limits import check_name
from oracle.detectors.kinds.model_file import document_of, features_of, integer, text_of
from oracle.detectors.kinds.salt import check_salt, whole
from oracle.detectors.kinds.words import word_of

if TYPE_CHECKING:
    import numpy as np

FORMAT = "imported-v3"


class Network(Protocol):
    """A network in integers; `oracle.proving.imported.ImportedModel` is one."""

    @property
    def width(self) -> int: ...

    @property
    def outputs(self) -> int: ...

    @property
    def score_unit(self) -> int: ...

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]: ...

    def score_many(self, windows: Any) -> np.ndarray: ...

    def score_bound(self) -> int: ...

    def to_onnx(self, batch: int) -> bytes: ...

    def run_args(self) -> Mapping[str, Any]: ...

    def windows(self) -> Sequence[tuple[int, ...]]: ...

    def facts(self) -> Mapping[str, Any]: ...


class Lower(Protocol):
    """A function that takes a network to integers; `oracle.proving.imported.at_scales` is one."""

    def __call__(
        self, name: str, onnx: bytes, input_scale: int, param_scale: int, verdict: bool, salt: tuple[int, ...] = ()
    ) -> Network:
        """Return the network in integers, which publishes its outputs, or one verdict; or raise ModelError."""
        ...


@dataclass(frozen=True)
class ImportedDetector:
    """A network as a detector.

    Attributes:
        name: Letters, digits, hyphens.
        features: The feature list: what the network's inputs are, in order.
        onnx: The float network: input [batch, n] of features / 2^input_scale, outputs positive where they object.
        input_scale: A window's integer x means x / 2^input_scale to the network: at 10, about sigmas.
        param_scale: Weights are rounded to multiples of 2^-param_scale.
        lower: Lowers the network to integers.
        disclosure: What the circuit publishes.
        salt: 32 hexadecimal digits that the model's hash commits to; empty for a public model.
        training: Provenance, for people: numbers and texts by name.

    Raises:
        DataError: The network takes another number of inputs than it has features, or the hub takes no such list.
        ModelError: The network can't be proven.
    """

    name: str
    features: tuple[Feature, ...]
    onnx: bytes = field(repr=False)
    input_scale: int
    param_scale: int
    lower: Lower = field(repr=False, compare=False)
    disclosure: Disclosure = Disclosure.SCORE
    salt: str = field(default="", repr=False)
    training: Mapping[str, int | float | str] = field(default_factory=dict, repr=False)

    @cached_property
    def network(self) -> Network:
        """The network in integers, which publishes what `disclosure` says."""
        verdict = self.disclosure is Disclosure.VERDICT
        salt = whole(self.salt)
        return self.lower(self.name, self.onnx, self.input_scale, self.param_scale, verdict, salt)

    def __post_init__(self) -> None:
        check_name(self.name)
        check_salt(self.name, self.salt)
        try:
            checked_features(self.features)
        except DataError as error:
            raise DataError(f"model {self.name}: {error}") from error
        if self.network.width != self.width:
            raise DataError(f"model {self.name} takes {self.network.width} inputs, and lists {self.width} features")

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def width(self) -> int:
        return len(self.features)

    @property
    def outputs(self) -> int:
        return self.network.outputs

    @property
    def score_unit(self) -> int:
        return self.network.score_unit

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the integers that the circuit publishes for one window."""
        if len(features) == self.width and any(abs(value) > CLIP for value in features):
            raise ValueError(f"features must be within ±{CLIP}: {list(features)}")
        return self.network.score_int(features)

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        """Return `score_int` of many windows at once: integers [count, outputs] of dtype object."""
        from oracle.detectors.kinds.tables import clipped_table  # numpy: to score one window does not take it

        table = clipped_table(windows, self.width)
        scores: np.ndarray = self.network.score_many(table).astype(object) if len(table) else table[:, : self.outputs]
        return scores

    def score_bound(self) -> int:
        return self.network.score_bound()

    def to_onnx(self, batch: int) -> bytes:
        """Return the graph for `batch` windows of integers."""
        return self.network.to_onnx(batch)

    def run_args(self) -> Mapping[str, Any]:
        """Return ezkl's run arguments that differ from those of an exact circuit without comparisons."""
        return self.network.run_args()

    def windows(self) -> Sequence[tuple[int, ...]]:
        """Return a calm window for the probe, then those on which circuit and network are compared."""
        return [calm_window(self.features), *self.network.windows()]

    def facts(self) -> Mapping[str, Any]:
        """Return what the manifest says of the network."""
        return self.network.facts()

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        """Explain the score by what each feature changes, put one by one into a calm window of the same gap."""
        if self.disclosure is Disclosure.VERDICT:
            return self.publishing(Disclosure.SCORE).explain(features)
        if len(features) != self.width:
            raise ValueError(f"{len(features)} features; the model has {self.width}")
        calm = calm_window(self.features)
        start = [
            given if feature is Feature.GAP else value
            for feature, given, value in zip(self.features, features, calm, strict=True)
        ]
        steps, names = [tuple(start)], list[str]()
        for at, feature in enumerate(self.features):
            if feature is not Feature.GAP:
                start[at] = features[at]
                steps.append(tuple(start))
                names.append(word_of(feature))
        scores = self.score_many(steps).tolist()
        return tuple(
            Explanation(
                "score" if self.outputs == 1 else f"score{output}",
                scores[-1][output] / self.score_unit,
                {
                    "a window without moves": scores[0][output] / self.score_unit,
                    **{
                        name: (after[output] - before[output]) / self.score_unit
                        for name, before, after in zip(names, scores, scores[1:], strict=False)
                    },
                },
                None,
                None,
                "what the network makes of the window",
            )
            for output in range(self.outputs)
        )

    def publishing(self, disclosure: Disclosure) -> ImportedDetector:
        """Return the same network, with the same salt, in a circuit that publishes scores, or one verdict only."""
        return replace(self, disclosure=disclosure)

    def to_json(self) -> str:
        """Return the model file: the same bytes for the same model."""
        document = {
            "format": FORMAT,
            "name": self.name,
            "features": list(feature_names(self.features)),
            "input_scale": self.input_scale,
            "param_scale": self.param_scale,
            "onnx": base64.b64encode(self.onnx).decode(),
            "salt": self.salt,
            "training": dict(sorted(self.training.items())),
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(
        text: str, where: str = "model", disclosure: Disclosure = Disclosure.SCORE, lower: Lower | None = None
    ) -> ImportedDetector:
        """Read what `to_json` returned.

        Raises:
            DataError: The text is not JSON, a key is missing or unknown, or a type is wrong.
            ModelError: The network can't be proven.
        """
        keys = {"format", "name", "features", "input_scale", "param_scale", "onnx", "salt", "training"}
        root = document_of(text, where, FORMAT, keys)
        if not isinstance(root["training"], dict):
            raise DataError(f"{where}: training must be an object")
        name = text_of(root["name"], f"{where}: name")
        scales = [integer(root[key], f"{where}: {key}") for key in ("input_scale", "param_scale")]
        try:
            onnx = base64.b64decode(text_of(root["onnx"], f"{where}: onnx"), validate=True)
        except ValueError as error:
            raise DataError(f"{where}: onnx is not base64: {error}") from error
        if lower is None:
            raise DataError(f"{where} is a network, which needs oracle.proving: read it with oracle.app.detectors")
        features = features_of(root["features"], f"{where}: features")
        salt = text_of(root["salt"], f"{where}: salt")
        return ImportedDetector(name, features, onnx, scales[0], scales[1], lower, disclosure, salt, root["training"])
