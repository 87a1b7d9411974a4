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
@click.option(
    "--chain", "ask_chain", is_flag=True, help="Also ask the chain whether it would take the next report of each feed."
)
def config_check(config_path: Path, ask_chain: bool) -> None:
    """Read the configuration and say what is wrong with it."""
    from oracle.app.detectors import configured_detector
    from oracle.app.network_checks import own_member

    config = load_config(config_path)
    network = config.network
    proves = network is None or network.is_transmitter
    if proves:
        # What the file says of its model is true of a model that is there, and that can publish it.
        configured_detector(config)
    own = own_member(config)
    click.echo(f"{config_path}: {len(config.feeds)} feed(s), no errors")
    if proves:
        click.echo(f"model: {config.prover.named_model}, {config.prover.privacy}")
    if network is not None:
        quorum = config.committee(network.committee).quorum
        click.echo(
            f"network: {'' if own is None else f'{own.name}, one of '}{len(network.members)} members, quorum {quorum}; "
            f"{network.faulty} may be silent or lie; turns of {network.turn_s} s; {' and '.join(network.roles)}"
        )
    if ask_chain:
        import asyncio
        import os
        import sys

        from oracle.app.readiness import ask_readiness
        from oracle.cli.render.readiness import print_readiness

        readiness = asyncio.run(ask_readiness(config, os.environ))
        print_readiness(readiness, config)
        sys.exit(readiness.exit_code)
