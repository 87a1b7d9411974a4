"""The command line: the only place that prints, and where a user's mistakes become one line and an exit code.

Exit codes: 0 done; 1 something is wrong that a person has to look at; 2 bad input; 75 try again later.
Everything heavy is imported inside the command that needs it, so that `oracle --help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from oracle import __version__
from oracle.cli import evaluation
from oracle.cli.card import card_group
from oracle.cli.claim import claim_group
from oracle.cli.detector import detector_group
from oracle.cli.fairness import fairness_group
from oracle.cli.feed import feed_group
from oracle.cli.journal import journal_group
from oracle.cli.key import key_group
from oracle.cli.options import config_option, json_option, load_config, load_optional, optional_config_option
from oracle.core.errors import ConfigError, OracleError

if TYPE_CHECKING:
    from oracle.config import Config


def _chosen_visibility(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    from oracle.core.privacy import refused_word

    problem = None if value is None else refused_word(value)
    if problem is not None:
        raise ConfigError(f"--visibility: {problem}")
    return value


visibility_option = click.option(
    "--visibility",
    metavar="private|public",
    callback=_chosen_visibility,
    help="Whether the weights are hashed in the circuit, or in the verifying key.",
)


memory_option = click.option(
    "--memory-limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GIB",
    help="Memory that the proofs of a split model may take at once (default: four fifths of the machine's).",
)
cores_option = click.option(
    "--cores",
    type=click.IntRange(min=1),
    help="Cores for the proofs of a split model (default: the machine's).",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="oracle")
@click.option("--verbose", "-v", is_flag=True, help="Log what happens to standard error.")
def oracle(verbose: bool) -> None:
    """An oracle whose every value was proven to pass a committed anomaly-detection model."""
    from oracle.core.logs import configure

    configure("info" if verbose else "warning")


oracle.add_command(card_group)
oracle.add_command(claim_group)
claim_group.add_command(fairness_group)
evaluation.add_to(detector_group)
oracle.add_command(detector_group)
oracle.add_command(feed_group)
oracle.add_command(journal_group)
oracle.add_command(key_group)


@oracle.command()
@click.option(
    "--ticks",
    type=click.IntRange(min=1),
    default=85,
    show_default=True,
    help="Ticks of each feed.",
)
@click.option(
    "--seed",
    type=int,
    default=2008,
    show_default=True,
    help="Seed of the injected faults.",
)
@click.option(
    "--start",
    default="2008-07-01",
    show_default=True,
    help="First recorded day (ISO date).",
)
@click.option(
    "--public-model",
    is_flag=True,
    help="Weights in the verifying key: cheaper, but not private.",
)
@click.option(
    "--disclosure",
    type=click.Choice(["score", "verdict"]),
    default="score",
    show_default=True,
    help="What a proof publishes: the exact score, or the verdict only.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Proving processes (default: one per core).",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/demo"),
    show_default=True,
    help="Folder for summary.json and the plot.",
)
@json_option
def demo(as_json: bool, **options: Any) -> None:
    """Replay recorded market data, with faults injected, on a real local chain."""
    import asyncio

    from oracle.demo import DemoOptions, run

    code = asyncio.run(run(DemoOptions(**options), as_json=as_json))
    sys.exit(code)


@oracle.command()
@optional_config_option
@json_option
def doctor(config_path: Path | None, as_json: bool) -> None:
    """Check tools, versions, chain and SRS; exits with 1 if something will not work."""
    from oracle.app.doctor import failures
    from oracle.app.status import diagnose
    from oracle.cli.render import print_checks

    checks = diagnose(load_optional(config_path))
    print_checks(checks, as_json=as_json)
    sys.exit(1 if failures(checks) else 0)


@oracle.group()
def chain() -> None:
    """The local chain that anvil.toml describes."""


@chain.command("up")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("anvil.toml"),
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Another port than the file's; 0: a free one.",
)
def chain_up(path: Path, port: int | None) -> None:
    """Start Anvil, wait until it answers, and stop it cleanly on Ctrl-C or SIGTERM."""
    from oracle.app.assembly import chain_up as up

    up(path, port, announce=click.echo)


@oracle.command()
@config_option
@click.option(
    "--public-model",
    is_flag=True,
    help="Weights in the verifying key: cheaper, but not private.",
)
@visibility_option
@click.option(
    "--add-model",
    is_flag=True,
    help="Add the configured model to a hub whose feeds have another one; `oracle feed propose-model` comes next.",
)
def deploy(config_path: Path, public_model: bool, visibility: str | None, add_model: bool) -> None:
    """Deploy verifier, hub, model and feeds, and check what was deployed. Safe to run again."""
    import asyncio

    from oracle.app.assembly import deploy as run_deploy
    from oracle.cli.render import finished_steps, print_deployment

    config = load_config(config_path)
    config = _with_visibility(config, public_model, visibility)
    progress = finished_steps(lambda line: click.echo(line, err=True))
    print_deployment(asyncio.run(run_deploy(config, progress, adds_model=add_model)))


@oracle.command()
@config_option
def run(config_path: Path) -> None:
    """Run the oracle: read sources, prove, submit. Stops cleanly on SIGTERM and goes on where it stopped.

    SIGHUP reads the feeds' sources again.
    """
    import asyncio

    from oracle.app.service import run_daemon
    from oracle.core.logs import configure

    configure("info")
    asyncio.run(run_daemon(load_config(config_path), reread=lambda: load_config(config_path)))


@oracle.command()
@config_option
@json_option
def status(config_path: Path, as_json: bool) -> None:
    """Feeds as the chain has them, the payer's balance, and what the journal has open."""
    import asyncio

    from oracle.app.status import status as read_status
    from oracle.cli.render import print_status

    print_status(asyncio.run(read_status(load_config(config_path))), as_json=as_json)


