"""The result of tuning: every candidate with its cost, and the chosen model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oracle.proving.cost import Estimate, gas_of_bytes
from oracle.proving.imported import ImportedModel, Settings
from oracle.proving.tuning.fidelity import Fidelity
from oracle.proving.tuning.request import Objective


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
    estimated: Estimate
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
            0 if self.proof_bytes is None else gas_of_bytes(self.proof_bytes - self.estimated.proof_bytes)
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


def describe(candidate: Candidate) -> str:
    """One line for people."""
    settings = candidate.settings
    digits = f", {settings.legs} digits of base {settings.base}" if settings.base > 2 else ""
    columns = f", {settings.columns} column{'s' * (settings.columns > 1)}"
    rebase = f", rebase {settings.rebase}" if settings.rebase else ""
    return f"scales {settings.input_scale}/{settings.param_scale}{rebase}{digits}{columns}, k = {candidate.estimated.k}"


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
