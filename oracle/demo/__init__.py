"""The demonstration: recorded market series, real shocks among them, on a real local chain at recorded time.

Faults are injected at marked ticks, as a broken reporter would sign them: past every check of a source, so that the
proven gate is what stands between them and the feed. What the summary says is read back from the chain.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from oracle.app.assembly import Oracle, audit, deploy
from oracle.app.assembly import oracle as assemble
from oracle.audit import AuditReport
from oracle.chain.hub import RoundAccepted, RoundEvent
from oracle.chain.local import toolchain
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.cli.render import finished_steps, print_json
from oracle.config import load
from oracle.core import encoding
from oracle.core.concurrency import together
from oracle.core.errors import DataError
from oracle.core.metrics import percentile
from oracle.core.types import Confirmed, Observed, Outcome, Proven, Scored, Stage
from oracle.detectors.quadratic import QuadraticModel
from oracle.feeds.journal import Entry
from oracle.sources.faults import Injection, inject
from oracle.sources.interface import Reading
from oracle.sources.packaged import SERIES, load_series

DECIMALS = 8
HEARTBEAT = 86_400
FAULT_RATE = 0.07
WARM_UP = 16
"""Clean ticks at the beginning of each series: the window of the model."""

SECOND_ACT = dt.date(2017, 12, 4)
SECOND_ACT_TICKS = 50

BLOCK_DELAY = 2
"""Seconds of recorded time from an observation to the block that can first take it."""


@dataclass(frozen=True)
class DemoOptions:
    """What `oracle demo` was asked for.

    Attributes:
        ticks: Observations of each feed; of the VIX at most SECOND_ACT_TICKS.
        seed: Of the injected faults.
        start: First recorded day of the first act, ISO.
        public_model: Weights in the verifying key.
        disclosure: "score" or "verdict".
        workers: Proving processes; None: one per core.
        out: Folder for the summary, the plot and the daemon's files.
    """

    ticks: int = 85
    seed: int = 2008
    start: str = "2008-07-01"
    public_model: bool = False
    disclosure: str = "score"
    workers: int | None = None
    out: Path = Path("build/demo")


@dataclass(frozen=True)
class Act:
    """Series that are replayed side by side, with the faults that were put into them."""

    readings: Mapping[str, Sequence[Reading]]
    injections: Sequence[Injection]


@dataclass(frozen=True)
class Played:
    """One observation of the demonstration."""

    observed: Observed
    injection: Injection | None
    outcome: Outcome
    scores: tuple[int, ...]
    prove_seconds: float
    gas: int


def acts(options: DemoOptions) -> list[Act]:
    """The VIX is carried from 2014 on only, so it has an act of its own: its explosion of February 2018.

    Raises:
        DataError: The start is no date, or the series have too few days after it.
    """
    try:
        start = dt.date.fromisoformat(options.start)
    except ValueError:
        raise DataError(f"--start {options.start!r} is no date; write it as 2008-07-01") from None
    crisis = {name: _series(name, start, options.ticks) for name in ("sp500", "nasdaq", "wti")}
    second_ticks = min(options.ticks, SECOND_ACT_TICKS)
    volatility = {"vix": _series("vix", SECOND_ACT, second_ticks)}
    # Only as a source of values of another asset.
    other = {"sp500": _series("sp500", SECOND_ACT, second_ticks)}
    first, first_faults = inject(crisis, options.seed, FAULT_RATE, WARM_UP)
    second, second_faults = inject(volatility | other, options.seed + 1, FAULT_RATE, WARM_UP)
    only_vix = [fault for fault in second_faults if fault.feed == "vix"]
    return [Act(first, first_faults), Act({"vix": second["vix"]}, only_vix)]


def _series(name: str, start: dt.date, ticks: int) -> tuple[Reading, ...]:
    found = load_series(name, start)[:ticks]
    if len(found) < ticks:
        raise DataError(f"{name} has {len(found)} recorded days from {start} on, fewer than --ticks {ticks}")
    return found


async def run(options: DemoOptions, *, as_json: bool) -> int:
    """Play, read back, audit, and write summary and plot.

    Returns:
        The exit code: 0 if the chain agrees with the journal and every report was verified again.
    """
    out = options.out
    played_acts = acts(options)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    console = Console(stderr=as_json)
    first = min(reading.observed_at for act in played_acts for series in act.readings.values() for reading in series)
    # The size limit of contracts is on, as on a real chain.
    with Anvil(load_anvil_config(port=0, start_time=first - HEARTBEAT)) as chain:
        console.print(f"chain {chain.chain_id} at recorded time, {dt.datetime.fromtimestamp(first, dt.UTC):%Y-%m-%d}")
        path = out / "oracle.toml"
        path.write_text(_config(options, chain), encoding="utf-8")
        config = load(path, {})
        deployment = await deploy(config, finished_steps(lambda line: console.print(f"  {line}", highlight=False)))
        board = Board(console, sum(len(series) for act in played_acts for series in act.readings.values()))
        async with assemble(config, watch=board.stage) as parts:
            for model in parts.models.values():
                for prover in model.provers.values():
                    await prover.warm()
            with board:
                for act in played_acts:
                    await _play(parts, chain, act, board)
            events = await parts.hub.logs(deployment.block, await parts.rpc.block_number())
            gas = {event.tx_hash: await _gas(parts, event) for event in events}
            entries = parts.journal.confirmed()
            latencies = [entry.latency for entry in entries if entry.latency is not None]
            open_ = [stage.observed.key for stage in parts.journal.unfinished()]
        report = await audit(deployment.hub, chain.rpc_url, config.prover.artifacts, deployment.block)
    differing = disagreements(events, entries, open_)
    names = {feed.feed_id: name for name, feed in deployment.feeds.items()}
    summary = summarise(events, names, played_acts, latencies, list(gas.values()), report)
    summary |= {
        "chain_agrees_with_journal": not differing,
        "disagreements": differing,
        "seed": options.seed,
        "model": {"visibility": config.prover.visibility, "disclosure": config.prover.disclosure},
    }
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    plot(events, names, played_acts, out / "demo.png")
    if as_json:
        print_json(summary)
    else:
        _print_summary(console, summary, out)
    return 1 if differing or not report.ok else 0


def disagreements(events: Sequence[RoundEvent], entries: Sequence[Entry], open_: Sequence[str]) -> list[str]:
    """Where chain and journal do not say the same, each report exactly once.

    Args:
        events: All that the hub emitted.
        entries: What the journal has as accepted or held.
        open_: Keys of observations that the journal has no end of.
    """
    on_chain: Counter[tuple[bytes, int, int, Outcome | None]] = Counter(
        (event.feed_id, event.observed_at, event.answer, _outcome(event)) for event in events
    )
    journalled = Counter((entry.feed_id, entry.observed_at, entry.answer, entry.outcome) for entry in entries)
    found = [f"{key} has not ended" for key in open_]
    for where, only in (("chain", on_chain - journalled), ("journal", journalled - on_chain)):
        found += [
            f"only the {where} has 0x{feed_id.hex()[:8]}… of {observed_at}: {answer} {outcome}"
            for feed_id, observed_at, answer, outcome in only.elements()
        ]
    return found


async def _play(parts: Oracle, chain: Anvil, act: Act, board: Board) -> None:
    """Day by day: the chain's clock is set, and the day's feeds go side by side."""
    faults = {(fault.feed, fault.index): fault for fault in act.injections}
    days: dict[int, list[tuple[str, int]]] = {}
    for name, readings in act.readings.items():
        for index, reading in enumerate(readings):
            days.setdefault(reading.observed_at, []).append((name, index))
    for moment, due in sorted(days.items()):
        chain.rpc("evm_setNextBlockTimestamp", moment + BLOCK_DELAY)
        chain.rpc("evm_mine")
        reports = []
        for name, index in due:
            answer = encoding.answer_from_decimal(act.readings[name][index].value, DECIMALS)
            observed = Observed(name, parts.deployment.feeds[name].feed_id, answer, moment)
            board.expect(observed, faults.get((name, index)))
            reports.append(parts.pipeline.report(observed))
        await together(*reports)


def _config(options: DemoOptions, chain: Anvil) -> str:
    """The configuration of the demonstration: one like a user's, kept beside the results."""
    sigmas = QuadraticModel.default().training.series
    workers = "" if options.workers is None else f"workers = {options.workers}\n"
    head = f"""# Written by `oracle demo`.
[chain]
rpc_url = "{chain.rpc_url}"
chain_id = {chain.chain_id}
deployment = "deployment.json"

[keys]
reporter = {{ anvil_account = 1 }}
submitter = {{ anvil_account = 0 }}

[prover]
artifacts = "{toolchain.build_dir() / "artifacts"}"
visibility = "{"public" if options.public_model else "private"}"
disclosure = "{options.disclosure}"
srs = "insecure-local"
{workers}
[journal]
path = "journal.db"

[deploy]
change_delay = 0
"""
    feeds = (
        f"""
[[feeds]]
name = "{name}"
description = "{SERIES[name].title}"
kind = "relative"
decimals = {DECIMALS}
sigma = {sigmas[name]}
heartbeat = {HEARTBEAT}
deviation_ppm = 1
confirmations = 2
confirm_delay = {HEARTBEAT}
tolerance = 3000
min_sources = 1
sources = [{{ type = "packaged", series = "{name}", speed = "max" }}]
"""
        for name in SERIES
    )
    return head + "".join(feeds)


