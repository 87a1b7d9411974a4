"""Write docs/cli.md from the commands' own help and from the errors' classes.

    python -m scripts.command_reference

Run it after every change of a command or an option; `tests/unit/docs/test_command_reference.py` fails until then.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from oracle.cli import oracle as command_line
from oracle.core import errors
from oracle.core.errors import EXIT_CODES, OracleError

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"

_HEAD = """# Commands

Every command of `oracle`, with its arguments and options, and the exit codes.
This page is made from the code by `python -m scripts.command_reference`.

`oracle --verbose COMMAND` also logs what happens to standard error. `-h` or `--help` explains a command. What a command
prints for people goes to standard output, progress and complaints go to standard error.

**For machines.** `--json` prints one document to standard output. Nearly every
command has it; {without} have not.
Amounts that can be larger than a reader's integers are text. Rows of tables are whole lines in a pipe, unless the
variable `COLUMNS` says how wide lines may be; hashes, addresses, numbers and times are never broken. Colours are for
terminals only; `NO_COLOR` turns them off.

**In a shell.** `oracle completion bash`, `zsh` or `fish` prints the script that completes commands, options, and the
names of feeds, committees and models of the configuration in the current folder.
"""

_CODES = """
## Exit codes

| code | meaning | errors |
| --- | --- | --- |
"""

_FAILED = (
    "An error is one line that begins with `error:`, on standard error. A command's own text says when it exits with "
    "1.\n"
)


def page() -> str:
    """Return the page."""
    found = list(commands())
    without = sorted(path for path, command in found if "--json" not in _flags(command))
    listed = ", ".join(f"`{path}`" for path in without[:-1]) + f" and `{without[-1]}`"
    parts = [_HEAD.replace("{without}", listed), _codes(), "\n## All commands\n\n", *_contents(found)]
    return "".join([*parts, *(_section(path, command) for path, command in found)])


def commands(group: click.Group = command_line, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield all commands that do something, by their words."""
    for name, command in sorted(group.commands.items()):
        path = f"{above} {name}".strip()
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield path, command
        if isinstance(command, click.Group):
            yield from commands(command, path)


def _codes() -> str:
    rows = []
    for code, meaning in EXIT_CODES.items():
        of = ", ".join(f"`{each}`" for each in _errors(code))
        rows.append(f"| {code} | {meaning} | {of} |\n")
    return _CODES + "".join(rows) + "\n" + _FAILED


def _errors(code: int) -> list[str]:
    """Return the names of the errors with an exit code, as the tree has them; those without kinds of their own."""
    kinds = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, OracleError)]
    leaves = [each for each in kinds if not any(other is not each and issubclass(other, each) for other in kinds)]
    order = list(vars(errors))
    of = [each.__name__ for each in leaves if each.exit_code == code]
    return sorted(of, key=order.index)


def _contents(found: list[tuple[str, click.Command]]) -> Iterator[str]:
    yield "| command | |\n| --- | --- |\n"
    for path, command in found:
        anchor = f"oracle-{path.replace(' ', '-')}"
        yield f"| [`oracle {path}`](#{anchor}) | {_first_sentence(command)} |\n"


def _first_sentence(command: click.Command) -> str:
    text = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    return _cell(_plain(re.split(r"(?<=\.) ", text)[0]))


def _section(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"oracle {path}")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    paragraphs = "\n\n".join(_paragraph(each) for each in re.split(r"\n\s*\n", text))
    options = [each for each in command.params if isinstance(each, click.Option)]
    rows = "".join(f"| {_names(each, context)} | {_meaning(each, context)} |\n" for each in options)
    table = f"\n| option | |\n| --- | --- |\n{rows}" if rows else ""
    return f"\n## oracle {path}\n\n    {usage}\n\n{paragraphs}\n{table}"


def _paragraph(text: str) -> str:
    """Return a paragraph; one that keeps its lines is shown as it is."""
    lines = text.splitlines()
    if any("oracle completion" in line for line in lines):
        return "\n".join(f"    {line}" for line in lines)
    return _plain(" ".join(lines))


def _names(option: click.Option, context: click.Context) -> str:
    names = ", ".join(sorted([*option.opts, *option.secondary_opts], key=lambda each: (each.startswith("--"), each)))
    takes = "" if option.is_flag or option.count else f" {option.make_metavar(context)}"
    return f"`{names}{takes}`".replace("|", "\\|")


def _meaning(option: click.Option, context: click.Context) -> str:
    text = _plain(" ".join((option.help or "").split()))
    extra = option.get_help_extra(context)
    notes = [extra["range"]] if "range" in extra else []
    notes += [f"default: {extra['default']}"] if "default" in extra else []
    notes += ["required"] if option.required else []
    notes += [f"from {option.envvar}"] if isinstance(option.envvar, str) else []
    return _cell(f"{text} [{'; '.join(notes)}]" if notes else text)


def _plain(text: str) -> str:
    """Return text in which nothing but what is between backticks is markup."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[\]])", r"\\\1", part) for part in parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _flags(command: click.Command) -> set[str]:
    return {name for each in command.params for name in each.opts}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
