"""The cost of feeds, as tables and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from oracle.app.cost.figures import Basis, CostChange, CostReport, Daily
from oracle.chain.tx.fees import GWEI
from oracle.cli.render.tables import new_console, new_table
from oracle.core.money import WEI, ether
from oracle.core.times import readable, span

__all__ = ["cost_document", "print_cost"]

_GROUNDS = {
    Basis.MEASURED: "measured",
    Basis.EXTRAPOLATED: "extrapolated",
    Basis.REPLAYED: "estimate",
    Basis.AT_LEAST: "estimate, at least",
    Basis.BOUND: "heartbeats alone",
}


def cost_document(report: CostReport) -> dict[str, Any]:
    """Return a report as JSON. Amounts are in wei."""
    document = asdict(report)
    document["days"] = report.days
    document["paid"] = report.paid
    count, wei = report.fillers
    document["fillers"] = {"count": count, "wei": wei}
    for change, told in zip(report.changes, document["changes"], strict=True):
        told["saves"] = change.share
    return document


def print_cost(report: CostReport) -> None:
    """Print a report for people."""
    console = new_console()
    if report.feeds or report.fillers[0]:
        console.print(f"[bold]Paid[/] in {span(report.until - report.since)}, since {readable(report.since)} UTC")
        table = new_table("feed", "reports", "gas each", "shadows", *_money(report))
        for name, each in sorted(report.feeds.items()):
            gas = f"{each.gas / each.reports:,.0f}" if each.reports else "–"
            table.add_row(name, f"{each.reports:,}", gas, f"{each.shadows:,}", *_amounts(report, each.total))
        if report.fillers[0]:
            table.add_row("nonces that were used up", f"{report.fillers[0]:,}", "–", "–",
                          *_amounts(report, report.fillers[1]))  # fmt: skip
        table.add_row("all", "", "", "", *_amounts(report, report.paid))
        console.print(table)
        if report.assumed:
            told = (
                f"{ether(report.assumed)} ether of it is the most that it can have been: no receipt says what was paid"
            )
            console.print(told, markup=False)
    else:
        console.print("nothing was paid yet: there is no journal here, or it has no transaction of these days")
    console.print()
    console.print(f"[bold]A day[/] at {_price(report)}")
    table = new_table("feed", "reports", "gas", *_money(report), "is")
    for name, daily in report.daily.items():
        table.add_row(name, *_daily(report, daily), _GROUNDS[daily.basis])
    console.print(table)
    if 0 < report.days < 1:
        console.print(_short(report), markup=False)
    if report.changes:
        console.print()
        console.print("[bold]What would change[/] (estimates)")
        table = new_table("feed", "with", "reports a day", "saves", *_money(report), "from")
        for change in report.changes:
            table.add_row(*_change(report, change))
        console.print(table)
        for note in dict.fromkeys(each.note for each in report.changes if each.note):
            settings = ", ".join(
                dict.fromkeys(each.setting.split(" =")[0] for each in report.changes if each.note == note)
            )
            console.print(f"{settings}: {note}", markup=False)
    _print_limit(report)
    if report.ether is not None:
        told = f"1 ether = {report.ether.price:,.8g} {report.ether.currency}, of feed {report.ether.feed}"
        console.print(f"{told}, {readable(report.ether.observed_at)} UTC", markup=False)


def _short(report: CostReport) -> str:
    """Say how far figures of a day from less than a day can be believed."""
    seen = f"only {span(report.until - report.since)} of a day were seen"
    if any(each.basis is Basis.EXTRAPOLATED for each in report.daily.values()):
        return f"{seen}: what is extrapolated takes the rest of it to be the same"
    return f"{seen}, with too few reports to say more of a whole one"


def _print_limit(report: CostReport) -> None:
    console, limit = new_console(), report.limit
    console.print()
    if limit is None:
        console.print("daily limit: there is no journal yet")
        return
    spent = f"{ether(limit.spent)} ether in the last 24 hours, {ether(limit.set_aside)} of it set aside"
    dearest = f"the dearest 24 hours did cost {ether(limit.dearest)}"
    if limit.limit is None:
        console.print(f"no daily limit: {spent}; {dearest}", markup=False)
        return
    following = f"the next report may cost {ether(limit.next_most)}" if limit.next_most else "the chain does not answer"
    console.print(f"daily limit {ether(limit.limit)} ether: {spent}; {following}; {dearest}", markup=False)


def _price(report: CostReport) -> str:
    if report.price is None:
        return "an unknown price of gas: the chain does not answer, say --gas-price"
    ground = {
        Basis.MEASURED: "as it was paid",
        Basis.CHAIN: "as the chain asks now",
        Basis.GIVEN: "as you said",
    }[report.price.basis]
    return f"{report.price.wei / GWEI:.4g} gwei a gas, {ground}"


def _money(report: CostReport) -> list[str]:
    return ["ether"] if report.ether is None else ["ether", report.ether.currency]


def _amounts(report: CostReport, wei: float | None) -> list[str]:
    if wei is None:
        return ["?"] * len(_money(report))
    return [ether(wei)] if report.ether is None else [ether(wei), f"{wei / WEI * report.ether.price:,.2f}"]


def _daily(report: CostReport, daily: Daily) -> list[str]:
    return [_count(daily.reports), f"{daily.gas:,.0f}", *_amounts(report, daily.wei)]


def _change(report: CostReport, change: CostChange) -> list[str]:
    saves = "–" if change.share is None else f"{change.share:.0%}"
    reports = f"{_count(change.before.reports)} → {_count(change.after.reports)}"
    ground = _GROUNDS[change.after.basis]
    return [change.feed or "all", change.setting, reports, saves, *_amounts(report, change.after.wei), ground]


def _count(reports: float) -> str:
    return f"{reports:,.0f}" if reports >= 100 else f"{reports:.3g}"
