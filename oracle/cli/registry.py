"""`oracle claim …`, the part of who keeps a registry: deploying it, its models, its issuers, revocation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oracle.cli.options import FILE, json_option, unlock

if TYPE_CHECKING:
    from oracle.chain.admin import Call
    from oracle.claims import ZkmlClient
    from oracle.claims.models import ModelSpec

F = TypeVar("F", bound=Callable[..., Any])

model_option = click.option(
    "--model", default="credit", show_default=True, metavar="NAME|FILE", help="A packaged model, or its JSON file."
)
folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/claims"),
    show_default=True,
    help="Of circuits and keys.",
)
srs_option = click.option(
    "--srs",
    type=click.Choice(["insecure-local", "public-ceremony"]),
    default="insecure-local",
    show_default=True,
    help="Reference string of the keys; the local one is for local chains only.",
)
rpc_option = click.option("--rpc", "rpc_url", required=True, help="Endpoint of the chain.")
registry_option = click.option("--registry", required=True, help="Address of the ClaimRegistry.")
calldata_option = click.option(
    "--calldata", is_flag=True, help="Print what to sign, for a multisig or another wallet; send nothing."
)


def key_options(whose: str, *, needed: bool = False) -> Callable[[F], F]:
    """Options of a command that signs with a keystore."""

    def add(function: F) -> F:
        function = click.option("--password-file", type=FILE, help="Of --keystore (default: prompt).")(function)
        return click.option("--keystore", type=FILE, required=needed, help=whose)(function)

    return add


def client(folder: Path, srs: str) -> ZkmlClient:
    """A client whose circuits are keyed with that reference string: `oracle srs fetch` puts the ceremony's there."""
    from oracle.app.assembly import srs_cache
    from oracle.claims import ZkmlClient
    from oracle.proving.srs import SrsOrigin

    if srs == SrsOrigin.INSECURE_LOCAL:
        return ZkmlClient(folder)
    return ZkmlClient(folder, srs=srs_cache(folder).source(SrsOrigin(srs)))


def spec_of(model: str, *, weights: bool = True) -> ModelSpec:
    """A packaged model by its name, or one in a file."""
    from oracle.claims.models import PACKAGED, ModelSpec

    return ModelSpec.packaged(model) if model in PACKAGED else ModelSpec.load(Path(model), weights=weights)


@click.command("deploy")
@rpc_option
@key_options("Key that pays.", needed=True)
@click.option("--admin", help="Address that proposes models and names issuers (default: the key's).")
@click.option(
    "--delay",
    type=click.IntRange(min=0),
    default=86_400,
    show_default=True,
    help="Seconds from the proposal of a model, or the naming of an issuer, until claims can rest on it.",
)
def deploy(rpc_url: str, keystore: Path, password_file: Path | None, admin: str | None, delay: int) -> None:
    """Deploy a ClaimRegistry, and print its address."""
    import asyncio

    from oracle.chain.transport.rpc import Rpc, checksum_address
    from oracle.claims.onchain import Registry

    admin = None if admin is None else checksum_address(admin, "--admin")
    account = unlock(keystore, password_file)

    async def run() -> str:
        async with Rpc(rpc_url) as rpc:
            return (await Registry.deploy(rpc, account, delay, admin=admin)).address

    click.echo(asyncio.run(run()))


@click.command("propose-model")
@model_option
@folder_option
@srs_option
@rpc_option
@registry_option
@key_options("The admin's key; with --calldata, one that deploys the verifier.")
@calldata_option
@click.option("--verifier", help="Address of the model's verifier (default: it is deployed with --keystore).")
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
    """Propose a model: deploy its verifier, and tell the registry. Its id is printed: consumers name it."""
    import asyncio

    from oracle.chain import admin
    from oracle.chain.transport.rpc import Rpc, checksum_address
    from oracle.claims.onchain import Registry, call, proposal, require_registry
    from oracle.core.errors import ConfigError, DataError

    address = checksum_address(registry, "--registry")
    verifier = None if verifier is None else checksum_address(verifier, "--verifier")
    if keystore is None and (verifier is None or not calldata):
        raise ConfigError("name a --keystore; --calldata with a --verifier needs none")
    account = None if keystore is None else unlock(keystore, password_file)
    with client(folder, srs) as found:
        registered = found.register_model(spec_of(model), lambda step: click.echo(f"  {step}", err=True))

    async def run() -> Call:
        async with Rpc(rpc_url) as rpc:
            await require_registry(rpc, address)
            if verifier is not None and await rpc.code(verifier) != registered.artifact.verifier().runtime:
                raise DataError(f"--verifier: the code at {verifier} is not the verifier of {registered.spec.name}")
            at = verifier
            if at is None:
                assert account is not None
                at = await Registry(rpc, address, account).verifier(registered)
                click.echo(f"verifier {at}", err=True)
            wanted = call(address, "proposeModel", *proposal(registered, at))
            if not calldata:
                assert account is not None
                receipt = await admin.send(rpc, account, wanted)
                click.echo(f"{wanted.what}: block {receipt.block_number}, {receipt.gas_used:,} gas", err=True)
            return wanted

    wanted = asyncio.run(run())
    model_id = f"{registered.model_id:#066x}"
    if calldata:
        _print(wanted, as_json)
        click.echo(f"model {model_id}", err=True)
    elif as_json:
        from oracle.cli.render import print_json

        print_json({"model_id": model_id, "model_hash": f"{registered.model_hash:#066x}", "registry": address})
    else:
        click.echo(model_id)


