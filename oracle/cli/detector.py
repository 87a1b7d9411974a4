"""`oracle detector …`: detectors of one's own data."""

from __future__ import annotations

from pathlib import Path

import click

from oracle.cli.options import json_option


@click.group("detector")
def detector_group() -> None:
    """Detectors: the models that judge a feed's moves."""


@detector_group.command("train")
@click.argument("config_path", metavar="CONFIG", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/models"),
    show_default=True,
    help="Folder for the model, its graph and its card.",
)
@json_option
def detector_train(config_path: Path, out: Path, as_json: bool) -> None:
    """Train a detector as the TOML file CONFIG says: data, kind, splits, budget, seed.

    Writes the model file, its integer graph, and a model card as JSON and Markdown.
    """
    from oracle.config import load_training
    from oracle.learning import train, write
    from oracle.report import print_card

    trained = train(load_training(config_path), progress=lambda step: click.echo(step, err=True))
    files = write(trained, out)
    print_card(trained.card, files, as_json=as_json)
