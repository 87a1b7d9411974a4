"""`oracle run`."""

from __future__ import annotations

from pathlib import Path

import click

from oracle.cli.options import config_option, load_config

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("run")
@config_option
def run_command(config_path: Path) -> None:
    """Run the oracle: read sources, prove, submit. Stops cleanly on SIGTERM, and continues where it stopped.

    SIGHUP makes it read the feeds' sources from the configuration again.
    """
    import asyncio

    from oracle.app.run import run_daemon
    from oracle.core.logs import configure

    configure("info")
    asyncio.run(run_daemon(load_config(config_path), reread=lambda: load_config(config_path)))
