"""`oracle detector train` and `oracle detector monitor`: detectors from a user's own data."""

from __future__ import annotations

import sys
from pathlib import Path

import click

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

    Writes the model file, its integer graph, and a model card as JSON and Markdown.
    """
    import os

    from oracle.app.training import train_configured
    from oracle.cli.render.detector import print_training_card
    from oracle.config import load_training
    from oracle.detectors.training.run import write

    trained = train_configured(load_training(config_path), os.environ, progress=lambda step: click.echo(step, err=True))
    files = write(trained, out)
    print_training_card(trained.card, files, as_json=as_json)


@click.command("monitor")
@click.argument("card_path", metavar="CARD", type=FILE)
@click.option(
    "--model",
    "model_path",
    type=FILE,
    help="The card's model file (default: NAME.json beside NAME.card.json).",
)
@click.option("--feed", help="The feed that the model judges: its reports are read from the journal.")
@click.option(
    "--journal",
    "journal_at",
    metavar="FILE|URL",
    help="Journal to read, in a file or in PostgreSQL (default: the configuration's).",
)
@click.option("--chain", "from_chain", is_flag=True, help="Read the feed's rounds from the chain instead.")
@click.option(
    "--data",
    type=FILE,
    help="Read a recording instead, with the columns of the card.",
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
    feed: str | None,
    journal_at: str | None,
    from_chain: bool,
    data: Path | None,
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

    if (feed is None) == (data is None):
        raise click.UsageError("say what to compare: --feed NAME, from the journal or with --chain, or --data FILE")
    card = drift.load_card(card_path)
    path = model_path or card_path.with_name(card_path.name.replace(".card.json", ".json"))
    drift.check_model(card, path)
    detector = load_detector(path)
    if from_chain:
        loaded = load_config(config_path or DEFAULT_CONFIG)
        where = drift.data_of(card, None, loaded.journal, feed)
        reports = asyncio.run(read_chain(loaded, feed or "", where, last))
    else:
        journal = None
        if feed is not None and journal_at is not None:
            journal = config.journal_at(journal_at)
        elif feed is not None:
            optional = load_optional(config_path)
            if optional is None:
                raise click.UsageError("--feed needs --journal, or a configuration that names one")
            journal = optional.journal
        where = drift.data_of(card, data, journal, feed)
        reports = read_data(where, os.environ)
    reports = drift.recent(reports, last)
    found = drift.monitor(card, detector, reports)
    files = None
    if out is not None:
        trained = drift.retrain(card, reports, where, lambda step: click.echo(step, err=True))
        files = write(trained, out)
    print_monitor(found, files, as_json=as_json)
    sys.exit(1 if found.retrain else 0)
