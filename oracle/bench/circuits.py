"""Circuits that are benchmarked: how each is set up, proven, judged, and verified on a chain.

A case is one circuit. Cases of the same model are a group, and are given the same windows: ours, tuned, and ezkl's as
its documentation proposes it, on the same ONNX graph.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.bench import submissions
from oracle.core import encoding
from oracle.core.concurrency import together
from oracle.core.errors import ArtifactError, Fatal, ModelError, ProverUnavailable
from oracle.core.types import Kind

if TYPE_CHECKING:
    import numpy as np

    from oracle.detectors.quadratic import QuadraticModel
    from oracle.proving.artifact import Artifact
    from oracle.proving.engine.child import EngineProcess
    from oracle.proving.graph import Estimate
    from oracle.proving.lowering import Program
    from oracle.proving.srs import SrsSource
    from oracle.proving.tuning import Verdict
    from oracle.proving.verifier import CompiledVerifier

Echo = Callable[[str], None]

BATCHES = (1, 4, 16)
MODELS = ("linear", "logistic", "trees", "autoencoder", "cnn", "mlp")
"""Of `oracle.bench.zoo`, which needs numpy: a command line is not to load it for their names."""

PUBLIC_ONLY = ("mlp",)
"""Models whose private weights are too many to hash in a benchmark: 41 rows for each."""

CALIBRATION_WINDOWS = 100
MAX_DECOMP_LEGS = 8
CALIBRATION_START = dt.date(2008, 7, 1)
"""The crisis is in it: scales that were chosen from calm days alone would fail on the first that is not."""

_CHUNK = 100
"""Windows that ezkl is asked to compute at once, in a circuit for so many: the same integers as one by one, which is
checked, and up to eight times as fast."""

_JUDGED = {"cnn": 1_000, "mlp": 1_000}
"""Windows of which ezkl's verdicts are taken, where ten thousand would take minutes."""


@dataclass(frozen=True)
class Circuit:
    """A circuit that is ready to prove.

    Attributes:
        files: Arguments of the engine's `prove`: circuit, settings, vk, pk, srs.
        verifier: Compiled, for the chain.
        inputs: Of each turn's proof: all windows, flattened.
        outputs: What the circuit must publish for them; None: not known exactly.
        setup_s: Seconds from the ONNX graph to the compiled verifier, SRS included.
        facts: Further keys of the case in the report.
        estimated: What the cost model says of it, by when: from the "graph" alone, and from ezkl's "settings".
        artifact: Ours.
    """

    files: Mapping[str, str]
    verifier: CompiledVerifier
    inputs: Sequence[Sequence[float]]
    outputs: Callable[[Sequence[int]], list[int]] | None
    setup_s: float
    facts: dict[str, Any]
    estimated: Mapping[str, Estimate] = field(default_factory=dict)
    artifact: Artifact | None = None


@dataclass(frozen=True)
class Subject:
    """The model of a group, as ezkl gets it.

    Attributes:
        name: Of the model.
        graph: The ONNX graph for so many windows.
        given: Which graph that is.
        calibration: Windows that ezkl calibrates on.
        turns: Windows to prove, in turns.
        judged: Windows [count, features] that no circuit was fitted to, to count verdicts on.
        expected: The float model's outputs for them.
        verdict: How outputs are read.
    """

    name: str
    graph: Callable[[int], bytes]
    given: str
    calibration: Sequence[Sequence[float]]
    turns: Sequence[Sequence[float]]
    judged: np.ndarray
    expected: np.ndarray
    verdict: Verdict


@dataclass
class Proofs:
    """What a case's proving child did, warm-up left out."""

    witness: list[float] = field(default_factory=list)
    prove: list[float] = field(default_factory=list)
    verify: list[float] = field(default_factory=list)
    published: list[tuple[tuple[float, ...], list[int]]] = field(default_factory=list)
    proof: bytes = b""
    instances: tuple[int, ...] = ()
    peak_bytes: int = 0

    def report(self) -> dict[str, Any]:
        """Medians in seconds, sizes in bytes and MB."""
        totals = [sum(steps) for steps in zip(self.witness, self.prove, self.verify, strict=True)]
        return {
            "prove_s": round(statistics.median(self.prove), 4),
            "witness_s": round(statistics.median(self.witness), 4),
            "verify_s": round(statistics.median(self.verify), 4),
            "total_s": round(statistics.median(totals), 4),
            "prove_s_all": [round(seconds, 4) for seconds in self.prove],
            "proof_bytes": len(self.proof),
            "instances": len(self.instances),
            "rss_mb": megabytes(self.peak_bytes),
        }


