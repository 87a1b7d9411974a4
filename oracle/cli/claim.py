"""`oracle claim …`: claims on private data: attest, prove, verify, submit, show."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oracle.cli.options import FILE, json_option, unlock
from oracle.cli.registry import (
    add_to,
    client,
    folder_option,
    key_options,
    model_option,
    registry_option,
    rpc_option,
    spec_of,
    srs_option,
    word_of,
)

if TYPE_CHECKING:
    from oracle.claims import Constraint
    from oracle.claims.models import ModelSpec

_DAY = 86_400


@click.group("claim")
def claim_group() -> None:
    """Private claims: a committed model gave an output in a range on private data, and nothing else is told."""


add_to(claim_group)


@claim_group.command("attest")
@click.argument("inputs_file", metavar="INPUTS", type=FILE)
@model_option
@folder_option
@srs_option
@click.option(
    "--model-id", metavar="ID", help="As the registry has it: then the model's JSON will do, without its weights."
)
@click.option("--subject", required=True, help="Address whose data it is.")
@click.option("--chain-id", type=click.IntRange(min=1), required=True, help="Of the registry's chain.")
@registry_option
@key_options("The issuer's key.", needed=True)
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=90, show_default=True, help="It counts.")
@click.option("--out", type=FILE, default=Path("attestation.json"), show_default=True, help="What anyone may see.")
@click.option(
    "--private-out",
    type=FILE,
    default=Path("private.json"),
    show_default=True,
    help="The data with its salt, for the subject alone.",
)
def claim_attest(
    inputs_file: Path,
    model: str,
    folder: Path,
    srs: str,
    model_id: str | None,
    subject: str,
    chain_id: int,
    registry: str,
    keystore: Path,
    password_file: Path | None,
    days: float,
    out: Path,
    private_out: Path,
) -> None:
    """Commit to INPUTS (JSON: a value for each feature), which you have checked, and sign that as an issuer."""
    from oracle.chain.transport.rpc import checksum_address
    from oracle.claims import files
    from oracle.claims.issuing import issue, read_inputs
    from oracle.core.errors import DataError

    inputs, salt = read_inputs(inputs_file)
    if salt is not None:
        raise DataError(f"{inputs_file} has a salt: an issuer takes the data alone, and draws a fresh one")
    subject, registry = checksum_address(subject, "--subject"), checksum_address(registry, "--registry")
    number = None if model_id is None else word_of(model_id, "--model-id")
    spec = spec_of(model, weights=number is None)
    # Said before a circuit is built for nothing.
    spec.encode(inputs)
    account = unlock(keystore, password_file)
    with client(folder, srs) as found:
        if number is None:
            number = found.register_model(spec, lambda step: click.echo(f"  {step}", err=True)).model_id
        told, private = issue(
            found,
            account,
            spec,
            number,
            inputs,
            chain_id=chain_id,
            registry=registry,
            subject=subject,
            expires_at=int(time.time() + days * _DAY),
        )
    # The salt first: without it the rest is of no use.
    files.save_private(private_out, private)
    told.save(out)
    click.echo(f"{out}: {told.attestation.issuer} attests commitment {told.commitment:#066x} of {subject}")
    click.echo(f"{private_out}: for {subject} alone, over a private channel", err=True)


@claim_group.command("prove")
@click.argument("inputs_file", metavar="INPUTS", type=FILE)
@model_option
@folder_option
@srs_option
@click.option("--at-least", type=float, help="Lower bound.")
@click.option("--at-most", type=float, help="Upper bound.")
@click.option(
    "--class", "classes", multiple=True, metavar="CLASS", help="The class, or more than once: one of them; by name."
)
@click.option("--attestation", "attestation_file", type=FILE, help="An issuer's, on INPUTS with their salt.")
@click.option("--subject", help="Address whose claim it is (default: the attestation's).")
@click.option("--out", type=FILE, default=Path("claim.json"), show_default=True)
def claim_prove(
    inputs_file: Path,
    model: str,
    folder: Path,
    srs: str,
    at_least: float | None,
    at_most: float | None,
    classes: tuple[str, ...],
    attestation_file: Path | None,
    subject: str | None,
    out: Path,
) -> None:
    """Prove that the model's output on INPUTS (JSON: a value for each feature, and their salt) is within bounds."""
    from dataclasses import replace

    from oracle.chain.transport.rpc import checksum_address
    from oracle.claims.attestation import Attested
    from oracle.claims.issuing import read_inputs
    from oracle.core.errors import DataError

    inputs, salt = read_inputs(inputs_file)
    attested = None if attestation_file is None else Attested.load(attestation_file)
    subject = subject or (attested.subject if attested else None)
    if subject is None:
        raise DataError("whose claim is it? State --subject, or an --attestation")
    if attested and salt is None:
        raise DataError(f"{inputs_file} has no salt: take the file that `oracle claim attest` wrote for the subject")
    subject = checksum_address(subject, "--subject")
    spec = spec_of(model)
    constraint = constraint_of(spec, at_least, at_most, classes)
    # Said before a circuit is built for nothing.
    spec.encode(inputs)

    def progress(step: str) -> None:
        click.echo(f"  {step}", err=True)

    with client(folder, srs) as found:
        model_id = found.register_model(spec, progress).model_id
        if attested:
            attested.require(model_id, subject, found.commit(spec.name, inputs, salt).value)
        claim = found.generate_inference_proof(
            spec.name,
            inputs,
            constraint,
            subject,
            salt=salt,
            expires_at=attested.attestation.expires_at if attested else None,
            progress=progress,
        )
    if attested:
        claim = replace(claim, attestation=attested.attestation)
    claim.save(out)
    click.echo(f"{out}: proven; commitment {claim.commitment:#066x}")


