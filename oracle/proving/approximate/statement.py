"""The statement of a manifest on its prover's freedom, derived again from the graph that everybody can read."""

from __future__ import annotations

import math
from collections.abc import Iterator

from oracle.core.errors import ModelError
from oracle.proving.artifact.manifest import Manifest, Visibility
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.reference.instantiate import instantiate


def band_problems(manifest: Manifest, graph: bytes) -> Iterator[str]:
    """Yield what is wrong with the guard band of a public model that is not exact.

    The largest errors are measured on samples that only the maker has, and are taken as stated.

    Args:
        manifest: The artifact's.
        graph: Its graph.
    """
    facts = manifest.imported or {}
    if manifest.exact or manifest.visibility is not Visibility.PUBLIC:
        return
    program, problems = lower(read_model(graph, manifest.name), keep_activation=True, approximate=True)
    if program is None:
        yield f"its graph is of another release: {problems[0]}"
        return
    try:
        circuit = instantiate(program, 0, manifest.param_scale, int(facts["clip"]), int(facts["rebase"]))
    except (KeyError, TypeError, ValueError, ModelError) as refusal:
        yield f"nobody can derive what its prover may choose: {refusal}"
        return
    table = None if circuit.looked_up is None else list(circuit.looked_up)
    if facts.get("table") != table:
        yield f"its manifest states a table of {facts.get('table')}, and its graph needs {table}"
    errors = manifest.errors or (0.0,) * manifest.outputs
    for at, (error, band) in enumerate(zip(errors, manifest.guard_band, strict=True)):
        least = circuit.slack + math.ceil(error * manifest.score_unit)
        if band < least:
            yield (
                f"the guard band of output {at} is {band:,}: a prover may move it by {circuit.slack:,}, and with its "
                f"error of {error:g} the band must be at least {least:,}"
            )
