"""`oracle history`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oracle.cli.completion import complete_feed
from oracle.cli.options import json_option, load_optional, optional_config_option
from oracle.core.errors import ConfigError

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from oracle.app.history.opening import FeedHistory
    from oracle.cli.render.history import HistoryPrinter

LIMIT = 50

_KINDS = ("round", "hold", "failure", "other")


@click.command("history")
@click.argument("feed", shell_complete=complete_feed)
@click.option("--since", metavar="DATE|SPAN", help="Nothing older: 2026-11-30, 2026-11-30T07:41, 90min, 6h, 7d or 2w.")
@click.option("--until", metavar="DATE|SPAN", help="Nothing newer: as --since.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=LIMIT,
    show_default=True,
    help="The most entries, newest first; 0 for all.",
)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(_KINDS),
    multiple=True,
    help="Only such entries. Repeatable. Others: overtaken by a newer report, kept for whoever brings it, or open.",
)
@click.option("--utc", is_flag=True, help="Times in UTC, not in this machine's zone. JSON always has both.")
@click.option("--no-costs", is_flag=True, help="Read neither gas nor times of blocks: much faster for long histories.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, a line for each report and each failure.")
@click.option("--hub", metavar="ADDRESS", help="Read any hub, without configuration and journal. Needs --rpc.")
@click.option("--rpc", "rpc_url", metavar="URL", help="RPC endpoint of the chain of --hub.")
@optional_config_option
@json_option
def history_command(
    feed: str,
    since: str | None,
    until: str | None,
    limit: int,
    kinds: tuple[str, ...],
    utc: bool,
    no_costs: bool,
    as_csv: bool,
    hub: str | None,
    rpc_url: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Show what became of the reports of a FEED: rounds, holds and how they ended, failures with their reasons.

    The chain's events are joined with the journal, if it is here. What can't be read is said, and the command exits
    with 1. With --hub, the FEED is named by its description or its id.
    """
    import asyncio
    import time

    from oracle.app.history.entries import EntryKind
    from oracle.cli.render.history import printer_of
    from oracle.core.times import parse_since

    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other")
    now = time.time()
    try:
        since_s = None if since is None else parse_since(since, now, is_utc=utc)
    except ValueError as error:
        raise click.UsageError(f"--since: {error}") from None
    try:
        until_s = None if until is None else parse_since(until, now, is_utc=utc)
    except ValueError as error:
        raise click.UsageError(f"--until: {error}") from None
    if since_s is not None and until_s is not None and since_s > until_s:
        raise click.UsageError("--since is later than --until: nothing is between them")
    wanted = tuple(map(EntryKind, kinds or _KINDS))
    form = "csv" if as_csv else "json" if as_json else "text"

    async def show() -> bool:
        async with _opened(feed, hub, rpc_url, config_path) as history:
            printer: HistoryPrinter = printer_of(form, history, is_utc=utc)
            shown = 0
            async for entry in history.entries(
                since=since_s, until=until_s, kinds=wanted, with_costs=not no_costs, limit=limit
            ):
                printer.add(entry)
                shown += 1
            printer.end(has_more=limit > 0 and shown == limit)
            return not history.unread

    sys.exit(0 if asyncio.run(show()) else 1)


def _opened(
    feed: str, hub: str | None, rpc_url: str | None, config_path: Path | None
) -> AbstractAsyncContextManager[FeedHistory]:
    from oracle.app.history.opening import history_at, history_of

    if (hub is None) != (rpc_url is None):
        raise click.UsageError("--hub and --rpc belong together: the hub's address, and an endpoint of its chain")
    if hub is not None and rpc_url is not None:
        return history_at(hub, rpc_url, feed)
    config = load_optional(config_path)
    if config is None:
        raise ConfigError("there is no oracle.toml here: name a configuration with --config, or --hub and --rpc")
    return history_of(config, feed)
