"""The report of `oracle audit`, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from oracle.audit.report import (
    AuditedCircuit,
    AuditProblem,
    AuditReport,
    Checked,
    Finding,
    FindingKind,
    ReadingsReport,
)
from oracle.cli.render.audit_document import audit_document, value_of
from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_console, new_table
from oracle.core.times import utc
from oracle.core.types import Outcome

__all__ = ["print_audit"]

LATEST = 20
"""Reports of a feed that are listed although there is nothing special about them: the latest."""

MOST = 50
"""Problems of one kind that are listed."""

_SHORT = 20
"""Characters of an answer that is not folded."""

_MARKS = {
    Checked.VERIFIED: "[green]verified[/]",
    Checked.FAILED: "[bold red]FAILED[/]",
    Checked.UNCHECKED: "[yellow]unchecked[/]",
}


@dataclass(frozen=True)
class _FeedRows:
    feed: str
    feed_id: str


def print_audit(report: AuditReport, *, as_json: bool, every: bool = False) -> None:
    """Print the reports of each feed, the readings if they were looked at, what is wrong, and the figures.

    Args:
        report: The report.
        as_json: Print all of it as JSON instead.
        every: List every report. Without it, of those that are verified and accepted only the latest are listed.
    """
    if as_json:
        print_json(audit_document(report))
        return
    console = new_console()
    for feed, findings in _by_feed(report.findings):
        _print_feed(console, feed, findings, every)
    if report.readings is not None:
        _print_readings(console, report.readings)
    for note in report.notes:
        console.print(f"note: {_visible(note)}", markup=False, highlight=False)
    for check in (Checked.FAILED, Checked.UNCHECKED):
        told = (_told(each) for each in report.findings if each.check is check)
        _print_list(console, f"{check.value} reports", told, every)
    for kind, problems in groupby(sorted(report.problems, key=_kind_of), key=_kind_of):
        _print_list(console, f"problems: {kind}", (each.text for each in problems), every)
    _print_figures(console, report)


def _print_feed(console: Console, feed: _FeedRows, findings: Sequence[Finding], every: bool) -> None:
    plain = [each for each in findings if _is_plain(each)]
    left_out = set() if every else {id(each) for each in plain[: max(0, len(plain) - LATEST)]}
    console.print(f"[bold]{escape(_visible(feed.feed))}[/]  {_visible(feed.feed_id)}", highlight=False)
    if left_out:
        told = f"  the first {len(left_out):,} of {len(plain):,} that are verified and accepted: --all lists them"
        console.print(told, markup=False, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("round", justify="right", no_wrap=True)
    table.add_column("outcome", overflow="fold", min_width=9)
    short = all(len(value_of(each)) <= _SHORT for each in findings)
    table.add_column("answer", justify="right", overflow="fold", no_wrap=short)
    table.add_column("observed (UTC)", no_wrap=True)
    table.add_column("in block", overflow="fold", min_width=10)
    table.add_column("check", no_wrap=True)
    for each in findings:
        if id(each) not in left_out:
            at = utc(each.observed_at)
            table.add_row(
                f"{each.round_id}", _outcome(each), value_of(each), at, _beside(at, each.block_time), _MARKS[each.check]
            )
    console.print(table)
    console.print()


def _is_plain(finding: Finding) -> bool:
    plain = finding.check is Checked.VERIFIED and finding.outcome is Outcome.ACCEPTED
    return plain and not finding.confirmed and finding.kind is FindingKind.ROUND


def _outcome(finding: Finding) -> str:
    if finding.outcome is Outcome.FAILED:
        text = "no event"
    elif finding.outcome is Outcome.HELD:
        times = f", confirmed {finding.confirmations}×" if finding.confirmations else ""
        text = f"[yellow]held: {escape(_visible(finding.reason))}{times}[/]"
    else:
        text = (
            f"{finding.outcome.value}, [bold yellow]confirmed jump[/]" if finding.confirmed else finding.outcome.value
        )
    return f"shadow: {text}" if finding.kind is FindingKind.SHADOW else text


def _beside(observed: str, block_time: int) -> str:
    """Return a block's time, without the day if it is the observation's."""
    found = utc(block_time)
    day, _, clock = found.partition("T")
    return clock if observed.startswith(f"{day}T") else f"{day} {clock}".strip()


def _told(finding: Finding) -> str:
    return f"{finding.feed}, round {finding.round_id}: {finding.problem}; transaction {finding.tx_hash}"


def _print_list(console: Console, title: str, texts: Iterable[str], every: bool) -> None:
    found = list(texts)
    if not found:
        return
    console.print(f"[bold red]{title}[/] ({len(found):,})", highlight=False)
    for text in found if every else found[:MOST]:
        console.print(Padding(Text(_visible(text)), (0, 0, 0, 2), expand=False))
    if not every and len(found) > MOST:
        console.print(f"  … and {len(found) - MOST:,} more: --all lists them", markup=False, highlight=False)


def _print_figures(console: Console, report: AuditReport) -> None:
    def line(text: str) -> None:
        console.print(_visible(text), markup=False, highlight=False)

    for circuit in report.circuits:
        line(_circuit(circuit))
    if report.storage is not None:
        found = report.storage
        bound = ", and follows from the block's hash" if found.is_bound else ""
        line(f"storage: {found.words:,} words compared, {found.differing:,} differ; storage root {found.root}{bound}")
    if report.choice:
        line(f"chosen: {report.choice}; {report.not_proven:,} other reports were replayed, but not proven")
    at = f"block {report.block_number:,} of {utc(report.block_time)}"
    line(f"hub {report.hub} on chain {report.chain_id}, as it was at {at}")
    line(f"the block's hash is {report.block_hash}")
    if report.endpoints:
        line(f"read from {', '.join(report.endpoints)}")
    if report.seconds:
        rate = (len(report.findings) + report.not_proven) / report.seconds
        line(f"{report.proofs:,} proofs verified; {report.seconds:,.1f} s, {rate:,.0f} reports a second")
    counts = f"{report.verified:,} of {len(report.findings):,} reports verified, {report.failed:,} failed, "
    counts += f"{report.unchecked:,} unchecked, {len(report.problems):,} other problems"
    mark = "[bold green]OK[/]" if report.ok else "[bold red]NOT OK[/]"
    console.print(f"{mark}: {counts}", highlight=False)


def _circuit(circuit: AuditedCircuit) -> str:
    key = f"its key was made again from the {circuit.key_from}" if circuit.key_from else "its key was not made again"
    code = "and its code follows from it" if circuit.is_tied else "and its code is not tied to it"
    srs = f"; SRS {circuit.srs}" if circuit.srs else ""
    windows = f"{circuit.batch} window{'' if circuit.batch == 1 else 's'}"
    return f"model {circuit.model_number}, {windows}, verifier {circuit.verifier}: {key}, {code}{srs}"


def _print_readings(console: Console, readings: ReadingsReport) -> None:
    table = new_table("reporter", "verified", "answers", "sources", "oldest")
    for each in readings.reporters:
        mark = "green" if each.verified == each.signatures else "red"
        sources = f"{each.sources_mean:g} (≥ {each.sources_least})" if each.answers else ""
        oldest = f"{each.oldest_s} s" if each.answers else ""
        who = escape(_visible(each.name or each.reporter))
        verified = f"[{mark}]{each.verified} of {each.signatures}[/]"
        table.add_row(who, verified, str(each.answers), sources, oldest)
    console.print(table)
    for finding in readings.findings:
        who = f"{finding.reporter} ({finding.name})" if finding.name else finding.reporter
        at = utc(finding.observed_at)
        where = f"{finding.feed} of {at}" if finding.feed else f"its report of {at}"
        told = f"{who}: readings {finding.fault.value}, {where}, {finding.tx_hash}: {finding.problem}"
        console.print(f"[red]readings:[/] {escape(_visible(told))}", highlight=False)
    signatures, verified = (
        sum(getattr(each, name) for each in readings.reporters) for name in ("signatures", "verified")
    )
    console.print(f"{verified} of {signatures} signatures have the readings behind their answers", highlight=False)


def _by_feed(findings: Sequence[Finding]) -> Iterator[tuple[_FeedRows, list[Finding]]]:
    found: dict[_FeedRows, list[Finding]] = {}
    for each in findings:
        found.setdefault(_FeedRows(each.feed, each.feed_id), []).append(each)
    yield from found.items()


def _kind_of(problem: AuditProblem) -> str:
    return problem.kind.value


def _visible(text: str) -> str:
    """Return text from a hub, which may be hostile, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
