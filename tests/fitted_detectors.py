"""Fitted detectors of every type, for the suite in `tests/detector_conformance.py`, in Python and in circuits."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

from oracle.core.types import Kind
from oracle.detectors.interface import Detector, Disclosure, Lesson, LessonSeries
from oracle.detectors.registry import parse
from oracle.detectors.trainers.arch import Arch
from oracle.detectors.trainers.arch_window import ArchWindow
from oracle.detectors.trainers.autoencoder import Autoencoder
from oracle.detectors.trainers.cap import Cap
from oracle.detectors.trainers.cross_source import CrossSource
from oracle.detectors.trainers.imported import Imported
from oracle.detectors.trainers.mahalanobis import Mahalanobis
from oracle.detectors.trainers.peers import Peers
from oracle.detectors.training.reports import ReportedPeer, Reports, Terms, features_of, sigma_of, windows
from oracle.proving.imported import at_scales
from tests.recordings import walk

ROWS = 1_500


@cache
def reports(sources: int = 1) -> Reports:
    rows = walk(ROWS, seed=3, sources=sources)
    answers = [sorted(round(value * 10**8) for value in values) for _, values in rows]
    return Reports(
        Kind.RELATIVE,
        8,
        tuple(time for time, _ in rows),
        tuple(each[len(each) // 2] for each in answers),
        tuple(each[0] for each in answers) if sources > 1 else (),
        tuple(each[-1] for each in answers) if sources > 1 else (),
    )


def peer(number: int) -> ReportedPeer:
    """Return a peer of the walk, which moves along with it, and has a will of its own."""
    draw, moved, found = random.Random(number), reports().answers, [10**11]
    for before, after in pairwise(moved):
        found.append(round(found[-1] * (after / before) * (1 + draw.gauss(0, 0.0008))))
    told = Reports(Kind.RELATIVE, 8, reports().times, tuple(found))
    return ReportedPeer(f"peer-{number}", Kind.RELATIVE, 8, sigma_of(told, 900, 60), tuple(found), 60)


@cache
def lesson(sources: int = 1, peers: int = 0) -> Lesson:
    found = replace(reports(sources), peers=tuple(peer(number) for number in range(peers)))
    terms = Terms(sigma_of(found, 900, 60), 60)
    seen = windows(found, terms)
    series = LessonSeries("walk", found.kind, terms.sigma, 60, peers, sources, slice(0, 900), slice(0, 1_200))
    return Lesson(seen[:900], seen[:1_200], features_of(found), Fraction(20, 10_000), 1, (series,))


def network(inputs: int = 4) -> bytes:
    """Return a model that somebody made: |move| and 1.5 · |change of the move|, in sigmas."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weights = np.array([[1.0, 1.5], [0.0, -1.5], *[[0.0, 0.0]] * (inputs - 2)], dtype=np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Abs", ["h"], ["s"])]
    graph = helper.make_graph(
        nodes,
        "brought",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", inputs])],
        [helper.make_tensor_value_info("s", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(proto.SerializeToString(deterministic=True))


TRAINERS: dict[str, Any] = {
    "peers": Peers(),
    "peers-two": Peers(near=4, drift=True),
    "peers-none": Peers(near=1, spread=True),
    "cap": Cap(),
    "cap-static": Cap(gap_scaled=False),
    "arch": Arch(),
    "arch-window": ArchWindow(),
    "cross-source": CrossSource(),
    "mahalanobis": Mahalanobis(features=8),
    "autoencoder": Autoencoder(at_scales, features=6, hidden=2),
    "imported": Imported(at_scales, network()),
}


@cache
def fitted(kind: str) -> Detector:
    found: Detector = TRAINERS[kind].fit(kind, lesson_of(kind))
    return found


def lesson_of(kind: str) -> Lesson:
    """Return the lesson that a kind of detector is fitted to."""
    return lesson(3 if kind in ("cross-source", "peers-none") else 1, {"peers": 1, "peers-two": 2}.get(kind, 0))


def load(text: str, disclosure: Disclosure) -> Detector:
    return parse(text, "m.json", disclosure, at_scales)
