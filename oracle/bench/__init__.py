"""`oracle bench`: proving, gas, memory and latency on this machine, beside ezkl's own defaults on the same ONNX graph.

Everything is measured as it runs in earnest: proofs in warm child processes, gas of mined transactions on a real Anvil,
latency and memory of a real `oracle run`. The proofs of the cases take turns, so that a machine that grows slower
meanwhile does so for all of them. What batches cost on the chain is in `oracle.bench.submissions`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle import encoding, toolchain
from oracle.bench import submissions
from oracle.errors import ArtifactError, Fatal, ProverUnavailable, ToolMissing
from oracle.metrics import percentile
from oracle.types import Kind, Outcome

if TYPE_CHECKING:
    from oracle.chain.anvil import Anvil
    from oracle.config import Config
    from oracle.detectors.quadratic import QuadraticModel
    from oracle.proving.child import EngineProcess
    from oracle.proving.verifier import CompiledVerifier
    from oracle.sources.interface import Reading

Echo = Callable[[str], None]

OWN = {
    "quadratic-private-b1": ("private", "score"),
    "quadratic-public-b1": ("public", "score"),
    "quadratic-verdict-b1": ("private", "verdict"),
}
"""Our cases: visibility of the weights, and what a proof publishes."""

DEFAULT = "ezkl-default-quadratic"
CASES = (*OWN, DEFAULT, *submissions.CASES)

CALIBRATION_WINDOWS = 100
MAX_DECOMP_LEGS = 8
_CALIBRATION_START = dt.date(2008, 7, 1)
"""The crisis is in it: scales that were chosen from calm days alone would fail on the first that is not."""

_FEED_START = dt.date(2004, 1, 2)
_WARM_ROUND = 4
"""From this round on, a report's gas is that of any later one: the first ones fill slots that were empty."""

MAX_OBSERVATIONS = 60
"""Trading days that the oldest observation's age stays within the 90 days that a feed may allow."""

_GAS_OBSERVATIONS = 10
_SUBMISSIONS = 3
"""Gas is the same each time, but for zeros among the proof's bytes."""
_SAMPLE_S = 0.05


@dataclass(frozen=True)
class Circuit:
    """A circuit that is ready to prove.

    Attributes:
        files: Arguments of the engine's `prove`: circuit, settings, vk, pk, srs.
        verifier: Compiled, for the chain.
        outputs: What the circuit must publish for a window; None: not known exactly.
        setup_s: Seconds from the ONNX graph to the compiled verifier, SRS included.
        facts: Further keys of the case in the report.
    """

    files: Mapping[str, str]
    verifier: CompiledVerifier
    outputs: Callable[[Sequence[int]], list[int]] | None
    setup_s: float
    facts: dict[str, Any]


@dataclass
class Proofs:
    """What a case's proving child did, warm-up left out."""

    witness: list[float] = field(default_factory=list)
    prove: list[float] = field(default_factory=list)
    verify: list[float] = field(default_factory=list)
    published: list[tuple[tuple[int, ...], list[int]]] = field(default_factory=list)
    proof: bytes = b""
    instances: tuple[int, ...] = ()
    peak_bytes: int = 0

    def report(self) -> dict[str, Any]:
        """Medians in seconds, sizes in bytes and MB."""
        totals = [sum(steps) for steps in zip(self.witness, self.prove, self.verify, strict=True)]
        return {
            "prove_s": round(statistics.median(self.prove), 4),
            "witness_s": round(statistics.median(self.witness), 4),
            "verify_s": round(statistics.median(self.verify), 4),
            "total_s": round(statistics.median(totals), 4),
            "prove_s_all": [round(seconds, 4) for seconds in self.prove],
            "proof_bytes": len(self.proof),
            "instances": len(self.instances),
            "rss_mb": _megabytes(self.peak_bytes),
        }


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
        repeat: Proofs per case, after one that warms up.
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
        circuits: dict[str, Circuit] = {}
        for case in (case for case in cases if case not in submissions.CASES):
            echo(f"set-up of {case}")
            build = _build_default if case == DEFAULT else _build_own
            circuits[case] = await asyncio.to_thread(build, case, work / case, echo)
        proofs = await asyncio.to_thread(_prove_in_turns, circuits, _windows(repeat + 1, dt.date(2008, 9, 1)), echo)
        for case, circuit in circuits.items():
            echo(f"gas of {case}")
            report[case] = proofs[case].report() | {"setup_s": round(circuit.setup_s, 2)} | circuit.facts
            if case == DEFAULT:
                report[case] |= await _default_on_chain(circuit, proofs[case])
                report[case] |= _fidelity(circuit, proofs[case])
                continue
            first = "end_to_end" not in report
            number = observations if first else max(_WARM_ROUND + 1, min(observations, _GAS_OBSERVATIONS))
            measured = await _own_on_chain(work / case, case, circuit, proofs[case], number)
            report[case] |= measured["gas"]
            if first:
                report["end_to_end"] = measured["end_to_end"]
                report |= measured["memory"]
                echo("observation to confirmation with one prover of all cores")
                alone = await _own_on_chain(work / case, case, circuit, proofs[case], number, workers=1)
                report["end_to_end_one_worker"] = alone["end_to_end"] | alone["memory"]
    if submitted := [case for case in cases if case in submissions.CASES]:
        report |= await submissions.run(submitted, min(repeat, _SUBMISSIONS), echo)
    for case in set(cases) & set(OWN) if DEFAULT in cases else ():
        report[case]["default_over_prove"] = _ratio(report[DEFAULT]["prove_s_all"], report[case]["prove_s_all"])
    for case in submitted if DEFAULT in cases else ():
        report[case]["default_over_gas_per_feed"] = round(
            report[DEFAULT]["consumer_gas"] / report[case]["gas_per_feed"], 2
        )
    await asyncio.to_thread(_write, out, report)
    echo(table(report))
    echo(str(out))
    return report


