"""`oracle verify-deployment` and `oracle manifest …`: what was deployed, for whoever believes nobody."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.options import (
    FILE,
    block_option,
    config_option,
    json_option,
    key_options,
    load_config,
    rpc_urls_option,
    unlock,
)
from oracle.cli.render.json_output import print_json

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.audit.deployment.manifest import SignedManifest

_artifacts_option = click.option(
    "--artifacts",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with the artifacts of the models: their verifiers are made again from them.",
)
_from_block_option = click.option(
    "--from-block",
    type=click.IntRange(min=0),
    help="A block that is not after the hub's creation (default: it is looked for, which takes an archive node).",
)
_salt_option = click.option("--salt", metavar="HEX", help="Salt of the hub's address, 32 bytes (default: 0).")
_also_option = click.option(
    "--also",
    multiple=True,
    metavar="ADDRESS",
    help="A further contract to check: registry of feeds or claims, cards, updates, split verifier. Repeatable.",
)
_sources_option = click.option(
    "--from-sources",
    is_flag=True,
    help="Compile the contracts from this checkout's sources, and compare the package with them, too.",
)


@click.command("verify-deployment")
@click.argument("hub")
@rpc_urls_option
@_artifacts_option
@click.option("--manifest", type=FILE, help="Compare with this manifest, and check that the hub's admin signed it.")
@click.option("--deployment", type=FILE, help="Compare with this deployment file, the operator's.")
@block_option
@_from_block_option
@_salt_option
@_also_option
@_sources_option
@json_option
def verify_deployment_command(hub: str, salt: str | None, as_json: bool, **options: Any) -> None:
    """Check what is deployed at the address HUB: code and creation of each contract, roles, delays, terms, verifiers.

    Exits with 1 if anything differs, or could not be checked.
    """
    import asyncio

    from oracle.app.deployments import CheckedDeployment, check_deployment
    from oracle.cli.render.deployment_report import print_deployment_report

    wanted = CheckedDeployment(hub, salt=_salt(salt), **options)
    report = asyncio.run(check_deployment(wanted, lambda line: click.echo(line, err=True)))
    print_deployment_report(report, as_json=as_json)
    sys.exit(0 if report.ok else 1)


@click.group("manifest")
def manifest_group() -> None:
    """The manifest of a deployment: what was deployed, signed by the hub's admin."""


@manifest_group.command("make")
@click.argument("hub")
@rpc_urls_option
@click.option("--out", type=FILE, default=Path("manifest.json"), show_default=True, help="File to write.")
@_artifacts_option
@click.option("--deployment", type=FILE, help="The operator's deployment file: names adapters and registry.")
@block_option
@_from_block_option
@_salt_option
@_also_option
@json_option
def manifest_make(hub: str, out: Path, salt: str | None, as_json: bool, **options: Any) -> None:
    """Check the deployment at HUB, and write its manifest, not signed yet. Nothing is written if anything differs."""
    import asyncio

    from oracle.app.deployments import CheckedDeployment, check_deployment
    from oracle.audit.deployment.manifest import SignedManifest, write_manifest
    from oracle.cli.render.deployment_report import print_deployment_report

    wanted = CheckedDeployment(hub, salt=_salt(salt), **options)
    report = asyncio.run(check_deployment(wanted, lambda line: click.echo(line, err=True)))
    if report.differences or report.statement is None:
        print_deployment_report(report, as_json=as_json)
        click.echo("error: no manifest is written of a deployment that differs", err=True)
        sys.exit(1)
    for each in report.unchecked:
        click.echo(f"unchecked: {each.subject}: {each.reason}", err=True)
    write_manifest(out, SignedManifest(statement=report.statement))
    click.echo(f"{out}: let the admin sign it with `oracle manifest sign {out}`", err=True)
    if as_json:
        print_json({"ok": True, "manifest": out, "hub": report.statement.hub, "chain_id": report.statement.chain_id})


