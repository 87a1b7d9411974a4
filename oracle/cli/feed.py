"""`oracle feed …`: what a hub's admin and guardian do to a feed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from oracle.cli.options import config_option, json_option, load_config
from oracle.cli.signing import act, signing_options

# Commands import what they need when they run, so that `oracle --help` answers at once.

F = TypeVar("F", bound=Callable[..., Any])


@click.group("feed")
def feed_group() -> None:
    """Administration of a feed: its model, its pause."""


@feed_group.command("show")
@click.argument("feed")
@config_option
@json_option
def feed_show(feed: str, config_path: Path, as_json: bool) -> None:
    """Show what the FEED has on-chain, and what is proposed for it."""
    _show(config_path, feed, as_json)


def _signed(function: F) -> F:
    """Add the options of a command that signs."""
    return click.argument("feed")(signing_options(function))


@feed_group.command("propose-model")
@_signed
@click.argument("model", type=click.IntRange(1, 65_535))
@click.option(
    "--min-compared",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Reports that both models must have judged before the proposed one can be activated.",
)
@click.option(
    "--max-disagreements",
    type=click.IntRange(0, 2**32 - 1),
    default=None,
    help="How many of the compared reports one of the two models may hold while the other accepts them.  [default: 1 % "
    "of --min-compared, rounded down]",
)
def propose_model(model: int, min_compared: int, max_disagreements: int | None, **common: Any) -> None:
    """Propose for the FEED the MODEL of this number, which `oracle deploy` has added."""
    if max_disagreements is None:
        max_disagreements = min_compared // 100
    elif not min_compared:
        raise click.UsageError(
            "--max-disagreements counts compared reports: say with --min-compared how many there are"
        )
    _act("proposeModel", model, min_compared, max_disagreements, **common)


def _plain(name: str, action: str, text: str) -> None:
    """Add a command that takes nothing but the feed."""

    @feed_group.command(name, help=text)
    @_signed
    def run(**common: Any) -> None:
        _act(action, **common)


_plain("activate-model", "activateModel", "Activate the proposed model, once its delay and its shadow period are over.")
_plain("cancel-model", "cancelModel", "Take the proposed model back.")
_plain("rollback-model", "rollbackModel", "Return to the model before the active one, at once.")
_plain(
    "pause", "pause", "Refuse reports of the FEED from now on; consumers are told. On a paused feed: cancel an unpause."
)
_plain("propose-unpause", "proposeUnpause", "Propose to take reports again.")
_plain("unpause", "unpause", "Take reports again, once the delay is over.")


def _act(
    action: str,
    *arguments: Any,
    feed: str,
    config_path: Path,
    keystore: Path | None,
    password_file: Path | None,
    calldata: bool,
    as_json: bool,
) -> None:
    from oracle.chain import admin
    from oracle.chain.deploy import load_deployment

    config = load_config(config_path)
    wanted = admin.call(load_deployment(config.chain.deployment), feed, action, *arguments)
    if act(config, wanted, keystore, password_file, calldata=calldata, as_json=as_json):
        _show(config_path, feed, as_json)


def _show(config_path: Path, feed: str, as_json: bool) -> None:
    import asyncio

    from oracle.chain.connect import connect
    from oracle.chain.deploy import load_deployment
    from oracle.chain.hub import Hub
    from oracle.chain.overview import FeedOverview, overview
    from oracle.cli.render.feed import print_feed

    config = load_config(config_path)

    async def look() -> FeedOverview:
        deployment = load_deployment(config.chain.deployment)
        async with connect(config.chain) as rpc:
            return await overview(Hub(rpc, deployment.hub), deployment, feed)

    print_feed(asyncio.run(look()), as_json=as_json)