# --- set-up --------------------------------------------------------------------------------------------------------


def _build_own(case: str, folder: Path, echo: Echo) -> Circuit:
    """One of our circuits, built from nothing: no artifact, SRS or compilation of an earlier run is used."""
    from oracle.chain.solc import compile_standard
    from oracle.proving import artifact
    from oracle.proving.srs import SrsCache, SrsOrigin
    from oracle.proving.verifier import SOLC_VERSION

    visibility, disclosure = OWN[case]
    model = _model(disclosure)
    began = time.perf_counter()
    built = artifact.build(
        model,
        1,
        visibility=artifact.Visibility(visibility),
        srs=SrsCache(folder / "srs").source(SrsOrigin.INSECURE_LOCAL),
        compile_standard=lambda request: compile_standard(request, SOLC_VERSION, use_cache=False),
        cache=folder / "artifacts",
    )
    seconds = time.perf_counter() - began
    names = {
        "circuit": artifact.CIRCUIT,
        "settings": artifact.SETTINGS,
        "vk": artifact.VK,
        "pk": artifact.PK,
        "srs": artifact.SRS,
    }
    return Circuit(
        files={argument: built.file(name) for argument, name in names.items()},
        verifier=built.verifier(),
        outputs=lambda window: list(model.score_int(window)),
        setup_s=seconds,
        facts={"k": built.manifest.k, "verifier_bytes": len(built.verifier().runtime)},
    )


def _build_default(case: str, folder: Path, echo: Echo) -> Circuit:
    """The same graph through ezkl's documented pipeline: default arguments, then calibration on recorded windows.

    With exactly the defaults, the calibration refuses this graph: its scores do not fit the two limbs of a range check.
    So the number of limbs, and nothing else, is raised until the circuit takes the recorded windows. What was refused
    is in the report.
    """
    from oracle.chain.solc import compile_standard
    from oracle.proving.child import EngineProcess
    from oracle.proving.verifier import SOLC_VERSION, compile_verifier

    folder.mkdir(parents=True)
    model = folder / "model.onnx"
    model.write_bytes(_model("score").to_onnx(1))
    windows = _windows(CALIBRATION_WINDOWS, _CALIBRATION_START)
    files = {name: str(folder / name) for name in ("circuit", "settings", "vk", "pk", "srs")}
    refused: list[dict[str, Any]] = []
    with EngineProcess() as engine:
        for legs in range(2, MAX_DECOMP_LEGS + 1):
            began = time.perf_counter()
            try:
                steps, settings = _default_pipeline(engine, str(model), files, windows, {"decomp_legs": legs})
                break
            except (ArtifactError, ProverUnavailable) as error:
                seconds = round(time.perf_counter() - began, 2)
                refused.append({"decomp_legs": legs, "seconds": seconds, "refusal": str(error)[:600]})
                echo(f"  ezkl refuses decomp_legs = {legs}: {_reason(str(error))}")
        else:
            raise Fatal(f"ezkl's defaults don't take this graph with up to {MAX_DECOMP_LEGS} limbs: {refused[-1]}")
        source = folder / "Verifier.sol"
        mark = time.perf_counter()
        engine.call("create_verifier", source=str(source), **_some(files, "vk", "settings", "srs"))
        compiled = compile_verifier(
            source.read_text(encoding="utf-8"),
            lambda request: compile_standard(request, SOLC_VERSION, use_cache=False),
        )
        steps["verifier"] = round(time.perf_counter() - mark, 2)
        seconds = time.perf_counter() - began
        peak = int(engine.call("peak_memory")["bytes"] or 0)
    chosen = ("input_scale", "param_scale", "scale_rebase_multiplier", "decomp_base", "decomp_legs", "num_inner_cols")
    return Circuit(
        files=files,
        verifier=compiled,
        outputs=None,
        setup_s=seconds,
        facts={
            "k": settings["run_args"]["logrows"],
            "verifier_bytes": len(compiled.runtime),
            "changed_run_args": {"decomp_legs": legs} if refused else {},
            "run_args": _some(settings["run_args"], *chosen),
            "output_scale": settings["model_output_scales"][0],
            "calibration_windows": len(windows),
            "refused": refused,
            "setup_steps_s": steps,
            "setup_rss_mb": _megabytes(peak),
        },
    )


