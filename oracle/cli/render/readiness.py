"""The answer of `oracle config check --chain` about the next reports."""

from __future__ import annotations

import click

from oracle.chain.readiness import Readiness
from oracle.config import Config
from oracle.core.obstacles import lines

__all__ = ["print_readiness"]


def print_readiness(readiness: Readiness, config: Config) -> None:
    """Print each obstacle, or that there is none."""
    own = [each for each in readiness.obstacles if not each.kind.is_of_others]
    for line in lines(own):
        click.echo(f"error: {line}", err=True)
    for line in lines(each for each in readiness.obstacles if each.kind.is_of_others):
        click.echo(f"note: {line}", err=True)
    if not own:
        feeds = ", ".join(feed.name for feed in config.feeds)
        click.echo(f"hub {readiness.hub} on chain {config.chain.chain_id}: would take the next report of {feeds}")
