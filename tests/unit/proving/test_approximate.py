"""Tests of approximate circuits without a proof: functions, their domains, a prover's freedom, and the guard band."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from oracle.core.errors import DataError, ModelError
from oracle.proving.approximate.band import Side, largest_of, side_of
from oracle.proving.approximate.domains import bounded, domain_of
from oracle.proving.artifact import Manifest, Visibility
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.functions import FUNCTIONS
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.program import FUNCTION, Program
from oracle.proving.reference import functions
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.functions import function_bounds, function_slack, results
from oracle.proving.reference.instantiate import TooWide, instantiate
from oracle.proving.srs.files import SrsOrigin
from oracle.proving.tuning.looked_up import at_level
from oracle.proving.tuning.request import Request, Rule, VerdictRule
from oracle.proving.tuning.search import NO_SCALES, Search
from oracle.proving.tuning.tuner import apply
from tests.hostile_prover import picks, published
from tests.models import model, node, weights


def stub_manifest(**given: Any) -> Manifest:
    """Return a manifest of one output that says what is given."""
    zero = "0" * 64
    values: dict[str, Any] = {
        **dict.fromkeys(("batch", "width", "outputs"), 1),
        **dict.fromkeys(("schema", "param_scale", "hardening", "k", "proof_bytes", "instance_count", "model_hash"), 4),
        **dict.fromkeys(("srs_sha256", "verifier_code_hash", "circuit_hash"), zero),
        "name": "m",
        "ezkl": "",
        "solc": "",
        "score_unit": 100,
        "disclosure": "score",
        "files": {},
        "visibility": Visibility.PUBLIC,
        "srs_origin": SrsOrigin.INSECURE_LOCAL,
    }
    return Manifest(**values | given)


RNG = np.random.default_rng(5)
POSITIVE = RNG.uniform(0.25, 3.0, size=(40, 6)).astype(np.float32)
MIXED = RNG.normal(size=(40, 6)).astype(np.float32)
SMALL = RNG.uniform(-0.9, 0.9, size=(40, 6)).astype(np.float32)


def last(*nodes: Any) -> list[Any]:
    """Return nodes and after them one that keeps the result, so that no final function is left off."""
    return [*nodes, node("Mul", ["y0", "x"])]


CASES: dict[str, tuple[list[Any], np.ndarray, float]] = {
    **{
        name: (last(node(name, ["x"], "y0")), samples, 0.02)
        for samples, names in (
            (POSITIVE, ["Exp", "Log", "Sqrt", "Reciprocal"]),
            (MIXED, ["Sin", "Cos", "Atan", "Sinh", "Cosh", "Asinh"]),
            (SMALL, ["Tan", "Asin", "Acos", "Atanh"]),
        )
        for name in names
    },
    "Acosh": ([node("Add", ["x", "two"], "x2"), *last(node("Acosh", ["x2"], "y0"))], POSITIVE, 0.02),
    "Softmax": (last(node("Softmax", ["x"], "y0", axis=1)), MIXED, 0.01),
    "LogSoftmax": (last(node("LogSoftmax", ["x"], "y0", axis=1)), MIXED, 0.03),
    "Div": ([node("Abs", ["x"], "a"), node("Add", ["a", "two"], "b"), node("Div", ["x", "b"])], MIXED, 0.01),
    "negative divisor": ([node("Neg", ["x"], "n"), node("Div", ["two", "n"])], POSITIVE, 0.05),
    "x ** 0.5": (last(node("Pow", ["x", "half"], "y0")), POSITIVE, 0.01),
    "x ** 7": (last(node("Pow", ["x", "seven"], "y0")), SMALL, 0.01),
    "x ** -2": (last(node("Pow", ["x", "less"], "y0")), POSITIVE, 0.3),
    "x ** 1.7": (last(node("Pow", ["x", "odd"], "y0")), POSITIVE, 0.1),
    "2 ** x": (last(node("Pow", ["two", "x"], "y0")), MIXED, 0.05),
    "ReduceL2": (last(node("ReduceL2", ["x"], "y0", axes=[1])), MIXED, 0.02),
    "ReduceLogSum": (last(node("ReduceLogSum", ["x"], "y0", axes=[1])), POSITIVE, 0.02),
    "LpNormalization": (last(node("LpNormalization", ["x"], "y0", axis=1, p=2)), MIXED, 0.02),
    "pieces before a function": (
        [node("MatMul", ["x", "mix"], "m"), node("Softplus", ["m"], "s"), *last(node("Log", ["s"], "y0"))],
        MIXED,
        0.2,
    ),
    "pieces after a function": ([node("Exp", ["x"], "e"), *last(node("Elu", ["e"], "y0"))], MIXED, 0.1),
    "two layers with gates": (
        [
            node("MatMul", ["x", "mix"], "m"),
            node("Sigmoid", ["m"], "g"),
            node("MatMul", ["g", "mix"], "n"),
            node("Tanh", ["n"], "t"),
            *last(node("Softmax", ["t"], "y0", axis=1)),
        ],
        MIXED,
        0.02,
    ),
    "LayerNormalization": (last(node("LayerNormalization", ["x", "scale"], "y0")), MIXED, 0.06),
    # The size of what is standardised does not matter, but for epsilon; squares of returns would round to zero.
    "LayerNormalization of returns": ([node("LayerNormalization", ["x", "scale"])], MIXED / 50, 0.03),
    "LayerNormalization of prices": ([node("LayerNormalization", ["x", "scale"])], MIXED * 200 + 1_000, 0.03),
}
CONSTANTS = [
    weights("two", np.array([2.0])),
    weights("half", np.array(0.5)),
    weights("seven", np.array(7.0)),
    weights("less", np.array(-2.0)),
    weights("odd", np.array(1.7)),
    weights("scale", np.linspace(0.5, 1.5, 6)),
    weights("mix", np.random.default_rng(7).normal(size=(6, 6)) / 2),
]


def lowered(nodes: list[Any], **options: Any) -> Program:
    program, problems = lower(read_model(model(nodes, ["N", 6], CONSTANTS, opset=17)), approximate=True, **options)
    assert program is not None, [str(each) for each in problems]
    return program


def circuit_of(nodes: list[Any], samples: np.ndarray, level: int) -> Circuit:
    return at_level(Request("m", b"", samples), lowered(nodes), samples.astype(np.float64), level)


def floats(nodes: list[Any], samples: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model(nodes, ["N", 6], CONSTANTS, opset=17), providers=["CPUExecutionProvider"]
    )
    return np.array([np.ravel(session.run(None, {"x": each[None]})[0]) for each in samples])


@pytest.mark.parametrize("name", CASES)
def test_a_function_is_near_the_float_model(name: str) -> None:
    nodes, samples, error = CASES[name]
    circuit = circuit_of(nodes, samples, 12)
    computed = circuit.evaluate(circuit.quantise(samples)) / 2.0**circuit.output_scale
    assert np.abs(computed - floats(nodes, samples)).max() < error
    assert circuit.output_scale <= 12


@pytest.mark.parametrize("name", ["Softmax", "LayerNormalization", "LayerNormalization of returns", "x ** 1.7"])
def test_a_program_that_was_written_is_read_as_itself(name: str) -> None:
    nodes, samples, _ = CASES[name]
    circuit = circuit_of(nodes, samples, 8)
    program, problems = lower(read_model(circuit.to_onnx(1)), keep_activation=True, approximate=True)
    assert program is not None, problems
    again = instantiate(program, 0, 8, circuit.clip, 1)
    windows = circuit.quantise(samples)
    assert (again.evaluate(windows) == circuit.evaluate(windows)).all()
    assert (again.slack, again.looked_up, again.bound) == (circuit.slack, circuit.looked_up, circuit.bound)


def test_exact_operators_stay_exact_and_smooth_ones_are_looked_up() -> None:
    nodes = [node("Sigmoid", ["x"], "s"), node("Exp", ["s"], "e"), node("Relu", ["e"], "r"), node("Mul", ["r", "x"])]
    program = lowered(nodes)
    assert program.looked_up == ("node s_Sigmoid (Sigmoid)", "node e_Exp (Exp)") and not program.approximated
    exact, _ = lower(read_model(model([*nodes[:1], node("Mul", ["s", "x"])], ["N", 6])))
    assert exact is not None and not exact.looked_up and exact.approximated


def test_functions_share_a_table_where_they_can() -> None:
    nodes = [node("Cos", ["x"], "c"), node("Sin", ["c"], "s"), node("Acos", ["s"], "a"), node("Asin", ["s"], "b")]
    program = lowered([*nodes, node("Mul", ["a", "b"])])
    assert {op.attributes["name"] for op in program.ops if op.kind == FUNCTION} == {"Sin", "Asin"}
    assert len(program.looked_up) == 4


# --- what a prover may move ---------------------------------------------------------------------------------------


@pytest.mark.attack
@pytest.mark.parametrize("name", CASES)
def test_a_prover_that_uses_its_freedom_stays_within_the_slack(name: str) -> None:
    """At each division it takes either neighbour, at each checked function the nearest result or one beside it."""
    nodes, samples, _ = CASES[name]
    circuit = circuit_of(nodes, samples, 8)
    inside = circuit.quantise(samples)
    rng = np.random.default_rng(1)
    anywhere = rng.integers(-circuit.clip, circuit.clip + 1, size=inside.shape)
    windows = np.vstack([inside, anywhere])
    honest = circuit.evaluate_exactly(windows)
    for pick in picks():
        other = published(circuit, windows, pick)
        assert np.abs(other - honest).max() <= circuit.slack
        assert np.abs(other).max() <= circuit.bound


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bounds_and_slack_of_a_function_hold(name: str) -> None:
    function, scale = FUNCTIONS[name], 6
    low = max(-90, math.ceil(function.low * 64) + function.is_open) if function.low > -math.inf else -90
    low = max(low, 1) if name == "Reciprocal" else low
    high = min(150, math.floor(function.high * 64) - function.is_open) if function.high < math.inf else 150
    high = min(high, 90) if name == "Tan" else high
    ends = np.array([low], dtype=object), np.array([high], dtype=object)
    least, most, largest, _ = function_bounds(name, *ends, scale)
    every = results(name, np.arange(low, high + 1), scale)
    assert least[0] <= every.min() and every.max() <= most[0] and np.abs(every).max() <= largest
    for by in (0, 1, 3, 17):
        pairs = [(a, b) for a in range(len(every)) for b in range(a, min(a + by + 1, len(every)))]
        moves = [abs(int(every[a]) - int(every[b])) for a, b in pairs]
        assert max(moves) <= function_slack(name, *ends, np.array([by], dtype=object), scale)[0]


def test_a_divisor_that_crosses_zero_gives_the_prover_everything() -> None:
    ends = np.array([-5], dtype=object), np.array([5], dtype=object)
    assert function_slack("Reciprocal", *ends, np.array([1], dtype=object), 8)[0] >= 2 << 16
    assert function_slack("Reciprocal", *ends, np.array([0], dtype=object), 8)[0] == 1


def test_a_long_table_is_compared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = np.array([-300], dtype=object), np.array([300], dtype=object)
    by = np.array([20], dtype=object)
    exactly = function_slack("Sin", *ends, by, 6)[0]
    monkeypatch.setattr(functions, "_MOST_COMPARED", 1)
    assert exactly <= function_slack("Sin", *ends, by, 6)[0] <= 2 * exactly


# --- domains ------------------------------------------------------------------------------------------------------


def test_every_window_has_a_result_also_outside_of_the_samples() -> None:
    """Arguments outside of a domain are moved to its end: the circuit's corners have results, and no table is left."""
    nodes, samples, _ = CASES["Log"]
    circuit = circuit_of(nodes, samples, 10)
    assert circuit.looked_up is not None and 0 < circuit.looked_up[0] < 0.25 * 2**10
    corner = np.full((1, 6), -circuit.clip)
    assert np.isfinite(circuit.evaluate(corner).astype(float)).all()
    assert circuit.clip < 32_767, "the clip is near the samples, so that the slack is bounded near them"


