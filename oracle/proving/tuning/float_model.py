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

from oracle.proving.lowering.program import Program
from oracle.proving.tuning.request import Request

MIDDLES = {"Sigmoid": 0.5, "HardSigmoid": 0.5, "Softplus": math.log(2)}
"""Outputs at 0 of the final activations that are not 0 there."""

_ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "Sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "Tanh": math.tanh,
    "Erf": math.erf,
    "HardSigmoid": lambda x: min(1.0, max(0.0, 0.2 * x + 0.5)),
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
    model = onnx.load_model_from_string(data)
    return _outputs(model, str(model.graph.output[0].name), samples)


def scored_outputs(request: Request, program: Program, samples: np.ndarray) -> np.ndarray:
    """Return the float model's outputs, without a final activation that was left off."""
    model = onnx.load_model_from_string(request.data)
    wanted = request.output or str(model.graph.output[0].name)
    if program.dropped:
        maker = {str(name): node for node in model.graph.node for name in node.output}
        while maker[wanted].op_type != program.dropped:
            wanted = str(maker[wanted].input[0])
        wanted = str(maker[wanted].input[0])
        del model.graph.output[:]
        model.graph.output.append(onnx.helper.make_tensor_value_info(wanted, onnx.TensorProto.FLOAT, None))
    return _outputs(model, wanted, samples.reshape(len(samples), *program.input_shape))


def _outputs(model: Any, wanted: str, samples: np.ndarray) -> np.ndarray:
    names = {each.name for each in model.graph.initializer}
    run = _runner(model, next(each.name for each in model.graph.input if each.name not in names), wanted)
    rows = [np.asarray(run(sample[None]), dtype=np.float64).ravel() for sample in samples.astype(np.float32)]
    return np.array(rows)


def _runner(model: Any, name: str, wanted: str) -> Callable[[Any], Any]:
    try:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session: Any = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return lambda sample: session.run([wanted], {name: sample})[0]
    except ImportError:
        evaluator: Any = ReferenceEvaluator(model)
        return lambda sample: evaluator.run([wanted], {name: sample})[0]
