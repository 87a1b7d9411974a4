"""The cheapest circuit whose verdicts are those of the float model.

    1 scales      every pair of scales is tried on all samples with the integer reference: cheap, and exact
    2 digits      base, digits, columns and k of what passed; the bounds of the reference say how many digits are enough
    3 cost model  rows from ezkl's settings, cost estimated, ranked
    4 measure     the few best are keyed and proven

ezkl's own calibration chooses scales by numerical error on one sample, and leaves a table of 16,384 rows in every
circuit that has a ReLU. Here every window within the clip has a witness by construction: the digits hold the largest
value that interval arithmetic allows.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.core import encoding
from oracle.core.errors import ArtifactError, DataError, ModelError, ProverUnavailable
from oracle.proving import artifact, disclosure, graph
from oracle.proving.artifact import Visibility
from oracle.proving.engine.child import EngineProcess
from oracle.proving.imported import ImportedModel, Settings, legs_for
from oracle.proving.lowering import Program
from oracle.proving.reference import Circuit, instantiate
from oracle.proving.srs import SrsSource

if TYPE_CHECKING:
    import numpy as np

BASES = (64, 128, 256, 512, 1024)
COLUMNS = (1, 2, 3)
SEGMENTS = (8, 16, 32)
PARAM_SCALES = range(3, 15)
REBASES = (2, 3, 4, 6, 8)
"""Tried in this order where no scales fit without a division; the smaller, the fewer digits and the more slack."""

FINALISTS = 3
PROOFS = 3
_ENOUGH_S = 30.0
"""Proofs of a candidate that have taken so long are not repeated."""

_HOPELESS = 1.3
"""How much dearer than the best a candidate may be estimated and still be measured."""

WITNESSED_SAMPLES = 16
_BETTER = 0.85
"""A finalist replaces one that was ranked above it only if it measures this much cheaper: less is noise, and the choice
should be the same the next time."""


class Objective(StrEnum):
    """What is to be small."""

    TIME = "time"
    GAS = "gas"
    BOTH = "both"


class Rule(StrEnum):
    """How outputs are read as a verdict."""

    THRESHOLD = "threshold"
    ARGMAX = "argmax"
    TOLERANCE = "tolerance"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rule with its number.

    Attributes:
        rule: THRESHOLD: each output above `value` or not. ARGMAX: which output is the largest. TOLERANCE: no verdict;
            an output that is further than `value` from the float model's counts as a flip.
        value: In units of the model's output, final activation included.
    """

    rule: Rule
    value: float = 0.0


def flips(verdict: Verdict, computed: np.ndarray, expected: np.ndarray, threshold: float | None = None) -> np.ndarray:
    """Which verdicts differ between two models' outputs [count, outputs]: booleans [count].

    Args:
        verdict: How outputs are read.
        computed: A model's.
        expected: The other's.
        threshold: Of those computed, if it is another.
    """
    import numpy as np

    computed_at = verdict.value if threshold is None else threshold
    match verdict.rule:
        case Rule.ARGMAX:
            differ: np.ndarray = computed.argmax(axis=1) != expected.argmax(axis=1)
        case Rule.THRESHOLD:
            differ = ((computed > computed_at) != (expected > verdict.value)).any(axis=1)
        case Rule.TOLERANCE:
            differ = (np.abs(computed - expected) > verdict.value).any(axis=1)
    return differ


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How the integer model differs from the float model on the samples.

    Attributes:
        rule: The verdict's.
        value: Likewise.
        samples: How many.
        flips: Verdicts that differ, or that a prover could make differ where it may choose between two roundings.
        largest_error: Of an output, before a final activation that was left off; None if it can't be compared.
        clipped: Samples of which a feature was clipped.
        undecided: Of the flips, those that only such a choice makes. 0 for circuits that divide nothing.
    """

    rule: str
    value: float
    samples: int
    flips: int
    largest_error: float | None
    clipped: int
    undecided: int = 0

    @property
    def flips_per_10k(self) -> float:
        return 10_000 * self.flips / self.samples


@dataclass(frozen=True, slots=True)
class Candidate:
    """One choice of settings.

    Attributes:
        settings: The choice.
        segments: Of smooth activations; 0 if there are none.
        estimated: By the cost model.
        seconds: Measured, of a proof; None if it was not among the best.
        proof_bytes: Measured, likewise.
        memory: Measured, likewise.
        k: Measured, likewise.
        refused: Why it could not be proven, or "".
    """

    settings: Settings
    segments: int
    estimated: graph.Estimate
    seconds: float | None = None
    proof_bytes: int | None = None
    memory: int | None = None
    k: int | None = None
    refused: str = ""

    def cost(self, objective: Objective) -> float:
        """Measured where it was, else estimated."""
        seconds = self.estimated.seconds if self.seconds is None else self.seconds
        gas = self.gas()
        return {Objective.TIME: seconds, Objective.GAS: float(gas), Objective.BOTH: math.sqrt(seconds * gas)}[objective]

    def gas(self) -> int:
        """Estimated; from the proof's measured size, if it was."""
        return self.estimated.gas + (
            0 if self.proof_bytes is None else graph.gas_of_bytes(self.proof_bytes - self.estimated.proof_bytes)
        )


