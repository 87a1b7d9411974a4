"""Tests of the search for scales: it reaches far enough, and it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
import pytest

from oracle.core.errors import ModelError
from oracle.proving.artifact import Visibility
from oracle.proving.engine.child import EngineProcess
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning import search
from oracle.proving.tuning.measuring import rank
from oracle.proving.tuning.request import PARAM_SCALES, Objective, Request, Rule, VerdictRule
from oracle.proving.tuning.search import Search
from tests.models import model, node, weights


def test_a_sample_close_to_a_step_gets_finer_inputs() -> None:
    """0.49991 is 0.5 at 2^-12, which the remainder of a division by 0.5 takes to 0."""
    nodes = [node("Div", ["x", "half"], "d"), node("Floor", ["d"], "f"), node("Mul", ["f", "half"], "m")]
    data = model([*nodes, node("Sub", ["x", "m"])], ["N", 2], [weights("half", [0.5])])
    samples = np.array([[0.49991155, 0.3], [0.7, 0.9]], dtype=np.float32)
    asked = Request("m", data, samples, VerdictRule(Rule.TOLERANCE, 0.005), visibility=Visibility.PUBLIC)
    circuit = Search(asked, lambda step: None).candidates()[0][0]
    assert circuit.input_scale == 15
    found = circuit.evaluate(circuit.quantise(samples)) / 2.0**circuit.output_scale
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert np.abs(found - session.run(None, {"x": samples})[0]).max() < 0.001


def test_a_search_that_fails_does_not_try_again_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coarser inputs with the same weights are no nearer; and a narrow range goes on from there."""
    tried: list[tuple[int, int, int, int]] = []

    def counted(*given: Any, **more: Any) -> Any:
        made = instantiate(*given, **more)
        tried.append(given[1:5])
        return made

    monkeypatch.setattr(search, "instantiate", counted)
    samples = np.random.default_rng(3).normal(size=(20, 3)).astype(np.float32)
    for powers, most in ((0, 2), (6, 3)):
        nodes = [node("Mul", ["x" if not at else f"h{at}", "w"], f"h{at + 1}") for at in range(1 + powers)]
        nodes += [node("Mul", [f"h{1 + powers}", f"h{1 + powers}"])]
        data = model(nodes, ["N", 3], [weights("w", [0.3, 1.7, -0.6])])
        asked = Request("m", data, samples, VerdictRule(Rule.TOLERANCE, 1e-12), visibility=Visibility.PUBLIC)
        tried.clear()
        with pytest.raises(ModelError, match=r"of 20 verdicts flip"):
            Search(asked, lambda step: None).passing((0,))
        assert len(tried) <= most * len(PARAM_SCALES), tried
    # Where values are divided as well, each rebase by itself.
    nodes = [node("Mul", ["x", "w"], "h0"), *(node("Mul", [f"h{at}", f"h{at}"], f"h{at + 1}") for at in range(3))]
    data = model([*nodes, node("Mul", ["h3", "x"])], ["N", 3], [weights("w", [0.3, 0.2, -0.1])])
    asked = Request("m", data, samples, VerdictRule(Rule.TOLERANCE, 1e-12), visibility=Visibility.PUBLIC)
    tried.clear()
    with pytest.raises(ModelError, match=r"of 20 verdicts flip"):
        Search(asked, lambda step: None).passing((0, 2, 3))
    for rebase in (2, 3):
        scales = [param_scale for _, param_scale, _, each in tried if each == rebase]
        assert scales and scales == sorted(set(scales))


def test_weights_that_fall_away_at_coarse_scales_leave_finer_ones_to_be_tried() -> None:
    """A batch normalisation of a new network is nearly x · 1 + 0, which at 2^-3 is its own input."""
    nodes = [node("Mul", ["x", "w"], "m"), node("Add", ["m", "b"])]
    data = model(nodes, ["N", 3], [weights("w", [1.054, 1.0541, 1.0542]), weights("b", [-0.0065, -0.0057, 0.0058])])
    samples = np.random.default_rng(3).uniform(0, 0.1, (20, 3)).astype(np.float32)
    asked = Request("m", data, samples, VerdictRule(Rule.TOLERANCE, 0.0012), visibility=Visibility.PUBLIC)
    circuit = Search(asked, lambda step: None).candidates()[0][0]
    assert (circuit.rebase, circuit.decomposed) == (0, 0), "nothing has to be divided"


def test_columns_that_make_a_verifier_too_long_are_not_tried(tmp_path: Path) -> None:
    """A table is in each column: with many functions one column is left, and then none."""

    class Counting:
        def call(self, op: str, /, **arguments: Any) -> dict[str, Any]:
            return {"num_rows": 2_000 // arguments["run_args"]["num_inner_cols"]}

    names = ["Sin", "Tan", "Atan", "Sinh", "Cosh", "Asinh", "Exp", "Erf"]
    rule = VerdictRule(Rule.TOLERANCE, 10.0)

    def columns(functions: list[str]) -> set[int]:
        nodes = [node(name, ["x"], f"f{at}") for at, name in enumerate(functions)]
        nodes.append(node("Sum", [f"f{at}" for at in range(len(functions))], "s"))
        data = model([*nodes, node("Mul", ["s", "s"])], ["N", 2], [])
        samples = np.random.default_rng(3).normal(size=(5, 2)).astype(np.float32)
        asked = Request("m", data, samples, rule, visibility=Visibility.PUBLIC, approximate=True)
        search = Search(asked, lambda step: None)
        found = rank(search, search.candidates(), cast(EngineProcess, Counting()), tmp_path, lambda step: None)
        return {each.settings.columns for _, each in found}

    assert columns(names[:2]) == {1, 2, 3}
    assert columns(names[:4]) == {1, 2}
    assert columns(names) == {1}
    with pytest.raises(ModelError, match=r"so long a proof as its code: it needs 15 tables of functions; split it"):
        columns([*names, "Log", "Asin", "Atanh", "Acosh", "Sigmoid", "Tanh", "Sqrt"])


@pytest.mark.parametrize("objective", list(Objective))
def test_what_does_not_fit_into_memory_leaves_the_others_in_the_choice(objective: Objective, tmp_path: Path) -> None:
    """The candidate with the least gas has one column, which here takes more memory than three."""

    class Counting:
        def call(self, op: str, /, **arguments: Any) -> dict[str, Any]:
            assert op == "gen_settings"
            return {"num_rows": 44_000 // arguments["run_args"]["num_inner_cols"]}

    nodes = [node("MatMul", ["x", "w"], "a"), node("Relu", ["a"])]
    data = model(nodes, ["N", 3], [weights("w", np.linspace(0.1, 1, 6).reshape(3, 2))])
    samples = np.random.default_rng(3).normal(size=(20, 3)).astype(np.float32)
    rule = VerdictRule(Rule.TOLERANCE, 0.1)
    asked = Request("m", data, samples, rule, visibility=Visibility.PUBLIC, objective=objective, memory=300 << 20)
    engine = cast(EngineProcess, Counting())

    def ranked(asked: Request) -> set[int]:
        search = Search(asked, lambda step: None)
        found = rank(search, search.candidates(), engine, tmp_path, lambda step: None)
        return {each.settings.columns for _, each in found}

    assert ranked(asked) == {3}
    assert ranked(replace(asked, memory=1 << 30)) == {1, 2, 3}
    with pytest.raises(ModelError, match=r"too large: .*about 0\.2 GiB"):
        ranked(replace(asked, memory=200 << 20))
