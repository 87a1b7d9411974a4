"""`oracle bench`."""

from __future__ import annotations

from pathlib import Path

import click

from oracle.cli.options import FILE, FOLDER, FiniteRange, json_option

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.group("bench", invoke_without_command=True)
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
@click.pass_context
def bench_group(
    context: click.Context,
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
    if context.invoked_subcommand is not None:
        return
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


@bench_group.command("models")
@click.argument("folder", metavar="PATH", type=FOLDER)
@click.option(
    "--models",
    "patterns",
    multiple=True,
    metavar="NAME",
    help="Only models whose name matches, such as 'torch-*'. May be repeated.",
)
@click.option("--no-defaults", "defaults", flag_value=False, default=True, help="Leave ezkl's defaults out.")
@click.option("--no-approximate", "approximate", flag_value=False, default=True, help="Refuse what can't be exact.")
@click.option("--search-only", is_flag=True, help="Only find scales and compare the integers: no key, no proof.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Proofs of each circuit.")
@click.option(
    "--time-limit",
    "seconds",
    type=FiniteRange(min=1),
    default=300.0,
    show_default=True,
    help="Seconds for a model, and as many for ezkl's defaults.",
)
@click.option(
    "--memory-limit",
    "memory",
    type=FiniteRange(min=0.1),
    default=8.0,
    show_default=True,
    help="GiB that a model's processes may take together.",
)
@click.option(
    "--tolerance",
    type=FiniteRange(min=0, min_open=True),
    default=0.01,
    show_default=True,
    help="The error of an output that still counts as right, as a share of the largest output.",
)
@click.option(
    "--at-least",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Exit with 1 if fewer models were built, exact or approximate.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("build/bench-models.json"),
    show_default=True,
    help="The report, as JSON. A run that was stopped continues with it.",
)
@json_option
def bench_models(
    folder: Path,
    patterns: tuple[str, ...],
    defaults: bool,
    approximate: bool,
    search_only: bool,
    repeat: int,
    seconds: float,
    memory: float,
    tolerance: float,
    at_least: int,
    out: Path,
    as_json: bool,
) -> None:
    """Build every model in the folder PATH, and say which are exact, approximate, refused, wrong or crashed.

    PATH has NAME/network.onnx with input.json, as ezkl keeps its examples, or NAME.onnx with NAME.npy. Each model has a
    process of its own. Exits with 1 if a model is wrong, if one crashed, or if fewer were built than --at-least says.
    """
    import sys
    from functools import partial

    from oracle.bench.suite.run import measure_models
    from oracle.bench.suite.table import built, faults, markdown
    from oracle.bench.suite.trial import Rules

    echo = partial(click.echo, err=as_json)
    report = measure_models(
        folder,
        out=out,
        echo=echo,
        patterns=patterns,
        rules=Rules(tolerance=tolerance, approximate=approximate, repeat=repeat, prove=not search_only),
        defaults=defaults and not search_only,
        seconds=seconds,
        memory=int(memory * 2**30),
    )
    if as_json:
        click.echo(out.read_text(encoding="utf-8"), nl=False)
    else:
        click.echo(markdown(report))
    sys.exit(1 if faults(report) or len(built(report)) < at_least else 0)
