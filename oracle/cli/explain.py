"""`oracle explain`."""

from __future__ import annotations

from pathlib import Path

import click

from oracle.cli.completion import complete_feed
from oracle.cli.options import config_option, json_option, load_config

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("explain")
@click.argument("feed", shell_complete=complete_feed)
@click.argument("round_id", metavar="[ROUND]", required=False, type=click.IntRange(min=1))
@config_option
@json_option
def explain_command(feed: str, round_id: int | None, config_path: Path, as_json: bool) -> None:
    """Say why a round of the FEED was accepted, or why its latest report is held: in sigmas and in words.

    Without a ROUND: the hold, if there is one, else the latest round.
    """
    import asyncio

    from oracle.app.explain import explain_feed
    from oracle.cli.render.account import print_account

    print_account(asyncio.run(explain_feed(load_config(config_path), feed, round_id)), as_json=as_json)
