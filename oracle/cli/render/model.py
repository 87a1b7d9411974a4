"""Imported models: their graphs, their artifacts, split models, and proven inferences."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oracle.app.deployed_models import ModelContractReport
from oracle.app.models import BuiltModel
from oracle.app.publishing import PublishedModel
from oracle.cli.render.json_output import print_done, print_json
from oracle.cli.render.tables import new_console, new_table
from oracle.proving.artifact import Manifest
from oracle.proving.inspect.model import GraphReport
from oracle.proving.lowering.program import told
from oracle.proving.split import ArtifactChain, ModelProof, SplitManifest, estimated_cost
from oracle.proving.split.pieces import Plan
from oracle.proving.srs.files import SrsOrigin
from oracle.proving.tuning.request import FEW_SAMPLES
from oracle.proving.verification import Verification


def print_graph(report: GraphReport, *, as_json: bool) -> None:
    """Print the content of a model, its cost, and the reasons why it can't be proven."""
    if as_json:
        print_json(report.document())
        return
    console = new_console()
    operators = ", ".join(f"{count} {name}" for name, count in sorted(report.operators.items()))
    console.print(f"{report.name}: {operators}", markup=False, highlight=False)
    for line in told(report.problems):
        console.print("- " + line.replace("; ", "\n  ", 1), markup=False, highlight=False)
    program = report.program
    if program is None or report.public is None or report.private is None:
        return
    sizes = {"feature": program.features, "output": program.outputs, "weight": program.weights}
    console.print(", ".join(f"{count} {what}{'s' * (count != 1)}" for what, count in sizes.items()), highlight=False)
    for line in program.notes:
        console.print(line, markup=False, highlight=False)
    for line in program.approximated:
        console.print(f"piecewise linear: {line}", markup=False, highlight=False)
    if program.dropped:
        console.print(f"left off: the final {program.dropped}; the value before it is published", highlight=False)
    table = new_table("weights", "rows, about", "k", "proof", "gas", "seconds", "memory")
    # A model without weights is built public.
    both = (("public", report.public), ("private", report.private))
    for name, cost in both if program.weights else both[:1]:
        table.add_row(
            name,
            f"{cost.rows:,}",
            str(cost.k),
            f"{cost.proof_bytes:,} B",
            f"{cost.gas:,}",
            f"{cost.seconds:.2g}",
            f"{cost.memory / 2**20:,.0f} MiB",
        )
    console.print(table)


