"""Differential tests: whatever the lowering accepts is what onnxruntime computes; whatever it refuses has a reason."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import onnx
import onnxruntime
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from oracle.core.errors import ModelError
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.program import Program
from oracle.proving.reference.arithmetic import compute
from oracle.proving.reference.steps import IntegerStep
from tests.graphs import graphs
from tests.node_cases import collected, opened

NEWEST_OPSET = 26
"""onnxruntime has no newer one."""

ACCEPTED = 1_100
"""Fewer cases than this are a sign that the lowering refuses what it used to accept."""


def evaluated(program: Program, sample: np.ndarray) -> np.ndarray:
    """Return what a program computes of one window, in 64-bit floats."""
    values: dict[str, Any] = {name: constant.astype(np.float64) for name, constant in program.constants.items()}
    values[program.input] = sample.astype(np.float64).reshape(1, *program.input_shape)
    for op in program.ops:
        step = IntegerStep(op, 0, (0,) * len(op.inputs))
        values[op.output] = compute(step, [values[name] for name in op.inputs], np.matmul)
        assert values[op.output].shape == op.shape, op
    return np.ravel(values[program.output])


def run(model: onnx.ModelProto, program: Program, sample: np.ndarray) -> np.ndarray | None:
    """Return what onnxruntime computes of one window; None if it has no kernel for the model's types."""
    if all(each.name != program.source for each in model.graph.output):
        del model.graph.output[:]
        model.graph.output.append(onnx.ValueInfoProto(name=program.source))
    if any(each.domain == "" and each.version > NEWEST_OPSET for each in model.opset_import):
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        return None
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail as error:
        if "layout_ == 0" not in str(error):
            raise
        # It has no recurrent layers with the batch first; onnx's own evaluator has.
        found: Any = ReferenceEvaluator(model).run([program.source], {program.input: sample})
        return np.ravel(found[0]).astype(np.float64)
    return np.ravel(session.run([program.source], {program.input: sample})[0]).astype(np.float64)


def test_every_node_case_of_onnx_is_refused_with_a_reason_or_equals_onnxruntime() -> None:
    wrong, without_words, counts = [], [], collections.Counter[str]()
    for case in (each for found in collected() for each in opened(found)):
        try:
            model = read_model(case.model.SerializeToString(), case.name)
        except ModelError:
            counts["invalid"] += 1  # the open input may not be of one row
            continue
        program, problems = lower(model, output=model.graph.output[0].name, segments=32)
        if program is None:
            counts["refused"] += 1
            without_words += [f"{case.name}: {each}" for each in problems if "do not fit" in each.what]
            assert problems, case.name
            continue
        expected = run(model, program, case.sample)
        if expected is None:
            counts["no kernel"] += 1
            continue
        computed = evaluated(program, case.sample)
        near = 0.06 if program.approximated else 1e-3 * max(1.0, float(np.abs(expected).max()))
        if computed.shape != expected.shape or not np.abs(computed - expected).max() <= near:
            wrong.append(f"{case.name}: {computed} instead of {expected}")
        counts["equal"] += 1
    assert not wrong
    assert not without_words
    assert counts["equal"] >= ACCEPTED and counts["refused"] > counts["no kernel"], counts
    assert counts["invalid"] < 20, counts


@settings(max_examples=40)
@given(data=graphs(), seed=st.integers(0, 2**32 - 1))
def test_random_graphs_equal_onnxruntime(data: bytes, seed: int) -> None:
    model = read_model(data)
    program, problems = lower(model)
    if program is None:
        assert problems and not any("do not fit" in each.what for each in problems)
        return
    sample = np.random.default_rng(seed).integers(-8, 9, (1, *program.input_shape)).astype(np.float32) / 4
    expected = run(model, program, sample)
    assert expected is not None and model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    np.testing.assert_allclose(evaluated(program, sample), expected, rtol=1e-3, atol=1e-3)
