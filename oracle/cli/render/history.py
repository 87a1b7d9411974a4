"""A feed's history, as a table, as JSON and as CSV. Each is printed while it is read."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Protocol

from rich.markup import escape
from rich.table import Table

from oracle.app.history.entries import HoldEnd, PastAttempt, PastEntry, PastHold, PastReport, PastRound
from oracle.app.history.opening import FeedHistory
from oracle.cli.render.tables import new_console
from oracle.core.formats import one_line
from oracle.core.times import readable, span, utc, zone_name

__all__ = ["COLUMNS", "HistoryPrinter", "printer_of"]

_ROWS_AT_ONCE = 100
"""Rows of a table. A longer history has several, so that no more of it is kept."""

_LONGEST_REASON = 400
_LONGEST_IN_CSV = 10_000

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Beginnings of text that a spreadsheet takes for a formula. A reason may have words of others."""

_ENDS = {
    HoldEnd.CONFIRMED: "[yellow]confirmed[/]",
    HoldEnd.CLEARED: "[green]cleared[/]",
    HoldEnd.REPLACED: "held for another reason",
    HoldEnd.OPEN: "[bold red]not ended[/]",
    HoldEnd.UNKNOWN: "its end is not known here",
}

COLUMNS = (
    "kind", "round", "answer", "observed", "observed_at", "published_at", "block", "tx_hash", "transmitter", "member",
    "own", "model", "gas", "shared_by", "confirmed", "confirmations", "outcome", "reason", "ended", "ended_at",
    "attempts", "prove_seconds",
)  # fmt: skip
"""The columns of CSV. `observed` is ISO 8601 in UTC; other times are unix seconds."""


class HistoryPrinter(Protocol):
    """Prints entries one after the other."""

    def add(self, entry: PastEntry) -> None:
        """Print an entry."""

    def end(self, *, has_more: bool) -> None:
        """Print what follows the last entry: what could not be read, and that there may be more."""


def printer_of(form: str, history: FeedHistory, *, is_utc: bool) -> HistoryPrinter:
    """Return the printer for a form: "text", "json" or "csv".

    Args:
        form: The form.
        history: The history of which entries are printed.
        is_utc: True to show times in UTC, False in this machine's zone.
    """
    if form == "json":
        return _JsonPrinter(history)
    return _CsvPrinter(history) if form == "csv" else _TextPrinter(history, is_utc)


class _TextPrinter:
    def __init__(self, history: FeedHistory, is_utc: bool) -> None:
        self._history, self._is_utc = history, is_utc
        self._console = new_console()
        self._rows: list[tuple[str, ...]] = []
        self._accounts: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self._tables = self._entries = 0
        head = f"[bold]{escape(one_line(history.feed, 200))}[/] of hub {history.hub} on chain {history.chain_id}"
        self._console.print(head)

    def add(self, entry: PastEntry) -> None:
        self._entries += 1
        self._rows += self._of(entry)
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def end(self, *, has_more: bool) -> None:
        self._flush()
        if not self._entries:
            self._console.print("there is nothing of it")
        for address, mark in self._accounts.items():
            self._console.print(f"{mark}: {address}")
        for address, name in self._named.items():
            self._console.print(f"{escape(name)}: {address}")
        if has_more:
            self._console.print(f"the latest {self._entries:,}; there may be more: --limit, --since", markup=False)
        for note in self._history.notes:
            self._console.print(f"note: {note}", markup=False)
        for problem in self._history.unread:
            self._console.print(f"[bold yellow]not read:[/] {escape(one_line(problem, 1_000))}")

    def _flush(self) -> None:
        if not self._rows:
            return
        table = Table(box=None, pad_edge=False, header_style="bold", show_header=not self._tables)
        table.add_column(f"observed ({zone_name(is_utc=self._is_utc)})", min_width=19)
        table.add_column("round", justify="right", min_width=5)
        table.add_column("answer", justify="right", min_width=6)
        table.add_column("by", min_width=2)
        table.add_column("gas", justify="right", min_width=7)
        table.add_column("what became of it", overflow="fold", min_width=17)
        for row in self._rows:
            table.add_row(*row)
        self._console.print(table)
        self._rows = []
        self._tables += 1

    def _of(self, entry: PastEntry) -> Iterator[tuple[str, ...]]:
        if isinstance(entry, PastAttempt):
            yield self._time(entry.observed_at), f"{entry.round_id or ''}", entry.answer, "", "", _attempt(entry)
            return
        newest = entry.report if isinstance(entry, PastRound) else entry.reports[0]
        what = _round(entry) if isinstance(entry, PastRound) else self._hold(entry)
        known = [each.gas for each in _reports(entry) if each.gas is not None]
        gas = f"{sum(known):,}" if known else ""
        yield self._time(newest.observed_at), f"{entry.round_id}", newest.answer, escape(self._by(newest)), gas, what

    def _hold(self, hold: PastHold) -> str:
        count = len(hold.reports)
        lasted = hold.reports[0].observed_at - hold.reports[-1].observed_at
        reason = "" if hold.reason == "none" else f": {hold.reason.replace('_', ' ')}"
        reports = f"{count:,} reports in {span(lasted)}" if count > 1 else "1 report"
        first = f", first {hold.reports[-1].answer}" if count > 1 else ""
        at = "" if hold.ended_at is None else f" at {self._beside(hold.reports[0].observed_at, hold.ended_at)}"
        return f"[bold yellow]HELD[/]{reason}; {reports}{first}; {_ENDS[hold.ended]}{at}"

    def _by(self, report: PastReport) -> str:
        if report.own:
            return "me"
        if not report.transmitter:
            return ""
        if report.member:
            self._named[report.transmitter] = report.member
        return report.member or self._accounts.setdefault(report.transmitter, f"{len(self._accounts) + 1}")

    def _beside(self, observed_at: int, seconds: int) -> str:
        """Return a time, without the day if it is that of the row."""
        day, _, clock = self._time(seconds).partition(" ")
        return clock if self._time(observed_at).startswith(f"{day} ") else f"{day} {clock}"

    def _time(self, seconds: int) -> str:
        return readable(seconds, is_utc=self._is_utc)


