"""The conformance suite of detectors: a test of each kind calls it with a fitted one."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from oracle.core.encoding import (
    CLIP,
    INT128_MAX,
    Feature,
    calm_window,
    checked_features,
    feature_range,
    is_score_unit,
)
from oracle.core.errors import DataError
from oracle.detectors.interface import Detector, Disclosure
from oracle.proving.artifact import Visibility
from oracle.proving.artifact.circuit import fitted
from oracle.proving.engine.child import EngineProcess

Load = Callable[[str, Disclosure], Detector]
"""A function that reads what a detector's `to_json` returned."""


def windows(detector: Detector, count: int, seed: int = 7) -> list[tuple[int, ...]]:
    """Return windows: a calm one, one of a clipped move after a calm stretch, corners of the box, and wild ones."""
    draw, listed = random.Random(seed), detector.features
    ranges = [feature_range(feature) for feature in listed]
    calm = calm_window(listed)
    found: list[tuple[int, ...]] = [
        calm,
        changed(detector, calm, Feature.MOVE, CLIP),
        changed(detector, calm, Feature.MOVE, -CLIP),
        tuple(most for _, most in ranges),
        tuple(least for least, _ in ranges),
        tuple(limits[index % 2] for index, limits in enumerate(ranges)),
        changed(detector, tuple(most for _, most in ranges), Feature.MOVE, 0),
    ]
    if Feature.GAP in listed:
        # No feed has these, but they are in the box.
        found += [changed(detector, calm, Feature.GAP, gap) for gap in (0, -CLIP)]
    for _ in range(count):
        size = draw.choice([300, 3_000, CLIP])
        found.append(tuple(draw.randint(max(least, -size), max(least, min(most, size))) for least, most in ranges))
    return found


def changed(detector: Detector, window: Sequence[int], feature: Feature, value: int) -> tuple[int, ...]:
    """Return a window with another value of one feature."""
    at = detector.features.index(feature)
    return (*window[:at], value, *window[at + 1 :])


def check_detector(detector: Detector, load: Load) -> None:
    """Check everything except the circuit.

    Args:
        detector: A detector that publishes scores.
        load: Reads its file.
    """
    assert isinstance(detector, Detector)
    assert detector.disclosure is Disclosure.SCORE
    assert checked_features(detector.features) == detector.features
    assert detector.width == len(detector.features) and detector.outputs >= 1
    seen = windows(detector, 40)
    scores = [detector.score_int(window) for window in seen]

    # The scores are Python integers, one for each output, within the bound, and the bound leaves the circuit room.
    assert all(type(value) is int for row in scores for value in row)
    assert all(len(row) == detector.outputs for row in scores)
    assert max(abs(value) for row in scores for value in row) <= detector.score_bound() <= INT128_MAX // 2
    assert is_score_unit(detector.score_unit)

    # Many windows at once give exactly the same. No windows give no scores.
    table = detector.score_many(seen)
    assert table.dtype == object and [tuple(row) for row in table.tolist()] == scores
    assert detector.score_many([]).shape == (0, detector.outputs)

    # A sequence that is not a window is refused.
    for wrong in (seen[0][1:], (*seen[0], 0), (CLIP + 1, *seen[0][1:]), (-CLIP - 1, *seen[0][1:])):
        with pytest.raises(ValueError):
            detector.score_int(wrong)

    # A calm window passes, and a clipped move after a calm stretch does not.
    assert max(detector.score_int(seen[0])) <= 0
    assert max(detector.score_int(seen[1])) > 0 and max(detector.score_int(seen[2])) > 0
    if Feature.SPREAD in detector.features:
        assert max(detector.score_int(changed(detector, seen[0], Feature.SPREAD, CLIP))) > 0

    # The explanations add up to the scores, and agree with them about the limit.
    for window, row in zip(seen, scores, strict=True):
        told = detector.explain(window)
        assert len(told) == detector.outputs and len({each.output for each in told}) == detector.outputs
        for each in told:
            largest = max(1.0, *(abs(part) for part in each.parts.values()))
            assert sum(each.parts.values()) == pytest.approx(each.score, abs=1e-9 * largest)
            near = abs(each.score) <= 1e-9 * largest
            gap = dict(zip(detector.features, window, strict=True)).get(Feature.GAP, 1)
            if each.measured is not None and each.limit is not None and gap > 0 and not near:
                assert each.objects == (each.measured > each.limit)
        assert [each.objects for each in told] == [value > 0 for value in row]

    # Its file always has the same bytes, and reads back as the same model.
    text = detector.to_json()
    again = load(text, Disclosure.SCORE)
    assert again.to_json() == text == detector.to_json()
    assert json.loads(text)["format"] == detector.format == again.format
    assert [again.score_int(window) for window in seen] == scores
    assert again.to_onnx(1) == detector.to_onnx(1)
    for damaged in (
        text[:-20],
        json.dumps({**json.loads(text), "surplus": 1}),
        json.dumps({**json.loads(text), "name": 5}),
    ):
        with pytest.raises(DataError):
            load(damaged, Disclosure.SCORE)

    # The verdict is one number: 1 if any score is positive, else 0.
    verdicts = detector.publishing(Disclosure.VERDICT)
    assert verdicts.outputs == 1 and verdicts.score_many([]).shape == (0, 1)
    assert [verdicts.score_int(window) for window in seen] == [(int(max(row) > 0),) for row in scores]
    assert [tuple(row) for row in verdicts.score_many(seen).tolist()] == [verdicts.score_int(window) for window in seen]
    assert verdicts.explain(seen[6]) == detector.explain(seen[6])
    assert verdicts.publishing(Disclosure.SCORE).to_json() == verdicts.to_json() == text
    assert verdicts.score_unit == 1
    assert load(text, Disclosure.VERDICT).to_onnx(1) == verdicts.to_onnx(1)

    # The graph always has the same bytes, and agrees with the integers up to float32's rounding.
    assert detector.to_onnx(3) == detector.to_onnx(3)
    with pytest.raises(ValueError, match="batch"):
        detector.to_onnx(0)
    _check_graph(detector, seen[9:])


