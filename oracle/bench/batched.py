"""The saving by batching: the same reports by the same daemon, once with shared proofs, once without.

The daemon is `oracle run` as it stands, with a feed for each place in a proof. Each feed reports the next row of its
recording as soon as the one before has ended, so all of them are due at once, and the daemon is never idle. The rows'
times are moved to the present, a second apart: an old observation is not made to wait for others.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from oracle.app.deploy import deploy
from oracle.bench.cases import BATCHED
from oracle.bench.configuration import chain_and_keys
from oracle.bench.daemon import WARM_ROUND, run_daemon
from oracle.bench.windows import sigma_of
from oracle.chain.local import toolchain
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.config import load
from oracle.core.errors import Fatal
from oracle.core.types import Outcome
from oracle.feeds.journal import Entry, open_journal
from oracle.sources.interface import Reading

FEEDS = 4


async def run(folder: Path, readings: Sequence[Reading], echo: Callable[[str], None]) -> dict[str, Any]:
    """Measure the case `BATCHED`, and return its report.

    Args:
        folder: The folder for the daemons' files.
        readings: Each feed reports their values.
        echo: Takes lines for people.

    Raises:
        Fatal: A daemon did not report all observations.
    """
    found = {}
    for size in (FEEDS, 1):
        echo(f"{BATCHED}: {FEEDS} feeds with proofs of up to {size}")
        place = folder / f"up-to-{size}"
        place.mkdir(parents=True)
        found[size] = await _measure(place, size, readings)
    together, singly = found[FEEDS], found[1]
    return {
        "feeds": FEEDS,
        "observations": FEEDS * len(readings),
        **together,
        "singly": singly,
        "rate_over_singly": round(together["observations_per_s"] / singly["observations_per_s"], 2),
        "singly_gas_over_gas": round(singly["gas_per_feed"] / together["gas_per_feed"], 2),
    }


async def _measure(folder: Path, size: int, readings: Sequence[Reading]) -> dict[str, Any]:
    path = folder / "oracle.toml"
    now = int(time.time())
    rows = [f"{now + index},{reading.value}" for index, reading in enumerate(readings)]
    (folder / "recording.csv").write_text("\n".join(["time,value", *rows, ""]), encoding="utf-8")
    with Anvil(load_anvil_config(port=0)) as chain:
        path.write_text(_config(chain, size), encoding="utf-8")
        config = load(path, {})
        await deploy(config, progress=lambda line: None)
        await asyncio.to_thread(run_daemon, path)
        with open_journal(config.journal, {}, read_only=True) as journal:
            entries = journal.confirmed()
    if len(entries) != FEEDS * len(readings):
        raise Fatal(f"{BATCHED}: {len(entries)} of {FEEDS * len(readings)} observations were confirmed")
    return _figures(entries)


def _figures(entries: Sequence[Entry]) -> dict[str, Any]:
    warm = [entry for entry in entries if (entry.round_id or 0) >= WARM_ROUND and entry.outcome is Outcome.ACCEPTED]
    if not warm:
        raise Fatal(f"{BATCHED}: no report on a warm feed was accepted")
    seconds = max(entry.finished_at or 0 for entry in warm) - min(entry.recorded_at for entry in warm)
    return {
        "observations_per_s": round(len(warm) / seconds, 2),
        "gas_per_feed": round(statistics.median(entry.gas_used or 0 for entry in warm)),
        # If not all feeds were due within the window, a proof was of fewer.
        "feeds_per_transaction": round(len(warm) / len({entry.tx_hash for entry in warm}), 2),
    }


def _config(chain: Anvil, size: int) -> str:
    feeds = "".join(
        f"""
[[feeds]]
name = "series-{index}"
description = "S&P 500, series {index}"
kind = "relative"
decimals = 8
sigma = {sigma_of("sp500")}
heartbeat = 1
max_age = 3600
max_skew = 600
deviation_ppm = 1
poll_interval = 0.05
min_sources = 1
sources = [{{ type = "replay", file = "recording.csv", speed = "max" }}]
"""
        for index in range(FEEDS)
    )
    return f"""{chain_and_keys(chain)}
[prover]
artifacts = "{toolchain.build_dir() / "artifacts"}"
srs = "insecure-local"
batch_sizes = [{", ".join(str(each) for each in sorted({1, size}))}]

[journal]
path = "journal.db"

[deploy]
change_delay = 0
{feeds}"""
