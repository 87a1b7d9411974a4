"""`oracle demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from oracle.cli.options import FOLDER, json_option, public_model_option

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("demo")
@click.option("--ticks", type=click.IntRange(min=1), default=85, show_default=True, help="Observations of each feed.")
@click.option("--seed", type=int, default=2008, show_default=True, help="Seed of the injected faults.")
@click.option("--start", default="2008-07-01", show_default=True, help="First recorded day (ISO date).")
@public_model_option
@click.option("--replay-only", is_flag=True, help="No proofs, no chain: count what the gate sees over --seeds seeds.")
@click.option(
    "--seeds", type=click.IntRange(1, 1_000), default=20, show_default=True, help="Seeds of --replay-only, from 1 on."
)
@click.option("--workers", type=click.IntRange(min=1), help="Proving processes (default: one per core).")
@click.option(
    "--out",
    type=FOLDER,
    default=Path("build/demo"),
    show_default=True,
    help="Folder for summary.json and the plot.",
)
@json_option
def demo_command(as_json: bool, replay_only: bool, seeds: int, **options: Any) -> None:
    """Replay recorded market data, with faults injected, on a real local chain.

    The model is trained first, in seconds, on the years before.
    """
    import asyncio

    from rich.console import Console

    from oracle.cli.render.demo import print_demo, print_rehearsal
    from oracle.cli.render.json_output import print_json
    from oracle.demo.options import DemoOptions
    from oracle.demo.rehearsal import rehearse_trained
    from oracle.demo.run import run

    given = DemoOptions(**options)
    console = Console(stderr=as_json)
    if replay_only:
        found = rehearse_trained(given, range(1, seeds + 1))
        print_rehearsal(console, found, as_json=as_json)
        return
    played = asyncio.run(run(given, console))
    if as_json:
        print_json(played.summary)
    else:
        print_demo(console, played.summary, given.out)
    sys.exit(0 if played.ok else 1)