@dataclass(frozen=True, slots=True)
class Tuning:
    """What tuning found.

    Attributes:
        model: The chosen one.
        fidelity: Of it.
        candidates: All, best first.
        chosen: Index of the chosen one.
    """

    model: ImportedModel
    fidelity: Fidelity
    candidates: Sequence[Candidate]
    chosen: int

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "chosen": asdict(self.candidates[self.chosen].settings),
            "segments": self.candidates[self.chosen].segments,
            "fidelity": asdict(self.fidelity) | {"flips_per_10k": self.fidelity.flips_per_10k},
            "candidates": [
                asdict(each) | {"gas": each.gas(), "chosen": at == self.chosen}
                for at, each in enumerate(self.candidates)
            ],
        }


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be tuned.

    Attributes:
        name: The model's.
        data: The ONNX file.
        samples: Floats, [count, …].
        verdict: None: a threshold on one output, the largest of several.
        max_flips_per_10k: The gate.
        visibility: Of the weights.
        objective: What is to be small.
        output: Which output is published.
        keep_activation: Keep a final monotone activation.
        clip: Of a window's integers.
        memory: Bytes that proving may take; None: as the machine has.
        disclosure: "score", or "verdict": the circuit publishes that alone.
        whole: Whether one circuit is to hold the model; a split one may be larger than any.
    """

    name: str
    data: bytes
    samples: Any
    verdict: Verdict | None = None
    max_flips_per_10k: float = 1.0
    visibility: Visibility = Visibility.PRIVATE
    objective: Objective = Objective.TIME
    output: str | None = None
    keep_activation: bool = False
    clip: int = encoding.CLIP
    memory: int | None = None
    disclosure: str = "score"
    whole: bool = True

    def digest(self) -> str:
        """Of everything that the choice depends on."""
        import numpy as np

        samples = np.ascontiguousarray(self.samples, dtype=np.float64)
        document = {
            "onnx": hashlib.sha256(self.data).hexdigest(),
            "samples": [hashlib.sha256(samples.tobytes()).hexdigest(), list(samples.shape)],
            "verdict": self.verdict and asdict(self.verdict),
            "gate": self.max_flips_per_10k,
            "visibility": self.visibility,
            "objective": self.objective,
            "graph": [self.name, self.output, self.keep_activation, self.clip],
            "ezkl": artifact.ezkl_version(),
            "search": [BASES, COLUMNS, SEGMENTS, list(PARAM_SCALES), REBASES, FINALISTS],
        } | ({"disclosure": self.disclosure} if self.disclosure == "verdict" else {})
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


Progress = Callable[[str], None]


def tune(request: Request, srs: SrsSource, progress: Progress = lambda step: None) -> Tuning:
    """Finds the cheapest settings that pass the gate.

    Raises:
        ModelError: The model can't be proven, or no settings pass.
        DataError: The samples do not fit the model.
    """
    search = _Search(request, progress)
    candidates = search.candidates()
    with tempfile.TemporaryDirectory(prefix="oracle-tuning-") as folder, EngineProcess() as engine:
        ranked = _ranked(search, candidates, engine, Path(folder), progress)
        measured, chosen = _measured(search, ranked, engine, Path(folder), srs, progress)
    return search.result(measured, chosen)


def apply(request: Request, chosen: Mapping[str, Any], segments: int) -> tuple[ImportedModel, Fidelity]:
    """The model at settings that were chosen before, with its fidelity on these samples.

    Raises:
        ModelError: They do not fit the model, or it does not pass the gate with them.
    """
    try:
        settings = Settings(**chosen)
    except TypeError as error:
        raise ModelError(f"these are no settings: {error}") from error
    if settings.rebase and request.disclosure == "verdict":
        raise ModelError(f"{request.name}: a published verdict is exact, and these settings rebase; tune again")
    search = _Search(request, lambda step: None)
    circuit = instantiate(
        search.program(segments), settings.input_scale, settings.param_scale, request.clip, settings.rebase
    )
    fidelity = search.fidelity(circuit)
    if fidelity.flips_per_10k > request.max_flips_per_10k:
        raise ModelError(search.refusal(fidelity, settings.input_scale, settings.param_scale))
    return search.model(circuit, settings, segments, fidelity), fidelity


def coarsest(request: Request, progress: Progress = lambda step: None) -> tuple[Circuit, Fidelity, ImportedModel]:
    """The scales that pass the gate with the fewest digits: what a split model is cut at. Proves nothing.

    For each scale of the inputs the parameters' scale grows until the gate is passed: a larger one only costs digits.

    Raises:
        ModelError: The model can't be proven, or no settings pass.
        DataError: The samples do not fit the model.
    """
    search = _Search(request, progress)
    input_scales, segments = search.scales()
    found: list[tuple[tuple[int, int, float], Circuit, Fidelity, int]] = []
    nearest: tuple[Fidelity, int, int] | None = None
    words = ""
    for count in segments:
        for input_scale in input_scales:
            progress(f"scales: input 2^-{input_scale}" + (f", {count} segments" if count else ""))
            for param_scale in PARAM_SCALES:
                try:
                    circuit = instantiate(search.program(count), input_scale, param_scale, request.clip)
                except ModelError as error:
                    words = str(error)
                    break
                fidelity = search.fidelity(circuit)
                if nearest is None or fidelity.flips < nearest[0].flips:
                    nearest = (fidelity, input_scale, param_scale)
                if fidelity.flips_per_10k <= request.max_flips_per_10k:
                    cost = (circuit.decompositions, circuit.decomposed.bit_length(), fidelity.largest_error or 0.0)
                    found.append((cost, circuit, fidelity, count))
                    break
    if not found:
        if nearest is None:
            raise ModelError(f"{request.name}: no scales fit: {words}")
        raise ModelError(search.refusal(*nearest))
    _, circuit, fidelity, count = min(found, key=lambda each: each[0])
    base = BASES[0] if circuit.decomposed else 2
    settings = Settings(circuit.input_scale, circuit.param_scale, base, legs_for(base, circuit.decomposed))
    return circuit, fidelity, search.model(circuit, settings, count, fidelity)


def held_out(request: Request, model: ImportedModel, segments: int, samples: Any) -> Fidelity:
    """The fidelity of a tuned model on other samples than it was tuned on."""
    search = _Search(replace(request, samples=samples), lambda step: None)
    chosen = model.settings
    return search.fidelity(
        instantiate(search.program(segments), chosen.input_scale, chosen.param_scale, request.clip, chosen.rebase)
    )


class _Search:
    """Programs, float outputs and the gate of one request."""

    def __init__(self, request: Request, progress: Progress) -> None:
        self.request = request
        self.progress = progress
        self._programs: dict[int, Program] = {}
        self._verdicts: dict[int, Program] = {}
        self._circuits: dict[tuple[int, int, int], tuple[Circuit, Fidelity] | str] = {}
        progress("checking the model")
        program = self._scores(SEGMENTS[-1])
        self.samples = self._samples(program)
        self.verdict = request.verdict or Verdict(
            Rule.ARGMAX if program.outputs > 1 else Rule.THRESHOLD, _MIDDLE.get(program.dropped, 0.0)
        )
        if program.order_only and self.verdict.rule is not Rule.ARGMAX:
            raise ModelError(
                f"{request.name}: {program.order_only}, so that only the order of the outputs is that of the model: "
                "state --argmax, or export the model without it"
            )
        progress(f"float model on {len(self.samples)} samples")
        self.expected = _float_outputs(request, program, self.samples)
        if request.disclosure == "verdict" and self.verdict.rule is Rule.TOLERANCE:
            raise ModelError(f"{request.name}: with --tolerance there is no verdict that could be published alone")
        # Of a tolerance there is no other side of an activation.
        tolerance = self.verdict.rule is Rule.TOLERANCE
        self.threshold = self.verdict.value if tolerance else _before(program.dropped, self.verdict.value)

    def program(self, segments: int) -> Program:
        """What the circuit computes."""
        if self.request.disclosure == "score":
            return self._scores(segments)
        if segments not in self._verdicts:
            scores = self._scores(segments)
            argmax = self.verdict.rule is Rule.ARGMAX
            self._verdicts[segments] = (
                disclosure.largest(scores) if argmax else disclosure.above(scores, self.threshold)
            )
        return self._verdicts[segments]

    def _scores(self, segments: int) -> Program:
        if segments not in self._programs:
            request = self.request
            report = graph.inspect(
                request.data,
                request.name,
                output=request.output,
                segments=segments or SEGMENTS[-1],
                keep_activation=request.keep_activation,
                memory=request.memory,
                whole=request.whole,
            )
            self._programs[segments] = graph.check(report)
        return self._programs[segments]

    def _samples(self, program: Program) -> np.ndarray:
        import numpy as np

        try:
            samples = np.asarray(self.request.samples, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"the samples are no table of numbers: {error}") from error
        count = len(samples) if samples.ndim else 0
        if count < 1 or samples.size != count * program.features:
            raise DataError(
                f"the samples have the shape {samples.shape}; the model takes {program.features} numbers each"
            )
        samples = samples.reshape(count, program.features)
        if not np.isfinite(samples).all():
            at = [int(i) for i in np.argwhere(~np.isfinite(samples))[0]]
            raise DataError(f"sample {at[0]}, feature {at[1]} is not finite: leave such samples out")
        return samples

    def scales(self) -> tuple[Sequence[int], Sequence[int]]:
        """The scales of inputs to try, largest first, and the numbers of segments of smooth activations."""
        import numpy as np

        samples, clip = self.samples, self.request.clip
        largest = float(np.abs(samples).max())
        most = 12 if largest == 0 else min(12, math.floor(math.log2(clip / largest))) if largest <= clip else 0
        whole = bool((samples == np.rint(samples)).all())
        input_scales = [0] if whole or most == 0 else list(range(most, -1, -2))
        return input_scales, SEGMENTS if self.program(SEGMENTS[-1]).approximated else (0,)

    def candidates(self) -> list[tuple[Circuit, Settings, int]]:
        """All settings that pass the gate, cheapest digits per base only."""
        clip = self.request.clip
        input_scales, segments = self.scales()
        passing: list[tuple[Circuit, Fidelity, int]] = []
        nearest: tuple[Fidelity, int, int] | None = None
        words = ""
        # A published verdict is exact: a prover that may round could choose it.
        rebases = (0,) if self.request.disclosure == "verdict" else (0, *REBASES)
        for rebase, count, input_scale in itertools.product(rebases, segments, input_scales):
            if passing and passing[0][0].rebase != rebase:
                break  # what divides nothing, or less, is to be preferred
            told = f", {count} segments" * (count > 0) + f", rebased to {rebase} times the weights'" * (rebase > 0)
            self.progress(f"scales: input 2^-{input_scale}{told}")
            for param_scale in PARAM_SCALES:
                if rebase and rebase * param_scale < input_scale:
                    continue
                try:
                    circuit = instantiate(self.program(count), input_scale, param_scale, clip, rebase)
                except ModelError as error:
                    # Larger scales only make it worse.
                    words = words or str(error)
                    break
                fidelity = self.fidelity(circuit)
                if nearest is None or fidelity.flips < nearest[0].flips:
                    nearest = (fidelity, input_scale, param_scale)
                if fidelity.flips_per_10k <= self.request.max_flips_per_10k:
                    passing.append((circuit, fidelity, count))
        if not passing:
            if nearest is None:
                raise ModelError(f"{self.request.name}: no scales fit: {words}")
            raise ModelError(self.refusal(*nearest))

        def order(each: tuple[Circuit, Fidelity, int]) -> tuple[int, int, float]:
            # Fewer numbers to take apart, then a smaller error.
            return (each[0].decompositions, each[1].flips, each[1].largest_error or 0.0)

        found: dict[tuple[int, int], tuple[Circuit, Settings, int]] = {}
        for base in BASES if passing[0][0].decomposed else (2,):
            fewest = min(legs_for(base, circuit.decomposed) for circuit, _, _ in passing)
            least = min((e for e in passing if legs_for(base, e[0].decomposed) == fewest), key=order)
            chosen = least[0]
            settings = Settings(chosen.input_scale, chosen.param_scale, base, fewest, rebase=chosen.rebase)
            found[base, 0] = (least[0], settings, least[2])
        return list(found.values())

    def fidelity(self, circuit: Circuit) -> Fidelity:
        """The gate's numbers."""
        import numpy as np

        windows = circuit.quantise(self.samples)
        computed = circuit.evaluate(windows).astype(np.float64) / 2.0**circuit.output_scale
        # Scores before an activation inside an operator can't be had from the float model.
        comparable = not circuit.program.order_only or circuit.program.dropped in ("Softmax", "LogSoftmax")
        published = self.request.disclosure == "verdict"
        threshold = 0.5 if published else self.threshold
        error = float(np.abs(computed - self.expected).max()) if comparable and not published else None
        flipped = flips(replace(self.verdict, value=self.threshold), computed, self.expected, threshold)
        slack = circuit.slack / 2.0**circuit.output_scale
        undecided: Any
        match self.verdict.rule:
            case Rule.ARGMAX:
                ordered = np.sort(computed, axis=1)
                undecided = (ordered[:, -1] - ordered[:, -2] <= 2 * slack) & (slack > 0)
            case Rule.THRESHOLD:
                undecided = ((np.abs(computed - threshold) <= slack) & (slack > 0)).any(axis=1)
            case Rule.TOLERANCE:
                undecided = (np.abs(computed - self.expected) + slack > self.verdict.value).any(axis=1)
        clipped = (np.abs(np.rint(self.samples * 2.0**circuit.input_scale)) > circuit.clip).any(axis=1)
        return Fidelity(
            self.verdict.rule.value,
            self.verdict.value,
            len(windows),
            int((flipped | undecided).sum()),
            error,
            int(clipped.sum()),
            int((undecided & ~flipped).sum()),
        )

    def refusal(self, fidelity: Fidelity, input_scale: int, param_scale: int) -> str:
        allowed = self.request.max_flips_per_10k
        return (
            f"{self.request.name}: at best {fidelity.flips} of {fidelity.samples} verdicts flip against the float "
            f"model ({fidelity.flips_per_10k:.1f} per 10,000, at input scale {input_scale} and parameter scale "
            f"{param_scale}; {fidelity.clipped} samples are clipped, {fidelity.undecided} verdicts are a prover's to "
            f"choose), and {allowed:g} are allowed. Normalise the "
            "features, state another verdict (--threshold, --tolerance), or allow more (--max-flips)"
        )

    def model(self, circuit: Circuit, settings: Settings, segments: int, fidelity: Fidelity) -> ImportedModel:
        description: dict[str, Any] = {
            "source_sha256": hashlib.sha256(self.request.data).hexdigest(),
            "segments": segments,
            "fidelity": asdict(fidelity) | {"flips_per_10k": fidelity.flips_per_10k},
        }
        if self.request.disclosure == "verdict":
            description["verdict"] = {"rule": self.verdict.rule.value}
            if self.verdict.rule is Rule.THRESHOLD:
                description["verdict"]["threshold"] = disclosure.limit(circuit)
        return ImportedModel(self.request.name, circuit, settings, description, self.request.disclosure)

    def result(self, candidates: Sequence[tuple[Circuit, Candidate]], chosen: int) -> Tuning:
        circuit, candidate = candidates[chosen]
        fidelity = self.fidelity(circuit)
        model = self.model(circuit, candidate.settings, candidate.segments, fidelity)
        return Tuning(model, fidelity, [each for _, each in candidates], chosen)


