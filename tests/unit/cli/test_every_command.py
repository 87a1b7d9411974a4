"""Tests over the tree of all commands: each can answer a machine, and completes what it takes."""

from __future__ import annotations

from collections.abc import Iterator

import click

from oracle.cli import oracle as command_line

WITHOUT_JSON = {
    "chain up": "it runs until it is stopped, and prints the node's lines",
    "claim serve": "it runs until it is stopped; its log is JSON where it is not for a terminal",
    "explore": "it runs until it is stopped",
    "claim demo": "it tells a story, step by step; its exit code says whether it ended well",
    "run": "it runs until it is stopped; its log is JSON where it is not for a terminal",
}
"""Commands that print no document for machines, and why."""


def commands(group: click.Group = command_line, above: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        path = f"{above} {name}".strip()
        if isinstance(command, click.Group):
            yield from commands(command, path)
            if not command.invoke_without_command:
                continue
        yield path, command


def options(command: click.Command) -> set[str]:
    return {name for each in command.params for name in each.opts}


def test_every_command_answers_a_machine_or_there_is_a_reason() -> None:
    found = dict(commands())
    assert len(found) > 60
    assert sorted(name for name, command in found.items() if "--json" not in options(command)) == sorted(WITHOUT_JSON)
    assert set(WITHOUT_JSON) <= set(found)


def test_json_is_a_flag_with_one_meaning() -> None:
    for name, command in commands():
        for each in command.params:
            if "--json" in each.opts:
                assert isinstance(each, click.Option) and each.is_flag and each.name == "as_json", name


def test_whatever_is_called_a_feed_completes_names_of_feeds() -> None:
    bare = [
        f"{path}: {each.name}"
        for path, command in commands()
        for each in command.params
        if each.name in ("feed", "feeds", "committee")
        and not path.startswith("audit")
        and not each._custom_shell_complete
    ]
    assert bare == []