@oracle.command()
@click.argument("feed")
@click.argument("round_id", metavar="[ROUND]", required=False, type=click.IntRange(min=1))
@config_option
@json_option
def explain(feed: str, round_id: int | None, config_path: Path, as_json: bool) -> None:
    """Say why a round of the FEED was accepted, or why its latest report is held: in sigmas and in words.

    Without a ROUND: the hold, if there is one, else the latest round.
    """
    import asyncio

    from oracle.app.explain import explain_feed
    from oracle.cli.render import print_account

    print_account(asyncio.run(explain_feed(load_config(config_path), feed, round_id)), as_json=as_json)


@oracle.command()
@click.argument("hub")
@click.option("--rpc", "rpc_url", required=True, help="RPC endpoint of the chain.")
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="Folder with the artifacts of the models (verifying keys).",
)
@click.option("--from-block", type=click.IntRange(min=0), default=0, show_default=True)
@json_option
def audit(hub: str, rpc_url: str, artifacts: Path, from_block: int, as_json: bool) -> None:
    """Verify every round of the HUB at this address again, off-chain, from calldata and history alone."""
    import asyncio

    from oracle.app.assembly import audit as run_audit
    from oracle.cli.render import print_audit

    report = asyncio.run(run_audit(hub, rpc_url, artifacts, from_block))
    print_audit(report, as_json=as_json)
    sys.exit(0 if report.ok else 1)


@oracle.command()
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Proofs per case.",
)
@click.option(
    "--cases",
    "patterns",
    multiple=True,
    metavar="NAME",
    help="Only these cases, or what matches, as 'tuned-*'; all by default. May be repeated, and have commas.",
)
@click.option(
    "--cold-setup",
    is_flag=True,
    help="Also time `make demo`'s set-up on a fresh clone.",
)
@click.option(
    "--growth",
    is_flag=True,
    help="Instead: how proofs grow from 100 to 1,000,000 weights, and a split model. Long.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --growth: the plot's file.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("build/bench.json"),
    show_default=True,
)
def bench(repeat: int, patterns: tuple[str, ...], cold_setup: bool, growth: bool, plot: Path | None, out: Path) -> None:
    """Measure proving, gas and latency on this machine, side by side with ezkl's defaults."""
    import asyncio

    if growth:
        from oracle.bench.growth import run as run_growth

        run_growth(out=out, echo=click.echo, plot=plot)
        return
    from oracle.bench import CASES, matching
    from oracle.bench import run as run_bench

    cases = matching(patterns) if patterns else CASES
    asyncio.run(run_bench(repeat=repeat, cold_setup=cold_setup, out=out, echo=click.echo, cases=cases))


@oracle.group("config")
def config_group() -> None:
    """The configuration file."""


@config_group.command("check")
@config_option
@click.option("--chain", "ask_chain", is_flag=True, help="Also see that the hub is on the chain, with these feeds.")
def config_check(config_path: Path, ask_chain: bool) -> None:
    """Read the configuration and say what is wrong with it."""
    config = load_config(config_path)
    click.echo(f"{config_path}: {len(config.feeds)} feed(s), no errors")
    if ask_chain:
        import asyncio

        from oracle.app.assembly import check_chain

        click.echo(f"{asyncio.run(check_chain(config))}: has all of them")


@oracle.group()
def srs() -> None:
    """The structured reference strings that circuits are keyed with."""


@srs.command("list")
@optional_config_option
@json_option
def srs_list(config_path: Path | None, as_json: bool) -> None:
    """What is in the cache, and whether it is from the public ceremony."""
    from oracle.app.srs import srs_status
    from oracle.cli.render import print_srs

    print_srs(srs_status(load_optional(config_path)), as_json=as_json)


