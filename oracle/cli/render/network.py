"""A network as one node sees it: its members' standings, and the evidence of their faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.markup import escape

from oracle.app.standings import CheckedEvidence
from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_console, new_table
from oracle.config import Config
from oracle.core.formats import to_hex
from oracle.core.times import utc
from oracle.network.casebook import Case
from oracle.network.overview import NetworkView
from oracle.network.proofs import CaseFinding
from oracle.network.standing import MemberStanding, TransmitterStanding

_MARKS = {
    CaseFinding.PROVEN: "[green]proven[/]",
    CaseFinding.NOT_PROVABLE: "[yellow]not provable[/]",
    CaseFinding.FALSE: "[red]false[/]",
}


def print_network(view: NetworkView, *, as_json: bool) -> None:
    """Print whose turn it is, each member's standing, and each transmitter's."""
    if as_json:
        print_json(view.document())
        return
    console, turn = new_console(), view.turn
    console.print(
        f"chain {view.chain_id}, hub {view.hub}, committee {view.committee}, at most {view.faulty} faulty; terms "
        f"{view.terms}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"turn {turn.number} is {turn.holder or 'nobody'}'s since {utc(turn.since)}, until {utc(turn.until)}; then "
        f"it is {turn.following or 'nobody'}'s",
        highlight=False,
    )
    console.print(f"turns {view.first_turn} to {view.last_turn}, as this node heard and asked:", highlight=False)
    table = new_table("member", "answered", "asked", "p50, p95", "distance", "bias", "largest", "heard", "faults")
    for each in view.members:
        table.add_row(*_member(each, view.now))
    console.print(table)
    brought = new_table("transmitter", "turns", "used", "brought", "mean rank", "of all", "left out", "accounts")
    for transmitter in view.transmitters:
        brought.add_row(*_transmitter(transmitter))
    console.print(brought)


def print_evidence(config: Config, cases: Sequence[Case], exported: Path | None, *, as_json: bool) -> None:
    """Print evidence, a fault a line."""
    if as_json:
        print_json([asdict(each) for each in cases])
        return
    names = {each.reporter: each.name for each in (config.network.members if config.network is not None else ())}
    console = new_console()
    if cases:
        table = new_table("", "noted", "member", "kind", "turn", "fault")
        for each in cases:
            member = names.get(each.member, each.member)
            table.add_row(
                str(each.number), utc(each.at), escape(member), str(each.kind), str(each.turn), escape(each.summary)
            )
        console.print(table)
    console.print(f"{len(cases)} faults" if len(cases) != 1 else "1 fault", highlight=False)
    if exported is not None:
        console.print(
            f"written to {exported}: whoever has it can judge it with `oracle network evidence check`",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def print_checked(found: CheckedEvidence, *, as_json: bool) -> None:
    """Print what each case of a file is worth, and what it was judged by."""
    file = found.file
    if as_json:
        print_json(
            {
                "chain_id": file.chain_id,
                "hub": file.hub,
                "committee": file.committee,
                "terms": to_hex(file.terms),
                "terms_known": found.is_known,
                "exported_by": file.exported_by,
                "exported_at": file.exported_at,
                "asked": found.asked,
                "cases": [asdict(each) for each in found.checked],
            }
        )
        return
    console = new_console()
    console.print(
        f"hub {file.hub} on chain {file.chain_id}, committee {file.committee}; terms {to_hex(file.terms)}, "
        f"{'which the members use' if found.is_known else 'which nobody here knows'}",
        highlight=False,
        soft_wrap=True,
    )
    by = f"signatures, and what {found.asked} says" if found.asked else "signatures alone: no endpoint is configured"
    console.print(
        f"written by {file.exported_by or 'nobody known'} at {utc(file.exported_at)}; judged by {by}",
        highlight=False,
        soft_wrap=True,
    )
    table = new_table("", "", "member", "kind", "turn", "why")
    for each in found.checked:
        table.add_row(
            str(each.number), _MARKS[each.finding], each.member, str(each.kind), str(each.turn), escape(each.reason)
        )
    console.print(table)


# --- details -------------------------------------------------------------------------------------------------------


def _member(member: MemberStanding, now: float) -> list[str]:
    name = f"{escape(member.name)} [yellow](ignored)[/]" if member.ignored else escape(member.name)
    seen = "never" if member.last_seen is None else f"{max(0.0, now - member.last_seen):,.0f} s ago"
    return [
        name,
        f"{member.answered:,} of {member.reports:,}",
        _counted(member.asked),
        ", ".join(_seconds(each) for each in (member.delay_p50_s, member.delay_p95_s) if each is not None),
        _sigma(member.distance),
        _sigma(member.bias, signed=True),
        _sigma(member.largest),
        seen,
        _counted({str(kind): count for kind, count in member.faults.items()}),
    ]


def _transmitter(transmitter: TransmitterStanding) -> list[str]:
    return [
        escape(transmitter.name),
        f"{transmitter.turns:,}",
        f"{transmitter.used:,}",
        f"{transmitter.brought:,}",
        "" if transmitter.rank is None else f"{transmitter.rank:.2f}",
        "" if transmitter.even is None else f"{transmitter.even:.2f}",
        _counted(transmitter.left_out),
        ", ".join(transmitter.accounts),
    ]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{escape(name)} {count:,}" for name, count in sorted(counts.items()))


def _seconds(value: float) -> str:
    return f"{value:.3g} s"


def _sigma(value: float | None, *, signed: bool = False) -> str:
    return "" if value is None else f"{value / 1_000:{'+' if signed else ''}.3g} σ"
