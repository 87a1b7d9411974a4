"""The build of a split model: an artifact for each segment, then the manifest of the whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock

from oracle.proving import artifact, imported
from oracle.proving.artifact import Visibility, verifier
from oracle.proving.engine.version import ezkl_version
from oracle.proving.hashing import digest
from oracle.proving.interface import Approximation, Progress
from oracle.proving.reference.circuit import Circuit
from oracle.proving.split.chain import ArtifactChain, load_chain
from oracle.proving.split.manifest import SCHEMA, SPLIT, Link, SplitManifest
from oracle.proving.split.pieces import Plan, segment_models
from oracle.proving.split.reference import references
from oracle.proving.srs.files import SrsSource

_EXACT = Approximation()


def build(
    plan: Plan,
    circuit: Circuit,
    *,
    name: str,
    visibility: Visibility,
    disclosure: str = "score",
    facts: Mapping[str, Any],
    approximation: Approximation = _EXACT,
    srs: SrsSource,
    compile_standard: verifier.Compiler,
    cache: Path,
    kept: Path | None = None,
    progress: Progress = lambda step: None,
) -> ArtifactChain:
    """Build the segments of a model, or find them again.

    After a crash the finished segments are used: each is an artifact, which is complete or not there.

    Args:
        plan: The cuts.
        circuit: The whole circuit.
        name: The model's name.
        visibility: Where the weights are.
        disclosure: What the whole publishes: "score", or "verdict" if the circuit ends in comparisons.
        facts: Facts for the manifest.
        approximation: The whole circuit's.
        srs: Gives the SRS.
        compile_standard: Runs solc 0.8.20.
        cache: Folder of artifacts.
        kept: See `artifact.build`.
        progress: Called with each step before it begins.

    Raises:
        ArtifactError: A segment can't be built, or what was found is corrupt.
        CompileError: solc refused a verifier.
    """
    key = digest(
        {
            "schema": [SCHEMA, artifact.SCHEMA],
            "onnx": hashlib.sha256(circuit.to_onnx(1)).hexdigest(),
            "scales": [circuit.input_scale, circuit.param_scale, circuit.clip],
            "cuts": [[each.start, each.end, asdict(each.settings)] for each in plan.segments],
            "facts": facts,
            "approximation": asdict(approximation),
            "visibility": visibility.value,
            "disclosure": disclosure,
            "srs_origin": srs.origin.value,
            "ezkl": ezkl_version(),
            "solc": verifier.SOLC_VERSION,
            "hardening": verifier.HARDENING_VERSION,
        }
    )
    target = cache / f"{name}-split-{visibility.value}-{key[:16]}"
    working = cache / f".building-{target.name}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{target.name}.lock"):
        if target.exists():
            return load_chain(target)
        working.mkdir(mode=0o700 if visibility is Visibility.PRIVATE else 0o755, exist_ok=True)
        links, segments = [], []
        models = segment_models(plan, name, imported.corners(circuit), disclosure, approximation.errors)
        for at, (model, segment) in enumerate(zip(models, plan.segments, strict=True), 1):
            which = f"segment {at} of {len(models)}" if len(models) > 1 else "the only segment"
            progress(f"{which}: {segment.nodes[0]} … {segment.nodes[1]}")
            built = artifact.build(
                model,
                1,
                visibility=visibility,
                srs=srs,
                compile_standard=compile_standard,
                cache=working,
                kept=kept,
                progress=lambda step, which=which: progress(f"{which}: {step}"),  # type: ignore[misc]
            )
            segments.append(built)
            found = built.manifest
            links.append(
                Link(
                    built.path.name,
                    found.artifact_hash,
                    found.circuit_hash,
                    built.model_hash,
                    found.width,
                    found.outputs,
                    segment.nodes,
                )
            )
        slack = circuit.slack
        if circuit.rebase:
            progress("what a prover may choose in all segments")
            # Everybody else derives it from the segments alone.
            slack = max(slack, references(segments)[-1].slack)
        more = slack - circuit.slack
        manifest = SplitManifest(
            schema=SCHEMA,
            name=name,
            features=circuit.features,
            outputs=circuit.outputs,
            input_scale=circuit.input_scale,
            param_scale=circuit.param_scale,
            output_scale=circuit.output_scale,
            clip=circuit.clip,
            visibility=visibility,
            disclosure=disclosure,
            weights=circuit.weights,
            ezkl=ezkl_version(),
            segments=tuple(links),
            facts={**facts, "slack": slack} if circuit.rebase else facts,
            model_hash="",
            exact=approximation.exact,
            errors=approximation.errors,
            guard_band=tuple(each + more for each in approximation.guard_band),
        )
        document = manifest.document()
        document["model_hash"] = manifest.computed_model_hash()
        document["artifact_hash"] = SplitManifest.from_document(document).computed_hash()
        (working / SPLIT).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        for other in [*working.glob("*.lock"), *working.glob(".building-*")]:
            # A build that was killed left its folder behind.
            shutil.rmtree(other) if other.is_dir() else other.unlink()
        os.replace(working, target)
    return load_chain(target)
