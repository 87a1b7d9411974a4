"""Run npm's scripts of the web projects: `python -m scripts.web check`, `test` or `build`.

`make check-web` and `make test-web` call it. It takes the Node.js that the set-up found, which may lie in `.venv`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from scripts.bootstrap import ROOT, WEB_PROJECTS, Bootstrap, SetupError

TASKS = {"check": ("types", "lint"), "build": ("build",), "test": ("build", "test")}
"""Scripts of package.json, by the task that runs them in each project."""


def run_task(task: str, root: Path = ROOT) -> int:
    """Run a task's scripts in each project, in order; return the exit code of the first that fails, else 0.

    Raises:
        SetupError: There is no Node.js.
    """
    npm = Bootstrap(root).npm()
    # npm starts `node` by its name: where only `.venv` has one, that comes first.
    environment = os.environ | {"PATH": os.pathsep.join((str(Path(npm[0]).parent), os.environ.get("PATH", "")))}
    for project in WEB_PROJECTS:
        for script in TASKS[task]:
            command = [*npm, "run", "--silent", script]
            done = subprocess.run(command, cwd=root / project, env=environment, check=False)
            if done.returncode:
                print(f"{project}: `npm run {script}` failed (exit code {done.returncode})", file=sys.stderr)
                return done.returncode
    return 0


def main() -> int:
    """Run the task that the arguments name; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    try:
        return run_task(parser.parse_args().task)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
