"""Tests of a split model that is approximate, and of several values that cross its cut: proven, derived, attacked."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle.app.publishing import publish_model
from oracle.core.errors import ArtifactError
from oracle.proving import artifact, split
from oracle.proving.approximate.band import Side, side_of
from oracle.proving.approximate.domains import bounded
from oracle.proving.approximate.statement import band_problems
from oracle.proving.artifact import Visibility
from oracle.proving.engine.child import EngineProcess
from oracle.proving.imported import ImportedModel, Settings, legs_for
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.split import ArtifactChain, ChainProver, ModelProof, pieces, planning
from oracle.proving.tuning import Objective
from tests import circuits
from tests.models import model, node, weights

LEVEL = 6
ERROR = 0.05


def recurrent() -> Circuit:
    """Return an LSTM of two steps of two numbers: its gates are looked up, and what they make is divided."""
    rng = np.random.default_rng(5)
    shapes = {"w": (1, 8, 1), "r": (1, 8, 2), "b": (1, 16)}
    nodes = [node("LSTM", ["x", "w", "r", "b"], "h", hidden_size=2), node("ReduceSum", ["h"], keepdims=0)]
    constants = [weights(name, 0.5 * rng.normal(size=shape)) for name, shape in shapes.items()]
    program, problems = lower(read_model(model(nodes, [2, 1, 1], constants)), approximate=True)
    assert program is not None, problems
    samples = rng.normal(size=(20, 2))
    return instantiate(bounded(program, samples, LEVEL), LEVEL, LEVEL, 2 << LEVEL, 1)


@dataclass(frozen=True)
class BuiltChain:
    """The split model that the tests share, and a proof."""

    circuit: Circuit
    plan: pieces.Plan
    chain: ArtifactChain
    proof: ModelProof
    window: tuple[int, ...]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltChain:
    folder = tmp_path_factory.mktemp("split-approximate")
    circuit = recurrent()
    between = [at for at, names in pieces.crossings(circuit).items() if len(names) == 3]
    with EngineProcess() as engine:
        plan = planning.plan(
            circuit,
            name="cell",
            visibility=Visibility.PUBLIC,
            objective=Objective.TIME,
            memory=4 << 30,
            cores=2,
            engine=engine,
            folder=folder,
            at=[between[len(between) // 2]],
        )
    settings = Settings(LEVEL, LEVEL, 64, legs_for(64, circuit.decomposed), rebase=1, clip=circuit.clip)
    whole = ImportedModel("cell", circuit, settings, {"fidelity": {"errors": [ERROR]}})
    chain = split.build(
        plan,
        circuit,
        name="cell",
        visibility=Visibility.PUBLIC,
        facts=whole.facts(),
        approximation=whole.approximation(),
        srs=circuits.srs(),
        compile_standard=circuits.compiler,
        kept=circuits.regenerated(),
        cache=folder / "artifacts",
    )
    window = (70, -40)

    async def prove() -> ModelProof:
        async with ChainProver(chain) as prover:
            return await prover.prove(window)

    return BuiltChain(circuit, plan, chain, asyncio.run(prove()), window)


@pytest.mark.slow
def test_the_chain_proves_what_the_whole_computes_and_says_how_far_a_prover_can_move_it(built: BuiltChain) -> None:
    chain, circuit = built.chain, built.circuit
    assert chain.manifest is not None and len(chain.artifacts) == 2
    assert len(pieces.crossings(circuit)[built.plan.segments[1].start]) == 3
    assert built.proof.outputs == tuple(circuit.evaluate_exactly([built.window])[0].tolist())
    assert split.verify(chain, built.proof).verified
    band = circuit.slack + int(np.ceil(ERROR * chain.manifest.score_unit))
    manifest = chain.manifest
    assert (manifest.exact, manifest.errors, manifest.guard_band) == (False, (ERROR,), (band,))
    score = built.proof.outputs[0]
    for over, side in (
        (band + 1, Side.ABOVE),
        (band, Side.UNDECIDED),
        (-band, Side.UNDECIDED),
        (-band - 1, Side.BELOW),
    ):
        assert side_of(chain.described, score, (score - over) / manifest.score_unit) is side
    # Of a segment nobody derives anything alone; its own band is that of the whole up to there.
    first, last = (each.manifest for each in chain.artifacts)
    assert not last.exact and last.guard_band == (band,) and 0 < max(first.guard_band) <= circuit.slack
    assert not list(band_problems(last, b""))


@pytest.mark.slow
@pytest.mark.attack
def test_a_split_model_that_says_less_of_its_provers_freedom_is_told(built: BuiltChain, tmp_path: Path) -> None:
    """All its hashes fit. Whoever has the public files derives the freedom in all segments together."""
    public = split.load_chain(publish_model(built.chain.path, tmp_path / "public").path, prover=False)
    assert split.verify(public, built.proof).verified
    assert not list(split.chain_problems(public))
    slack = built.circuit.slack

    def stated(**changes: Any) -> ArtifactChain:
        document = json.loads((public.path / split.SPLIT).read_text()) | changes
        document["artifact_hash"] = split.SplitManifest.from_document(document).computed_hash()
        (public.path / split.SPLIT).write_text(json.dumps(document))
        return split.load_chain(public.path, prover=False)

    assert public.manifest is not None
    band = public.manifest.guard_band[0]
    less = stated(guard_band=[band - 1])
    (told,) = split.chain_problems(less)
    assert f"a prover may move it by {slack:,}" in told and f"must be at least {band:,}" in told
    with pytest.raises(ArtifactError, match="is not published, nobody could check it: the guard band of output 0"):
        publish_model(less.path, tmp_path / "again")
    facts = {**public.manifest.facts, "rebase": 0, "looked_up": []}
    with pytest.raises(ArtifactError, match="another range, scale or rebase than its segments"):
        stated(guard_band=[], errors=[], exact=True, facts=facts)
    stated(guard_band=[band], errors=[ERROR], exact=False, facts=public.manifest.facts)
    scale = public.manifest.output_scale
    finer = replace(public.manifest, output_scale=scale + 1, guard_band=(2 * band,))
    (told,) = split.chain_problems(replace(public, manifest=finer))
    assert told == f"its outputs have the scale {scale}, and split.json says {scale + 1}"
    # A segment with fewer digits than its numbers need, or a smaller table.
    chain = split.load_chain(public.path, prover=False)
    second = chain.artifacts[1]
    settings = json.loads((second.path / artifact.SETTINGS).read_text())
    settings["run_args"]["decomp_base"] = 2
    (second.path / artifact.SETTINGS).write_text(json.dumps(settings))
    assert ["digits of base" in each for each in split.chain_problems(chain)] == [True]
    facts = {**(second.manifest.imported or {}), "table": [0, 1]}
    narrow = replace(second, manifest=replace(second.manifest, imported=facts))
    told = "; ".join(split.chain_problems(replace(chain, artifacts=(chain.artifacts[0], narrow))))
    assert "segment 2: its manifest states a table of [0, 1]" in told
