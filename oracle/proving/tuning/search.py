"""The search for scales and digits that pass the fidelity gate, with the integer reference alone."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from oracle.core.errors import DataError, ModelError
from oracle.proving import disclosure
from oracle.proving.artifact import Visibility
from oracle.proving.imported import ImportedModel, Settings, legs_for
from oracle.proving.inspect.model import inspect_onnx, require_provable
from oracle.proving.interface import Progress
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.joining import with_own_scales
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.program import Program
from oracle.proving.reference.circuit import APPROXIMATE_REBASE, Circuit
from oracle.proving.reference.instantiate import TooCoarse, instantiate
from oracle.proving.tuning.fidelity import Fidelity, FidelityGate
from oracle.proving.tuning.float_model import scored_outputs
from oracle.proving.tuning.looked_up import (
    PUBLIC_VERDICTS,
    approximate_candidates,
    at_level,
    verdict_circuit,
)
from oracle.proving.tuning.request import BASES, PARAM_SCALES, REBASES, SEGMENTS, Request, Rule, VerdictRule
from oracle.proving.tuning.result import Candidate, Tuning

FINEST = 12
"""The largest input scale that is tried, if the largest number is 1 or more. Smaller numbers get as many bits.

Features with scales of their own are at most 1, and get one bit more.
"""

FINEST_OF_ALL = 20
"""The largest input scale that a circuit has."""

LEAST_SPREAD = 4
"""Features get scales of their own if the largest of one is more than 2^LEAST_SPREAD times that of another."""

NO_SCALES = "no exact circuit agrees with the float model on the samples"
"""The reason why a model that lowers exactly is approximate."""


def own_shifts(samples: np.ndarray) -> tuple[int, ...]:
    """Return for each feature the power of two that brings its largest number to between a half and 1.

    There are none if the features are of about one size, or are whole numbers.
    """
    largest = np.abs(samples).max(axis=0)
    if (samples == np.rint(samples)).all() or not largest.any():
        return ()
    bits = np.ceil(np.log2(np.where(largest > 0, largest, largest.max()))).astype(int)
    if bits.max() - bits.min() <= LEAST_SPREAD:
        return ()
    return tuple(int(-each) for each in bits)


def has_weights(request: Request) -> bool:
    """Return True if a circuit of the request's model has a number that could be hidden, or if it has no circuit."""
    verdict = request.verdict
    if verdict is not None and verdict.rule is Rule.THRESHOLD and abs(verdict.value) >= disclosure.NEGLIGIBLE:
        return True
    model = read_model(request.data, request.name)
    sample = np.shape(request.samples)[1:]
    program, _ = lower(model, output=request.output, keep_activation=request.keep_activation, sample=sample)
    if program is None or any(_is_telling(constant) for constant in program.constants.values()):
        return True
    try:
        return instantiate(program, 0, PARAM_SCALES[-1], request.clip).weights > 0
    except ModelError:
        return True


def _is_telling(constant: Any) -> bool:
    """Return True if a constant has a number that never falls away, as 0, 1 and lone powers of two may."""
    return bool(((constant != 0) & (constant != 1)).any()) and constant.size > 1


_FAR = 2.0**126
"""No integer of a circuit is as large, so no output is."""

_ROOM = 2.0
"""A narrow range is this many times that of the samples."""


@dataclass(frozen=True, slots=True)
class Passing:
    """Scales that pass the gate.

    Attributes:
        circuit: The circuit at these scales.
        fidelity: Its fidelity on all samples.
        segments: Pieces of smooth activations; 0 if there are none.
        way: The rebase, and True if inputs have a narrow range.
    """

    circuit: Circuit
    fidelity: Fidelity
    segments: int
    way: tuple[int, bool] = (0, False)

    def settings(self, base: int, legs: int, request: Request) -> Settings:
        """Return the settings with digits of this base."""
        circuit = self.circuit
        clip = circuit.clip if circuit.clip != request.clip else 0
        return Settings(circuit.input_scale, circuit.param_scale, base, legs, rebase=circuit.rebase, clip=clip)


def _digits(circuit: Circuit, base: int) -> tuple[int, int]:
    """Return the digits of each number that is taken apart, and how many of these numbers there are."""
    return legs_for(base, circuit.decomposed), circuit.decompositions


def _distance(fidelity: Fidelity) -> tuple[float, float]:
    """Return how far a circuit is from the float model: by its flips, then by its error."""
    return fidelity.flips_per_10k, fidelity.largest_error or 0.0