def _ranked(
    search: _Search,
    found: Sequence[tuple[Circuit, Settings, int]],
    engine: EngineProcess,
    folder: Path,
    progress: Progress,
) -> list[tuple[Circuit, Candidate]]:
    """Columns and k as well; each with its estimate, cheapest first."""
    request = search.request
    private = request.visibility is Visibility.PRIVATE
    ranked: list[tuple[Circuit, Candidate]] = []
    progress("cost model")
    for circuit, settings, segments in found:
        onnx = folder / "candidate.onnx"
        onnx.write_bytes(circuit.to_onnx(1))
        for columns in COLUMNS:
            tried = replace(settings, columns=columns)
            model = ImportedModel(request.name, circuit, tried, disclosure=request.disclosure)
            arguments = artifact.run_args(model, request.visibility)
            written = engine.call(
                "gen_settings", model=str(onnx), settings=str(folder / "candidate.json"), run_args=arguments
            )
            table = settings.base if circuit.decomposed else 0
            least = max(artifact.least_k(written["num_rows"], table), graph.MIN_K)
            folded = written["num_rows"] + graph.FOLD_MARGIN >= 1 << least
            for k in (least, least + 1) if folded else (least,):
                cost = graph.estimate(
                    written["num_rows"],
                    instances=circuit.features + circuit.outputs + private,
                    private=private,
                    lookups=bool(circuit.decomposed),
                    columns=columns,
                    table=table,
                    k=k,
                )
                if cost.proof_bytes > graph.LARGEST_PROOF:
                    continue
                chosen = replace(settings, columns=columns, k=k)
                ranked.append((circuit, Candidate(chosen, segments, cost)))
    # Of equal cost, the one nearest to the float model comes first.
    error = {id(circuit): search.fidelity(circuit).largest_error or 0.0 for circuit, _, _ in found}
    ranked.sort(
        key=lambda each: (
            each[1].cost(request.objective),
            each[1].estimated.seconds,
            error[id(each[0])],
            each[1].settings,
        )
    )
    graph.check_cost(ranked[0][1].estimated, request.memory)
    return ranked


