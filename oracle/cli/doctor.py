"""`oracle doctor`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from oracle.cli.options import json_option, load_optional, optional_config_option

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("doctor")
@optional_config_option
@json_option
def doctor_command(config_path: Path | None, as_json: bool) -> None:
    """Check tools, versions, SRS, chain and hub; exits with 1 if something will not work."""
    from oracle.app.checks import failures
    from oracle.app.doctor import diagnose
    from oracle.cli.render.checks import print_checks

    checks = diagnose(load_optional(config_path))
    print_checks(checks, as_json=as_json)
    sys.exit(1 if failures(checks) else 0)
