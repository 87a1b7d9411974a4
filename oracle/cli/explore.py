"""`oracle explore`."""

from __future__ import annotations

from pathlib import Path

import click

from oracle.cli.options import FOLDER, load_optional, optional_config_option

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("explore")
@click.argument("hub", required=False)
@click.option(
    "--rpc",
    "endpoints",
    multiple=True,
    metavar="URL",
    help="RPC endpoint that your browser asks (default: the configuration's). Name several, and they check each other.",
)
@click.option(
    "--artifacts",
    type=FOLDER,
    help="Folder of artifacts: the pages tie verifiers to their public files (default: the configuration's).",
)
@click.option("--registry", "claim_registry", metavar="ADDRESS", help="The registry of claims.")
@click.option(
    "--cards", "model_cards", metavar="ADDRESS", help="The contract of proven cards (default: where its code says)."
)
@click.option("--listen", default="127.0.0.1:8008", show_default=True, help="Host and port; port 0 takes any free one.")
@optional_config_option
def explore_command(
    hub: str | None,
    endpoints: tuple[str, ...],
    artifacts: Path | None,
    claim_registry: str | None,
    model_cards: str | None,
    listen: str,
    config_path: Path | None,
) -> None:
    """Show feeds, rounds, models and claims of the hub at the address HUB in a browser, which checks their proofs.

    Without HUB it is the configuration's hub; without a configuration, the pages ask for a hub and an endpoint. Only
    files are served here: the browser asks the endpoints, and nothing is sent to this server. Stops on Ctrl-C.
    """
    import asyncio

    from oracle.app.explore import Explored, explore_until_stopped, explored

    config = None if hub is not None else load_optional(config_path)
    given = Explored(hub, endpoints, artifacts, claim_registry, model_cards)
    shown = explored(given, config, listen)
    asyncio.run(explore_until_stopped(shown, listen, lambda url: click.echo(f"the explorer is at {url}")))