def test_what_is_squared_is_kept_within_its_range_if_nothing_else_helps() -> None:
    """The model adds a lot and takes it away again: bounds know nothing of that, and squares of them are too large."""
    turn = np.roll(4_096 * np.eye(4), 1, axis=0)
    nodes, value = [], "x"
    for at in range(2):
        nodes += [
            node("MatMul", [value, "turn"], f"much{at}"),
            node("Add", [value, f"much{at}"], f"more{at}"),
            node("Sub", [f"more{at}", f"much{at}"], f"same{at}"),
        ]
        value = f"same{at}"
    nodes.append(node("ReduceL2", [value], axes=[1]))
    data = model(nodes, ["N", 4], [weights("turn", turn)])
    program, problems = lower(read_model(data), approximate=True)
    assert program is not None, problems
    samples = np.random.default_rng(3).normal(size=(30, 4))
    with pytest.raises(TooWide, match="a rebase divides exactly"):
        instantiate(bounded(program, samples, 8), 8, 8, 2 << 8, 1)
    circuit = at_level(Request("squares", data, samples, approximate=True), program, samples, 8)
    computed = circuit.evaluate(circuit.quantise(samples))[:, 0] / 2.0**circuit.output_scale
    assert np.abs(computed - np.linalg.norm(samples, axis=1)).max() < 0.05
    # Every window has a result, which is as large as the range on the samples allows.
    corner = circuit.evaluate(np.full((1, 4), circuit.clip))[0, 0] / 2.0**circuit.output_scale
    assert np.abs(samples).max() < corner < 8 * np.abs(samples).max()