# --- the default detector ------------------------------------------------------------------------------------------


def quadratic(disclosure: str) -> QuadraticModel:
    """The default model."""
    from oracle.detectors.interface import Disclosure
    from oracle.detectors.quadratic import QuadraticModel

    return QuadraticModel.default(Disclosure(disclosure))


def recorded_windows(count: int | None, start: dt.date | None, series: str = "sp500") -> list[list[int]]:
    """Feature vectors of a recorded series, as the hub would derive them if it had accepted every day."""
    from oracle.detectors.quadratic import PAST
    from oracle.sources.packaged import load_series

    sigma = quadratic("score").training.series[series]
    readings = load_series(series, start)[: None if count is None else count + PAST + 1]
    answers = [encoding.answer_from_decimal(reading.value, 8) for reading in readings]
    times = [reading.observed_at for reading in readings]
    moves = [encoding.move(Kind.RELATIVE, sigma, now, before) for before, now in pairwise(answers)]
    return [
        [moves[i], *reversed(moves[i - PAST : i]), encoding.gap(times[i + 1], times[i], 86_400)]
        for i in range(PAST, len(moves))
    ]


def quadratic_subject(turns: int) -> Subject:
    """The default detector: calibrated on the crisis of 2008, judged on all recorded days of three series."""
    import numpy as np

    from oracle.proving import tuning

    model = quadratic("score")
    judged = np.array(
        [window for series in sorted(model.training.series) for window in recorded_windows(None, None, series)]
    )
    verdict = tuning.Verdict(tuning.Rule.THRESHOLD, 0.0)
    expected = tuning.float_outputs(model.to_onnx(1), judged)
    return Subject(
        "quadratic",
        model.to_onnx,
        "the detector's own graph, of integers",
        recorded_windows(CALIBRATION_WINDOWS, CALIBRATION_START),
        recorded_windows(BATCHES[-1] * turns, dt.date(2008, 9, 1)),
        judged,
        expected,
        verdict,
    )


def build_quadratic(
    subject: Subject, visibility: str, disclosure: str, batch: int, turns: int, folder: Path
) -> Circuit:
    """One of the detector's circuits, from nothing: no artifact, SRS or compilation of an earlier run is used."""
    from oracle.proving import artifact, graph

    model = quadratic(disclosure)
    began = time.perf_counter()
    built = _built(model, visibility, batch, folder, _srs(folder))
    seconds = time.perf_counter() - began
    facts: dict[str, Any] = {"windows_per_proof": batch}
    if disclosure == "score":
        computed = np_float(model.score_int(window) for window in subject.judged.tolist())
        facts |= _flips(subject, computed, len(subject.judged))
    estimated: dict[str, Estimate] = {}
    program = graph.inspect(quadratic("score").to_onnx(1), "quadratic").program
    if disclosure == "score" and program is not None:
        estimated = _estimates(
            built, program, private=visibility == artifact.Visibility.PRIVATE.value, windows=batch, scaled=False
        )
    return dataclasses.replace(
        _ours(built, seconds, facts, estimated),
        inputs=_batches(subject.turns, batch, turns),
        outputs=lambda windows: [
            score
            for at in range(0, len(windows), model.features)
            for score in model.score_int(windows[at : at + model.features])
        ],
    )


# --- models that were brought --------------------------------------------------------------------------------------


