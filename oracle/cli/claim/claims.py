"""`oracle claim …`: attest, prove, verify, show and submit claims, and a demonstration."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import click

from oracle.cli.claim.options import (
    at_least_option,
    at_most_option,
    change_option,
    class_option,
    client,
    constraints_of_options,
    earlier_of,
    earlier_option,
    folder_option,
    model_option,
    output_option,
    registry_option,
    rpc_option,
    spec_of,
    terms_option,
    word_of,
)
from oracle.cli.options import FILE, FOLDER, FiniteRange, json_option, key_options, srs_option, unlock
from oracle.cli.render.json_output import print_done
from oracle.core.errors import DataError, ProofInvalid
from oracle.core.times import utc

# Commands import what they need when they run, so that `oracle --help` answers at once.

_DAY = 86_400


@click.command("attest")
@click.argument("inputs_file", metavar="INPUTS", type=FILE)
@model_option
@folder_option
@srs_option
@click.option(
    "--model-id", metavar="ID", help="The model's id in the registry; with it, the model's JSON needs no weights."
)
@click.option("--subject", required=True, help="Address of the person whose data it is.")
@click.option("--chain-id", type=click.IntRange(min=1), required=True, help="Id of the registry's chain.")
@registry_option
@key_options("Keystore of the issuer.", needed=True)
@click.option(
    "--days", type=FiniteRange(min=0, min_open=True), default=90, show_default=True, help="Days that it is valid."
)
@click.option(
    "--out",
    type=FILE,
    default=Path("attestation.json"),
    show_default=True,
    help="The attestation, which anyone may see.",
)
@click.option(
    "--private-out",
    type=FILE,
    default=Path("private.json"),
    show_default=True,
    help="The data with their salt, for the subject alone.",
)
@json_option
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
    as_json: bool,
) -> None:
    """Commit to INPUTS (JSON: a value for each feature), which you have checked; sign the commitment as an issuer."""
    from oracle.chain.addresses import require_address
    from oracle.claims import files
    from oracle.claims.issuing import issue, read_inputs

    inputs, salt = read_inputs(inputs_file)
    if salt is not None:
        raise DataError(f"{inputs_file} has a salt: an issuer takes the data alone, and draws a fresh one")
    subject, registry = require_address(subject, "--subject"), require_address(registry, "--registry")
    number = None if model_id is None else word_of(model_id, "--model-id")
    spec = spec_of(model, weights=number is None)
    # Wrong inputs are reported before a circuit is built for nothing.
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
    # The salt is saved first: without it the rest is of no use.
    files.save_private(private_out, private)
    told.save(out)
    issuer, commitment = told.attestation.issuer, f"{told.commitment:#066x}"
    made = {"attestation": out, "private": private_out, "issuer": issuer, "commitment": commitment, "subject": subject}
    print_done(made, f"{out}: {issuer} attests commitment {commitment} of {subject}", as_json=as_json)
    click.echo(f"{private_out}: for {subject} alone, over a private channel", err=True)


@click.command("prove")
@click.argument("inputs_file", metavar="INPUTS", type=FILE)
@model_option
@folder_option
@srs_option
@at_least_option
@at_most_option
@class_option
@output_option
@change_option
@earlier_option
@terms_option
@click.option(
    "--attestation", "attestation_file", type=FILE, help="An issuer's attestation of INPUTS, which then have a salt."
)
@click.option("--subject", help="Address that makes the claim (default: the attestation's).")
@click.option("--out", type=FILE, default=Path("claim.json"), show_default=True, help="The claim to write.")
@json_option
def claim_prove(
    inputs_file: Path,
    model: str,
    folder: Path,
    srs: str,
    at_least: float | None,
    at_most: float | None,
    classes: tuple[str, ...],
    output: str | None,
    change: tuple[float, float] | None,
    earlier_file: Path | None,
    terms_file: Path | None,
    attestation_file: Path | None,
    subject: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Prove that outputs of a model on INPUTS (JSON: a value for each feature, and a salt) are within bounds."""

    from oracle.chain.addresses import require_address
    from oracle.claims.attestation import Attested
    from oracle.claims.issuing import read_inputs

    inputs, salt = read_inputs(inputs_file)
    attested = None if attestation_file is None else Attested.load(attestation_file)
    subject = subject or (attested.subject if attested else None)
    if subject is None:
        raise DataError("whose claim is it? State --subject, or an --attestation")
    if attested and salt is None:
        raise DataError(f"{inputs_file} has no salt: take the file that `oracle claim attest` wrote for the subject")
    subject = require_address(subject, "--subject")
    spec = spec_of(model)
    constraints = constraints_of_options(spec, at_least, at_most, classes, output, change, terms_file)
    earlier = earlier_of(earlier_file)
    # Wrong inputs and constraints are reported before a circuit is built for nothing.
    spec.encode(inputs)
    if earlier is not None:
        spec.encode(earlier.inputs)
    circuit = spec.circuit()
    spec.terms(constraints, circuit.score_unit, circuit.limit, 0 if earlier is None else 1, circuit.band)

    def progress(step: str) -> None:
        click.echo(f"  {step}", err=True)

    with client(folder, srs) as found:
        model_id = found.register_model(spec, progress).model_id
        if attested:
            attested.require(model_id, subject, found.commit(spec.name, inputs, salt).value)
        claim = found.generate_inference_proof(
            spec.name,
            inputs,
            constraints,
            subject,
            salt=salt,
            earlier=earlier,
            expires_at=attested.attestation.expires_at if attested else None,
            progress=progress,
        )
    if attested:
        claim = replace(claim, attestation=attested.attestation)
    claim.save(out)
    commitment = f"{claim.commitment:#066x}"
    told = {"claim": out, "commitment": commitment, "subject": subject}
    print_done(told, f"{out}: proven; commitment {commitment}", as_json=as_json)