async def _gas(parts: Oracle, event: RoundEvent) -> int:
    receipt = await parts.rpc.receipt(event.tx_hash)
    return 0 if receipt is None else receipt.gas_used


def _outcome(event: RoundEvent) -> Outcome:
    return Outcome.ACCEPTED if isinstance(event, RoundAccepted) else Outcome.HELD


def summarise(
    events: Sequence[RoundEvent],
    names: Mapping[bytes, str],
    played: Sequence[Act],
    latencies: Sequence[float],
    gas: Sequence[int],
    report: AuditReport,
) -> dict[str, Any]:
    """The summary, from what the chain says. A fault of several ticks counts once; it is held if any of them is."""
    marked = _marked(played)
    held = [event for event in events if _outcome(event) is Outcome.HELD]
    kinds: dict[str, dict[str, int]] = {}
    faults = {
        (fault.kind, fault.feed, fault.first, act) for act, each in enumerate(played) for fault in each.injections
    }
    caught = set()
    false_holds = 0
    for event in held:
        found = marked.get((names[event.feed_id], event.observed_at))
        if found is None:
            false_holds += 1
        else:
            act, fault = found
            caught.add((fault.kind, fault.feed, fault.first, act))
    for marked_fault in sorted(faults):
        counted = kinds.setdefault(marked_fault[0], {"injected": 0, "held": 0})
        counted["injected"] += 1
        counted["held"] += marked_fault in caught
    return {
        "observations": len(events),
        "accepted": len(events) - len(held),
        "held": len(held),
        "faults": kinds,
        "false_holds": false_holds,
        "confirmed_regime_changes": sum(isinstance(event, RoundAccepted) and event.confirmed for event in events),
        "latency_s": {"p50": round(percentile(latencies, 50), 3), "p95": round(percentile(latencies, 95), 3)},
        "gas_per_submission": round(sum(gas) / len(gas)),
        "audit": {"verified": report.verified, "failed": report.failed, "problems": list(report.problems)},
    }


