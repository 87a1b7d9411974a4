"""`oracle srs …`: structured reference strings."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from oracle.cli.options import FILE, FiniteRange, json_option, load_optional, optional_config_option
from oracle.cli.render.json_output import print_done

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.group("srs")
def srs_group() -> None:
    """The structured reference strings that circuits are keyed with."""


@srs_group.command("list")
@optional_config_option
@json_option
def srs_list(config_path: Path | None, as_json: bool) -> None:
    """List the strings in the cache, and say which are from the public ceremony."""
    from oracle.app.srs import srs_status
    from oracle.cli.render.srs import print_srs

    print_srs(srs_status(load_optional(config_path)), as_json=as_json)


@srs_group.command("fetch")
@click.argument("what", nargs=-1, metavar="[K|ARTIFACT]...")
@click.option(
    "--mirror",
    envvar="ORACLE_SRS_MIRROR",
    help="Fetch from this URL, a folder with the ceremony's files (kzg10.srs, …), and not from ezkl's server.",
)
@click.option(
    "--deadline",
    "deadline_s",
    type=FiniteRange(min=0, min_open=True),
    help="Seconds for each file (default: 600, and more for large ones).",
)
@optional_config_option
@json_option
def srs_fetch(
    what: tuple[str, ...], mirror: str | None, deadline_s: float | None, config_path: Path | None, as_json: bool
) -> None:
    """Fetch the public ceremony's string for circuits of 2^K rows, or for an artifact.

    Without either: for the circuits that the configuration asks for. An interrupted download is continued.
    """
    from oracle.app import srs
    from oracle.cli.render.progress import download_progress

    config = load_optional(config_path)
    with download_progress() as progress:
        found = srs.srs_fetch(what, config, mirror=mirror, deadline_s=deadline_s, progress=progress)
    print_done({"paths": list(found)}, *found, as_json=as_json)


@srs_group.command("generate")
@click.argument("k", type=click.IntRange(1, 26))
@click.option("--insecure", is_flag=True, help="Confirm that you know: whoever generates it can forge proofs.")
@optional_config_option
@json_option
def srs_generate(k: int, insecure: bool, config_path: Path | None, as_json: bool) -> None:
    """Generate a string for circuits of 2^K rows on this machine, for local chains only."""
    from oracle.app import srs

    if not insecure:
        raise click.UsageError(
            "whoever generates a reference string can forge proofs: say --insecure for a local chain, "
            f"or use the public ceremony's: `oracle srs fetch {k}`"
        )
    made = srs.srs_generate(k, load_optional(config_path))
    print_done({"path": made}, made, as_json=as_json)


@srs_group.command("verify")
@optional_config_option
@json_option
def srs_verify(config_path: Path | None, as_json: bool) -> None:
    """Check each string's hash, and say which artifacts use it; exits with 1 if one is not what it says."""
    from oracle.app import srs
    from oracle.cli.render.srs import print_srs_findings

    findings = srs.srs_verify(load_optional(config_path))
    print_srs_findings(findings, as_json=as_json)
    sys.exit(1 if any(finding.problem for finding in findings) else 0)


@srs_group.command("import")
@click.argument("path", type=FILE)
@optional_config_option
@json_option
def srs_import(path: Path, config_path: Path | None, as_json: bool) -> None:
    """Import the public ceremony's string from the file at PATH; its hash is checked."""
    from oracle.app import srs

    found = srs.srs_import(path, load_optional(config_path))
    print_done({"path": found}, found, as_json=as_json)
