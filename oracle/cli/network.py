"""`oracle network …`: the members of a network as this node sees them, and evidence of their faults."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import click

from oracle.cli.options import FILE, config_option, json_option, load_config, load_optional, optional_config_option

# Commands import what they need when they run, so that `oracle --help` answers at once.

_KINDS = (
    "contradiction", "invalid_signature", "foreign", "beyond_spread", "silence", "refusal", "left_out", "withheld",
    "bad_request", "flood", "readings",
)  # fmt: skip


@click.group("network")
def network_group() -> None:
    """The members of a network of reporters, as this node sees them."""


@network_group.command("status")
@config_option
@click.option(
    "--turns", "shown", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Latest turns to look at."
)
@json_option
def network_status_command(config_path: Path, shown: int, as_json: bool) -> None:
    """Show whose turn it is, who answers, how fast and how far from the others, and what transmitters bring."""
    from oracle.app.standings import network_status
    from oracle.cli.render.network import print_network

    print_network(network_status(load_config(config_path), shown=shown), as_json=as_json)


@network_group.group("evidence", invoke_without_command=True)
@config_option
@click.option("--member", metavar="NAME|ADDRESS", help="Only of this member.")
@click.option("--kind", type=click.Choice(_KINDS), help="Only of this kind.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]),
    help="Only of faults that were noted at this time (UTC) or later.",
)
@click.option("--export", "export_path", type=FILE, help="Write the evidence, with the signed messages, for others.")
@json_option
@click.pass_context
def evidence_group(
    context: click.Context,
    config_path: Path,
    member: str | None,
    kind: str | None,
    since: dt.datetime | None,
    export_path: Path | None,
    as_json: bool,
) -> None:
    """Show the evidence of members' faults that this node has kept, oldest first."""
    from oracle.app.standings import export_evidence, find_evidence
    from oracle.cli.render.network import print_evidence
    from oracle.network.evidence import FaultKind

    if context.invoked_subcommand is not None:
        return
    config = load_config(config_path)
    found = find_evidence(
        config,
        member=member,
        kind=None if kind is None else FaultKind(kind),
        since=0.0 if since is None else since.replace(tzinfo=dt.UTC).timestamp(),
    )
    if export_path is not None:
        export_evidence(config, found, export_path)
    print_evidence(config, found, export_path, as_json=as_json)


@evidence_group.command("check")
@click.argument("file", type=FILE)
@optional_config_option
@click.option("--rpc", "rpc_url", help="RPC endpoint of the file's chain (default: the configuration's).")
@click.option("--terms", metavar="0x…", help="Fingerprint of the terms that members tell at /v1/network.")
@json_option
def evidence_check(file: Path, config_path: Path | None, rpc_url: str | None, terms: str | None, as_json: bool) -> None:
    """Judge a FILE of evidence again, from its signatures and the chain: what is proven, and what is not.

    Exits with 0 if all is proven, 1 if something is false, 3 if something is only the word of whoever wrote the file.
    """
    import asyncio

    from oracle.app.standings import check_evidence
    from oracle.cli.render.network import print_checked

    found = asyncio.run(check_evidence(file, load_optional(config_path), rpc_url=rpc_url, terms=terms))
    print_checked(found, as_json=as_json)
    sys.exit(found.exit_code)
