"""`oracle chain …`: the local chain."""

from __future__ import annotations

from pathlib import Path

import click

from oracle.cli.options import FILE

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.group("chain")
def chain_group() -> None:
    """The local chain that anvil.toml describes."""


@chain_group.command("up")
@click.option("--file", "path", type=FILE, default=Path("anvil.toml"), help="The chain's description.")
@click.option("--port", type=click.IntRange(0, 65535), help="Listen on this port, not on the file's; 0: a free one.")
def chain_up(path: Path, port: int | None) -> None:
    """Start Anvil, wait until it answers, and stop it cleanly on Ctrl-C or SIGTERM."""
    from oracle.app import chain

    chain.chain_up(path, port, announce=click.echo)
