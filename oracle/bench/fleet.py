"""One daemon with very many feeds of one committee, all due every minute: how many it keeps up with, and what it takes.

The daemon is `oracle run` as it stands, on a real chain with real proofs. Each feed has a recording that is replayed at
the speed of time, with a new value every minute, so all feeds are due at the same moment. Circuits of `BATCH` windows
judge them, and the daemon divides its reports among them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from oracle.app.deploy import deploy, terms
from oracle.bench.cases import JUDGES
from oracle.bench.configuration import chain_and_keys, model_of
from oracle.bench.daemon import DaemonRun, run_daemon
from oracle.bench.detectors import detector
from oracle.bench.memory import megabytes
from oracle.bench.transactions import mined
from oracle.bench.windows import sigma_of
from oracle.chain.deploy import feed_id_of
from oracle.chain.deploy.file import read_file, write_file
from oracle.chain.hub import hub_interface
from oracle.chain.local import toolchain
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.local.ports import reserved_port
from oracle.config import Config, load
from oracle.core.statistics import percentile
from oracle.core.types import Outcome
from oracle.feeds.journal import Entry, open_journal

Echo = Callable[[str], None]

BATCH = 32
PERIOD_S = 60
"""Seconds between two values of a feed."""

POLL_S = PERIOD_S
"""Seconds between two looks at the sources: one for each value."""

MINUTES = 3
"""Minutes that it runs if nothing else is asked for."""

_EPOCH = 1_700_000_000
"""The recording's first time; it is moved to the present."""

_SEED = 1_000
_DEPLOYER = 0
_PATIENCE_S = 900.0
_SCRAPE_S = 60.0
"""Seconds between two looks at the metrics: with a thousand feeds, to write them down keeps the daemon busy a while."""


async def run(folder: Path, feeds: int, judge: str, minutes: int, echo: Echo) -> dict[str, Any]:
    """Run a daemon for some minutes, and return its figures.

    Args:
        folder: An empty folder for the daemon's files.
        feeds: The number of feeds.
        judge: The model that judges them, of `JUDGES`.
        minutes: How many times each feed is due, after a first time, which fills empty slots and does not count.
        echo: Takes lines for people.
    """
    with Anvil(load_anvil_config(port=0)) as chain:
        path = await asyncio.to_thread(_prepared, folder, chain, feeds, judge, minutes)
        config = load(path, {})
        echo(f"deployment of {feeds:,} feeds")
        await _deploy(config, chain)
        echo(f"{feeds:,} feeds, each due {1 + minutes} times, once in {PERIOD_S} s")
        deadline_s = PERIOD_S * (minutes + 1) + _PATIENCE_S
        ran = await asyncio.to_thread(run_daemon, path, config.web.listen, scrape_s=_SCRAPE_S, deadline_s=deadline_s)
        with open_journal(config.journal, {}, read_only=True) as journal:
            entries = journal.rows()
    return {
        "judge": judge,
        "feeds": feeds,
        "minutes": minutes,
        **figures(entries, feeds, minutes),
        **_memory(ran),
        "mean_steps_s": ran.mean_steps(),
    }