@srs.command("fetch")
@click.argument("what", nargs=-1, metavar="[K|ARTIFACT]...")
@click.option(
    "--mirror",
    envvar="ORACLE_SRS_MIRROR",
    help="URL of a folder with the ceremony's files (kzg10.srs, …), in the place of ezkl's server.",
)
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds for each file (default: 600, and more for large ones).",
)
@optional_config_option
def srs_fetch(what: tuple[str, ...], mirror: str | None, deadline_s: float | None, config_path: Path | None) -> None:
    """Fetch the public ceremony's string for circuits of 2^K rows, or for an artifact.

    Without either: for the circuits that the configuration asks for. What was cut goes on where it was.
    """
    from oracle.app.srs import srs_fetch as fetch
    from oracle.cli.render import download_progress

    config = load_optional(config_path)
    with download_progress() as progress:
        found = fetch(what, config, mirror=mirror, deadline_s=deadline_s, progress=progress)
    for path in found:
        click.echo(path)


@srs.command("generate")
@click.argument("k", type=click.IntRange(1, 26))
@click.option("--insecure", is_flag=True, help="Say that you know: whoever generates it can forge proofs.")
@optional_config_option
def srs_generate(k: int, insecure: bool, config_path: Path | None) -> None:
    """Generate a string for circuits of 2^K rows on this machine, for local chains only."""
    from oracle.app.srs import srs_generate as generate

    if not insecure:
        raise click.UsageError(
            "whoever generates a reference string can forge proofs: say --insecure for a local chain, "
            f"or use the public ceremony's: `oracle srs fetch {k}`"
        )
    click.echo(generate(k, load_optional(config_path)))


@srs.command("verify")
@optional_config_option
@json_option
def srs_verify(config_path: Path | None, as_json: bool) -> None:
    """Check each string's hash, and say which artifacts use it; exits with 1 if one is not what it says."""
    from oracle.app.srs import srs_verify as verify
    from oracle.cli.render import print_srs_findings

    findings = verify(load_optional(config_path))
    print_srs_findings(findings, as_json=as_json)
    sys.exit(1 if any(finding.problem for finding in findings) else 0)


@srs.command("import")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@optional_config_option
def srs_import(path: Path, config_path: Path | None) -> None:
    """Import the public ceremony's string from the file at PATH; its hash is checked."""
    from oracle.app.srs import srs_import as import_file

    click.echo(import_file(path, load_optional(config_path)))


@oracle.group()
def model() -> None:
    """Models and their circuits."""


@model.command("inspect")
@click.argument("path", metavar="ARTIFACT", type=click.Path(path_type=Path))
@json_option
def model_inspect(path: Path, as_json: bool) -> None:
    """What the ARTIFACT in this folder is: graph, circuit, cost, privacy, hashes; an auditor's copy will do."""
    from oracle.cli.render import print_inspection, print_split
    from oracle.proving.inspect import inspect, inspect_split, is_split

    if is_split(path):
        print_split(inspect_split(path), as_json=as_json)
        return
    print_inspection(inspect(path), as_json=as_json)


@model.command("prove")
@click.argument("path", metavar="ARTIFACT", type=click.Path(path_type=Path))
@click.option(
    "--input",
    "data",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Inputs as the model takes them: .npy, .csv or .json, one row each.",
)
@click.option("--row", type=click.IntRange(min=0), default=0, show_default=True, help="The row to prove.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write: inputs, outputs, boundaries and proofs.",
)
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds for each proof (default: twenty times the estimate, and at least 60).",
)
@memory_option
@cores_option
def model_prove(path: Path, out: Path, **options: Any) -> None:
    """Prove one inference of the imported model in ARTIFACT, split or not."""
    import asyncio

    from oracle.app.models import prove_model
    from oracle.cli.render import print_inference
    from oracle.proving.split import write_proof

    chain, proof = asyncio.run(prove_model(path, progress=lambda line: click.echo(line, err=True), **options))
    write_proof(out, proof)
    print_inference(chain, proof)
    click.echo(out)


@model.command("verify")
@click.argument("path", metavar="ARTIFACT", type=click.Path(path_type=Path))
@click.argument("proof", metavar="PROOF.json", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds for each proof (default: 60).",
)
def model_verify(path: Path, proof: Path, deadline_s: float | None) -> None:
    """Verify an inference against the model in ARTIFACT, or an auditor's copy; exits with 1 if it does not hold."""
    from oracle.app.models import verify_model
    from oracle.cli.render import print_inference

    chain, found, verification = verify_model(path, proof, deadline_s)
    if not verification.verified:
        click.echo(f"does not hold: {verification.reason}", err=True)
        sys.exit(1)
    print_inference(chain, found)
    click.echo("holds")


