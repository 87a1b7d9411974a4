"""The state that `oracle status` shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from oracle.app.daemon_pages import SourceSaid
from oracle.app.status import CommitteeStatus, FeedStatus, OracleStatus
from oracle.chain.transport.interface import EndpointState
from oracle.cli.render.json_output import print_json
from oracle.cli.render.marks import feed_mark, source_mark
from oracle.cli.render.tables import new_console, new_table
from oracle.core.obstacles import lines
from oracle.core.times import span


def print_status(status: OracleStatus, *, as_json: bool) -> None:
    """Print the chain, the payer, the journal, each committee and each feed."""
    if as_json:
        print_json(asdict(status))
        return
    console = new_console()
    left = "" if status.reports_left is None else f", enough for {status.reports_left:,} reports at the present price"
    console.print(f"chain {status.chain_id}, block {status.head:,} of {status.head_at}; hub {status.hub}")
    dry = " – [yellow]it runs dry[/]" if status.is_dry else ""
    console.print(f"payer {status.payer} has {status.balance} ether{left}{dry}")
    _print_endpoints(console, status.endpoints)
    if status.journal:
        ends = ", ".join(f"{count:,} {outcome}" for outcome, count in status.journal.items())
        console.print(f"journal: {ends}; written by {status.leader or 'nobody now'}")
    console.print(f"configured model: {status.model}, {status.privacy}", markup=False, soft_wrap=True)
    for committee in status.committees:
        _print_committee(console, committee)
    console.print(feed_table(status.feeds))
    if status.ready:
        console.print("next reports: the chain would take them")
    for line in lines(status.obstacles):
        console.print(f"[red]{escape(line)}[/]")
    _print_below(console, status)
    if status.daemon is None:
        console.print("sources: a daemon with [web] listen tells what each said", markup=False)
    elif not status.daemon:
        console.print("sources: the daemon does not answer")
    else:
        console.print(source_table({feed.name: feed.sources for feed in status.feeds}))


def feed_table(feeds: Sequence[FeedStatus]) -> Table:
    """Return a table with a row for each feed: its state on the chain."""
    table = new_table("feed", "status", "round", "answer", "age", "reporters", "spread", "open")
    for feed in feeds:
        age = "" if feed.age_s is None else span(feed.age_s)
        count = "" if feed.count is None else f"{feed.count}"
        spread = "" if feed.spread is None else f"{feed.spread / 1_000:.3g} σ"
        row = (f"{feed.round_id}", escape(feed.answer), age, count, spread, f"{feed.open}")
        table.add_row(escape(feed.name), feed_mark(feed.status), *row)
    return table


def source_table(said: Mapping[str, Sequence[SourceSaid]]) -> Table:
    """Return a table with a row for each source: what it said at the daemon's latest look, by feed."""
    table = new_table("feed", "source", "state", "value", "detail")
    for feed, sources in said.items():
        for each in sources:
            row = (escape(feed), escape(each.source), source_mark(each.state), escape(each.value), escape(each.detail))
            table.add_row(*row)
    return table


def _print_endpoints(console: Console, endpoints: Sequence[EndpointState]) -> None:
    for endpoint in endpoints:
        mark = "[yellow]left alone[/]" if endpoint.problem else "[green]well[/]"
        use = ", in use" if endpoint.in_use and len(endpoints) > 1 else ""
        at = "" if endpoint.head is None else f", block {endpoint.head:,}"
        console.print(f"endpoint {escape(endpoint.name)}: {mark}{use}{at}")
        if endpoint.problem:
            console.print(f"  {endpoint.problem}", markup=False)


def _print_below(console: Console, status: OracleStatus) -> None:
    """Print what the table of feeds has no room for: peers, holds, proposed models."""
    several = len(status.committees) > 1
    for feed in status.feeds:
        of = [f"committee {feed.committee}"] if several else []
        of += [f"signed with {', '.join(feed.peers)}"] if feed.peers else []
        if of:
            console.print(f"{feed.name}: {', '.join(of)}", markup=False)
        if feed.held is not None:
            console.print(f"{feed.name} holds {feed.held}", markup=False)
    for feed in status.feeds:
        if feed.shadow:
            console.print(f"proposed for {feed.name}: {feed.shadow}", markup=False)


def _print_committee(console: Console, committee: CommitteeStatus) -> None:
    who = ", ".join(committee.reporters)
    line = (
        f"committee {committee.name} (number {committee.number}, epoch {committee.epoch}): {committee.quorum} of {who}"
    )
    console.print(line, markup=False)
    if committee.later:
        trouble = f"once the proposed reporters are active, {committee.later}"
        console.print(f"  [yellow]no report from here:[/] {escape(trouble)}")
    if committee.proposed:
        console.print(f"  proposed: {committee.proposed}", markup=False)
