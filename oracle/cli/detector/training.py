"""`oracle detector train` and `oracle detector monitor`: detectors from a user's own data."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from oracle.cli.completion import complete_feed
from oracle.cli.detector.recordings import named
from oracle.cli.options import (
    DEFAULT_CONFIG,
    FILE,
    FOLDER,
    json_option,
    load_config,
    load_optional,
    optional_config_option,
)

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("train")
@click.argument("config_path", metavar="CONFIG", type=FILE)
@click.option(
    "--out",
    type=FOLDER,
    default=Path("build/models"),
    show_default=True,
    help="Folder for the model, its graph and its card.",
)
@json_option
def train(config_path: Path, out: Path, as_json: bool) -> None:
    """Train a detector as the TOML file CONFIG says: data, kind, splits, budget, seed.

    Writes the model file, its integer graph, and a model card as JSON and Markdown. Exits with 1 if the model is of no
    use, because it holds far more honest reports than its budget allows.
    """
    import os

    from oracle.app.training import train_configured
    from oracle.cli.render.detector import print_training_card
    from oracle.config import load_training
    from oracle.detectors.training.run import write

    trained = train_configured(load_training(config_path), os.environ, progress=lambda step: click.echo(step, err=True))
    files = write(trained, out)
    print_training_card(trained.card, files, as_json=as_json)
    sys.exit(0 if trained.card["usable"] else 1)


@click.command("monitor")
@click.argument("card_path", metavar="CARD", type=FILE)
@click.option(
    "--model",
    "model_path",
    type=FILE,
    help="The card's model file (default: NAME.json beside NAME.card.json).",
)
@click.option(
    "--feed",
    "feeds",
    metavar="[NAME=]FEED",
    shell_complete=complete_feed,
    multiple=True,
    help="Feed that the model judges, or a peer of one: its reports are read from the journal. NAME is its name in the "
    "card, if that has several series or peers; may be repeated.",
)
@click.option(
    "--journal",
    "journal_at",
    metavar="FILE|URL",
    help="Journal to read, in a file or in PostgreSQL (default: the configuration's).",
)
@click.option("--chain", "from_chain", is_flag=True, help="Read the feed's rounds from the chain instead.")
@click.option(
    "--data",
    "files",
    metavar="[NAME=]FILE",
    multiple=True,
    help="Read a recording instead, with the columns of the card; NAME as for --feed; may be repeated.",
)
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=5_000,
    show_default=True,
    help="Read at most this many of the latest reports.",
)
@click.option(
    "--retrain",
    "out",
    type=FOLDER,
    help="Train a proposed model on these reports into this folder. It is never activated.",
)
@optional_config_option
@json_option
def monitor(
    card_path: Path,
    model_path: Path | None,
    feeds: tuple[str, ...],
    journal_at: str | None,
    from_chain: bool,
    files: tuple[str, ...],
    last: int,
    out: Path | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Compare recent reports with the model card CARD; exits with 1 if the model should be retrained."""
    import asyncio
    import os

    from oracle import config
    from oracle.app.detectors import load_detector
    from oracle.app.training import read_chain, read_data
    from oracle.cli.render.detector import print_monitor
    from oracle.detectors import drift
    from oracle.detectors.training.run import write

    if bool(feeds) == bool(files):
        raise click.UsageError("say what to compare: --feed NAME, from the journal or with --chain, or --data FILE")
    card = drift.load_card(card_path)
    path = model_path or card_path.with_name(card_path.name.replace(".card.json", ".json"))
    drift.check_model(card, path)
    detector = load_detector(path)
    given: dict[str, Path | str] = {
        **{name: Path(where).expanduser() for name, where in named(files)},
        **({name or (feed if len(feeds) > 1 else ""): feed for name, feed in named(feeds)}),
    }
    if from_chain:
        loaded = load_config(config_path or DEFAULT_CONFIG)
        places = drift.data_of(card, given, loaded.journal)
        reports = [asyncio.run(read_chain(loaded, each, last)) for each in places]
    else:
        journal = None
        if feeds and journal_at is not None:
            journal = config.journal_at(journal_at)
        elif feeds:
            optional = load_optional(config_path)
            if optional is None:
                raise click.UsageError("--feed needs --journal, or a configuration that names one")
            journal = optional.journal
        places = drift.data_of(card, given, journal)
        reports = [read_data(each, os.environ) for each in places]
    for each in reports:
        for note in each.notes:
            click.echo(f"{each.source}: {note}", err=True)
    reports = [each if each.config.reference else drift.recent(each, last) for each in reports]
    found = drift.monitor(card, detector, reports)
    written = None
    if out is not None:
        trained = drift.retrain(card, reports, lambda step: click.echo(step, err=True))
        written = write(trained, out)
    print_monitor(found, written, as_json=as_json)
    sys.exit(1 if any(each.retrain for each in found) else 0)
