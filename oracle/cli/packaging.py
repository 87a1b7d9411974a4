"""`oracle packaging`."""

from __future__ import annotations

import click

from oracle.cli.options import json_option

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.command("packaging")
@click.argument("name", required=False, metavar="[FILE]")
@json_option
def packaging_command(name: str | None, as_json: bool) -> None:
    """Print a FILE that comes with the package for running it: alert rules, a systemd unit, dashboards.

    Without a name, the files are listed.
    """
    from oracle.app.packaging import packaged_files, read_packaged
    from oracle.cli.render.json_output import print_json

    if name is not None:
        if as_json:
            raise click.UsageError("--json is for the list: a file is printed as it is")
        click.echo(read_packaged(name), nl=False)
        return
    found = list(packaged_files())
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(found))
