"""The statement of a manifest on its prover's freedom, derived again from the graph that everybody can read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from oracle.core.errors import ModelError
from oracle.proving.artifact.manifest import Manifest, Visibility
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.reference.instantiate import instantiate


def band_problems(manifest: Manifest, graph: bytes) -> Iterator[str]:
    """Yield what is wrong with the guard band of a public model that is not exact.

    The largest errors are measured on samples that only the maker has, and are taken as stated. Of a segment nobody can
    derive anything alone: see `split.chain_problems`.

    Args:
        manifest: The artifact's.
        graph: Its graph.
    """
    facts = manifest.imported or {}
    if manifest.exact or manifest.visibility is not Visibility.PUBLIC or manifest.hashed:
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
    if (unit := 1 << circuit.output_scale) != manifest.score_unit:
        yield f"its outputs are multiples of 1 / {unit}, and its manifest says 1 / {manifest.score_unit}"
    table = None if circuit.looked_up is None else list(circuit.looked_up)
    if facts.get("table") != table:
        yield f"its manifest states a table of {facts.get('table')}, and its graph needs {table}"
    yield from narrow_bands(manifest.errors, manifest.guard_band, manifest.score_unit, circuit.slack)


def narrow_bands(errors: Sequence[float], bands: Sequence[int], unit: int, slack: int) -> Iterator[str]:
    """Yield which guard bands are narrower than they must be.

    Args:
        errors: The stated largest error of each output; empty if outputs can't be compared.
        bands: The stated guard bands, in published integers.
        unit: The published integer that stands for an output of 1.
        slack: How far a prover can move an output.
    """
    for at, (error, band) in enumerate(zip(errors or (0.0,) * len(bands), bands, strict=True)):
        least = slack + math.ceil(error * unit)
        if band < least:
            yield (
                f"the guard band of output {at} is {band:,}: a prover may move it by {slack:,}, and with its "
                f"error of {error:g} the band must be at least {least:,}"
            )
