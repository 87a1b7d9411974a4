"""`oracle model …`: a user's own models, and their circuits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from oracle.cli.options import (
    FILE,
    FOLDER,
    FiniteRange,
    block_option,
    config_option,
    cores_option,
    is_public,
    json_option,
    key_options,
    load_config,
    memory_option,
    public_model_option,
    srs_option,
    unlock,
    visibility_option,
    with_visibility,
)
from oracle.cli.render.json_output import print_done

# Commands import what they need when they run, so that `oracle --help` answers at once.

rpc_option = click.option("--rpc", "rpc_url", required=True, metavar="URL", help="RPC endpoint of the chain.")
artifact_argument = click.argument("path", metavar="ARTIFACT", type=click.Path(path_type=Path))


@click.group("model")
def model_group() -> None:
    """Models and their circuits."""


@model_group.command("inspect")
@artifact_argument
@json_option
def model_inspect(path: Path, as_json: bool) -> None:
    """Show the ARTIFACT in this folder: graph, circuit, cost, privacy, hashes; its public files are enough."""
    from oracle.cli.render.inspection import print_inspection
    from oracle.cli.render.model import print_split
    from oracle.proving.inspect.artifact import inspect_artifact
    from oracle.proving.split import inspect_split, is_split

    if is_split(path):
        print_split(inspect_split(path), as_json=as_json)
        return
    print_inspection(inspect_artifact(path), as_json=as_json)


@model_group.command("prove")
@artifact_argument
@click.option(
    "--input",
    "data",
    type=FILE,
    required=True,
    help="Inputs as the model takes them: .npy, .csv or .json, one row each.",
)
@click.option("--row", type=click.IntRange(min=0), default=0, show_default=True, help="The row to prove.")
@click.option("--out", type=FILE, required=True, help="The file to write: inputs, outputs, boundaries and proofs.")
@click.option(
    "--deadline",
    "deadline_s",
    type=FiniteRange(min=0, min_open=True),
    help="Seconds for each proof (default: twenty times the estimate, and at least 60).",
)
@memory_option
@cores_option
@json_option
def model_prove(path: Path, out: Path, as_json: bool, **options: Any) -> None:
    """Prove one inference of the imported model in ARTIFACT, split or not."""
    import asyncio

    from oracle.app.models import prove_model
    from oracle.cli.render.model import print_inference
    from oracle.cli.render.progress import step_progress
    from oracle.proving.split import write_proof

    with step_progress() as progress:
        chain, proof = asyncio.run(prove_model(path, progress=progress, **options))
    write_proof(out, proof)
    print_inference(chain, proof, out, as_json=as_json)


@model_group.command("verify")
@artifact_argument
@click.argument("proof", metavar="PROOF.json", type=FILE)
@click.option(
    "--deadline",
    "deadline_s",
    type=FiniteRange(min=0, min_open=True),
    help="Seconds for each proof (default: 60).",
)
@json_option
def model_verify(path: Path, proof: Path, deadline_s: float | None, as_json: bool) -> None:
    """Verify an inference against the model in ARTIFACT, or its public files; exits with 1 if it does not hold."""
    from oracle.app.models import verify_model
    from oracle.cli.render.model import print_verification

    chain, found, verification = verify_model(path, proof, deadline_s)
    print_verification(chain, found, verification, as_json=as_json)
    sys.exit(0 if verification.verified else 1)


@model_group.command("publish")
@artifact_argument
@click.option(
    "--out", type=FOLDER, default=Path("public"), show_default=True, help="The folder of public artifacts to add it to."
)
@json_option
def model_publish(path: Path, out: Path, as_json: bool) -> None:
    """Copy the files of ARTIFACT that strangers need: no weights of a private model, no proving key.

    Key and bytecode are made again from the copy alone, so that whoever gets it can do the same.
    """
    from oracle.app.publishing import publish_model
    from oracle.cli.render.model import print_published_model
    from oracle.cli.render.progress import step_progress

    with step_progress() as progress:
        made = publish_model(path, out, progress)
    print_published_model(made, as_json=as_json)


@model_group.command("deploy")
@artifact_argument
@rpc_option
@key_options("Keystore of the key that pays; it gets no rights.", needed=True)
@json_option
def model_deploy(path: Path, rpc_url: str, keystore: Path, password_file: Path | None, as_json: bool) -> None:
    """Deploy what verifies inferences of the imported model in ARTIFACT, split or not, or find it.

    Addresses follow from code and arguments: run again after an interruption, it continues.
    """
    import asyncio

    from oracle.app.deployed_models import ModelContract, deploy_model
    from oracle.chain.rpc import Rpc
    from oracle.cli.render.json_output import print_json
    from oracle.cli.render.progress import step_progress

    account = unlock(keystore, password_file)

    async def run() -> ModelContract:
        async with Rpc(rpc_url) as rpc:
            return await deploy_model(path, rpc, account, progress)

    with step_progress() as progress:
        made = asyncio.run(run())
    if as_json:
        print_json({"address": made.address, "verifiers": list(made.verifiers)})
        return
    click.echo(made.address)


@model_group.command("verify-deployed")
@artifact_argument
@click.argument("address")
@rpc_option
@block_option
@json_option
def model_verify_deployed(path: Path, address: str, rpc_url: str, block: int | str, as_json: bool) -> None:
    """Check that the contract at ADDRESS verifies inferences of the model in ARTIFACT; its public files are enough.

    Exits with 1 if it differs in anything: a segment, their order, a bound, a hash, the reference string.
    """
    import asyncio

    from oracle.app.deployed_models import ModelContractReport, verify_deployed_model
    from oracle.chain.addresses import require_address
    from oracle.chain.rpc import Rpc
    from oracle.cli.render.model import print_deployed_model
    from oracle.cli.render.progress import step_progress

    where = require_address(address, "ADDRESS")

    async def run() -> ModelContractReport:
        async with Rpc(rpc_url) as rpc:
            return await verify_deployed_model(path, rpc, where, block, progress)

    with step_progress() as progress:
        report = asyncio.run(run())
    print_deployed_model(report, as_json=as_json)
    sys.exit(0 if report.ok else 1)


@model_group.command("build")
@click.argument("onnx", required=False, type=FILE)
@config_option
@click.option(
    "--batch",
    type=click.IntRange(1, 64),
    help="Windows per proof (default: 1; without a file, each of the configured batch sizes).",
)
@click.option("--data", type=FILE, help="Samples for the model: .npy, .csv or .json, one row each.")
@click.option(
    "--objective",
    type=click.Choice(["time", "gas", "both"]),
    default="time",
    show_default=True,
    help="What tuning makes small.",
)
@click.option(
    "--max-flips",
    type=FiniteRange(min=0),
    default=1.0,
    show_default=True,
    help="Verdicts per 10,000 samples that may differ from the float model's.",
)
@click.option(
    "--threshold", type=float, help="Take an output above this as a positive verdict (default for one output)."
)
@click.option("--argmax", is_flag=True, help="Take the largest output as the verdict (default for several outputs).")
@click.option(
    "--tolerance",
    type=float,
    help="There is no verdict: count outputs that are further than this from the float model's.",
)
@click.option("--output", help="The model's output to publish, by name.")
@click.option(
    "--keep-activation", is_flag=True, help="Keep a final Sigmoid or the like, as a piecewise linear function."
)
@click.option("--clip", type=click.IntRange(1, 32_767), default=32_767, help="Largest integer of an input.")
@public_model_option
@visibility_option
@click.option(
    "--disclosure",
    type=click.Choice(["score", "verdict"]),
    help="What a proof publishes: the exact outputs (with --public-model only, and its default), or the verdict only.",
)
@srs_option
@click.option("--settings", type=FILE, help="Take the settings chosen in this tuning.json, and do not search.")
@click.option("--check", "check_only", is_flag=True, help="Only show what is in the model, and what it would cost.")
@click.option(
    "--approximate",
    is_flag=True,
    help="If no exact circuit has the model: look functions up. Outputs have a guard band then.",
)
@click.option("--split", is_flag=True, help="Cut the model into several circuits, which are proven at once.")
@memory_option
@cores_option
@click.option("--out", type=FOLDER, help="Folder for artifacts (default: build/artifacts).")
@json_option
def model_build(onnx: Path | None, config_path: Path, batch: int | None, as_json: bool, **options: Any) -> None:
    """Build the circuit of the model in ONNX, tuned on samples of its inputs.

    Without a file: build the artifacts that the configuration asks for, or find those that were built before.
    """
    import asyncio

    if onnx is not None:
        _build_file(onnx, batch or 1, as_json, options)
        return
    from oracle.app.circuits import build_artifact

    if options["disclosure"] is not None:
        raise click.UsageError("--disclosure is for a model in ONNX; for the configured one, set [prover] disclosure")
    config = with_visibility(load_config(config_path), options["public_model"], options["visibility"])
    built = [
        asyncio.run(build_artifact(config, size)) for size in (config.prover.batch_sizes if batch is None else (batch,))
    ]
    print_done({"paths": built}, *built, as_json=as_json)


def _build_file(onnx: Path, batch: int, as_json: bool, options: dict[str, Any]) -> None:
    from oracle.app.models import ModelOptions, build_model, build_split_model, inspect_model
    from oracle.cli.render.model import print_graph, print_model, print_split
    from oracle.cli.render.progress import step_progress

    given = [name for name in ("threshold", "tolerance") if options[name] is not None]
    given += ["argmax"] if options.pop("argmax") else []
    if len(given) > 1:
        raise click.UsageError(f"--{given[0]} and --{given[1]} exclude each other")
    values = {name: options.pop(name) for name in ("threshold", "tolerance")}
    rule = given[0] if given else None
    check_only = options.pop("check_only")
    options["public_model"] = is_public(options["public_model"], options.pop("visibility"))
    chosen = ModelOptions(onnx=onnx, batch=batch, rule=rule, value=values.get(rule or "") or 0.0, **options)
    if check_only:
        report = inspect_model(chosen)
        print_graph(report, as_json=as_json)
        sys.exit(2 if report.problems else 0)
    if chosen.data is None:
        raise click.UsageError("--data is missing: tuning needs samples of the model's inputs")
    if chosen.split:
        if batch != 1 or chosen.settings is not None:
            raise click.UsageError(
                "a split model has one window, and its settings are chosen: no --batch, no --settings"
            )
        with step_progress() as progress:
            split = build_split_model(chosen, progress)
        print_split(split.chain, split.plan, as_json=as_json)
        return
    if chosen.memory_limit is not None or chosen.cores is not None:
        raise click.UsageError("--memory-limit and --cores are for --split")
    with step_progress() as progress:
        built = build_model(chosen, progress)
    print_model(built, as_json=as_json)
