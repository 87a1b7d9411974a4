"""The live table of a network's demonstration: a row for each turn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from oracle.app.local_network.ways import WAYS, Way
from oracle.chain.hub import RoundAccepted, RoundEvent
from oracle.core import encoding

__all__ = ["TurnBoard"]

DECIMALS = 8
_SHOWN = 16


class TurnBoard:
    """A live table of the latest turns. If the output is not a terminal, each turn is one line, a turn later."""

    def __init__(
        self,
        console: Console,
        feeds: Mapping[bytes, str],
        turns: Sequence[int],
        turn_s: int,
        holders: Mapping[int, str],
        plans: Mapping[str, Mapping[int, Way]],
    ) -> None:
        """Begin with nothing shown.

        Args:
            console: Where the table is drawn.
            feeds: The feeds' names, by id.
            turns: The turns to show.
            turn_s: Seconds of a turn.
            holders: The name of the member whose turn each is.
            plans: The faulty members' plans, by their names.
        """
        self._console = console
        self._feeds = feeds
        self._turns = turns
        self._turn_s = turn_s
        self._holders = holders
        self._plans = plans
        self._events: dict[int, dict[bytes, tuple[RoundEvent, float]]] = defaultdict(dict)
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._told = 0

    def __enter__(self) -> TurnBoard:
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*error)

    def take(self, events: Sequence[RoundEvent], now: float) -> None:
        """Take rounds that were just seen on the chain.

        Args:
            events: The rounds.
            now: Unix seconds.
        """
        for event in events:
            self._events[event.observed_at // self._turn_s].setdefault(event.feed_id, (event, now))

    def show(self, now: float) -> None:
        """Draw what is known.

        Args:
            now: Unix seconds.
        """
        begun = [turn for turn in self._turns if turn * self._turn_s <= now]
        if self._live is None:
            # A late report comes in the next turn.
            for turn in [each for each in begun if (each + 2) * self._turn_s <= now][self._told :]:
                self._console.print("  ".join(self._row(turn, now)), highlight=False, soft_wrap=True)
                self._told += 1
            return
        table = Table(title=f"turn {len(begun)} of {len(self._turns)}", box=None, header_style="bold")
        names = list(self._feeds.values())
        for column in ("turn", "of", *names, "", "after", "faulty"):
            table.add_column(column, justify="right" if column in ("turn", "after", *names) else "left", no_wrap=True)
        for turn in begun[-_SHOWN:]:
            table.add_row(*self._row(turn, now))
        self._live.update(table, refresh=True)

    def _row(self, turn: int, now: float) -> tuple[str, ...]:
        found = self._events.get(turn, {})
        values = []
        for feed_id in self._feeds:
            event = found.get(feed_id)
            values.append("" if event is None else f"{encoding.decimal_from_answer(event[0].answer, DECIMALS):.2f}")
        ways = [f"{name} {WAYS[plan[turn]].does}" for name, plan in self._plans.items() if turn in plan]
        return (
            str(self._turns.index(turn) + 1),
            self._holders[turn],
            *values,
            self._verdict(turn, [event for event, _ in found.values()], now),
            f"{min(at for _, at in found.values()) - turn * self._turn_s:.1f} s" if found else "",
            f"[dim]{'; '.join(ways)}[/]" if ways else "",
        )

    def _verdict(self, turn: int, events: Sequence[RoundEvent], now: float) -> str:
        if not events:
            return "[yellow]no round[/]" if (turn + 1) * self._turn_s <= now else "…"
        if all(isinstance(event, RoundAccepted) for event in events):
            return "[green]written[/]"
        return "[yellow]HELD[/]"
