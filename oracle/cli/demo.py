"""`oracle demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from oracle.cli.options import FOLDER, json_option, public_model_option

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.demo.summary import Performance

_OF_ONE = ("ticks", "public_model", "replay_only", "seeds", "workers", "explore")
"""Options of the demonstration of one oracle."""

_OF_NETWORK = ("faulty", "rounds", "turn")
"""Options of the demonstration of a network, which --reporters asks for."""


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
@click.option("--explore", is_flag=True, help="At the end, serve the explorer for the played chain, until Ctrl-C.")
@click.option("--reporters", type=int, help="Play a network of so many members, each a process of its own.")
@click.option("--faulty", type=int, default=1, show_default=True, help="With --reporters: how many lie, or are silent.")
@click.option("--rounds", type=int, help="With --reporters: turns to play (default: as many as show all faults).")
@click.option("--turn", type=int, default=2, show_default=True, help="With --reporters: seconds of a turn.")
@click.option(
    "--out",
    type=FOLDER,
    default=Path("build/demo"),
    show_default=True,
    help="Folder for summary.json and the plot.",
)
@json_option
@click.pass_context
def demo_command(context: click.Context, /, as_json: bool, reporters: int | None, **options: Any) -> None:
    """Replay recorded market data, with faults injected, on a real local chain.

    The model is trained first, in seconds, on the years before. With --reporters, a network of members reports
    instead, some of which are faulty in each way in turn.
    """
    _refuse_mixed(context, of_network=reporters is not None)
    if reporters is None:
        _play_one(as_json, **options)
    else:
        _play_network(as_json, reporters, **options)


def _refuse_mixed(context: click.Context, *, of_network: bool) -> None:
    """Refuse options of the other demonstration: they would do nothing."""
    others = _OF_ONE if of_network else _OF_NETWORK
    given = [name for name in others if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        kind = "is not of" if len(given) == 1 else "are not of"
        if of_network:
            raise click.UsageError(f"{names} {kind} a network's demonstration: leave out --reporters, or that")
        raise click.UsageError(f"{names} {kind} the demonstration of one oracle: add --reporters 4")


def _play_one(
    as_json: bool, *, replay_only: bool, seeds: int, faulty: int, rounds: int | None, turn: int, **options: Any
) -> None:
    import asyncio

    from rich.console import Console

    from oracle.cli.render.demo import print_demo, print_rehearsal
    from oracle.cli.render.json_output import print_json
    from oracle.demo.options import DemoOptions
    from oracle.demo.rehearsal import rehearse_trained
    from oracle.demo.run import run

    if replay_only and options["explore"]:
        raise click.UsageError("--replay-only has no chain that --explore could show: leave out one of them")
    given = DemoOptions(**options)
    console = Console(stderr=as_json)
    if replay_only:
        found = rehearse_trained(given, range(1, seeds + 1))
        print_rehearsal(console, found, as_json=as_json)
        return

    def told(played: Performance) -> None:
        if as_json:
            print_json(played.summary)
        else:
            print_demo(console, played.summary, given.out)

    played = asyncio.run(run(given, console, told))
    sys.exit(0 if played.ok else 1)


def _play_network(
    as_json: bool,
    reporters: int,
    *,
    faulty: int,
    rounds: int | None,
    turn: int,
    seed: int,
    start: str,
    out: Path,
    **_: Any,
) -> None:
    import asyncio

    from rich.console import Console

    from oracle.cli.render.demo import print_network_demo
    from oracle.cli.render.json_output import print_json
    from oracle.demo.network.options import NetworkDemoOptions
    from oracle.demo.network.run import run_network

    given = NetworkDemoOptions(reporters, faulty, rounds, turn, seed, start, out)
    console = Console(stderr=as_json)
    played = asyncio.run(run_network(given, console))
    if as_json:
        print_json(played.summary)
    else:
        print_network_demo(console, played.summary, given.out)
    sys.exit(0 if played.ok else 1)
