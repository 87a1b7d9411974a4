"""`oracle claim …`: claims on private data: prove, verify, submit, show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from oracle.cli.options import json_option

if TYPE_CHECKING:
    from oracle.claims.models import ModelSpec

_FILE = click.Path(path_type=Path, dir_okay=False)

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


@click.group("claim")
def claim_group() -> None:
    """Private claims: a committed model gave an output in a range on private data, and nothing else is told."""


@claim_group.command("prove")
@click.argument("inputs_file", metavar="INPUTS", type=_FILE)
@model_option
@folder_option
@click.option("--at-least", type=float, help="Lower bound.")
@click.option("--at-most", type=float, help="Upper bound.")
@click.option("--subject", required=True, help="Address whose claim it is.")
@click.option("--out", type=_FILE, default=Path("claim.json"), show_default=True)
def claim_prove(
    inputs_file: Path,
    model: str,
    folder: Path,
    at_least: float | None,
    at_most: float | None,
    subject: str,
    out: Path,
) -> None:
    """Prove that the model's output on INPUTS (JSON: a value for each feature) is within bounds."""
    import json

    from oracle.claims import AtLeast, AtMost, Between, Constraint, ZkmlClient
    from oracle.errors import DataError

    try:
        document = json.loads(inputs_file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{inputs_file} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{inputs_file} is not JSON: write a value for each feature, by its name") from error
    if not isinstance(document, dict):
        raise DataError(f"{inputs_file} is no JSON object of inputs by name")
    salt = document.pop("salt", None)
    constraint: Constraint
    if at_least is not None and at_most is not None:
        constraint = Between(at_least, at_most)
    elif at_least is not None:
        constraint = AtLeast(at_least)
    elif at_most is not None:
        constraint = AtMost(at_most)
    else:
        raise DataError("state --at-least, --at-most, or both")
    with ZkmlClient(folder) as client:
        spec = client.register_model(_spec(model), lambda step: click.echo(f"  {step}", err=True)).spec
        claim = client.generate_inference_proof(
            spec.name,
            document,
            constraint,
            subject,
            salt=None if salt is None else tuple(salt),
            progress=lambda step: click.echo(f"  {step}", err=True),
        )
    claim.save(out)
    click.echo(f"{out}: proven; commitment {claim.commitment:#066x}")


@claim_group.command("verify")
@click.argument("claim_file", metavar="CLAIM", type=_FILE)
@model_option
@folder_option
def claim_verify(claim_file: Path, model: str, folder: Path) -> None:
    """Verify a claim's proof off-chain. Whether its issuer is trusted, the registry says."""
    from oracle.claims import ClaimProof, ZkmlClient
    from oracle.errors import ProofInvalid

    claim = ClaimProof.load(claim_file)
    with ZkmlClient(folder) as client:
        client.register_model(_spec(model))
        verdict = client.verify_inference_proof(claim)
    if not verdict:
        raise ProofInvalid(f"{claim_file} does not hold: {verdict.reason}")
    click.echo(f"{claim_file}: verified")


@claim_group.command("show")
@click.argument("claim_file", metavar="CLAIM", type=_FILE)
@json_option
def claim_show(claim_file: Path, as_json: bool) -> None:
    """Print what a claim says; nothing of it is verified here."""
    import json

    from oracle.claims import ClaimProof

    document = ClaimProof.load(claim_file).document()
    if as_json:
        click.echo(json.dumps(document))
        return
    for key, value in document.items():
        click.echo(f"{key:15} {f'{len(value) // 2 - 1:,} bytes' if key == 'proof' else value}")


@claim_group.command("submit")
@click.argument("claim_file", metavar="CLAIM", type=_FILE)
@click.option("--rpc", "rpc_url", required=True, help="Endpoint of the chain.")
@click.option("--registry", required=True, help="Address of the ClaimRegistry.")
@click.option("--keystore", type=_FILE, required=True, help="Encrypted key of the subject.")
@click.option("--password-file", type=_FILE, required=True, help="Of the keystore.")
def claim_submit(claim_file: Path, rpc_url: str, registry: str, keystore: Path, password_file: Path) -> None:
    """Submit an attested claim as its subject."""
    import asyncio

    from oracle.chain import keystore as keystores
    from oracle.chain.rpc import Rpc
    from oracle.claims import ClaimProof
    from oracle.claims.onchain import Registry

    claim = ClaimProof.load(claim_file)
    account = keystores.load(keystore, keystores.password_from_file(password_file))

    async def submit() -> int:
        async with Rpc(rpc_url) as rpc:
            return (await Registry(rpc, registry, account).submit(claim)).gas_used

    click.echo(f"recorded, {asyncio.run(submit()):,} gas")


@claim_group.command("demo")
@folder_option
def claim_demo(folder: Path) -> None:
    """Run four claims on a local chain of their own: two hold, two are refused."""
    import asyncio

    from eth_account import Account

    from oracle.chain.anvil import Anvil, load_anvil_config
    from oracle.chain.rpc import Rpc
    from oracle.claims import ZkmlClient, demo

    async def run(url: str, keys: list[str]) -> None:
        admin, issuer, subject = (Account.from_key(key) for key in keys)
        async with Rpc(url) as rpc, ZkmlClient(folder) as client:
            await demo.run(client, rpc, admin, issuer, subject, click.echo)

    with Anvil(load_anvil_config(port=0)) as chain:
        asyncio.run(run(chain.rpc_url, [account.key for account in chain.accounts[:3]]))


def _spec(model: str) -> ModelSpec:
    from oracle.claims.models import PACKAGED, ModelSpec

    return ModelSpec.packaged(model) if model in PACKAGED else ModelSpec.load(Path(model))
