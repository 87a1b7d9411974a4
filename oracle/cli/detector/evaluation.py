"""`oracle detector evaluate` and `oracle detector nab`: how good a detector is."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.detector.recordings import recording_of, recording_options
from oracle.cli.options import FILE, FOLDER, FiniteRange, json_option
from oracle.core.encoding import Feature
from oracle.core.errors import DataError

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.detectors.evaluation.recording import Recording
    from oracle.detectors.evaluation.replay import Scoring
    from oracle.detectors.evaluation.settings import FeedOptions
    from oracle.detectors.evaluation.terms import SettledTerms
    from oracle.detectors.interface import Detector
    from oracle.sources.faults import Fault


@click.command("evaluate")
@click.argument("models", metavar="MODEL...", nargs=-1)
@recording_options
@click.option(
    "--part",
    type=click.Choice(["second-half", "all"]),
    default="second-half",
    show_default=True,
    help="Which part is replayed. Settings that are not given are found from the first half.",
)
@click.option(
    "--kind",
    type=click.Choice(["relative", "absolute"]),
    help="How the feed measures its moves (default: as the model's card says, else relative).",
)
@click.option(
    "--decimals",
    type=click.IntRange(0, 18),
    help="Decimals of the feed's answers (default: as the model's card says, else 8).",
)
@click.option(
    "--sigma",
    type=click.IntRange(min=1),
    help="Typical size of a move in one heartbeat: ppm, or answer units (default: the card's, else found).",
)
@click.option(
    "--heartbeat",
    type=click.IntRange(min=1),
    help="Seconds that a feed may go without a report (default: the card's, else the median distance of ticks).",
)
@click.option("--card-series", help="Series of the model's card whose terms are taken, if the card has several.")
@click.option(
    "--confirmations",
    type=click.IntRange(1, 255),
    default=3,
    show_default=True,
    help="Further reports near a held answer that end the hold.",
)
@click.option(
    "--confirm-delay",
    type=click.IntRange(min=0),
    help="Seconds after the held report before one of them can end the hold (default: the heartbeat).",
)
@click.option(
    "--tolerance",
    type=click.IntRange(min=0),
    default=3_000,
    show_default=True,
    help="How near they must be, in thousandths of sigma.",
)
@click.option(
    "--max-repeats",
    type=click.IntRange(0, 255),
    help="Times that an answer may repeat before it is held; 0: any number (default: two more than is usual before).",
)
@click.option(
    "--min-sources",
    type=click.IntRange(min=1),
    help="Live venues that a value needs (default: 2, if there are several).",
)
@click.option(
    "--max-source-spread",
    type=Decimal,
    help="Leave out venues that are further from the median: ppm, or the feed's units.",
)
@click.option("--fault", "names", multiple=True, help="Inject only this fault; may be repeated (default: all).")
@click.option("--faults", "faults_file", type=FILE, help="TOML file with faults of your own.")
@click.option(
    "--count",
    type=click.IntRange(1, 100_000),
    default=300,
    show_default=True,
    help="Places where each fault is injected.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the injected faults.")
@click.option(
    "--scale-to",
    type=FiniteRange(min=0),
    help="Scale all limits, with hindsight, to this many false holds per 10,000: so detectors compare, not thresholds.",
)
@click.option(
    "--no-curve", is_flag=True, help="Leave out the curve of recall against false holds, which takes longest."
)
@click.option(
    "--out",
    type=FOLDER,
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
    card_series: str | None,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Replay the whole gate on recorded data, with faults, for each MODEL: a model file, or "default".

    Each detector is compared with the static cap that has as many false holds on the same ticks. If there is a model
    card beside a model (NAME.card.json), the feed has the card's sigma, heartbeat and peers' sigmas.
    """
    from oracle.cli.render.evaluation import print_comparison
    from oracle.cli.render.tables import new_console
    from oracle.detectors.evaluation import plots
    from oracle.detectors.evaluation.comparison import BUDGET, compare
    from oracle.detectors.evaluation.figures import document
    from oracle.detectors.evaluation.prepared import prepare
    from oracle.detectors.evaluation.report import write

    if not models:
        raise click.UsageError('name at least one model: a model file, or "default" for the one that is shipped')
    plots.require()
    settled = _settled(models, recording_of(options), options, card_series)
    prepared = prepare(settled.recording, settled.options, part)
    faults = _faults(names, faults_file)
    detectors = [_detector(model) for model in models]
    console = new_console(stderr=as_json)
    comparison = compare(
        detectors,
        prepared,
        faults,
        count=count,
        seed=seed,
        curve=not no_curve,
        scale_to=scale_to,
        budget=BUDGET if settled.budget is None else settled.budget,
        notes=settled.notes,
        warnings=settled.warnings,
        progress=lambda step: click.echo(f"  {step}", err=True),
    )
    written = write(comparison, out)
    if as_json:
        click.echo(json.dumps(document(comparison), indent=2, ensure_ascii=False))
        return
    print_comparison(comparison, console)
    console.print(f"written: {', '.join(str(path) for path in written)}", highlight=False)


