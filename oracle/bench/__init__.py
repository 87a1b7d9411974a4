"""`oracle bench`: proving, gas, memory and latency on this machine, beside ezkl's own defaults on the same ONNX graph.

Everything is measured as it runs in earnest: proofs in warm child processes, gas of mined transactions on a real Anvil,
latency and memory of a real `oracle run`. The proofs of the cases take turns, so that a machine that grows slower
meanwhile does so for all of them. What batches cost on the chain is in `oracle.bench.submissions`, what private claims
cost in `oracle.bench.claims`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import fnmatch
import io
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.bench import batched, circuits, claims, estimates, submissions
from oracle.chain.local import toolchain
from oracle.core.errors import ConfigError, Fatal, ToolMissing
from oracle.core.metrics import percentile
from oracle.core.types import Outcome

if TYPE_CHECKING:
    from rich.table import Table

    from oracle.chain.local.anvil import Anvil
    from oracle.config import Config
    from oracle.sources.interface import Reading

Echo = Callable[[str], None]

QUADRATIC = {
    **{
        f"quadratic-{visibility}-b{batch}": (visibility, "score", batch)
        for visibility in ("private", "public")
        for batch in circuits.BATCHES
    },
    "quadratic-verdict-b1": ("private", "verdict", 1),
}
"""Circuits of the default detector: visibility of the weights, what a proof publishes, windows."""

OWN = {case: facts[:2] for case, facts in QUADRATIC.items() if facts[2] == 1}
"""Those that a daemon takes to the chain, one window at a time."""

TUNED = {
    **{f"tuned-{model}": model for model in circuits.MODELS},
    **{f"tuned-{model}-private": model for model in circuits.MODELS if model not in circuits.PUBLIC_ONLY},
}

DEFAULT = "ezkl-default-quadratic"
DEFAULTS = {
    DEFAULT: 1,
    f"{DEFAULT}-b{circuits.BATCHES[-1]}": circuits.BATCHES[-1],
    **{f"ezkl-default-{model}": 1 for model in circuits.MODELS},
}
"""ezkl's pipeline as it is documented, on the same graphs: windows in one circuit."""

THROUGHPUT = {
    "throughput-public-b1": ("public", 1),
    "throughput-private-b1": ("private", 1),
    "throughput-private-b16": ("private", 16),
}
_THROUGHPUT_S = 10.0

GROUPS = {
    **dict.fromkeys((*QUADRATIC, *(case for case in DEFAULTS if case.startswith(DEFAULT))), "quadratic"),
    **TUNED,
    **{f"ezkl-default-{model}": model for model in circuits.MODELS},
}
"""The model of each case whose proofs are timed."""

BESIDE = {
    **{
        case: DEFAULT if batch == 1 else f"{DEFAULT}-b{batch}"
        for case, (_, _, batch) in QUADRATIC.items()
        if batch in (1, circuits.BATCHES[-1])
    },
    **{case: f"ezkl-default-{model}" for case, model in TUNED.items()},
}
"""With which of ezkl's each of ours is compared: of the same model and as many windows."""

CASES = (*GROUPS, *THROUGHPUT, batched.CASE, *submissions.CASES, *claims.CASES)

_BROUGHT_PROOFS = 3

_FEED_START = dt.date(2004, 1, 2)
_WARM_ROUND = 4
"""From this round on, a report's gas is that of any later one: the first ones fill slots that were empty."""

MAX_OBSERVATIONS = 60
"""Trading days that the oldest observation's age stays within the 90 days that a feed may allow."""

_GAS_OBSERVATIONS = 10
_SUBMISSIONS = 3
"""Gas is the same each time, but for zeros among the proof's bytes."""
_SAMPLE_S = 0.05


def matching(patterns: Sequence[str]) -> list[str]:
    """The cases that are named, or match a pattern, in the order of `CASES`.

    Args:
        patterns: Names or globs; one may hold several, with commas between them.

    Raises:
        ConfigError: One matches no case.
    """
    wanted = [part.strip() for pattern in patterns for part in pattern.split(",") if part.strip()]
    for each in wanted:
        if not fnmatch.filter(CASES, each):
            raise ConfigError(f"--cases {each} matches none of: {', '.join(CASES)}")
    return [case for case in CASES if any(fnmatch.fnmatch(case, each) for each in wanted)]


