"""`oracle claim serve` and `oracle claim request`: the claims service, and who asks it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from oracle.cli.claim.options import (
    at_least_option,
    at_most_option,
    change_option,
    class_option,
    constraints_document_of,
    earlier_of,
    earlier_option,
    output_option,
    terms_option,
)
from oracle.cli.options import FILE, json_option
from oracle.cli.render.json_output import print_done
from oracle.core.errors import DataError

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.claims.service.documents import JobDocument


@click.command("serve")
@click.option(
    "--config",
    "-c",
    "config_path",
    type=FILE,
    default=Path("claims.toml"),
    show_default=True,
    help="The service's file.",
)
def claim_serve(config_path: Path) -> None:
    """Serve claims: prove them for callers with a token or an attestation. Stops cleanly on SIGTERM.

    The page at / describes the service for programs.
    """
    import asyncio

    from oracle.app.claim_service.run import serve_until_stopped
    from oracle.config import load_claim_service
    from oracle.core.logs import configure

    config = load_claim_service(config_path)
    configure("info")
    asyncio.run(serve_until_stopped(config))


@click.command("request")
@click.argument("url", metavar="URL")
@click.argument("inputs_file", metavar="INPUTS", type=FILE)
@click.option("--model", required=True, help="Name of a model that the service serves.")
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
@click.option(
    "--earlier-attestation",
    "earlier_attestation_file",
    type=FILE,
    help="The attestation of the data of --earlier, which may have expired; it is needed without a token.",
)
@click.option("--subject", help="Address that makes the claim (default: the attestation's).")
@click.option("--token-file", type=FILE, help="File with the caller's token; without it, the attestation has to do.")
@click.option("--insecure", is_flag=True, help="Send the data over http to another machine.")
@click.option("--out", type=FILE, default=Path("claim.json"), show_default=True, help="The claim to write.")
@json_option
def claim_request(
    url: str,
    inputs_file: Path,
    model: str,
    at_least: float | None,
    at_most: float | None,
    classes: tuple[str, ...],
    output: str | None,
    change: tuple[float, float] | None,
    earlier_file: Path | None,
    terms_file: Path | None,
    attestation_file: Path | None,
    earlier_attestation_file: Path | None,
    subject: str | None,
    token_file: Path | None,
    insecure: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Have the claims service at URL prove a claim about INPUTS (JSON: a value for each feature, and a salt).

    The service sees INPUTS. Interrupted, this command cancels the job.
    """
    from oracle.chain.addresses import require_address
    from oracle.claims.attestation import Attested
    from oracle.claims.issuing import read_inputs
    from oracle.claims.service import ClaimsService
    from oracle.claims.service.documents import ConstraintDocument, read_document
    from oracle.core.secrets import SecretFile

    inputs, salt = read_inputs(inputs_file)
    attested = None if attestation_file is None else Attested.load(attestation_file)
    if attested and salt is None:
        raise DataError(f"{inputs_file} has no salt: take the file that `oracle claim attest` wrote for the subject")
    token = None if token_file is None else SecretFile(token_file, "--token-file").value()
    if token is None and attested is None:
        raise DataError("who asks? State --token-file, or an --attestation")
    if subject is not None:
        subject = require_address(subject, "--subject")
    service = ClaimsService(url, None if token is None else token.decode("ascii", "replace"), insecure=insecure)
    told: set[str] = set()

    def progress(job: JobDocument) -> None:
        line = f"{job.state.value}, {job.ahead} ahead" if job.ahead else job.state.value
        if line not in told:
            told.add(line)
            click.echo(f"  {line}", err=True)

    constraint = constraints_document_of(at_least, at_most, classes, output, change, terms_file)
    claim = service.claim(
        model,
        inputs,
        read_document(ConstraintDocument, constraint),
        subject,
        salt=salt,
        earlier=earlier_of(earlier_file),
        attestation=attested,
        earlier_attestation=None if earlier_attestation_file is None else Attested.load(earlier_attestation_file),
        progress=progress,
    )
    claim.save(out)
    commitment = f"{claim.commitment:#066x}"
    done = {"claim": out, "commitment": commitment, "subject": claim.subject}
    print_done(done, f"{out}: proven; commitment {commitment}", as_json=as_json)


COMMANDS = (claim_serve, claim_request)
