"""`oracle card …`: how good a model is, proven on a benchmark that anyone can build again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oracle.cli.options import (
    FILE,
    FOLDER,
    config_option,
    json_option,
    load_config,
    load_optional,
    model_hash_of,
    optional_config_option,
    transaction_of,
)
from oracle.cli.render.json_output import print_done, print_json
from oracle.core.errors import ModelError
from oracle.core.formats import to_hex

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.config import Config
    from oracle.detectors.cards.card import ProvenCard
    from oracle.detectors.cards.onchain import Publication, Published
    from oracle.proving.artifact import Artifact

csv_option = click.option(
    "--csv",
    "files",
    multiple=True,
    metavar="NAME=FILE",
    help="A series of your own: CSV with a column of times and one of values; may be repeated.",
)


artifact_option = click.option(
    "--artifact",
    "artifact_path",
    type=FOLDER,
    help="The circuit; its public files are enough (default: find it by its hash among the artifacts here).",
)


@click.group("card")
def card_group() -> None:
    """Model cards: verdicts of a hidden model on a public benchmark, each of them proven."""


@card_group.command("build")
@click.option(
    "--series", multiple=True, help="A packaged series; may be repeated (default, without --csv: sp500, nasdaq)."
)
@csv_option
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="SERIES=PEER",
    help="A peer of a series, in the order of the model; may be repeated (default: sp500 and nasdaq of each other).",
)
@click.option("--model", "model_path", type=FILE, help="Draw windows of this model file's features.")
@click.option(
    "--features",
    metavar="NAME,…",
    help="Draw windows of these features, in the order of the model (default: those of the packaged model).",
)
@click.option(
    "--start", default="2007-01-01", show_default=True, help="First day; sigma is found from the days before."
)
@click.option("--end", help="Last day (default: the last one recorded).")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the draw.")
@click.option(
    "--normals", type=click.IntRange(min=0), default=96, show_default=True, help="Normal windows from each series."
)
@click.option(
    "--per-kind",
    type=click.IntRange(min=0),
    default=24,
    show_default=True,
    help="Windows with each fault from each series.",
)
@click.option(
    "--fault", "kinds", multiple=True, help="A fault of one tick; may be repeated (default: spike_3, _5, _10 and _20)."
)
@click.option(
    "--heartbeat", type=click.IntRange(min=1), default=86_400, show_default=True, help="Heartbeat in seconds."
)
@click.option("--batch", type=click.IntRange(1, 64), default=16, show_default=True, help="Windows per proof.")
@click.option("--out", type=FILE, default=Path("benchmark.json"), show_default=True, help="The benchmark to write.")
@json_option
def card_build(
    series: tuple[str, ...],
    files: tuple[str, ...],
    peers: tuple[str, ...],
    model_path: Path | None,
    features: str | None,
    start: str,
    end: str | None,
    seed: int,
    normals: int,
    per_kind: int,
    kinds: tuple[str, ...],
    heartbeat: int,
    batch: int,
    out: Path,
    as_json: bool,
) -> None:
    """Draw labelled windows from recorded series, and print the root that names them. Everyone gets the same ones."""
    from oracle.app.detectors import load_detector
    from oracle.core.documents import file_hash
    from oracle.core.encoding import feature_names
    from oracle.detectors.cards.drawing import build
    from oracle.detectors.cards.recipe import FEATURES, KINDS, PEERS, SERIES, Recipe

    if model_path is not None and features is not None:
        raise click.UsageError("--model and --features exclude each other")
    listed = FEATURES
    if model_path is not None:
        listed = feature_names(load_detector(model_path).features)
    elif features is not None:
        listed = tuple(name.strip() for name in features.split(","))
    named = _files(files)
    drawn = (*(series or (() if named else SERIES)), *named)
    beside = {each: PEERS[each] for each in drawn if each in PEERS and each not in named}
    if peers:
        beside = {}
        for each, peer in _pairs(peers, "--peer", "SERIES=PEER"):
            beside[each] = (*beside.get(each, ()), peer)
    recipe = Recipe(
        series=drawn,
        features=listed,
        peers=beside,
        start=start,
        end=end,
        seed=seed,
        normals=normals,
        per_kind=per_kind,
        kinds=kinds or KINDS,
        heartbeat=heartbeat,
        files={name: file_hash(path) for name, path in named.items()} or None,
    )
    built = build(recipe, batch, named)
    built.save(out)
    root = to_hex(built.root)
    told = {"benchmark": out, "windows": len(built.windows), "batches": built.batches, "root": root}
    counted = f"{out}: {len(built.windows)} windows in {built.batches} batches"
    print_done(told, counted, f"root {root}", as_json=as_json)


@card_group.command("prove")
@click.argument("benchmark_file", metavar="BENCHMARK", type=FILE)
@optional_config_option
@click.option(
    "--artifact",
    "artifact_path",
    type=FOLDER,
    help="The model's circuit for the benchmark's batches (default: the one that the configuration asks for).",
)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Proofs to make at once.")
@click.option("--publish-scores", is_flag=True, help="Allow a card of scores, though they give hashed weights away.")
@click.option("--out", type=FILE, default=Path("card.json"), show_default=True, help="The card to write.")
@json_option
def card_prove(
    benchmark_file: Path,
    config_path: Path | None,
    artifact_path: Path | None,
    workers: int,
    publish_scores: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Prove the model's verdicts on every batch. Run again after an interruption, it continues."""
    import asyncio

    from oracle.app.circuits import find_artifact
    from oracle.cli.render.model_card import print_summary
    from oracle.cli.render.progress import progress_bar
    from oracle.detectors.cards.benchmark import Benchmark
    from oracle.detectors.cards.prove import prove
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
    with progress_bar("proving") as progress:
        card = asyncio.run(prove(benchmark, artifact, kept, workers=workers, progress=progress))
    card.save(out)
    batches = card.benchmark.batches
    told = {"card": out, "batches": batches, "proofs": kept, "summary": asdict(card.summary)}
    print_done(told, f"{out}: {batches} batches proven; the proofs are kept in {kept}", as_json=as_json)
    if not as_json:
        print_summary(card.summary)


