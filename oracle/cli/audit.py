"""`oracle audit`."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.options import (
    FILE,
    FiniteRange,
    block_option,
    json_option,
    load_optional,
    optional_config_option,
    rpc_urls_option,
)

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.audit.choice import Choice

_SPAN = "N|A-B"


class _Moment(click.DateTime):
    """A day or a time, in UTC; what is neither is refused in words that show how to write one."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.UsageError:
            self.fail(f"{value!r} is no day (2026-11-30) and no time (2026-11-30T12:00:00Z)", param, ctx)


_MOMENT = _Moment()


@click.command("audit")
@click.argument("hub")
@rpc_urls_option
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="Folder with the artifacts of the models (verifying keys).",
)
@block_option
@click.option(
    "--from-block",
    type=click.IntRange(min=0),
    help="First block to read events of (default: that of the hub's creation, which is looked for).",
)
@click.option("--feed", "feeds", multiple=True, metavar="NAME|ID", help="Prove and list only this feed. Repeatable.")
@click.option(
    "--rounds",
    "--round",
    "rounds",
    multiple=True,
    metavar=_SPAN,
    help="Prove and list only these rounds: 7, 7-9, or 7- for all from 7 on. Repeatable.",
)
@click.option("--blocks", metavar=_SPAN, help="Prove and list only what these blocks have.")
@click.option("--since", type=_MOMENT, metavar="DATE", help="Prove and list only blocks from this time on, in UTC.")
@click.option("--until", type=_MOMENT, metavar="DATE", help="Prove and list only blocks before this time, in UTC.")
@click.option(
    "--state",
    type=FILE,
    help="File that keeps what was verified and fetched: an interrupted audit goes on from there. Keep it as you keep "
    "the report.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Proofs to verify at once (default: as many as there are cores to use).",
)
@click.option(
    "--readings", is_flag=True, help="Also fetch what each reporter's sources said, and derive its answers again."
)
@click.option(
    "--from",
    "places",
    multiple=True,
    metavar="[REPORTER=]URL",
    help="With --readings: where a reporter (its address, or a member's name) serves them; without REPORTER: where all "
    "others do. Default: the members of the configuration's [network].",
)
@click.option(
    "--readings-days",
    type=FiniteRange(min=0, min_open=True),
    default=90.0,
    show_default=True,
    help="With --readings: how many days back, by the chain's time.",
)
@click.option(
    "--all", "every", is_flag=True, help="List every report, and not of each feed the latest and the special."
)
@optional_config_option
@json_option
def audit_command(
    hub: str,
    readings: bool,
    places: tuple[str, ...],
    readings_days: float,
    config_path: Path | None,
    state: Path | None,
    every: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Verify every round of the HUB at this address again, off-chain, from calldata and history alone.

    Exits with 0 if everything holds, with 1 if anything does not or could not be checked.
    """
    import asyncio

    from oracle.app.audit import audit, readings_places
    from oracle.cli.render.audit import print_audit
    from oracle.cli.render.progress import audit_progress

    if places and not readings:
        raise click.UsageError("--from needs --readings")
    wanted = readings_places(places, load_optional(config_path), readings_days) if readings else None
    choice = _choice(*(options.pop(name) for name in ("feeds", "rounds", "blocks", "since", "until")))
    with audit_progress(quiet=as_json) as progress:
        try:
            report = asyncio.run(audit(hub, readings=wanted, state=state, choice=choice, progress=progress, **options))
        except KeyboardInterrupt:
            if state is not None:
                click.echo(f"the same command with --state {state} goes on from here", err=True)
            raise
    print_audit(report, as_json=as_json, every=every)
    sys.exit(0 if report.ok else 1)


def _choice(
    feeds: tuple[str, ...],
    rounds: tuple[str, ...],
    blocks: str | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
) -> Choice:
    from oracle.audit.choice import Choice, Span

    def span(option: str, text: str) -> Span:
        try:
            return Span.parse(text)
        except ValueError as error:
            raise click.UsageError(f"{option}: {error}") from None

    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since is not before --until: no report is in between")
    return Choice(
        feeds=feeds,
        rounds=tuple(span("--rounds", each) for each in rounds),
        blocks=None if blocks is None else span("--blocks", blocks),
        since=_seconds(since),
        until=_seconds(until),
    )


def _seconds(moment: dt.datetime | None) -> int | None:
    return None if moment is None else int(moment.replace(tzinfo=dt.UTC).timestamp())
