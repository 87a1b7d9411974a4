"""Commands that the benchmark runs as processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from oracle.core.errors import Fatal, ToolMissing


def oracle_command() -> list[str]:
    """Return this environment's `oracle` command."""
    installed = Path(sys.executable).with_name("oracle")
    return (
        [str(installed)] if installed.exists() else [sys.executable, "-P", "-c", "from oracle.cli import main; main()"]
    )


def git_command() -> str:
    """Return git's path.

    Raises:
        ToolMissing: It is not installed.
    """
    found = shutil.which("git")
    if found is None:
        raise ToolMissing("git is not on the PATH; install it, or measure without --cold-setup")
    return found


def output_of(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command in a folder, and return what it printed.

    Raises:
        ToolMissing: It can't be started.
        Fatal: It failed; the message has its last lines.
    """
    try:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ToolMissing(f"`{' '.join(command[:2])}` can't be started: {error}") from error
    if done.returncode:
        said = " | ".join((done.stdout + done.stderr).strip().splitlines()[-4:])
        raise Fatal(f"`{' '.join(command[:3])} …` failed in {folder} with exit code {done.returncode}: {said}")
    return done.stdout.strip()
