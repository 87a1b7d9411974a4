"""The fidelity gate: how many verdicts of a circuit differ from those of the float model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from oracle.core.errors import DataError
from oracle.proving.reference.circuit import Circuit
from oracle.proving.tuning.request import Request, Rule, VerdictRule

_LOOKS = (8, 64)
"""Samples that scales are tried on before all: most fail on these, and a search tries dozens."""


_SAME = 0.25
"""Labels that are nearer to each other than this are one."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """The differences between the integer model and the float model on the samples.

    Attributes:
        rule: The verdict's rule.
        value: The verdict's value.
        samples: Number of samples.
        flips: Verdicts that differ, or that a prover could make differ where it may choose between two roundings.
        largest_error: Largest error of an output, before a final activation that was left off; None if outputs can't be
            compared.
        clipped: Samples of which a feature was clipped.
        undecided: Flips that only a prover's choice makes, 0 for circuits that divide nothing. Of an approximate
            circuit, the samples within the guard band, which are no flips.
        errors: Largest error of each output; empty if outputs can't be compared.
        alike: True if the float model gives all samples one verdict: coarse scales then flip none, too.
    """

    rule: str
    value: float
    samples: int
    flips: int
    largest_error: float | None
    clipped: int
    undecided: int = 0
    errors: tuple[float, ...] = ()
    alike: bool = False

    @property
    def flips_per_10k(self) -> float:
        """Flips per 10,000 samples."""
        return 10_000 * self.flips / self.samples


def flips(
    verdict: VerdictRule, computed: np.ndarray, expected: np.ndarray, threshold: float | None = None
) -> np.ndarray:
    """Return for each sample if the verdicts of two models differ: booleans [count].

    Args:
        verdict: How outputs are read.
        computed: One model's outputs [count, outputs].
        expected: The other model's outputs [count, outputs].
        threshold: Threshold of the computed outputs, if it is another.
    """
    computed_at = verdict.value if threshold is None else threshold
    match verdict.rule:
        case Rule.ARGMAX:
            differ: np.ndarray = computed.argmax(axis=1) != expected.argmax(axis=1)
        case Rule.THRESHOLD:
            differ = ((computed > computed_at) != (expected > verdict.value)).any(axis=1)
        case Rule.LABEL:
            differ = (np.abs(computed - expected) > _SAME).any(axis=1)
        case Rule.TOLERANCE:
            differ = (np.abs(computed - expected) > verdict.value).any(axis=1)
    return differ


class FidelityGate:
    """The gate that settings have to pass: few enough verdicts may differ from those of the float model.

    Args:
        request: Says how many.
        verdict: How outputs are read.
        threshold: The verdict's value, before a final activation that was left off.
        samples: Floats, [count, features].
        expected: The float model's outputs, before a final activation that was left off, [count, outputs].
    """

    def __init__(
        self, request: Request, verdict: VerdictRule, threshold: float, samples: np.ndarray, expected: np.ndarray
    ) -> None:
        self.request = request
        self.verdict = verdict
        self.threshold = threshold
        self.samples = samples
        self.expected = expected

    def rejects(self, circuit: Circuit) -> Fidelity | None:
        """Return the fidelity on a few samples if more verdicts flip on these alone than on all may; else None."""
        for count in (each for each in _LOOKS if each < len(self.samples)):
            few = FidelityGate(
                self.request, self.verdict, self.threshold, self.samples[:count], self.expected[:count]
            ).fidelity(circuit)
            if 10_000 * few.flips > self.request.max_flips_per_10k * len(self.samples):
                return few
        return None

    def fidelity(self, circuit: Circuit) -> Fidelity:
        """Return how a circuit differs from the float model on the samples."""
        windows = circuit.quantise(self.samples)
        computed = circuit.evaluate(windows).astype(np.float64) / 2.0**circuit.output_scale
        # The float model does not give the scores before an activation that is inside an operator.
        comparable = not circuit.program.order_only or circuit.program.dropped in ("Softmax", "LogSoftmax")
        published = self.request.disclosure == "verdict"
        threshold = 0.5 if published else self.threshold
        error = float(np.abs(computed - self.expected).max()) if comparable and not published else None
        flipped = flips(replace(self.verdict, value=self.threshold), computed, self.expected, threshold)
        errors = np.abs(computed - self.expected).max(axis=0) if error is not None else np.zeros(0)
        slack: Any = circuit.slack / 2.0**circuit.output_scale
        # In an approximate circuit, what is within the guard band is undecided, and no flip.
        is_banded = circuit.is_approximate
        if is_banded and errors.size and self.verdict.rule is not Rule.TOLERANCE:
            slack = slack + float(errors.max())
        if is_banded and published:
            return self._decided(circuit, computed)
        undecided: Any
        match self.verdict.rule:
            case Rule.ARGMAX:
                ordered = np.sort(computed, axis=1)
                undecided = (ordered[:, -1] - ordered[:, -2] <= 2 * slack) & (slack > 0)
            case Rule.THRESHOLD:
                undecided = ((np.abs(computed - threshold) <= slack) & (slack > 0)).any(axis=1)
            case Rule.LABEL:
                undecided = np.full(len(computed), slack > 0)
            case Rule.TOLERANCE:
                undecided = (np.abs(computed - self.expected) + slack > self.verdict.value).any(axis=1)
        clipped = (np.abs(circuit.scaled(self.samples)) > circuit.clip).any(axis=1)
        return Fidelity(
            self.verdict.rule.value,
            self.verdict.value,
            len(windows),
            int((flipped if is_banded else flipped | undecided).sum()),
            error,
            int(clipped.sum()),
            int((undecided if is_banded else undecided & ~flipped).sum()),
            tuple(float(each) for each in errors),
            self._alike(),
        )

    def _decided(self, circuit: Circuit, computed: np.ndarray) -> Fidelity:
        """Return the fidelity of verdicts that keep to a guard band within the circuit: 0 is undecided."""
        if self.verdict.rule is Rule.ARGMAX:
            undecided = (computed == 0).all(axis=1)
            flipped = ~undecided & (computed.argmax(axis=1) != self.expected.argmax(axis=1))
        else:
            undecided = (computed == 0).any(axis=1)
            flipped = ((computed != 0) & ((computed > 0) != (self.expected > self.threshold))).any(axis=1)
        clipped = (np.abs(circuit.scaled(self.samples)) > circuit.clip).any(axis=1)
        return Fidelity(
            self.verdict.rule.value,
            self.verdict.value,
            len(computed),
            int(flipped.sum()),
            None,
            int(clipped.sum()),
            int(undecided.sum()),
            alike=self._alike(),
        )

    def _alike(self) -> bool:
        """Return True if the float model gives all samples, of which there are several, one verdict."""
        match self.verdict.rule:
            case Rule.ARGMAX:
                verdicts: np.ndarray = self.expected.argmax(axis=1)[:, None]
            case Rule.THRESHOLD:
                verdicts = self.expected > self.threshold
            case Rule.LABEL:
                verdicts = self.expected
            case Rule.TOLERANCE:
                return False
        return len(verdicts) > 1 and bool((verdicts == verdicts[0]).all())

    def require_provable(self, circuit: Circuit) -> None:
        """Refuse scales at which no sample could be proven: a fidelity on clipped inputs says nothing.

        Raises:
            DataError: Each sample has a number outside of the range of inputs.
        """
        if (np.abs(circuit.scaled(self.samples)) > circuit.clip).any(axis=1).all():
            raise DataError(
                f"{self.request.name}: all {len(self.samples)} samples have numbers outside of the range of inputs, so "
                f"that none could be proven; the largest is {np.abs(self.samples).max():.3g}. Scale the features"
            )

    def refusal(self, fidelity: Fidelity, input_scale: int, param_scale: int) -> str:
        """Return a message that says why the best settings don't pass, and what to change."""
        allowed = self.request.max_flips_per_10k
        return (
            f"{self.request.name}: at best {fidelity.flips} of {fidelity.samples} verdicts flip against the float "
            f"model ({fidelity.flips_per_10k:.1f} per 10,000, at input scale {input_scale} and parameter scale "
            f"{param_scale}; {fidelity.clipped} samples are clipped, a prover could choose {fidelity.undecided} "
            f"verdicts), and {allowed:g} are allowed. Normalise the features, state another verdict (--threshold, "
            "--tolerance), or allow more (--max-flips)"
        )
