"""`oracle config …`: the configuration file."""

from __future__ import annotations

from pathlib import Path

import click

from oracle.cli.options import config_option, json_option, require_config

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.group("config")
def config_group() -> None:
    """The configuration file."""


@config_group.command("check")
@config_option
@click.option(
    "--chain", "ask_chain", is_flag=True, help="Also ask the chain whether it would take the next report of each feed."
)
@click.option("--sources", "try_sources", is_flag=True, help="Also read each source once: see `oracle source test`.")
@json_option
def config_check(config_path: Path, ask_chain: bool, try_sources: bool, as_json: bool) -> None:
    """Tell everything that is wrong with the configuration, and with the files that it names.

    Exits with 2 if something is. With --sources and --chain, it exits with 1 if a person has to change something, and
    with 75 if a source or the chain does not answer now.
    """
    import asyncio
    import os
    import sys

    from oracle.app.asked_readiness import ask_readiness
    from oracle.app.config_checks import check_config
    from oracle.app.source_tests import try_feeds
    from oracle.cli.render.config import print_checked

    checked = check_config(require_config(config_path), os.environ)
    tried = asyncio.run(try_feeds(checked.feeds)) if try_sources else None
    asks = ask_chain and checked.is_whole
    readiness = asyncio.run(ask_readiness(checked.config, os.environ)) if asks else None
    sys.exit(print_checked(config_path, checked, tried, readiness, as_json=as_json))