async def run(
    *,
    repeat: int,
    cold_setup: bool,
    out: Path,
    echo: Echo,
    cases: Sequence[str] = CASES,
    observations: int = 40,
) -> dict[str, Any]:
    """Measure, print a table, and write the report.

    Args:
        repeat: Proofs per case, after one that warms up; of models that were brought, and of batches through ezkl's
            defaults, at most `_BROUGHT_PROOFS`.
        cold_setup: Also time the set-up and the demonstration in a fresh clone of the committed state.
        out: The JSON file to write.
        echo: Takes lines for people.
        cases: Of `CASES`.
        observations: That the daemon takes to the chain, 5 to `MAX_OBSERVATIONS`; its latency and memory are taken
            meanwhile.

    Returns:
        The report as it was written.

    Raises:
        ValueError: An unknown case, no proofs, or too few observations.
        ToolMissing: A program is not installed.
        Fatal: A step failed; the message has its last words.
    """
    unknown = sorted(set(cases) - set(CASES))
    if unknown or not cases or repeat < 1 or not _WARM_ROUND < observations <= MAX_OBSERVATIONS:
        raise ValueError(
            f"cases {list(cases)} must be of {list(CASES)}, repeat {repeat} at least 1, "
            f"observations {observations} more than {_WARM_ROUND} and at most {MAX_OBSERVATIONS}"
        )
    began = time.perf_counter()
    report: dict[str, Any] = {
        "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "repeat": repeat,
        "machine": machine(),
        "versions": versions(),
    }
    report["cli_help_s"] = await asyncio.to_thread(cli_help_seconds)
    if cold_setup:
        report |= await asyncio.to_thread(_cold_setup, echo)
    with tempfile.TemporaryDirectory(prefix="oracle-bench-") as folder:
        work = Path(folder)
        srs = circuits.SharedSrs(work)
        # A group's proofs take turns; the next group begins when its processes have ended.
        for model in ("quadratic", *circuits.MODELS):
            chosen = [case for case in cases if GROUPS.get(case) == model]
            if not chosen:
                continue
            turns = 1 + (repeat if model == "quadratic" else min(repeat, _BROUGHT_PROOFS))
            found = await _group(model, chosen, turns, work, srs, observations, echo)
            report |= found
        for case in (case for case in cases if case in THROUGHPUT):
            echo(f"throughput of {case}")
            report[case] = await _throughput(case, work)
        if batched.CASE in cases:
            report[batched.CASE] = await batched.run(work / batched.CASE, _observed(observations), _run_daemon, echo)
    if submitted := [case for case in cases if case in submissions.CASES]:
        report |= await submissions.run(submitted, min(repeat, _SUBMISSIONS), echo)
    for case in submitted if DEFAULT in cases else ():
        report[case]["default_over_gas_per_feed"] = round(
            report[DEFAULT]["consumer_gas"] / report[case]["gas_per_feed"], 2
        )
    if claimed := [case for case in cases if case in claims.CASES]:
        report |= await claims.run(claimed, repeat, echo)
    estimates.compare(report)
    report["seconds"] = round(time.perf_counter() - began)
    await asyncio.to_thread(_write, out, report)
    echo(table(report))
    echo(str(out))
    return report