def test_domains_are_as_wide_as_needed() -> None:
    assert domain_of("Exp", -40.0, 0.0, 10) == (-8.375, 20.0)
    low, high = domain_of("Log", 0.3, 2.0, 10)
    assert 0.125 <= low < 0.3 and high > 2.0
    assert domain_of("Reciprocal", -4.0, -1.0, 10)[1] == -0.5
    assert domain_of("Asin", -5.0, 5.0, 10) == (-1.0, 1.0)
    low, high = domain_of("Atanh", -1.0, 1.0, 10)
    assert -1 < low < high < 1


def test_a_table_that_is_too_large_is_refused_at_once() -> None:
    huge = np.linspace(-30_000.0, 30_000.0, 24).reshape(4, 6)
    program = bounded(lowered(CASES["Sin"][0]), huge, 14)
    with pytest.raises(ModelError, match=r"Sin would be looked up in a table of [\d,]+ rows"):
        instantiate(program, 0, 14, 32_767, 1)


def test_functions_need_a_rebase() -> None:
    program = bounded(lowered(CASES["Sin"][0]), SMALL, 8)
    with pytest.raises(ModelError, match="functions are looked up at scales from 1 to 16, not at 0"):
        instantiate(program, 4, 8, 100)


# --- the guard band -----------------------------------------------------------------------------------------------