def _settled(
    models: tuple[str, ...], recording: Recording, options: dict[str, Any], series: str | None
) -> SettledTerms:
    """Return the terms to judge at: as given, else those of the cards beside the models."""
    from oracle.core.types import Kind
    from oracle.detectors import drift
    from oracle.detectors.evaluation.terms import GivenTerms, card_path, card_terms, settle

    cards = []
    for model in models:
        path = card_path(Path(model))
        if model != "default" and path.exists():
            card = drift.load_card(path)
            drift.check_model(card, Path(model))
            cards.append(card_terms(card, series, recording.name, str(path)))
    kind = options["kind"]
    given = GivenTerms(
        None if kind is None else Kind[kind.upper()], options["decimals"], options["sigma"], options["heartbeat"]
    )
    return settle(given, _feed_options(options), recording, cards)


def _feed_options(options: dict[str, Any]) -> FeedOptions:
    from oracle.detectors.evaluation.settings import FeedOptions

    return FeedOptions(
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
    from oracle.app.detectors import load_detector
    from oracle.detectors.registry import packaged

    if model == "default":
        return packaged()
    path = Path(model)
    if not path.exists():
        raise DataError(f'{path}: no such model file; "default" is the one that is shipped')
    return load_detector(path)


@click.command("nab")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--detector", "models", multiple=True, help='A model file, or "default"; may be repeated (default: default).'
)
@click.option("--out", type=FILE, help="Also write the figures to this JSON file.")
@json_option
def nab(path: Path, models: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Run detectors over Numenta's benchmark at PATH (its folder, or a tar archive), scored by its own rules.

    The data are not shipped: github.com/numenta/NAB has them. The detectors are compared with a cap on a move's size.
    """
    from oracle.cli.render.evaluation import print_nab
    from oracle.cli.render.tables import new_console
    from oracle.detectors.evaluation import nab as nab_benchmark
    from oracle.detectors.evaluation.caps import StaticCap
    from oracle.detectors.evaluation.figures import nab_document
    from oracle.detectors.evaluation.nab_corpus import load_corpus
    from oracle.detectors.evaluation.report import write_file

    detectors = [_detector(model) for model in models or ("default",)]
    for detector in detectors:
        if Feature.SPREAD in detector.features:
            raise DataError(f"model {detector.name} judges the spread between venues; the benchmark's series have one")
    files = load_corpus(path)
    results = {}
    judged: list[Scoring] = [StaticCap(1_000), *detectors]
    for each in judged:
        click.echo(f"  {each.name}: {len(files)} series", err=True)
        results[each.name] = nab_benchmark.run(each, files)
    document = nab_document(results)
    if out is not None:
        write_file(out, json.dumps(document, indent=2).encode() + b"\n")
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        print_nab(results, new_console())
