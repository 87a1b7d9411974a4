"""`oracle claim fairness …`: rates by group of a private model on a public set, each of them proven."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oracle.cli.claim.options import (
    at_least_option,
    at_most_option,
    class_option,
    constraint_of,
    folder_option,
    model_option,
    spec_of,
)
from oracle.cli.options import FILE, FOLDER, json_option, model_hash_of, srs_option
from oracle.cli.render.json_output import print_done, print_json
from oracle.core.errors import DataError

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.claims.fairness import FairnessAudit, FairnessReport
    from oracle.claims.models import ModelSpec
    from oracle.proving.artifact import Artifact

source_option = click.option(
    "--source",
    type=click.Choice(["made", "german"]),
    default="made",
    show_default=True,
    help="Rows that are made up, or those of German credit that the model was not trained on (extra `claims`).",
)
batch_option = click.option(
    "--batch", type=click.IntRange(1, 64), default=48, show_default=True, help="Rows per proof."
)


@click.group("fairness")
def fairness_group() -> None:
    """Rates by group: the rows of a public set for which a private model's claim would hold, each of them proven."""


@fairness_group.command("sample")
@model_option
@source_option
@click.option("--rows", type=click.IntRange(1, 10_000), default=256, show_default=True, help="Rows to make up.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the rows that are made up.")
@click.option("--out", type=FILE, default=Path("audit-set.csv"), show_default=True, help="The file to write.")
@json_option
def fairness_sample(model: str, source: str, rows: int, seed: int, out: Path, as_json: bool) -> None:
    """Write an audit set that comes with the package: CSV with a column `group` and one for each feature."""
    from oracle.claims.fairness import samples

    spec = spec_of(model)
    found = samples.german_test_rows(spec) if source == "german" else samples.made_up(spec, rows, seed)
    found.save(out)
    fingerprint = found.fingerprint(spec.features)
    told = {"set": out, "rows": len(found.rows), "fingerprint": fingerprint}
    print_done(told, f"{out}: {len(found.rows)} rows, fingerprint {fingerprint}", as_json=as_json)


@fairness_group.command("prove")
@click.argument("set_file", metavar="SET", type=FILE)
@model_option
@folder_option
@srs_option
@at_least_option
@at_most_option
@class_option
@batch_option
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Proofs to make at once.")
@click.option("--copy", type=FOLDER, help="Write the public files of the circuit to this folder.")
@click.option("--out", type=FILE, default=Path("audit.json"), show_default=True, help="The audit to write.")
@json_option
def fairness_prove(
    set_file: Path,
    model: str,
    folder: Path,
    srs: str,
    at_least: float | None,
    at_most: float | None,
    classes: tuple[str, ...],
    batch: int,
    workers: int,
    copy: Path | None,
    out: Path,
    as_json: bool,
) -> None:
    """Prove on which rows of SET a claim would hold. Run again after an interruption, it continues."""
    import asyncio

    from oracle.claims import fairness
    from oracle.claims.fairness.audit_set import AuditSet
    from oracle.proving import artifact as artifacts

    spec = spec_of(model)
    constraint = constraint_of(spec, at_least, at_most, classes)
    if copy is not None and copy.exists():
        raise DataError(f"{copy} exists already: name a new folder for the public files")
    rows = AuditSet.load(set_file, spec.features)
    rows.encode(spec.features)
    circuit = spec.circuit()
    spec.bounds(constraint, circuit.score_unit, circuit.limit)
    artifact = _build(spec, batch, folder, srs)
    audit = asyncio.run(
        fairness.prove(
            spec,
            artifact,
            rows,
            constraint,
            proofs=out.with_name(f"{out.name}.proofs"),
            workers=workers,
            progress=_progress,
        )
    )
    audit.save(out)
    told = {"audit": out, "batches": len(audit.batches), "model_hash": f"{audit.model_hash:#066x}", "copy": copy}
    lines = [f"{out}: {len(audit.batches)} batches proven of the model {audit.model_hash:#066x}"]
    if copy is not None:
        artifacts.publish(artifact, copy)
        lines.append(f"{copy}: the parts of the circuit that a verifier needs")
    print_done(told, *lines, as_json=as_json)


