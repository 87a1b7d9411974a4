"""`oracle claim …`, for those who keep a registry: deploy it, register models, name issuers, revoke."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oracle.cli.claim.options import (
    client,
    folder_option,
    model_option,
    registry_option,
    rpc_option,
    spec_of,
    word_of,
)
from oracle.cli.options import calldata_option, json_option, key_options, srs_option, unlock
from oracle.cli.render.json_output import print_done, print_json
from oracle.core.errors import ConfigError, DataError

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.chain.tx.call import Call

F = TypeVar("F", bound=Callable[..., Any])


@click.command("deploy")
@rpc_option
@key_options("Keystore of the key that pays.", needed=True)
@click.option("--admin", help="Address that proposes models and names issuers (default: the key's).")
@click.option(
    "--delay",
    type=click.IntRange(min=0),
    default=86_400,
    show_default=True,
    help="Seconds from the proposal of a model, or the naming of an issuer, until claims can use it.",
)
@click.option(
    "--salt",
    "number",
    type=click.IntRange(0, (1 << 256) - 1),
    default=0,
    show_default=True,
    help="A number that tells registries of the same admin and delay apart: their addresses follow from all three.",
)
@json_option
def deploy(
    rpc_url: str,
    keystore: Path,
    password_file: Path | None,
    admin: str | None,
    delay: int,
    number: int,
    as_json: bool,
) -> None:
    """Deploy a ClaimRegistry, or find the one with this admin, delay and salt, and print its address."""
    import asyncio

    from oracle.chain.addresses import require_address
    from oracle.chain.rpc import Rpc
    from oracle.claims.onchain import Registry

    admin = None if admin is None else require_address(admin, "--admin")
    account = unlock(keystore, password_file)

    async def run() -> str:
        async with Rpc(rpc_url) as rpc:
            return (await Registry.deploy(rpc, account, delay, admin=admin, salt=number.to_bytes(32))).address

    address = asyncio.run(run())
    print_done({"address": address}, address, as_json=as_json)


@click.command("propose-model")
@model_option
@folder_option
@srs_option
@rpc_option
@registry_option
@key_options("Keystore of the admin; with --calldata, of any key that deploys the verifier.")
@calldata_option
@click.option("--verifier", help="Address of the model's verifier (default: deploy it with --keystore).")
@json_option
def propose_model(
    model: str,
    folder: Path,
    srs: str,
    rpc_url: str,
    registry: str,
    keystore: Path | None,
    password_file: Path | None,
    calldata: bool,
    verifier: str | None,
    as_json: bool,
) -> None:
    """Propose a model: deploy its verifier, tell the registry, and print the model's id, which consumers name."""
    import asyncio

    from oracle.chain.addresses import require_address
    from oracle.chain.rpc import Rpc
    from oracle.chain.tx.call import send_call
    from oracle.claims.onchain import Registry, call, proposal, require_registry, require_tied
    from oracle.cli.render.calls import print_calls

    address = require_address(registry, "--registry")
    verifier = None if verifier is None else require_address(verifier, "--verifier")
    if keystore is None and (verifier is None or not calldata):
        raise ConfigError("name a --keystore; --calldata with a --verifier needs none")
    account = None if keystore is None else unlock(keystore, password_file)
    with client(folder, srs) as found:
        registered = found.register_model(spec_of(model), lambda step: click.echo(f"  {step}", err=True))

    async def run() -> Call:
        async with Rpc(rpc_url) as rpc:
            await require_registry(rpc, address)
            again = await require_tied(registered)
            assert again.code is not None
            if verifier is not None and await rpc.code(verifier) != again.code.runtime:
                raise DataError(f"--verifier: the code at {verifier} is not the verifier of {registered.spec.name}")
            at = verifier
            if at is None:
                assert account is not None
                at = await Registry(rpc, address, account).verifier(registered)
                click.echo(f"verifier {at}", err=True)
            wanted = call(address, "proposeModel", *proposal(registered, at))
            if not calldata:
                assert account is not None
                receipt = await send_call(rpc, account, wanted)
                click.echo(f"{wanted.what}: block {receipt.block_number}, {receipt.gas_used:,} gas", err=True)
            return wanted

    wanted = asyncio.run(run())
    model_id = f"{registered.model_id:#066x}"
    if calldata:
        print_calls([wanted], as_json=as_json)
        click.echo(f"model {model_id}", err=True)
    elif as_json:
        told = {"model_hash": f"{registered.model_hash:#066x}", "guard_band": registered.told_band}
        print_json({"model_id": model_id, **told, "registry": address})
    else:
        click.echo(model_id)
    if registered.told_band:
        click.echo(f"approximate: nothing is proven within {registered.told_band}", err=True)


