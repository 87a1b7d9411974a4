"""The trainer of the type `imported`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
from onnx import ModelProto, helper, numpy_helper
from onnx.checker import ValidationError

from oracle.core.encoding import Feature, window_features
from oracle.core.errors import DataError
from oracle.detectors.interface import Detector, Lesson
from oracle.detectors.kinds.imported import ImportedDetector, Lower
from oracle.detectors.trainers.windows import check_lesson, cut


@dataclass(frozen=True, slots=True)
class Imported:
    """A trainer for a user's own network, whose outputs grow with the anomaly: it fits their limits only.

    Attributes:
        lower: See `oracle.detectors.registry.load`.
        onnx: The network: input [batch, n], the standard window of n features / 2^input_scale. If the data have a
            spread, it takes the spread too.
        input_scale: The network's input is a feature over 2^input_scale.
        param_scale: Weights are rounded to multiples of 2^-param_scale.
    """

    lower: Lower
    onnx: bytes = field(repr=False)
    input_scale: int = 10
    param_scale: int = 8

    def fit(self, name: str, lesson: Lesson) -> Detector:
        """Fit the limits; see `Trainer`."""
        check_lesson(lesson)
        self._read(name)
        width = self.lower(name, self.onnx, self.input_scale, self.param_scale, False).width
        try:
            features = window_features(width, lesson.spread)
        except DataError as error:
            raise DataError(f"model {name} takes {width} inputs; a feed can't give it {error}") from error
        raw = self._limited(name, None, features)
        windows = cut(lesson.calibrate, lesson.features, features)
        # The unit only: a limit of 0 changes no score.
        values = raw.score_many(windows) / raw.score_unit
        permitted = int(len(windows) * lesson.budget)
        ordered = [sorted((float(value) for value in column), reverse=True) for column in values.T]
        for each in range(permitted, -1, -1):
            limits = [order[each] for order in ordered]
            model = self._limited(name, limits, features)
            if int((model.score_many(windows) > 0).any(axis=1).sum()) <= permitted:
                return replace(model, salt=lesson.salt.hex())
        for _ in range(100):
            # Limits are rounded to the weights' scale.
            limits = [limit + 2.0**-self.param_scale for limit in limits]
            model = self._limited(name, limits, features)
            if int((model.score_many(windows) > 0).any(axis=1).sum()) <= permitted:
                return replace(model, salt=lesson.salt.hex())
        raise DataError(f"model {name}: no limits keep its objections within the budget")

    def _read(self, name: str) -> ModelProto:
        """Return the network.

        Raises:
            DataError: Its file can't be read.
        """
        try:
            proto = onnx.load_model_from_string(self.onnx)
            onnx.checker.check_model(proto)
        except (ValidationError, ValueError, TypeError) as error:
            raise DataError(f"model {name}: its ONNX file can't be read: {str(error).splitlines()[0]}") from error
        except Exception as error:  # protobuf's own
            raise DataError(f"model {name}: its ONNX file can't be read: {error}") from error
        return proto

    def _limited(self, name: str, limits: Sequence[float] | None, features: tuple[Feature, ...]) -> ImportedDetector:
        """Return the network with limits subtracted from its outputs; None: without."""
        proto = self._read(name)
        data, told = self.onnx, {}
        if limits is not None:
            output = proto.graph.output[0]
            single = np.array([limits], dtype=np.float32)
            proto.graph.initializer.append(numpy_helper.from_array(single, "oracle_limits"))
            proto.graph.node.append(helper.make_node("Sub", [output.name, "oracle_limits"], ["oracle_scores"]))
            output.name = "oracle_scores"
            data = bytes(proto.SerializeToString(deterministic=True))
            told = {f"limit_{index}": float(limit) for index, limit in enumerate(single[0])}
        return ImportedDetector(name, features, data, self.input_scale, self.param_scale, self.lower, training=told)
