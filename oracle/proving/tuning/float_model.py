"""The float model: its outputs on samples, and what lies before its final activation.

onnxruntime is an optional extra; without it, onnx's own evaluator runs the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from oracle.core.errors import DataError, ModelError
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.program import ModelInput, Program
from oracle.proving.tuning.request import Request


def float_outputs(data: bytes, samples: np.ndarray, labels: Sequence[str] = ()) -> np.ndarray:
    """Return the float model's outputs as they are: samples [count, …] → [count, outputs].

    Args:
        data: The model.
        samples: The samples.
        labels: The texts that its output has, if it is a label of text; a text is its place among them.
    """
    model = read_model(data)
    names = {each.name for each in model.graph.initializer}
    given = next(each for each in model.graph.input if each.name not in names)
    only = ModelInput(str(given.name), (1, *samples.shape[1:]), given.type.tensor_type.elem_type)
    return _outputs(model, str(model.graph.output[0].name), samples, (only,), labels)


def scored_outputs(request: Request, program: Program, samples: np.ndarray) -> np.ndarray:
    """Return the float model's outputs, without a final activation or a ZipMap that was left off.

    Labels that are texts are numbers here, as they are in the program.

    Raises:
        DataError: The samples do not fit the type of the model's input.
        ModelError: The float model can't be run on them.
    """
    model = read_model(request.data, request.name)
    if all(each.name != program.source for each in model.graph.output):
        del model.graph.output[:]
        model.graph.output.append(onnx.ValueInfoProto(name=program.source))
    return _outputs(model, program.source, samples, program.inputs, program.labels)


def _outputs(
    model: Any, wanted: str, samples: np.ndarray, inputs: Sequence[ModelInput], labels: Sequence[str]
) -> np.ndarray:
    rows = samples.reshape(len(samples), -1)
    ends = np.cumsum([each.size for each in inputs])
    feeds: dict[str, np.ndarray] = {}
    for each, end in zip(inputs, ends, strict=True):
        kind = onnx.helper.tensor_dtype_to_np_dtype(each.kind)
        given = rows[:, end - each.size : end]
        # Types are the model's own: a scaler may send a 64-bit sample to the other side of a threshold.
        typed = given.astype(kind)
        if kind.kind in "iub" and not (typed == given).all():
            at = [int(index) for index in np.argwhere(typed != given)[0]]
            raise DataError(f"sample {at[0]}: the model takes {kind} numbers, and {given[tuple(at)]:g} is none")
        feeds[each.name] = typed.reshape(len(rows), *each.shape)
    try:
        run = _runner(model, wanted)
        found = [run({name: np.asarray(values[at]) for name, values in feeds.items()}) for at in range(len(rows))]
        numbers = [_numbers(each, labels) for each in found]
    except Exception as error:  # onnxruntime and onnx's evaluator raise classes of their own
        words = " ".join(str(error).split())[:200]
        raise ModelError(f"the float model can't be run on a sample ({type(error).__name__}: {words})") from error
    return np.array(numbers)


def _numbers(output: Any, labels: Sequence[str]) -> np.ndarray:
    """Return an output as numbers; a text is the place that it has among the labels."""
    if labels:
        return np.array([labels.index(str(each)) for each in np.ravel(output)], dtype=np.float64)
    return np.asarray(output, dtype=np.float64).ravel()


def _runner(model: Any, wanted: str) -> Callable[[Any], Any]:
    evaluator: Any
    try:
        import onnxruntime
    except ImportError:
        evaluator = ReferenceEvaluator(model)
        return lambda feeds: evaluator.run([wanted], feeds)[0]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session: Any = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception:  # it has no kernel for some operators of 64-bit floats, and raises classes of its own
        evaluator = ReferenceEvaluator(model)
        return lambda feeds: evaluator.run([wanted], feeds)[0]
    return lambda feeds: session.run([wanted], feeds)[0]
