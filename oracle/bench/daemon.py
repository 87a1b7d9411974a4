"""A real `oracle run` on a real chain: the gas of its reports, their latency, and the daemon's memory."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import re
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from oracle.app.deploy import deploy
from oracle.bench.cases import CIRCUITS
from oracle.bench.circuits import MeasuredCircuit
from oracle.bench.commands import oracle_command
from oracle.bench.configuration import chain_and_keys, model_of
from oracle.bench.detectors import detector
from oracle.bench.memory import megabytes, resident
from oracle.bench.proofs import Proofs
from oracle.bench.transactions import bare_call, first_sender, verify
from oracle.bench.windows import sigma_of
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.local.ports import reserved_port
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
_SAMPLE_S = 0.2
_STEP = re.compile(r'^oracle_report_step_seconds_(sum|count)\{step="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class MemorySample:
    """The resident bytes of a daemon, and of its provers together, so many seconds after its start."""

    seconds: float
    daemon: int
    provers: int


@dataclass
class DaemonRun:
    """A run of `oracle run` to its end.

    Attributes:
        memory: Samples of its memory, oldest first. Pages that processes share count in each of them.
        steps: Sum and count of the seconds that reports spent on each `ReportStep`; empty if it serves no metrics.
        warm: The same once the first reports had ended.
    """

    memory: list[MemorySample] = field(default_factory=list)
    steps: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    warm: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def parent(self) -> int:
        """The largest resident size of the daemon alone."""
        return max((each.daemon for each in self.memory), default=0)

    @property
    def total(self) -> int:
        """The largest resident size of the daemon and its provers at once."""
        return max((each.daemon + each.provers for each in self.memory), default=0)

    def mean_steps(self) -> dict[str, float]:
        """Return the mean seconds of a report's steps, without the first reports if there were others."""
        found = {}
        for step, (seconds, count) in self.steps.items():
            before, ended = self.warm.get(step, (0.0, 0.0))
            if count == ended:
                before, ended = 0.0, 0.0
            found[step] = round((seconds - before) / (count - ended), 4)
        return found


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
        case: One of `oracle.bench.cases.REPORTED`.
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
        path.write_text(_config(case, folder, place, chain, observations, workers), encoding="utf-8")
        config = load(path, {})
        deployment = await deploy(config, progress=lambda line: None)
        ran = await asyncio.to_thread(run_daemon, path, config.web.listen)
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
    proof_s = statistics.median(entry.prove_seconds for entry in entries if entry.prove_seconds is not None)
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
            "proof_p50_s": round(proof_s, 3),
            "p50_over_proof": round(percentile(latencies, 50) / proof_s, 2),
            "mean_steps_s": ran.mean_steps(),
            "observations": len(entries),
            "workers": config.prover.workers,
        },
        "memory": {"daemon_rss_mb": megabytes(ran.total), "daemon_parent_rss_mb": megabytes(ran.parent)},
    }


def observed(observations: int) -> Sequence[Reading]:
    """Return the recorded readings that the daemon reports."""
    return load_series("sp500", _FEED_START)[:observations]


def _config(case: str, folder: Path, place: Path, chain: Anvil, observations: int, workers: int | None) -> str:
    """Return a configuration like a user's, for a chain whose time is the last recorded one."""
    of = CIRCUITS[case]
    model = detector(of.detector, of.disclosure)
    end = observed(observations)[-1].observed_at
    return f"""{chain_and_keys(chain)}
[prover]
artifacts = "{folder / "artifacts"}"
{model_of(model, of.visibility, place)}
srs = "insecure-local"
{"" if workers is None else f"workers = {workers}"}

[journal]
path = "journal.db"

[web]
listen = "127.0.0.1:{reserved_port()}"

[deploy]
change_delay = 0

[[feeds]]
name = "sp500"
description = "S&P 500"
kind = "relative"
decimals = 8
sigma = {sigma_of("sp500")}
heartbeat = 86400
max_age = {MAX_AGE}
deviation_ppm = 1
poll_interval = 0.05
min_sources = 1
sources = [{{ type = "packaged", series = "sp500", speed = "max", \
start = "{_FEED_START}", end = "{dt.datetime.fromtimestamp(end, dt.UTC):%Y-%m-%d}" }}]
"""


def run_daemon(
    path: Path, metrics: str | None = None, *, scrape_s: float = _SAMPLE_S, deadline_s: float = 1_800.0
) -> DaemonRun:
    """Run a real `oracle run` until its series end, and measure its memory and the steps of its reports.

    Args:
        path: The configuration.
        metrics: Host and port at which it serves its metrics; None: it serves none.
        scrape_s: Seconds between two looks at them.
        deadline_s: Seconds until it is given up.

    Raises:
        Fatal: The daemon failed, or did not come to an end.
    """
    log = path.parent / "daemon.log"
    began = time.monotonic()
    ran = DaemonRun()
    scrape_at = began
    with log.open("wb") as output:
        daemon = psutil.Popen(
            [*oracle_command(), "run", "--config", str(path)], stdout=output, stderr=subprocess.STDOUT, cwd=path.parent
        )
        try:
            while daemon.poll() is None:
                own, provers = resident(daemon)
                now = time.monotonic()
                ran.memory.append(MemorySample(now - began, own, provers))
                if now - began > deadline_s:
                    raise Fatal(f"the daemon did not come to the end of its series: {_tail(log)}")
                if metrics is not None and now >= scrape_at:
                    scrape_at = now + scrape_s
                    ran.steps = _steps(metrics) or ran.steps
                    if not ran.warm and ran.steps.get("confirm", (0.0, 0.0))[1] >= WARM_ROUND:
                        ran.warm = ran.steps
                time.sleep(_SAMPLE_S)
        finally:
            if daemon.poll() is None:
                daemon.terminate()
                daemon.wait()
    # The daemon ends with success when its series are at their ends; anything else shows in the journal too.
    if daemon.returncode != 0:
        raise Fatal(f"the daemon ended with exit code {daemon.returncode}: {_tail(log)}")
    return ran


def _steps(metrics: str) -> dict[str, tuple[float, float]]:
    """Return sum and count of the seconds of each step, from a daemon's metrics; nothing if it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=5.0) as answer:
            return steps_of(answer.read().decode())
    except OSError:
        return {}


def steps_of(metrics: str) -> dict[str, tuple[float, float]]:
    """Return sum and count of the seconds of each step that reports took, from the text of `/metrics`."""
    found: dict[str, dict[str, float]] = {}
    for kind, step, value in _STEP.findall(metrics):
        found.setdefault(step, {})[kind] = float(value)
    return {step: (of["sum"], of["count"]) for step, of in found.items() if of.get("count")}


def _tail(path: Path) -> str:
    with contextlib.suppress(OSError):
        return " | ".join(path.read_text(errors="replace").strip().splitlines()[-4:])
    return "it said nothing"
