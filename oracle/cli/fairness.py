"""`oracle claim fairness …`: rates by group of a private model on a public set, proven."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oracle.cli.claim import constraint_of
from oracle.cli.options import FILE, json_option
from oracle.cli.registry import folder_option, model_option, spec_of, srs_option

if TYPE_CHECKING:
    from oracle.claims.fairness import Audit, AuditReport
    from oracle.claims.models import ModelSpec
    from oracle.proving.artifact import Artifact

_FOLDER = click.Path(path_type=Path, file_okay=False)

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
at_least_option = click.option("--at-least", type=float, help="Lower bound of the claim.")
at_most_option = click.option("--at-most", type=float, help="Upper bound of the claim.")
class_option = click.option("--class", "classes", multiple=True, metavar="CLASS", help="The class; or one of several.")


@click.group("fairness")
def fairness_group() -> None:
    """Rates by group: on which rows of a public set a claim would hold of a private model, each of them proven."""


@fairness_group.command("sample")
@model_option
@source_option
@click.option("--rows", type=click.IntRange(1, 10_000), default=256, show_default=True, help="How many to make up.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of rows that are made up.")
@click.option("--out", type=FILE, default=Path("audit-set.csv"), show_default=True)
def fairness_sample(model: str, source: str, rows: int, seed: int, out: Path) -> None:
    """Write an audit set that comes with the package: CSV with a column `group` and one for each feature."""
    from oracle.claims import audit_set

    spec = spec_of(model)
    found = audit_set.german_test_rows(spec) if source == "german" else audit_set.made_up(spec, rows, seed)
    found.save(out)
    click.echo(f"{out}: {len(found.rows)} rows, fingerprint {found.fingerprint(spec.features)}")


@fairness_group.command("prove")
@click.argument("set_file", metavar="SET", type=FILE)
@model_option
@folder_option
@srs_option
@at_least_option
@at_most_option
@class_option
@batch_option
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Proofs at once.")
@click.option("--copy", type=_FOLDER, help="Write the circuit's auditor's copy to this folder.")
@click.option("--out", type=FILE, default=Path("audit.json"), show_default=True)
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
) -> None:
    """Prove on which rows of SET a claim would hold. Run again after an interruption, it goes on where it was."""
    import asyncio

    from oracle.claims import fairness
    from oracle.claims.audit_set import AuditSet
    from oracle.core.errors import DataError

    spec = spec_of(model)
    constraint = constraint_of(spec, at_least, at_most, classes)
    if copy is not None and copy.exists():
        raise DataError(f"{copy} is there already: name a new folder for the auditor's copy")
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
    click.echo(f"{out}: {len(audit.batches)} batches proven of the model {audit.model_hash:#066x}")
    if copy is not None:
        fairness.auditors_copy(artifact, copy)
        click.echo(f"{copy}: what whoever verifies needs of the circuit")


@fairness_group.command("verify")
@click.argument("audit_file", metavar="AUDIT", type=FILE)
@click.option("--set", "set_file", type=FILE, required=True, help="The audit set.")
@click.option("--artifact", "artifact_path", type=_FOLDER, required=True, help="The circuit's auditor's copy.")
@click.option("--model-hash", help="Of the model whose claims you rely on, as the registry has it.")
@click.option(
    "--architecture",
    metavar="NAME|FILE",
    help="A model of the same architecture, with any weights: the circuit's key is made again from it, and compared.",
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
    """Verify an audit with nothing but public files, and count its rates. Exits with 1 if anything differs."""
    from dataclasses import asdict

    from oracle.claims import fairness
    from oracle.cli.render import print_json
    from oracle.proving import artifact as artifacts

    audit = fairness.Audit.load(audit_file)
    same = None if architecture is None else spec_of(architecture)
    report = _verified(audit, artifacts.load(artifact_path, prover=False), set_file, _number(model_hash), same)
    if as_json:
        print_json(asdict(report) | {"ok": report.ok, "model_hash": f"{report.model_hash:#066x}"})
    else:
        _print(report)
    sys.exit(0 if report.ok else 1)


@fairness_group.command("demo")
@folder_option
@source_option
@batch_option
@click.option("--rows", type=click.IntRange(1, 10_000), default=96, show_default=True, help="How many to make up.")
def fairness_demo(folder: Path, source: str, batch: int, rows: int) -> None:
    """Audit the credit model: its owner proves, and somebody who has public files only verifies and counts."""
    import asyncio
    import tempfile

    from oracle.claims import AtLeast, audit_set, fairness
    from oracle.claims.models import ModelSpec

    spec = ModelSpec.packaged("credit")
    found = audit_set.german_test_rows(spec) if source == "german" else audit_set.made_up(spec, rows, 1)
    with tempfile.TemporaryDirectory(prefix="oracle-fairness-") as name:
        public = Path(name)
        found.save(public / "audit-set.csv")
        click.echo(f"public: {len(found.rows)} rows, {'German credit' if source == 'german' else 'made up'}")
        artifact = _build(spec, batch, folder, "insecure-local")
        audit = asyncio.run(fairness.prove(spec, artifact, found, AtLeast(0.6), progress=_progress))
        audit.save(public / "audit.json")
        copy = fairness.auditors_copy(artifact, public / "circuit")
        click.echo(
            "the owner gave out: " + ", ".join(sorted(each.name for each in public.rglob("*") if each.is_file()))
        )
        click.echo("and kept the weights, and each row's score\n")
        given = fairness.Audit.load(public / "audit.json")
        report = _verified(
            given, copy, public / "audit-set.csv", artifact.manifest.model_hash, fairness.reweighted(spec)
        )
    click.echo("verified by somebody else, who took the model's hash from the registry; claim: output at least 0.6")
    _print(report)
    sys.exit(0 if report.ok else 1)


def _build(spec: ModelSpec, batch: int, folder: Path, srs: str) -> Artifact:
    from oracle.app.assembly import srs_cache
    from oracle.chain.local.solc import compile_standard
    from oracle.claims import fairness
    from oracle.proving.srs import SrsCache, SrsOrigin
    from oracle.proving.verifier import SOLC_VERSION

    # Where claims have theirs.
    cache = SrsCache(folder / "srs") if srs == SrsOrigin.INSECURE_LOCAL else srs_cache(folder)
    return fairness.build(
        spec,
        batch,
        srs=cache.source(SrsOrigin(srs)),
        compile_standard=lambda request: compile_standard(request, SOLC_VERSION),
        cache=folder / "artifacts",
        progress=lambda step: click.echo(f"  {step}", err=True),
    )


def _verified(
    audit: Audit, artifact: Artifact, set_file: Path, model_hash: int | None, architecture: ModelSpec | None
) -> AuditReport:
    from oracle.claims import fairness
    from oracle.claims.audit_set import AuditSet
    from oracle.proving.pool.local import LocalVerifier

    rows = AuditSet.load(set_file, fairness.features_of(artifact))
    with LocalVerifier(artifact) as verifier:
        return fairness.verify(audit, artifact, verifier, rows, model_hash, architecture)


def _print(report: AuditReport) -> None:
    click.echo(f"model hash      {report.model_hash:#066x}")
    click.echo(f"batches         {report.verified} of {report.batches} verified, {report.rows} rows")
    for rate in report.rates:
        click.echo(
            f"  {rate.group}: {rate.within} of {rate.rows} within the bounds, {rate.share:.1%} "
            f"(95 %: {rate.low:.1%} to {rate.high:.1%})"
        )
    for each in report.differences:
        click.echo(
            f"  {each.group} less {each.reference}: {100 * each.difference:+.1f} points "
            f"(95 %: {100 * each.low:+.1f} to {100 * each.high:+.1f})"
        )
    for note in report.notes:
        click.echo(f"note: {note}")
    for problem in report.problems:
        click.echo(f"problem: {problem}")
    click.echo("the audit is what it says" if report.ok else "the audit is NOT what it says")


def _progress(done: int, total: int) -> None:
    click.echo(f"  proven: {done} of {total}", err=True)


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text, 16)
    except ValueError:
        raise click.UsageError(f"--model-hash {text}: write it as 0x and hexadecimal digits") from None