@card_group.command("verify")
@click.argument("card_file", metavar="CARD", type=FILE)
@artifact_option
@click.option("--model-hash", help="Hash that the card's model must have.")
@click.option(
    "--benchmark", "benchmark_file", type=FILE, help="Benchmark that the card must be of (default: build it again)."
)
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
    """Verify a card with public files alone: root, each proof, the counts. Exits with 1 if anything differs."""
    from oracle.app.regeneration import regenerated
    from oracle.cli.render.model_card import print_report
    from oracle.cli.render.progress import progress_bar
    from oracle.detectors.cards.benchmark import Benchmark
    from oracle.detectors.cards.card import ProvenCard
    from oracle.detectors.cards.drawing import build
    from oracle.detectors.cards.verify import verify
    from oracle.proving.verification import LocalVerifier

    card, named = ProvenCard.load(card_file), _files(files)
    artifact = _circuit(card, artifact_path, load_optional(config_path))
    rebuilt = None
    recipe = card.benchmark.recipe
    if benchmark_file is not None:
        rebuilt = Benchmark.load(benchmark_file)
    elif recipe is not None and set(recipe.files or {}) <= set(named):
        rebuilt = build(recipe, card.benchmark.batch, named)
    again = regenerated(artifact)
    with LocalVerifier(artifact) as verifier, progress_bar("verifying") as progress:
        report = verify(card, artifact, verifier, rebuilt, again, progress)
    if model_hash is not None and model_hash_of(model_hash) != artifact.model_hash:
        report = replace(report, problems=(f"the model is not the one of hash {model_hash}", *report.problems))
    if as_json:
        print_json(asdict(report) | {"ok": report.ok, "model": card.document()["model"]})
    else:
        print_report(card.model, report)
    sys.exit(0 if report.ok else 1)


