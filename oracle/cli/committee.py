"""`oracle committee …`: who signs the reports of which feeds, and what a hub's admin does about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oracle.cli.completion import complete_committee
from oracle.cli.options import config_option, json_option, load_config
from oracle.cli.signing import Signing, act, signing_options

# Commands import what they need when they run, so that `oracle --help` answers at once.

if TYPE_CHECKING:
    from oracle.chain.overview import CommitteeOverview
    from oracle.config import Config

F = TypeVar("F", bound=Callable[..., Any])

_committee_option = click.option(
    "--committee",
    metavar="NAME",
    shell_complete=complete_committee,
    help="Name of the committee in the configuration (default: the only one).",
)


@click.group("committee")
def committee_group() -> None:
    """Administration of a committee: its reporters and its quorum."""


@committee_group.command("show")
@_committee_option
@config_option
@json_option
def committee_show(committee: str | None, config_path: Path, as_json: bool) -> None:
    """Show a committee as it is on-chain, and what is proposed for it."""
    _show(config_path, committee, as_json)


@committee_group.command("propose-reporters")
@signing_options
@_committee_option
@click.argument("reporters", nargs=-1, required=True, metavar="REPORTER...")
@click.option(
    "--quorum", type=click.IntRange(min=1), required=True, help="Number of them that must have an answer; odd."
)
def propose_reporters(reporters: tuple[str, ...], quorum: int, **common: Any) -> None:
    """Propose the addresses of all REPORTERs that may sign once the proposal is active."""
    from oracle.chain.admin import reporters_of

    def proposed(config: Config, committee: str) -> tuple[list[str], int]:
        network = config.network
        members = config.members_of(committee)
        return reporters_of(reporters, quorum, members, 0 if network is None else network.faulty)

    _act("proposeReporters", proposed, **common)


@committee_group.command("activate-reporters")
@signing_options
@_committee_option
def activate_reporters(**common: Any) -> None:
    """Activate the proposed reporters, once their delay is over. It ends all signatures of the present ones."""
    _act("activateReporters", _nothing, **common)


@committee_group.command("cancel-reporters")
@signing_options
@_committee_option
def cancel_reporters(**common: Any) -> None:
    """Take the proposed reporters back."""
    _act("cancelReporters", _nothing, **common)


def _nothing(config: Config, committee: str) -> tuple[()]:
    """Return the arguments of an action that has none but the committee."""
    return ()


def _act(
    action: str,
    arguments: Callable[[Config, str], tuple[Any, ...]],
    *,
    committee: str | None,
    config_path: Path,
    **how: Any,
) -> None:
    from oracle.chain import admin
    from oracle.chain.deploy import load_deployment
    from oracle.core.errors import ContractRejected

    config, signing = load_config(config_path), Signing(**how)
    deployment = load_deployment(config.chain.deployment)
    named = committee or admin.only_committee(deployment)
    wanted = admin.committee_call(deployment, named, action, *arguments(config, named))
    try:
        is_sent = act(config, [wanted], signing)
    except ContractRejected as error:
        tried = _look(config, named).activation if action == "activateReporters" else None
        missing = "" if tried is None or tried.is_possible else f". It {tried}"
        raise ContractRejected(f"{error}{missing}", error.name) from error
    if is_sent:
        _show(config_path, committee, signing.as_json)


def _show(config_path: Path, committee: str | None, as_json: bool) -> None:
    from oracle.cli.render.feed import print_committee

    print_committee(_look(load_config(config_path), committee), as_json=as_json)


def _look(config: Config, committee: str | None) -> CommitteeOverview:
    import asyncio

    from oracle.chain import admin
    from oracle.chain.connect import connect
    from oracle.chain.deploy import load_deployment
    from oracle.chain.hub import Hub
    from oracle.chain.overview import committee_overview

    async def look() -> CommitteeOverview:
        async with connect(config.chain) as rpc:
            deployment = load_deployment(config.chain.deployment)
            return await committee_overview(
                Hub(rpc, deployment.hub), deployment, committee or admin.only_committee(deployment)
            )

    return asyncio.run(look())
