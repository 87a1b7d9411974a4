"""Tests of models that users bring: the integer reference equals the circuit, and a file becomes a model on a chain."""

from __future__ import annotations

import asyncio
import collections
import json
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from oracle.app.models import ModelOptions, build_model, build_split_model
from oracle.chain.local.anvil import Anvil
from oracle.cli import oracle as commands
from oracle.cli.render.model import fidelity_notes, print_model
from oracle.core.encoding import CLIP
from oracle.core.errors import ArtifactError, ChainUnavailable, DataError, ModelError, ProverCrashed, ProverTimeout
from oracle.core.formats import keccak
from oracle.proving import artifact, tuning
from oracle.proving.artifact import Artifact, Visibility
from oracle.proving.artifact.circuit import run_args
from oracle.proving.cost import estimate
from oracle.proving.engine.child import EngineProcess, patience
from oracle.proving.imported import ImportedModel, Settings, legs_for, reference_of
from oracle.proving.inspect.artifact import inspect_artifact
from oracle.proving.interface import Proof, ProofJob
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.pool.local import LocalProver
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning import measuring
from oracle.proving.tuning.measuring import _prove
from oracle.proving.tuning.search import Search
from oracle.proving.verification import LocalVerifier
from tests import circuits, models
from tests.graphs import graphs
from tests.hostile_prover import picks, published
from tests.integration.workspace import run_command
from tests.leaks import leaking, leaks
from tests.models import model, node, weights
from tests.operator_cases import CASES
from tests.transactions import mined


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    with EngineProcess(threads=1) as process:
        yield process


def circuit_of(data: bytes, input_scale: int, param_scale: int, clip: int = CLIP, rebase: int = 0) -> Circuit:
    program, problems = lower(read_model(data))
    assert program is not None, [str(problem) for problem in problems]
    return instantiate(program, input_scale, param_scale, clip, rebase)


def compiled(engine: EngineProcess, made: ImportedModel, folder: Path, batch: int = 1) -> dict[str, Any]:
    """Compile a circuit without keys, and return its settings."""
    paths: dict[str, Any] = {name: str(folder / name) for name in ("model", "settings", "circuit")}
    Path(paths["model"]).write_bytes(made.to_onnx(batch))
    arguments = run_args(made, Visibility.PRIVATE if made.circuit.weights else Visibility.PUBLIC)
    written: dict[str, Any] = engine.call(
        "gen_settings", model=paths["model"], settings=paths["settings"], run_args=arguments
    )
    engine.call("compile_circuit", **paths)
    return written


def witnessed(engine: EngineProcess, folder: Path, windows: Any) -> list[int]:
    inputs = [int(value) for row in windows for value in row]
    found: list[int] = engine.call("witness", circuit=str(folder / "circuit"), inputs=inputs)["outputs"]
    return found


def evaluated(engine: EngineProcess, folder: Path, windows: Any) -> list[int] | None:
    """Return the circuit's outputs; None if ezkl can't make a witness."""
    try:
        return witnessed(engine, folder, windows)
    except ArtifactError as error:
        if "General synthesis error" not in str(error):
            raise
        return None


def is_refused(engine: EngineProcess, folder: Path, made: ImportedModel, batch: int) -> bool:
    """Return whether building, which compares the circuit with the reference at some windows, refuses the model."""
    return any(
        evaluated(engine, folder, [window] * batch) != [*made.score_int(window)] * batch for window in made.windows()
    )


def imported(circuit: Circuit, base: int = 16, **more: Any) -> ImportedModel:
    legs = legs_for(base, circuit.decomposed)
    chosen = Settings(circuit.input_scale, circuit.param_scale, base, legs, rebase=circuit.rebase, **more)
    return ImportedModel("test", circuit, chosen)


# --- the reference is the circuit --------------------------------------------------------------------------------


