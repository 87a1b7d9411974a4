"""The live table of a demonstration."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from oracle.core import encoding
from oracle.core.stages import Confirmed, Observed
from oracle.core.types import Outcome
from oracle.demo.acts import Act, follows_a_fault, marked_ticks
from oracle.demo.options import DECIMALS
from oracle.detectors.interface import Detector, Disclosure
from oracle.feeds.interface import ReportListener
from oracle.sources.faults import Injection


@dataclass(frozen=True)
class PlayedObservation:
    """An observation of the demonstration that has ended on the chain.

    Attributes:
        scores: The scores that its proof shows.
        prove_seconds: The time that the proof of its report took.
        gas: Its share of the report's gas.
    """

    observed: Observed
    injection: Injection | None
    outcome: Outcome
    scores: tuple[int, ...]
    prove_seconds: float
    gas: int


class LiveBoard(ReportListener):
    """A live table of the latest observations. If the output is not a terminal, each observation is one line."""

    SHOWN = 16

    def __init__(self, console: Console, played: Sequence[Act], detector: Detector) -> None:
        """Begin with nothing shown.

        Args:
            console: Where the table is drawn.
            played: What will be played, with its faults.
            detector: The model, publishing what its proofs do.
        """
        self._console = console
        self._total = sum(len(readings) for act in played for readings in act.readings.values())
        self._marked = marked_ticks(played)
        self._levels: dict[str, int] = {}
        self._rows: deque[tuple[str, ...]] = deque(maxlen=self.SHOWN)
        self._injected: dict[str, Injection] = {}
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._unit = detector.score_unit if detector.disclosure is Disclosure.SCORE else None
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
        if injection is not None:
            self._injected[observed.key] = injection

    def ended(self, observed: Observed, outcome: Outcome, reason: str, confirmed: Confirmed | None) -> None:
        """See `ReportListener`."""
        if confirmed is None:
            self._console.print(f"[red]{observed.key}: {reason}[/]")
            return
        proven = confirmed.submitted.proven
        scores = proven.scored.scores[confirmed.due.index(observed)]
        injection = self._injected.get(observed.key)
        played = PlayedObservation(observed, injection, outcome, scores, proven.prove_seconds, confirmed.gas_share)
        self.played.append(played)
        self._show(played)

    def _show(self, played: PlayedObservation) -> None:
        held = played.outcome is Outcome.HELD
        fault = played.injection
        verdict = "[yellow]HELD[/]" if held else "[green]written[/]"
        if fault is not None:
            verdict += f" [dim]fault: {fault.kind}[/]" if held else f" [red]missed fault: {fault.kind}[/]"
        elif held:
            feed, time = played.observed.feed, played.observed.observed_at
            after = follows_a_fault(self._marked, feed, time, self._levels.get(feed, 0))
            verdict += " [dim]true, after a fault[/]" if after else " [red]false hold[/]"
        if not held:
            self._levels[played.observed.feed] = played.observed.observed_at
        row = (
            played.observed.feed,
            f"{dt.datetime.fromtimestamp(played.observed.observed_at, dt.UTC):%Y-%m-%d}",
            f"{encoding.decimal_from_answer(played.observed.answer, DECIMALS):.2f}",
            "" if self._unit is None else f"{max(played.scores) / self._unit:+.2f}",
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