def _signed(function: F) -> F:
    """The options of a command that makes one call."""
    options = (json_option, calldata_option, key_options("Key that signs (not with --calldata)."))
    for option in (*options, registry_option, rpc_option):
        function = option(function)
    return function


@click.command("retire-model")
@click.argument("model", metavar="MODEL-ID")
@_signed
def retire_model(model: str, **common: Any) -> None:
    """End a model at once and for good, and all claims of it."""
    _act("retireModel", _id(model), **common)


@click.command("add-issuer")
@click.argument("model", metavar="MODEL-ID")
@click.argument("issuer")
@_signed
def add_issuer(model: str, issuer: str, **common: Any) -> None:
    """Let the ISSUER sign commitments of a model, once the registry's delay is over."""
    from oracle.chain.transport.rpc import checksum_address

    _act("addIssuer", _id(model), checksum_address(issuer, "ISSUER"), **common)


@click.command("remove-issuer")
@click.argument("model", metavar="MODEL-ID")
@click.argument("issuer")
@_signed
def remove_issuer(model: str, issuer: str, **common: Any) -> None:
    """End an ISSUER of a model at once and for good, and all claims that rest on its signatures."""
    from oracle.chain.transport.rpc import checksum_address

    _act("removeIssuer", _id(model), checksum_address(issuer, "ISSUER"), **common)


@click.command("revoke")
@click.argument("commitment")
@_signed
def revoke(commitment: str, **common: Any) -> None:
    """Revoke, as its issuer and for good, whatever rests on the COMMITMENT (hex, as in an attestation)."""
    _act("revoke", word_of(commitment, "COMMITMENT"), **common)


def add_to(group: click.Group) -> None:
    """Make the commands part of `oracle claim`."""
    for command in (deploy, propose_model, retire_model, add_issuer, remove_issuer, revoke):
        group.add_command(command)


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

    from oracle.chain import admin
    from oracle.chain.transport.rpc import Rpc, checksum_address
    from oracle.claims.onchain import call, require_registry
    from oracle.cli.render import print_json
    from oracle.core.errors import ConfigError

    address = checksum_address(registry, "--registry")
    wanted = call(address, action, *arguments)
    if keystore is None and not calldata:
        raise ConfigError("name the --keystore that signs, or take --calldata to another wallet")
    account = None if keystore is None or calldata else unlock(keystore, password_file)

    async def run() -> None:
        async with Rpc(rpc_url) as rpc:
            await require_registry(rpc, address)
            if account is not None:
                receipt = await admin.send(rpc, account, wanted)
                told = {"what": wanted.what, "block": receipt.block_number, "gas_used": receipt.gas_used}
                if as_json:
                    print_json(told)
                else:
                    click.echo(f"{wanted.what}: block {receipt.block_number}, {receipt.gas_used:,} gas")

    asyncio.run(run())
    if calldata:
        _print(wanted, as_json)


def _print(wanted: Call, as_json: bool) -> None:
    from oracle.cli.render import print_call

    print_call(wanted, as_json=as_json)


def _id(text: str) -> bytes:
    return word_of(text, "MODEL-ID").to_bytes(32, "big")


def word_of(text: str, what: str) -> int:
    """A 256-bit number in hex. Raises: DataError."""
    from oracle.core.errors import DataError

    try:
        if not text.startswith("0x") or len(text) != 66:
            raise ValueError
        return int(text, 16)
    except ValueError:
        raise DataError(f"{what}: {text[:80]!r} is none: 0x and 64 hexadecimal digits") from None
