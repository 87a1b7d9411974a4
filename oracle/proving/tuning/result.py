"""The result of tuning: every candidate with its cost, and the chosen model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from oracle.proving.artifact.made import Made
from oracle.proving.cost import Estimate, gas_of_bytes
from oracle.proving.imported import ImportedModel, Settings
from oracle.proving.tuning.fidelity import Fidelity
from oracle.proving.tuning.request import Objective


@dataclass(frozen=True, slots=True)
class Candidate:
    """One choice of settings.

    Attributes:
        settings: The settings.
        segments: Pieces of smooth activations; 0 if there are none.
        estimated: Cost by the cost model.
        seconds: Measured time of a proof; None if the candidate was not measured.
        proof_bytes: Measured length of a proof, or None.
        memory: Measured memory, or None.
        k: Measured k, or None.
        refused: Reason why it could not be proven, or "".
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
        """Return the quantity that should be small: measured if it was, else estimated."""
        seconds = self.estimated.seconds if self.seconds is None else self.seconds
        gas = self.gas()
        return {Objective.TIME: seconds, Objective.GAS: float(gas), Objective.BOTH: math.sqrt(seconds * gas)}[objective]

    def gas(self) -> int:
        """Return the estimated gas, from the proof's measured size if there is one."""
        return self.estimated.gas + (
            0 if self.proof_bytes is None else gas_of_bytes(self.proof_bytes - self.estimated.proof_bytes)
        )


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result of tuning.

    Attributes:
        model: The chosen model.
        fidelity: Fidelity of the chosen model.
        candidates: All candidates, best first.
        chosen: Index of the chosen one.
        made: Keys and a first proof of the chosen one, if they are to be kept.
    """

    model: ImportedModel
    fidelity: Fidelity
    candidates: Sequence[Candidate]
    chosen: int
    made: Made | None = None

    def document(self) -> dict[str, Any]:
        """Return the result as JSON."""
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
    """Return a candidate's settings as one line for people."""
    settings = candidate.settings
    digits = f", {settings.legs} digits of base {settings.base}" if settings.base > 2 else ""
    columns = f", {settings.columns} column{'s' * (settings.columns > 1)}"
    rebase = f", rebase {settings.rebase}" if settings.rebase else ""
    return f"scales {settings.input_scale}/{settings.param_scale}{rebase}{digits}{columns}, k = {candidate.estimated.k}"