class Search:
    """The search of one request: its programs, its float outputs, and its gate.

    Raises:
        ModelError: The model can't be proven, or its verdict can't be read or published.
        DataError: The samples do not fit the model.
    """

    def __init__(self, request: Request, progress: Progress) -> None:
        self.request = request
        self.progress = progress
        self._programs: dict[int, Program] = {}
        self._verdicts: dict[int, Program] = {}
        self._shifts: tuple[int, ...] = ()
        self._looks_up = False
        progress("checking the model")
        program = self._scores(SEGMENTS[-1])
        for note in program.notes:
            progress(note)
        if program.looked_up:
            if request.disclosure == "verdict" and request.visibility is Visibility.PUBLIC:
                raise ModelError(f"{request.name}: {PUBLIC_VERDICTS}")
            progress(f"approximate: no exact circuit has {', '.join(program.looked_up[:3])}")
        self.samples = self._samples(program)
        self._shifts = own_shifts(self.samples)
        self._programs.clear()
        program = self._scores(SEGMENTS[-1])
        if program.shifts and any(program.shifts):
            progress(f"features differ in size by more than {1 << LEAST_SPREAD}: each has a scale of its own")
        rule = Rule.ARGMAX if program.outputs > 1 else Rule.THRESHOLD
        self.verdict = request.verdict or VerdictRule(
            Rule.LABEL if program.is_label else rule, program.tail.middle if program.tail else 0.0
        )
        if program.order_only and self.verdict.rule is not Rule.ARGMAX:
            raise ModelError(
                f"{request.name}: {program.order_only}, so that only the order of the outputs is that of the model: "
                "state --argmax, or export the model without it"
            )
        progress(f"float model on {len(self.samples)} samples")
        expected = scored_outputs(request, program, self.samples)
        if request.disclosure == "verdict" and self.verdict.rule is Rule.TOLERANCE:
            raise ModelError(f"{request.name}: with --tolerance there is no verdict that could be published alone")
        # A tolerance is a distance, which has no value before the activation.
        tolerance = self.verdict.rule is Rule.TOLERANCE
        self.threshold = self.verdict.value
        if program.tail is not None and not tolerance:
            self.threshold = program.tail.before(self.verdict.value)
        if not abs(self.verdict.value) < _FAR:
            raise ModelError(
                f"{request.name}: {self.verdict.value:g} is no {self.verdict.rule} of integers: state another"
            )
        if not math.isfinite(self.threshold):
            raise ModelError(
                f"{request.name}: the final {program.dropped} is always on one side of {self.verdict.value:g}, so that "
                "all verdicts are the same: state another --threshold"
            )
        self.gate = FidelityGate(request, self.verdict, self.threshold, self.samples, expected)

    def program(self, segments: int) -> Program:
        """Return the program that the circuit computes, with this many pieces of smooth activations."""
        if self.request.disclosure == "score" or self.verdict.rule is Rule.LABEL:
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
            report = inspect_onnx(
                request.data,
                request.name,
                output=request.output,
                segments=segments or SEGMENTS[-1],
                keep_activation=request.keep_activation,
                memory=request.memory,
                whole=request.whole,
                sample=np.shape(request.samples)[1:],
                approximate=request.approximate,
                exact=not self._looks_up,
            )
            program = require_provable(report)
            shifts = self._shifts or (0,) * program.features
            self._programs[segments] = with_own_scales(program, shifts) or program
        return self._programs[segments]

    def _may_approximate(self) -> bool:
        is_shown = self.request.disclosure == "verdict" and self.request.visibility is Visibility.PUBLIC
        return self.request.approximate and not is_shown

    def look_up(self) -> bool:
        """Look functions up although the model lowers exactly, if the request allows it and the model has any.

        Returns:
            True if the programs have changed.
        """
        if self._looks_up or not self._may_approximate() or self._scores(SEGMENTS[-1]).looked_up:
            return False
        before = dict(self._programs), dict(self._verdicts)
        self._looks_up = True
        self._programs.clear()
        self._verdicts.clear()
        if self._scores(SEGMENTS[-1]).looked_up:
            return True
        self._looks_up = False
        self._programs, self._verdicts = before
        return False

    def circuit(self, segments: int, settings: Settings) -> Circuit:
        """Return the circuit at scales that were chosen.

        Raises:
            ModelError: Values can exceed the circuit's integers.
        """
        if settings.rebase == APPROXIMATE_REBASE:
            self.look_up()
            scores = self._scores(segments)
            circuit = at_level(self.request, scores, self.samples, settings.param_scale)
            published = self.request.disclosure == "verdict"
            return verdict_circuit(self.gate, scores, circuit) if published else circuit
        program = self.program(segments)
        return instantiate(
            program, settings.input_scale, settings.param_scale, settings.clip or self.request.clip, settings.rebase
        )

    def _samples(self, program: Program) -> np.ndarray:
        try:
            samples = np.asarray(self.request.samples, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"the samples are not a table of numbers: {error}") from error
        count = len(samples) if samples.ndim else 0
        if count < 1 or samples.size != count * program.features:
            raise DataError(
                f"the samples have the shape {samples.shape}; the model takes {program.features} numbers each"
                + "".join(f", {each.name!r} {each.shape}" for each in program.inputs)
            )
        samples = samples.reshape(count, program.features)
        if not np.isfinite(samples).all():
            at = [int(i) for i in np.argwhere(~np.isfinite(samples))[0]]
            raise DataError(f"sample {at[0]}, feature {at[1]} is not finite: leave such samples out")
        return samples

    def scales(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return the input scales to try, largest first, and the numbers of pieces of smooth activations."""
        clip = self.request.clip
        samples = self.samples * 2.0 ** np.array(self.program(SEGMENTS[-1]).shifts or (0,), dtype=np.float64)
        largest = float(np.abs(samples).max())
        finer = -math.ceil(math.log2(largest)) if 0 < largest < 1 else 0
        finest = min(FINEST + finer + any(self._shifts), FINEST_OF_ALL)
        most = finest if largest == 0 else min(finest, math.floor(math.log2(clip / largest))) if largest <= clip else 0
        whole = bool((samples == np.rint(samples)).all())
        input_scales = [0] if whole or most == 0 else list(range(most, -1, -2))
        return input_scales, SEGMENTS if self.program(SEGMENTS[-1]).approximated else (0,)

    def _finer(self, finest: int) -> list[int]:
        """Return the finest input scale that clips no sample, if it is finer than all others: steps may be close by."""
        samples = self.samples * 2.0 ** np.array(self.program(SEGMENTS[-1]).shifts or (0,), dtype=np.float64)
        largest = float(np.abs(samples).max())
        if not 0 < largest <= self.request.clip or bool((samples == np.rint(samples)).all()):
            return []
        most = min(FINEST_OF_ALL, math.floor(math.log2(self.request.clip / largest)))
        return [most] if most > finest else []

    def candidates(self, *, first: bool = False) -> list[tuple[Circuit, Settings, int]]:
        """Return the settings that pass the gate, for each base only those with the cheapest digits.

        If no exact settings pass, and the request allows it, functions are looked up, and values are divided.

        Args:
            first: See `passing`.

        Raises:
            ModelError: No settings pass.
        """
        program = self._scores(SEGMENTS[-1])
        if program.looked_up:
            segments = SEGMENTS[-1] if program.approximated else 0
            return approximate_candidates(self.gate, program, segments, self.progress)
        # A published verdict must be exact: a prover that may round could choose it.
        try:
            passing = self.passing((0,) if self.request.disclosure == "verdict" else (0, *REBASES), first=first)
        except ModelError as error:
            if not self._may_approximate():
                raise
            self.progress(f"approximate: {NO_SCALES} ({str(error).partition(' (')[0]})")
            self.look_up()
            program = self._scores(SEGMENTS[-1])
            segments = SEGMENTS[-1] if program.approximated else 0
            try:
                return approximate_candidates(self.gate, program, segments, self.progress)
            except ModelError as other:
                raise ModelError(f"{error}. Approximately: {other}") from other

        def order(each: Passing) -> tuple[int, int, float]:
            # Fewer numbers to take apart, then a smaller error.
            return (each.circuit.decompositions, each.fidelity.flips, each.fidelity.largest_error or 0.0)

        found = []
        for base in BASES if passing[0].circuit.decomposed else (2,):
            fewest = min(legs_for(base, each.circuit.decomposed) for each in passing)
            least = min((each for each in passing if legs_for(base, each.circuit.decomposed) == fewest), key=order)
            found.append((least.circuit, least.settings(base, fewest, self.request), least.segments))
        return found

    def _narrow(self, input_scale: int) -> int:
        """Return the clip of a narrow range: room for twice the largest input of the samples."""
        samples = self.samples * 2.0 ** np.array(self.program(SEGMENTS[-1]).shifts or (0,), dtype=np.float64)
        return max(1, min(self.request.clip, math.ceil(_ROOM * float(np.abs(samples).max()) * 2.0**input_scale)))

    def passing(self, rebases: Sequence[int], *, first: bool = False) -> list[Passing]:
        """Return the scales that pass the gate, without those that can't be the cheapest.

        Where the integers end, inputs get a narrow range before anything is divided: the circuit is still exact.

        Bits grow with the scale of the weights, and finer inputs cost none. So once scales pass, what needs more digits
        with every base is left out, with all finer weights; and coarser inputs are only tried with weights that are as
        coarse as those that passed before, or one step coarser. Before scales pass, coarser inputs are only tried with
        finer weights than those that failed; and if all have failed, the finest inputs that are not clipped are tried.

        Args:
            rebases: The rebases to try, in this order. All settings have the same.
            first: True: of each scale of the inputs only the coarsest weights are wanted.

        Raises:
            ModelError: No scales pass.
        """
        found: list[Passing] = []
        nearest: tuple[Fidelity, Circuit] | None = None
        words = coarse = ""
        input_scales, segments = self.scales()
        failed: dict[tuple[int, int], int] = {}
        ways = [(rebases[0], False), (rebases[0], True), *((rebase, False) for rebase in rebases[1:])]
        for (rebase, narrow), count in itertools.product(ways, segments):
            if (found and found[0].way != (rebase, narrow)) or ((rebase or narrow) and nearest and not words):
                break  # a wide range, and dividing nothing, is preferred; and the others only help where integers end
            coarsest = PARAM_SCALES[0]
            finer = [] if rebase or narrow else self._finer(input_scales[0])
            for input_scale in (*input_scales, *finer):
                if found and input_scale in finer:
                    break
                if not found:
                    coarsest = PARAM_SCALES[0]
                    if input_scale not in finer:
                        coarsest = max(coarsest, failed.get((rebase, count), 0) + 1)
                told = f", {count} segments" * (count > 0) + f", rebased to {rebase} times the weights'" * (rebase > 0)
                clip = self._narrow(input_scale) if narrow else self.request.clip
                if narrow and clip == self.request.clip:
                    continue
                told += f", within ±{clip}" * narrow
                self.progress(f"scales: input 2^-{input_scale}{told}")
                passed = False
                for param_scale in range(coarsest, PARAM_SCALES[-1] + 1):
                    if rebase and rebase * param_scale < input_scale:
                        continue
                    try:
                        circuit = instantiate(self.program(count), input_scale, param_scale, clip, rebase)
                    except TooCoarse as error:
                        coarse = str(error)
                        continue
                    except ModelError as error:
                        # Larger scales would exceed the integers even further.
                        words = words or str(error)
                        break
                    if self.request.visibility is Visibility.PRIVATE and not circuit.weights:
                        # All weights round to 0 or 1, so that there is no hash of them.
                        continue
                    if found and all(
                        _digits(circuit, base) > min(_digits(e.circuit, base) for e in found) for base in BASES
                    ):
                        break
                    fidelity = self.gate.rejects(circuit)
                    if fidelity is None:
                        fidelity = self.gate.fidelity(circuit)
                    if nearest is None or _distance(fidelity) < _distance(nearest[0]):
                        nearest = (fidelity, circuit)
                    if (
                        fidelity.samples == len(self.samples)
                        and fidelity.flips_per_10k <= self.request.max_flips_per_10k
                    ):
                        found.append(Passing(circuit, fidelity, count, (rebase, narrow)))
                        if not passed:
                            coarsest = max(PARAM_SCALES[0], param_scale - 1)
                        passed = True
                        if first:
                            break
                    else:
                        failed[rebase, count] = max(failed.get((rebase, count), 0), param_scale)
                if passed and not found[-1].circuit.decomposed:
                    break  # without digits nothing is cheaper, and coarser inputs are further from the float model
        if found:
            return found
        if nearest is None:
            raise ModelError(f"{self.request.name}: no scales fit: {words or coarse}")
        circuit = nearest[1]
        raise ModelError(self.gate.refusal(self.gate.fidelity(circuit), circuit.input_scale, circuit.param_scale))

    def model(self, circuit: Circuit, settings: Settings, segments: int, fidelity: Fidelity) -> ImportedModel:
        """Return the model at settings that pass the gate."""
        description: dict[str, Any] = {
            "source_sha256": hashlib.sha256(self.request.data).hexdigest(),
            "segments": segments,
            "fidelity": asdict(fidelity) | {"flips_per_10k": fidelity.flips_per_10k},
        }
        if self._looks_up or (circuit.is_approximate and not circuit.program.looked_up):
            description["approximate_because"] = NO_SCALES
        if self.request.disclosure == "verdict":
            description["verdict"] = {"rule": self.verdict.rule.value}
            if self.verdict.rule is Rule.THRESHOLD:
                description["verdict"]["threshold"] = disclosure.limit(circuit)
            if (band := disclosure.band_of(circuit)) is not None:
                description["verdict"]["band"] = band
        return ImportedModel(self.request.name, circuit, settings, description, self.request.disclosure)

    def result(self, candidates: Sequence[tuple[Circuit, Candidate]], chosen: int) -> Tuning:
        """Return the result, given all candidates and the index of the chosen one."""
        circuit, candidate = candidates[chosen]
        fidelity = self.gate.fidelity(circuit)
        model = self.model(circuit, candidate.settings, candidate.segments, fidelity)
        return Tuning(model, fidelity, [each for _, each in candidates], chosen)
