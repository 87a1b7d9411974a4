"""`oracle status`."""

from __future__ import annotations

from pathlib import Path

import click

from oracle.cli.options import config_option, json_option, load_config

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("status")
@config_option
@json_option
def status_command(config_path: Path, as_json: bool) -> None:
    """Show the feeds as the chain has them, whether it would take their next reports, the payer, and the journal.

    Exits with 0 whatever it shows: `oracle config check --chain` is what a script asks.
    """
    import asyncio

    from oracle.app.status import status
    from oracle.cli.render.status import print_status

    print_status(asyncio.run(status(load_config(config_path))), as_json=as_json)
