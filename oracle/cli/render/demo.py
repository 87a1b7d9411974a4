"""The summary of `oracle demo`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from oracle.app.local_network.ways import WAYS, Way
from oracle.cli.render.json_output import print_json
from oracle.demo.rehearsal import INDICES, Rehearsal


def print_demo(console: Console, summary: Mapping[str, Any], out: Path) -> None:
    """Print the demonstration's summary, and where its files are."""
    audited, latency = summary["audit"], summary["latency_s"]
    console.print("\n[bold]Read back from the chain[/]")
    console.print(
        f"{summary['observations']} observations: {summary['accepted']} written, {summary['held']} held "
        f"({summary['false_holds']} false holds, {summary['held_after_faults']} true values after a fault, "
        f"{summary['confirmed_regime_changes']} confirmed regime changes)"
    )
    table = Table(box=None, header_style="bold")
    for column in ("fault", "injected", "held", "missed"):
        table.add_column(column, justify="left" if column == "fault" else "right")
    for kind, counted in summary["faults"].items():
        missed = counted["injected"] - counted["held"]
        table.add_row(kind, str(counted["injected"]), str(counted["held"]), f"[red]{missed}[/]" if missed else "0")
    if summary["faults"]:
        console.print(table)
    else:
        console.print("no fault was injected: they begin after some days, so play more --ticks")
    console.print(
        f"observation to confirmation: p50 {latency['p50']} s, p95 {latency['p95']} s; "
        f"{summary['submissions']} transactions, {summary['gas_per_observation']:,} gas an observation"
    )
    agreement = "agrees" if summary["chain_agrees_with_journal"] else "[red]DISAGREES[/]"
    console.print(f"the chain {agreement} with the journal")
    console.print(_audit(audited), highlight=False)
    for problem in [*summary["disagreements"], *audited["problems"]]:
        console.print(f"[red]{problem}[/]")
    console.print(f"{out / 'summary.json'}, {out / 'demo.png'}")


def print_network_demo(console: Console, summary: Mapping[str, Any], out: Path) -> None:
    """Print the summary of a network's demonstration, and where it is."""
    network, audited = summary["network"], summary["audit"]
    latency = network["due_to_confirmed_s"]
    console.print("\n[bold]Read back from the chain and from the honest members' journals[/]")
    console.print(
        f"{network['rounds']} rounds in {network['turns']} turns, {network['late']} of a feed were missed; "
        f"{network['reporters']} reporters, {network['quorum']} have to answer",
        highlight=False,
    )
    by = ", ".join(f"{name} {count}" for name, count in network["by_transmitter"].items())
    told = f"reports by transmitter: {by}; {network['messages_per_round']:g} messages each"
    console.print(told, highlight=False, soft_wrap=True)
    if network["faults"]:
        table = Table(box=None, header_style="bold")
        for column in ("a member", "turns", "harmed"):
            table.add_column(column, justify="left" if column == "a member" else "right")
        for way, counted in network["faults"].items():
            harmed = counted["harmed"]
            does = WAYS[Way(way)].does
            table.add_row(does, str(counted["injected"]), f"[red]{harmed}[/]" if harmed else "0")
        console.print(table)
    for key, whom in (("evidence", "faulty"), ("evidence_against_honest", "honest")):
        if network[key]:
            noted = ", ".join(f"{kind} {count}" for kind, count in network[key].items())
            console.print(f"evidence of honest members against {whom} ones: {noted}", highlight=False, soft_wrap=True)
    for text in [*network["harm"], *audited["problems"]]:
        console.print(f"[red]{text}[/]")
    console.print(f"due to confirmed: p50 {latency['p50']} s, p95 {latency['p95']} s")
    console.print(_audit(audited), highlight=False)
    readings = audited["readings"]
    wrong = ", ".join(f"{name} {count}" for name, count in readings["wrong"].items())
    console.print(
        f"readings: behind {readings['verified']} of {readings['signatures']} signatures every answer follows"
        f"{f'; what is wrong: {wrong}' if wrong else ''}",
        highlight=False,
    )
    console.print(f"{out / 'summary.json'}")


def _audit(found: Mapping[str, Any]) -> str:
    """Return what a stranger's audit of the chain says, in one sentence."""
    told = f"audit: {found['verified']} of {found['reports']} reports verified, with {found['proofs']} proofs; "
    told += f"{found['failed']} failed, {found['unchecked']} unchecked"
    for each in found["circuits"]:
        windows = f"{each['batch']} window{'' if each['batch'] == 1 else 's'}"
        if each["tied"]:
            told += f"; the verifier of {windows} was made again from the {each['key_from']}"
        else:
            told += f"; [red]nothing ties the verifier of {windows} to a circuit[/]"
    if (storage := found["storage"]) is not None:
        told += f"; {storage['words']:,} words of the hub's storage compared, {storage['differing']:,} differ"
    return told


def print_rehearsal(console: Console, found: Rehearsal, *, as_json: bool) -> None:
    """Print what the gate sees over the seeds of a rehearsal."""
    everywhere = sorted({feed for _, feed in found.faults})
    if as_json:
        print_json(
            {
                "seeds": len(found.seeds),
                "observations": found.observations,
                "false_holds": found.mean_false_holds,
                "held_after_faults": found.mean_after_faults,
                "faults": {
                    kind: {
                        "indices": found.recall(kind),
                        **{feed: found.recall(kind, [feed]) for feed in everywhere},
                    }
                    for kind in found.kinds
                },
            }
        )
        return
    table = Table(box=None, header_style="bold")
    for column in ("fault", "held on the indices", "", *everywhere):
        table.add_column(column, justify="left" if column == "fault" else "right")
    for kind in found.kinds:
        injected, held = found.recall(kind, INDICES)
        share = f"{held / injected:.0%}" if injected else ""
        each = [found.recall(kind, [feed]) for feed in everywhere]
        table.add_row(kind, f"{held} of {injected}", share, *(f"{held} of {injected}" for injected, held in each))
    console.print(table)
    console.print(
        f"{len(found.seeds)} replays without proofs: {found.mean_false_holds:.2g} false holds of {found.observations} "
        f"observations on average, {max(found.false_holds)} at most; {found.mean_after_faults:.2g} more true values "
        "were held because a fault had been written, or a peer's answer was one",
        highlight=False,
        soft_wrap=True,
    )