def _default_pipeline(
    engine: EngineProcess,
    model: str,
    files: Mapping[str, str],
    windows: list[list[int]],
    run_args: Mapping[str, Any],
) -> tuple[dict[str, float], dict[str, Any]]:
    """Settings, calibration, SRS, keys. Returns the seconds of each step, and the settings."""
    steps: dict[str, float] = {}

    @contextlib.contextmanager
    def step(name: str) -> Iterator[None]:
        mark = time.perf_counter()
        yield
        steps[name] = round(time.perf_counter() - mark, 2)

    with step("settings"):
        engine.call("gen_settings", model=model, settings=files["settings"], run_args=dict(run_args))
    with step("calibration"):
        settings = engine.call(
            "calibrate_settings", model=model, settings=files["settings"], windows=windows, target="resources"
        )
    with step("compilation"):
        engine.call("compile_circuit", model=model, **_some(files, "circuit", "settings"))
        # Before minutes go into keys: does the circuit take what it was calibrated on?
        for window in windows:
            engine.call("witness", circuit=files["circuit"], inputs=window)
    with step("srs"):
        engine.call("gen_srs", srs=files["srs"], logrows=settings["run_args"]["logrows"])
    with step("keys"):
        engine.call("setup", **_some(files, "circuit", "vk", "pk", "srs"))
    return steps, settings


def _model(disclosure: str) -> QuadraticModel:
    from oracle.detectors.interface import Disclosure
    from oracle.detectors.quadratic import QuadraticModel

    return QuadraticModel.default(Disclosure(disclosure))


def _windows(count: int, start: dt.date) -> list[list[int]]:
    """Feature vectors of the recorded S&P 500, as the hub would derive them if it had accepted every day."""
    from oracle.detectors.quadratic import PAST
    from oracle.sources.packaged import load_series

    sigma = _model("score").training.series["sp500"]
    readings = load_series("sp500", start)[: count + PAST + 1]
    answers = [encoding.answer_from_decimal(reading.value, 8) for reading in readings]
    times = [reading.observed_at for reading in readings]
    moves = [encoding.move(Kind.RELATIVE, sigma, now, before) for before, now in pairwise(answers)]
    return [
        [moves[i], *reversed(moves[i - PAST : i]), encoding.gap(times[i + 1], times[i], 86_400)]
        for i in range(PAST, len(moves))
    ]


# --- proofs --------------------------------------------------------------------------------------------------------


def _prove_in_turns(circuits: Mapping[str, Circuit], windows: list[list[int]], echo: Echo) -> dict[str, Proofs]:
    """A proof of each case, then the next of each: what the machine does meanwhile, it does to all of them."""
    from oracle.proving.child import EngineProcess

    found = {case: Proofs() for case in circuits}
    with contextlib.ExitStack() as stack:
        engines = {case: stack.enter_context(EngineProcess()) for case in circuits}
        for turn, window in enumerate(windows):
            echo(f"proofs, round {turn} of {len(windows) - 1}" + ("" if turn else " (warm-up)"))
            for case, circuit in circuits.items():
                expected = None if circuit.outputs is None else circuit.outputs(window)
                result = engines[case].call("prove", inputs=window, outputs=expected, **dict[str, Any](circuit.files))
                if not result.get("verified"):
                    raise Fatal(f"{case}: a proof of {window} does not verify, or is of other scores than {expected}")
                proofs = found[case]
                proofs.proof = bytes.fromhex(result["proof"])
                proofs.instances = tuple(int(element, 16) for element in result["instances"])
                if turn:
                    proofs.witness.append(result["seconds"]["witness"])
                    proofs.prove.append(result["seconds"]["prove"])
                    proofs.verify.append(result["seconds"]["verify"])
                    proofs.published.append((tuple(window), result["outputs"]))
        for case, engine in engines.items():
            found[case].peak_bytes = int(engine.call("peak_memory")["bytes"] or 0)
    return found