def test_what_is_within_the_band_is_undecided() -> None:
    manifest = stub_manifest(exact=False, errors=(0.01, 0.01), guard_band=(10, 20), outputs=2, score_unit=100)
    assert side_of(manifest, 61, 0.5) is Side.ABOVE
    assert side_of(manifest, 60, 0.5) is Side.UNDECIDED and side_of(manifest, 40, 0.5) is Side.UNDECIDED
    assert side_of(manifest, 39, 0.5) is Side.BELOW
    assert side_of(manifest, 65, 0.5, 1) is Side.UNDECIDED
    assert largest_of(manifest, [100, 69]) == 0 and largest_of(manifest, [100, 70]) is None
    with pytest.raises(DataError, match="there is no output 2"):
        side_of(manifest, 1, 0.5, 2)
    with pytest.raises(DataError, match="no number"):
        side_of(manifest, 1, math.nan)
    with pytest.raises(DataError, match="3 scores"):
        largest_of(manifest, [1, 2, 3])


def test_an_exact_model_is_never_undecided() -> None:
    manifest = stub_manifest(outputs=2, score_unit=100)
    assert side_of(manifest, 51, 0.5) is Side.ABOVE and side_of(manifest, 50, 0.5) is Side.BELOW
    assert largest_of(manifest, [7, 7]) == 0
    with pytest.raises(DataError, match="publishes verdicts"):
        side_of(replace(manifest, disclosure="verdict"), 1, 0.5)


