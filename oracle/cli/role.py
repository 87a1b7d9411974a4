"""`oracle role …`: who administers a hub, who guards it, and the changes of both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.options import config_option, json_option, load_config
from oracle.cli.signing import Signing, act, signing_options

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.chain.deploy import Deployment
    from oracle.chain.hub.roles import HubRoles
    from oracle.config import Config

_GUARDIAN = "GUARDIAN_ROLE"


@click.group("role")
def role_group() -> None:
    """Roles of a hub: its admin, its guardians."""


@role_group.command("show")
@config_option
@json_option
def role_show(config_path: Path, as_json: bool) -> None:
    """Show who holds the hub's roles, and to whom the admin's is being handed over."""
    _show(config_path, as_json)


@role_group.command("hand-over")
@click.argument("successor")
@signing_options
def hand_over(successor: str, **common: Any) -> None:
    """Offer the admin's role to the SUCCESSOR, which has to accept after the delay. The present admin signs."""
    _act("beginDefaultAdminTransfer", "SUCCESSOR", successor, **common)


@role_group.command("accept")
@signing_options
def accept(**common: Any) -> None:
    """Accept the admin's role, once the delay is over. The successor signs."""
    _act("acceptDefaultAdminTransfer", **common)


@role_group.command("cancel")
@signing_options
def cancel(**common: Any) -> None:
    """Take the offer of the admin's role back. The present admin signs."""
    _act("cancelDefaultAdminTransfer", **common)


@role_group.command("appoint")
@click.argument("guardian")
@signing_options
def appoint(guardian: str, **common: Any) -> None:
    """Make the address GUARDIAN a guardian, at once: it may pause, cancel proposals and roll models back."""
    _act("grantRole", "GUARDIAN", guardian, **common)


@role_group.command("dismiss")
@click.argument("guardian")
@signing_options
def dismiss(guardian: str, **common: Any) -> None:
    """End the rights of the address GUARDIAN, at once."""
    _act("revokeRole", "GUARDIAN", guardian, **common)


def _act(action: str, name: str = "", address: str = "", *, config_path: Path, **how: Any) -> None:
    """Make a call that changes roles, with an address as its last argument if it takes one."""
    import asyncio

    from oracle.chain import admin
    from oracle.chain.addresses import require_address
    from oracle.chain.deploy import load_deployment
    from oracle.core.errors import ConfigError
    from oracle.core.formats import NOBODY, keccak

    config, signing = load_config(config_path), Signing(**how)
    deployment = load_deployment(config.chain.deployment)
    role = [keccak(_GUARDIAN.encode())] if action.endswith("Role") else []
    account = require_address(address, name) if name else ""
    if account == NOBODY and action != "revokeRole":
        raise ConfigError(f"{name}: nobody has the key of the address 0")
    wanted = admin.role_call(deployment, action, *role, *([account] if name else []))
    # What is printed for others may be sent at another time.
    if not signing.calldata and signing.timelock is None:
        asyncio.run(_require_effect(config, deployment, action, account))
    if act(config, [wanted], signing):
        _show(config_path, signing.as_json)


async def _require_effect(config: Config, deployment: Deployment, action: str, account: str) -> None:
    """Check that a call changes something: the hub takes it either way, without a word.

    Raises:
        DeploymentError: It does not.
    """
    from oracle.chain.connect import connect
    from oracle.chain.hub import Hub
    from oracle.chain.hub.roles import hub_roles
    from oracle.core.errors import DeploymentError

    async with connect(config.chain) as rpc:
        roles = await hub_roles(Hub(rpc, deployment.hub), deployment.block)
    if action == "revokeRole" and account not in roles.guardians:
        known = ", ".join(roles.guardians) or "none"
        raise DeploymentError(f"{account} is no guardian; the guardians are {known}")
    if action == "grantRole" and account in roles.guardians:
        raise DeploymentError(f"{account} is a guardian already")
    if action in ("acceptDefaultAdminTransfer", "cancelDefaultAdminTransfer") and roles.next_admin is None:
        raise DeploymentError("the admin's role is offered to nobody: `oracle role hand-over` offers it")


def _show(config_path: Path, as_json: bool) -> None:
    import asyncio

    from oracle.chain.connect import connect
    from oracle.chain.deploy import load_deployment
    from oracle.chain.hub import Hub
    from oracle.chain.hub.roles import hub_roles
    from oracle.cli.render.roles import print_roles

    config = load_config(config_path)
    deployment = load_deployment(config.chain.deployment)

    async def look() -> HubRoles:
        async with connect(config.chain) as rpc:
            return await hub_roles(Hub(rpc, deployment.hub), deployment.block)

    print_roles(asyncio.run(look()), as_json=as_json)
