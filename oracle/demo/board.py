"""The live table of a demonstration."""

from __future__ import annotations

import datetime as dt
from collections import deque
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from oracle.core import encoding
from oracle.core.types import Confirmed, Observed, Outcome, Proven, Scored, Stage
from oracle.demo.options import DECIMALS
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.sources.faults import Injection


@dataclass(frozen=True)
class PlayedObservation:
    """An observation of the demonstration that has ended."""

    observed: Observed
    injection: Injection | None
    outcome: Outcome
    scores: tuple[int, ...]
    prove_seconds: float
    gas: int


class LiveBoard:
    """A live table of the latest observations. If the output is not a terminal, each observation is one line."""

    SHOWN = 16

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._rows: deque[tuple[str, ...]] = deque(maxlen=self.SHOWN)
        self._waiting: dict[str, dict[str, Any]] = {}
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._unit = QuadraticModel.default().score_unit
        self.played: list[PlayedObservation] = []

    def __enter__(self) -> LiveBoard:
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*error)

    def expect(self, observed: Observed, injection: Injection | None) -> None:
        """Take note of an observation that is about to be reported."""
        self._waiting[observed.key] = {"injection": injection, "scores": (), "seconds": 0.0}

    def stage(self, stage: Stage, outcome: Outcome | None, reason: str) -> None:
        """Take note of the stage that an observation has reached, and show it once it has ended."""
        entry = self._waiting[stage.observed.key]
        if isinstance(stage, Scored):
            entry["scores"] = stage.scores
        elif isinstance(stage, Proven):
            entry["seconds"] = stage.prove_seconds
        elif isinstance(stage, Confirmed):
            done = PlayedObservation(
                stage.observed, entry["injection"], stage.outcome, entry["scores"], entry["seconds"], stage.gas_used
            )
            self.played.append(done)
            self._show(done)
        elif reason:
            self._console.print(f"[red]{stage.observed.key}: {reason}[/]")

    def _show(self, played: PlayedObservation) -> None:
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
