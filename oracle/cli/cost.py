"""`oracle cost`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from oracle.cli.completion import complete_feed
from oracle.cli.options import FiniteRange, config_option, json_option, load_config

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("cost")
@click.argument("feeds", metavar="[FEED]…", nargs=-1, shell_complete=complete_feed)
@click.option(
    "--days",
    type=FiniteRange(min=0, min_open=True, max=3_660),
    default=7.0,
    show_default=True,
    help="Days that are looked back.",
)
@click.option("--heartbeat", type=click.IntRange(min=1), help="Seconds: try this heartbeat.")
@click.option("--deviation", type=click.IntRange(min=1), help="Try this deviation: ppm, or answer units if absolute.")
@click.option("--window-ms", type=click.IntRange(min=0, max=60_000), help="Try this batch window.")
@click.option("--gas-price", type=FiniteRange(min=0, min_open=True), help="Gwei that estimates take for a gas.")
@config_option
@json_option
def cost_command(
    feeds: tuple[str, ...],
    days: float,
    heartbeat: int | None,
    deviation: int | None,
    window_ms: int | None,
    gas_price: float | None,
    config_path: Path,
    as_json: bool,
) -> None:
    """Show what feeds cost in a day, and what other settings would make of it.

    What was paid is in the journal, and is told apart from estimates. Without a journal, the heartbeats of the
    configuration bound the cost from below.
    """
    import asyncio

    from oracle.app.cost.estimates import WhatIf
    from oracle.app.cost.reading import read_cost
    from oracle.cli.render.cost import cost_document, print_cost
    from oracle.cli.render.json_output import print_json

    wanted = WhatIf(heartbeat, deviation, window_ms)
    report = asyncio.run(
        read_cost(load_config(config_path), os.environ, days=days, feeds=feeds, wanted=wanted, gas_price_gwei=gas_price)
    )
    if as_json:
        print_json(cost_document(report))
    else:
        print_cost(report)