def _check_graph(detector: Detector, seen: Sequence[tuple[int, ...]]) -> None:
    numpy, onnxruntime = pytest.importorskip("numpy"), pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(detector.to_onnx(2), providers=["CPUExecutionProvider"])
    scores = [detector.score_int(window) for window in seen]
    outputs: list[list[float]] = []
    for at in range(0, len(seen), 2):
        outputs += session.run(None, {"x": numpy.array(seen[at : at + 2], dtype=numpy.float32)})[0].tolist()
    # Scores are the graph's floats times a power of two, which the largest window reveals.
    at = max(range(len(seen)), key=lambda index: abs(scores[index][0]))
    scale = 2.0 ** round(numpy.log2(abs(scores[at][0] / outputs[at][0])))
    for row, output, window in zip(scores, outputs, seen, strict=True):
        for exact, single, told in zip(row, output, detector.explain(window), strict=True):
            # Each operation rounds to 24 bits, relative to terms that may cancel.
            terms = sum(abs(part) for part in told.parts.values())
            unit = abs(exact / told.score) if told.score else 0
            assert abs(single * scale - exact) <= 64 * terms * unit / 2**24 + scale


def check_circuit(detector: Detector, engine: EngineProcess, folder: Path, batch: int = 1) -> int:
    """Check that the circuit's witness is the integer reference, at the corners too. Return the circuit's rows.

    Args:
        detector: A detector that publishes scores or verdicts.
        engine: The engine that runs ezkl.
        folder: An empty folder for the circuit.
        batch: B.
    """
    model, settings, circuit = (str(folder / name) for name in ("model.onnx", "settings.json", "circuit"))
    Path(model).write_bytes(detector.to_onnx(batch))

    def generate(arguments: dict[str, Any]) -> dict[str, Any]:
        return dict(engine.call("gen_settings", model=model, settings=settings, run_args=arguments))

    _, found, k = fitted(detector, Visibility.PRIVATE, generate)
    found["run_args"]["logrows"] = k
    Path(settings).write_text(json.dumps(found), encoding="utf-8")
    engine.call("compile_circuit", model=model, circuit=circuit, settings=settings)
    seen = windows(detector, 6)
    for at in range(0, len(seen), batch):
        chosen = (seen[at : at + batch] * batch)[:batch]
        expected = [value for window in chosen for value in detector.score_int(window)]
        inputs = [value for window in chosen for value in window]
        assert list(engine.call("witness", circuit=circuit, inputs=inputs)["outputs"]) == expected, chosen
    return int(found["num_rows"])
