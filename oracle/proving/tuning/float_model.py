"""The float model: its outputs on samples, and what lies before its final activation.

onnxruntime is an optional extra; without it, onnx's own evaluator runs the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from oracle.core.errors import DataError, ModelError
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.program import Program
from oracle.proving.tuning.request import Request

MIDDLES = {"Sigmoid": 0.5, "Softplus": math.log(2)}
"""Outputs at 0 of the final activations that are not 0 there."""

_ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "Sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "Tanh": math.tanh,
    "Erf": math.erf,
    "Softplus": lambda x: math.log1p(math.exp(x)),
}


def before_activation(activation: str, value: float) -> float:
    """Return the value of which a final activation makes `value`."""
    if activation not in _ACTIVATIONS:
        return value
    low, high = -40.0, 40.0
    for _ in range(200):
        middle = (low + high) / 2
        if _ACTIVATIONS[activation](middle) < value:
            low = middle
        else:
            high = middle
    return round(high, 12)


def float_outputs(data: bytes, samples: np.ndarray) -> np.ndarray:
    """Return the float model's outputs as they are: samples [count, …] → [count, outputs]."""
    model = read_model(data)
    return _outputs(model, str(model.graph.output[0].name), samples)


def scored_outputs(request: Request, program: Program, samples: np.ndarray) -> np.ndarray:
    """Return the float model's outputs, without a final activation or a ZipMap that was left off.

    Raises:
        DataError: The samples do not fit the type of the model's input.
        ModelError: The float model can't be run on them.
    """
    model = read_model(request.data, request.name)
    if all(each.name != program.source for each in model.graph.output):
        del model.graph.output[:]
        model.graph.output.append(onnx.ValueInfoProto(name=program.source))
    return _outputs(model, program.source, samples.reshape(len(samples), *program.input_shape))


def _outputs(model: Any, wanted: str, samples: np.ndarray) -> np.ndarray:
    names = {each.name for each in model.graph.initializer}
    given = next(each for each in model.graph.input if each.name not in names)
    kind = onnx.helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
    # A scaler before the model may send a 64-bit sample to the other side of a threshold: types are the model's own.
    typed = samples.astype(kind)
    if kind.kind in "iub" and not (typed == samples).all():
        at = [int(index) for index in np.argwhere(typed != samples)[0]]
        raise DataError(f"sample {at[0]}: the model takes {kind} numbers, and {samples[tuple(at)]:g} is none")
    try:
        run = _runner(model, given.name, wanted)
        rows = [np.asarray(run(sample[None]), dtype=np.float64).ravel() for sample in typed]
    except Exception as error:  # onnxruntime and onnx's evaluator raise classes of their own
        words = " ".join(str(error).split())[:200]
        raise ModelError(f"the float model can't be run on a sample ({type(error).__name__}: {words})") from error
    return np.array(rows)


def _runner(model: Any, name: str, wanted: str) -> Callable[[Any], Any]:
    evaluator: Any
    try:
        import onnxruntime
    except ImportError:
        evaluator = ReferenceEvaluator(model)
        return lambda sample: evaluator.run([wanted], {name: sample})[0]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session: Any = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception:  # it has no kernel for some operators of 64-bit floats, and raises classes of its own
        evaluator = ReferenceEvaluator(model)
        return lambda sample: evaluator.run([wanted], {name: sample})[0]
    return lambda sample: session.run([wanted], {name: sample})[0]
