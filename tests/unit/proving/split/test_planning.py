"""Tests of where a circuit can be cut, that its pieces compute the same, and how cuts are chosen."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from oracle.core import privacy
from oracle.core.errors import ModelError
from oracle.proving.approximate import domains
from oracle.proving.artifact import Visibility
from oracle.proving.cost import approximate_rows
from oracle.proving.imported import Settings, corners, legs_for
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.split import pieces, planning, schedule
from oracle.proving.tuning import Objective
from tests import models
from tests.graphs import graphs
from tests.hostile_prover import picks, published
from tests.models import model, node, weights

GIB = 1 << 30


def circuit_of(data: bytes, input_scale: int = 6, param_scale: int = 5, clip: int = 32_767) -> Circuit:
    program, problems = lower(read_model(data))
    assert program is not None, [str(problem) for problem in problems]
    return instantiate(program, input_scale, param_scale, clip)


def mlp(*sizes: int) -> Circuit:
    """Return a model of dense layers, with a ReLU after each but the last."""
    rng = np.random.default_rng(3)
    nodes, constants, value = [], [], "x"
    for at, (a, b) in enumerate(pairwise(sizes)):
        constants.append(weights(f"w{at}", rng.normal(size=(a, b)) / np.sqrt(a)))
        last = at == len(sizes) - 2
        nodes.append(node("MatMul", [value, f"w{at}"], "y" if last else f"h{at}"))
        if not last:
            nodes.append(node("Relu", [f"h{at}"], f"a{at}"))
        value = f"a{at}"
    return circuit_of(model(nodes, ["N", sizes[0]], constants))


class Counting:
    """An engine that counts rows like ezkl: the cost model's count, times a factor."""

    def __init__(self, times: float = 1.0) -> None:
        self.times = times
        self.asked = 0

    def call(self, op: str, *, model: str, settings: str, run_args: dict[str, Any]) -> dict[str, Any]:
        assert op == "gen_settings"
        self.asked += 1
        program, _ = lower(read_model(Path(model).read_bytes()))
        assert program is not None
        rows = approximate_rows(program, private=False, legs=run_args["decomp_legs"])
        return {"num_rows": int(self.times * rows / run_args["num_inner_cols"])}


def plan(circuit: Circuit, folder: Path, memory: float, cores: int = 2, **more: Any) -> pieces.Plan:
    chosen: dict[str, Any] = {"visibility": Visibility.PUBLIC, "objective": Objective.TIME, "engine": Counting()} | more
    return planning.plan(circuit, name="m", memory=int(memory * GIB), cores=cores, folder=folder, **chosen)


def reread(piece: Circuit) -> Circuit | None:
    """Return a piece as an artifact's reference has it; None if nothing in it depends on its input."""
    program, problems = lower(read_model(piece.to_onnx(1)))
    if program is None:
        assert all("depend on the input" in str(each) for each in problems), problems
        return None
    try:
        return instantiate(program, 0, piece.param_scale, piece.clip, most_bits=10_000)
    except ModelError:
        return None


@settings(max_examples=60, phases=[Phase.generate])
@given(data=graphs(), scales=st.tuples(st.integers(0, 6), st.integers(1, 8)), seed=st.integers(0, 2**32 - 1))
def test_the_chain_of_pieces_is_the_circuit(data: bytes, scales: tuple[int, int], seed: int) -> None:
    """This is true for every way to cut: of the pieces themselves, and of their graphs as they are read again."""
    program, _ = lower(read_model(data))
    if program is None:
        return
    try:
        circuit = instantiate(program, *scales, 100)
    except ModelError:
        return
    rng = np.random.default_rng(seed)
    places = pieces.cuts(circuit)
    chosen = [at for at in places if rng.integers(2)]
    windows = np.array([*corners(circuit), *rng.integers(-100, 101, size=(3, circuit.features)).tolist()])
    expected = circuit.evaluate_exactly(windows)
    values = windows.astype(object)
    ends = [0, *chosen, len(circuit.steps)]
    for start, end in pairwise(ends):
        piece = pieces.piece(circuit, start, end)
        assert piece.bound <= circuit.bound and piece.decomposed <= circuit.decomposed
        assert abs(values).max() <= piece.clip
        given, values = values, piece.evaluate_exactly(values)
        assert (piece.evaluate(given) == values).all()
        again = reread(piece)
        assert again is None or (again.evaluate(given) == values).all()
    assert (values == expected).all()