def brought_subject(name: str, turns: int) -> Subject:
    """A model of the zoo: judged on samples that it was not fitted to."""
    import numpy as np

    from oracle.bench import zoo
    from oracle.proving import graph, tuning
    from oracle.proving.reference import instantiate

    file, samples, held_out = zoo.BENCHED[name].load()
    flat = held_out.reshape(len(held_out), -1)
    # Ours leaves a final sigmoid off. With it ezkl's default circuit has four times the rows, for its table.
    data = zoo.without_last(file, "Sigmoid")
    expected = tuning.float_outputs(data, held_out)
    verdict = tuning.Verdict(tuning.Rule.ARGMAX if expected.shape[1] > 1 else tuning.Rule.THRESHOLD)
    shown: Callable[[int], bytes] = partial(zoo.with_batch, data)
    given = "the file itself" if data == file else "the file without its final sigmoid"
    if b"TreeEnsemble" in data:
        lowered = graph.check(graph.inspect(data, name))
        shown = instantiate(lowered, 0, _NEARLY_FLOAT, encoding.CLIP).to_onnx
        given = f"our lowering of it to comparisons and sums, weights to 2^-{_NEARLY_FLOAT}: ezkl has no such operator"
    return Subject(
        name,
        shown,
        given,
        samples.reshape(len(samples), -1)[:CALIBRATION_WINDOWS].astype(float).tolist(),
        flat[:turns].astype(float).tolist(),
        np.asarray(flat, dtype=np.float64),
        expected,
        verdict,
    )


_NEARLY_FLOAT = 20


def build_tuned(subject: Subject, visibility: str, folder: Path, echo: Echo) -> Circuit:
    """A brought model as `oracle model build` makes it: tuned on its samples, then built."""
    from oracle.bench import zoo
    from oracle.proving import artifact, tuning

    data, samples, held_out = zoo.BENCHED[subject.name].load()
    request = tuning.Request(
        subject.name,
        data,
        samples,
        visibility=artifact.Visibility(visibility),
        # Columns are faster than ezkl's defaults and dearer: nothing is gained at the cost of something else here.
        objective=tuning.Objective.BOTH,
    )
    source = _srs(folder)
    began = time.perf_counter()
    tuned = tuning.tune(request, source)
    tuned_s = time.perf_counter() - began
    echo(f"  chosen: {tuning.describe(tuned.candidates[tuned.chosen])}")
    built = _built(tuned.model, visibility, 1, folder, source)
    seconds = time.perf_counter() - began
    chosen = tuned.candidates[tuned.chosen]
    found = tuning.held_out(request, tuned.model, chosen.segments, held_out)
    private = request.visibility is artifact.Visibility.PRIVATE
    estimated = _estimates(
        built,
        tuned.model.circuit.program,
        private=private,
        legs=chosen.settings.legs,
        columns=chosen.settings.columns,
        table=chosen.settings.base if tuned.model.circuit.decomposed else 0,
        k=chosen.settings.k,
        scaled=chosen.settings.input_scale > 0,
    )
    facts = {
        "settings": dataclasses.asdict(chosen.settings),
        "weights": tuned.model.circuit.weights,
        "flips_per_10k": round(found.flips_per_10k, 2),
        "flips_samples": found.samples,
        "unprovable_per_10k": 0.0,
        "candidates": len(tuned.candidates),
        "setup_steps_s": {"tuning": round(tuned_s, 2), "building": round(seconds - tuned_s, 2)},
    }
    windows = tuned.model.circuit.quantise(subject.turns).tolist()
    return dataclasses.replace(
        _ours(built, seconds, facts, estimated),
        inputs=windows,
        outputs=lambda window: list(tuned.model.score_int(window)),
    )


# --- ezkl's own pipeline -------------------------------------------------------------------------------------------


