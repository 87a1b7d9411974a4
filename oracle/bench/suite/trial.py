"""One model, from its file to proofs whose outputs are compared with onnxruntime's."""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from oracle.app.models import ModelOptions, build_model
from oracle.bench.machine import cpu_seconds
from oracle.bench.memory import megabytes
from oracle.bench.suite.splitting import TrialLimits, split_and_proven
from oracle.bench.suite.subjects import Subject, read, samples_of, spread
from oracle.core.errors import ArtifactError, DataError, ModelError, OracleError
from oracle.proving import tuning
from oracle.proving.artifact import Artifact, Visibility
from oracle.proving.engine.child import EngineProcess
from oracle.proving.imported import reference_of
from oracle.proving.inspect.model import GraphReport, ModelTooLarge, inspect_onnx, require_provable
from oracle.proving.lowering.program import Program
from oracle.proving.lowering.types import FLOATS
from oracle.proving.pool.pool import PROVING_FILES
from oracle.proving.reference.circuit import Circuit
from oracle.proving.tuning.float_model import scored_outputs
from oracle.proving.tuning.search import Search

Note = Callable[[dict[str, Any]], None]

SEGMENTS = 32
"""Pieces of smooth activations in the program that says what a model takes and gives. Tuning chooses others."""

_SEED = 20


@dataclass(frozen=True)
class Rules:
    """The rules that all models of a folder are measured by.

    Attributes:
        tolerance: An output may differ by this share of the largest output's magnitude.
        flips: Samples in 10,000 that may differ more.
        approximate: True: a model that can't be exact is proven with lookups.
        repeat: Proofs of each circuit, after one that warms up.
        prove: False: only scales are found, and the integer reference is compared; no key is made.
    """

    tolerance: float = 0.01
    flips: float = 100.0
    approximate: bool = True
    repeat: int = 3
    prove: bool = True


@dataclass(frozen=True)
class Truth:
    """The float model on samples: what a proof's outputs are compared with.

    Attributes:
        program: The lowered model.
        samples: The samples that the model is tuned on [count, features]; the first one is proven.
        unseen: Others, which it is not tuned on.
        expected: The float model's outputs on `samples`.
        verdict: The rule by which outputs are equal.
    """

    program: Program
    samples: np.ndarray
    unseen: np.ndarray
    expected: np.ndarray
    verdict: tuning.VerdictRule


@dataclass(frozen=True)
class BuiltSubject:
    """A model that was built, and what its proofs are compared with."""

    artifact: Artifact
    truth: Truth
    window: list[int]
    published: list[int]


def inspected(data: bytes, name: str, rules: Rules) -> tuple[GraphReport, str | None]:
    """Inspect a model, and name the output to publish if it has several: the first that can be proven, else the first.

    A single output, or the only one with scores, is chosen without a name.
    """

    def inspect(output: str | None) -> GraphReport:
        return inspect_onnx(data, name, output=output, segments=SEGMENTS, whole=False, approximate=rules.approximate)

    report = inspect(None)
    names = [str(each.name) for each in onnx.load_model_from_string(data).graph.output]
    if report.program is not None or len(names) == 1:
        return report, None
    reports = {each: inspect(each) for each in names}
    chosen = next((each for each, one in reports.items() if one.program is not None), names[0])
    return reports[chosen], chosen


def truth_of(subject: Subject, request: tuning.Request, rules: Rules, program: Program) -> Truth:
    """Run the float model on its samples, and decide by which rule outputs count as equal."""
    given = samples_of(subject, program.features)
    whole = np.concatenate([np.full(each.size, each.kind not in FLOATS | {0}) for each in program.inputs])
    samples = given
    if len(given) == 1:
        samples = np.unique(spread(given, _SEED, whole), axis=0)
        samples = np.concatenate([given, samples[(samples != given).any(axis=1)]])
    unseen = spread(given, _SEED + 1, whole)
    expected = scored_outputs(request, program, samples)
    kept = np.isfinite(expected).all(axis=1)
    if not kept[: len(given)].all():
        at = int(np.argmin(kept[: len(given)]))
        raise DataError(f"{subject.name}: on sample {at}, the float model's own output is not finite")
    # Samples close by may lie where a logarithm or an arc sine has no value.
    samples, expected = samples[kept], expected[kept]
    if program.order_only:
        return Truth(program, samples, unseen, expected, tuning.VerdictRule(tuning.Rule.ARGMAX))
    limit = rules.tolerance * float(np.abs(expected).max()) or rules.tolerance
    return Truth(program, samples, unseen, expected, tuning.VerdictRule(tuning.Rule.TOLERANCE, limit))


