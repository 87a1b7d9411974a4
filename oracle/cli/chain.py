"""`oracle chain …`: the local chain."""

from __future__ import annotations

from pathlib import Path

import click

from oracle.cli.options import FILE, json_option, load_optional, optional_config_option

# Commands import what they need when they run, so that `oracle --help` answers at once.

LOCAL_RPC = "http://127.0.0.1:8545"


@click.group("chain")
def chain_group() -> None:
    """The local chain: the one that anvil.toml describes, or the usual one."""


@chain_group.command("up")
@click.option("--file", "path", type=FILE, help="The chain's description (default: anvil.toml, if it exists).")
@click.option("--port", type=click.IntRange(0, 65535), help="Listen on this port, not on the file's; 0: a free one.")
@click.option(
    "--fund",
    "funded",
    multiple=True,
    metavar="ACCOUNT[=ETHER]",
    help="Give an account (an address, or a keystore's file) ether when the chain starts (default: 100); may be "
    "repeated.",
)
def chain_up(path: Path | None, port: int | None, funded: tuple[str, ...]) -> None:
    """Start Anvil, wait until it answers, and stop it cleanly on Ctrl-C or SIGTERM."""
    from oracle.app import chain
    from oracle.chain.local.funding import funding

    chain.chain_up(path, port, click.echo, [funding(_addressed(each), "--fund") for each in funded])


@chain_group.command("fund")
@click.argument("account")
@click.argument("ether", required=False, metavar="[ETHER]")
@click.option("--rpc-url", help="The local chain (default: the configuration's, or http://127.0.0.1:8545).")
@optional_config_option
@json_option
def chain_fund(account: str, ether: str | None, rpc_url: str | None, config_path: Path | None, as_json: bool) -> None:
    """Give ACCOUNT so much more ETHER on a local chain that runs (default: 100): an address, or a keystore's file."""
    import asyncio

    from oracle.app import chain
    from oracle.chain.addresses import require_address
    from oracle.chain.local.funding import Funding, amount
    from oracle.cli.render.json_output import print_json
    from oracle.core import money

    given = Funding(require_address(_addressed(account), "ACCOUNT"), amount(ether, "ETHER"))
    if rpc_url is None:
        config = load_optional(config_path)
        rpc_url = LOCAL_RPC if config is None else config.chain.endpoints[0]
    ((funded, balance),) = asyncio.run(chain.chain_fund(rpc_url, [given])).items()
    if as_json:
        print_json({"address": funded, "balance_wei": str(balance)})
    else:
        click.echo(f"{funded} has {money.ether(balance)} ether")


def _addressed(account: str) -> str:
    """Return ACCOUNT or ACCOUNT=ETHER with an address in place of a keystore's file."""
    from oracle.chain.keys.keystore import address_of

    name, equals, ether = account.partition("=")
    path = Path(name)
    return f"{address_of(path)}{equals}{ether}" if path.suffix == ".json" or path.is_file() else account
