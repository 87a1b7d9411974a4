"""The programs that are needed, and those that were installed, for people."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from oracle.chain.local import toolchain
from oracle.chain.local.installing import PinnedTool
from oracle.chain.local.toolchain import FOUNDRY, Tool
from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_console, new_table

__all__ = ["print_installed", "print_tools"]

Found = Sequence[tuple[PinnedTool, Tool | None]]


def print_tools(found: Found, *, as_json: bool) -> None:
    """Print where the programs are, and what is missing."""
    if as_json:
        print_json({"tools": [_described(*each) for each in found], "bin": str(toolchain.bin_dir())})
        return
    table = new_table("tool", "version", "from", "where", "for")
    for pinned, tool in found:
        there = ("[red]missing[/red]", "", "") if tool is None else (tool.version, tool.origin, str(tool.path))
        table.add_row(pinned.name, *there, pinned.purpose)
    new_console().print(table)
    missing = [pinned for pinned, tool in found if tool is None]
    if missing:
        click.echo(f"\n{', '.join(each.name for each in missing)} missing: {toolchain.remedy()}")
    _print_path(found)


def print_installed(found: Sequence[tuple[PinnedTool, Tool]], *, as_json: bool) -> None:
    """Print where the programs are that were asked for."""
    if as_json:
        print_json({"tools": [_described(*each) for each in found], "bin": str(toolchain.bin_dir())})
        return
    click.echo(f"all there: {', '.join(f'{tool.name} {tool.version}' for _, tool in found)}")
    _print_path(found)


def _print_path(found: Found) -> None:
    """Say where programs are that a person calls, unless a shell finds them already."""
    places = [os.path.abspath(each) for each in os.get_exec_path()]
    hidden = [tool for pinned, tool in found if tool and pinned.name in FOUNDRY and tool.origin in ("cache", "npm")]
    if not hidden:
        return
    folder = toolchain.bin_dir() if hidden[0].origin == "cache" else _npm_bin(hidden[0].path)
    if str(folder) in places:
        return
    names = ", ".join(tool.name for tool in hidden)
    click.echo(f"\n{names}: in {folder}. To call them by name:\n  export PATH={shlex.quote(str(folder))}:$PATH")


def _npm_bin(program: Path) -> Path:
    """Return the folder with links to the programs in a clone's node_modules."""
    return next(each for each in program.parents if each.name == "node_modules") / ".bin"


def _described(pinned: PinnedTool, tool: Tool | None) -> dict[str, Any]:
    return {
        "name": pinned.name,
        "pinned": pinned.version,
        "purpose": pinned.purpose,
        "version": None if tool is None else tool.version,
        "path": None if tool is None else str(tool.path),
        "origin": None if tool is None else tool.origin,
    }
