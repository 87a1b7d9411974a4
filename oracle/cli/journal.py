"""`oracle journal …`: its schema, its audit trail, and dropping what is old."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

from oracle.cli.options import config_option, json_option, load_config
from oracle.cli.render.json_output import print_done, print_json

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.group("journal")
def journal_group() -> None:
    """The journal of observations."""


@journal_group.command("migrate")
@config_option
@json_option
def journal_migrate(config_path: Path, as_json: bool) -> None:
    """Bring the journal to this release's schema, or create it. `oracle run` does so by itself."""
    from oracle.feeds.journal import SCHEMA_VERSION, open_journal

    with open_journal(load_config(config_path).journal, os.environ):
        told = {"schema_version": SCHEMA_VERSION}
        print_done(told, f"the journal has schema version {SCHEMA_VERSION}", as_json=as_json)


@journal_group.command("check")
@config_option
@click.option("--expect", metavar="DIGEST", help="Digest that an earlier check printed: the chain must contain it.")
@json_option
def journal_check(config_path: Path, expect: str | None, as_json: bool) -> None:
    """Verify the chain of hashes through all outcomes; exits with 1 if something was altered or removed."""
    from oracle.feeds.journal import open_journal

    with open_journal(load_config(config_path).journal, os.environ, read_only=True) as journal:
        audit = journal.check(expect)
    if as_json:
        print_json(asdict(audit))
    else:
        for problem in audit.problems:
            click.echo(problem, err=True)
        click.echo(f"{audit.outcomes} outcomes, {audit.compacted} of them compacted; {len(audit.problems)} problem(s)")
        click.echo(f"last digest {audit.digest}")
    sys.exit(1 if audit.problems else 0)


@journal_group.command("compact")
@config_option
@click.option("--keep-days", type=click.IntRange(min=0), help="Days to keep (default: the configured `keep_days`).")
@json_option
def journal_compact(config_path: Path, keep_days: int | None, as_json: bool) -> None:
    """Drop proofs, transactions and stages of observations that ended longer ago; outcomes and hashes stay.

    The daemon must not run meanwhile. With `keep_days` it compacts the journal by itself.
    """
    from oracle.feeds.journal import open_journal

    config = load_config(config_path).journal
    days = config.keep_days if keep_days is None else keep_days
    if days is None:
        raise click.UsageError("say --keep-days, or set keep_days in [journal]")
    observations = rows = 0
    with open_journal(config, os.environ) as journal:
        while (done := journal.compact(days)).rows:
            observations, rows = observations + done.observations, rows + done.rows
        if rows:
            journal.vacuum()
    told = {"stages": rows, "observations": observations}
    print_done(told, f"dropped {rows} stages of {observations} observations", as_json=as_json)
