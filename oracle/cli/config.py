"""`oracle config …`: the configuration file."""

from __future__ import annotations

from pathlib import Path

import click

from oracle.cli.options import config_option, load_config

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.group("config")
def config_group() -> None:
    """The configuration file."""


@config_group.command("check")
@config_option
@click.option("--chain", "ask_chain", is_flag=True, help="Also check that the chain has the hub, with these feeds.")
def config_check(config_path: Path, ask_chain: bool) -> None:
    """Read the configuration and say what is wrong with it."""
    from oracle.app.detectors import configured_detector

    config = load_config(config_path)
    # What the file says of its model is true of a model that is there, and that can publish it.
    configured_detector(config)
    click.echo(f"{config_path}: {len(config.feeds)} feed(s), no errors")
    click.echo(f"model: {config.prover.named_model}, {config.prover.privacy}")
    if ask_chain:
        import asyncio

        from oracle.app.deploy import check_chain

        click.echo(f"{asyncio.run(check_chain(config))}: has all of them")
