"""`oracle detector evaluate` and `oracle detector nab`: how good a detector is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.options import json_option
from oracle.core.errors import DataError

if TYPE_CHECKING:
    from oracle.detectors.evaluation.recording import FeedOptions, Recording
    from oracle.detectors.evaluation.replay import Scoring
    from oracle.detectors.interface import Detector
    from oracle.sources.faults import Fault

_existing = click.Path(path_type=Path, dir_okay=False)


@click.command("evaluate")
@click.argument("models", metavar="MODEL...", nargs=-1)
@click.option("--data", type=_existing, help="Recording: a CSV file with a header.")
@click.option("--series", help="Instead of a file, a series that comes with the demo extra: sp500, nasdaq, wti, vix.")
@click.option("--time-column", help="Header of the times (default: found by its name).")
@click.option(
    "--value-column", "value_columns", multiple=True, help="Header of the values; more than once: one for each venue."
)
@click.option("--keep-last", is_flag=True, help="Of rows with the same time take the last, instead of refusing them.")
@click.option(
    "--other", "others", type=_existing, multiple=True, help="Recording of another asset, for the fault wrong_asset."
)
@click.option(
    "--part",
    type=click.Choice(["second-half", "all"]),
    default="second-half",
    show_default=True,
    help="What is replayed. What is not given is found from the first half.",
)
@click.option("--kind", type=click.Choice(["relative", "absolute"]), default="relative", show_default=True)
@click.option("--decimals", type=click.IntRange(0, 18), default=8, show_default=True, help="Of the feed's answers.")
@click.option("--sigma", type=click.IntRange(min=1), help="One deviation over one heartbeat: ppm, or answer units.")
@click.option("--heartbeat", type=click.IntRange(min=1), help="Seconds (default: the median distance of ticks).")
@click.option("--confirmations", type=click.IntRange(1, 255), default=3, show_default=True)
@click.option("--confirm-delay", type=click.IntRange(min=0), help="Seconds (default: the heartbeat).")
@click.option("--tolerance", type=click.IntRange(min=0), default=3_000, show_default=True, help="Thousandths of sigma.")
@click.option(
    "--max-repeats",
    type=click.IntRange(0, 255),
    help="0: no rule (default: two more than the first half's longest run).",
)
@click.option(
    "--min-sources", type=click.IntRange(min=1), help="Live venues that a value needs (default: 2 of several)."
)
@click.option(
    "--max-source-spread", type=Decimal, help="Venues further from the median are left out: ppm, or the feed's units."
)
@click.option("--fault", "names", multiple=True, help="Only this fault; more than once (default: all).")
@click.option("--faults", "faults_file", type=_existing, help="TOML file with faults of your own.")
@click.option("--count", type=click.IntRange(1, 100_000), default=300, show_default=True, help="Places for each fault.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--scale-to",
    type=click.FloatRange(min=0),
    help="Scale all limits, with hindsight, to so many false holds per 10,000: compares detectors, not thresholds.",
)
@click.option(
    "--no-curve", is_flag=True, help="Leave out the curve of recall against false holds, which takes longest."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/evaluation"),
    show_default=True,
    help="Folder for report.html, report.json and the plots.",
)
@json_option
def evaluate(
    models: tuple[str, ...],
    names: tuple[str, ...],
    faults_file: Path | None,
    part: str,
    count: int,
    seed: int,
    scale_to: float | None,
    no_curve: bool,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Replay the whole gate on recorded data, with faults, for each MODEL: a model file, or "default".

    Beside each detector stands the static cap that has as many false holds on the same ticks.
    """
    import json

    from rich.console import Console

    from oracle.detectors.evaluation import plots
    from oracle.detectors.evaluation.measure import compare
    from oracle.detectors.evaluation.output import document, print_comparison, write
    from oracle.detectors.evaluation.recording import prepare

    if not models:
        raise click.UsageError('name at least one model: a model file, or "default" for the one that is shipped')
    plots.require()
    recording = _recording(options)
    prepared = prepare(recording, _feed_options(options), part)
    faults = _faults(names, faults_file)
    detectors = [_detector(model) for model in models]
    console = Console(stderr=as_json)
    comparison = compare(
        detectors,
        prepared,
        faults,
        count=count,
        seed=seed,
        curve=not no_curve,
        scale_to=scale_to,
        progress=lambda step: click.echo(f"  {step}", err=True),
    )
    written = write(comparison, out)
    if as_json:
        click.echo(json.dumps(document(comparison), indent=2, ensure_ascii=False))
        return
    print_comparison(comparison, console)
    console.print(f"written: {', '.join(str(path) for path in written)}", highlight=False)


