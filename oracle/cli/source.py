"""`oracle source …`: the sources of feeds."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from oracle.cli.completion import complete_feed
from oracle.cli.options import config_option, json_option, load_config

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.group("source")
def source_group() -> None:
    """The sources of feeds."""


@source_group.command("test")
@click.argument("feed", required=False, shell_complete=complete_feed)
@config_option
@click.option("--source", metavar="NAME", help="Show this source alone; the others are read to compare it with.")
@json_option
def source_test(feed: str | None, config_path: Path, source: str | None, as_json: bool) -> None:
    """Read each source of the FEED once, or of all feeds, and show what it said and how far it is from the others.

    If a JSONPath finds nothing, a part of the document is shown, with the paths that may be meant. Nothing is signed or
    sent. Exits with 1 if a person has to change something, and with 75 if a source gives no answer now.
    """
    import asyncio

    from oracle.app.source_tests import try_feeds
    from oracle.cli.render.sources import exit_code, print_trials

    config = load_config(config_path)
    feeds = config.feeds if feed is None else (config.feed(feed),)
    tried = asyncio.run(try_feeds(feeds, source=source))
    print_trials(tried, as_json=as_json)
    sys.exit(exit_code(tried))