@model.command("build")
@click.argument("onnx", required=False, type=click.Path(path_type=Path, dir_okay=False))
@config_option
@click.option(
    "--batch",
    type=click.IntRange(1, 64),
    help="Windows per proof (default: 1; without a file the configured batch sizes, each).",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Samples for the model: .npy, .csv or .json, one row each.",
)
@click.option(
    "--objective",
    type=click.Choice(["time", "gas", "both"]),
    default="time",
    show_default=True,
    help="What tuning makes small.",
)
@click.option(
    "--max-flips",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Verdicts per 10,000 samples that may differ from the float model's.",
)
@click.option("--threshold", type=float, help="An output above this is a positive verdict (default for one output).")
@click.option("--argmax", is_flag=True, help="The largest output is the verdict (default for several outputs).")
@click.option("--tolerance", type=float, help="No verdict: outputs further than this from the float model's count.")
@click.option("--output", help="Which of the model's outputs is published.")
@click.option(
    "--keep-activation", is_flag=True, help="Keep a final Sigmoid or the like, as a piecewise linear function."
)
@click.option("--clip", type=click.IntRange(1, 32_767), default=32_767, help="Largest integer of an input.")
@click.option("--public-model", is_flag=True, help="Weights in the verifying key: cheaper, but not private.")
@visibility_option
@click.option(
    "--disclosure",
    type=click.Choice(["score", "verdict"]),
    default="score",
    show_default=True,
    help="What a proof publishes: the exact outputs, or the verdict only.",
)
@click.option(
    "--srs",
    type=click.Choice(["insecure-local", "public-ceremony"]),
    default="insecure-local",
    show_default=True,
    help="Reference string of the keys; the local one is for local chains only.",
)
@click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A tuning.json whose choice is taken over, instead of a search.",
)
@click.option("--check", "check_only", is_flag=True, help="Only say what is in the model, and what it would cost.")
@click.option("--split", is_flag=True, help="Cut the model into several circuits, which are proven at once.")
@memory_option
@cores_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of artifacts (default: build/artifacts).",
)
@json_option
def model_build(onnx: Path | None, config_path: Path, batch: int | None, as_json: bool, **options: Any) -> None:
    """Build the circuit of the model in ONNX, tuned on samples of its inputs.

    Without a file: build the artifacts that the configuration asks for, or find them again.
    """
    import asyncio

    if onnx is not None:
        _model_build_file(onnx, batch or 1, as_json, options)
        return
    from oracle.app.assembly import build_artifact

    config = load_config(config_path)
    config = _with_visibility(config, options["public_model"], options["visibility"])
    for size in config.prover.batch_sizes if batch is None else (batch,):
        click.echo(asyncio.run(build_artifact(config, size)))


def _model_build_file(onnx: Path, batch: int, as_json: bool, options: dict[str, Any]) -> None:
    from oracle.app.models import ModelOptions, build_model, build_split_model, inspect_model
    from oracle.cli.render import print_graph, print_model, print_split

    given = [name for name in ("threshold", "tolerance") if options[name] is not None]
    given += ["argmax"] if options.pop("argmax") else []
    if len(given) > 1:
        raise click.UsageError(f"--{given[0]} and --{given[1]} exclude each other")
    values = {name: options.pop(name) for name in ("threshold", "tolerance")}
    rule = given[0] if given else None
    check_only = options.pop("check_only")
    options["public_model"] = _is_public(options["public_model"], options.pop("visibility"))
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
        split = build_split_model(chosen, lambda line: click.echo(line, err=True))
        print_split(split.chain, split.plan, as_json=as_json)
        return
    if chosen.memory_limit is not None or chosen.cores is not None:
        raise click.UsageError("--memory-limit and --cores are for --split")
    built = build_model(chosen, lambda line: click.echo(line, err=True))
    print_model(built, as_json=as_json)


def _is_public(public_model: bool, visibility: str | None) -> bool:
    if public_model and visibility == "private":
        raise ConfigError("--public-model and --visibility private exclude each other")
    return public_model or visibility == "public"


def _with_visibility(config: Config, public_model: bool, visibility: str | None) -> Config:
    if not public_model and visibility is None:
        return config
    return config.with_visibility("public" if _is_public(public_model, visibility) else "private")


def main() -> NoReturn:
    """Entry point: a user's mistake is one line and an exit code, never a traceback."""
    try:
        oracle.main(standalone_mode=False)
    except OracleError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__context__, EOFError):
            click.echo("\nerror: nothing to read where a prompt asks: name a file, such as --password-file", err=True)
            sys.exit(ConfigError.exit_code)
        click.echo("interrupted", err=True)
        sys.exit(130)
    sys.exit(0)
