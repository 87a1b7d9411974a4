"""`oracle audit`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from oracle.cli.options import json_option

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
@json_option
def audit_command(hub: str, rpc_url: str, artifacts: Path, from_block: int, as_json: bool) -> None:
    """Verify every round of the HUB at this address again, off-chain, from calldata and history alone."""
    import asyncio

    from oracle.app.audit import audit
    from oracle.cli.render.audit import print_audit

    report = asyncio.run(audit(hub, rpc_url, artifacts, from_block))
    print_audit(report, as_json=as_json)
    sys.exit(0 if report.ok else 1)
