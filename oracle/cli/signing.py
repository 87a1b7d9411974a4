"""Parts that commands of the hub's admin and guardian share: the options of the key that signs, and the calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oracle.cli.options import calldata_option, config_option, json_option, key_options, unlock

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.chain.keys.signer import AnyKey
    from oracle.chain.rpc import Rpc
    from oracle.chain.transport.answers import Receipt
    from oracle.chain.tx.call import Call
    from oracle.config import Config
    from oracle.core.errors import OracleError

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Signing:
    """The way in which a command's calls are signed.

    Attributes:
        keystore: The keystore of the key that signs; None: the configuration's deployer.
        password_file: The file with its password; None: the user is asked.
        calldata: The calls are printed for another wallet, and nothing is sent.
        timelock: The timelock that makes the calls: they are printed for those who schedule and execute.
        as_json: Print JSON.
    """

    keystore: Path | None
    password_file: Path | None
    calldata: bool
    timelock: str | None
    as_json: bool


def signing_options(function: F) -> F:
    """Add the options of a command that signs."""
    for option in (
        json_option,
        click.option(
            "--timelock",
            metavar="ADDRESS",
            help="Print what to sign to have this timelock make the call: scheduling, and executing; send nothing.",
        ),
        calldata_option,
        key_options("Keystore of the admin or guardian (default: the configuration's deployer)."),
        config_option,
    ):
        function = option(function)
    return function


def act(config: Config, wanted: Sequence[Call], how: Signing) -> bool:
    """Send calls, all at once, or print them for another wallet.

    Returns:
        True if they were sent.

    Raises:
        OracleError: Calls failed, each with a line; the others were made.
    """
    import asyncio

    from oracle.chain.addresses import require_address
    from oracle.chain.connect import connect
    from oracle.chain.tx.timelock import through_timelock
    from oracle.cli.render.calls import print_calls

    if how.timelock is not None and how.calldata:
        raise click.UsageError("--timelock prints what to sign already: leave --calldata out")
    if how.timelock is not None:
        timelock = require_address(how.timelock, "--timelock")

        async def ask() -> Sequence[Call]:
            async with connect(config.chain) as rpc:
                return await through_timelock(rpc, timelock, wanted)

        print_calls(asyncio.run(ask()), as_json=how.as_json)
        return False
    if how.calldata:
        print_calls(wanted, as_json=how.as_json)
        return False
    unlocked = None if how.keystore is None else unlock(how.keystore, how.password_file)

    async def run() -> list[Receipt | OracleError]:
        async with connect(config.chain) as rpc:
            return await _send(config, rpc, unlocked, wanted)

    _report(wanted, asyncio.run(run()))
    return True


async def _send(
    config: Config, rpc: Rpc, unlocked: AnyKey | None, wanted: Sequence[Call]
) -> list[Receipt | OracleError]:
    from oracle.app.keys import open_key
    from oracle.chain.tx.call import send_calls

    signer = unlocked or await open_key(config.keys.deployer, rpc, os.environ)
    return await send_calls(rpc, signer, wanted, config.chain.tx_deadline_s)


def _report(wanted: Sequence[Call], done: Sequence[Receipt | OracleError]) -> None:
    """Print a line for each call that was made. Raise the error of the first that was not, with those of the others."""
    from oracle.core.errors import OracleError

    failures: list[OracleError] = []
    for call, result in zip(wanted, done, strict=True):
        if isinstance(result, OracleError):
            failures.append(result)
        else:
            click.echo(f"{call.what}: block {result.block_number}, {result.gas_used:,} gas", err=True)
    if len(failures) > 1:
        told = "\n".join(f"  {each}" for each in failures)
        # Try again later only if that helps all of them.
        kind = next((type(each) for each in failures if each.exit_code == 1), type(failures[0]))
        raise kind(f"{len(failures)} of {len(wanted)} calls failed:\n{told}")
    if failures:
        raise failures[0]
