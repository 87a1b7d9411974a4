"""`oracle toolchain …`: the programs that are not Python."""

from __future__ import annotations

import click

from oracle.cli.options import json_option

# Commands import what they need when they run, so that `oracle --help` answers at once.


@click.group("toolchain")
def toolchain_group() -> None:
    """The programs that are not Python: anvil, cast, forge, Node.js and the Solidity compilers."""


@toolchain_group.command("list")
@json_option
def toolchain_list(as_json: bool) -> None:
    """Show which programs are there, where, and what needs those that are missing."""
    from oracle.chain.local import installing
    from oracle.cli.render.toolchain import print_tools

    print_tools([(each, installing.find(each)) for each in installing.TOOLS], as_json=as_json)


@toolchain_group.command("install")
@click.argument("names", nargs=-1, metavar="[TOOL]…")
@json_option
def toolchain_install(names: tuple[str, ...], as_json: bool) -> None:
    """Install what is missing into your cache: each TOOL, or all of them, in pinned releases, checked by their hashes.

    They come from npm, and Node.js from PyPI. A fitting program on the PATH is used instead. What was interrupted goes
    on where it stopped.
    """
    from oracle.chain.local import installing
    from oracle.cli.render.toolchain import print_installed

    found = installing.install(names, lambda line: click.echo(line, err=True))
    print_installed(found, as_json=as_json)