def _fidelity(circuit: Circuit, proofs: Proofs) -> dict[str, Any]:
    """How far the calibrated circuit's scores are from the model's. Ours are exact by construction.

    Returns:
        The largest error in score units (a calm market's limit is one), and the verdicts that it changes.
    """
    model = _model("score")
    scale, one = circuit.facts["output_scale"], 1 << model.param_scale
    errors = []
    changed = 0
    for window, outputs in proofs.published:
        scores = model.score_int(window)
        for output, score in zip(outputs, scores, strict=True):
            errors.append(abs(output / 2**scale - score / one) / (model.score_unit / one))
        changed += any(output > 0 for output in outputs) != any(score > 0 for score in scores)
    return {"score_error_max": round(max(errors), 4), "verdicts_changed": changed, "windows": len(proofs.published)}


# --- on the chain --------------------------------------------------------------------------------------------------


async def _own_on_chain(
    folder: Path, case: str, circuit: Circuit, proofs: Proofs, observations: int, workers: int | None = None
) -> dict[str, dict[str, Any]]:
    """Deploys a case on a fresh chain and lets the daemon report to it; None: as many workers as by default."""
    from oracle.assembly import deploy
    from oracle.chain.anvil import Anvil, load_anvil_config
    from oracle.chain.rpc import Rpc
    from oracle.config import load
    from oracle.journal import Journal

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
        with Journal(config.journal.path, read_only=True) as journal:
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
        "memory": {"daemon_rss_mb": _megabytes(total), "daemon_parent_rss_mb": _megabytes(parent)},
    }


async def _default_on_chain(circuit: Circuit, proofs: Proofs) -> dict[str, Any]:
    """ezkl's verifier as it was generated, without our hardening: `verifyProof` alone, and behind a consumer."""
    from oracle.chain.anvil import Anvil, load_anvil_config
    from oracle.chain.rpc import Rpc

    with Anvil(load_anvil_config(port=0)) as chain:
        async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
            payer = await submissions.sender(rpc)
            deployed = await submissions.send(payer, None, circuit.verifier.bytecode)
            assert deployed.contract_address is not None
            calldata = submissions.bare_call(circuit.verifier.abi, proofs.proof, proofs.instances)
            verified = await submissions.verify(payer, deployed.contract_address, calldata)
            consumer = await submissions.demo_consumer_gas(
                payer, deployed.contract_address, proofs.proof, proofs.instances
            )
    return {
        "gas": verified.gas_used,
        "gas_of": "verifyProof of ezkl's own, unhardened verifier: no feed, no signatures, no storage",
        "verify_gas": verified.gas_used,
        "consumer_gas": consumer,
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
sigma = {_model(disclosure).training.series["sp500"]}
heartbeat = 86400
max_age = {MAX_AGE}
deviation_ppm = 1
poll_interval = 0.05
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


def table(report: Mapping[str, Any], width: int = 118) -> str:
    """The report for people."""
    from rich.console import Console
    from rich.table import Table

    found = Table(box=None, pad_edge=False, header_style="bold")
    found.add_column("case")
    for column in ("prove", "with witness, verify", "gas", "verify gas", "proof", "peak memory", "set-up"):
        found.add_column(column, justify="right")
    default = report.get(DEFAULT)
    for case in (case for case in (*OWN, DEFAULT) if case in report):
        of = report[case]
        less = f"  ({of['default_over_prove']:.0f}× less)" if "default_over_prove" in of else ""
        found.add_row(
            case,
            f"{of['prove_s']:.3f} s{less}",
            f"{of['total_s']:.3f} s",
            f"{of['gas']:,}" + ("*" if case == DEFAULT else ""),
            f"{of['verify_gas']:,}",
            f"{of['proof_bytes']:,} B",
            f"{of['rss_mb']:.0f} MB",
            f"{of['setup_s']:.1f} s",
        )
    text = io.StringIO()
    console = Console(file=text, width=width, highlight=False)
    if found.row_count:
        console.print(found)
    about = report["machine"]
    if default:
        console.print(f"* {default['gas_of']}")
        for refusal in default["refused"]:
            why = _reason(refusal["refusal"])
            console.print(f"  with decomp_legs = {refusal['decomp_legs']} ezkl refuses it: {why}", markup=False)
        console.print(
            f"  its scores are wrong by up to {default['score_error_max']} of a calm market's limit; ours are exact"
        )
    if any(case in report for case in submissions.CASES):
        console.print(submissions.table(report))
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


def _ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Median of the ratios of each round: on a machine whose speed changes, only proofs of one round compare."""
    return round(statistics.median(a / b for a, b in zip(over, under, strict=True)), 1)


def _reason(refusal: str) -> str:
    """The last of ezkl's reasons: of the scales that it tried last."""
    return refusal.rpartition("reason: ")[2]


def _write(out: Path, report: Mapping[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _megabytes(size: int) -> float:
    return round(size / 1e6, 1)


def _some(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}


def _tail(path: Path) -> str:
    with contextlib.suppress(OSError):
        return " | ".join(path.read_text(errors="replace").strip().splitlines()[-4:])
    return "it said nothing"
