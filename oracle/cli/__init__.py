"""The command line: the only place that prints, and where a user's mistake becomes one line and an exit code.

Exit codes: 0 done; 1 something that a person has to look at; 2 bad input; 3 evidence that others can't verify; 75 try
again later; 130 interrupted.

Each command, or group of commands, has a module here. What it prints, beyond a line or two, is in a module of
`oracle.cli.render`. A new command needs both, and its name in the list below.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import NoReturn

import click

from oracle.cli.audit import audit_command
from oracle.cli.bench import bench_group
from oracle.cli.card import card_group
from oracle.cli.chain import chain_group
from oracle.cli.claim import claim_group
from oracle.cli.committee import committee_group
from oracle.cli.completion import completion_command
from oracle.cli.config import config_group
from oracle.cli.cost import cost_command
from oracle.cli.demo import demo_command
from oracle.cli.deploy import deploy_command
from oracle.cli.detector import detector_group
from oracle.cli.doctor import doctor_command
from oracle.cli.explain import explain_command
from oracle.cli.explore import explore_command
from oracle.cli.feed import feed_group
from oracle.cli.history import history_command
from oracle.cli.init import init_command
from oracle.cli.journal import journal_group
from oracle.cli.key import key_group
from oracle.cli.model import model_group
from oracle.cli.network import network_group
from oracle.cli.packaging import packaging_command
from oracle.cli.role import role_group
from oracle.cli.run import run_command
from oracle.cli.source import source_group
from oracle.cli.srs import srs_group
from oracle.cli.status import status_command
from oracle.cli.toolchain import toolchain_group
from oracle.cli.top import top_command
from oracle.cli.verify import manifest_group, verify_deployment_command
from oracle.core.errors import ConfigError, OracleError
from oracle.core.formats import harmless
from oracle.core.version import __version__

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a standard output that takes no more. `click` ends in silence if a pipe's reader has gone."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="oracle")
@click.option("--verbose", "-v", is_flag=True, help="Log what happens to standard error.")
def oracle(verbose: bool) -> None:
    """An oracle whose every value was proven to pass a committed anomaly-detection model."""
    # Imported here, so that `oracle --help` answers at once.
    from oracle.core.logs import configure

    configure("info" if verbose else "warning")


for _command in (
    audit_command,
    bench_group,
    card_group,
    chain_group,
    claim_group,
    committee_group,
    completion_command,
    config_group,
    cost_command,
    demo_command,
    deploy_command,
    detector_group,
    doctor_command,
    explain_command,
    explore_command,
    feed_group,
    history_command,
    init_command,
    journal_group,
    key_group,
    manifest_group,
    model_group,
    network_group,
    packaging_command,
    role_group,
    run_command,
    source_group,
    srs_group,
    status_command,
    toolchain_group,
    top_command,
    verify_deployment_command,
):
    oracle.add_command(_command)


def main() -> NoReturn:
    """Run the command that the arguments name, and exit; a user's mistake is one line and never a traceback."""
    try:
        oracle.main(standalone_mode=False)
    except OracleError as error:
        click.echo(f"error: {harmless(str(error))}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__context__, EOFError):
            click.echo(
                "\nerror: there is no input to answer the prompt: name a file, such as --password-file", err=True
            )
            sys.exit(ConfigError.exit_code)
        click.echo("interrupted", err=True)
        sys.exit(130)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        # What is still in the buffer can't be written either: nothing may try when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        click.echo(f"error: the output can't be written: {error.strerror}", err=True)
        sys.exit(OracleError.exit_code)
    sys.exit(0)