class _JsonPrinter:
    """Prints one document, entry by entry."""

    def __init__(self, history: FeedHistory) -> None:
        self._history = history
        self._separator = ""
        head = {name: getattr(history, name) for name in ("feed", "feed_id", "decimals", "hub", "chain_id")}
        sys.stdout.write(f'{json.dumps(head, indent=2)[:-2]},\n  "entries": [')

    def add(self, entry: PastEntry) -> None:
        text = json.dumps({"kind": entry.kind.value} | _timed(asdict(entry)), indent=2).replace("\n", "\n    ")
        sys.stdout.write(f"{self._separator}\n    {text}")
        self._separator = ","

    def end(self, *, has_more: bool) -> None:
        tail = {"has_more": has_more, "notes": self._history.notes, "unread": self._history.unread}
        closing = "\n  ]" if self._separator else "]"
        sys.stdout.write(f"{closing},{json.dumps(tail, indent=2)[1:]}\n")


def _timed(value: Any) -> Any:
    """Return a document in which each time has its text in UTC beside it, and integers that may be large are text."""
    if isinstance(value, dict):
        found = {}
        for name, each in value.items():
            found[name] = str(each) if name == "raw" else _timed(each)
            if name.endswith("_at"):
                found[name.removesuffix("_at") + "_utc"] = None if each is None else utc(each)
        return found
    return [_timed(each) for each in value] if isinstance(value, list | tuple) else value


class _CsvPrinter:
    """Prints a line for each report and for each observation that became none. What is not read goes to stderr."""

    def __init__(self, history: FeedHistory) -> None:
        self._history = history
        self._writer = csv.DictWriter(sys.stdout, COLUMNS, restval="", lineterminator="\n")
        self._writer.writeheader()

    def add(self, entry: PastEntry) -> None:
        if isinstance(entry, PastAttempt):
            fields = ("answer", "observed_at", "tx_hash", "outcome", "reason", "attempts")
            row = {name: getattr(entry, name) for name in fields} | {"round": entry.round_id}
            self._write(row | {"kind": entry.kind.value, "observed": utc(entry.observed_at)})
            return
        same: dict[str, Any] = {"kind": entry.kind.value, "round": entry.round_id}
        if isinstance(entry, PastRound):
            same |= {"outcome": "accepted", "confirmed": entry.confirmed}
        else:
            same |= {"outcome": "held", "reason": entry.reason, "ended": entry.ended.value, "ended_at": entry.ended_at}
        for report in _reports(entry):
            row = {name: value for name, value in asdict(report).items() if name in COLUMNS}
            if report.journal is not None:
                row |= {"attempts": report.journal.attempts, "prove_seconds": report.journal.prove_seconds}
            self._write(same | row | {"observed": utc(report.observed_at)})

    def end(self, *, has_more: bool) -> None:
        for text in self._history.unread:
            sys.stderr.write(f"not read: {one_line(text, 1_000)}\n")

    def _write(self, row: dict[str, Any]) -> None:
        reason = one_line(str(row.get("reason") or ""), _LONGEST_IN_CSV)
        if reason.lstrip().startswith(_FORMULA):
            reason = f"'{reason}"
        row = row | {"reason": reason}
        self._writer.writerow({name: "" if value is None else value for name, value in row.items()})


def _reports(entry: PastRound | PastHold) -> list[PastReport]:
    return [entry.report] if isinstance(entry, PastRound) else list(entry.reports)


def _round(entry: PastRound) -> str:
    report = entry.report
    told = "accepted, [yellow]confirmed jump[/]" if entry.confirmed else "accepted"
    if report.published_at is not None:
        told += f", mined {span(max(0, report.published_at - report.observed_at))} later"
    if report.journal is not None and report.journal.outcome not in ("accepted", ""):
        told += f"; here: {report.journal.outcome}"
        if report.journal.reason:
            told += f" ({escape(one_line(report.journal.reason, _LONGEST_REASON))})"
    return told


def _attempt(entry: PastAttempt) -> str:
    mark = {"failed": "[bold red]FAILED[/]", "lost": "[bold red]LOST[/]"}.get(entry.outcome, entry.outcome)
    reason = f": {escape(one_line(entry.reason, _LONGEST_REASON))}" if entry.reason else ""
    times = f", signed {entry.attempts} times" if entry.attempts > 1 else ""
    return f"{mark}{reason}; came to: {entry.stage}{times}"