@pytest.mark.attack
def test_no_choice_of_the_provers_gets_across_the_band() -> None:
    """Whatever is published instead of an honest output is on the same side of a threshold, or undecided."""
    slack, error, unit = 7, 0.03, 100
    manifest = stub_manifest(exact=False, errors=(error,), guard_band=(slack + 3,), outputs=1, score_unit=unit)
    for true in np.linspace(-0.2, 0.2, 401):
        for honest in {math.ceil((true - error) * unit), math.floor((true + error) * unit)}:
            for shown in range(honest - slack, honest + slack + 1):
                side = side_of(manifest, shown, 0.0)
                assert side is Side.UNDECIDED or (side is Side.ABOVE) == (true > 0)


def test_input_of_another_type_is_no_function() -> None:
    graph = helper.make_graph(
        [helper.make_node("Sin", ["x"], ["s"]), helper.make_node("Mul", ["s", "x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
    )
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    program, problems = lower(read_model(data))
    assert program is None and "--approximate" in str(problems[0])


@pytest.mark.attack
def test_a_joined_product_may_be_rounded_part_by_part() -> None:
    """ezkl multiplies what is joined part by part, and lets a prover round each part: the slack covers all of them."""
    nodes = [node("Concat", ["x", "x", "x"], "xxx", axis=1), node("MatMul", ["xxx", "w"])]
    program, _ = lower(read_model(model(nodes, ["N", 2], [weights("w", np.full((6, 1), 0.5))])))
    assert program is not None
    circuit = instantiate(program, 1, 1, 20, 1)
    furthest = 0
    for a, b in itertools.product(range(-20, 21), repeat=2):
        honest = int(circuit.evaluate_exactly([[a, b]])[0, 0])
        each = ((a + b) // 2, -(-(a + b) // 2))
        furthest = max(furthest, *(abs(sum(chosen) - honest) for chosen in itertools.product(each, repeat=3)))
    assert 1 < furthest <= circuit.slack


def test_features_that_differ_in_size_have_scales_of_their_own() -> None:
    rng = np.random.default_rng(8)
    samples = rng.uniform(0.5, 1.0, size=(80, 3)) * [4_000.0, 1.0, 0.001]
    constants = [weights("w", np.array([[0.0005, 0, 0], [0, 1.0, 0], [0, 0, 2_000.0]]))]
    nodes = [node("MatMul", ["x", "w"], "s"), node("Softmax", ["s"], "p", axis=1), node("Mul", ["p", "s"])]
    data = model(nodes, ["N", 3], constants)
    asked = Request(
        "m",
        data,
        samples.astype(np.float32),
        verdict=VerdictRule(Rule.TOLERANCE, 0.05),
        visibility=Visibility.PUBLIC,
        approximate=True,
    )
    search = Search(asked, lambda step: None)
    circuit, settings, segments = search.candidates()[0]
    assert any(circuit.program.shifts) and circuit.program.looked_up
    again = search.circuit(segments, settings)
    windows = again.quantise(samples)
    assert (again.evaluate(windows) == circuit.evaluate(windows)).all()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": samples.astype(np.float32)})[0]
    assert np.abs(circuit.evaluate(windows) / 2.0**circuit.output_scale - expected).max() < 0.05


def test_functions_are_looked_up_where_no_exact_scales_agree() -> None:
    """Exact comes first, then lookups if they were asked for; and the result says why, when it is built again, too."""
    nodes = [node("Sigmoid", ["x"], "g"), node("Mul", ["x", "g"])]
    samples = np.random.default_rng(9).normal(size=(120, 3)).astype(np.float32)

    def asked(limit: float, approximate: bool = True) -> Request:
        rule = VerdictRule(Rule.TOLERANCE, limit)
        data = model(nodes, ["N", 3])
        return Request("m", data, samples, rule, visibility=Visibility.PUBLIC, approximate=approximate)

    coarse = Search(asked(0.1), lambda step: None).candidates()[0][0]
    assert not coarse.program.looked_up and not coarse.slack
    with pytest.raises(ModelError, match=r"at best .* verdicts flip"):
        Search(asked(0.0008, approximate=False), lambda step: None).candidates()
    told: list[str] = []
    search = Search(asked(0.0008), told.append)
    circuit, settings, segments = search.candidates()[0]
    assert circuit.program.looked_up and any(NO_SCALES in line and "verdicts flip" in line for line in told)
    made = search.model(circuit, settings, segments, search.gate.fidelity(circuit))
    assert made.description["approximate_because"] == NO_SCALES
    again, fidelity = apply(asked(0.0008), asdict(settings), segments)
    assert again.circuit.slack == circuit.slack and fidelity.flips == 0
    assert again.description["approximate_because"] == NO_SCALES
    with pytest.raises(ModelError, match=r"at best .* Approximately: .*at best"):
        Search(asked(1e-9), lambda step: None).candidates()


def polynomial_network() -> bytes:
    """Return a network that raises its features to the eighth power: integers end before weights are fine enough."""
    rng = np.random.default_rng(4)
    nodes, arrays, value = [], [], "x"
    for layer in range(3):
        arrays.append(weights(f"w{layer}", rng.normal(size=(6, 6)) / 8))
        nodes += [
            node("MatMul", [value, f"w{layer}"], f"m{layer}"),
            node("Mul", [f"m{layer}", f"m{layer}"], f"s{layer}"),
            node("Add", [f"s{layer}", f"m{layer}"], f"a{layer}"),
        ]
        value = f"a{layer}"
    return model([*nodes, node("MatMul", [value, "w0"])], ["N", 6], arrays)


def test_a_polynomial_network_is_divided_where_its_integers_end() -> None:
    """No function is looked up; what a prover may choose when values are divided is in the band."""
    rule = VerdictRule(Rule.TOLERANCE, 0.0005)
    asked = Request("m", polynomial_network(), MIXED, rule, visibility=Visibility.PUBLIC, approximate=True)
    for refused in (replace(asked, approximate=False), replace(asked, disclosure="verdict", verdict=None)):
        with pytest.raises(ModelError, match=r"at best .* verdicts flip|no scales fit"):
            Search(refused, lambda step: None).candidates()
    search = Search(asked, lambda step: None)
    circuit, settings, segments = search.candidates()[0]
    fidelity = search.gate.fidelity(circuit)
    assert circuit.is_approximate and not circuit.program.looked_up and circuit.slack
    assert fidelity.flips == 0 and fidelity.largest_error is not None and fidelity.largest_error < rule.value
    made = search.model(circuit, settings, segments, fidelity)
    assert made.description["approximate_because"] == NO_SCALES and not made.approximation().exact
    assert min(made.approximation().guard_band) >= circuit.slack
    again, _ = apply(asked, asdict(settings), segments)
    assert again.circuit.to_onnx(1) == circuit.to_onnx(1) and again.description == made.description


def test_a_private_model_whose_band_leaves_everything_undecided_is_refused() -> None:
    """Its circuit would publish 0 for all that anybody asks."""
    nodes = [
        node("MatMul", ["x", "w"], "s"),
        node("Exp", ["s"], "e"),
        node("MatMul", ["e", "ones"], "total"),
        node("Div", ["e", "total"], "share"),
        node("Mul", ["share", "x"]),
    ]
    steep = np.random.default_rng(1).normal(0, 0.6, size=(6, 6)).astype(np.float32)
    data = model(nodes, ["N", 6], [weights("w", steep), weights("ones", np.ones((6, 6)))])
    asked = Request(
        "shares",
        data,
        MIXED,
        verdict=VerdictRule(Rule.THRESHOLD, 0.05),
        max_flips_per_10k=500,
        disclosure="verdict",
        approximate=True,
    )
    with pytest.raises(ModelError, match=r"all 40 samples are undecided: a prover could move outputs by up to ±"):
        Search(asked, lambda step: None).candidates()


def test_what_is_too_large_for_an_integer_is_refused() -> None:
    with pytest.raises(ModelError, match="Exp is too large at 45 for the integers of a circuit"):
        results("Exp", np.array([0, 45 << 4]), 4)
