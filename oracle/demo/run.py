"""The course of a demonstration: deploy, report day by day, read back, audit, write."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from rich.console import Console

from oracle.app.audit import audit
from oracle.app.deploy import deploy
from oracle.app.explore import Explored, explore_until_stopped, require_pages
from oracle.app.progress import finished_steps
from oracle.app.running import RunningOracle, open_oracle
from oracle.chain.deploy import Deployment
from oracle.chain.hub import RoundEvent
from oracle.chain.local import installing
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.local.installing import VERIFIER_SOLC
from oracle.config import Config, load
from oracle.core import encoding
from oracle.core.stages import Decided, Observed
from oracle.demo.acts import Act, acts
from oracle.demo.board import LiveBoard
from oracle.demo.model import SINCE, UNTIL, DemoModel, train
from oracle.demo.options import BLOCK_DELAY, DECIMALS, HEARTBEAT, DemoOptions, configuration
from oracle.demo.plot import plot
from oracle.demo.summary import Performance, disagreements, summarise
from oracle.detectors.interface import Disclosure
from oracle.proving.artifact import load as load_artifact
from oracle.proving.artifact import publish

EXPLORER = "127.0.0.1:0"
"""The address of the explorer: any free port of this machine."""


async def run(
    options: DemoOptions, console: Console, told: Callable[[Performance], None] = lambda played: None
) -> Performance:
    """Play, read back, audit, write summary and plot, and serve the explorer if that is wanted.

    Args:
        options: What to play; `out` is emptied first.
        console: Shows what happens.
        told: Called with the result, before the explorer is served.

    Raises:
        DataError: The start is not a date, or the series have too few days after it.
        ToolMissing: A program is missing that runs the chain or compiles the verifier.
        ConfigError: The explorer is wanted, and its pages are not built.
    """
    installing.require("anvil", VERIFIER_SOLC)
    if options.explore:
        require_pages()
    out = options.out
    played_acts = acts(options)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    began = time.perf_counter()
    model = train(options, out)
    learnt = f"{model.days:,} days of {SINCE.year} to {UNTIL.year}, the S&P 500 and the NASDAQ as each other's peer"
    console.print(f"model: trained in {time.perf_counter() - began:.1f} s on {learnt}", highlight=False)
    series = [readings for act in played_acts for readings in act.readings.values()]
    first = min(reading.observed_at for readings in series for reading in readings)
    # The size limit of contracts is on, as on a real chain.
    with Anvil(load_anvil_config(port=0, start_time=first - HEARTBEAT)) as chain:
        console.print(f"chain {chain.chain_id} at recorded time, {dt.datetime.fromtimestamp(first, dt.UTC):%Y-%m-%d}")
        config = _configured(options, chain, model)
        deployment = await deploy(config, finished_steps(lambda line: console.print(f"  {line}", highlight=False)))
        shown = model.detector.publishing(Disclosure(config.prover.privacy.disclosure))
        console.print("What a stranger can know of the model:")
        for line in stranger(config):
            console.print(f"  {line}", highlight=False, soft_wrap=True)
        board = LiveBoard(console, played_acts, shown)
        async with open_oracle(config, listener=board) as parts:
            for deployed in parts.models.values():
                for prover in deployed.provers.values():
                    await prover.warm()
            with board:
                async with _sending(parts):
                    for act in played_acts:
                        await _play(parts, chain, act, board)
            events = await parts.hub.logs(deployment.block, await parts.rpc.block_number())
            gas = {
                event.tx_hash: await _gas(parts, event) for event in {each.tx_hash: each for each in events}.values()
            }
            entries = parts.journal.confirmed()
            latencies = [entry.latency for entry in entries if entry.latency is not None]
            open_ = [key for stage in parts.journal.unfinished() for key in stage.keys]
        report = await audit(deployment.hub, chain.rpc_url, config.prover.artifacts, deployment.block)
        differing = disagreements(events, entries, open_)
        names = {feed.feed_id: name for name, feed in deployment.feeds.items()}
        summary = summarise(events, names, played_acts, latencies, list(gas.values()), report)
        summary |= {
            "chain_agrees_with_journal": not differing,
            "disagreements": differing,
            "seed": options.seed,
            "model": {"visibility": config.prover.privacy.visibility, "disclosure": config.prover.privacy.disclosure},
        }
        (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        plot(events, names, played_acts, out / "demo.png")
        played = Performance(summary, not differing and report.ok)
        told(played)
        if options.explore:
            await _explore(options, chain, deployment, console)
        return played


def stranger(config: Config) -> Sequence[str]:
    """Return what a stranger can know of the demonstration's model, in sentences."""
    told = config.prover.privacy.stranger
    if config.prover.privacy.visibility == "public":
        return told
    return [*told, "Here everybody has the data, and the salt follows from --seed, so that a run can be repeated."]


def _configured(options: DemoOptions, chain: Anvil, model: DemoModel) -> Config:
    path = options.out / "oracle.toml"
    path.write_text(configuration(options, chain, model.path, model.sigmas), encoding="utf-8")
    return load(path, {})


@contextlib.asynccontextmanager
async def _sending(parts: RunningOracle) -> AsyncIterator[None]:
    """Let the desk send reports on their way."""
    sending = asyncio.create_task(parts.desk.run(), name="desk")
    try:
        yield
    finally:
        await parts.desk.stop(0.0)
        await sending


async def _play(parts: RunningOracle, chain: Anvil, act: Act, board: LiveBoard) -> None:
    """Set the chain's clock day by day, and report each day's feeds together: with one signature and one proof."""
    faults = {(fault.feed, fault.index): fault for fault in act.injections}
    days: dict[int, list[tuple[str, int]]] = {}
    for name, readings in act.readings.items():
        for index, reading in enumerate(readings):
            days.setdefault(reading.observed_at, []).append((name, index))
    for moment, played in sorted(days.items()):
        chain.rpc("evm_setNextBlockTimestamp", moment + BLOCK_DELAY)
        chain.rpc("evm_mine")
        due = []
        for name, index in played:
            answer = encoding.answer_from_decimal(act.readings[name][index].value, DECIMALS)
            due.append(Observed(name, parts.deployment.feeds[name].feed_id, answer, moment))
            board.expect(due[-1], faults.get((name, index)))
        due.sort(key=lambda observed: observed.feed_id)
        state = await parts.hub.feed_state(due[0].feed_id)
        parts.desk.offer([(state.model_number, Decided(state.committee, tuple(due)))])
        await parts.desk.until_idle([name for name, _ in played])
        for error in parts.desk.ended.values():
            raise error


async def _explore(options: DemoOptions, chain: Anvil, deployment: Deployment, console: Console) -> None:
    """Serve the explorer for the played chain, with the public files of its circuits, until somebody interrupts."""
    public = options.out / "public"
    for folder in {Path(each) for model in deployment.models.values() for each in model.artifacts.values()}:
        publish(load_artifact(folder, prover=False), public / folder.name)
    shown = Explored(deployment.hub, (chain.rpc_url,), public, from_block=deployment.block)

    def tell(url: str) -> None:
        console.print(
            f"[bold]The explorer is at {url}[/] – open it, and let it check the rounds; Ctrl-C ends it.",
            highlight=False,
            soft_wrap=True,
        )

    await explore_until_stopped(shown, EXPLORER, tell)


async def _gas(parts: RunningOracle, event: RoundEvent) -> int:
    receipt = await parts.rpc.receipt(event.tx_hash)
    return 0 if receipt is None else receipt.gas_used