def build(
    subject: Subject, rules: Rules, folder: Path, note: Note, allowed: TrialLimits | None = None
) -> BuiltSubject | None:
    """Build a model, prove it once, and compare; note the result. Return None unless there is one artifact.

    A model that is too large for one circuit is split, and its row says in how many segments.

    The result is `exact` or `approximate` if proofs give the float model's outputs, `wrong` if they give others,
    `refused` if the model was refused with a reason. Any other end of this process is a crash; its parent says so.

    Args:
        subject: The model.
        rules: The rules.
        folder: For artifacts.
        note: Takes facts for the row.
        allowed: Memory and time; None: all that there is.
    """
    allowed = allowed or TrialLimits()
    began, cpu = time.perf_counter(), cpu_seconds(os.getpid(), ended=True)
    try:
        data = read(subject)
        report, output = inspected(data, subject.name, rules)
        program = require_provable(report)
        note({"features": program.features, "outputs": program.outputs, "output": output or ""})
        request = tuning.Request(subject.name, data, (), output=output, approximate=rules.approximate)
        truth = truth_of(subject, request, rules, program)
        may_split = report.public is not None and report.public.seconds <= allowed.seconds
        if not rules.prove:
            asked = dataclasses.replace(request, whole=not may_split)
            note(_searched(subject, asked, rules, truth, lambda line: note({"doing": line})))
            note({"searched_s": round(time.perf_counter() - began, 2), "doing": ""})
            return None
        options = _options(subject, rules, truth, output, folder, allowed)
        try:
            built = build_model(options, lambda line: note({"doing": line}))
        except ModelTooLarge:
            if not may_split:
                raise
            circuit, kind = split_and_proven(options, truth.samples[0], note)
            compared, wrong = _compare(subject, request, circuit, truth)
            note({**compared, "result": "wrong" if wrong else kind, "why": wrong, "doing": ""})
            return None
        circuit = reference_of(built.artifact)
        window = [int(value) for value in circuit.quantise(truth.samples[:1])[0]]
        manifest = built.artifact.manifest
        note(
            {
                "build_s": round(time.perf_counter() - began, 2),
                "build_cpu_s": round(cpu_seconds(os.getpid(), ended=True) - cpu, 2),
                "weights": circuit.weights,
                "k": manifest.k,
                "columns": built.tuning["chosen"]["columns"],
                "digits": [built.tuning["chosen"]["base"], built.tuning["chosen"]["legs"]],
                "doing": "proving",
            }
        )
        published = [int(value) for value in circuit.evaluate([window])[0]]
        note(_prove(built.artifact, window, published, rules.repeat))
        compared, wrong = _compare(subject, request, circuit, truth)
        kind = "exact" if manifest.exact else "approximate"
        note({**compared, "result": "wrong" if wrong else kind, "why": wrong, "doing": ""})
        return BuiltSubject(built.artifact, truth, window, published)
    except OracleError as error:
        result = "refused" if isinstance(error, ModelError | DataError) else "failed"
        why = str(error).replace(f"{subject.onnx.parent}/", "")  # a report may be published
        note({"result": result, "why": why, "refused_s": round(time.perf_counter() - began, 2), "doing": ""})
        return None