def print_model(built: BuiltModel, *, as_json: bool) -> None:
    """Print an artifact of an imported model, with the settings that tuning compared."""
    manifest, path = built.artifact.manifest, built.artifact.path
    if as_json:
        print_json({"path": path, "manifest": manifest.document(), "tuning": built.tuning})
        return
    console = new_console()
    table = new_table("", "scales", "digits", "columns", "k", "gas, about", "seconds", "measured", "proof")
    for each in built.tuning.get("candidates", ()):
        chosen, estimated = each["settings"], each["estimated"]
        table.add_row(
            "[green]chosen[/]" if each["chosen"] else "",
            f"{chosen['input_scale']}/{chosen['param_scale']}",
            f"{chosen['base']}^{chosen['legs']}" if chosen["base"] > 2 else "none",
            str(chosen["columns"]),
            str(estimated["k"]),
            f"{each['gas']:,}",
            f"{estimated['seconds']:.2g}",
            "" if each["seconds"] is None else f"{each['seconds']:.2g}",
            "" if each["proof_bytes"] is None else f"{each['proof_bytes']:,} B",
        )
    console.print(table)
    facts = manifest.imported or {}
    fidelity = facts["fidelity"]
    error = fidelity["largest_error"]
    published = f"outputs: integers y · 2^{facts['output_scale']}"
    if manifest.disclosure == "verdict":
        limit = facts["verdict"].get("threshold")
        published = "verdicts: 1 for " + (
            "each output that none exceeds" if limit is None else f"each output above {limit:g}"
        )
        if "band" in facts["verdict"]:
            published += ", −1 for each below it, 0: undecided" if limit is not None else ", all 0: undecided"
        if facts["verdict"]["rule"] == "label":
            published = f"verdicts: labels y · 2^{facts['output_scale']}"
    if facts.get("labels"):
        published += ", places in " + ", ".join(facts["labels"])
    lines = [
        f"fidelity: {fidelity['flips']} of {fidelity['samples']} verdicts flip ({fidelity['rule']}"
        + (f" {fidelity['value']:g})" if fidelity["rule"] in ("threshold", "tolerance") else ")")
        + ("" if error is None else f", largest error {error:.2g}"),
        f"inputs: integers x · 2^{facts['input_scale']} in ±{facts['clip']:,}; {published}",
        *(
            [f"scales of the features: 2^{facts['input_scale']} times 2^{', 2^'.join(map(str, facts['input_shifts']))}"]
            if "input_shifts" in facts
            else []
        ),
        *approximation_notes(manifest),
        *fidelity_notes(fidelity),
        f"weights: {manifest.visibility}; model hash {manifest.model_hash:#066x}",
        f"artifact: {manifest.artifact_hash}",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(str(path), markup=False, highlight=False, soft_wrap=True)


def approximation_notes(manifest: Manifest | SplitManifest) -> list[str]:
    """Return what a user of a circuit that is not exact has to know; nothing of an exact one."""
    if manifest.exact:
        return []
    facts = manifest.facts if isinstance(manifest, SplitManifest) else manifest.imported or {}
    unit, looked_up = manifest.score_unit, facts.get("looked_up", ())
    more = f" and {len(looked_up) - 1} more" if len(looked_up) > 1 else ""
    why = f"no exact circuit has {looked_up[0]}{more}" if looked_up else "values are divided"
    if reason := facts.get("approximate_because"):
        done = f"{looked_up[0]}{more} {'are' if more else 'is'} looked up" if looked_up else why
        why = f"{reason}, so {done}"
    fidelity = facts["fidelity"]
    undecided = f"  {fidelity['undecided']} of {fidelity['samples']} samples are undecided"
    if manifest.disclosure == "verdict":
        kept = "within the circuit: a prover can leave a verdict undecided, and turns none"
        return [f"approximate: {why}", f"  guard band: ±{facts['verdict']['band']:.2g}, {kept}", undecided]
    return [
        f"approximate: {why}",
        f"  largest error on the samples: {max(manifest.errors, default=0.0):.2g} (measured, no bound)",
        f"  what a prover may move an output by: {facts['slack'] / unit:.2g} (derived, over all inputs)",
        f"  guard band: ±{max(manifest.guard_band) / unit:.2g}; an output that is nearer to a threshold is undecided",
        undecided,
    ]


def fidelity_notes(fidelity: Mapping[str, Any]) -> list[str]:
    """Return what makes a fidelity say less than it seems to: few samples, one verdict, or numbers out of range."""
    notes, count, clipped = [], fidelity["samples"], fidelity["clipped"]
    if count < FEW_SAMPLES:
        notes.append(
            f"note: {count} sample{'s say' if count != 1 else ' says'} little about other inputs; give {FEW_SAMPLES} "
            "or more, some of them near the threshold"
        )
    if fidelity.get("alike"):
        notes.append(
            f"note: all {count} samples have the same verdict, so coarse scales could not flip one; give samples of "
            "other verdicts, another --threshold, or how far outputs may be from the float model's (--tolerance)"
        )
    if clipped:
        notes.append(
            f"note: {clipped} of {count} samples have numbers outside of the range of inputs; nobody can prove those. "
            "Scale the features"
        )
    return notes


def print_split(chain: ArtifactChain, plan: Plan | None = None, *, as_json: bool) -> None:
    """Print a split model: its segments in order, and the estimates of a plan, if there is one."""
    costs = [estimated_cost(each) for each in chain.artifacts]
    if as_json:
        manifest = chain.manifest.document() if chain.manifest is not None else {}
        planned = {} if plan is None else {"proofs_at_once": plan.lanes, "seconds": plan.seconds, "memory": plan.memory}
        estimated = [asdict(each) for each in costs]
        print_json({"path": str(chain.path), "manifest": manifest, "estimated": estimated, "plan": planned})
        return
    console = new_console()
    table = new_table("", "from", "to", "takes", "gives", "rows", "k", "proof", "gas", "seconds", "memory")
    assert chain.manifest is not None
    for at, (link, each, cost) in enumerate(zip(chain.manifest.segments, chain.artifacts, costs, strict=True), 1):
        hashed = each.manifest.hashed
        table.add_row(
            str(at),
            *link.nodes,
            f"{link.inputs:,}{' hashed' * ('input' in hashed)}",
            f"{link.outputs:,}{' hashed' * ('output' in hashed)}",
            f"{cost.rows:,}",
            str(cost.k),
            f"{each.manifest.proof_bytes:,} B",
            f"{cost.gas:,}",
            f"{cost.seconds:,.1f}",
            f"{cost.memory / 2**20:,.0f} MiB",
        )
    facts = chain.manifest.facts.get("fidelity") or {}
    lines = [
        f"{chain.name}: {chain.manifest.weights:,} {chain.manifest.visibility.value} weights in {len(costs)} "
        f"segment{'s' * (len(costs) != 1)}",
        f"inputs: integers x · 2^{chain.input_scale} in ±{chain.clip:,}; outputs: integers y · 2^{chain.output_scale}",
    ]
    if facts:
        lines.append(f"{facts['flips']} of {facts['samples']} verdicts flip against the float model")
        lines += fidelity_notes(facts)
    lines += approximation_notes(chain.manifest)
    if plan is not None:
        lines.append(
            f"estimated: {plan.seconds:,.0f} s with {plan.lanes} at once, {plan.memory / 2**30:.1f} GiB; gas without a "
            f"contract around it {sum(cost.gas for cost in costs):,}"
        )
    for line in lines:
        console.print(line, markup=False, highlight=False)
    console.print(table)
    for name, value in (("artifact", chain.artifact_hash), ("model", chain.model_hash), ("folder", str(chain.path))):
        console.print(f"{name} {value}", markup=False, highlight=False, soft_wrap=True)
    if any(each.manifest.srs_origin == "insecure-local" for each in chain.artifacts):
        console.print("INSECURE: the SRS was generated locally; for local chains only", highlight=False)


def print_inference(chain: ArtifactChain, proof: ModelProof, path: Path, *, as_json: bool) -> None:
    """Print the outputs of a proven inference, in the model's units, and the file that has it."""
    print_done(_inference(chain, proof) | {"path": path}, _told_inference(chain, proof), path, as_json=as_json)


def print_verification(chain: ArtifactChain, proof: ModelProof, found: Verification, *, as_json: bool) -> None:
    """Print whether an inference holds; why it does not goes to standard error."""
    if as_json:
        print_json(_inference(chain, proof) | {"holds": found.verified, "reason": found.reason})
    elif found.verified:
        print(_told_inference(chain, proof))
        print("holds")
    else:
        print(f"does not hold: {found.reason}", file=sys.stderr)


def _inference(chain: ArtifactChain, proof: ModelProof) -> dict[str, Any]:
    return {
        "model": chain.name,
        "outputs": [value / 2**chain.output_scale for value in proof.outputs],
        "guard_band": _guard_band(chain),
        "proofs": len(proof.proofs),
        "proof_bytes": sum(len(each) for each in proof.proofs),
        "seconds": proof.seconds,
    }


def _guard_band(chain: ArtifactChain) -> list[float]:
    """Return the guard band of each output, in the model's units; empty if the model is exact."""
    return [each / 2**chain.output_scale for each in chain.described.guard_band]


def _told_inference(chain: ArtifactChain, proof: ModelProof) -> str:
    bands = [f" ± {each:.2g}" for each in _guard_band(chain)] or [""] * len(proof.outputs)
    told = zip(proof.outputs, bands, strict=True)
    outputs = ", ".join(f"{value / 2**chain.output_scale:.6g}{band}" for value, band in told)
    count = len(proof.proofs)
    size = sum(len(each) for each in proof.proofs)
    made = f", made in {proof.seconds:.1f} s" if proof.seconds else ""
    return f"{chain.name}: [{outputs}], {count} proof{'s' * (count > 1)} of {size:,} B{made}"


def print_published_model(model: PublishedModel, *, as_json: bool) -> None:
    """Print the public files of a model, what they show, and the commands that take them."""
    if as_json:
        circuits = [
            {"artifact_hash": each.artifact_hash, "key_from": each.key_from, "notes": list(each.notes)}
            for each in model.made
        ]
        told = {"path": str(model.path), "files": dict(model.files), "circuits": circuits, "uses": list(model.uses)}
        print_json(told)
        return
    print(model.path)
    for name, size in model.files.items():
        print(f"  {size:>12,} B  {name}")
    for each in model.made:
        print(f"made again from these files: {each.tied}")
        for note in each.notes:
            print(f"note: {note}")
        if each.srs_origin is SrsOrigin.INSECURE_LOCAL:
            print("note: INSECURE: the SRS was generated locally; for local chains only")
    for use in model.uses:
        print(f"for: {use}")


def print_deployed_model(report: ModelContractReport, *, as_json: bool) -> None:
    """Print in what a model's contract differs from the model."""
    if as_json:
        print_json(asdict(report) | {"ok": report.ok})
        return
    for note in report.notes:
        print(f"note: {note}")
    for problem in report.problems:
        print(f"problem: {problem}")
    what = "verifies inferences of this model" if report.ok else "is NOT the contract of this model"
    print(f"{report.address} {what} ({report.segments} segment{'s' * (report.segments != 1)})")
