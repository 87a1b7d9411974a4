"""Parts that commands of the hub's admin and guardian share: the options of the key that signs, and the call itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oracle.cli.options import calldata_option, config_option, json_option, key_options, unlock

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.chain.keys.signer import AnyKey
    from oracle.chain.tx.call import Call
    from oracle.config import Config

F = TypeVar("F", bound=Callable[..., Any])


def signing_options(function: F) -> F:
    """Add the options of a command that signs."""
    for option in (
        json_option,
        calldata_option,
        key_options("Keystore of the admin or guardian (default: the configuration's deployer)."),
        config_option,
    ):
        function = option(function)
    return function


def act(
    config: Config, wanted: Call, keystore: Path | None, password_file: Path | None, *, calldata: bool, as_json: bool
) -> bool:
    """Send a call, or print it for another wallet.

    Returns:
        True if it was sent.
    """
    import asyncio

    from oracle.app.keys import open_key
    from oracle.chain.connect import connect
    from oracle.chain.tx.call import send_call
    from oracle.cli.render.calls import print_call

    if calldata:
        print_call(wanted, as_json=as_json)
        return False
    unlocked = None if keystore is None else unlock(keystore, password_file)

    async def run() -> None:
        async with connect(config.chain) as rpc:
            signer: AnyKey = unlocked or await open_key(config.keys.deployer, rpc, os.environ)
            receipt = await send_call(rpc, signer, wanted, config.chain.tx_deadline_s)
            click.echo(f"{wanted.what}: block {receipt.block_number}, {receipt.gas_used:,} gas", err=True)

    asyncio.run(run())
    return True
