"""`oracle bench`."""

from __future__ import annotations

from pathlib import Path

import click

from oracle.cli.options import FILE, json_option

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("bench")
@click.option("--repeat", type=click.IntRange(min=1), default=5, show_default=True, help="Proofs per case.")
@click.option(
    "--cases",
    "patterns",
    multiple=True,
    metavar="NAME",
    help="Measure only cases that match, such as 'tuned-*'. May be repeated, or hold several names with commas. "
    "Without it, all but the submissions of trees and autoencoders are measured.",
)
@click.option("--cold-setup", is_flag=True, help="Also time the set-up of `make demo` in a fresh clone.")
@click.option(
    "--growth",
    is_flag=True,
    help="Measure instead how proofs grow from 100 to 1,000,000 weights, and a split model. Takes long.",
)
@click.option(
    "--minutes",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How long the cases daemon-1000 run: a thousand feeds, all due every minute.",
)
@click.option("--plot", type=FILE, help="With --growth: write the plot to this file.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("build/bench.json"),
    show_default=True,
    help="The report to write, as JSON.",
)
@json_option
def bench_command(
    repeat: int,
    patterns: tuple[str, ...],
    cold_setup: bool,
    growth: bool,
    minutes: int,
    plot: Path | None,
    out: Path,
    as_json: bool,
) -> None:
    """Measure proving, gas and latency on this machine, side by side with ezkl's defaults."""
    import asyncio
    from functools import partial

    echo = partial(click.echo, err=as_json)
    if growth:
        from oracle.bench.growth import measure_growth

        measure_growth(out=out, echo=echo, plot=plot)
    else:
        from oracle.bench.cases import USUAL, matching
        from oracle.bench.run import run

        cases = matching(patterns) if patterns else USUAL
        asyncio.run(run(repeat=repeat, cold_setup=cold_setup, out=out, echo=echo, cases=cases, minutes=minutes))
    if as_json:
        click.echo(out.read_text(encoding="utf-8"), nl=False)