@click.command("verify")
@click.argument("claim_file", metavar="CLAIM", type=FILE)
@model_option
@folder_option
@srs_option
@click.option("--rpc", "rpc_url", help="With --registry: also ask the chain whether the claim is valid there now.")
@click.option("--registry", help="Address of the ClaimRegistry to ask.")
@json_option
def claim_verify(
    claim_file: Path, model: str, folder: Path, srs: str, rpc_url: str | None, registry: str | None, as_json: bool
) -> None:
    """Verify a claim's proof off-chain. The registry says whether its issuer is trusted."""
    import asyncio

    from oracle.chain.addresses import require_address
    from oracle.chain.rpc import Rpc
    from oracle.claims import ClaimProof
    from oracle.claims.onchain import problem, require_registry, require_tied

    if (rpc_url is None) != (registry is None):
        raise click.UsageError("--rpc and --registry go together")
    claim = ClaimProof.load(claim_file)
    with client(folder, srs) as found:
        registered = found.register_model(spec_of(model))
        verdict = found.verify_inference_proof(claim)
    if not verdict:
        raise ProofInvalid(f"{claim_file} does not hold: {verdict.reason}")
    told = {"claim": claim_file, "verified": True, "registry": registry}
    if rpc_url is None or registry is None:
        print_done(told, f"{claim_file}: verified", as_json=as_json)
        return
    address = require_address(registry, "--registry")

    async def ask(url: str) -> str | None:
        async with Rpc(url) as rpc:
            await require_registry(rpc, address)
            # The claim's model is known by its verifier's code: it has to be the code that follows from the key.
            await require_tied(registered)
            return await problem(rpc, address, claim)

    reason = asyncio.run(ask(rpc_url))
    if reason is not None:
        raise ProofInvalid(f"{claim_file} is not valid at {address}: {reason}")
    print_done(told, f"{claim_file}: verified", f"{claim_file}: valid at {address}", as_json=as_json)


