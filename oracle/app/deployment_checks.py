"""The check of a deployment as `oracle deploy` and `oracle doctor` use it: against the deployment file."""

from __future__ import annotations

from pathlib import Path

from oracle.app.checks import Check, Level
from oracle.audit.deployment.comparison import of_file
from oracle.audit.deployment.report import DeploymentReport, Severity, Weakness
from oracle.audit.deployment.verify import DeploymentCheck, Progress, verify_deployment
from oracle.chain.connect import connect
from oracle.chain.deploy import Deployment
from oracle.chain.rpc import Rpc
from oracle.config import Config

__all__ = ["deployment_checks", "verify_deployed"]

_OF_ROLES = ("role ", "guardian ", "holder ", "delay ")

_FULL = "`oracle verify-deployment` has all of it"


async def verify_deployed(config: Config, deployment: Deployment, progress: Progress) -> DeploymentReport:
    """Check what was deployed, from creation code to verifiers, against the deployment file."""
    file = config.chain.deployment
    folder = config.prover.artifacts
    wanted = DeploymentCheck(
        expected=of_file(deployment, f"the deployment file {file}"),
        artifacts=folder if folder.is_dir() else None,
        from_block=deployment.block,
    )
    async with connect(config.chain) as rpc:
        return await verify_deployment([rpc], deployment.hub, wanted, progress)


async def deployment_checks(deployment: Deployment, file: Path, rpc: Rpc) -> list[Check]:
    """Return the doctor's findings: the code of all contracts, the roles, and what is weak.

    It reads no logs, so that it is quick on an old chain: an account that nobody named may have a role. Verifiers are
    compared with what the hub pinned, and not made again.
    """
    wanted = DeploymentCheck(
        expected=of_file(deployment, f"the deployment file {file}"),
        from_block=deployment.block,
        only_stated_roles=True,
    )
    report = await verify_deployment([rpc], deployment.hub, wanted)
    is_local = await rpc.is_local()
    return [_hub(report, deployment), _roles(report), *(_weak(each, is_local) for each in report.weaknesses)]


def _hub(report: DeploymentReport, deployment: Deployment) -> Check:
    problems = [str(each) for each in report.differences if not each.subject.startswith(_OF_ROLES)]
    feeds = len(deployment.feeds)
    return Check(
        "hub",
        ok=not problems,
        where=report.hub,
        detail="; ".join(problems) or f"{feeds} feed{'' if feeds == 1 else 's'}, lens {deployment.lens}",
        remedy=f"go on with the release that deployed it, or deploy anew with this one; {_FULL}" if problems else "",
    )


def _roles(report: DeploymentReport) -> Check:
    problems = [str(each) for each in report.differences if each.subject.startswith(_OF_ROLES)]
    roles = None if report.statement is None else report.statement.roles
    return Check(
        "roles",
        ok=not problems and roles is not None,
        level="warning",
        where="" if roles is None or roles.admin is None else roles.admin,
        detail="; ".join(problems) or ("can't be read" if roles is None else "admin and guardian are as deployed"),
        remedy=f"if that is meant, put it in [deploy] and run `oracle deploy`, which records it; {_FULL}"
        if problems
        else "",
    )


def _weak(found: Weakness, is_local: bool) -> Check:
    level: Level = "info" if is_local or found.severity is Severity.LOW else "warning"
    detail = f"{found.reason} ({found.severity.value})"
    return Check("weak setting", ok=False, level=level, where=found.subject, detail=detail, remedy=found.remedy)
