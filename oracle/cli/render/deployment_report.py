"""The report of `oracle verify-deployment`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape

from oracle.audit.deployment.manifest import SignedManifest
from oracle.audit.deployment.report import DeploymentReport, Difference, Severity, Weakness
from oracle.audit.deployment.statement import DeploymentStatement
from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_console, new_table
from oracle.core.formats import one_line
from oracle.core.times import utc
from oracle.core.version import __version__

SCHEMA = 1
"""The version of the JSON document's form."""

_LONGEST = 1_000
"""Characters of a text that are printed."""

_COLOURS = {Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "dim"}


def print_deployment_report(report: DeploymentReport, *, as_json: bool) -> None:
    """Print what is there, what differs, what was not checked and what is weak; the verdict last."""
    if as_json:
        print_json(_document(report))
        return
    console = new_console()
    if report.statement is not None:
        _print_statement(console, report.statement)
    for note in report.notes:
        console.print(f"note: {_plain(note)}")
    print_weaknesses(report.weaknesses, console)
    for each in report.unchecked:
        console.print(f"[yellow]unchecked[/] {_plain(each.subject)}: {_plain(each.reason)}")
    print_differences(report.differences, console)
    done, differing, unchecked = len(report.checked), len(report.differences), len(report.unchecked)
    at = f"block {report.block:,} of {utc(report.block_time)}"
    console.print(f"hub {report.hub} on chain {report.chain_id}, as it was at {at}", markup=False)
    console.print(f"the block's hash is {report.block_hash}; read from {', '.join(report.endpoints)}", markup=False)
    mark = "[bold green]OK[/]" if report.ok else "[bold red]NOT OK[/]"
    console.print(
        f"{mark}, against {_plain(report.against)}: {done} checks hold, {differing} do not, {unchecked} could not be "
        f"made; weak settings: {len(report.weaknesses)}"
    )


def print_weaknesses(found: Sequence[Weakness], console: Console | None = None) -> None:
    """Print what is weak, and what to do about it."""
    to = console or new_console()
    for each in found:
        colour = _COLOURS[each.severity]
        to.print(f"[{colour}]weak ({each.severity.value})[/] {_plain(each.subject)}: {_plain(each.reason)}")
        to.print(f"    {each.remedy}", markup=False)


def print_manifest_check(manifest: SignedManifest, found: Sequence[Difference], *, as_json: bool) -> None:
    """Print in what a chain differs from a manifest, and from its signature."""
    if as_json:
        statement = manifest.statement
        about = {"hub": statement.hub, "chain_id": statement.chain_id, "signer": manifest.signer}
        differences = [asdict(each) for each in found]
        print_json({"schema": SCHEMA, "release": __version__, "ok": not found, **about, "differences": differences})
    else:
        print_differences(found)


def print_differences(found: Sequence[Difference], console: Console | None = None) -> None:
    """Print what differs, what was expected instead, and what it means."""
    to = console or new_console()
    for each in found:
        to.print(f"[red]differs[/] {_plain(each.subject)}")
        to.print(f"    expected {_plain(each.expected)}")
        to.print(f"    found    {_plain(each.found)}")
        to.print(f"    {_plain(each.meaning)}")


def _print_statement(console: Console, statement: DeploymentStatement) -> None:
    table = new_table("contract", "address", "creation")
    for each in statement.contracts:
        # A verifier has no storage that a creation could leave behind: its code says all.
        table.add_row(each.contract, each.address, "any" if each.contract == "verifier" else each.creation)
    console.print(table)
    table = new_table("setting", "value")
    roles = statement.roles
    table.add_row("admin", roles.admin or "nobody")
    table.add_row("guardians", ", ".join(roles.guardians) or "none")
    table.add_row("delays", f"changes {roles.change_delay:,} s, handover {roles.handover_delay:,} s")
    for committee in statement.committees:
        signers = f"quorum {committee.quorum} of {', '.join(committee.reporters)}"
        table.add_row(f"committee {committee.number}", f"{signers}, epoch {committee.epoch}")
    for model in statement.models:
        artifact = f"architecture {model.architecture}, artifact {model.artifact_hash.hex()}"
        table.add_row(f"model {model.number}", artifact)
    for feed in statement.feeds:
        terms = f"model {feed.model}, committee {feed.committee}, heartbeat {feed.heartbeat:,} s"
        terms += f", max_age {feed.max_age:,} s, confirm_delay {feed.confirm_delay:,} s, max_spread {feed.max_spread}"
        table.add_row(f"feed {_plain(feed.description)}", terms)
    console.print(table)


def _document(report: DeploymentReport) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "release": __version__,
        "ok": report.ok,
        "hub": report.hub,
        "chain_id": report.chain_id,
        "block": {"number": report.block, "hash": report.block_hash, "time": report.block_time},
        "endpoints": list(report.endpoints),
        "against": report.against,
        "differences": [asdict(each) for each in report.differences],
        "unchecked": [asdict(each) for each in report.unchecked],
        "weaknesses": [asdict(each) for each in report.weaknesses],
        "notes": list(report.notes),
        "checked": list(report.checked),
        "statement": None if report.statement is None else report.statement.model_dump(mode="json"),
    }


def _plain(text: str) -> str:
    """Return text of others as one line that is no markup."""
    return escape(one_line(text, _LONGEST))