def test_the_pieces_of_a_layered_model_are_read_again() -> None:
    circuit = mlp(4, 5, 3)
    for start, end in pairwise([0, *pieces.cuts(circuit), len(circuit.steps)]):
        assert reread(pieces.piece(circuit, start, end)) is not None


def residual() -> Circuit:
    """Return a model with a residual connection: between its ends, two values cross."""
    rng = np.random.default_rng(4)
    nodes = [
        node("MatMul", ["x", "a"], "h"),
        node("Relu", ["h"], "r"),
        node("MatMul", ["r", "b"], "q"),
        node("Add", ["q", "h"], "t"),
        node("MatMul", ["t", "c"]),
    ]
    shapes = {"a": (4, 3), "b": (3, 3), "c": (3, 1)}
    constants = [weights(name, rng.normal(size=shape)) for name, shape in shapes.items()]
    return circuit_of(model(nodes, ["N", 4], constants))


def test_several_values_cross_a_cut_as_the_integers_that_they_are() -> None:
    """They have different scales, and keep them: nothing is multiplied, and nothing is divided."""
    circuit = residual()
    found = pieces.crossings(circuit)
    kinds = [step.op.kind for step in circuit.steps]
    one = [kinds[at - 1 : at + 1] for at, names in found.items() if len(names) == 1]
    assert one == [["MatMul", "Relu"], ["Add", "MatMul"]]
    at = next(at for at, names in found.items() if len(names) == 2 and kinds[at - 1] == "MatMul")
    first, second = pieces.piece(circuit, 0, at), pieces.piece(circuit, at, len(circuit.steps))
    scales = {step.op.output: step.scale for step in circuit.steps}
    assert len({scales[name] for name in found[at]}) == 2
    window = [[3, -100, 5, 7]]
    crossed = first.evaluate_exactly(window)
    values = dict(zip(found[at], np.split(crossed[0], 2), strict=True))
    for name, value in values.items():
        until = next(index for index, step in enumerate(circuit.steps) if step.op.output == name)
        own = replace(circuit, steps=circuit.steps[: until + 1], output=name, program=outputs_of(circuit, 3))
        assert (own.evaluate_exactly(window)[0] == value).all()
    assert (second.evaluate_exactly(crossed) == circuit.evaluate_exactly(window)).all()


def outputs_of(circuit: Circuit, count: int) -> Any:
    return replace(circuit.program, output_shape=(count,))


def rebased(data: bytes, samples: Any, level: int = 8) -> Circuit:
    """Return an approximate circuit: its functions are looked up, and what gets a larger scale is divided."""
    program, problems = lower(read_model(data), approximate=True)
    assert program is not None, problems
    return instantiate(domains.bounded(program, samples, level), level, level, 2 << level, 1)


def recurrent() -> bytes:
    """Return an LSTM of three steps: of its state and its cell, several values cross between steps."""
    rng = np.random.default_rng(5)
    nodes = [node("LSTM", ["x", "w", "r", "b"], hidden_size=2)]
    shapes = {"w": (1, 8, 1), "r": (1, 8, 2), "b": (1, 16)}
    return model(nodes, [3, 1, 1], [weights(name, 0.5 * rng.normal(size=shape)) for name, shape in shapes.items()])


def chain_of(circuit: Circuit, chosen: list[int]) -> list[tuple[Circuit, Circuit]]:
    """Return the pieces, and each as everybody reads it again, bounded by what those before it can reach."""
    found: list[tuple[Circuit, Circuit]] = []
    for start, end in pairwise([0, *chosen, len(circuit.steps)]):
        part = pieces.piece(circuit, start, end)
        program, problems = lower(read_model(part.to_onnx(1)), keep_activation=True, approximate=True)
        assert program is not None, problems
        within = found[-1][1].reached if found else None
        found.append((part, instantiate(program, 0, part.param_scale, part.clip, part.rebase, within=within)))
    return found