@click.command("verify-model")
@click.argument("model_id", metavar="MODEL-ID")
@click.option("--artifact", "path", type=FOLDER, required=True, help="The public files of the circuit of its claims.")
@rpc_option
@registry_option
@json_option
def claim_verify_model(model_id: str, path: Path, rpc_url: str, registry: str, as_json: bool) -> None:
    """Check that claims of MODEL-ID in a registry are claims of this circuit, before you rely on them.

    Key and verifier are made again from public files. Exits with 1 if the registry or its model is another.
    """
    import asyncio
    import sys

    from oracle.chain.addresses import require_address
    from oracle.chain.rpc import Rpc
    from oracle.claims.circuit import stated_band
    from oracle.claims.onchain import model_problems, require_registry
    from oracle.proving import artifact as artifacts

    address = require_address(registry, "--registry")
    number, artifact = word_of(model_id, "MODEL-ID"), artifacts.load(path, prover=False)
    band = stated_band(artifact)

    async def ask() -> list[str]:
        async with Rpc(rpc_url) as rpc:
            await require_registry(rpc, address)
            return await model_problems(rpc, address, number, artifact)

    problems = asyncio.run(ask())
    if as_json:
        click.echo(json.dumps({"ok": not problems, "problems": problems, "guard_band": band}))
    else:
        if band:
            click.echo(f"approximate: a guard band of ±{band:.3g}, by the word of the model's maker")
        for each in problems:
            click.echo(f"problem: {each}")
        click.echo(f"{model_id} is {'NOT ' if problems else ''}the model of this circuit")
    sys.exit(1 if problems else 0)


@click.command("show")
@click.argument("claim_file", metavar="CLAIM", type=FILE)
@json_option
def claim_show(claim_file: Path, as_json: bool) -> None:
    """Print what a claim says, without verifying it."""
    from oracle.claims import ClaimProof

    document = ClaimProof.load(claim_file).document()
    if as_json:
        click.echo(json.dumps(document))
        return
    told_terms = document.pop("terms")
    for kind in ("bounds", "changes"):
        for each in told_terms[kind]:
            what = f"output {each['output']}" if kind == "bounds" else f"change of {each['output']}"
            click.echo(f"{what:15} {each['lo']} to {each['hi']}")
    document["earlier"] = told_terms["earlier"]
    for key, value in document.items():
        told = f"{len(value) // 2 - 1:,} bytes" if key == "proof" else utc(value) if key == "expires_at" else value
        click.echo(f"{key:15} {told}")


@click.command("submit")
@click.argument("claim_file", metavar="CLAIM", type=FILE)
@rpc_option
@registry_option
@key_options("Keystore of the subject.", needed=True)
@json_option
def claim_submit(
    claim_file: Path, rpc_url: str, registry: str, keystore: Path, password_file: Path | None, as_json: bool
) -> None:
    """Submit an attested claim as its subject."""
    import asyncio

    from oracle.chain.addresses import require_address
    from oracle.chain.rpc import Rpc
    from oracle.claims import ClaimProof
    from oracle.claims.onchain import Registry, require_registry

    claim = ClaimProof.load(claim_file)
    if claim.attestation is None:
        raise DataError(f"{claim_file}: no issuer has signed its commitment; prove it with --attestation")
    address = require_address(registry, "--registry")
    account = unlock(keystore, password_file)

    async def submit() -> int:
        async with Rpc(rpc_url) as rpc:
            await require_registry(rpc, address)
            return (await Registry(rpc, address, account).submit(claim)).gas_used

    gas_used = asyncio.run(submit())
    print_done({"gas_used": gas_used}, f"recorded, {gas_used:,} gas", as_json=as_json)


@click.command("demo")
@folder_option
def claim_demo(folder: Path) -> None:
    """Run four claims on a local chain of their own: two hold, two are refused."""
    import asyncio

    from eth_account import Account

    from oracle.chain.local import installing
    from oracle.chain.local.anvil import Anvil, load_anvil_config
    from oracle.chain.rpc import Rpc
    from oracle.claims import ZkmlClient, demo

    async def run(url: str, keys: list[str]) -> None:
        admin, issuer, subject = (Account.from_key(key) for key in keys)
        async with Rpc(url) as rpc, ZkmlClient(folder) as client:
            await demo.run(client, rpc, admin, issuer, subject, click.echo)

    installing.require("anvil", installing.VERIFIER_SOLC)
    with Anvil(load_anvil_config(port=0)) as chain:
        asyncio.run(run(chain.rpc_url, [account.key for account in chain.accounts[:3]]))


COMMANDS = (claim_attest, claim_prove, claim_verify, claim_verify_model, claim_show, claim_submit, claim_demo)
