"""Run npm's scripts of the web projects: `python -m scripts.web check`, `test`, `build` or `bench`.

`make check-web`, `make test-web`, `make explorer` and `make bench-explorer` call it. It takes the Node.js that the
set-up found, which may lie in `.venv`. A build's pages are put into the package, where `oracle explore` serves them;
wheels have them, too. Tests share one scene (`tests/web/scene.py`), which is set while the projects are built.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from scripts.bootstrap import ROOT, WEB_PROJECTS, Bootstrap, SetupError

TASKS = {"check": ("types", "lint"), "build": ("build",), "test": ("build", "test"), "bench": ("build", "bench")}
"""Scripts of package.json, by the task that runs them in each project."""

BUILT = Path("explorer", "dist")
PAGES = Path("oracle", "web", "pages")
"""The explorer's pages, as they are built, and where the package has them."""

SCENE = "WEB_SCENE"
"""The variable that names the file which describes the scene; `tests/web/setup.mjs` reads it."""


def run_task(task: str, root: Path = ROOT) -> int:
    """Run a task's scripts in each project; return the exit code of the first that fails, else 0.

    Raises:
        SetupError: There is no Node.js.
    """
    npm = Bootstrap(root).npm()
    # npm starts `node` by its name: where only `.venv` has one, that comes first.
    environment = os.environ | {"PATH": os.pathsep.join((str(Path(npm[0]).parent), os.environ.get("PATH", "")))}
    with contextlib.ExitStack() as stack:
        # It takes as long as the builds, which run meanwhile.
        scene = stack.enter_context(SharedScene(root)) if task == "test" else None
        for script in TASKS[task]:
            if script == "test" and scene is not None:
                environment[SCENE] = str(scene.described())
            # Tests of one project wait for a browser while those of the other compute.
            run = _together if script == "test" else _in_turn
            options = ["--if-present"] if script == "bench" else []  # only pages are measured
            for project, code in run([*npm, "run", "--silent", *options, script], root, environment):
                if code:
                    print(f"{project}: `npm run {script}` failed (exit code {code})", file=sys.stderr)
                    return code
            if script == "build":
                take_pages(root)
    return 0


def _in_turn(command: Sequence[str], root: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Run a command in each project, and yield its exit codes."""
    for project in WEB_PROJECTS:
        yield project, subprocess.run(command, cwd=root / project, env=environment, check=False).returncode


def _together(command: Sequence[str], root: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Run a command in all projects at once, and yield its exit codes; what they print comes one after the other."""
    with contextlib.ExitStack() as stack:
        running = []
        for project in WEB_PROJECTS:
            said = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
            process = subprocess.Popen(
                command, cwd=root / project, env=environment, stdout=said, stderr=subprocess.STDOUT
            )
            running.append((project, process, said))
        codes = []
        for project, process, said in running:
            codes.append((project, process.wait()))
            said.seek(0)
            sys.stdout.write(said.read())
            sys.stdout.flush()
    yield from codes


class SharedScene:
    """A scene that begins with the context and ends with it."""

    def __init__(self, root: Path = ROOT, command: Sequence[str] = (sys.executable, "-m", "tests.web.scene")) -> None:
        """Begin nothing yet.

        Args:
            root: The repository.
            command: What plays the scene, and describes it in its first line.
        """
        self._root, self._command = root, command

    def __enter__(self) -> SharedScene:
        self._folder = tempfile.TemporaryDirectory(prefix="web-scene-")
        self._process = subprocess.Popen(
            self._command, cwd=self._root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()

    @property
    def is_playing(self) -> bool:
        """True while the scene lives."""
        return self._process.poll() is None

    def described(self) -> Path:
        """Return the file that describes the scene, once it is set.

        Raises:
            SetupError: It ended before.
        """
        path = Path(self._folder.name, "scene.json")
        if not path.exists():
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            if not line:
                raise SetupError(f"the scene of the web tests ended too early: `{' '.join(self._command)}` says why")
            path.write_text(line, encoding="utf-8")
        return path


def take_pages(root: Path = ROOT) -> None:
    """Put the built pages into the package, in place of those that were there."""
    target = root / PAGES
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(root / BUILT, fresh)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


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
