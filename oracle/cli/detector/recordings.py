"""The options by which a command names recordings, and the recordings that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oracle.cli.options import FILE

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.detectors.evaluation.recording import Recording

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--data", type=FILE, help="Recording to replay: a CSV, TSV, Parquet or XLSX file."),
    click.option("--series", help="Packaged series to replay, from the demo extra: sp500, nasdaq, wti, vix."),
    click.option("--time-column", help="Header of the times (default: found by its name, or by what is in it)."),
    click.option(
        "--value-column",
        "value_columns",
        multiple=True,
        help="Header of the values (default: found likewise); may be repeated: one for each venue.",
    ),
    click.option(
        "--keep-last", is_flag=True, help="Take the last of several rows with the same time, instead of refusing them."
    ),
    click.option(
        "--peer",
        "peers",
        metavar="[NAME=]FILE|SERIES",
        multiple=True,
        help="Recording of a peer of the feed, or a packaged series; may be repeated, in the order of the model.",
    ),
    click.option(
        "--peer-column",
        "peer_columns",
        metavar="[NAME=]HEADER",
        multiple=True,
        help="Column of the same file that has a peer's values; may be repeated. They come after those of --peer.",
    ),
    click.option(
        "--peer-max-age",
        type=click.IntRange(min=0),
        help="Age in seconds beyond which a peer's answer counts as missing (default: 1.5 of its median distances).",
    ),
    click.option(
        "--bad",
        "stretches",
        metavar="FROM..TO",
        multiple=True,
        help="Stretch that is known to be wrong, as 2023-03-10..2023-03-12: holds in it are not false; may repeat.",
    ),
    click.option(
        "--other",
        "others",
        type=FILE,
        multiple=True,
        help="Recording of another asset, for the fault wrong_asset; may be repeated.",
    ),
)


def recording_options(command: Command) -> Command:
    """Add the options that name recordings; `recording_of` takes them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def named(told: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return the parts of NAME=WHAT; without a name, an empty one."""
    for each in told:
        name, equals, what = each.partition("=")
        yield (name, what) if equals else ("", each)


def stretches_of(told: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return stretches that are written as FROM..TO.

    Raises:
        UsageError: One is written otherwise.
    """
    from oracle.sources.recordings import parse_stretch

    found = []
    for each in told:
        first, dots, last = each.partition("..")
        if not dots:
            raise click.UsageError(f"--bad {each}: write it as FROM..TO, as 2023-03-10..2023-03-12")
        try:
            found.append(parse_stretch(first, last))
        except ValueError as error:
            raise click.UsageError(f"--bad {each}: {error}") from None
    return tuple(found)


def recording_of(options: dict[str, Any]) -> Recording:
    """Return the recording that the options name, with its peers; say what was changed when it was read.

    Raises:
        UsageError: The options do not go together.
        DataError: A file is wrong.
    """
    from oracle.core.encoding import MAX_PEERS
    from oracle.detectors.evaluation.recording import load_any, load_packaged, load_recording, with_peer

    if (options["data"] is None) == (options["series"] is None):
        raise click.UsageError("name what to replay: --data FILE, or --series NAME")
    if len(options["peers"]) + len(options["peer_columns"]) > MAX_PEERS:
        raise click.UsageError(f"a feed has {MAX_PEERS} peers at most")
    if options["peer_columns"] and options["data"] is None:
        raise click.UsageError("--peer-column is of the file that --data names; name a packaged series with --peer")
    stretches, max_age = stretches_of(options["stretches"]), options["peer_max_age"]
    columns = {name or column: column for name, column in named(options["peer_columns"])}
    if options["series"] is not None:
        found = load_packaged(options["series"])
    else:
        found = load_recording(
            options["data"],
            options["time_column"],
            options["value_columns"],
            peer_columns=columns,
            keep_last=options["keep_last"],
            peer_max_age=max_age,
        )
    of_columns, found = found.peers, replace(found, peers=(), bad=stretches)
    for name, where in named(options["peers"]):
        found = with_peer(found, load_any(where, keep_last=True, name=name or Path(where).stem), max_age=max_age)
    found = replace(found, peers=(*found.peers, *of_columns))
    others = []
    for path in options["others"]:
        other = load_recording(path, keep_last=True)
        others.append(tuple(value for value in next(iter(other.venues.values())) if value is not None))
    for note in found.notes:
        click.echo(f"{found.name}: {note}", err=True)
    return replace(found, others=tuple(others))