async def _group(
    model: str,
    cases: Sequence[str],
    turns: int,
    work: Path,
    srs: circuits.SharedSrs,
    observations: int,
    echo: Echo,
) -> dict[str, Any]:
    """The cases of one model: set up, proven in turns, verified on a chain, and held against ezkl's defaults."""
    make = circuits.quadratic_subject if model == "quadratic" else partial(circuits.brought_subject, model)
    subject = await asyncio.to_thread(make, turns)
    built: dict[str, circuits.Circuit] = {}
    for case in cases:
        echo(f"set-up of {case}")
        built[case] = await asyncio.to_thread(_build, case, subject, turns, work / case, srs, echo)
    proofs = await asyncio.to_thread(circuits.prove_in_turns, built, turns, echo)
    report: dict[str, Any] = {}
    for case, circuit in built.items():
        report[case] = proofs[case].report() | {"setup_s": round(circuit.setup_s, 2)} | circuit.facts
        if circuit.estimated:
            report[case]["estimated"] = {name: asdict(cost) for name, cost in circuit.estimated.items()}
    if DEFAULT in report:
        report[DEFAULT] |= circuits.score_errors(built[DEFAULT], proofs[DEFAULT])
    bare = {case: circuit for case, circuit in built.items() if case not in OWN}
    echo(f"gas of {model}")
    for case, measured in (await circuits.verified_on_chain(bare, proofs, [DEFAULT])).items():
        report[case] |= measured
    for case in (case for case in cases if case in OWN):
        echo(f"gas of {case}")
        first = "end_to_end" not in report
        number = observations if first else max(_WARM_ROUND + 1, min(observations, _GAS_OBSERVATIONS))
        measured = await _own_on_chain(work / case, case, built[case], proofs[case], number)
        report[case] |= measured["gas"]
        if first:
            report["end_to_end"] = measured["end_to_end"]
            report |= measured["memory"]
            echo("observation to confirmation with one prover of all cores")
            alone = await _own_on_chain(work / case, case, built[case], proofs[case], number, workers=1)
            report["end_to_end_one_worker"] = alone["end_to_end"] | alone["memory"]
    for case, default in BESIDE.items():
        if case in report and default in report:
            ratio = _ratio(report[default]["prove_s_all"], report[case]["prove_s_all"])
            report[case]["default_over_prove"] = ratio
            report[case]["beside"] = default
    return report


def _build(
    case: str, subject: circuits.Subject, turns: int, folder: Path, srs: circuits.SharedSrs, echo: Echo
) -> circuits.Circuit:
    if case in DEFAULTS:
        return circuits.build_default(subject, DEFAULTS[case], turns, folder, srs, echo)
    if case in QUADRATIC:
        visibility, disclosure, batch = QUADRATIC[case]
        return circuits.build_quadratic(subject, visibility, disclosure, batch, turns, folder)
    return circuits.build_tuned(subject, "private" if case.endswith("-private") else "public", folder, echo)


async def _throughput(case: str, work: Path) -> dict[str, Any]:
    """Proofs per second, of an artifact that was built for another case if there was one."""
    visibility, batch = THROUGHPUT[case]
    folder = work / f"quadratic-{visibility}-b{batch}"
    built = await asyncio.to_thread(circuits.throughput_artifact, visibility, batch, folder)
    windows = await asyncio.to_thread(circuits.recorded_windows, None, None)
    return await circuits.throughput(built, windows, _THROUGHPUT_S)


# --- on the chain --------------------------------------------------------------------------------------------------


async def _own_on_chain(
    folder: Path,
    case: str,
    circuit: circuits.Circuit,
    proofs: circuits.Proofs,
    observations: int,
    workers: int | None = None,
) -> dict[str, dict[str, Any]]:
    """Deploys a case on a fresh chain and lets the daemon report to it; None: as many workers as by default."""
    from oracle.app.assembly import deploy
    from oracle.chain.local.anvil import Anvil, load_anvil_config
    from oracle.chain.transport.rpc import Rpc
    from oracle.config import load
    from oracle.feeds.journal import open_journal

    last = _observed(observations)[-1].observed_at
    with Anvil(load_anvil_config(port=0, start_time=last)) as chain:
        # A journal and a deployment file belong to one chain.
        place = folder / f"chain-{chain.port}"
        place.mkdir()
        path = place / "oracle.toml"
        path.write_text(_config(case, folder, chain, observations, workers), encoding="utf-8")
        config = load(path, {})
        deployment = await deploy(config, progress=lambda line: None)
        parent, total = await asyncio.to_thread(_run_daemon, path, config)
        with open_journal(config.journal, {}, read_only=True) as journal:
            entries = journal.confirmed()
        if len(entries) != observations:
            log = _tail(place / "daemon.log")
            raise Fatal(f"{case}: the daemon confirmed {len(entries)} of {observations} observations: {log}")
        gas = [
            entry.gas_used
            for entry in entries
            if entry.outcome is Outcome.ACCEPTED and (entry.round_id or 0) >= _WARM_ROUND and entry.gas_used
        ]
        if not gas:
            raise Fatal(f"{case}: no report on a warm feed was accepted: {_tail(folder / 'daemon.log')}")
        async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
            calldata = submissions.bare_call(circuit.verifier.abi, proofs.proof, proofs.instances)
            payer = await submissions.sender(rpc)
            verified = await submissions.verify(payer, deployment.verifiers[0].address, calldata)
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
        "memory": {"daemon_rss_mb": circuits.megabytes(total), "daemon_parent_rss_mb": circuits.megabytes(parent)},
    }