def _marked(played: Sequence[Act]) -> dict[tuple[str, int], tuple[int, Injection]]:
    """Faulty ticks by feed and time, with the act that they are in."""
    return {
        (fault.feed, act.readings[fault.feed][fault.index].observed_at): (number, fault)
        for number, act in enumerate(played)
        for fault in act.injections
    }


class Board:
    """The live table. Where the output is no terminal, each observation is one line."""

    SHOWN = 16

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._rows: deque[tuple[str, ...]] = deque(maxlen=self.SHOWN)
        self._waiting: dict[str, dict[str, Any]] = {}
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._unit = QuadraticModel.default().score_unit
        self.played: list[Played] = []

    def __enter__(self) -> Board:
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*error)

    def expect(self, observed: Observed, injection: Injection | None) -> None:
        """An observation is about to be reported."""
        self._waiting[observed.key] = {"injection": injection, "scores": (), "seconds": 0.0}

    def stage(self, stage: Stage, outcome: Outcome | None, reason: str) -> None:
        """What the pipeline reached."""
        entry = self._waiting[stage.observed.key]
        if isinstance(stage, Scored):
            entry["scores"] = stage.scores
        elif isinstance(stage, Proven):
            entry["seconds"] = stage.prove_seconds
        elif isinstance(stage, Confirmed):
            done = Played(
                stage.observed, entry["injection"], stage.outcome, entry["scores"], entry["seconds"], stage.gas_used
            )
            self.played.append(done)
            self._show(done)
        elif reason:
            self._console.print(f"[red]{stage.observed.key}: {reason}[/]")

    def _show(self, played: Played) -> None:
        held = played.outcome is Outcome.HELD
        fault = played.injection
        verdict = "[yellow]HELD[/]" if held else "[green]written[/]"
        if fault is not None:
            verdict += f" [dim]fault: {fault.kind}[/]" if held else f" [red]missed fault: {fault.kind}[/]"
        elif held:
            verdict += " [red]false hold[/]"
        row = (
            played.observed.feed,
            f"{dt.datetime.fromtimestamp(played.observed.observed_at, dt.UTC):%Y-%m-%d}",
            f"{encoding.decimal_from_answer(played.observed.answer, DECIMALS):.2f}",
            f"{max(played.scores) / self._unit:+.2f}",
            verdict,
            f"{played.prove_seconds:.2f} s",
            f"{played.gas:,}",
        )
        self._rows.append(row)
        if self._live is None:
            self._console.print("  ".join(row), highlight=False, soft_wrap=True)
            return
        table = Table(title=f"{len(self.played)} of {self._total} observations", box=None, header_style="bold")
        for column in ("feed", "tick", "value", "score", "verdict", "proof", "gas"):
            table.add_column(column, justify="left" if column in ("feed", "tick", "verdict") else "right", no_wrap=True)
        for shown in self._rows:
            table.add_row(*shown)
        self._live.update(table, refresh=True)