@fairness_group.command("verify")
@click.argument("audit_file", metavar="AUDIT", type=FILE)
@click.option("--set", "set_file", type=FILE, required=True, help="The audit set.")
@click.option("--artifact", "artifact_path", type=FOLDER, required=True, help="The public files of the circuit.")
@click.option(
    "--model-hash", help="Hash that the model must have: the registry has it for the model whose claims you rely on."
)
@click.option(
    "--architecture",
    metavar="NAME|FILE",
    help="A model of the same architecture, with any weights: make the circuit's key again from it, and compare.",
)
@json_option
def fairness_verify(
    audit_file: Path,
    set_file: Path,
    artifact_path: Path,
    model_hash: str | None,
    architecture: str | None,
    as_json: bool,
) -> None:
    """Verify an audit with public files alone, and count its rates. Exits with 1 if anything differs."""
    from oracle.claims import fairness
    from oracle.proving import artifact as artifacts

    audit = fairness.FairnessAudit.load(audit_file)
    same = None if architecture is None else spec_of(architecture)
    report = _verified(
        audit,
        artifacts.load(artifact_path, prover=False),
        set_file,
        model_hash_of(model_hash),
        same,
    )
    _print_report(report, as_json)
    sys.exit(0 if report.ok else 1)


@fairness_group.command("demo")
@folder_option
@source_option
@batch_option
@click.option("--rows", type=click.IntRange(1, 10_000), default=96, show_default=True, help="Rows to make up.")
@json_option
def fairness_demo(folder: Path, source: str, batch: int, rows: int, as_json: bool) -> None:
    """Audit the credit model: its owner proves, and somebody with public files alone verifies and counts."""
    import asyncio

    from oracle.claims import AtLeast, fairness
    from oracle.claims.fairness import samples
    from oracle.claims.models import ModelSpec
    from oracle.proving import artifact as artifacts

    spec = ModelSpec.packaged("credit")
    found = samples.german_test_rows(spec) if source == "german" else samples.made_up(spec, rows, 1)
    with tempfile.TemporaryDirectory(prefix="oracle-fairness-") as name:
        public = Path(name)
        found.save(public / "audit-set.csv")
        click.echo(
            f"public: {len(found.rows)} rows, {'German credit' if source == 'german' else 'made up'}", err=as_json
        )
        artifact = _build(spec, batch, folder, "insecure-local")
        audit = asyncio.run(fairness.prove(spec, artifact, found, AtLeast(0.6), progress=_progress))
        audit.save(public / "audit.json")
        copy = artifacts.publish(artifact, public / "circuit")
        click.echo(
            "the owner gave out: " + ", ".join(sorted(each.name for each in public.rglob("*") if each.is_file())),
            err=as_json,
        )
        click.echo("and kept the weights, and each row's score\n", err=as_json)
        given = fairness.FairnessAudit.load(public / "audit.json")
        report = _verified(
            given, copy, public / "audit-set.csv", artifact.manifest.model_hash, fairness.reweighted(spec)
        )
    who = "verified by somebody else, who took the model's hash from the registry"
    click.echo(f"{who}; claim: output at least 0.6", err=as_json)
    _print_report(report, as_json)
    sys.exit(0 if report.ok else 1)


def _print_report(report: FairnessReport, as_json: bool) -> None:
    from oracle.cli.render.fairness import print_fairness

    if as_json:
        print_json(asdict(report) | {"ok": report.ok, "model_hash": f"{report.model_hash:#066x}"})
    else:
        print_fairness(report)


def _build(spec: ModelSpec, batch: int, folder: Path, srs: str) -> Artifact:
    from oracle.app.srs import srs_cache
    from oracle.chain.local import toolchain
    from oracle.chain.local.solc import Solc
    from oracle.claims import fairness
    from oracle.proving.srs.cache import SrsCache
    from oracle.proving.srs.files import SrsOrigin

    # The same folder as for claims.
    cache = SrsCache(folder / "srs") if srs == SrsOrigin.INSECURE_LOCAL else srs_cache(folder)
    return fairness.build(
        spec,
        batch,
        srs=cache.source(SrsOrigin(srs)),
        compile_standard=Solc(),
        cache=folder / "artifacts",
        kept=toolchain.regenerated_dir(),
        progress=lambda step: click.echo(f"  {step}", err=True),
    )


def _verified(
    audit: FairnessAudit, artifact: Artifact, set_file: Path, model_hash: int | None, architecture: ModelSpec | None
) -> FairnessReport:
    from oracle.chain.local import toolchain
    from oracle.claims import fairness
    from oracle.claims.fairness.audit_set import AuditSet
    from oracle.proving.verification import LocalVerifier

    rows = AuditSet.load(set_file, fairness.features_of(artifact))
    with LocalVerifier(artifact) as verifier:
        return fairness.verify(
            audit, artifact, verifier, rows, model_hash, architecture, cache=toolchain.regenerated_dir()
        )


def _progress(done: int, total: int) -> None:
    click.echo(f"  proven: {done} of {total}", err=True)
