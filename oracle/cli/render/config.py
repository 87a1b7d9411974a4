"""The outcome of `oracle config check`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from oracle.app.config_checks import CheckedConfig
from oracle.app.source_tests import TriedFeed
from oracle.chain.readiness import Readiness
from oracle.cli.render.json_output import print_json
from oracle.cli.render.readiness import print_readiness
from oracle.cli.render.sources import as_document, exit_code, print_trials
from oracle.core.errors import ConfigError, Retryable

__all__ = ["print_checked"]


def print_checked(
    path: Path,
    checked: CheckedConfig,
    tried: Sequence[TriedFeed] | None,
    readiness: Readiness | None,
    *,
    as_json: bool,
) -> int:
    """Print what was found, and return the exit code.

    Args:
        path: The configuration file.
        checked: What is wrong with it.
        tried: The outcomes of its sources; None: they were not tried.
        readiness: What the chain says; None: it was not asked.
    """
    if as_json:
        _print_json(path, checked, tried, readiness)
    else:
        # The chain tells of what is not deployed more sharply than a note.
        _print_checked(path, checked, () if readiness is not None else checked.notes)
        if tried is not None:
            print_trials(tried, as_json=False)
        if readiness is not None:
            print_readiness(readiness, checked.config)
    codes = [
        ConfigError.exit_code if checked.problems else 0,
        exit_code(tried or ()),
        0 if readiness is None else readiness.exit_code,
    ]
    # What has to be corrected comes before what may pass.
    return max(codes, key=(0, Retryable.exit_code, 1, ConfigError.exit_code).index)


def _print_json(
    path: Path, checked: CheckedConfig, tried: Sequence[TriedFeed] | None, readiness: Readiness | None
) -> None:
    print_json(
        {
            "file": path,
            "problems": checked.problems,
            "notes": checked.notes,
            "sources": None if tried is None else as_document(tried),
            "obstacles": None if readiness is None else [asdict(each) for each in readiness.obstacles],
        }
    )


def _print_checked(path: Path, checked: CheckedConfig, notes: Sequence[str]) -> None:
    if checked.problems:
        if len(checked.problems) == 1:
            click.echo(f"error: {path}: {checked.problems[0]}", err=True)
        else:
            click.echo("\n  ".join((f"error: {path}: {len(checked.problems)} problems:", *checked.problems)), err=True)
        return
    for note in notes:
        click.echo(f"note: {note}", err=True)
    config = checked.config
    network = config.network
    click.echo(f"{path}: {len(config.feeds)} feed(s), no errors")
    if network is None or network.is_transmitter:
        click.echo(f"model: {config.prover.named_model}, {config.prover.privacy}")
    if network is not None:
        quorum = config.committee(network.committee).quorum
        own = checked.own_member
        click.echo(
            f"network: {'' if own is None else f'{own.name}, one of '}{len(network.members)} members, quorum {quorum}; "
            f"{network.faulty} may be silent or lie; turns of {network.turn_s} s; {' and '.join(network.roles)}"
        )
