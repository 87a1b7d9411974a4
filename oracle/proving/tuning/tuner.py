"""Tuning from end to end, and what else is done with settings that pass the gate."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from oracle.core.errors import ModelError
from oracle.proving.engine.child import EngineProcess
from oracle.proving.imported import ImportedModel, Settings
from oracle.proving.interface import Progress
from oracle.proving.reference.circuit import Circuit
from oracle.proving.srs.files import SrsSource
from oracle.proving.tuning.fidelity import Fidelity
from oracle.proving.tuning.measuring import measure, rank
from oracle.proving.tuning.request import Request
from oracle.proving.tuning.result import Tuning
from oracle.proving.tuning.search import Search


def tune(
    request: Request, srs: SrsSource, progress: Progress = lambda step: None, *, keep: Path | None = None
) -> Tuning:
    """Find the cheapest settings that pass the gate.

    Args:
        request: The request.
        srs: Gives the reference string.
        progress: Called with each step before it begins.
        keep: A folder for the keys of the chosen settings (`Tuning.made`), so that a build need not make them again;
            None: they are deleted.

    Raises:
        ModelError: The model can't be proven, or no settings pass.
        DataError: The samples do not fit the model.
    """
    search = Search(request, progress)
    candidates = search.candidates()
    search.gate.require_provable(min((circuit for circuit, *_ in candidates), key=lambda each: each.input_scale))
    with tempfile.TemporaryDirectory(prefix="oracle-tuning-") as folder, EngineProcess() as engine:
        ranked = rank(search, candidates, engine, Path(folder), progress)
        measured, chosen, made = measure(search, ranked, engine, keep or Path(folder), srs, progress)
    return replace(search.result(measured, chosen), made=made if keep else None)


def apply(request: Request, chosen: Mapping[str, Any], segments: int) -> tuple[ImportedModel, Fidelity]:
    """Return the model at settings that were chosen before, with its fidelity on these samples.

    Raises:
        ModelError: The settings do not fit the model, or the model does not pass the gate with them.
    """
    try:
        settings = Settings(**chosen)
    except TypeError as error:
        raise ModelError(f"these are not settings: {error}") from error
    search = Search(request, lambda step: None)
    circuit = search.circuit(segments, settings)
    if circuit.rebase and request.disclosure == "verdict" and not circuit.is_approximate:
        raise ModelError(f"{request.name}: a published verdict is exact, and these settings rebase; tune again")
    fidelity = search.gate.fidelity(circuit)
    if fidelity.flips_per_10k > request.max_flips_per_10k:
        raise ModelError(search.gate.refusal(fidelity, settings.input_scale, settings.param_scale))
    return search.model(circuit, settings, segments, fidelity), fidelity


def coarsest(request: Request, progress: Progress = lambda step: None) -> tuple[Circuit, Fidelity, ImportedModel]:
    """Find the scales that pass the gate with the fewest digits, at which a model is split. Nothing is proven.

    For each scale of the inputs the parameters' scale grows until the gate is passed: a larger one only costs digits.

    Raises:
        ModelError: The model can't be proven, or no settings pass.
        DataError: The samples do not fit the model.
    """
    search = Search(request, progress)
    candidates = search.candidates(first=True)
    search.gate.require_provable(min((circuit for circuit, *_ in candidates), key=lambda each: each.input_scale))
    circuit, settings, segments = min(
        candidates, key=lambda each: (each[0].decompositions, each[0].decomposed.bit_length(), each[1].base)
    )
    fidelity = search.gate.fidelity(circuit)
    return circuit, fidelity, search.model(circuit, settings, segments, fidelity)


def held_out(request: Request, model: ImportedModel, samples: Any) -> Fidelity:
    """Return the fidelity of a tuned model on other samples than it was tuned on."""
    return Search(replace(request, samples=samples), lambda step: None).gate.fidelity(model.circuit)
