"""`oracle card …`: how good a model is, proven on a benchmark that anyone can build again."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oracle.cli.options import config_option, json_option, load_config, load_optional, optional_config_option

if TYPE_CHECKING:
    from oracle.detectors.cards.onchain import Published
    from oracle.detectors.cards.proven import CardModel, CardReport, Summary

_FILE = click.Path(path_type=Path, dir_okay=False)

csv_option = click.option(
    "--csv",
    "files",
    multiple=True,
    metavar="NAME=FILE",
    help="A series of your own: CSV with a column of times, and one of values.",
)


@click.group("card")
def card_group() -> None:
    """Model cards: verdicts of a hidden model on a public benchmark, each of them proven."""


@card_group.command("build")
@click.option("--series", multiple=True, help="A packaged series (default, without --csv: sp500, nasdaq, wti).")
@csv_option
@click.option("--start", default="2007-01-01", show_default=True, help="First day; what is before gives sigma.")
@click.option("--end", help="Last day (default: the last there is).")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--normals", type=click.IntRange(min=0), default=64, show_default=True, help="Normal windows of a series."
)
@click.option(
    "--per-kind", type=click.IntRange(min=0), default=16, show_default=True, help="Windows of a series with each fault."
)
@click.option("--fault", "kinds", multiple=True, help="A fault of one tick (default: spike_3, _5, _10 and _20).")
@click.option("--features", type=click.IntRange(3, 16), default=16, show_default=True, help="Length of a window.")
@click.option("--heartbeat", type=click.IntRange(min=1), default=86_400, show_default=True, help="Seconds.")
@click.option("--batch", type=click.IntRange(1, 64), default=16, show_default=True, help="Windows per proof.")
@click.option("--out", type=_FILE, default=Path("benchmark.json"), show_default=True)
def card_build(
    series: tuple[str, ...],
    files: tuple[str, ...],
    start: str,
    end: str | None,
    seed: int,
    normals: int,
    per_kind: int,
    kinds: tuple[str, ...],
    features: int,
    heartbeat: int,
    batch: int,
    out: Path,
) -> None:
    """Draw labelled windows from recorded series, and print the root that names them; the same for everyone."""
    from oracle.core.documents import file_hash
    from oracle.detectors.cards import benchmark

    named = _files(files)
    recipe = benchmark.Recipe(
        series=(*(series or (() if named else benchmark.SERIES)), *named),
        start=start,
        end=end,
        seed=seed,
        features=features,
        normals=normals,
        per_kind=per_kind,
        kinds=kinds or benchmark.KINDS,
        heartbeat=heartbeat,
        files={name: file_hash(path) for name, path in named.items()} or None,
    )
    built = benchmark.build(recipe, batch, named)
    built.save(out)
    click.echo(f"{out}: {len(built.windows)} windows in {built.batches} batches")
    click.echo(f"root 0x{built.root.hex()}")


@card_group.command("prove")
@click.argument("benchmark_file", metavar="BENCHMARK", type=_FILE)
@optional_config_option
@click.option(
    "--artifact",
    "artifact_path",
    type=click.Path(path_type=Path, file_okay=False),
    help="The model's circuit for the benchmark's batches (default: the one that the configuration asks for).",
)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Proofs at once.")
@click.option("--publish-scores", is_flag=True, help="Allow a card of scores, though they give hashed weights away.")
@click.option("--out", type=_FILE, default=Path("card.json"), show_default=True)
def card_prove(
    benchmark_file: Path,
    config_path: Path | None,
    artifact_path: Path | None,
    workers: int,
    publish_scores: bool,
    out: Path,
) -> None:
    """Prove the model's verdicts on every batch. Run again after an interruption, it goes on where it was."""
    import asyncio

    from oracle.app.assembly import find_artifact
    from oracle.core.errors import ModelError
    from oracle.detectors.cards import proven
    from oracle.detectors.cards.benchmark import Benchmark
    from oracle.proving import artifact as artifacts

    benchmark = Benchmark.load(benchmark_file)
    if artifact_path is not None:
        artifact = artifacts.load(artifact_path)
    else:
        config = load_optional(config_path)
        if config is None:
            raise click.UsageError("name the model's circuit with --artifact, or a configuration with --config")
        artifact = find_artifact(config, benchmark.batch)
    if artifact.manifest.disclosure == "score" and artifact.model_hash is not None and not publish_scores:
        raise ModelError(
            f"{artifact.path} publishes scores, and a card of them gives the hashed weights away: prove with a "
            'circuit of disclosure = "verdict" (the model has the same hash), or say --publish-scores'
        )
    kept = out.with_name(f"{out.name}.proofs")
    with _progress("proving") as progress:
        card = asyncio.run(proven.prove(benchmark, artifact, kept, workers=workers, progress=progress))
    card.save(out)
    click.echo(f"{out}: {card.benchmark.batches} batches proven; the proofs are kept in {kept}")
    _print_summary(card.summary)


