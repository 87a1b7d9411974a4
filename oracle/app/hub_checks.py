"""The doctor's findings about a deployed hub: its contracts, its roles, and who signs for each committee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oracle.app.checks import Check
from oracle.app.deployment_checks import deployment_checks
from oracle.app.finding import find_hub
from oracle.app.keys import address_of
from oracle.chain.connect import connect
from oracle.chain.deploy import Deployment, load_deployment
from oracle.chain.hub import Committee, Hub
from oracle.chain.overview import proposal_window
from oracle.chain.reach import joins, reach_of
from oracle.chain.rpc import Rpc
from oracle.config import Config
from oracle.core.errors import KeystoreError, OracleError

__all__ = ["hub_checks"]

_OTHER_ADDRESS = "check the RPC URL and the deployment file, or run `oracle deploy`"
_ROTATE = "docs/operations.md, Recipe: rotate a key, has the steps"


async def hub_checks(config: Config, env: Mapping[str, str]) -> list[Check]:
    """Check the hub that the deployment file names, as far as the chain tells.

    Args:
        config: The configuration.
        env: The environment: a key's password may be in it.

    Returns:
        The findings. If nothing is deployed yet, or the hub is not there, that is the only one.
    """
    file = config.chain.deployment
    if not file.exists():
        return [Check("hub", ok=True, level="info", where=str(file), detail="not deployed yet: run `oracle deploy`")]
    try:
        deployment = load_deployment(file)
        async with connect(config.chain) as rpc:
            hub = await find_hub(config, deployment, rpc)
            return [
                *await deployment_checks(deployment, file, rpc),
                await _guardian(config, hub, rpc, env),
                *await _committees(config, deployment, hub, rpc, env),
            ]
    except OracleError as error:
        return [Check("hub", ok=False, where=str(file), detail=str(error), remedy=_OTHER_ADDRESS)]


async def _guardian(config: Config, hub: Hub, rpc: Rpc, env: Mapping[str, str]) -> Check:
    """Check that somebody beside the admin can pause a feed at once."""
    admin = await hub.read("defaultAdmin")
    if config.network is not None and config.deploy.guardian is None and "deployer" not in config.keys.model_fields_set:
        detail = f"neither [deploy] guardian nor [keys] deployer is set; the admin is {admin}"
        remedy = "name the guardian's address in [deploy]"
        return Check("guardian", ok=False, level="info", detail=detail, remedy=remedy)
    try:
        guardian = config.deploy.guardian or await address_of(config.keys.deployer, rpc, env)
    except KeystoreError as error:
        detail = f"[deploy] guardian is not set, and the deployer's key is not here: {error}"
        return Check(
            "guardian", ok=False, level="info", detail=detail, remedy="name the guardian's address in [deploy]"
        )
    is_guardian = await hub.read("hasRole", await hub.read("GUARDIAN_ROLE"), guardian)
    if not is_guardian:
        detail = f"{guardian} is not the hub's guardian; its admin, {admin}, can pause feeds"
        remedy = "let the admin grant GUARDIAN_ROLE, or correct [deploy] guardian"
        return Check("guardian", ok=False, level="warning", where=guardian, detail=detail, remedy=remedy)
    return Check("guardian", ok=True, where=guardian, detail="may pause, cancel and roll back")


async def _committees(
    config: Config, deployment: Deployment, hub: Hub, rpc: Rpc, env: Mapping[str, str]
) -> list[Check]:
    """Check that this machine's reporter key can report for the committee of each configured feed."""
    try:
        keys = [await address_of(config.keys.reporter, rpc, env)]
    except KeystoreError as error:
        return [Check("reporter key", ok=False, detail=str(error), remedy="see docs/operations.md, Keys")]
    now = (await rpc.block()).timestamp
    return [
        _committee(name, await hub.committee(deployment.committees[name].number), keys, now, config.members_of(name))
        for name in sorted({deployment.feeds[feed.name].committee for feed in config.feeds})
    ]


def _committee(name: str, committee: Committee, keys: list[str], now: int, members: Sequence[str]) -> Check:
    what, where = f"committee {name}", f"number {committee.number}, epoch {committee.epoch}"
    reach = reach_of(committee, keys, now, members)
    if members and joins(committee, keys[0], now):
        detail = f"{keys[0]} is proposed as a reporter; the proposal {proposal_window(committee.active_from, now)}"
        return Check(what, ok=True, level="info", where=where, detail=detail)
    if reach.problem:
        return Check(what, ok=False, where=where, detail=reach.problem, remedy=_ROTATE)
    signs = f"{keys[0]} signs; quorum {committee.quorum} of {len(committee.reporters)}"
    if reach.later:
        detail = f"{signs}; a change is proposed, it {proposal_window(committee.active_from, now)}. Then {reach.later}"
        return Check(what, ok=False, level="warning", where=where, detail=detail, remedy=_ROTATE)
    return Check(what, ok=True, where=where, detail=signs)