def _measured(
    search: _Search,
    ranked: list[tuple[Circuit, Candidate]],
    engine: EngineProcess,
    folder: Path,
    srs: SrsSource,
    progress: Progress,
) -> tuple[list[tuple[Circuit, Candidate]], int]:
    """Proves the best of each shape. Returns all candidates, and which was chosen."""
    objective = search.request.objective
    results = list(ranked)
    chosen: int | None = None
    tried = 0
    shapes: set[tuple[int, int]] = set()
    for at, (circuit, candidate) in enumerate(ranked):
        shape = (candidate.estimated.k, candidate.settings.columns)
        if tried == FINALISTS or candidate.cost(objective) > _HOPELESS * ranked[0][1].cost(objective):
            break
        if shape in shapes:
            # As many rows and columns cost the same, whatever is in them.
            continue
        progress(f"proving candidate {tried + 1}: {describe(candidate)}")
        outcome = _prove(search, circuit, candidate, engine, folder, srs)
        results[at] = (circuit, outcome)
        if outcome.refused:
            continue
        shapes.add(shape)
        tried += 1
        if chosen is None or outcome.cost(objective) < _BETTER * results[chosen][1].cost(objective):
            chosen = at
    if chosen is None:
        raise ModelError(f"no settings of {search.request.name} can be proven: {results[0][1].refused}")
    return results, chosen