@card_group.command("verify")
@click.argument("card_file", metavar="CARD", type=_FILE)
@click.option(
    "--artifact",
    "artifact_path",
    type=click.Path(path_type=Path, file_okay=False),
    help="The circuit, an auditor's copy will do (default: found by its hash among the artifacts here).",
)
@click.option("--model-hash", help="That the card's model has to have.")
@click.option("--benchmark", "benchmark_file", type=_FILE, help="That the card has to be of (default: built again).")
@csv_option
@optional_config_option
@json_option
def card_verify(
    card_file: Path,
    artifact_path: Path | None,
    model_hash: str | None,
    benchmark_file: Path | None,
    files: tuple[str, ...],
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Verify a card with nothing but public files: root, each proof, the counts. Exits with 1 if anything differs."""
    from dataclasses import asdict, replace

    from oracle.chain.local import toolchain
    from oracle.cli.render import print_json
    from oracle.config import ProverConfig
    from oracle.detectors.cards import benchmark, proven
    from oracle.proving import artifact as artifacts
    from oracle.proving.batches import find_circuit
    from oracle.proving.pool.local import LocalVerifier

    card, named = proven.Card.load(card_file), _files(files)
    if artifact_path is not None:
        artifact = artifacts.load(artifact_path, prover=False)
    else:
        config = load_optional(config_path)
        folder = ProverConfig().artifacts if config is None else config.prover.artifacts
        artifact = find_circuit(card.model.artifact_hash, (folder, toolchain.build_dir() / "artifacts"))
    rebuilt = None
    recipe = card.benchmark.recipe
    if benchmark_file is not None:
        rebuilt = benchmark.Benchmark.load(benchmark_file)
    elif recipe is not None and set(recipe.files or {}) <= set(named):
        rebuilt = benchmark.build(recipe, card.benchmark.batch, named)
    with LocalVerifier(artifact) as verifier, _progress("verifying") as progress:
        report = proven.verify(card, artifact, verifier, rebuilt, progress)
    if model_hash is not None and _number(model_hash) != artifact.model_hash:
        report = replace(report, problems=(f"the model is not the one of hash {model_hash}", *report.problems))
    if as_json:
        print_json(asdict(report) | {"ok": report.ok, "model": card.document()["model"]})
    else:
        _print_report(card.model, report)
    sys.exit(0 if report.ok else 1)


@card_group.command("publish")
@click.argument("card_file", metavar="CARD", type=_FILE)
@config_option
@click.option("--contract", help="Where ModelCard is (default: at the address that follows from its code).")
@json_option
def card_publish(card_file: Path, config_path: Path, contract: str | None, as_json: bool) -> None:
    """Have the chain's ModelCard verify and count a card's batches. Run again, it goes on where it was."""
    import asyncio
    import os
    from dataclasses import asdict

    from oracle.app.assembly import account
    from oracle.chain.deploy import load_deployment
    from oracle.chain.rpc import checksum_address
    from oracle.chain.transport.endpoints import connect
    from oracle.cli.render import print_json
    from oracle.detectors.cards import onchain
    from oracle.detectors.cards.proven import Card

    config, card = load_config(config_path), Card.load(card_file)
    deployment = load_deployment(config.chain.deployment)
    address = None if contract is None else checksum_address(contract, "--contract")

    async def run() -> onchain.Publication:
        async with connect(config.chain) as rpc:
            payer = await account(config.keys.submitter, rpc, os.environ)
            return await onchain.publish(
                card,
                rpc,
                deployment.hub,
                payer,
                contract=address,
                progress=lambda line: click.echo(line, err=True),
                deadline_s=config.chain.tx_deadline_s,
            )

    done = asyncio.run(run())
    if as_json:
        print_json(asdict(done))
        return
    click.echo(f"ModelCard {done.contract}")
    _print_published(done.card)


@card_group.command("show")
@click.argument("address", required=False)
@click.option("--rpc", "rpc_url", required=True, help="RPC endpoint of the chain.")
@click.option("--root", help="Of the benchmark that you are interested in.")
@click.option("--from-block", type=click.IntRange(min=0), default=0, show_default=True)
@json_option
def card_show(address: str | None, rpc_url: str, root: str | None, from_block: int, as_json: bool) -> None:
    """The cards that the ModelCard at ADDRESS has counted (default: where `publish` deploys it)."""
    import asyncio
    from dataclasses import asdict

    from oracle.chain.rpc import Rpc, checksum_address
    from oracle.cli.render import print_json
    from oracle.detectors.cards import onchain

    contract = onchain.contract_address() if address is None else checksum_address(address, "ADDRESS")

    async def run() -> list[onchain.Published]:
        async with Rpc(rpc_url) as rpc:
            return await onchain.show(rpc, contract, from_block, root)

    found = asyncio.run(run())
    if as_json:
        print_json([asdict(each) for each in found])
        return
    if not found:
        click.echo(f"{contract} has no card{'' if root is None else ' of this benchmark'}")
    for each in found:
        _print_published(each)


@contextlib.contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error; where that is no terminal, nothing."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _files(given: tuple[str, ...]) -> dict[str, Path]:
    """Names and files of `--csv`."""
    named = {}
    for each in given:
        name, equals, file = each.partition("=")
        if not (name and equals and file):
            raise click.UsageError(f"--csv {each}: write it as NAME=FILE")
        named[name] = Path(file)
    return named


def _number(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise click.UsageError(f"--model-hash {text}: write it as 0x and hexadecimal digits") from None


def _print_summary(summary: Summary) -> None:
    for kind, (faults, caught) in summary.by_kind.items():
        click.echo(f"  {kind}: {caught} of {faults} caught")
    click.echo(f"faults caught   {summary.caught} of {summary.faults}")
    click.echo(f"false holds     {summary.false_holds} of {summary.normals} normal windows")


def _print_report(model: CardModel, report: CardReport) -> None:
    bound = "none: the verifying key has the weights" if model.model_hash is None else f"{model.model_hash:#066x}"
    click.echo(f"model           {model.name}")
    click.echo(f"model hash      {bound}")
    click.echo(f"verifier code   {model.verifier_code_hash}")
    click.echo(f"benchmark root  {report.root}")
    click.echo(f"batches         {report.verified} of {report.batches} verified")
    if report.summary is not None:
        _print_summary(report.summary)
    for note in report.notes:
        click.echo(f"note: {note}")
    for problem in report.problems:
        click.echo(f"problem: {problem}")
    click.echo("the card is what it says" if report.ok else "the card is NOT what it says")


def _print_published(card: Published) -> None:
    click.echo(f"card            {card.card_id}")
    click.echo(f"model           number {card.model_number} of hub {card.hub}")
    click.echo(f"model hash      {card.model_hash:#066x}")
    click.echo(f"benchmark root  {card.root}")
    state = "complete" if card.complete else "INCOMPLETE: what is missing may be what went badly"
    click.echo(f"batches         {card.counted} of {card.batches} verified by {card.verifier}, {state}")
    click.echo(f"faults caught   {card.caught} of {card.faults}")
    click.echo(f"false holds     {card.false_holds} of {card.normals} normal windows")
    for note in card.notes:
        click.echo(f"note: {note}")