def _prepared(folder: Path, chain: Anvil, feeds: int, judge: str, minutes: int) -> Path:
    """Write recording and configuration, and return the latter's path."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(_SEED)
    for feed in range(feeds):
        # Each value differs, so that the feed is due, and so little that the model never objects.
        values = (100 + chance.randint(-9_999, 9_999) / 1e6 for _ in range(minutes + 1))
        rows = (f"{_EPOCH + PERIOD_S * index},{value:.6f}" for index, value in enumerate(values))
        (folder / f"feed-{feed:04}.csv").write_text("\n".join(["time,value", *rows, ""]), encoding="utf-8")
    path = folder / "oracle.toml"
    path.write_text(_config(chain, feeds, judge, folder), encoding="utf-8")
    return path


async def _deploy(config: Config, chain: Anvil) -> None:
    """Deploy as `oracle deploy` does with the first feed. The others are only added: they have no adapter.

    To deploy three contracts' worth of transactions for each of a thousand feeds would take longer than to measure.
    """
    first, *others = config.feeds
    path = config.chain.deployment
    deployment = await deploy(config.model_copy(update={"feeds": (first,)}), progress=lambda line: None)
    committee = deployment.committees[first.committee].number
    [number] = deployment.models
    feeds = dict(deployment.feeds)
    for feed in others:
        added = dataclasses.astuple(dataclasses.replace(terms(feed), committee=committee))
        mined(chain, deployment.hub, hub_interface().encode_call("addFeed", added, number), _DEPLOYER)
        # The daemon asks no adapter for anything.
        feeds[feed.name] = deployment.feeds[first.name].model_copy(
            update={"feed_id": feed_id_of(feed.description), "description": feed.description}
        )
    content = read_file(path)
    assert content is not None
    await asyncio.to_thread(
        write_file,
        path,
        content.model_copy(update={"deployment": deployment.model_copy(update={"feeds": feeds})}),
    )


def figures(entries: Sequence[Entry], feeds: int, minutes: int) -> dict[str, Any]:
    """Return what became of the observations, and how long they took from the time of their value to their end.

    Args:
        entries: All that the journal has.
        feeds: The number of feeds.
        minutes: How many times each was due after the first time, which does not count.
    """
    first = min(entry.observed_at for entry in entries)
    entries = [entry for entry in entries if entry.observed_at > first]
    ends = Counter(entry.outcome for entry in entries)
    confirmed = [entry for entry in entries if entry.outcome in (Outcome.ACCEPTED, Outcome.HELD)]
    latencies = [entry.latency for entry in confirmed if entry.latency is not None]
    ages = [entry.finished_at - entry.observed_at for entry in confirmed if entry.finished_at is not None]
    batches = Counter(entry.tx_hash for entry in confirmed)
    gas = [entry.gas_used for entry in confirmed if entry.gas_used]
    found: dict[str, Any] = {
        "observations": len(entries),
        "ends": {outcome.value: ends[outcome] for outcome in Outcome},
        # Never seen by the daemon, or still open at its end.
        "missing": feeds * minutes - len(entries),
        "open": ends[None],
        "late": sum(age > PERIOD_S for age in ages),
        "transactions": len(batches),
    }
    if confirmed:
        began = min(entry.recorded_at for entry in confirmed)
        busy = [
            max(entry.finished_at or 0 for entry in one) - min(entry.recorded_at for entry in one)
            for one in _by_time(confirmed)
        ]
        found |= {
            "feeds_per_transaction": round(statistics.mean(batches.values()), 1),
            "observations_per_s": round(
                len(confirmed) / (max(entry.finished_at or 0 for entry in confirmed) - began), 2
            ),
            # What it could do if the values were not a minute apart.
            "observations_per_busy_s": round(len(confirmed) / sum(busy), 2),
            "busy_share": round(statistics.mean(busy) / PERIOD_S, 3),
            "latency_s": {f"p{share}": round(percentile(latencies, share), 2) for share in (50, 95, 99)},
            "age_s": {f"p{share}": round(percentile(ages, share), 2) for share in (50, 95, 99)},
            "proof_s": round(statistics.median(entry.prove_seconds or 0 for entry in confirmed), 3),
        }
    if gas:
        found["gas_per_feed"] = round(statistics.median(gas))
    return found


def told(of: Mapping[str, Any]) -> str:
    """Return the figures of a run for people."""
    ends = ", ".join(f"{count:,} {end}" for end, count in of["ends"].items() if count)
    lines = [
        f"{of['feeds']:,} feeds, due {of['minutes']} times, once in {PERIOD_S} s: {ends or 'none'}; "
        f"{of['missing']} missing, {of['open']} open, {of['late']} later than {PERIOD_S} s"
    ]
    if "latency_s" in of:
        latency, ages = of["latency_s"], of["age_s"]
        lines += [
            f"{of['observations_per_busy_s']} reports a second while there are any, which is {of['busy_share']:.0%} of "
            f"the time; {of['feeds_per_transaction']} feeds a transaction, {of['gas_per_feed']:,} gas each",
            f"decision to confirmation: p50 {latency['p50']} s, p95 {latency['p95']} s, p99 {latency['p99']} s; since "
            f"the value's time: p50 {ages['p50']} s, p95 {ages['p95']} s, p99 {ages['p99']} s",
        ]
    by_minute = ", ".join(f"{size:.0f}" for size in of["rss_mb_by_minute"])
    lines.append(f"daemon {of['daemon_rss_mb']:.0f} MB at most; at the end of each minute: {by_minute}")
    return "\n  ".join(lines)


def _by_time(entries: Sequence[Entry]) -> list[list[Entry]]:
    by_time: dict[int, list[Entry]] = {}
    for entry in entries:
        by_time.setdefault(entry.observed_at, []).append(entry)
    return list(by_time.values())


def _memory(ran: DaemonRun) -> dict[str, Any]:
    """Return the memory over time: a sample for each minute, and the most."""
    each: dict[int, tuple[int, int]] = {}
    for sample in (sample for sample in ran.memory if sample.daemon):  # it may have ended just then
        each[int(sample.seconds) // 60] = (sample.daemon, sample.provers)
    return {
        "daemon_rss_mb": megabytes(ran.parent),
        "with_provers_rss_mb": megabytes(ran.total),
        "rss_mb_by_minute": [megabytes(daemon) for daemon, _ in each.values()],
    }


def _config(chain: Anvil, feeds: int, judge: str, folder: Path) -> str:
    of = JUDGES[judge]
    listed = "".join(
        f"""
[[feeds]]
name = "feed-{index:04}"
description = "Index, series {index:04}"
kind = "relative"
decimals = 8
sigma = {sigma_of("sp500")}
heartbeat = {PERIOD_S}
max_age = 3600
max_skew = 600
deviation_ppm = 1
poll_interval = {POLL_S}
min_sources = 1
sources = [{{ type = "replay", file = "feed-{index:04}.csv", speed = 1, timestamps = "now" }}]
"""
        for index in range(feeds)
    )
    return f"""{chain_and_keys(chain)}
[prover]
artifacts = "{toolchain.build_dir() / "artifacts"}"
{model_of(detector(of.detector, of.disclosure), of.visibility, folder)}
srs = "insecure-local"
batch_sizes = [{BATCH}]

[journal]
path = "journal.db"

[web]
listen = "127.0.0.1:{reserved_port()}"

[deploy]
change_delay = 0
{listed}"""