def _signed(function: F) -> F:
    """Add the options of a command that makes one call."""
    options = (json_option, calldata_option, key_options("Keystore of the key that signs (not with --calldata)."))
    for option in (*options, registry_option, rpc_option):
        function = option(function)
    return function


@click.command("retire-model")
@click.argument("model", metavar="MODEL-ID")
@_signed
def retire_model(model: str, **common: Any) -> None:
    """End a model, and all claims of it, at once and for good."""
    _act("retireModel", _id(model), **common)


@click.command("add-issuer")
@click.argument("model", metavar="MODEL-ID")
@click.argument("issuer")
@_signed
def add_issuer(model: str, issuer: str, **common: Any) -> None:
    """Let the ISSUER sign commitments of a model, once the registry's delay is over."""
    from oracle.chain.addresses import require_address

    _act("addIssuer", _id(model), require_address(issuer, "ISSUER"), **common)


@click.command("remove-issuer")
@click.argument("model", metavar="MODEL-ID")
@click.argument("issuer")
@_signed
def remove_issuer(model: str, issuer: str, **common: Any) -> None:
    """End an ISSUER of a model, and all claims that rest on its signatures, at once and for good."""
    from oracle.chain.addresses import require_address

    _act("removeIssuer", _id(model), require_address(issuer, "ISSUER"), **common)


@click.command("revoke")
@click.argument("commitment")
@_signed
def revoke(commitment: str, **common: Any) -> None:
    """Revoke all claims that rest on the COMMITMENT (hex, as in an attestation), as its issuer and for good."""
    _act("revoke", word_of(commitment, "COMMITMENT"), **common)


def _act(
    action: str,
    *arguments: Any,
    rpc_url: str,
    registry: str,
    keystore: Path | None,
    password_file: Path | None,
    calldata: bool,
    as_json: bool,
) -> None:
    import asyncio

    from oracle.chain.addresses import require_address
    from oracle.chain.rpc import Rpc
    from oracle.chain.tx.call import send_call
    from oracle.claims.onchain import call, require_registry
    from oracle.cli.render.calls import print_calls

    address = require_address(registry, "--registry")
    wanted = call(address, action, *arguments)
    if keystore is None and not calldata:
        raise ConfigError("name the --keystore that signs, or take --calldata to another wallet")
    account = None if keystore is None or calldata else unlock(keystore, password_file)

    async def run() -> None:
        async with Rpc(rpc_url) as rpc:
            await require_registry(rpc, address)
            if account is not None:
                receipt = await send_call(rpc, account, wanted)
                told = {"what": wanted.what, "block": receipt.block_number, "gas_used": receipt.gas_used}
                if as_json:
                    print_json(told)
                else:
                    click.echo(f"{wanted.what}: block {receipt.block_number}, {receipt.gas_used:,} gas")

    asyncio.run(run())
    if calldata:
        print_calls([wanted], as_json=as_json)


def _id(text: str) -> bytes:
    return word_of(text, "MODEL-ID").to_bytes(32, "big")


COMMANDS = (deploy, propose_model, retire_model, add_issuer, remove_issuer, revoke)
