"""The state that `oracle status` shows."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.markup import escape

from oracle.app.status import CommitteeStatus, OracleStatus
from oracle.cli.render.json_output import print_json
from oracle.cli.render.marks import feed_mark, source_mark
from oracle.cli.render.tables import new_console, new_table
from oracle.core.obstacles import lines


def print_status(status: OracleStatus, *, as_json: bool) -> None:
    """Print the chain, the payer, the journal, each committee and each feed."""
    if as_json:
        print_json(asdict(status))
        return
    console = new_console()
    left = "" if status.reports_left is None else f", enough for {status.reports_left:,} reports at the present price"
    console.print(
        f"chain {status.chain_id}, block {status.head:,} of {status.head_at}; hub {status.hub}", highlight=False
    )
    dry = " – [yellow]it runs dry[/]" if status.is_dry else ""
    console.print(f"payer {status.payer} has {status.balance} ether{left}{dry}", highlight=False)
    for endpoint in status.endpoints:
        mark = "[yellow]left alone[/]" if endpoint.problem else "[green]well[/]"
        use = ", in use" if endpoint.in_use and len(status.endpoints) > 1 else ""
        at = "" if endpoint.head is None else f", block {endpoint.head:,}"
        console.print(f"endpoint {escape(endpoint.name)}: {mark}{use}{at}", highlight=False)
        if endpoint.problem:
            console.print(f"  {endpoint.problem}", markup=False, highlight=False)
    if status.journal:
        ends = ", ".join(f"{count:,} {outcome}" for outcome, count in status.journal.items())
        console.print(f"journal: {ends}; written by {status.leader or 'nobody now'}", highlight=False)
    console.print(f"configured model: {status.model}, {status.privacy}", markup=False, highlight=False, soft_wrap=True)
    for committee in status.committees:
        _print_committee(console, committee)
    table = new_table("feed", "status", "round", "answer", "age", "reporters", "spread", "open")
    for feed in status.feeds:
        age = "" if feed.age_s is None else f"{feed.age_s:,} s"
        count = "" if feed.count is None else str(feed.count)
        spread = "" if feed.spread is None else f"{feed.spread / 1_000:.3g} σ"
        table.add_row(
            feed.name,
            feed_mark(feed.status),
            str(feed.round_id),
            feed.answer,
            age,
            count,
            spread,
            str(feed.open),
        )
    console.print(table)
    if status.ready:
        console.print("next reports: the chain would take them", highlight=False)
    for line in lines(status.obstacles):
        console.print(f"[red]{escape(line)}[/]", highlight=False)
    several = len(status.committees) > 1
    for feed in status.feeds:
        of = [f"committee {feed.committee}"] if several else []
        of += [f"signed with {', '.join(feed.peers)}"] if feed.peers else []
        if of:
            console.print(f"{feed.name}: {', '.join(of)}", markup=False, highlight=False)
        if feed.held is not None:
            console.print(f"{feed.name} holds {feed.held}", markup=False, highlight=False)
    for feed in status.feeds:
        if feed.shadow:
            console.print(f"proposed for {feed.name}: {feed.shadow}", markup=False, highlight=False)
    if status.daemon is None:
        console.print("sources: a daemon with [web] listen tells what each said", markup=False, highlight=False)
    elif not status.daemon:
        console.print("sources: the daemon does not answer", highlight=False)
    else:
        said = new_table("feed", "source", "", "value", "detail")
        for feed in status.feeds:
            for each in feed.sources:
                said.add_row(
                    feed.name, escape(each.source), source_mark(each.state), escape(each.value), escape(each.detail)
                )
        console.print(said)


def _print_committee(console: Console, committee: CommitteeStatus) -> None:
    who = ", ".join(committee.reporters)
    line = (
        f"committee {committee.name} (number {committee.number}, epoch {committee.epoch}): {committee.quorum} of {who}"
    )
    console.print(line, markup=False, highlight=False)
    if committee.later:
        trouble = f"once the proposed reporters are active, {committee.later}"
        console.print(f"  [yellow]no report from here:[/] {escape(trouble)}", highlight=False)
    if committee.proposed:
        console.print(f"  proposed: {committee.proposed}", markup=False, highlight=False)
