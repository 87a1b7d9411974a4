"""`oracle feed …`: what a hub's admin and guardian do to a feed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oracle.cli.options import calldata_option, config_option, json_option, key_options, load_config, unlock

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.chain.keys.signer import AnyKey

F = TypeVar("F", bound=Callable[..., Any])


@click.group("feed")
def feed_group() -> None:
    """Administration of a feed: its model, its reporters, its pause."""


@feed_group.command("show")
@click.argument("feed")
@config_option
@json_option
def feed_show(feed: str, config_path: Path, as_json: bool) -> None:
    """Show what the FEED has on-chain, and what is proposed for it."""
    _show(config_path, feed, as_json)


def _signed(function: F) -> F:
    """Add the options of a command that signs."""
    for option in (
        json_option,
        calldata_option,
        key_options("Keystore of the admin or guardian (default: the configuration's deployer)."),
        config_option,
        click.argument("feed"),
    ):
        function = option(function)
    return function


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
    "--max-distance",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="How far apart their scores of the latest report may be, in thousandths of a score unit.",
)
def propose_model(model: int, min_compared: int, max_distance: int, **common: Any) -> None:
    """Propose for the FEED the MODEL of this number, which `oracle deploy` has added."""
    _act("proposeModel", model, min_compared, max_distance, **common)


@feed_group.command("propose-reporters")
@_signed
@click.argument("reporters", nargs=-1, required=True, metavar="REPORTER...")
@click.option("--quorum", type=click.IntRange(min=1), required=True, help="Number of them that have to sign a report.")
def propose_reporters(reporters: tuple[str, ...], quorum: int, **common: Any) -> None:
    """Propose the addresses of all REPORTERs that may sign for the FEED once the proposal is active."""
    from oracle.chain.admin import reporters_of

    _act("proposeReporters", *reporters_of(reporters, quorum), **common)


def _plain(name: str, action: str, text: str) -> None:
    """Add a command that takes nothing but the feed."""

    @feed_group.command(name, help=text)
    @_signed
    def run(**common: Any) -> None:
        _act(action, **common)


_plain("activate-model", "activateModel", "Activate the proposed model, once its delay and its shadow period are over.")
_plain("cancel-model", "cancelModel", "Take the proposed model back.")
_plain("rollback-model", "rollbackModel", "Return to the model before the active one, at once.")
_plain("activate-reporters", "activateReporters", "Activate the proposed reporters, once their delay is over.")
_plain("cancel-reporters", "cancelReporters", "Take the proposed reporters back.")
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
    import asyncio

    from oracle.app.keys import open_key
    from oracle.chain import admin
    from oracle.chain.connect import connect
    from oracle.chain.deploy import load_deployment
    from oracle.chain.tx.call import send_call
    from oracle.cli.render.calls import print_call

    config = load_config(config_path)
    wanted = admin.call(load_deployment(config.chain.deployment), feed, action, *arguments)
    if calldata:
        print_call(wanted, as_json=as_json)
        return
    unlocked = None if keystore is None else unlock(keystore, password_file)

    async def run() -> None:
        async with connect(config.chain) as rpc:
            signer: AnyKey = unlocked or await open_key(config.keys.deployer, rpc, os.environ)
            receipt = await send_call(rpc, signer, wanted, config.chain.tx_deadline_s)
            click.echo(f"{wanted.what}: block {receipt.block_number}, {receipt.gas_used:,} gas", err=True)

    asyncio.run(run())
    _show(config_path, feed, as_json)


def _show(config_path: Path, feed: str, as_json: bool) -> None:
    import asyncio

    from oracle.chain.admin import FeedOverview, overview
    from oracle.chain.connect import connect
    from oracle.chain.deploy import load_deployment
    from oracle.cli.render.feed import print_feed

    config = load_config(config_path)

    async def look() -> FeedOverview:
        async with connect(config.chain) as rpc:
            return await overview(rpc, load_deployment(config.chain.deployment), feed)

    print_feed(asyncio.run(look()), as_json=as_json)