def _prove(
    search: _Search, circuit: Circuit, candidate: Candidate, engine: EngineProcess, folder: Path, srs: SrsSource
) -> Candidate:
    """The candidate with what it measures, or with why it can't be proven. Keys show whether k is large enough."""
    outcome = candidate
    for k in (candidate.estimated.k, candidate.estimated.k + 1):
        outcome = _prove_at(search, circuit, candidate, k, engine, folder, srs)
        if not outcome.refused or "witness" in outcome.refused or "reference" in outcome.refused:
            break
    return outcome


def _prove_at(
    search: _Search,
    circuit: Circuit,
    candidate: Candidate,
    k: int,
    engine: EngineProcess,
    folder: Path,
    srs: SrsSource,
) -> Candidate:
    model = ImportedModel(search.request.name, circuit, candidate.settings, disclosure=search.request.disclosure)
    paths = {name: str(folder / name) for name in ("model", "settings", "circuit", "vk", "pk", "srs")}
    Path(paths["model"]).write_bytes(model.to_onnx(1))
    arguments = artifact.run_args(model, search.request.visibility)
    try:
        settings = engine.call("gen_settings", model=paths["model"], settings=paths["settings"], run_args=arguments)
        settings["run_args"]["logrows"] = k
        Path(paths["settings"]).write_text(json.dumps(settings))
        shutil.copyfile(srs.file(k).path, paths["srs"])
        engine.call("compile_circuit", model=paths["model"], circuit=paths["circuit"], settings=paths["settings"])
        windows = [list(window) for window in model.windows()]
        windows += circuit.quantise(search.samples[:WITNESSED_SAMPLES]).tolist()
        for window, expected in zip(windows, circuit.evaluate(windows).tolist(), strict=True):
            seen = engine.call("witness", circuit=paths["circuit"], inputs=window)["outputs"]
            if seen != expected:
                raise ArtifactError(f"the circuit computes {seen} for {window}, its integer reference {expected}")
        engine.call("setup", **_chosen(paths, "circuit", "vk", "pk", "srs"))
        proofs = []
        # A process of its own: its memory is the proof's alone.
        with EngineProcess() as prover:
            for _ in range(PROOFS):
                files = _chosen(paths, "circuit", "settings", "vk", "pk", "srs")
                proofs.append(prover.call("prove", inputs=windows[0], **files))
                if sum(sum(proof["seconds"].values()) for proof in proofs) > _ENOUGH_S:
                    break
            memory = prover.call("peak_memory")["bytes"]
    except (ArtifactError, ProverUnavailable) as error:
        return replace(candidate, refused=str(error))
    if len(proofs[0]["proof"]) // 2 > graph.LARGEST_PROOF:
        return replace(candidate, refused="no chain takes the verifier of so long a proof as its code")
    return replace(
        candidate,
        settings=replace(candidate.settings, k=k),
        seconds=min(sum(proof["seconds"].values()) for proof in proofs),
        proof_bytes=len(proofs[0]["proof"]) // 2,
        memory=memory,
        k=k,
    )