class SharedSrs:
    """A reference string per k, drawn once; what that took counts in each set-up that needs it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[int, tuple[str, float]] = {}

    def get(self, engine: EngineProcess, k: int) -> tuple[str, float]:
        """The file, and the seconds it took."""
        if k not in self._made:
            path = str(self._folder / f"default-{k}.srs")
            began = time.perf_counter()
            engine.call("gen_srs", srs=path, logrows=k)
            self._made[k] = (path, time.perf_counter() - began)
        return self._made[k]


def build_default(subject: Subject, batch: int, turns: int, folder: Path, srs: SharedSrs, echo: Echo) -> Circuit:
    """The same graph through ezkl's documented pipeline: default arguments, then calibration on recorded windows.

    With exactly the defaults, the calibration refuses some graphs: their values do not fit the two limbs of a range
    check. So the number of limbs, and nothing else, is raised until the circuit takes the recorded windows. What was
    refused is in the report.
    """
    from oracle.chain.local.solc import compile_standard
    from oracle.proving.engine.child import EngineProcess
    from oracle.proving.verifier import SOLC_VERSION, compile_verifier

    folder.mkdir(parents=True)
    model = folder / "model.onnx"
    model.write_bytes(subject.graph(batch))
    windows = _batches(subject.calibration, batch, len(subject.calibration) // batch)
    files = {name: str(folder / name) for name in ("circuit", "settings", "vk", "pk", "srs")}
    refused: list[dict[str, Any]] = []
    with EngineProcess() as engine:
        for legs in range(2, MAX_DECOMP_LEGS + 1):
            began = time.perf_counter()
            try:
                steps, settings = _default_pipeline(engine, str(model), files, windows, {"decomp_legs": legs}, srs)
                break
            except (ArtifactError, ProverUnavailable) as error:
                seconds = round(time.perf_counter() - began, 2)
                refused.append({"decomp_legs": legs, "seconds": seconds, "refusal": str(error)[:600]})
                echo(f"  ezkl refuses decomp_legs = {legs}: {reason(str(error))}")
        else:
            raise Fatal(f"ezkl's defaults don't take this graph with up to {MAX_DECOMP_LEGS} limbs: {refused[-1]}")
        source = folder / "Verifier.sol"
        mark = time.perf_counter()
        engine.call("create_verifier", source=str(source), **some(files, "vk", "settings", "srs"))
        compiled = compile_verifier(
            source.read_text(encoding="utf-8"),
            lambda request: compile_standard(request, SOLC_VERSION, use_cache=False),
        )
        steps["verifier"] = round(time.perf_counter() - mark, 2)
        peak = int(engine.call("peak_memory")["bytes"] or 0)
        judged = _default_flips(engine, subject, settings, files["circuit"], folder) if batch == 1 else {}
    chosen = ("input_scale", "param_scale", "scale_rebase_multiplier", "decomp_base", "decomp_legs", "num_inner_cols")
    return Circuit(
        files=files,
        verifier=compiled,
        inputs=_batches(subject.turns, batch, turns),
        outputs=None,
        setup_s=sum(steps.values()),
        facts={
            "k": settings["run_args"]["logrows"],
            "rows": settings["num_rows"],
            "windows_per_proof": batch,
            "verifier_bytes": len(compiled.runtime),
            "graph": subject.given,
            "changed_run_args": {"decomp_legs": legs} if refused else {},
            "run_args": some(settings["run_args"], *chosen),
            "output_scale": settings["model_output_scales"][0],
            "calibration_windows": len(windows) * batch,
            "refused": refused,
            "setup_steps_s": steps,
            "setup_rss_mb": megabytes(peak),
            **judged,
        },
    )


def _default_pipeline(
    engine: EngineProcess,
    model: str,
    files: dict[str, str],
    windows: Sequence[Sequence[float]],
    run_args: Mapping[str, Any],
    srs: SharedSrs,
) -> tuple[dict[str, float], dict[str, Any]]:
    """Settings, calibration, SRS, keys. Returns the seconds of each step, and the settings."""
    steps: dict[str, float] = {}

    @contextlib.contextmanager
    def step(name: str) -> Iterator[None]:
        mark = time.perf_counter()
        yield
        steps[name] = round(time.perf_counter() - mark, 2)

    with step("settings"):
        engine.call("gen_settings", model=model, settings=files["settings"], run_args=dict(run_args))
    with step("calibration"):
        settings = engine.call(
            "calibrate_settings", model=model, settings=files["settings"], windows=windows, target="resources"
        )
    with step("compilation"):
        engine.call("compile_circuit", model=model, **some(files, "circuit", "settings"))
        # Before minutes go into keys: does the circuit take what it was calibrated on?
        for window in windows:
            engine.call("witness", circuit=files["circuit"], inputs=window)
    files["srs"], seconds = srs.get(engine, settings["run_args"]["logrows"])
    steps["srs"] = round(seconds, 2)
    with step("keys"):
        engine.call("setup", **some(files, "circuit", "vk", "pk", "srs"))
    return steps, settings


def _default_flips(
    engine: EngineProcess, subject: Subject, settings: Mapping[str, Any], circuit: str, folder: Path
) -> dict[str, Any]:
    """Verdicts of ezkl's circuit, from its witnesses: of `_CHUNK` windows at once, in a circuit of the same scales."""
    import numpy as np

    windows = subject.judged[: _JUDGED.get(subject.name, len(subject.judged))]
    windows = windows[: len(windows) // _CHUNK * _CHUNK]
    paths = {name: str(folder / f"{name}.chunk") for name in ("model", "settings", "circuit")}
    Path(paths["model"]).write_bytes(subject.graph(_CHUNK))
    names = ("input_scale", "param_scale", "scale_rebase_multiplier", "decomp_base", "decomp_legs", "num_inner_cols")
    arguments = some(settings["run_args"], *names, "lookup_range")
    engine.call("gen_settings", run_args=arguments, **some(paths, "model", "settings"))
    engine.call("compile_circuit", **some(paths, "model", "settings", "circuit"))
    count = subject.expected.shape[1]
    computed = np.full((len(windows), count), np.nan)

    def alone(at: int) -> list[int] | None:
        try:
            found: list[int] = engine.call("witness", circuit=circuit, inputs=windows[at].tolist())["outputs"]
            return found
        except (ArtifactError, ProverUnavailable):
            return None

    scale = 2.0 ** settings["model_output_scales"][0]
    for start in range(0, len(windows), _CHUNK):
        rows = windows[start : start + _CHUNK]
        try:
            outputs = engine.call("witness", circuit=paths["circuit"], inputs=rows.ravel().tolist())["outputs"]
        except (ArtifactError, ProverUnavailable):
            # At least one has no witness: which?
            for at in range(start, start + _CHUNK):
                if (one := alone(at)) is not None:
                    computed[at] = np.array(one) / scale
            continue
        computed[start : start + _CHUNK] = np.array(outputs, dtype=float).reshape(_CHUNK, count) / scale
        if start == 0 and alone(0) != outputs[:count]:
            raise Fatal(f"{subject.name}: ezkl's circuit of {_CHUNK} windows computes other integers than that of one")
    provable = ~np.isnan(computed).any(axis=1)
    return _flips(subject, computed, len(windows), provable)


# --- verdicts and estimates ----------------------------------------------------------------------------------------


def _flips(subject: Subject, computed: np.ndarray, count: int, provable: np.ndarray | None = None) -> dict[str, Any]:
    """Verdicts that are not the float model's, of the windows that have a proof; and those that have none."""
    from oracle.proving import tuning

    expected = subject.expected[:count]
    if provable is not None:
        computed, expected = computed[provable], expected[provable]
    flipped = int(tuning.flips(subject.verdict, computed, expected).sum())
    return {
        "flips_per_10k": round(10_000 * flipped / max(len(computed), 1), 2),
        "flips_samples": count,
        "unprovable_per_10k": round(10_000 * (count - len(computed)) / count, 2),
    }


def _estimates(
    built: Artifact,
    program: Program,
    *,
    private: bool,
    windows: int = 1,
    legs: int = 4,
    columns: int = 1,
    table: int = 0,
    k: int = 0,
    scaled: bool = True,
) -> dict[str, Estimate]:
    """What the cost model says of a circuit's settings, with its own count of rows and with ezkl's."""
    from oracle.proving import artifact, graph

    settings = json.loads(Path(built.file(artifact.SETTINGS)).read_text(encoding="utf-8"))
    rows = {
        "graph": graph.approximate_rows(
            program, private=private, legs=legs, columns=columns, windows=windows, scaled=scaled
        ),
        "settings": int(settings["num_rows"]),
    }
    return {
        name: graph.estimate(
            count,
            instances=windows * (program.features + program.outputs) + private,
            private=private,
            lookups=table > 0,
            columns=columns,
            table=table,
            k=k,
        )
        for name, count in rows.items()
    }


def score_errors(circuit: Circuit, proofs: Proofs) -> dict[str, Any]:
    """How far the calibrated circuit's scores are from the detector's. Ours are exact by construction.

    Returns:
        The largest error in score units (a calm market's limit is one), and the verdicts that it changes.
    """
    model = quadratic("score")
    scale, one = circuit.facts["output_scale"], 1 << model.param_scale
    errors = []
    changed = 0
    for window, outputs in proofs.published:
        scores = model.score_int([int(value) for value in window])
        for output, score in zip(outputs, scores, strict=True):
            errors.append(abs(output / 2**scale - score / one) / (model.score_unit / one))
        changed += any(output > 0 for output in outputs) != any(score > 0 for score in scores)
    return {"score_error_max": round(max(errors), 4), "verdicts_changed": changed, "windows": len(proofs.published)}


# --- proofs --------------------------------------------------------------------------------------------------------


def prove_in_turns(circuits: Mapping[str, Circuit], turns: int, echo: Echo) -> dict[str, Proofs]:
    """A proof of each case, then the next of each: what the machine does meanwhile, it does to all of them.

    Args:
        circuits: By case, each with inputs for every turn.
        turns: How many; the first warms up, and is not counted.
        echo: Takes lines for people.

    Raises:
        Fatal: A proof does not verify, or is of other outputs than the reference's.
    """
    from oracle.proving.engine.child import EngineProcess

    found = {case: Proofs() for case in circuits}
    with contextlib.ExitStack() as stack:
        engines = {case: stack.enter_context(EngineProcess()) for case in circuits}
        for turn in range(turns):
            echo(f"proofs, round {turn} of {turns - 1}" + ("" if turn else " (warm-up)"))
            for case, circuit in circuits.items():
                given = list(circuit.inputs[turn])
                expected = None if circuit.outputs is None else circuit.outputs([int(value) for value in given])
                result = engines[case].call("prove", inputs=given, outputs=expected, **dict[str, Any](circuit.files))
                if not result.get("verified"):
                    raise Fatal(f"{case}: a proof of {given} does not verify, or is of other scores than {expected}")
                proofs = found[case]
                proofs.proof = bytes.fromhex(result["proof"])
                proofs.instances = tuple(int(element, 16) for element in result["instances"])
                if turn:
                    proofs.witness.append(result["seconds"]["witness"])
                    proofs.prove.append(result["seconds"]["prove"])
                    proofs.verify.append(result["seconds"]["verify"])
                    proofs.published.append((tuple(given), result["outputs"]))
        for case, engine in engines.items():
            found[case].peak_bytes = int(engine.call("peak_memory")["bytes"] or 0)
    return found


# --- on the chain --------------------------------------------------------------------------------------------------


async def verified_on_chain(
    circuits: Mapping[str, Circuit], proofs: Mapping[str, Proofs], consumers: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Each case's verifier on a fresh chain: `verifyProof` alone, and behind a consumer where asked."""
    from oracle.chain.local.anvil import Anvil, load_anvil_config
    from oracle.chain.transport.rpc import Rpc

    found: dict[str, dict[str, Any]] = {}
    with Anvil(load_anvil_config(port=0)) as chain:
        async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
            payer = await submissions.sender(rpc)
            for case, circuit in circuits.items():
                proof, instances = proofs[case].proof, proofs[case].instances
                deployed = await submissions.send(payer, None, circuit.verifier.bytecode)
                assert deployed.contract_address is not None
                calldata = submissions.bare_call(circuit.verifier.abi, proof, instances)
                verified = await submissions.verify(payer, deployed.contract_address, calldata)
                whose = "ezkl's own, unhardened" if circuit.artifact is None else "the hardened"
                found[case] = {
                    "gas": verified.gas_used,
                    "gas_of": f"verifyProof of {whose} verifier: no feed, no signatures, no storage",
                    "verify_gas": verified.gas_used,
                }
                if case in consumers:
                    found[case]["consumer_gas"] = await submissions.demo_consumer_gas(
                        payer, deployed.contract_address, proof, instances
                    )
    return found


# --- throughput ----------------------------------------------------------------------------------------------------


async def throughput(built: Artifact, windows: Sequence[Sequence[int]], seconds: float) -> dict[str, Any]:
    """Proofs per second of a real prover with a process of one thread per core, warm.

    Args:
        built: The detector's artifact.
        windows: Of which each proof takes as many as the circuit has, other ones each time: nothing is proven twice.
        seconds: That proofs are begun for; those under way then are waited for, and count with their time.
    """
    import psutil

    from oracle.proving.interface import ProofJob
    from oracle.proving.pool.local import LocalProver

    model, batch = quadratic("score"), built.manifest.batch
    processes = psutil.cpu_count() or 1
    jobs = iter(
        ProofJob(tuple(map(tuple, chosen)), tuple(model.score_int(window) for window in chosen))
        for chosen in (windows[at : at + batch] for at in range(0, len(windows) - batch + 1, batch))
    )
    proven = 0
    async with LocalProver(built, processes=processes, threads=1) as prover:
        # One for each process, so that all are warm.
        await together(*(prover.prove(next(jobs)) for _ in range(processes)))
        began = time.perf_counter()

        async def work() -> None:
            nonlocal proven
            while time.perf_counter() - began < seconds:
                await prover.prove(next(jobs))
                proven += 1

        # One more than there are processes: none waits for its next job.
        await together(*(work() for _ in range(processes + 1)))
        taken = time.perf_counter() - began
        peak = await prover.warm()
    rate = proven / taken
    return {
        "proofs_per_s": round(rate, 2),
        "windows_per_s": round(rate * batch, 2),
        "proofs": proven,
        "seconds": round(taken, 2),
        "processes": processes,
        "rss_mb": megabytes(peak),
    }


def throughput_artifact(visibility: str, batch: int, folder: Path) -> Artifact:
    """The detector's circuit."""
    return _built(quadratic("score"), visibility, batch, folder, _srs(folder))


# --- helpers -------------------------------------------------------------------------------------------------------


def _srs(folder: Path) -> SrsSource:
    from oracle.proving.srs import SrsCache, SrsOrigin

    return SrsCache(folder / "srs").source(SrsOrigin.INSECURE_LOCAL)


def _built(model: Any, visibility: str, batch: int, folder: Path, source: SrsSource) -> Artifact:
    from oracle.chain.local.solc import compile_standard
    from oracle.proving import artifact
    from oracle.proving.verifier import SOLC_VERSION

    return artifact.build(
        model,
        batch,
        visibility=artifact.Visibility(visibility),
        srs=source,
        compile_standard=lambda request: compile_standard(request, SOLC_VERSION, use_cache=False),
        cache=folder / "artifacts",
    )


def _ours(built: Artifact, seconds: float, facts: Mapping[str, Any], estimated: Mapping[str, Estimate]) -> Circuit:
    from oracle.proving import artifact

    names = {
        "circuit": artifact.CIRCUIT,
        "settings": artifact.SETTINGS,
        "vk": artifact.VK,
        "pk": artifact.PK,
        "srs": artifact.SRS,
    }
    settings = json.loads(Path(built.file(artifact.SETTINGS)).read_text(encoding="utf-8"))
    runtime = len(built.verifier().runtime)
    return Circuit(
        files={argument: built.file(name) for argument, name in names.items()},
        verifier=built.verifier(),
        inputs=(),
        outputs=None,
        setup_s=seconds,
        facts={"k": built.manifest.k, "rows": settings["num_rows"], "verifier_bytes": runtime, **facts},
        estimated=estimated,
        artifact=built,
    )


def _batches(windows: Sequence[Sequence[float]], batch: int, count: int) -> list[list[float]]:
    """The first `count` circuits' inputs, of `batch` windows each."""
    if len(windows) < batch * count:
        raise ModelError(f"{len(windows)} windows are not {count} batches of {batch}")
    return [[value for window in windows[at * batch : (at + 1) * batch] for value in window] for at in range(count)]


def np_float(rows: Any) -> np.ndarray:
    """Rows of Python integers of any size, as floats."""
    import numpy as np

    return np.array([[float(value) for value in row] for row in rows])


def reason(refusal: str) -> str:
    """The last of ezkl's reasons: of the scales that it tried last."""
    return refusal.rpartition("reason: ")[2]


def megabytes(size: int) -> float:
    """To a tenth."""
    return round(size / 1e6, 1)


def some(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Some of the entries."""
    return {name: values[name] for name in names}
