"""A real `oracle run` on a real chain: the gas of its reports, their latency, and the daemon's memory."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from oracle.app.deploy import deploy
from oracle.bench.cases import REPORTED
from oracle.bench.circuits import MeasuredCircuit
from oracle.bench.commands import oracle_command
from oracle.bench.memory import megabytes, resident
from oracle.bench.models import default_model
from oracle.bench.proofs import Proofs
from oracle.bench.transactions import bare_call, first_sender, verify
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.rpc import Rpc
from oracle.config import MAX_AGE, load
from oracle.core.errors import Fatal
from oracle.core.statistics import percentile
from oracle.core.types import Outcome
from oracle.feeds.journal import open_journal
from oracle.sources.interface import Reading
from oracle.sources.packaged.series import load_series

WARM_ROUND = 4
"""From this round on, a report's gas is that of any later one: the first ones fill slots that were empty."""

MAX_OBSERVATIONS = 60
"""Trading days that the oldest observation's age stays within the 90 days that a feed may allow."""

_FEED_START = dt.date(2004, 1, 2)
_SAMPLE_S = 0.05


async def report_by_daemon(
    folder: Path,
    case: str,
    circuit: MeasuredCircuit,
    proofs: Proofs,
    observations: int,
    workers: int | None = None,
) -> dict[str, dict[str, Any]]:
    """Deploy a case on a fresh chain, and let a daemon report to it.

    Args:
        folder: The case's folder, which has the artifact.
        case: One of `REPORTED`.
        circuit: The case's circuit.
        proofs: Its proofs; the last one is also verified by itself.
        observations: Number of observations to report.
        workers: Number of proving processes; None: the default.

    Returns:
        The gas, the latency, and the daemon's memory, each as it goes into the report.

    Raises:
        Fatal: The daemon did not report all observations.
    """
    last = observed(observations)[-1].observed_at
    with Anvil(load_anvil_config(port=0, start_time=last)) as chain:
        # A journal and a deployment file belong to one chain.
        place = folder / f"chain-{chain.port}"
        place.mkdir()
        path = place / "oracle.toml"
        path.write_text(_config(case, folder, chain, observations, workers), encoding="utf-8")
        config = load(path, {})
        deployment = await deploy(config, progress=lambda line: None)
        parent, total = await asyncio.to_thread(run_daemon, path)
        with open_journal(config.journal, {}, read_only=True) as journal:
            entries = journal.confirmed()
        if len(entries) != observations:
            log = _tail(place / "daemon.log")
            raise Fatal(f"{case}: the daemon confirmed {len(entries)} of {observations} observations: {log}")
        gas = [
            entry.gas_used
            for entry in entries
            if entry.outcome is Outcome.ACCEPTED and (entry.round_id or 0) >= WARM_ROUND and entry.gas_used
        ]
        if not gas:
            raise Fatal(f"{case}: no report on a warm feed was accepted: {_tail(folder / 'daemon.log')}")
        async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
            calldata = bare_call(circuit.verifier.abi, proofs.proof, proofs.instances)
            payer = await first_sender(rpc)
            verified = await verify(payer, deployment.verifiers[0].address, calldata)
    latencies = [entry.latency for entry in entries if entry.latency is not None]
    return {
        "gas": {
            "gas": round(statistics.median(gas)),
            "gas_of": "submit, accepted, on a warm feed with a quorum of 1",
            "verify_gas": verified.gas_used,
        },
        "end_to_end": {
            "case": case,
            "p50_s": round(percentile(latencies, 50), 3),
            "p95_s": round(percentile(latencies, 95), 3),
            "observations": len(entries),
            "workers": config.prover.workers,
        },
        "memory": {"daemon_rss_mb": megabytes(total), "daemon_parent_rss_mb": megabytes(parent)},
    }


def observed(observations: int) -> Sequence[Reading]:
    """Return the recorded readings that the daemon reports."""
    return load_series("sp500", _FEED_START)[:observations]


def _config(case: str, folder: Path, chain: Anvil, observations: int, workers: int | None) -> str:
    """Return a configuration like a user's, for a chain whose time is the last recorded one."""
    visibility, disclosure = REPORTED[case]
    end = observed(observations)[-1].observed_at
    return f"""# Written by `oracle bench`.
[chain]
rpc_url = "{chain.rpc_url}"
chain_id = {chain.chain_id}
deployment = "deployment.json"

[keys]
reporter = {{ anvil_account = 1 }}
submitter = {{ anvil_account = 0 }}

[prover]
artifacts = "{folder / "artifacts"}"
visibility = "{visibility}"
disclosure = "{disclosure}"
srs = "insecure-local"
{"" if workers is None else f"workers = {workers}"}

[journal]
path = "journal.db"

[deploy]
change_delay = 0

[[feeds]]
name = "sp500"
description = "S&P 500"
kind = "relative"
decimals = 8
sigma = {default_model(disclosure).training.series["sp500"]}
heartbeat = 86400
max_age = {MAX_AGE}
deviation_ppm = 1
poll_interval = 0.05
min_sources = 1
sources = [{{ type = "packaged", series = "sp500", speed = "max", \
start = "{_FEED_START}", end = "{dt.datetime.fromtimestamp(end, dt.UTC):%Y-%m-%d}" }}]
"""


def run_daemon(path: Path) -> tuple[int, int]:
    """Run a real `oracle run` until its series ends.

    Returns:
        Largest resident sizes in bytes: of the daemon alone, and of it and its provers at once. Pages that processes
        share count in each of them.

    Raises:
        Fatal: The daemon failed, or did not come to an end.
    """
    log = path.parent / "daemon.log"
    deadline = time.monotonic() + 1_800
    parent = total = 0
    with log.open("wb") as output:
        daemon = psutil.Popen(
            [*oracle_command(), "run", "--config", str(path)], stdout=output, stderr=subprocess.STDOUT, cwd=path.parent
        )
        try:
            while daemon.poll() is None:
                own, provers = resident(daemon)
                parent, total = max(parent, own), max(total, own + provers)
                if time.monotonic() > deadline:
                    raise Fatal(f"the daemon did not come to the end of its series: {_tail(log)}")
                time.sleep(_SAMPLE_S)
        finally:
            if daemon.poll() is None:
                daemon.terminate()
                daemon.wait()
    # The daemon ends with success when its only series is at its end; anything else shows in the journal too.
    if daemon.returncode != 0:
        raise Fatal(f"the daemon ended with exit code {daemon.returncode}: {_tail(log)}")
    return parent, total


def _tail(path: Path) -> str:
    with contextlib.suppress(OSError):
        return " | ".join(path.read_text(errors="replace").strip().splitlines()[-4:])
    return "it said nothing"