def is_divided_in_parts(circuit: Circuit) -> bool:
    """Return whether ezkl may round otherwise: it multiplies what is joined part by part, and rounds each quotient."""
    return any(step.op.kind == "Concat" for step in circuit.steps) and any(step.drop for step in circuit.steps)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    data=graphs(),
    scales=st.tuples(st.integers(0, 6), st.integers(1, 8)),
    batch=st.integers(1, 2),
    rebase=st.sampled_from([0, 0, 1, 2]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_reference_is_the_witness(
    engine: EngineProcess,
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    scales: tuple[int, int],
    batch: int,
    rebase: int,
    seed: int,
) -> None:
    """They are equal bit for bit, on random graphs, random scales, random windows and corners; the scale is equal too.

    The reference rounds a quotient as ezkl's prover does; another prover could choose otherwise.
    """
    program, problems = lower(read_model(data))
    if program is None:
        assert all("does not depend on the input" in str(each) for each in problems)
        return
    try:
        circuit = instantiate(program, *scales, 100, rebase)
    except ModelError as error:
        refusal = str(error)
        if not any(words in refusal for words in ("its own input", "values can reach", "is below input scale")):
            raise
        return
    folder = tmp_path_factory.mktemp("graph")
    made = imported(circuit)
    written = compiled(engine, made, folder, batch)
    assert written["model_output_scales"] == [circuit.output_scale]
    rng = np.random.default_rng(seed)
    for windows in (
        rng.integers(-100, 101, size=(batch, circuit.features)),
        rng.choice([-100, 100], size=(batch, circuit.features)),
    ):
        exact = circuit.evaluate_exactly(windows)
        assert (circuit.evaluate(windows) == exact).all()
        assert np.abs(exact).max() <= circuit.bound
        if evaluated(engine, folder, windows) != [int(value) for value in exact.ravel()]:
            # These are ezkl's own limits: it makes another graph of some, or one without a witness.
            assert is_refused(engine, folder, made, batch) or is_divided_in_parts(circuit)
            reject()


def test_ezkl_rounds_the_parts_of_a_joined_product_one_by_one(engine: EngineProcess, tmp_path: Path) -> None:
    """−5 + 2 twice, halved: −2.5 − 2.5 + 1 + 1. The windows that building looks at do not show it."""
    nodes = [node("Concat", ["x", "x"], "xx", axis=1), node("MatMul", ["xx", "w"])]
    circuit = circuit_of(model(nodes, ["N", 2], [weights("w", np.full((4, 1), 0.5))]), 1, 1, 100, rebase=1)
    assert is_divided_in_parts(circuit)
    made = imported(circuit)
    compiled(engine, made, tmp_path)
    assert circuit.evaluate_exactly([[-5, 2]]).tolist() == [[-3]]
    assert witnessed(engine, tmp_path, [[-5, 2]]) == [-4]
    assert not is_refused(engine, tmp_path, made, 1)


def deep(layers: int, width: int = 3, growth: float = 1.15) -> tuple[bytes, np.ndarray]:
    """Return a narrow ReLU network whose values grow by at most `growth` with each layer."""
    rng = np.random.default_rng(3)
    nodes, constants, name = [], [], "x"
    for layer in range(layers):
        last = layer == layers - 1
        matrix = rng.normal(size=(width, 1 if last else width))
        constants.append(weights(f"w{layer}", growth * matrix / np.abs(matrix).sum(axis=0)))
        constants.append(weights(f"b{layer}", 0.1 * rng.normal(size=matrix.shape[1])))
        nodes.append(node("Gemm", [name, f"w{layer}", f"b{layer}"], "y" if last else f"h{layer}"))
        if not last:
            nodes.append(node("Relu", [f"h{layer}"], f"a{layer}"))
            name = f"a{layer}"
    return model(nodes, ["N", width], constants), models.points(60, width, 1)


def test_a_deep_model_is_rebased_only_where_it_does_not_fit_otherwise(engine: EngineProcess, tmp_path: Path) -> None:
    """Thirty layers at the requested precision would take 240 bits."""
    data, samples = deep(30)
    asked = tuning.Request(
        "deep",
        data,
        samples,
        verdict=tuning.VerdictRule(tuning.Rule.TOLERANCE, 0.003),
        visibility=Visibility.PUBLIC,
    )
    search = Search(asked, lambda step: None)
    circuit, chosen, _ = search.candidates()[0]
    assert chosen.rebase == circuit.rebase > 0 and 0 < circuit.slack < 0.001 * 2**circuit.output_scale
    fidelity = search.gate.fidelity(circuit)
    assert (fidelity.flips, fidelity.undecided) == (0, 0)
    coarse = replace(asked, verdict=tuning.VerdictRule(tuning.Rule.TOLERANCE, 0.2))
    assert Search(coarse, lambda step: None).candidates()[0][1].rebase == 0, "three bits a layer are enough"
    # The reference equals the witness, with as few digits as the bounds say.
    made = ImportedModel("deep", circuit, chosen)
    compiled(engine, made, tmp_path)
    windows = [*made.windows(), *circuit.quantise(samples[:5]).tolist()]
    for window, expected in zip(windows, circuit.evaluate_exactly(windows), strict=True):
        assert witnessed(engine, tmp_path, [window]) == expected.tolist()


@settings(max_examples=60)
@given(data=graphs(), scales=st.tuples(st.integers(0, 3), st.integers(3, 6)), seed=st.integers(0, 2**32 - 1))
def test_the_slack_holds_whatever_quotients_a_prover_chooses(data: bytes, scales: tuple[int, int], seed: int) -> None:
    """At each division, no q with |q · divisor − dividend| ≤ divisor leaves the bounds."""
    program, _ = lower(read_model(data))
    if program is None:
        return
    try:
        circuit = instantiate(program, *scales, 100, 1)
    except ModelError:
        return
    rng = np.random.default_rng(seed)
    windows = rng.integers(-100, 101, size=(20, circuit.features))
    honest = circuit.evaluate_exactly(windows)
    other = published(circuit, windows, picks(seed)[-1])
    assert np.abs(other - honest).max() <= circuit.slack
    assert max(np.abs(other).max(), np.abs(honest).max()) <= circuit.bound
    if not any(step.drop for step in circuit.steps):
        assert circuit.slack == 0


def test_verdicts_that_are_a_provers_to_choose_count_as_flips() -> None:
    data, samples = deep(30)
    asked = tuning.Request("deep", data, samples, visibility=Visibility.PUBLIC)
    search = Search(asked, lambda step: None)
    circuit = instantiate(search.program(0), 4, 8, CLIP, 2)
    near = replace(circuit, slack=int(2**circuit.output_scale))
    honest, doubted = search.gate.fidelity(circuit), search.gate.fidelity(near)
    assert honest.undecided == 0 < doubted.undecided
    assert doubted.flips == honest.flips + doubted.undecided


def test_what_a_rebase_can_not_divide_exactly_is_refused() -> None:
    with pytest.raises(
        ModelError, match=r"node h\d+_Gemm \(Gemm\): values can reach 2\^5\d, and a rebase divides exactly up"
    ):
        circuit_of(deep(30, growth=4.0)[0], 4, 8, rebase=2)
    with pytest.raises(ModelError, match="a rebase to 1 times parameter scale 3 is below input scale 4"):
        circuit_of(models.mlp()[0], 4, 3, rebase=1)


def joined() -> bytes:
    """Return two branches with one bias, joined, then a layer: ezkl moves the bias behind the join."""
    nodes = [node("MatMul", ["x", "a"], "p"), node("MatMul", ["x", "b"], "q")]
    nodes += [node("Add", ["p", "e"], "p2"), node("Add", ["q", "e"], "q2")]
    nodes += [node("Concat", ["q2", "p2"], "r", axis=1), node("MatMul", ["r", "c"])]
    rng = np.random.default_rng(15)
    shapes = {"a": (3, 2), "b": (3, 2), "c": (4, 1), "e": (1, 2)}
    return model(nodes, ["N", 3], [weights(name, rng.normal(size=shape)) for name, shape in shapes.items()])


def test_a_graph_without_a_witness_is_refused_before_any_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.proving.reference.instantiate.fingerprints", lambda constants: {})
    asked = tuning.Request("joined", joined(), models.points(50, 3), visibility=Visibility.PUBLIC)
    with pytest.raises(ModelError, match=r"no settings of joined can be proven: ezkl refused witness"):
        tuning.tune(asked, circuits.srs())


def means_of_squares(size: int, kind: str) -> bytes:
    """Return a mean of squares, in several ways; the variance is one of the values less their mean."""
    constants = [weights("axis", [1], np.int64), weights("share", [1 / size])] if kind == "by hand" else []
    nodes, value = [], "x"
    if kind == "variance":
        nodes = [node("ReduceMean", ["x"], "middle", axes=[1]), node("Sub", ["x", "middle"], "away")]
        value = "away"
    nodes.append(node("Mul", [value, value], "squares"))
    if kind == "by hand":
        nodes += [node("ReduceSum", ["squares", "axis"], "total", keepdims=0), node("Mul", ["total", "share"], "y")]
    else:
        nodes.append(node("ReduceMean", ["squares"], "y", axes=[1], keepdims=int(kind == "variance")))
    return model(nodes, ["N", size], constants)


TIED = [node("MatMul", ["x", "w"], "once"), node("MatMul", ["once", "w"])]


@pytest.mark.parametrize(
    ("name", "data", "features"),
    [
        *(
            (f"{kind} of {n}", means_of_squares(n, kind), n)
            for kind in ("plain", "by hand", "variance")
            for n in (3, 4)
        ),
        ("variance of 9", means_of_squares(9, "variance"), 9),
        ("plain of 16", means_of_squares(16, "plain"), 16),
        ("one bias in two branches", joined(), 3),
        ("one matrix in two layers", model(TIED, ["N", 3], [weights("w", np.arange(9).reshape(3, 3) / 7)]), 3),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_ezkls_reader_fuses_or_shares_has_a_witness(
    engine: EngineProcess, tmp_path: Path, name: str, data: bytes, features: int
) -> None:
    """A mean of squares is fused into one operation, and constants that are used twice are taken apart into digits."""
    for scales, batch in (((0, 6), 1), ((4, 18), 2)):
        circuit = circuit_of(data, *scales, clip=100)
        written = compiled(engine, imported(circuit), tmp_path, batch)
        windows = np.random.default_rng(16).integers(-100, 101, size=(batch, features))
        assert written["model_output_scales"] == [circuit.output_scale]
        assert witnessed(engine, tmp_path, windows) == [int(v) for v in circuit.evaluate_exactly(windows).ravel()]


@pytest.mark.parametrize("name", CASES)
def test_the_reference_of_each_form_of_an_operator_is_the_witness(
    engine: EngineProcess, tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    circuit = circuit_of(case.data, 3, 10, clip=24)
    assert compiled(engine, imported(circuit, 64), tmp_path, 2)["model_output_scales"] == [circuit.output_scale]
    windows = circuit.quantise(case.samples(2).reshape(2, -1))
    assert witnessed(engine, tmp_path, windows) == [int(v) for v in circuit.evaluate_exactly(windows).ravel()]


def test_a_convolution_over_time_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Padding, a convolution of one axis, pooling with padding, a transposed convolution, and the largest: a proof."""
    nodes = [
        node("Pad", ["x", "widths"], "padded", mode="edge"),
        node("Conv", ["padded", "k", "b"], "h", dilations=[2]),
    ]
    nodes += [node("Relu", ["h"], "r"), node("MaxPool", ["r"], "m", kernel_shape=[3], strides=[2], pads=[1, 1])]
    nodes += [node("ConvTranspose", ["m", "u"], "t", strides=[2]), node("ReduceMax", ["t"], axes=[2], keepdims=0)]
    draw = np.random.default_rng(19).normal
    constants = [weights("widths", [0, 0, 1, 0, 0, 1], np.int64), weights("k", draw(size=(1, 1, 2)))]
    constants += [weights("b", [0.1]), weights("u", draw(size=(1, 1, 2)))]
    data = model(nodes, ["N", 1, 4], constants)
    monkeypatch.setattr(measuring, "FINALISTS", 1)
    rule = tuning.VerdictRule(tuning.Rule.TOLERANCE, 0.05)
    asked = tuning.Request("time", data, models.points(20, 4).reshape(20, 1, 4), verdict=rule)
    made = tuning.tune(asked, circuits.srs())
    assert made.fidelity.flips == 0 and made.candidates[made.chosen].proof_bytes


@pytest.mark.parametrize("name", models.ALL)
def test_the_reference_of_each_model_is_the_witness(engine: EngineProcess, tmp_path: Path, name: str) -> None:
    data, samples = models.ALL[name]()
    circuit = circuit_of(data, 8, 9)
    made = imported(circuit, 128)
    compiled(engine, made, tmp_path)
    windows = [*made.windows(), *circuit.quantise(samples.reshape(len(samples), -1)[:5]).tolist()]
    for window, expected in zip(windows, circuit.evaluate_exactly(windows), strict=True):
        assert witnessed(engine, tmp_path, [window]) == expected.tolist()
        assert made.score_int(window) == tuple(expected.tolist())


def test_the_digits_hold_the_bound_and_no_more(engine: EngineProcess, tmp_path: Path) -> None:
    """4^n − 1 has a witness with n digits of base 4, and 4^n has none, so tuning may go to the edge."""
    circuit = circuit_of(model([node("Relu", ["x"])], ["N", 1]), 0, 1, clip=255)
    assert (circuit.decomposed, legs_for(4, 255), legs_for(4, 256)) == (255, 4, 5)
    compiled(engine, imported(circuit, 4), tmp_path)
    for value in (255, -255, 0, 1):
        assert witnessed(engine, tmp_path, [[value]]) == [max(value, 0)]
    with pytest.raises((ArtifactError, ProverCrashed), match=r"refused witness|panicked"):
        witnessed(engine, tmp_path, [[256]])


def test_settings_that_do_not_hold_the_bound_are_refused() -> None:
    circuit = circuit_of(models.mlp()[0], 8, 9)
    with pytest.raises(ModelError, match="2 digits of base 16 do not hold"):
        ImportedModel("small", circuit, Settings(8, 9, 16, 2))
    with pytest.raises(ModelError, match="its settings have others"):
        ImportedModel("other", circuit, Settings(7, 9, 1024, 9))


# --- from file to chain ------------------------------------------------------------------------------------------


class Deployed:
    """A verifier on a local chain."""

    def __init__(self, chain: Anvil, built: Artifact) -> None:
        self._chain = chain
        self._sender = chain.rpc("eth_accounts")[0]
        transaction = {"from": self._sender, "data": "0x" + built.verifier().bytecode.hex(), "gas": hex(8_000_000)}
        self._address = mined(chain.rpc, transaction)["contractAddress"]

    def _transaction(self, proof: bytes, instances: tuple[int, ...]) -> dict[str, str]:
        def word(value: int) -> bytes:
            return value.to_bytes(32, "big")

        tail = word(len(proof)) + proof + b"".join(word(value) for value in (len(instances), *instances))
        data = keccak(b"verifyProof(bytes,uint256[])")[:4]
        data += word(0x40) + word(0x40 + 32 + len(proof)) + tail
        return {"from": self._sender, "to": self._address, "data": "0x" + data.hex()}

    def accepts(self, proof: bytes, instances: tuple[int, ...]) -> bool:
        try:
            return int(self._chain.rpc("eth_call", self._transaction(proof, instances), "latest"), 16) == 1
        except ChainUnavailable as error:
            if "refuses eth_call" not in str(error):
                raise
            return False

    def gas(self, proof: bytes, instances: tuple[int, ...]) -> int:
        return int(self._chain.rpc("eth_estimateGas", self._transaction(proof, instances)), 16)


@pytest.fixture(scope="module")
def chain(anvil: Callable[..., Anvil]) -> Anvil:
    return anvil()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of models that are built anew; only the reference strings are those of the tests' cache."""
    made = tmp_path_factory.mktemp("models")
    srs = circuits.folder() / "srs"
    srs.mkdir(exist_ok=True)
    (made / "srs").symlink_to(srs, target_is_directory=True)
    return made


def options(folder: Path, name: str, **more: Any) -> ModelOptions:
    """Return the options for a model and its samples, written as a user's files."""
    data, samples = models.ALL[name]()
    (folder / f"{name}.onnx").write_bytes(data)
    np.save(folder / f"{name}.npy", samples)
    chosen: dict[str, Any] = {"public_model": True, "out": folder / "artifacts"}
    return ModelOptions(folder / f"{name}.onnx", folder / f"{name}.npy", **(chosen | more))


def prove(built: Artifact, window: tuple[int, ...], scores: tuple[int, ...]) -> Proof:
    async def job() -> Proof:
        async with LocalProver(built) as prover:
            return await prover.prove(ProofJob((window,), (scores,)))

    return asyncio.run(job())


@pytest.mark.slow
@pytest.mark.parametrize("name", models.ALL)
def test_from_file_to_chain(name: str, folder: Path, chain: Anvil, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tuned, built, proven for a sample and accepted on a chain, and the gas is near the estimate.

    A private model publishes its verdict, a public one its score.
    """
    monkeypatch.setattr(measuring, "FINALISTS", 1)
    monkeypatch.setattr(measuring, "PROOFS", 1)
    private = name in ("linear", "trees")
    made = build_model(options(folder, name, public_model=not private))
    facts = made.artifact.manifest.imported
    assert facts is not None and facts["fidelity"]["flips"] == 0 and facts["fidelity"]["samples"] >= 200
    data, samples = models.ALL[name]()
    circuit = circuit_of(data, facts["input_scale"], made.artifact.manifest.param_scale)
    assert facts["output_scale"] == (0 if private else circuit.output_scale)
    sample = samples[7].ravel()
    window = tuple(circuit.quantise([sample])[0].tolist())
    scores = tuple(circuit.evaluate_exactly([window])[0].tolist())
    if private:
        limit = facts["verdict"]["threshold"] * 2**circuit.output_scale
        scores = tuple(int(score > limit) for score in scores)
    proof = prove(made.artifact, window, scores)
    verifying = Deployed(chain, made.artifact)
    assert verifying.accepts(proof.proof, proof.instances)
    other = made.artifact.instances([window], [(scores[0] ^ 1, *scores[1:])])
    assert not verifying.accepts(proof.proof, other)
    chosen = next(each for each in made.tuning["candidates"] if each["chosen"])
    measured = verifying.gas(proof.proof, proof.instances)
    assert abs(chosen["gas"] - measured) < 0.1 * measured, (chosen["gas"], measured)
    assert chosen["proof_bytes"] == len(proof.proof) == chosen["estimated"]["proof_bytes"]


def asked_of_ezkl(monkeypatch: pytest.MonkeyPatch) -> collections.Counter[str]:
    """Return a count of what ezkl is asked for from now on."""
    calls: collections.Counter[str] = collections.Counter()
    call = EngineProcess.call

    def counted(self: EngineProcess, op: str, /, **arguments: Any) -> Any:
        calls[op] += 1
        return call(self, op, **arguments)

    monkeypatch.setattr(EngineProcess, "call", counted)
    return calls


def test_the_same_input_makes_the_same_artifact(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "FINALISTS", 1)
    calls = asked_of_ezkl(monkeypatch)
    (own := tmp_path / "own").mkdir()
    (own / "srs").symlink_to(folder / "srs", target_is_directory=True)
    first = build_model(options(own, "logistic"))
    # Nobody else comes near its cost, so it is proven once; and what tuning made is not made again.
    assert (calls["setup"], calls["prove"], calls["compile_circuit"]) == (1, 1, 1)
    assert not list(own.glob(".tuning-*")) and (first.artifact.path / "tuning.svg").stat().st_size > 1_000
    steps: list[str] = []
    again = build_model(options(own, "logistic"), steps.append)
    assert again.artifact.path == first.artifact.path
    assert steps == [], "a choice that was made is kept"
    # Keys depend on a reference string, and a local one is as random as its secret.
    shutil.copytree(folder / "srs", tmp_path / "srs")
    taken = build_model(options(tmp_path, "logistic", settings=first.artifact.path / "tuning.json"), steps.append)
    assert not [step for step in steps if "candidate" in step]
    assert (calls["setup"], calls["prove"]) == (2, 2)
    assert taken.artifact.artifact_hash == first.artifact.artifact_hash
    document = json.loads((first.artifact.path / artifact.MANIFEST).read_text())
    assert document["imported"]["activation_left_off"] == "Sigmoid"
    (first.artifact.path / artifact.MANIFEST).write_text(
        json.dumps(document | {"imported": document["imported"] | {"clip": 5}})
    )
    with pytest.raises(ArtifactError, match="altered"):
        artifact.load(first.artifact.path)


def test_one_model_has_one_hash_whatever_the_batch(folder: Path) -> None:
    data, _ = models.linear()
    made = imported(circuit_of(data, 6, 8), columns=1)
    hashes, shared = [], []
    for batch, model_ in (
        (1, made),
        (2, made),
        (1, replace(made, name="b", circuit=circuit_of(data, 6, 9), settings=replace(made.settings, param_scale=9))),
    ):
        built = artifact.build(
            model_,
            batch,
            visibility=Visibility.PRIVATE,
            srs=circuits.srs(),
            compile_standard=circuits.compiler,
            cache=folder / "artifacts",
        )
        hashes.append(built.model_hash)
        shared.append(built.manifest.circuit_hash)
    assert hashes[0] == hashes[1] != hashes[2]
    assert shared[0] != shared[1]


# --- private models of one architecture, which publish verdicts ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "threshold", "same"), [("logistic", None, True), ("mlp", None, True), ("logistic", 0.9, False)]
)
def test_a_verdict_circuit_is_of_the_same_model(
    engine: EngineProcess, tmp_path: Path, name: str, threshold: float | None, same: bool
) -> None:
    """Its hash is that of the circuit with scores, unless it has the threshold as a constant. Verdicts are exact."""
    verdict = None if threshold is None else tuning.VerdictRule(tuning.Rule.THRESHOLD, threshold)
    hashes = []
    for disclosure in ("score", "verdict"):
        search = Search(request(name, verdict=verdict, disclosure=disclosure), lambda step: None)
        circuit = instantiate(search.program(0), 8, 9, CLIP)
        compiled(engine, replace(imported(circuit, 128), disclosure=disclosure), tmp_path)
        windows = circuit.quantise(search.samples[:6]).tolist()
        for window, expected in zip(windows, circuit.evaluate_exactly(windows).tolist(), strict=True):
            seen = engine.call("witness", circuit=str(tmp_path / "circuit"), inputs=window)
            assert seen["outputs"] == expected
        hashes.append(seen["model_hash"])
        assert search.gate.fidelity(circuit).flips <= 1
    assert {value for row in circuit.evaluate(windows).tolist() for value in row} <= {0, 1}
    assert (hashes[0] == hashes[1]) is same


SCALE = 20
CLASSES = [np.random.default_rng(seed).integers(2**20, 2**21, size=(4, 3)) * 2 + 1 for seed in (20, 21)]
"""Weights over 2^20, of 22 bits each, so that none can appear by chance."""


@pytest.fixture(scope="module")
def pair(folder: Path) -> list[Artifact]:
    """Return two private models of one architecture: three classes of three features, with a bias."""
    signs = np.array([[1, -1, 1], [-1, 1, 1], [1, 1, -1], [1, -1, -1]])
    (folder / "chosen.json").write_text(
        json.dumps({"chosen": {"input_scale": 4, "param_scale": SCALE, "base": 512, "legs": 5}, "segments": 0})
    )
    np.save(folder / "classes.npy", np.rint(16 * models.points(60, 3, 12)) / 16)
    made = []
    for name, integers in zip(("first", "second"), CLASSES, strict=True):
        exact = signs * integers / 2.0**SCALE
        nodes = [node("Gemm", ["x", "w", "b"], "z"), node("Softmax", ["z"], axis=1)]
        data = model(nodes, ["N", 3], [weights("w", exact[:3]), weights("b", exact[3])])
        (folder / f"{name}.onnx").write_bytes(data)
        chosen = ModelOptions(
            folder / f"{name}.onnx",
            folder / "classes.npy",
            disclosure="verdict",
            clip=1_000,
            settings=folder / "chosen.json",
            out=folder / "artifacts",
        )
        made.append(build_model(chosen).artifact)
    return made


def test_private_models_of_one_architecture_share_all_but_their_hash(pair: list[Artifact]) -> None:
    first, second = (built.manifest for built in pair)
    assert first.circuit_hash == second.circuit_hash and first.verifier_code_hash == second.verifier_code_hash
    for name in (artifact.VK, artifact.PK, artifact.SETTINGS):
        assert first.files[name] == second.files[name]
    assert first.model_hash != second.model_hash and first.artifact_hash != second.artifact_hash
    checks = json.loads((pair[0].path / artifact.SETTINGS).read_text())["required_range_checks"]
    assert len(checks) == 2 and checks == sorted(checks), "ezkl's order is a matter of chance, and decides on the keys"
    assert (first.disclosure, first.score_unit, first.outputs) == ("verdict", 1, 3)
    assert first.imported is not None and first.imported["verdict"] == {"rule": "argmax"}
    assert not first.privacy()["outputs"]["exact"]


@pytest.mark.attack
def test_a_proof_of_one_private_model_passes_for_no_other(pair: list[Artifact], chain: Anvil) -> None:
    """It passes for no other even if both give the same verdict, neither off-chain nor with their shared verifier."""
    references = [reference_of(built) for built in pair]
    windows = references[0].quantise(models.points(40, 3, 13)).tolist()
    verdicts = [each.evaluate(windows).tolist() for each in references]
    assert verdicts[0] != verdicts[1]
    at = next(at for at in range(40) if verdicts[0][at] == verdicts[1][at])
    window, verdict = tuple(windows[at]), tuple(verdicts[0][at])
    assert sorted(verdict) == [0, 0, 1]
    proofs = [prove(built, window, verdict) for built in pair]
    assert proofs[0].instances[1:] == proofs[1].instances[1:] and proofs[0].instances[0] != proofs[1].instances[0]
    verifying = Deployed(chain, pair[0])
    for mine, other in ((0, 1), (1, 0)):
        with LocalVerifier(pair[mine]) as verifier_:
            assert verifier_.verify(proofs[mine].proof, proofs[mine].instances).verified
            assert not verifier_.verify(proofs[mine].proof, proofs[other].instances).verified
            assert not verifier_.verify(proofs[other].proof, proofs[mine].instances).verified
            for false in ((0, 0, 0), (1, 1, 1), (*verdict[1:], verdict[0])):
                statement = pair[mine].instances([window], [false])
                assert not verifier_.verify(proofs[mine].proof, statement).verified
        assert verifying.accepts(proofs[mine].proof, proofs[mine].instances)
        assert not verifying.accepts(proofs[mine].proof, proofs[other].instances)
    for integers in CLASSES:
        assert leaks(b"".join(proof.proof for proof in proofs), sorted({*integers.ravel().tolist()}), SCALE) == {}


@pytest.mark.attack
def test_a_brought_private_models_weights_are_in_the_provers_files_only(pair: list[Artifact]) -> None:
    for built, integers in zip(pair, CLASSES, strict=True):
        both = [sign * int(value) for value in integers.ravel() for sign in (1, -1)]
        files = sorted(path for path in built.path.iterdir() if path.is_file())
        assert {"tuning.json", artifact.PROBE, artifact.MANIFEST, *artifact.AUDIT_FILES} <= {
            each.name for each in files
        }
        found = leaking(files, both, SCALE)
        assert set(found) == {artifact.MODEL, artifact.CIRCUIT}
        assert len(set().union(*found[artifact.MODEL].values())) >= integers.size


@pytest.mark.slow
def test_the_walk_through_as_written(
    project_root: Path, tmp_path: Path, chain: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its Python runs in one interpreter and its commands as they stand; only the chain's port differs."""
    text = (
        (project_root / "docs/tutorials/bring-a-model.md").read_text().split("## The walk-through")[1].split("\n## ")[0]
    )
    blocks = re.findall(r"^```python\n(.*?)^```|^    oracle (model build [^\n]*)$", text, re.MULTILINE | re.DOTALL)
    assert [bool(code) for code, _ in blocks] == [True, False, False, True, True]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for code, command in blocks:
        if code:
            exec(compile(code.replace("http://127.0.0.1:8545", chain.rpc_url), "bring-a-model.md", "exec"), names)
            continue
        done = run_command(tmp_path, shlex.split(command), {})
        assert done.returncode == 0, done.stderr
        if "--check" in command:
            shown = [line.split() for line in text.split(command)[1].splitlines()[2:8]]
            assert [line.split() for line in done.stdout.splitlines()] == shown
    # The SDK finds what the command built, and builds nothing again.
    assert len(list(tmp_path.glob("artifacts/fraud-*/manifest.json"))) == 1
    assert names["verifier"].functions.verifyProof(names["proof"].proofs[0], list(names["instances"])).call()


def examples_of(project_root: Path, library: str) -> str:
    """Return the page's example of a library."""
    text = (
        (project_root / "docs/tutorials/bring-a-model.md").read_text().split("## From scikit-learn and from PyTorch")[1]
    )
    [code] = re.findall(rf"^```python\n((?:from|import) {library}.*?)^```", text, re.MULTILINE | re.DOTALL)
    return str(code)


def test_the_example_of_scikit_learn_as_written(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("skl2onnx")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(examples_of(project_root, "sklearn"), "bring-a-model.md", "exec"), names)
    built, proof = names["built"].artifact, names["proof"]
    assert built.manifest.visibility is Visibility.PRIVATE and built.manifest.imported["fidelity"]["flips"] == 0
    # The command that inspects it has the scale of each feature.
    shifts = built.manifest.imported["input_shifts"]
    assert len(set(shifts)) > 1 and inspect_artifact(built.path).circuit.input_shifts == tuple(shifts)
    shown = " ".join(CliRunner().invoke(commands, ["model", "inspect", str(built.path)]).output.split())
    print_model(names["built"], as_json=False)
    assert "0 of 569 verdicts flip (label)\n" in capsys.readouterr().out
    own = (f"2^{-built.manifest.imported['input_scale'] - shift}" for shift in shifts)
    assert f"each feature has its own: {', '.join(own)}" in shown
    # Both classes are among the rows, and the other one does not hold.
    assert set(names["estimator"].predict(names["rows"])) == {0, 1}
    assert not names["oracle"].verify(built.path, replace(proof, outputs=(1 - proof.outputs[0],)))


@pytest.mark.filterwarnings("ignore")  # torch's exporter uses what torch deprecates
def test_the_example_of_pytorch_as_written(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs where torch and its exporter are; they take gigabytes, so no environment of tests has to have them."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(examples_of(project_root, "torch"), "bring-a-model.md", "exec"), names)
    built, proof = names["built"].artifact, names["proof"]
    assert built.manifest.visibility is Visibility.PRIVATE
    verdicts = (names["module"](names["samples"]) > 0).flatten().tolist()
    assert set(verdicts) == {False, True} and proof.outputs[0] == verdicts[7]
    assert not names["oracle"].verify(built.path, replace(proof, outputs=(1 - proof.outputs[0],)))


@pytest.mark.parametrize("build", [build_model, build_split_model])
def test_samples_of_which_none_could_be_proven_are_refused(tmp_path: Path, build: Any) -> None:
    (tmp_path / "m.onnx").write_bytes(model([node("MatMul", ["x", "w"])], [1, 2], [weights("w", [[1.5], [2.25]])]))
    np.save(tmp_path / "m.npy", np.full((200, 2), 1e30))
    asked = ModelOptions(tmp_path / "m.onnx", tmp_path / "m.npy", out=tmp_path / "artifacts", public_model=True)
    with pytest.raises(DataError, match=r"all 200 samples have numbers outside of the range .* largest is 1e\+30"):
        build(asked)


@pytest.mark.parametrize("build", [build_model, build_split_model])
def test_a_folder_that_can_not_be_written_is_said_before_anything_is_read(tmp_path: Path, build: Any) -> None:
    (tmp_path / "file").write_text("")
    missing = ModelOptions(tmp_path / "none.onnx", tmp_path / "none.npy", out=tmp_path / "file" / "artifacts")
    with pytest.raises(ArtifactError, match="Not a directory; name another with --out"):
        build(missing)


# --- tuning ------------------------------------------------------------------------------------------------------


def request(name: str, **more: Any) -> tuning.Request:
    data, samples = models.ALL[name]()
    return tuning.Request(name, data, samples, **({"visibility": Visibility.PUBLIC} | more))


def test_tuning_measures_the_best_and_takes_the_cheapest(folder: Path) -> None:
    source = circuits.srs()
    found = tuning.tune(request("autoencoder", objective=tuning.Objective.GAS), source)
    chosen = found.candidates[found.chosen]
    measured = [each for each in found.candidates if each.seconds is not None]
    assert chosen in measured and chosen.settings.columns == 1
    # ezkl's own table would have 2^14 rows.
    assert chosen.k is not None and chosen.k <= 9
    assert chosen.gas() <= min(each.gas() for each in measured)
    document = json.loads(json.dumps(found.document()))
    assert sum(each["chosen"] for each in document["candidates"]) == 1
    tuning.plot(found, folder / "plot.svg")
    assert (folder / "plot.svg").read_text().count("<title>") == len(found.candidates)


def test_the_gate_refuses_flips() -> None:
    """The threshold is one at which half of the samples sit."""
    data, samples = models.linear()
    search = Search(request("linear"), lambda step: None)
    typical = float(np.median(search.gate.expected))
    near = search.samples[np.argsort(np.abs(search.gate.expected[:, 0] - typical))[:3]]
    spread = np.repeat(near, 40, axis=0) + np.random.default_rng(1).normal(size=(120, 8)) * 1e-9
    held = tuning.Request(
        "linear", data, spread, verdict=tuning.VerdictRule(tuning.Rule.TOLERANCE, 1e-9), visibility=Visibility.PUBLIC
    )
    with pytest.raises(ModelError, match=r"linear: at best \d+ of 120 verdicts flip .* 1 are allowed. Normalise"):
        Search(held, lambda step: None).candidates()
    loose = replace(held, max_flips_per_10k=10_000.0)
    assert Search(loose, lambda step: None).candidates()
    assert len(samples) == 400


@pytest.mark.parametrize(
    ("rule", "value", "alike"),
    [(tuning.Rule.THRESHOLD, 0.0, False), (tuning.Rule.THRESHOLD, -99.0, True), (tuning.Rule.TOLERANCE, 0.1, False)],
)
def test_samples_of_one_verdict_are_told(rule: tuning.Rule, value: float, alike: bool) -> None:
    """No scales flip the verdict of a regression whose outputs are all far above the threshold."""
    data, samples = models.linear()
    verdict = tuning.VerdictRule(rule, value)
    gate = Search(request("linear", verdict=verdict), lambda step: None).gate
    found = gate.fidelity(circuit_of(data, 8, 8))
    assert found.alike is alike and found.samples == len(samples)
    assert ["same verdict" in note for note in fidelity_notes(asdict(found))] == [True] * alike


@pytest.mark.parametrize("rule", [tuning.Rule.THRESHOLD, tuning.Rule.TOLERANCE])
def test_a_verdict_has_a_number(rule: tuning.Rule) -> None:
    for value in (float("nan"), float("inf"), -1e300):
        with pytest.raises(ModelError, match=f"linear: {value:g} is no {rule} of integers".replace("+", r"\+")):
            Search(request("linear", verdict=tuning.VerdictRule(rule, value)), lambda step: None)


def powers(count: int) -> bytes:
    """Return a model that squares the products of a matrix `count` times: numbers grow to the power 2^count."""
    nodes, constants, value = [], [], "x"
    for at in range(count):
        constants.append(weights(f"w{at}", np.random.default_rng(at).normal(size=(4, 4)) / 2))
        nodes += [node("MatMul", [value, f"w{at}"], f"h{at}"), node("Mul", [f"h{at}", f"h{at}"], f"s{at}")]
        value = f"s{at}"
    constants.append(weights("last", np.ones((4, 1))))
    return model([*nodes, node("MatMul", [value, "last"])], ["N", 4], constants)


def test_where_integers_end_inputs_get_a_narrow_range_before_anything_is_divided() -> None:
    """Its settings say so, and give the same circuit elsewhere."""
    samples = np.random.default_rng(3).uniform(-1, 1, (200, 4))
    asked = tuning.Request(
        "powers",
        powers(3),
        samples,
        verdict=tuning.VerdictRule(tuning.Rule.TOLERANCE, 0.3),
        visibility=Visibility.PUBLIC,
    )
    told: list[str] = []
    search = Search(asked, told.append)
    circuit, chosen, segments = search.candidates()[0]
    reach = float(np.abs(samples).max()) * 2.0**circuit.input_scale
    assert (circuit.rebase, circuit.slack) == (0, 0) and reach <= circuit.clip <= 2 * reach + 1
    assert chosen.clip == circuit.clip < CLIP and any(f"within ±{chosen.clip}" in line for line in told)
    again, fidelity = tuning.apply(asked, asdict(chosen), segments)
    assert again.circuit.clip == circuit.clip and again.facts()["clip"] == circuit.clip and fidelity.flips == 0
    # Two squares fit into the wide range, which is kept.
    wide = Search(replace(asked, data=powers(1)), told.append).candidates()[0]
    assert (wide[0].clip, wide[1].clip) == (CLIP, 0)


@pytest.mark.parametrize("name", ["mlp", "autoencoder", "cnn"])
def test_a_look_at_few_samples_rejects_what_all_samples_reject(name: str) -> None:
    search = Search(request(name), lambda step: None)
    seen = set()
    for scale in (3, 4, 6, 9):
        circuit = instantiate(search.program(8), 8, scale, CLIP)
        refused = search.gate.fidelity(circuit).flips_per_10k > 1
        looked = search.gate.rejects(circuit)
        assert looked is None or refused, "what a few samples reject, all reject"
        seen.add(looked is None)
    assert True in seen


def test_settings_from_elsewhere_pass_the_gate_too() -> None:
    chosen = {"input_scale": 0, "param_scale": 1, "base": 64, "legs": 6}
    with pytest.raises(ModelError, match="verdicts flip"):
        tuning.apply(request("mlp"), chosen, 0)
    with pytest.raises(ModelError, match="not settings"):
        tuning.apply(request("mlp"), {"scale": 1}, 0)
    rebased = {"input_scale": 8, "param_scale": 8, "base": 64, "legs": 6, "rebase": 2}
    with pytest.raises(ModelError, match="a published verdict is exact"):
        tuning.apply(request("mlp", disclosure="verdict"), rebased, 0)


def test_a_threshold_is_meant_in_the_outputs_own_unit() -> None:
    search = Search(request("logistic", verdict=tuning.VerdictRule(tuning.Rule.THRESHOLD, 0.9)), lambda step: None)
    assert search.threshold == pytest.approx(np.log(9))
    assert Search(request("logistic"), lambda step: None).threshold == pytest.approx(0, abs=1e-9)


class Refusing(EngineProcess):
    """An engine that refuses the first keys that it is asked for."""

    refused = False

    def call(self, op: str, /, **arguments: Any) -> Any:
        if op == "setup" and not self.refused:
            self.refused = True
            raise ArtifactError("ezkl refused setup: not enough rows available")
        return super().call(op, **arguments)


def test_a_k_that_keys_refuse_is_raised(folder: Path) -> None:
    """ezkl may count fewer rows than the circuit needs. The next k is then tried, and kept."""
    source = circuits.srs()
    search = Search(request("linear"), lambda step: None)
    circuit, chosen, segments = search.candidates()[0]
    cost = estimate(26, instances=9, private=False, lookups=False)
    with tempfile.TemporaryDirectory() as scratch, Refusing() as engine:
        candidate = tuning.Candidate(replace(chosen, k=6), segments, cost)
        outcome, made = _prove(search, circuit, candidate, engine, Path(scratch, "7"), source, 1)
        assert made is not None and made.k == 7 and made.proven["verified"]
    assert (outcome.refused, outcome.k, outcome.settings.k) == ("", 7, 7)


def test_a_threshold_on_what_keeps_its_order_only_is_refused() -> None:
    nodes = [node("MatMul", ["x", "w"], "z"), node("Softmax", ["z"], axis=1)]
    data = model(nodes, ["N", 3], [weights("w", np.eye(3)[:, :2])])
    asked = tuning.Request("soft", data, models.points(50, 3), verdict=tuning.VerdictRule(tuning.Rule.THRESHOLD, 0.7))
    with pytest.raises(ModelError, match=r"only the order of the outputs .* --argmax"):
        Search(asked, lambda step: None)
    assert Search(replace(asked, verdict=None), lambda step: None).verdict.rule is tuning.Rule.ARGMAX


def test_a_circuit_beyond_the_memory_is_not_keyed(folder: Path) -> None:
    source = circuits.srs()
    with pytest.raises(ModelError, match="too large"):
        tuning.tune(request("cnn", memory=30 << 20), source)


@pytest.mark.parametrize(("op", "build"), [("setup", "tuned"), ("prove", "tuned"), ("setup", "again")])
def test_what_takes_too_long_is_no_reason_for_a_larger_circuit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, op: str, build: str
) -> None:
    """A machine that is busy needs no more rows: the time is what is said, and nothing else is tried."""
    (tmp_path / "srs").symlink_to(folder / "srs", target_is_directory=True)
    if build == "again":  # its settings are known, so that the artifact's own build makes the keys
        shutil.rmtree(build_model(options(tmp_path, "linear")).artifact.path)
    call, asked = EngineProcess.call, []

    def slow(self: EngineProcess, name: str, /, **arguments: Any) -> Any:
        if name == op:
            asked.append(arguments["deadline"])
            raise ProverTimeout(f"{op} was not done within 600 s")
        return call(self, name, **arguments)

    monkeypatch.setattr(EngineProcess, "call", slow)
    with pytest.raises(ProverTimeout, match=rf"^linear: {op} was not done within 600 s, in a circuit of 2\^\d rows: "):
        build_model(options(tmp_path, "linear"))
    assert asked == [600.0]


def test_large_circuits_have_more_time() -> None:
    assert [patience(k) for k in (6, 16, 17, 19)] == [600, 600, 1_200, 4_800]


@pytest.mark.parametrize(("rows", "private", "k"), [(20, False, 6), (4_225, True, 13), (40_000, False, 16)])
def test_estimates_grow_with_the_circuit(rows: int, private: bool, k: int) -> None:
    cost = estimate(rows, instances=9, private=private, lookups=True)
    double = estimate(2 * rows + 30, instances=9, private=private, lookups=True)
    assert cost.k == k and double.k == k + 1
    assert double.seconds > cost.seconds and double.memory > cost.memory


# --- the command line --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["good.onnx", "--memory-limit", "nan"], 2, "nan is no number"),
        (["none.onnx", "--check"], 2, r"error: none\.onnx can't be read: No such file"),
        (["bad.onnx", "--check"], 2, r"error: bad\.onnx is not an ONNX file"),
        (["sine.onnx", "--data", "x.csv"], 2, r"error: sine can't be proven as it is, for 1 reason: \(1\) node y_Sin"),
        (["good.onnx", "--data", "wide.csv"], 2, r"error: the samples have the shape \(1, 4\); the model takes 3"),
        (["good.onnx", "--data", "none.csv"], 2, r"error: none\.csv can't be read"),
        (["good.onnx", "--data", "x.csv", "--settings", "x.csv"], 2, r"error: x\.csv holds no settings of a model"),
        (["good.onnx"], 2, "--data is missing"),
        (["good.onnx", "--visibility", "polycommit", "--check"], 2, "error: --visibility: 'polycommit' is refused"),
        (
            ["good.onnx", "--data", "x.csv", "--public-model", "--disclosure", "verdict", "--tolerance", "1"],
            2,
            "error: good: with --tolerance there is no verdict",
        ),
        (["good.onnx", "--data", "x.csv", "--argmax", "--threshold", "1"], 2, "exclude each other"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    says: str,
) -> None:
    from oracle.cli import main

    monkeypatch.chdir(tmp_path)
    Path("bad.onnx").write_bytes(b"\xff")
    Path("sine.onnx").write_bytes(model([node("Sin", ["x"])], ["N", 3]))
    Path("good.onnx").write_bytes(model([node("MatMul", ["x", "w"])], ["N", 3], [weights("w", [[1.5], [2], [3]])]))
    Path("x.csv").write_text("1,2,3\n")
    Path("wide.csv").write_text("1,2,3,4\n")
    monkeypatch.setattr(sys, "argv", ["oracle", "model", "build", *arguments, "--out", "out"])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr().err
    assert ended.value.code == code and re.search(says, shown), shown
    assert "Traceback" not in shown
    assert not list(tmp_path.glob("out/*b1*")), "nothing is built"


def test_a_model_without_weights_is_public_and_its_range_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one sample is warned of, the report has the scales of the build, and nothing is clipped in silence."""

    def oracle(*words: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["oracle", "model", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            run_main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    from oracle.cli import main as run_main

    path, sample, far = tmp_path / "relu.onnx", tmp_path / "x.npy", tmp_path / "far.npy"
    path.write_bytes(model([node("Relu", ["x"])], ["N", 3]))
    np.save(sample, [[0.5, -0.25, 0.3]])
    np.save(far, [[0.5, 1e9, -1e9]])
    known = tmp_path / "tuning.json"
    known.write_text(json.dumps({"chosen": asdict(Settings(4, 3, 256, 2)), "segments": 0}))
    code, out, err = oracle("build", path, "--data", sample, "--settings", known, "--out", tmp_path / "out")
    assert code == 0, err
    assert "relu.onnx has no weights that could be hidden: its circuit is public" in err
    assert "weights: public" in out and "note: 1 sample says little about other inputs" in out
    scale = re.search(r"integers x · 2\^(\d+) in", out)
    built = Path(out.split("\n")[-2].strip())
    assert scale is not None and scale[1] == "4" and built.is_dir()
    code, out, err = oracle("inspect", built)
    assert f"inputs 2^-{scale[1]}," in out, out
    code, out, err = oracle("prove", built, "--input", far, "--out", tmp_path / "proof.json")
    assert code == 2 and not (tmp_path / "proof.json").exists()
    assert re.search(r"error: number 1 of the input is 1e\+09, and .* takes numbers within ±\d", err), err
    assert "2 of 3 are outside" in err and "Traceback" not in err
    code, out, err = oracle("prove", built, "--input", sample, "--out", tmp_path / "proof.json")
    assert code == 0 and "segment" not in err, err


@pytest.mark.parametrize(
    ("nodes", "constants", "more", "expected"),
    [
        ([node("Relu", ["x"])], [], {}, False),
        ([node("Mul", ["x", "c"], "m"), node("Relu", ["m"])], [weights("c", [[1.0, 1, 1]])], {}, False),
        ([node("Mul", ["x", "c"])], [weights("c", [[0.5]])], {}, False),
        ([node("Mul", ["x", "c"])], [weights("c", [[0.5, 1, 1]])], {}, True),
        ([node("Relu", ["x"])], [], {"verdict": tuning.VerdictRule(tuning.Rule.THRESHOLD, 0.9)}, True),
        ([node("Sin", ["x"])], [], {}, True),  # refused elsewhere
    ],
)
def test_what_there_is_to_hide(nodes: list[Any], constants: list[Any], more: dict[str, Any], expected: bool) -> None:
    assert tuning.has_weights(tuning.Request("m", model(nodes, ["N", 3], constants), [[0, 0, 0]], **more)) is expected


def test_many_refusals_of_one_kind_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from oracle.cli import main

    path = tmp_path / "sines.onnx"
    sines = [node("Sin", ["x"], f"s{at}") for at in range(300)]
    path.write_bytes(
        model([*sines, node("Sqrt", ["x"], "q"), node("Sum", ["q", *(f"s{at}" for at in range(300))])], ["N", 3])
    )
    monkeypatch.setattr(sys, "argv", ["oracle", "model", "build", str(path), "--check"])
    with pytest.raises(SystemExit) as ended:
        main()
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 2
    assert [line for line in lines if line.startswith("- ")] == [
        "- node s0_Sin (Sin) and 299 more: operator Sin can't be proven exactly",
        "- node q_Sqrt (Sqrt): operator Sqrt can't be proven exactly",
    ]


def test_a_check_of_what_can_not_be_proven_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from oracle.cli import main

    path = tmp_path / "sine.onnx"
    path.write_bytes(model([node("Sin", ["x"])], ["N", 3]))
    monkeypatch.setattr(sys, "argv", ["oracle", "model", "build", str(path), "--check", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    document = json.loads(capsys.readouterr().out)
    assert ended.value.code == 2
    assert [problem["node"] for problem in document["problems"]] == ["node y_Sin (Sin)"]