@card_group.command("publish")
@click.argument("card_file", metavar="CARD", type=FILE)
@config_option
@click.option("--contract", help="Address of the ModelCard (default: the one that follows from its code).")
@artifact_option
@json_option
def card_publish(
    card_file: Path, config_path: Path, contract: str | None, artifact_path: Path | None, as_json: bool
) -> None:
    """Have the chain's ModelCard verify and count a card's batches. Run again after an interruption, it continues."""
    import asyncio

    from oracle.app.keys import open_key
    from oracle.chain.addresses import require_address
    from oracle.chain.connect import connect
    from oracle.chain.deploy import load_deployment
    from oracle.cli.render.model_card import print_published
    from oracle.detectors.cards import onchain
    from oracle.detectors.cards.card import ProvenCard

    config, card = load_config(config_path), ProvenCard.load(card_file)
    deployment = load_deployment(config.chain.deployment)
    address = None if contract is None else require_address(contract, "--contract")
    circuit = _circuit(card, artifact_path, config)

    async def run() -> Publication:
        async with connect(config.chain) as rpc:
            payer = await open_key(config.keys.submitter, rpc, os.environ)
            return await onchain.publish(
                card,
                circuit,
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
    print_published(done.card)


@card_group.command("show")
@click.argument("address", required=False)
@click.option("--rpc", "rpc_url", required=True, help="RPC endpoint of the chain.")
@click.option("--root", help="Show only cards of the benchmark with this root.")
@click.option(
    "--from-block", type=click.IntRange(min=0), default=0, show_default=True, help="First block to read events of."
)
@click.option("--artifacts", type=FOLDER, help="Folder with the public files of the cards' circuits, to check them.")
@click.option(
    "--created-in", metavar="TX", help="Transaction that created the contract, for a node that has no old states."
)
@json_option
def card_show(
    address: str | None,
    rpc_url: str,
    root: str | None,
    from_block: int,
    artifacts: Path | None,
    created_in: str | None,
    as_json: bool,
) -> None:
    """Show the cards that the ModelCard at ADDRESS has counted (default: where `publish` deploys it).

    The contract has to be one that was created as a ModelCard. Exits with 1 if something is wrong with a card.
    """
    import asyncio

    from oracle.chain.addresses import require_address
    from oracle.chain.rpc import Rpc
    from oracle.cli.render.model_card import print_published
    from oracle.detectors.cards import onchain

    contract = onchain.contract_address() if address is None else require_address(address, "ADDRESS")
    created = None if created_in is None else transaction_of(created_in, "--created-in")

    async def run() -> list[Published]:
        async with Rpc(rpc_url) as rpc:
            return await onchain.show(rpc, contract, from_block, root, artifacts, created_in=created)

    found = asyncio.run(run())
    if as_json:
        print_json([asdict(each) for each in found])
    elif not found:
        click.echo(f"{contract} has no card{'' if root is None else ' of this benchmark'}")
    else:
        for each in found:
            print_published(each)
    sys.exit(1 if any(each.problems for each in found) else 0)


def _circuit(card: ProvenCard, named: Path | None, config: Config | None) -> Artifact:
    """Return the circuit of a card: the one that was named, or the one of its hash among the artifacts here."""
    from oracle.chain.local import toolchain
    from oracle.config import ProverConfig
    from oracle.proving import artifact as artifacts
    from oracle.proving.batches import find_circuit

    if named is not None:
        return artifacts.load(named, prover=False)
    folder = ProverConfig().artifacts if config is None else config.prover.artifacts
    return find_circuit(card.model.artifact_hash, (folder, toolchain.build_dir() / "artifacts"))


def _files(given: tuple[str, ...]) -> dict[str, Path]:
    """Return the file by the name of each `--csv`."""
    return {name: Path(file) for name, file in _pairs(given, "--csv", "NAME=FILE")}


def _pairs(given: tuple[str, ...], option: str, form: str) -> Iterator[tuple[str, str]]:
    """Yield the two sides of each value of an option."""
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise click.UsageError(f"{option} {each}: write it as {form}")
        yield name, value
