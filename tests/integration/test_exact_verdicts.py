"""Verdicts in ezkl's own witnesses: at their limits, and with a salt."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from oracle.core.encoding import Feature, feature_range, window_features
from oracle.detectors.interface import Detector, Disclosure
from oracle.detectors.kinds.imported import ImportedDetector
from oracle.proving.artifact import Visibility
from oracle.proving.artifact.circuit import fitted
from oracle.proving.engine.child import EngineProcess
from oracle.proving.imported import at_scales
from tests.circuits import circuit
from tests.peer_models import FEATURES, peer_model


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    with EngineProcess() as found:
        yield found


def test_windows_exactly_on_their_limit(engine: EngineProcess, tmp_path: Path) -> None:
    """Equal is accepted, and one step above is held, in ezkl's own witness: for a polynomial and for a network."""
    calm = dict.fromkeys(FEATURES, 0) | {Feature.GAP: 1_000, Feature.PEER_SEEN_0: 1}
    windows = [tuple((calm | {Feature.MOVE: move}).values()) for move in (2_000, 2_001, 4_000, 4_001)]
    # The peer's limit is at 4 x² = 16,000,000, and where no peer is seen the own is at x² = 16,000,000.
    blind = [tuple((calm | {Feature.MOVE: move, Feature.PEER_SEEN_0: 0}).values()) for move in (2_001, 4_000, 4_001)]
    assert witnessed(engine, tmp_path, peer_model(), [*windows, *blind]) == [0, 1, 1, 1, 0, 0, 1]

    model = limited((1.5, 3.0)).publishing(Disclosure.VERDICT)
    moves = ((1_536, 1_536), (1_537, 1_537), (-1_536, 0), (512, -1_536), (513, -1_536))
    seen = [(*move, 0, 1_000) for move in moves]
    assert [model.score_int(window)[0] for window in seen] == [0, 1, 0, 0, 1]
    assert witnessed(engine, tmp_path, model, seen) == [0, 1, 0, 0, 1]
    assert model.publishing(Disclosure.SCORE).score_int(seen[0])[0] == 0


def limited(limits: tuple[float, ...], salt: str = "") -> ImportedDetector:
    """Return a network whose outputs are |move| − limit, and so on; at 10 bits a sigma is 1,024."""
    weights = np.array([[1.0, 1.5], [0.0, -1.5], [0.0, 0.0], [0.0, 0.0]], dtype=np.float32)
    constants = {"w": weights, "limits": np.array([limits], dtype=np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Abs", ["h"], ["size"]),
        helper.make_node("Sub", ["size", "limits"], ["s"]),
    ]
    graph = helper.make_graph(
        nodes,
        "limited",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("s", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
    return ImportedDetector("limited", window_features(4), file, 10, 8, at_scales, salt=salt)


def witnessed(engine: EngineProcess, folder: Path, model: Detector, windows: Sequence[tuple[int, ...]]) -> list[int]:
    """Return the first number that a model's circuit publishes for each window."""
    files = {name: str(folder / f"{model.name}-{name}") for name in ("model", "settings", "circuit")}
    Path(files["model"]).write_bytes(model.to_onnx(1))

    def generate(arguments: dict[str, Any]) -> dict[str, Any]:
        written = engine.call("gen_settings", model=files["model"], settings=files["settings"], run_args=arguments)
        return dict(written)

    _, settings, k = fitted(model, Visibility.PRIVATE, generate)
    settings["run_args"]["logrows"] = k
    Path(files["settings"]).write_text(json.dumps(settings))
    engine.call("compile_circuit", model=files["model"], settings=files["settings"], circuit=files["circuit"])
    return [engine.call("witness", circuit=files["circuit"], inputs=list(each))["outputs"][0] for each in windows]


@pytest.mark.parametrize("kind", ["polynomial", "network"])
def test_models_that_differ_in_the_salt_alone_have_different_hashes_and_one_verifier(kind: str) -> None:
    salts = ("00112233445566778899aabbccddeeff", "f0112233445566778899aabbccddeeff", "00112233445566778899aabbccddeefe")
    models: list[Detector] = [
        peer_model(salt) if kind == "polynomial" else limited((2.5, 3.5), salt).publishing(Disclosure.VERDICT)
        for salt in salts
    ]
    built = [circuit(model) for model in models]
    assert len({artifact.model_hash for artifact in built}) == 3
    assert len({artifact.manifest.circuit_hash for artifact in built}) == 1
    draw, ranges = random.Random(2), [feature_range(feature) for feature in models[0].features[:-1]]
    windows = [[draw.randint(max(low, -5_000), min(high, 5_000)) for low, high in ranges] for _ in range(99)]
    verdicts = [[model.score_int((*window, 1_000)) for window in windows] for model in models]
    assert verdicts[0] == verdicts[1] == verdicts[2] and len(set(verdicts[0])) == 2
    if kind == "polynomial":
        manifest = built[0].manifest
        assert (manifest.k, manifest.proof_bytes, manifest.instance_count) == (9, 2_912, 12)
