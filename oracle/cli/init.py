"""`oracle init`."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from oracle.cli.completion import complete_feed
from oracle.cli.options import FOLDER, FiniteRange, json_option

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("init")
@click.argument("folder", metavar="[FOLDER]", type=FOLDER, required=False)
@click.option(
    "--data",
    multiple=True,
    metavar="[NAME=]FILE",
    help="Learn from this recording (CSV, Parquet or XLSX) of the feed NAME; may be repeated: one model for all.",
)
@click.option(
    "--series",
    multiple=True,
    metavar="NAME",
    help="Learn from this packaged series, from the demo extra: sp500, nasdaq, wti, vix; may be repeated.",
)
@click.option("--journal", metavar="FILE|URL", help="Learn from the journal of a running oracle, with --feed.")
@click.option(
    "--feed",
    "feeds",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_feed,
    help="The feed in the journal; may be repeated.",
)
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="FEED=PEER[,PEER]",
    help="Judge FEED beside these feeds (default: the one that moves most alike, if any does); FEED= for none.",
)
@click.option("--time-column", metavar="HEADER", help="Header of the times in the recordings (default: it is found).")
@click.option(
    "--value-column",
    "value_columns",
    multiple=True,
    metavar="HEADER",
    help="Header of the values; may be repeated: one for each source (default: it is found).",
)
@click.option(
    "--kind",
    type=click.Choice(["relative", "absolute"]),
    default="relative",
    show_default=True,
    help="Moves in proportion, of values above zero; or in the feed's units.",
)
@click.option(
    "--decimals", type=click.IntRange(0, 18), default=8, show_default=True, help="Decimals of the feeds' answers."
)
@click.option(
    "--max-gap",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="The most heartbeats between two rows of a recording: nights, weekends and holidays.",
)
@click.option("--name", default="first", show_default=True, metavar="NAME", help="The model's name.")
@click.option(
    "--false-holds",
    type=FiniteRange(0, 500, min_open=True, max_open=True),
    default=5.0,
    show_default=True,
    help="How many of 10,000 reports without a fault the model may hold.",
)
@click.option(
    "--rpc-url", default="http://127.0.0.1:8545", show_default=True, help="An endpoint of the chain to report to."
)
@click.option("--chain-id", type=click.IntRange(min=1), help="The chain's id (default: the endpoint is asked).")
@click.option(
    "--keys",
    type=click.Choice(["new", "anvil"]),
    help="Keys of your own, encrypted, or those of Anvil that everybody has (default: the latter on a local chain).",
)
@click.option(
    "--network",
    "count",
    type=click.IntRange(2, 31),
    metavar="N",
    help="Make a folder for each of N members of a network of reporters.",
)
@click.option("--quorum", type=click.IntRange(min=1), help="How many members have to have an answer; odd.")
@click.option("--faulty", type=click.IntRange(min=0), help="How many members may be silent or lie (default: a third).")
@click.option("--host", default="127.0.0.1", show_default=True, help="The host of members that have no --url.")
@click.option("--url", "urls", multiple=True, metavar="NAME=URL", help="A member's name and base URL; may be repeated.")
@click.option(
    "--reporter",
    "reporters",
    multiple=True,
    metavar="NAME=ADDRESS",
    help="The address of a member that has its key already (default: keys are made); may be repeated.",
)
@click.option("--turn", "turn_s", type=click.IntRange(2, 86_400), metavar="SECONDS", help="The length of a turn.")
@click.option("--no-input", is_flag=True, help="Ask nothing, even in a terminal.")
@json_option
@click.pass_context
def init_command(
    context: click.Context,
    /,
    as_json: bool,
    no_input: bool,
    folder: Path | None,
    data: tuple[str, ...],
    peers: tuple[str, ...],
    false_holds: float,
    count: int | None,
    quorum: int | None,
    faulty: int | None,
    host: str,
    urls: tuple[str, ...],
    reporters: tuple[str, ...],
    turn_s: int | None,
    **options: Any,
) -> None:
    """Make a working FOLDER: a configuration, and a first model of your own from whatever history there is.

    Without a history, the packaged model is taken. With --network there is a folder in it for each member, with a key
    of its own. In a terminal it asks for what the options leave open. It overwrites nothing, and may be run again.
    """
    import asyncio

    if not (no_input or as_json) and sys.stdin.isatty() and sys.stderr.isatty():
        folder, data = _ask(context, folder, data, options)
    if folder is None:
        raise click.UsageError("name the folder to make, for instance: oracle init oracle")

    from oracle.app.beginning import InitOptions, begin
    from oracle.app.beginning.options import NetworkOptions, named_file, named_member, named_peers
    from oracle.cli.render.init import print_begun

    network = None
    if count is not None:
        network = NetworkOptions(
            count,
            quorum,
            faulty,
            host,
            tuple(named_member("--url", each) for each in urls),
            tuple(named_member("--reporter", each) for each in reporters),
            turn_s,
        )
    elif quorum or faulty or urls or reporters or turn_s:
        raise click.UsageError("--quorum, --faulty, --url, --reporter and --turn are for a network: add --network N")
    given = InitOptions(
        folder,
        data=tuple(map(named_file, data)),
        peers=tuple(map(named_peers, peers)),
        false_holds_per_10k=Decimal(str(false_holds)),
        network=network,
        **options,
    )
    found = asyncio.run(begin(given, progress=lambda step: click.echo(step, err=True)))
    print_begun(found, as_json=as_json)


def _ask(
    context: click.Context, folder: Path | None, data: tuple[str, ...], options: dict[str, Any]
) -> tuple[Path, tuple[str, ...]]:
    """Ask for what the options leave open. Return the folder and the recordings; `options` gets the other answers."""
    from urllib.parse import urlsplit

    def is_open(name: str) -> bool:
        return context.get_parameter_source(name) is ParameterSource.DEFAULT

    if folder is None:
        folder = Path(click.prompt("Folder to make", default="oracle", err=True))
    if not data and not options["series"] and not options["journal"]:
        data = _ask_for_history(options)
    if is_open("rpc_url") and is_open("chain_id"):
        options["rpc_url"] = click.prompt("Endpoint of the chain to report to", default=options["rpc_url"], err=True)
    is_near = urlsplit(options["rpc_url"]).hostname in ("127.0.0.1", "localhost", "::1")
    if options["keys"] is None and is_open("count") and is_near:
        options["keys"] = click.prompt(
            "Keys: new ones of your own, or those of Anvil that everybody has",
            type=click.Choice(["new", "anvil"]),
            default="anvil",
            err=True,
        )
    return folder, data


def _ask_for_history(options: dict[str, Any]) -> tuple[str, ...]:
    """Ask for a history that the first model learns from: a recording, or else a packaged series."""
    from oracle.sources.packaged.series import SERIES

    while True:
        file = click.prompt(
            "Recording of your feed to learn from (empty: none)", default="", show_default=False, err=True
        )
        if not file or Path(file).is_file():
            break
        click.echo(f"{file}: there is no such file", err=True)
    if file:
        return (file,)
    series = click.Choice(["none", *SERIES])
    chosen = click.prompt("Packaged series to learn from", type=series, default="none", err=True)
    if chosen != "none":
        options["series"] = (chosen,)
    return ()