@claim_group.command("verify")
@click.argument("claim_file", metavar="CLAIM", type=FILE)
@model_option
@folder_option
@srs_option
@click.option("--rpc", "rpc_url", help="With --registry: ask the chain as well whether the claim is valid there now.")
@click.option("--registry", help="Address of the ClaimRegistry.")
def claim_verify(
    claim_file: Path, model: str, folder: Path, srs: str, rpc_url: str | None, registry: str | None
) -> None:
    """Verify a claim's proof off-chain. Whether its issuer is trusted, the registry says."""
    import asyncio

    from oracle.chain.transport.rpc import Rpc, checksum_address
    from oracle.claims import ClaimProof
    from oracle.claims.onchain import problem, require_registry
    from oracle.core.errors import ProofInvalid

    if (rpc_url is None) != (registry is None):
        raise click.UsageError("--rpc and --registry go together")
    claim = ClaimProof.load(claim_file)
    with client(folder, srs) as found:
        found.register_model(spec_of(model))
        verdict = found.verify_inference_proof(claim)
    if not verdict:
        raise ProofInvalid(f"{claim_file} does not hold: {verdict.reason}")
    click.echo(f"{claim_file}: verified")
    if rpc_url is None or registry is None:
        return
    address = checksum_address(registry, "--registry")

    async def ask(url: str) -> str | None:
        async with Rpc(url) as rpc:
            await require_registry(rpc, address)
            return await problem(rpc, address, claim)

    reason = asyncio.run(ask(rpc_url))
    if reason is not None:
        raise ProofInvalid(f"{claim_file} is not valid at {address}: {reason}")
    click.echo(f"{claim_file}: valid at {address}")


@claim_group.command("show")
@click.argument("claim_file", metavar="CLAIM", type=FILE)
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
@click.argument("claim_file", metavar="CLAIM", type=FILE)
@rpc_option
@registry_option
@key_options("The subject's key.", needed=True)
def claim_submit(claim_file: Path, rpc_url: str, registry: str, keystore: Path, password_file: Path | None) -> None:
    """Submit an attested claim as its subject."""
    import asyncio

    from oracle.chain.transport.rpc import Rpc, checksum_address
    from oracle.claims import ClaimProof
    from oracle.claims.onchain import Registry, require_registry
    from oracle.core.errors import DataError

    claim = ClaimProof.load(claim_file)
    if claim.attestation is None:
        raise DataError(f"{claim_file}: no issuer has signed its commitment; prove it with --attestation")
    address = checksum_address(registry, "--registry")
    account = unlock(keystore, password_file)

    async def submit() -> int:
        async with Rpc(rpc_url) as rpc:
            await require_registry(rpc, address)
            return (await Registry(rpc, address, account).submit(claim)).gas_used

    click.echo(f"recorded, {asyncio.run(submit()):,} gas")


@claim_group.command("demo")
@folder_option
def claim_demo(folder: Path) -> None:
    """Run four claims on a local chain of their own: two hold, two are refused."""
    import asyncio

    from eth_account import Account

    from oracle.chain.local.anvil import Anvil, load_anvil_config
    from oracle.chain.transport.rpc import Rpc
    from oracle.claims import ZkmlClient, demo

    async def run(url: str, keys: list[str]) -> None:
        admin, issuer, subject = (Account.from_key(key) for key in keys)
        async with Rpc(url) as rpc, ZkmlClient(folder) as client:
            await demo.run(client, rpc, admin, issuer, subject, click.echo)

    with Anvil(load_anvil_config(port=0)) as chain:
        asyncio.run(run(chain.rpc_url, [account.key for account in chain.accounts[:3]]))


def constraint_of(
    spec: ModelSpec, at_least: float | None, at_most: float | None, classes: tuple[str, ...]
) -> Constraint:
    """What --at-least, --at-most and --class say of a model's output. Raises: DataError: They don't fit it."""
    from oracle.claims import AtLeast, AtMost, Between, Equals, OneOf
    from oracle.core.errors import DataError

    if classes:
        if at_least is not None or at_most is not None:
            raise DataError("--class goes with no bound")
        unknown = [each for each in classes if each not in spec.classes]
        if unknown:
            raise DataError(
                f"{spec.name} has no class {unknown[0]!r}, only {', '.join(spec.classes)}"
                if spec.classes
                else f"{spec.name} has no classes: state --at-least, --at-most, or both"
            )
        numbers = tuple(spec.classes.index(each) for each in classes)
        return Equals(numbers[0]) if len(numbers) == 1 else OneOf(numbers)
    if at_least is not None and at_most is not None:
        return Between(at_least, at_most)
    if at_least is not None:
        return AtLeast(at_least)
    if at_most is not None:
        return AtMost(at_most)
    raise DataError("state --at-least, --at-most, or both; of a model with classes, --class")