def _chosen(paths: Mapping[str, str], *names: str) -> dict[str, Any]:
    return {name: paths[name] for name in names}


def describe(candidate: Candidate) -> str:
    """One line for people."""
    settings = candidate.settings
    digits = f", {settings.legs} digits of base {settings.base}" if settings.base > 2 else ""
    columns = f", {settings.columns} column{'s' * (settings.columns > 1)}"
    rebase = f", rebase {settings.rebase}" if settings.rebase else ""
    return f"scales {settings.input_scale}/{settings.param_scale}{rebase}{digits}{columns}, k = {candidate.estimated.k}"


_MIDDLE = {"Sigmoid": 0.5, "HardSigmoid": 0.5, "Softplus": math.log(2)}
"""The output of a final activation at 0, where it is not 0."""

_ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "Sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "Tanh": math.tanh,
    "Erf": math.erf,
    "HardSigmoid": lambda x: min(1.0, max(0.0, 0.2 * x + 0.5)),
    "Softplus": lambda x: math.log1p(math.exp(x)),
}


def _before(activation: str, value: float) -> float:
    """The value that a final activation makes `value` of."""
    if activation not in _ACTIVATIONS:
        return value
    low, high = -40.0, 40.0
    for _ in range(200):
        middle = (low + high) / 2
        if _ACTIVATIONS[activation](middle) < value:
            low = middle
        else:
            high = middle
    return round(high, 12)