def _recording(options: dict[str, Any]) -> Recording:
    from dataclasses import replace

    from oracle.detectors.evaluation.recording import load_packaged, load_recording

    if (options["data"] is None) == (options["series"] is None):
        raise click.UsageError("name what to replay: --data FILE, or --series NAME")
    if options["series"] is not None:
        found = load_packaged(options["series"])
    else:
        found = load_recording(
            options["data"], options["time_column"], options["value_columns"], keep_last=options["keep_last"]
        )
    others = []
    for path in options["others"]:
        other = load_recording(path, keep_last=True)
        others.append(tuple(value for value in next(iter(other.venues.values())) if value is not None))
    return replace(found, others=tuple(others))


def _feed_options(options: dict[str, Any]) -> FeedOptions:
    from oracle.core.types import Kind
    from oracle.detectors.evaluation.recording import FeedOptions

    return FeedOptions(
        kind=Kind[options["kind"].upper()],
        decimals=options["decimals"],
        sigma=options["sigma"],
        heartbeat=options["heartbeat"],
        confirmations=options["confirmations"],
        confirm_delay=options["confirm_delay"],
        tolerance=options["tolerance"],
        max_repeats=options["max_repeats"],
        min_sources=options["min_sources"],
        max_source_spread=options["max_source_spread"],
    )


def _faults(names: tuple[str, ...], path: Path | None) -> tuple[Fault, ...]:
    from oracle.detectors.evaluation.trials import STANDARD
    from oracle.sources.faults import choose, load_faults

    own = load_faults(path) if path is not None else ()
    return choose(names or (*STANDARD, *(fault.kind for fault in own)), own)


def _detector(model: str) -> Detector:
    from oracle.app.assembly import load_detector
    from oracle.detectors.quadratic import QuadraticModel

    if model == "default":
        return QuadraticModel.default()
    path = Path(model)
    if not path.exists():
        raise DataError(f'{path}: no such model file; "default" is the one that is shipped')
    return load_detector(path)


@click.command("nab")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--detector", "models", multiple=True, help='A model file, or "default"; more than once (default: default).'
)
@click.option("--out", type=_existing, help="Write the figures to this JSON file too.")
@json_option
def nab(path: Path, models: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Run detectors over Numenta's benchmark at PATH (its folder, or a tar archive), scored by its own rules.

    The data is not shipped: github.com/numenta/NAB has it. Beside the detectors stands a cap on the size of a move.
    """
    import json

    from rich.console import Console

    from oracle.detectors.evaluation import nab as benchmark
    from oracle.detectors.evaluation.measure import StaticCap
    from oracle.detectors.evaluation.output import nab_document, print_nab, write_file

    detectors = [_detector(model) for model in models or ("default",)]
    for detector in detectors:
        if detector.spread:
            raise DataError(f"model {detector.name} judges the spread between venues; the benchmark's series have one")
    files = benchmark.load_corpus(path)
    results = {}
    judged: list[Scoring] = [StaticCap(1_000), *detectors]
    for each in judged:
        click.echo(f"  {each.name}: {len(files)} series", err=True)
        results[each.name] = benchmark.run(each, files)
    document = nab_document(results)
    if out is not None:
        write_file(out, json.dumps(document, indent=2).encode() + b"\n")
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        print_nab(results, Console())


def add_to(group: click.Group) -> None:
    """Puts this module's commands into a group."""
    group.add_command(evaluate)
    group.add_command(nab)