def _observed(observations: int) -> Sequence[Reading]:
    """What the daemon reports."""
    from oracle.sources.packaged import load_series

    return load_series("sp500", _FEED_START)[:observations]


def _config(case: str, folder: Path, chain: Anvil, observations: int, workers: int | None) -> str:
    """A configuration like a user's, for a chain whose time is the last recorded one."""
    from oracle.config import MAX_AGE

    visibility, disclosure = OWN[case]
    end = _observed(observations)[-1].observed_at
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
sigma = {circuits.quadratic(disclosure).training.series["sp500"]}
heartbeat = 86400
max_age = {MAX_AGE}
deviation_ppm = 1
poll_interval = 0.05
min_sources = 1
sources = [{{ type = "packaged", series = "sp500", speed = "max", \
start = "{_FEED_START}", end = "{dt.datetime.fromtimestamp(end, dt.UTC):%Y-%m-%d}" }}]
"""


def _run_daemon(path: Path, config: Config) -> tuple[int, int]:
    """A real `oracle run` until its series ends.

    Returns:
        Largest resident sizes in bytes: of the daemon alone, and of it and its provers at once. Pages that processes
        share count in each of them.
    """
    import psutil

    log = path.parent / "daemon.log"
    deadline = time.monotonic() + 1_800
    parent = total = 0
    with log.open("wb") as output:
        daemon = psutil.Popen(
            [*_oracle(), "run", "--config", str(path)], stdout=output, stderr=subprocess.STDOUT, cwd=path.parent
        )
        try:
            while daemon.poll() is None:
                own, provers = _resident(daemon)
                parent, total = max(parent, own), max(total, own + provers)
                if time.monotonic() > deadline:
                    raise Fatal(f"the daemon did not come to the end of its series: {_tail(log)}")
                time.sleep(_SAMPLE_S)
        finally:
            if daemon.poll() is None:
                daemon.terminate()
                daemon.wait()
    # When its only series is at its end, the daemon ends with success; everything else shows in the journal too.
    if daemon.returncode != 0:
        raise Fatal(f"the daemon ended with exit code {daemon.returncode}: {_tail(log)}")
    return parent, total


def _resident(daemon: Any) -> tuple[int, int]:
    """Resident bytes of a process, and of its children together; 0 for what has ended meanwhile."""
    import psutil

    own = provers = 0
    with contextlib.suppress(psutil.Error):
        own = daemon.memory_info().rss
        for child in daemon.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                provers += child.memory_info().rss
    return own, provers


# --- the machine and the command -----------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What it is measured on, and how busy that was before."""
    import psutil

    model = ""
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = found[1].strip() if found else ""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "cpu": model or platform.processor() or platform.machine(),
        "cores": psutil.cpu_count() or 1,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(psutil.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """What is measured."""
    from oracle import __version__
    from oracle.proving.artifact import ezkl_version
    from oracle.proving.verifier import SOLC_VERSION

    found = {
        "oracle": __version__,
        "python": platform.python_version(),
        "ezkl": ezkl_version(),
        "anvil": toolchain.anvil().version,
        "solc": f"{toolchain.contracts_solc_version()} (hub), {SOLC_VERSION} (verifiers)",
    }
    with contextlib.suppress(ToolMissing, Fatal):
        found["commit"] = _output([_git(), "rev-parse", "--short=12", "HEAD"], toolchain.project_root())
    return found


def cli_help_seconds(times: int = 5) -> float:
    """Median seconds of `oracle --help`, started as a process, after one run that warms up."""
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        _output([*_oracle(), "--help"], Path.cwd())
        taken.append(time.perf_counter() - began)
    return round(statistics.median(taken[1:]), 3)


def _oracle() -> list[str]:
    """The command of this environment."""
    installed = Path(sys.executable).with_name("oracle")
    return [str(installed)] if installed.exists() else [sys.executable, "-c", "from oracle.cli import main; main()"]


def _git() -> str:
    found = shutil.which("git")
    if found is None:
        raise ToolMissing("git is not on the PATH; install it, or measure without --cold-setup")
    return found


def _output(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ToolMissing(f"`{' '.join(command[:2])}` can't be started: {error}") from error
    if done.returncode:
        said = " | ".join((done.stdout + done.stderr).strip().splitlines()[-4:])
        raise Fatal(f"`{' '.join(command[:3])} …` failed in {folder} with exit code {done.returncode}: {said}")
    return done.stdout.strip()


def _cold_setup(echo: Echo) -> dict[str, Any]:
    """`make setup`, then `make demo` up to the first value on-chain, in a fresh clone with empty package caches."""
    root = toolchain.project_root()
    with tempfile.TemporaryDirectory(prefix="oracle-cold-") as folder:
        clone, caches = Path(folder, "clone"), Path(folder, "caches")
        _output([_git(), "clone", "--quiet", "--no-hardlinks", str(root), str(clone)], Path(folder))
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "MAKE", "MFLAGS"))
        }
        env |= {
            "UV_CACHE_DIR": str(caches / "uv"),
            "PIP_CACHE_DIR": str(caches / "pip"),
            "npm_config_cache": str(caches / "npm"),
            "PYTHONUNBUFFERED": "1",
            # So that the installation of this very environment is not found first.
            "PATH": os.pathsep.join(
                part for part in env.get("PATH", "").split(os.pathsep) if Path(part) != Path(sys.executable).parent
            ),
        }
        echo("cold set-up: make setup in a fresh clone")
        began = time.perf_counter()
        _output(["make", "setup"], clone, env)
        setup = time.perf_counter() - began
        echo("cold set-up: make demo")
        began = time.perf_counter()
        first = None
        said: list[str] = []
        with subprocess.Popen(
            ["make", "demo", "ARGS=--ticks 20"],
            cwd=clone,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as demo:
            assert demo.stdout is not None
            for line in demo.stdout:
                said.append(line.strip())
                # The demonstration shows each observation as a line when nobody watches.
                if first is None and re.search(r"\s{2}written\s", line):
                    first = time.perf_counter() - began
        if demo.returncode or first is None:
            raise Fatal(
                f"`make demo` in a fresh clone failed with exit code {demo.returncode}: {' | '.join(said[-4:])}"
            )
        return {
            "cold_setup_s": round(setup, 1),
            "cold_first_value_s": round(setup + first, 1),
            "cold_demo_s": round(time.perf_counter() - began, 1),
        }


# --- the report ----------------------------------------------------------------------------------------------------


def table(report: Mapping[str, Any], width: int = 150) -> str:
    """The report for people."""
    from rich.console import Console
    from rich.table import Table

    found = Table(box=None, pad_edge=False, header_style="bold")
    found.add_column("case")
    columns = ("k", "prove", "with witness, verify", "gas", "verify gas", "proof", "memory", "set-up", "flips/10,000")
    for column in columns:
        found.add_column(column, justify="right")
    default = report.get(DEFAULT)
    for case in (case for case in GROUPS if case in report):
        of = report[case]
        less = f"  ({of['default_over_prove']:.1f}× less)" if "default_over_prove" in of else ""
        flips = f"{of['flips_per_10k']:g}" if "flips_per_10k" in of else ""
        found.add_row(
            case,
            str(of["k"]),
            f"{of['prove_s']:.3f} s{less}",
            f"{of['total_s']:.3f} s",
            f"{of['gas']:,}" + ("" if case in OWN else "*"),
            f"{of['verify_gas']:,}",
            f"{of['proof_bytes']:,} B",
            f"{of['rss_mb']:.0f} MB",
            f"{of['setup_s']:.1f} s",
            flips,
        )
    text = io.StringIO()
    console = Console(file=text, width=width, highlight=False)
    if found.row_count:
        console.print(found)
    about = report["machine"]
    if found.row_count:
        console.print("* verifyProof alone: no feed, no signatures, no storage", markup=False)
    for case in (case for case in DEFAULTS if case in report):
        for refusal in report[case]["refused"]:
            why = circuits.reason(refusal["refusal"])
            told = f"  {case}: with decomp_legs = {refusal['decomp_legs']} ezkl refuses it: {why}"
            console.print(told, markup=False)
    if default:
        console.print(
            f"  the scores of {DEFAULT} are wrong by up to {default['score_error_max']} of a calm market's limit; "
            "ours are exact"
        )
    for case in (case for case in THROUGHPUT if case in report):
        of = report[case]
        console.print(
            f"{case}: {of['proofs_per_s']} proofs, {of['windows_per_s']} windows a second "
            f"({of['processes']} processes, {of['proofs']} proofs in {of['seconds']} s)"
        )
    if batched.CASE in report:
        of = report[batched.CASE]
        console.print(
            f"{batched.CASE}: {of['observations_per_s']} observations a second and {of['gas_per_feed']:,} gas per feed "
            f"({of['feeds_per_transaction']} of {of['feeds']} feeds in a transaction); singly "
            f"{of['singly']['observations_per_s']} and {of['singly']['gas_per_feed']:,}"
        )
    if "estimator" in report:
        console.print(_estimator_table(report["estimator"]))
    if any(case in report for case in submissions.CASES):
        console.print(submissions.table(report))
    if any(case in report for case in claims.CASES):
        console.print(claims.table(report))
    if "end_to_end" in report:
        taken = report["end_to_end"]
        console.print(
            f"observation to confirmation: p50 {taken['p50_s']} s, p95 {taken['p95_s']} s "
            f"({taken['case']}, {taken['observations']} observations)\n"
            f"daemon with its provers ({taken['workers']}, the default): {report['daemon_rss_mb']:.0f} MB"
        )
        alone = report["end_to_end_one_worker"]
        console.print(
            f"with `workers = 1`, which proves with all cores: p50 {alone['p50_s']} s, p95 {alone['p95_s']} s; "
            f"daemon {alone['daemon_rss_mb']:.0f} MB"
        )
    console.print(f"oracle --help: {report['cli_help_s']} s")
    if "cold_setup_s" in report:
        console.print(
            f"fresh clone, empty caches: set-up {report['cold_setup_s']} s, first value on-chain after "
            f"{report['cold_first_value_s']} s"
        )
    console.print(f"{about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB; {about['system']}")
    if about["load_before"] > 0.5:
        console.print(f"other work was running (load {about['load_before']} at the start): times are too long")
    return text.getvalue().rstrip()


def _estimator_table(estimator: Mapping[str, Any]) -> Table:
    """The cost model's errors."""
    from rich.table import Table

    title = f"the cost model's errors: largest (median), of {estimator['cases']} cases"
    found = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    found.add_column("estimated from")
    for name in ("k", *estimates.QUANTITIES):
        found.add_column(name.replace("_", " "), justify="right")
    for stage in estimates.STAGES:
        of = estimator[stage]
        shares = (f"{of[name]['max']:.0%} ({of[name]['median']:.0%})" for name in estimates.QUANTITIES)
        found.add_row(stage, f"{of['k']['max']} ({of['k']['median']:g})", *shares)
    return found


def _ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Median of the ratios of each round: on a machine whose speed changes, only proofs of one round compare."""
    return round(statistics.median(a / b for a, b in zip(over, under, strict=True)), 1)


def _write(out: Path, report: Mapping[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _tail(path: Path) -> str:
    with contextlib.suppress(OSError):
        return " | ".join(path.read_text(errors="replace").strip().splitlines()[-4:])
    return "it said nothing"
