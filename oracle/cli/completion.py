"""`oracle completion`, and the names that shells complete: feeds, committees, models of the configuration here.

A shell waits for each answer while somebody types: only the files' own text is read, with the standard library.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class

from oracle.cli.options import DEFAULT_CONFIG, json_option
from oracle.core.documents import parse_json

__all__ = ["complete_committee", "complete_feed", "complete_model", "completion_command"]

SHELLS = ("bash", "zsh", "fish")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_LARGEST = 4 << 20
"""The most bytes of a file that are read while somebody types."""

_INSTALL = {
    "bash": "oracle completion bash > ~/.local/share/bash-completion/completions/oracle",
    "zsh": 'oracle completion zsh > "${fpath[1]}/_oracle"',
    "fish": "oracle completion fish > ~/.config/fish/completions/oracle.fish",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@json_option
def completion_command(shell: str, as_json: bool) -> None:
    """Print the script that completes commands, options, feeds, committees and models in a SHELL.

    \b
    bash: oracle completion bash > ~/.local/share/bash-completion/completions/oracle
    zsh:  oracle completion zsh > "${fpath[1]}/_oracle"
    fish: oracle completion fish > ~/.config/fish/completions/oracle.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    command = click.get_current_context().find_root().command
    script = found(command, {}, "oracle", "_ORACLE_COMPLETE").source()
    if as_json:
        click.echo(json.dumps({"shell": shell, "install": _INSTALL[shell], "script": script}, indent=2))
    else:
        click.echo(script)


def complete_feed(context: click.Context, _option: click.Parameter, incomplete: str) -> Sequence[str]:
    """Return the feeds whose names begin with what was typed, of the configuration and of its deployment."""
    config = _configuration(context)
    names = [*_names(config.get("feeds")), *_deployment(context, config).get("feeds", {})]
    return _beginning(names, incomplete)


def complete_committee(context: click.Context, _option: click.Parameter, incomplete: str) -> Sequence[str]:
    """Return the committees whose names begin with what was typed."""
    config = _configuration(context)
    names = [*_names(config.get("committees")), *_deployment(context, config).get("committees", {})]
    return _beginning(names or ["default"], incomplete)


def complete_model(context: click.Context, _option: click.Parameter, incomplete: str) -> Sequence[str]:
    """Return the numbers of deployed models that begin with what was typed."""
    return _beginning(_deployment(context, _configuration(context)).get("models", {}), incomplete)


def _beginning(names: Any, incomplete: str) -> Sequence[str]:
    """Return the names that begin with what was typed.

    The shell puts them into a command line: only what can be a name gets there.
    """
    found = [name for name in names if isinstance(name, str) and _NAME.fullmatch(name) and name.startswith(incomplete)]
    return list(dict.fromkeys(found))


def _names(tables: Any) -> list[str]:
    return (
        [each["name"] for each in tables if isinstance(each, dict) and "name" in each]
        if isinstance(tables, list)
        else []
    )


def _path(context: click.Context) -> Path:
    named = context.params.get("config_path") or os.environ.get("ORACLE_CONFIG")
    return Path(named) if named else DEFAULT_CONFIG


def _text(path: Path) -> str:
    """Return the text of a file; empty if it is none, as a device or a pipe, which might never end."""
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return ""
    return path.read_text(encoding="utf-8")


def _configuration(context: click.Context) -> Mapping[str, Any]:
    """Return the configuration's text as tables; empty if it can't be read: nobody is told while typing."""
    try:
        return tomllib.loads(_text(_path(context)))
    except (OSError, ValueError, RecursionError):
        return {}


def _deployment(context: click.Context, config: Mapping[str, Any]) -> Mapping[str, Any]:
    chain = config.get("chain")
    named = chain.get("deployment") if isinstance(chain, dict) else None
    if not isinstance(named, str):
        return {}
    try:
        found = parse_json(_text(_path(context).parent / named))
    except (OSError, ValueError):
        return {}
    return {name: each for name, each in found.items() if isinstance(each, dict)} if isinstance(found, dict) else {}