def _searched(
    subject: Subject, request: tuning.Request, rules: Rules, truth: Truth, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Find scales that pass, and return what a row says about a model of which no circuit is made."""
    asked = dataclasses.replace(
        request,
        samples=truth.samples,
        verdict=truth.verdict,
        max_flips_per_10k=rules.flips,
        visibility=Visibility.PUBLIC,
    )
    circuit, settings, _ = Search(asked, progress).candidates()[0]
    compared, wrong = _compare(subject, request, circuit, truth)
    kind = "approximate" if circuit.is_approximate or circuit.rebase else "exact"
    scales = {"input_scale": settings.input_scale, "param_scale": settings.param_scale, "rebase": settings.rebase}
    return {**compared, **scales, "weights": circuit.weights, "result": "wrong" if wrong else kind, "why": wrong}


def _options(
    subject: Subject, rules: Rules, truth: Truth, output: str | None, folder: Path, allowed: TrialLimits
) -> ModelOptions:
    samples = folder / "samples.npy"
    np.save(samples, truth.samples)
    return ModelOptions(
        onnx=subject.onnx,
        data=samples,
        rule=truth.verdict.rule.value,
        value=truth.verdict.value,
        max_flips=rules.flips,
        output=output,
        public_model=True,
        approximate=rules.approximate,
        out=folder / "artifacts",
        memory_limit=allowed.memory_limit,
    )


def _prove(built: Artifact, window: list[int], expected: list[int], repeat: int) -> dict[str, Any]:
    """Prove one window several times in a process of its own, and verify each proof.

    Raises:
        ArtifactError: A proof does not verify, or publishes other numbers than the reference computes.
    """
    files: dict[str, Any] = {argument: built.file(name) for argument, name in PROVING_FILES.items()}
    seconds = []
    with EngineProcess() as engine:
        for _ in range(1 + repeat):
            proof = engine.call("prove", inputs=window, outputs=expected, **files)
            if not proof.get("verified"):
                raise ArtifactError(
                    f"the proof of {window[:8]} gives {proof['outputs'][:8]}, and {expected[:8]} is right"
                )
            seconds.append(proof["seconds"]["prove"])
        peak = engine.call("peak_memory")["bytes"] or 0
    return {
        "prove_s": round(statistics.median(seconds[1:]), 4),
        "memory_mb": megabytes(int(peak)),
        "proof_bytes": len(proof["proof"]) // 2,
    }


def _compare(subject: Subject, request: tuning.Request, circuit: Circuit, truth: Truth) -> tuple[dict[str, Any], str]:
    """Compare the circuit with the float model, on samples that it was tuned on and on others.

    Returns:
        Facts for the row, and what is wrong, or "".
    """
    limit = truth.verdict.value

    def errors(samples: np.ndarray, expected: np.ndarray) -> np.ndarray:
        windows = circuit.quantise(samples)
        computed = np.asarray(circuit.evaluate(windows), dtype=np.float64) / 2.0**circuit.output_scale
        if truth.verdict.rule is tuning.Rule.ARGMAX:
            return np.asarray(computed.argmax(axis=1) != expected.argmax(axis=1), dtype=np.float64)
        return np.asarray(np.abs(computed - expected).max(axis=1))

    seen = errors(truth.samples, truth.expected)
    outputs = scored_outputs(request, truth.program, truth.unseen)
    kept = np.isfinite(outputs).all(axis=1)
    other = errors(truth.unseen[kept], outputs[kept])
    facts = {
        "rule": truth.verdict.rule.value,
        "limit": limit,
        "error": float(seen.max()),
        "samples": len(seen),
        "unseen_beyond": int((other > limit).sum()),
        "unseen": len(other),
    }
    if problem := _loaded_otherwise(subject, request.data, truth):
        return facts, problem
    if seen[0] > limit:
        return facts, f"the proven output differs by {seen[0]:.3g} from onnxruntime's, and {limit:.3g} is allowed"
    if len(other) and float(np.median(other)) > limit:
        return facts, f"most outputs on other samples differ by more than {limit:.3g} from onnxruntime's"
    return facts, ""


def _loaded_otherwise(subject: Subject, data: bytes, truth: Truth) -> str:
    """Return what is wrong if onnxruntime gives other outputs for the file itself than for what was read of it."""
    try:
        import onnxruntime  # an extra
    except ImportError:
        return ""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        whole: Any = onnxruntime.InferenceSession(str(subject.onnx), options, providers=["CPUExecutionProvider"])
    except Exception:  # it has no kernel for some operators, and raises classes of its own
        return ""
    parsed: Any = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    feeds, at = {}, 0
    for each in truth.program.inputs:
        numbers = truth.samples[0, at : at + each.size].reshape(each.shape)
        feeds[each.name] = numbers.astype(_numpy_type(each.kind))
        at += each.size
    for one, two in zip(whole.run(None, feeds), parsed.run(None, feeds), strict=True):
        if isinstance(one, np.ndarray) and not np.array_equal(one, two, equal_nan=one.dtype.kind == "f"):
            return "the weights that were read are not those that onnxruntime reads from the file"
    return ""


def _numpy_type(kind: int) -> Any:
    return onnx.helper.tensor_dtype_to_np_dtype(kind or onnx.TensorProto.FLOAT)


def rules_of(document: dict[str, Any]) -> Rules:
    """Return rules as they were sent to a process."""
    return Rules(**{field.name: document[field.name] for field in dataclasses.fields(Rules)})
