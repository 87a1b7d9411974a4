"""`oracle deploy`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from oracle.cli.options import (
    config_option,
    json_option,
    load_config,
    public_model_option,
    visibility_option,
    with_visibility,
)

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("deploy")
@config_option
@public_model_option
@visibility_option
@click.option(
    "--add-model",
    is_flag=True,
    help="Add the configured model to a hub whose feeds have another one; `oracle feed propose-model` comes next.",
)
@json_option
def deploy_command(
    config_path: Path, public_model: bool, visibility: str | None, add_model: bool, as_json: bool
) -> None:
    """Deploy verifier, hub, model and feeds, check what was deployed, and say what is weak. Safe to run again.

    Exits with 1 if what was deployed is not as it should be.
    """
    import asyncio

    from oracle.app.deploy import deploy
    from oracle.app.deployment_checks import verify_deployed
    from oracle.app.progress import finished_steps
    from oracle.cli.render.deployment import print_deployment
    from oracle.cli.render.deployment_report import print_differences, print_weaknesses
    from oracle.cli.render.json_output import print_json

    config = with_visibility(load_config(config_path), public_model, visibility)
    progress = finished_steps(lambda line: click.echo(line, err=True))
    deployment = asyncio.run(deploy(config, progress, adds_model=add_model))
    if not as_json:
        print_deployment(deployment)
    report = asyncio.run(verify_deployed(config, deployment, progress))
    if as_json:
        names = ("differences", "weaknesses", "unchecked")
        told = {name: [asdict(each) for each in getattr(report, name)] for name in names}
        print_json({"ok": not report.differences, "deployment": deployment.model_dump(mode="json")} | told)
    else:
        for unchecked in report.unchecked:
            click.echo(f"unchecked: {unchecked.subject}: {unchecked.reason}", err=True)
        print_weaknesses(report.weaknesses)
        print_differences(report.differences)
    sys.exit(1 if report.differences else 0)