@manifest_group.command("sign")
@click.argument("manifest", type=FILE)
@key_options("Keystore of the admin (default: the configuration's deployer).")
@click.option("--typed-data", is_flag=True, help="Print what to sign elsewhere (EIP-712), and sign nothing.")
@click.option("--signature", metavar="HEX", help="Take this signature, which was made elsewhere.")
@click.option(
    "--signer", metavar="ADDRESS", help="With --signature: the account that it is of, for instance a multisig."
)
@config_option
@json_option
def manifest_sign(
    manifest: Path,
    keystore: Path | None,
    password_file: Path | None,
    typed_data: bool,
    signature: str | None,
    signer: str | None,
    config_path: Path,
    as_json: bool,
) -> None:
    """Sign the MANIFEST as the hub's admin. Read it before."""
    import json

    from oracle.audit.deployment.manifest import read_manifest, typed_statement, write_manifest
    from oracle.chain.addresses import require_address
    from oracle.core.formats import from_hex

    found = read_manifest(manifest)
    if (signature is None) != (signer is None):
        raise click.UsageError("--signature and --signer need each other")
    if typed_data:
        click.echo(json.dumps(typed_statement(found.statement).document, indent=2))
        return
    if signature is not None and signer is not None:
        try:
            raw = from_hex(signature)
        except ValueError:
            raise click.UsageError("--signature: write it as 0x and hexadecimal digits") from None
        signed = found.model_copy(update={"signer": require_address(signer, "--signer"), "signature": raw})
    else:
        signed = _signed(found, keystore, password_file, config_path)
    write_manifest(manifest, signed)
    click.echo(f"{manifest}: signed by {signed.signer}; `oracle manifest verify {manifest}` checks it", err=True)
    if as_json:
        print_json({"manifest": manifest, "signer": signed.signer})


@manifest_group.command("verify")
@click.argument("manifest", type=FILE)
@rpc_urls_option
@block_option
@json_option
def manifest_verify(manifest: Path, rpc_urls: tuple[str, ...], block: int | str, as_json: bool) -> None:
    """Check that the hub's admin signed the MANIFEST, and that the chain has the code that it names.

    `oracle verify-deployment --manifest` compares everything else, too. Exits with 1 if anything differs.
    """
    import asyncio

    from oracle.app.deployments import check_manifest
    from oracle.audit.deployment.manifest import read_manifest
    from oracle.cli.render.deployment_report import print_manifest_check

    found = read_manifest(manifest)
    told = [each for url in rpc_urls for each in asyncio.run(check_manifest(found, url, block))]
    differences = list(dict.fromkeys(told))  # several endpoints may tell the same
    print_manifest_check(found, differences, as_json=as_json)
    if not differences and not as_json:
        click.echo(f"OK: {manifest} is signed by the hub's admin {found.signer}; all code is there")
    sys.exit(1 if differences else 0)


def _signed(found: SignedManifest, keystore: Path | None, password_file: Path | None, config: Path) -> SignedManifest:
    """Sign with a keystore, or with the configuration's deployer."""
    import asyncio
    import os

    from oracle.app.keys import open_key
    from oracle.audit.deployment.manifest import sign_statement
    from oracle.chain.connect import connect

    if keystore is not None:
        return asyncio.run(sign_statement(found.statement, unlock(keystore, password_file)))
    loaded = load_config(config)

    async def run() -> SignedManifest:
        async with connect(loaded.chain) as rpc:
            return await sign_statement(found.statement, await open_key(loaded.keys.deployer, rpc, os.environ))

    return asyncio.run(run())


def _salt(text: str | None) -> bytes | None:
    """Return the salt that `--salt` gives, if it was given."""
    from oracle.core.formats import from_hex

    if text is None:
        return None
    try:
        raw = from_hex(text)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise click.UsageError("--salt: write it as 0x and 64 hexadecimal digits")
    return raw