def float_outputs(data: bytes, samples: np.ndarray) -> np.ndarray:
    """The float model's outputs as they are: samples [count, …] → [count, outputs]."""
    import onnx

    model = onnx.load_model_from_string(data)
    return _outputs(model, str(model.graph.output[0].name), samples)


def _float_outputs(request: Request, program: Program, samples: np.ndarray) -> np.ndarray:
    """The float model's outputs, without a final activation that was left off."""
    import onnx

    model = onnx.load_model_from_string(request.data)
    wanted = request.output or str(model.graph.output[0].name)
    if program.dropped:
        maker = {str(name): node for node in model.graph.node for name in node.output}
        while maker[wanted].op_type != program.dropped:
            wanted = str(maker[wanted].input[0])
        wanted = str(maker[wanted].input[0])
        del model.graph.output[:]
        model.graph.output.append(onnx.helper.make_tensor_value_info(wanted, onnx.TensorProto.FLOAT, None))
    return _outputs(model, wanted, samples.reshape(len(samples), *program.input_shape))


def _outputs(model: Any, wanted: str, samples: np.ndarray) -> np.ndarray:
    import numpy as np

    names = {each.name for each in model.graph.initializer}
    run = _runner(model, next(each.name for each in model.graph.input if each.name not in names), wanted)
    rows = [np.asarray(run(sample[None]), dtype=np.float64).ravel() for sample in samples.astype(np.float32)]
    return np.array(rows)


def _runner(model: Any, name: str, wanted: str) -> Callable[[Any], Any]:
    try:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session: Any = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return lambda sample: session.run([wanted], {name: sample})[0]
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        evaluator: Any = ReferenceEvaluator(model)
        return lambda sample: evaluator.run([wanted], {name: sample})[0]


def plot(tuning: Tuning, path: Path) -> bool:
    """Time against gas of every candidate; False if matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(7, 4.5))
    axes = figure.subplots()
    for at, each in enumerate(tuning.candidates):
        seconds = each.estimated.seconds if each.seconds is None else each.seconds
        colour = "tab:red" if at == tuning.chosen else "tab:blue" if each.seconds is not None else "lightgrey"
        axes.scatter(seconds, each.gas(), color=colour, zorder=3 if each.seconds is not None else 2)
    axes.set_xscale("log")
    axes.set_xlabel("seconds per proof (grey: estimated, blue: measured, red: chosen)")
    axes.set_ylabel("gas to verify (estimated)")
    axes.set_title(tuning.model.name)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    # Without a date or a version in it, the same table makes the same file.
    figure.savefig(path, metadata={"Software": None})
    return True
