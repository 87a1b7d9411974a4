"""The integer references of a split model's segments, bounded as the whole is, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oracle.core.documents import read_json
from oracle.core.errors import DataError, ModelError
from oracle.proving import artifact, imported
from oracle.proving.approximate.statement import narrow_bands
from oracle.proving.artifact import ARCHITECTURE, Artifact, Visibility
from oracle.proving.reference.circuit import Circuit
from oracle.proving.split.chain import ArtifactChain


def references(segments: Sequence[Artifact], file: str = artifact.MODEL) -> list[Circuit]:
    """Return the integer references of a model's segments, each bounded by what those before it can reach.

    A prover's choices in a segment are carried through those behind it, as through a single circuit. So the `slack` of
    the last one is how far all choices together can move an output.

    Args:
        segments: The artifacts, in order.
        file: The file of a segment's graph.

    Raises:
        ModelError: A graph is of another release, or its values have no bounds.
    """
    found: list[Circuit] = []
    for each in segments:
        found.append(imported.reference_of(each, found[-1].reached if found else None, file))
    return found


def chain_problems(chain: ArtifactChain) -> Iterator[str]:
    """Yield what is wrong with what a public split model that is not exact says of its prover's freedom.

    All of it is derived again from the graphs of the segments. The largest errors are taken as stated; see
    `approximate.statement`.

    Args:
        chain: The model; its public files will do.
    """
    manifest = chain.manifest
    if manifest is None or manifest.exact or manifest.visibility is not Visibility.PUBLIC:
        return
    try:
        circuits = references(chain.artifacts, ARCHITECTURE)
        digits = [read_json(each.path / artifact.SETTINGS)["run_args"] for each in chain.artifacts]
    except (KeyError, TypeError, ValueError, ModelError, DataError) as refusal:
        yield f"nobody can derive what its prover may choose: {refusal}"
        return
    if (scale := circuits[-1].output_scale) != manifest.output_scale:
        yield f"its outputs have the scale {scale}, and split.json says {manifest.output_scale}"
    yield from narrow_bands(manifest.errors, manifest.guard_band, manifest.score_unit, circuits[-1].slack)
    for at, (circuit, each, run_args) in enumerate(zip(circuits, chain.artifacts, digits, strict=True), 1):
        table, needed = (each.manifest.imported or {}).get("table"), circuit.looked_up
        if needed is not None and (table is None or not table[0] <= needed[0] <= needed[1] <= table[1]):
            yield f"segment {at}: its manifest states a table of {table}, and its graph needs {list(needed)}"
        if run_args["decomp_base"] ** min(run_args["decomp_legs"], 254) <= circuit.decomposed:
            yield (
                f"segment {at}: {run_args['decomp_legs']} digits of base {run_args['decomp_base']} do not hold what it "
                f"takes apart, up to {circuit.decomposed:,}"
            )
