"""The page of `oracle top`, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from oracle.app.status import OracleStatus
from oracle.app.top import Activity, TopView, activity
from oracle.cli.render.json_output import print_json
from oracle.cli.render.status import feed_table, source_table
from oracle.cli.render.tables import new_console
from oracle.core.formats import one_line
from oracle.core.obstacles import lines
from oracle.core.times import readable, zone_name

__all__ = ["print_top", "top_page"]

MOST_REASONS = 6
"""Obstacles, and checks that fail, that are listed."""

_LONGEST = 1_000
"""Characters of a text that may have words of a node or of another server."""


def print_top(view: TopView, *, is_utc: bool, as_json: bool) -> None:
    """Print what was seen at one moment, for pipes."""
    if as_json:
        print_json(_document(view))
        return
    console = new_console()
    for part in _parts(view, is_utc):
        console.print(part)


def top_page(view: TopView, *, is_utc: bool, keys: str = "") -> RenderableType:
    """Return the page.

    Args:
        view: An oracle at one moment.
        is_utc: True to show times in UTC, False in this machine's zone.
        keys: The last line: which key ends it.
    """
    return Group(*_parts(view, is_utc), *((Text(keys, style="dim"),) if keys else ()))


def _parts(view: TopView, is_utc: bool) -> Iterator[RenderableType]:
    yield Text.from_markup(
        f"[bold]oracle top[/]  {readable(view.at, is_utc=is_utc)} {zone_name(is_utc=is_utc)}  {_state(view)}"
    )
    if view.status is None:
        yield Text.from_markup(f"[bold red]can't be read:[/] {escape(one_line(view.problem, _LONGEST))}")
    else:
        yield from _chain(view.status)
    yield from _reasons(view)
    if view.status is not None:
        yield feed_table(view.status.feeds)
    yield from _work(activity(view.daemon), view)
    if view.daemon.sources:
        yield source_table(view.daemon.sources)


def _state(view: TopView) -> str:
    if view.status is not None and not view.status.ready:
        return "[bold red]NOT READY[/]"
    if view.daemon.problem or view.status is None:
        return "[bold yellow]readiness is not known[/]"
    return "[bold green]READY[/]" if view.daemon.is_ready else "[bold red]NOT READY[/]"


def _chain(status: OracleStatus) -> Iterator[Text]:
    yield Text(f"chain {status.chain_id}, block {status.head:,} of {status.head_at}")
    left = "" if status.reports_left is None else f", enough for {status.reports_left:,} reports"
    dry = " [bold red]it runs dry[/]" if status.is_dry else ""
    yield Text.from_markup(f"payer {status.payer} has {status.balance} ether{left}{dry}")
    ill = [each for each in status.endpoints if each.problem]
    for each in ill:
        yield Text.from_markup(
            f"[yellow]endpoint {escape(each.name)} is left alone:[/] {escape(one_line(each.problem, _LONGEST))}"
        )
    if status.journal:
        ends = ", ".join(f"{count:,} {outcome}" for outcome, count in status.journal.items() if count)
        yield Text(f"journal: {ends or 'empty'}; written by {status.leader or 'nobody now'}")


def _reasons(view: TopView) -> Iterator[Text]:
    found = [] if view.status is None else lines(view.status.obstacles)
    said = set(found)
    found += [each for each in view.daemon.faults if not any(each.endswith(known) for known in said)]
    if view.daemon.problem:
        yield Text.from_markup(f"[yellow]{escape(view.daemon.problem)}[/]")
    for each in found[:MOST_REASONS]:
        yield Text.from_markup(f"[red]{escape(one_line(each, _LONGEST))}[/]")
    if len(found) > MOST_REASONS:
        yield Text(f"… and {len(found) - MOST_REASONS} more: `oracle doctor` lists them")


def _work(done: Activity, view: TopView) -> Iterator[Text]:
    if view.daemon.problem:
        return
    known = [
        ("running", done.proofs_running, ",.0f"),
        ("waiting", done.proofs_waiting, ",.0f"),
        ("made", done.proofs, ",.0f"),
        ("s each", done.prove_seconds, ".3g"),
    ]
    yield Text.from_markup(f"[bold]provers[/]       {_told(known)}")
    known = [
        ("accepted", done.accepted, ",.0f"),
        ("held", done.held, ",.0f"),
        ("failed", done.failed, ",.0f"),
        ("superseded", done.superseded, ",.0f"),
        ("retries", done.retries, ",.0f"),
        ("s to confirm", done.latency_seconds, ".3g"),
    ]
    yield Text.from_markup(f"[bold]reports[/]       {_told(known)}")
    known = [
        ("gas each", done.gas, ",.0f"),
        ("replaced", done.replaced, ",.0f"),
        ("sent again", done.sent_again, ",.0f"),
        ("failovers", done.failovers, ",.0f"),
    ]
    yield Text.from_markup(f"[bold]transactions[/]  {_told(known)}")


def _told(known: list[tuple[str, float | None, str]]) -> str:
    return ", ".join(f"{value:{form}} {name}" for name, value, form in known if value is not None) or "nothing yet"


def _document(view: TopView) -> dict[str, Any]:
    daemon = {name: each for name, each in asdict(view.daemon).items() if name != "figures"}
    return {
        "at": int(view.at),
        "problem": view.problem,
        "status": None if view.status is None else asdict(view.status),
        "daemon": daemon,
        "activity": asdict(activity(view.daemon)),
    }
