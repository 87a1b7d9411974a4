"""Tests that no object of the SDK prints private weights: neither its repr nor what a client writes on the way."""

from __future__ import annotations

import dataclasses
import logging
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import oracle
from oracle.claims import ClaimFeature
from oracle.core.errors import OracleError
from oracle.proving.imported import at_scales
from tests import circuits
from tests.leaks import leaks
from tests.models import model, node, weights

pytestmark = pytest.mark.attack

SCALE = 8
SUBJECT = "0x" + "ab" * 20


def drawn(count: int) -> list[int]:
    """Return weights of 23 random bits, at a scale of 8 bits: floats have them exactly, and chance has none of them."""
    rng = random.Random(23)
    return [rng.randrange(2**22 + 1, 2**23, 2) for _ in range(count)]


WEIGHTS = drawn(4)
GRAPH = model(
    [node("Gemm", ["x", "w", "b"])],
    ["N", 3],
    [
        weights("w", np.array(WEIGHTS[:3]).reshape(3, 1) / 2**SCALE),
        weights("b", np.array(WEIGHTS[3:]) / 2**SCALE),
    ],
)
SPEC = oracle.ModelSpec("unmistakable", GRAPH, tuple(ClaimFeature(f"x{at}") for at in range(3)))


def shown(text: str) -> bytes:
    """Return what a text shows: itself, and the bytes that it has in escapes."""
    escaped = text.encode("ascii", "replace").decode("unicode_escape", "replace")
    return text.encode() + escaped.encode("latin1", "replace")


def reached(value: Any, seen: set[int]) -> Iterator[Any]:
    """Return an object, and all that a program gets from it by public names."""
    if id(value) in seen or isinstance(value, str | bytes | int | float | None):
        return
    seen.add(id(value))
    yield value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # A graph and its numbers show weights when they themselves are printed. What has them must not print them.
        for field in dataclasses.fields(value):
            if field.repr and not field.name.startswith("_"):
                yield from reached(getattr(value, field.name), seen)
        for name in dir(type(value)):
            if isinstance(getattr(type(value), name, None), property) and not name.startswith("_"):
                yield from reached(getattr(value, name), seen)


def test_the_search_finds_weights_in_a_repr() -> None:
    assert set().union(*leaks(shown(repr(GRAPH)), WEIGHTS, SCALE).values()) == set(WEIGHTS)
    assert set().union(*leaks(shown(repr({"w": [each / 2**SCALE for each in WEIGHTS]})), WEIGHTS, SCALE).values())


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
def test_no_object_prints_private_weights(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    """Objects, log of all levels, both streams of the client and of its child processes, steps, and errors."""
    caplog.set_level(logging.DEBUG)
    steps: list[str] = []
    found: list[Any] = [SPEC]
    with oracle.ZkmlClient(circuits.folder()) as client:
        found += [client, client.register_model(SPEC, steps.append)]
        inputs = {"x0": 0.25, "x1": 0.5, "x2": 1}
        found.append(client.commit("unmistakable", inputs))
        claim = client.generate_inference_proof("unmistakable", inputs, oracle.AtLeast(3), SUBJECT, progress=print)
        found += [claim, client.verify_inference_proof(claim)]
        for wrong in (oracle.AtMost(3), oracle.AtLeast(1e12), oracle.Equals(1)):
            with pytest.raises(OracleError) as refused:
                client.generate_inference_proof("unmistakable", inputs, wrong, SUBJECT)
            found.append(refused.value)
    found.append(at_scales("unmistakable", GRAPH, 10, SCALE))
    objects = [each for value in found for each in reached(value, set())]
    names = {type(each).__name__ for each in objects}
    assert {"ModelSpec", "Registered", "ClaimCircuit", "ImportedModel", "Circuit", "Program", "Artifact"} <= names
    for each in objects:
        assert leaks(shown(f"{each!r} {each}"), WEIGHTS, SCALE) == {}, type(each).__name__
    told = capfd.readouterr()
    written = "\n".join([told.out, told.err, caplog.text, *steps])
    assert "prove" in written and leaks(shown(written), WEIGHTS, SCALE) == {}
