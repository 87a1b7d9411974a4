"""`oracle audit`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from oracle.cli.options import json_option, load_optional, optional_config_option

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("audit")
@click.argument("hub")
@click.option("--rpc", "rpc_url", required=True, help="RPC endpoint of the chain.")
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="Folder with the artifacts of the models (verifying keys).",
)
@click.option(
    "--from-block", type=click.IntRange(min=0), default=0, show_default=True, help="First block to read events of."
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
    type=click.FloatRange(min=0, min_open=True),
    default=90.0,
    show_default=True,
    help="With --readings: how many days back, by the chain's time.",
)
@optional_config_option
@json_option
def audit_command(
    hub: str,
    rpc_url: str,
    artifacts: Path,
    from_block: int,
    readings: bool,
    places: tuple[str, ...],
    readings_days: float,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Verify every round of the HUB at this address again, off-chain, from calldata and history alone."""
    import asyncio

    from oracle.app.audit import audit, readings_places
    from oracle.cli.render.audit import print_audit

    if places and not readings:
        raise click.UsageError("--from needs --readings")
    wanted = readings_places(places, load_optional(config_path), readings_days) if readings else None
    report = asyncio.run(audit(hub, rpc_url, artifacts, from_block, wanted))
    print_audit(report, as_json=as_json)
    sys.exit(0 if report.ok else 1)