def _print_summary(console: Console, summary: Mapping[str, Any], out: Path) -> None:
    audited, latency = summary["audit"], summary["latency_s"]
    console.print("\n[bold]Read back from the chain[/]")
    console.print(
        f"{summary['observations']} observations: {summary['accepted']} written, {summary['held']} held "
        f"({summary['false_holds']} false holds, {summary['confirmed_regime_changes']} confirmed regime changes)"
    )
    table = Table(box=None, header_style="bold")
    for column in ("fault", "injected", "held", "missed"):
        table.add_column(column, justify="left" if column == "fault" else "right")
    for kind, counted in summary["faults"].items():
        missed = counted["injected"] - counted["held"]
        table.add_row(kind, str(counted["injected"]), str(counted["held"]), f"[red]{missed}[/]" if missed else "0")
    console.print(table)
    console.print(
        f"observation to confirmation: p50 {latency['p50']} s, p95 {latency['p95']} s; "
        f"{summary['gas_per_submission']:,} gas a submission"
    )
    agreement = "agrees" if summary["chain_agrees_with_journal"] else "[red]DISAGREES[/]"
    console.print(f"audit: {audited['verified']} proofs verified again, {audited['failed']} failed", end="; ")
    console.print(f"the chain {agreement} with the journal")
    for problem in [*summary["disagreements"], *audited["problems"]]:
        console.print(f"[red]{problem}[/]")
    console.print(f"{out / 'summary.json'}, {out / 'demo.png'}")


def plot(events: Sequence[RoundEvent], names: Mapping[bytes, str], played: Sequence[Act], path: Path) -> None:
    """Accepted answers as lines, held ones marked, faults that were let through marked too."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.dates as dates
    from matplotlib import pyplot

    marked = _marked(played)
    feeds = list(dict.fromkeys(name for act in played for name in act.readings))
    figure, axes = pyplot.subplots(2, 2, figsize=(13, 7.5), layout="constrained")
    for axis, name in zip(axes.flat, feeds, strict=False):
        own = [event for event in events if names[event.feed_id] == name]
        accepted = [event for event in own if _outcome(event) is Outcome.ACCEPTED]
        times, values = _points(accepted)
        axis.plot(times, values, color="#1f5f8b", linewidth=1.4, label="accepted")
        low, high = min(values), max(values)
        margin = (high - low) * 0.12 or 1.0
        axis.set_ylim(low - margin, high + margin)
        groups = {
            "fault, held": ("#d1495b", "X", [e for e in own if _is(e, Outcome.HELD) and _fault(e, names, marked)]),
            "normal, held": ("#edae49", "D", [e for e in own if _is(e, Outcome.HELD) and not _fault(e, names, marked)]),
            "fault, written": ("#6a4c93", "o", [e for e in accepted if _fault(e, names, marked)]),
        }
        for label, (color, marker, found) in groups.items():
            if found:
                moments, heights = _points(found)
                clamped = [min(max(height, low - margin * 0.8), high + margin * 0.8) for height in heights]
                axis.scatter(moments, clamped, color=color, marker=marker, s=46, zorder=3, label=label)
        axis.set_title(SERIES[name].title, loc="left", fontsize=11)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        locator = dates.AutoDateLocator()
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
        axis.legend(frameon=False, fontsize=8)
    figure.suptitle("Every point was proven on-chain. Marks outside the scale are drawn at its edge.", fontsize=11)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _points(events: Sequence[RoundEvent]) -> tuple[list[dt.datetime], list[float]]:
    times = [dt.datetime.fromtimestamp(event.observed_at, dt.UTC) for event in events]
    # For the picture only.
    return times, [float(encoding.decimal_from_answer(event.answer, DECIMALS)) for event in events]


def _is(event: RoundEvent, outcome: Outcome) -> bool:
    return _outcome(event) is outcome


def _fault(
    event: RoundEvent, names: Mapping[bytes, str], marked: Mapping[tuple[str, int], tuple[int, Injection]]
) -> bool:
    return (names[event.feed_id], event.observed_at) in marked