@pytest.mark.parametrize("kind", ["lstm", "softmax"])
def test_a_rebased_chain_is_the_whole_and_so_is_what_its_prover_may_choose(kind: str) -> None:
    """Cut anywhere, it computes the same integers, has the same slack, and needs no larger table and no more digits."""
    rng = np.random.default_rng(6)
    if kind == "lstm":
        data, samples = recurrent(), rng.normal(size=(20, 3))
    else:
        nodes = [node("MatMul", ["x", "a"], "h"), node("Softmax", ["h"], "p", axis=-1), node("MatMul", ["p", "b"])]
        constants = [weights("a", rng.normal(size=(4, 3))), weights("b", rng.normal(size=(3, 2)))]
        data, samples = model(nodes, ["N", 4], constants), rng.normal(size=(20, 4))
    circuit = rebased(data, samples)
    assert circuit.slack > 0
    found = pieces.crossings(circuit)
    assert any(len(names) > 2 for names in found.values())
    windows = circuit.quantise(samples)
    expected = circuit.evaluate_exactly(windows)
    places = list(found)
    every = [[at] for at in places[:: max(1, len(places) // 4)]]
    for chosen in [*every, sorted(rng.choice(places, size=4, replace=False).tolist())]:
        values: Any = windows
        for part, again in chain_of(circuit, chosen):
            assert abs(values).max() <= part.clip and again.decomposed <= part.decomposed
            table, stated = again.looked_up, part.looked_up
            assert table is None or (stated is not None and stated[0] <= table[0] and table[1] <= stated[1])
            given, values = values, part.evaluate_exactly(values)
            assert (again.evaluate(given) == values).all()
        assert (values == expected).all() and again.slack == circuit.slack, chosen


@pytest.mark.attack
def test_a_prover_of_a_chain_moves_no_output_beyond_the_slack() -> None:
    """In each segment a prover rounds as it likes, and the next one goes on from there."""
    rng = np.random.default_rng(7)
    samples = rng.normal(size=(3, 3))
    circuit = rebased(recurrent(), samples)
    places = [at for at, names in pieces.crossings(circuit).items() if len(names) > 1]
    parts = [part for part, _ in chain_of(circuit, places[:: len(places) // 3][:3])]
    windows = circuit.quantise(samples)
    honest = circuit.evaluate_exactly(windows)
    furthest = 0
    for pick in [*picks(), *[picks(seed)[-1] for seed in range(17)]]:
        values: Any = windows
        for part in parts:
            assert abs(values).max() <= part.clip
            values = published(part, values, pick)
        furthest = max(furthest, int(abs(values - honest).max()))
    assert 0 < furthest <= circuit.slack


def test_a_model_that_fits_is_not_cut(tmp_path: Path) -> None:
    found = plan(mlp(8, 8, 4), tmp_path, 4)
    assert len(found.segments) == 1 and found.segments[0].settings.base in (64, 128, 256, 512, 1024)


def test_cuts_fit_the_memory_and_the_digits_the_values(tmp_path: Path) -> None:
    """Less memory means more segments. A segment's digits hold its own values, and no others."""
    circuit = mlp(8, 256, 8, 256, 8, 256, 8, 256, 8)
    counts = []
    for memory in (4.0, 0.25, 0.19):
        found = plan(circuit, tmp_path, memory)
        counts.append(len(found.segments))
        assert found.memory <= memory * GIB
        assert [each.start for each in found.segments[1:]] == [each.end for each in found.segments[:-1]]
        for each in found.segments:
            own = each.settings
            if each.circuit.decomposed:
                assert own.legs == legs_for(own.base, each.circuit.decomposed)
                assert own.base**own.legs > each.circuit.decomposed
    assert counts == sorted(counts) and counts[-1] > 1


@pytest.mark.parametrize(
    ("visibility", "says"),
    [
        (
            Visibility.PUBLIC,
            r"m: node h1_MatMul \(MatMul\) fits no segment: the smallest that holds it takes .* --memory-limit",
        ),
        (Visibility.PRIVATE, "a private weight costs 41 rows, with --public-model about one"),
    ],
)
def test_a_layer_that_does_not_fit_alone_is_named(tmp_path: Path, visibility: Visibility, says: str) -> None:
    counting = Counting()
    with pytest.raises(ModelError, match=says):
        plan(mlp(8, 64, 64, 8), tmp_path, 0.05, visibility=visibility, engine=counting)
    assert not counting.asked


def test_gas_wants_the_fewest_segments(tmp_path: Path) -> None:
    circuit = mlp(32, 64, 64, 64, 64, 8)
    counts = {
        objective: len(plan(circuit, tmp_path, 0.3, objective=objective, cores=4).segments) for objective in Objective
    }
    assert counts[Objective.GAS] <= counts[Objective.BOTH] <= counts[Objective.TIME]


def test_more_rows_than_estimated_are_cut_again(tmp_path: Path) -> None:
    circuit = mlp(8, 256, 8, 256, 8, 256, 8, 256, 8)
    counting = Counting(1.3)
    found = plan(circuit, tmp_path, 0.36, engine=counting)
    assert all(each.cost.memory <= 0.36 * GIB for each in found.segments)
    assert len(found.segments) > len(plan(circuit, tmp_path, 0.36).segments) and counting.asked > len(found.segments)


def test_a_private_segment_has_weights_for_its_hash(tmp_path: Path) -> None:
    """Without weights, nothing would bind a segment that is a ReLU alone."""
    found = plan(mlp(16, 24, 24, 4), tmp_path, 0.8, visibility=Visibility.PRIVATE)
    assert len(found.segments) > 1 and all(each.circuit.weights for each in found.segments)


def test_the_makespan_is_that_of_the_longest_lane() -> None:
    alone = schedule.makespan([4.0, 4.0], 1, 2)
    both = schedule.makespan([4.0, 4.0], 2, 2)
    assert both < alone < 2 * both
    assert schedule.makespan([8.0, 1.0], 2, 2) == schedule.makespan([8.0], 2, 2)
    assert schedule.lanes_within([5, 4, 3], 9, 8) == 2
    assert schedule.lanes_within([5, 4, 3], 4, 8) == 1
    assert schedule.lanes_within([1, 1, 1], 100, 2) == 2


def test_segments_take_what_the_one_before_them_gives(tmp_path: Path) -> None:
    data, samples = models.mlp()
    circuit = circuit_of(data)
    at = pieces.cuts(circuit)[1]
    found = plan(circuit, tmp_path, 4, at=[at])
    first, second = pieces.segment_models(found, "m", corners(circuit))
    assert (first.hashed, second.hashed) == (("output",), ("input",))
    window = tuple(circuit.quantise(samples[:1])[0].tolist())
    assert second.score_int(first.score_int(window)) == tuple(circuit.evaluate([window])[0].tolist())
    assert list(second.windows()) == list(dict.fromkeys(first.score_int(each) for each in first.windows()))
    with pytest.raises(ValueError, match="not all of the cuts"):
        plan(circuit, tmp_path, 4, at=[99])


def test_settings_of_a_segment_are_at_its_own_scale(tmp_path: Path) -> None:
    circuit = mlp(4, 5, 3)
    found = plan(circuit, tmp_path, 4, at=[2])
    assert [each.settings.input_scale for each in found.segments] == [6, 11]
    assert isinstance(found.segments[0].settings, Settings)


def test_the_ends_that_a_manifest_calls_hashed_are_those_of_the_circuit() -> None:
    """The hash must also be public: no other form of it binds anything."""
    hashed: Any = {"Hashed": {"hash_is_public": True, "outlets": []}}
    loose: Any = {"Hashed": {"hash_is_public": False, "outlets": []}}
    arguments = {"input_visibility": hashed, "output_visibility": "Public", "param_visibility": "Fixed"}
    settings = {"run_args": arguments}
    assert not privacy.settings_problem(settings, "public", ("input",))
    assert "not Public" in privacy.settings_problem(settings, "public")
    assert "calls it hashed" in privacy.settings_problem(settings, "public", ("input", "output"))
    arguments["input_visibility"] = loose
    assert "calls it hashed" in privacy.settings_problem(settings, "public", ("input",))
